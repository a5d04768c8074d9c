//! What keeps a deploy waiting: it may happen later, and this says when or on whom
//! it depends.

use crate::Timestamp;
use crate::ids::{EnvironmentName, PersonId, ReleaseId};
use serde::{Deserialize, Serialize};

/// One thing that stands in the way of a deploy for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Obstacle {
    /// Another release changes the environment.
    Lock {
        /// Which.
        holder: ReleaseId,
    },
    /// Another release is first in line.
    Queue {
        /// Which.
        behind: ReleaseId,
    },
    /// A person keeps the environment from everybody new.
    Hold {
        /// Who.
        by: PersonId,
        /// Why.
        reason: String,
        /// Since when.
        since: Timestamp,
    },
    /// A release ended dirty: nobody knows what the environment runs.
    Doubt {
        /// Which.
        release: ReleaseId,
        /// Why it ended.
        reason: String,
        /// Since when.
        since: Timestamp,
    },
    /// A freeze.
    Freeze {
        /// Its number.
        freeze: u64,
        /// Who ordered it.
        by: PersonId,
        /// Why.
        reason: String,
        /// When it is over.
        until: Timestamp,
    },
    /// The environment's windows are closed.
    Window {
        /// When the next one opens.
        opens: Timestamp,
    },
    /// What is to be deployed has not run long enough in the environment before.
    Soak {
        /// Where it soaks.
        environment: EnvironmentName,
        /// When it has run there long enough, if it goes on to run there.
        until: Timestamp,
    },
}

impl Obstacle {
    /// When it is out of the way, where time alone does it.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Freeze { until, .. } | Self::Soak { until, .. } => Some(*until),
            Self::Window { opens } => Some(*opens),
            Self::Lock { .. } | Self::Queue { .. } | Self::Hold { .. } | Self::Doubt { .. } => None,
        }
    }

    /// Whether a person may let a release pass it by breaking the glass: rules of
    /// time, and the order of the queue. Never another release's lock, a hold or
    /// a doubt.
    pub fn yields_to_glass(&self) -> bool {
        match self {
            Self::Freeze { .. } | Self::Window { .. } | Self::Soak { .. } | Self::Queue { .. } => {
                true
            }
            Self::Lock { .. } | Self::Hold { .. } | Self::Doubt { .. } => false,
        }
    }

    /// Whether it is the same thing as `other`, whatever the times.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lock { holder: a }, Self::Lock { holder: b })
            | (Self::Queue { behind: a }, Self::Queue { behind: b }) => a == b,
            (Self::Hold { by: a, .. }, Self::Hold { by: b, .. }) => a == b,
            (Self::Doubt { release: a, .. }, Self::Doubt { release: b, .. }) => a == b,
            (Self::Freeze { freeze: a, .. }, Self::Freeze { freeze: b, .. }) => a == b,
            (Self::Window { .. }, Self::Window { .. }) => true,
            (Self::Soak { environment: a, .. }, Self::Soak { environment: b, .. }) => a == b,
            (
                Self::Lock { .. }
                | Self::Queue { .. }
                | Self::Hold { .. }
                | Self::Doubt { .. }
                | Self::Freeze { .. }
                | Self::Window { .. }
                | Self::Soak { .. },
                _,
            ) => false,
        }
    }
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lock { holder } => write!(f, "{holder} changes the environment"),
            Self::Queue { behind } => write!(f, "{behind} is first in line"),
            Self::Hold { by, reason, .. } => write!(f, "{by} holds the environment: {reason}"),
            Self::Doubt {
                release, reason, ..
            } => write!(
                f,
                "{release} ended dirty and left the environment unknown: {reason}"
            ),
            Self::Freeze {
                freeze,
                by,
                reason,
                until,
            } => write!(f, "freeze {freeze} of {by} until {until:.0}: {reason}"),
            Self::Window { opens } => write!(f, "the next window opens at {opens:.0}"),
            Self::Soak { environment, until } => {
                write!(f, "it has to run in {environment} until {until:.0}")
            }
        }
    }
}

/// Whether these are the same things as those, whatever the times.
pub fn are_like(these: &[Obstacle], those: &[Obstacle]) -> bool {
    these.len() == those.len() && these.iter().zip(those).all(|(a, b)| a.is_like(b))
}
