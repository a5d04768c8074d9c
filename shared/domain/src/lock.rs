//! Environment locks: one release at a time changes an environment.

use crate::Timestamp;
use crate::ids::{EnvironmentName, PersonId, PipelineId, ReleaseId};
use crate::pipeline::Queue;
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
    /// A person who keeps everybody new out, besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The releases that ended dirty there since anybody knew what it runs, in
    /// their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
    /// Grows with every change of hands; a deploy is recorded only under the
    /// number it began with.
    pub fencing: u64,
}

/// A person keeps an environment from everybody new until somebody gives it back.
/// Whoever has its lock already goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Whose it is.
    pub by: PersonId,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// A release that ended dirty left an environment unknown, and the next deploy
/// would build on that: it keeps everybody out but a rollback, which ends the doubt
/// when it has passed. A person ends it by giving the environment back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// The release that left it.
    pub release: ReleaseId,
    /// Why it ended.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// A release that waits for an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The release.
    pub release: ReleaseId,
    /// The deploy stage's position.
    pub index: usize,
    /// Since when.
    pub since: Timestamp,
    /// The release's number.
    #[serde(default)]
    pub number: Option<u64>,
    /// Whether it brings back what ran before: that comes first.
    #[serde(default)]
    pub rollback: bool,
    /// Who comes next in the environment, as the release's definition says.
    #[serde(default)]
    pub queue: Queue,
}

/// Those who wait in the order in which they come: rollbacks first; then each in
/// its turn, or the newest where that is what the newest's definition says.
pub fn in_turn(mut waiting: Vec<Waiting>) -> Vec<Waiting> {
    let newest = waiting.iter().max_by_key(|entry| entry.number);
    let mode = newest.map(|entry| entry.queue).unwrap_or_default();
    waiting.sort_by(|a, b| {
        let turn = match mode {
            Queue::InOrder => a.since.cmp(&b.since),
            Queue::Newest => b.number.cmp(&a.number),
        };
        b.rollback
            .cmp(&a.rollback)
            .then(turn)
            .then_with(|| a.release.cmp(&b.release))
    });
    waiting
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
            hold: None,
            doubts: Vec::new(),
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

    /// Kept from everybody new by a person.
    #[must_use]
    pub fn held(&self, hold: Hold) -> Self {
        Self {
            hold: Some(hold),
            ..self.clone()
        }
    }

    /// Given back by the person who kept it, or another one.
    #[must_use]
    pub fn unheld(&self) -> Self {
        Self {
            hold: None,
            ..self.clone()
        }
    }

    /// Left unknown, by one release more.
    #[must_use]
    pub fn doubted(&self, doubt: Doubt) -> Self {
        let mut lock = self.clone();
        lock.doubts.retain(|known| known.release != doubt.release);
        lock.doubts.push(doubt);
        lock
    }

    /// Known again.
    #[must_use]
    pub fn known(&self) -> Self {
        Self {
            doubts: Vec::new(),
            ..self.clone()
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
