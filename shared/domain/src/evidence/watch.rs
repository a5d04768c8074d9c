//! What was measured while a new version was watched.

use crate::{Decimal, Timestamp};
use serde::{Deserialize, Serialize};

/// What a watch measured in its window, and what that means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchEvidence {
    /// When the window began: the warm-up is not in it.
    pub from: Timestamp,
    /// When it ended.
    pub until: Timestamp,
    /// What follows.
    pub outcome: WatchOutcome,
    /// Everything that was watched, in the definition's order.
    pub measured: Vec<Measured>,
}

impl WatchEvidence {
    /// Why it is as it is: what stands for the outcome, all of it.
    pub fn reasons(&self) -> Vec<&str> {
        let of = self.measured.iter().filter(|m| m.outcome == self.outcome);
        of.map(|m| m.because.as_str()).collect()
    }
}

/// What a watch says of the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchOutcome {
    /// Nothing yet: the watch goes on.
    Going,
    /// It does well.
    Passed,
    /// It does not do well.
    Failed,
    /// Nobody can tell: numbers are missing.
    Inconclusive,
}

impl WatchOutcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Going => "going",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One thing that was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// What, in the definition's word.
    pub metric: String,
    /// What it says.
    pub outcome: WatchOutcome,
    /// Why, for people, with the numbers.
    pub because: String,
    /// The most that passes, where there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Decimal>,
    /// How many times the old version's mean still passes, where they are
    /// compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most_times_old: Option<Decimal>,
    /// The new version's numbers, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Numbers>,
    /// The old version's numbers, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Numbers>,
    /// The alarm's name and state, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<(String, Option<String>)>,
}

/// Samples, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// How many.
    pub count: u64,
    /// How many there should be; 0 in records that do not say.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub expected: u64,
    /// Their mean, to the nearest millionth.
    pub mean: Decimal,
    /// The largest.
    pub worst: Decimal,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_unsaid(expected: &u64) -> bool {
    *expected == 0
}
