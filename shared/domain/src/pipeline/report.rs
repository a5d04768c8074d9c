//! Where people hear about releases, what is expected of them, and what nothing
//! enforces yet.

use serde::{Deserialize, Serialize};

/// Where people hear about the pipeline's releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// The Slack channel, with its `#`.
    pub slack: Option<String>,
    /// Who else hears of what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<NotifyRoute>,
}

/// Who hears of certain events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyRoute {
    /// Of what.
    pub on: Vec<Event>,
    /// Slack channels, with their `#`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slack: Vec<String>,
    /// E-mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email: Vec<String>,
    /// A PagerDuty service: the name of a routing key in the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagerduty: Option<String>,
}

impl NotifyRoute {
    /// Whether all of it is done: PagerDuty hears of `recovery-needed`, and of
    /// nothing else; no other channel of a route hears of anything yet.
    pub fn is_enforced(&self) -> bool {
        self.pagerduty.is_some()
            && self.slack.is_empty()
            && self.email.is_empty()
            && self.on.iter().all(|event| *event == Event::RecoveryNeeded)
    }
}

/// What people can ask to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A build stage failed.
    BuildFailure,
    /// A validation (linters, schemas) failed.
    ValidationFailure,
    /// A scan or findings gate denied.
    SecurityAlert,
    /// A plan of changes is there to be read.
    Plan,
    /// A deploy succeeded.
    DeploySucceeded,
    /// A deploy failed.
    DeployFailed,
    /// A protected environment runs something new.
    ProductionDeploy,
    /// A release waits for people or an environment longer than it should.
    Blocked,
    /// An environment may be half changed: somebody must look.
    RecoveryNeeded,
    /// A release ended.
    ReleaseEnded,
    /// Once a day, what was released.
    DailySummary,
}

impl Event {
    /// All of them with their words, as in a definition.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("build-failure", Self::BuildFailure),
        ("validation-failure", Self::ValidationFailure),
        ("security-alert", Self::SecurityAlert),
        ("plan", Self::Plan),
        ("deploy-succeeded", Self::DeploySucceeded),
        ("deploy-failed", Self::DeployFailed),
        ("production-deploy", Self::ProductionDeploy),
        ("blocked", Self::Blocked),
        ("recovery-needed", Self::RecoveryNeeded),
        ("release-ended", Self::ReleaseEnded),
        ("daily-summary", Self::DailySummary),
    ];
}

/// What a delivery metric should be. The texts are for people until reports
/// compute the metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What is aimed at, such as `> 95 %`.
    pub target: String,
    /// When somebody should be told, such as `< 90 %`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
}

/// What a definition can say and this version does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Metrics judged while a new version takes over: enforced by now. It is
    /// known so that definitions applied before can still be read.
    Watch,
    /// Gates that compare with what runs now.
    OnlyNew,
    /// Exceptions that lift a gate.
    Waiver,
    /// People who lift a gate.
    SignOff,
    /// Channels besides the pipeline's own, but for PagerDuty and
    /// `recovery-needed`.
    NotifyRoutes,
    /// Delivery metrics and their alerts.
    Targets,
}

impl Feature {
    /// All that nothing enforces yet.
    pub const ALL: &'static [Self] = &[
        Self::OnlyNew,
        Self::Waiver,
        Self::SignOff,
        Self::NotifyRoutes,
        Self::Targets,
    ];

    /// The word for it in `accept-unenforced`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::OnlyNew => "only-new",
            Self::Waiver => "waiver",
            Self::SignOff => "sign-off",
            Self::NotifyRoutes => "notify-routes",
            Self::Targets => "targets",
        }
    }

    /// What happens instead, for people.
    pub fn instead(self) -> &'static str {
        match self {
            Self::Watch => "nothing else: metrics are judged by now",
            Self::OnlyNew => "every finding counts, new or not",
            Self::Waiver => "nothing lifts the gate",
            Self::SignOff => "nobody can lift the gate",
            Self::NotifyRoutes => {
                "the pipeline's own channel hears of everything; besides it only PagerDuty hears, of `recovery-needed`"
            }
            Self::Targets => "nothing is computed and nobody is told",
        }
    }

    /// Whether what happens instead lets more through than the definition says.
    /// A protected environment that relies on such a feature needs the
    /// definition to accept it by name.
    pub fn lets_more_through(self) -> bool {
        match self {
            Self::Watch
            | Self::OnlyNew
            | Self::Waiver
            | Self::SignOff
            | Self::NotifyRoutes
            | Self::Targets => false,
        }
    }
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that a definition says and nothing enforces yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unenforced {
    /// What.
    pub feature: Feature,
    /// Where it is said: an environment, a stage, or the pipeline.
    pub place: String,
    /// Whether a protected environment relies on it.
    pub protected: bool,
}
