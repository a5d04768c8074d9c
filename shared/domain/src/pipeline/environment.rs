//! Where artifacts are deployed, and how.

use super::Seconds;
use super::stage::{Quorum, Step};
use super::watch::Watch;
use crate::ids::GroupName;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Where artifacts are deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The cluster's name, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The namespace in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The IAM role that deploys assume, where it is not the project's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Where people find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What kind of data it holds, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Who may get in, for people: IAM and the cluster decide it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<String>,
    /// Whether changing it needs an approval. A deploy into a protected
    /// environment that no approval guards does not compile.
    pub protected: bool,
    /// How long a release may hold the environment before its lock counts as
    /// abandoned and the sweep looks after its holder.
    pub lease: Seconds,
    /// How a new version takes over.
    #[serde(default, skip_serializing_if = "Strategy::is_direct")]
    pub strategy: Strategy,
    /// What happens when a change of it fails, and who may bring back what ran
    /// before.
    #[serde(default, skip_serializing_if = "Undo::is_default")]
    pub rollback: Undo,
    /// When it may be changed; at any time when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// How long an artifact must have run in the environment before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<Seconds>,
    /// Who comes next when several releases wait for it.
    #[serde(default, skip_serializing_if = "Queue::is_in_order")]
    pub queue: Queue,
    /// How long a release waits for it at most: for other releases, windows,
    /// freezes and holds.
    #[serde(default = "Environment::a_day", skip_serializing_if = "is_a_day")]
    pub wait: Seconds,
    /// What people do here by hand when nothing else helps: commands, one a line,
    /// by what they are for.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub manual: IndexMap<String, Vec<String>>,
}

const A_DAY: Seconds = Seconds(86_400);

fn is_a_day(seconds: &Seconds) -> bool {
    *seconds == A_DAY
}

impl Environment {
    /// How long a release waits for an environment that does not say: a day.
    pub fn a_day() -> Seconds {
        A_DAY
    }
}

/// Who comes next when several releases wait for an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// Each in its turn.
    #[default]
    InOrder,
    /// The newest; older ones that still wait are superseded and end.
    Newest,
}

impl Queue {
    fn is_in_order(&self) -> bool {
        matches!(self, Self::InOrder)
    }

    /// The word for it, as in a definition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InOrder => "in-order",
            Self::Newest => "newest",
        }
    }
}

/// How a new version takes over. What it does is in the stages that the compiler
/// made from it; this says what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// Which one.
    pub kind: StrategyKind,
    /// The percentages of traffic that the new version gets, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<u32>,
    /// What is watched between them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<Watch>,
}

impl Strategy {
    fn is_direct(&self) -> bool {
        *self == Self::default()
    }
}

/// The strategies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKind {
    /// At once.
    #[default]
    Direct,
    /// Instance by instance, as the platform does it.
    Rolling,
    /// Beside the old version, then all traffic at once.
    BlueGreen,
    /// A growing share of the traffic.
    Canary,
    /// Beside the old version, then a growing share of the traffic.
    BlueGreenCanary,
}

impl StrategyKind {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Rolling => "rolling",
            Self::BlueGreen => "blue-green",
            Self::Canary => "canary",
            Self::BlueGreenCanary => "blue-green with canary",
        }
    }
}

/// Going back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// Whether a change that fails is undone at once.
    pub automatic: bool,
    /// The commands that do it; when empty, the deploy's own, with what ran
    /// before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Who may ask for it by hand; when empty, who approves changes of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<GroupName>,
    /// Who has to agree when it is done by hand; nobody when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quorum: Vec<Quorum>,
}

impl Undo {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A time in the week in which an environment may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it opens, `mon` to `sun`.
    pub days: Vec<String>,
    /// When it opens, `HH:MM`.
    pub from: String,
    /// When it closes, `HH:MM`; on the next day when that is not after `from`.
    pub to: String,
    /// The IANA time zone of both.
    pub time_zone: String,
    /// Whether the windows bind rollbacks too; without it, what is broken can be
    /// brought back at any time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollbacks: bool,
}
