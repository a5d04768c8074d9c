//! The closed set of error names. They are a contract: a state machine's
//! `Catch` matches them, `docs/errors.md` has a heading for each, and a test
//! holds all three against each other.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! error_names {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The name under which a failure reaches Step Functions, people and records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ErrorName { $($(#[$doc])* $name),* }

        impl ErrorName {
            /// Every name there is.
            pub const ALL: &'static [ErrorName] = &[$(ErrorName::$name),*];

            /// The name as Step Functions sees it.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorName::$name => stringify!($name)),* }
            }
        }
    };
}

error_names! {
    /// Input that is not what the contract says.
    BadInput,
    /// No such pipeline, or no such version of it.
    UnknownPipeline,
    /// The definition has no trigger for this ref.
    NotTriggered,
    /// A start under the name of a release that has ended, or with other input.
    AlreadyStarted,
    /// A stage's own commands failed.
    BuildFailed,
    /// CodeBuild's infrastructure failed, not the commands: the one kind of build failure that is retried.
    BuildFault,
    /// A build was stopped: by us with its release, or by somebody in CodeBuild.
    BuildStopped,
    /// A build ran over its time budget.
    BuildTimedOut,
    /// A build never reported and cannot be found at its source.
    BuildLost,
    /// A blocking gate denied.
    GateDenied,
    /// A new version did not do well while it was watched.
    WatchFailed,
    /// An approver rejected.
    Rejected,
    /// Nobody completed the quorum in time.
    ApprovalExpired,
    /// A deploy without its complete approval.
    NotApproved,
    /// The evidence is not the evidence that was approved.
    EvidenceChanged,
    /// The way back leads across a migration that only goes forward.
    Irreversible,
    /// The version was taken back from the environment, and nobody has lifted it.
    TakenBack,
    /// The environment does not run what whoever asked for the rollback saw there.
    MovedOn,
    /// The environment's lock belongs to another release.
    LockLost,
    /// A person ordered a halt.
    Halted,
    /// A freeze began while the deploy was under way, and says that such deploys stop.
    Frozen,
    /// A newer release has or gets the environment.
    Superseded,
    /// The CodePipeline action that started the release no longer waits for it.
    Orphaned,
    /// What is to be deployed has not run in the environment before this one, or not long enough.
    NotPromoted,
    /// A wait reached its deadline without an answer.
    WaitExpired,
    /// The release has ended; nothing may act for it any more.
    ReleaseEnded,
    /// A service was throttled or unreachable: trying again may help.
    Transient,
    /// A permission is missing.
    AccessDenied,
    /// Somebody else changed the same record first.
    Conflict,
    /// Gatewright itself is wrong.
    Bug,
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ErrorName {
    type Err = UnknownErrorName;
    fn from_str(text: &str) -> Result<Self, UnknownErrorName> {
        Self::ALL
            .iter()
            .copied()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| UnknownErrorName(text.to_owned()))
    }
}

/// A name that is none of ours; `States.Timeout`, for instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of Gatewright's error names")]
pub struct UnknownErrorName(String);
