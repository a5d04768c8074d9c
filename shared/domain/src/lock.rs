//! Environment locks: one release at a time changes an environment.

use crate::Timestamp;
use crate::ids::{EnvironmentName, PipelineId, ReleaseId};
use serde::{Deserialize, Serialize};

/// An environment's lock. It exists from the first deploy on and is never
/// deleted, so that fencing numbers only ever grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The environment.
    pub environment: EnvironmentName,
    /// Who has it.
    pub holder: Option<Holder>,
    /// Grows with every change of hands; a deploy is recorded only under the
    /// number it began with.
    pub fencing: u64,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The release.
    pub release: ReleaseId,
    /// Since when.
    pub since: Timestamp,
    /// When the sweep looks whether the holder is still alive. A lease that ran
    /// out does not free the lock by itself: a slow deploy is not a dead one.
    pub lease_until: Timestamp,
}

impl Lock {
    /// A lock that nobody has had yet.
    pub fn free(pipeline: PipelineId, environment: EnvironmentName) -> Self {
        Self {
            pipeline,
            environment,
            holder: None,
            fencing: 0,
        }
    }

    /// Whether `release` holds it.
    pub fn is_held_by(&self, release: &ReleaseId) -> bool {
        self.holder.as_ref().is_some_and(|h| &h.release == release)
    }

    /// Taken by `release`. Taking one's own lock again changes nothing but the
    /// lease; `None` when somebody else has it.
    pub fn taken(&self, release: &ReleaseId, now: Timestamp, lease: i64) -> Option<Self> {
        let lease_until = crate::after(now, lease);
        match &self.holder {
            Some(holder) if &holder.release != release => None,
            Some(holder) => Some(Self {
                holder: Some(Holder {
                    lease_until,
                    ..holder.clone()
                }),
                ..self.clone()
            }),
            None => Some(Self {
                holder: Some(Holder {
                    release: release.clone(),
                    since: now,
                    lease_until,
                }),
                fencing: self.fencing + 1,
                ..self.clone()
            }),
        }
    }

    /// Given back by `release`; `None` when it does not have it.
    pub fn released(&self, release: &ReleaseId) -> Option<Self> {
        self.is_held_by(release).then(|| Self {
            holder: None,
            ..self.clone()
        })
    }
}
