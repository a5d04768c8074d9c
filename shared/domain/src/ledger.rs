//! The ledger: what happened to a release, in order, each event chained to the
//! one before by its hash. Events are appended and never changed.

use crate::Timestamp;
use crate::approval::{Choice, Via};
use crate::canonical::Digest;
use crate::control::Said;
use crate::decide::Obstacle;
use crate::evidence::WatchOutcome;
use crate::gate::Judged;
use crate::ids::{CommitSha, EnvironmentName, PersonId, PipelineId, ReleaseId, StageName};
use crate::pipeline::{Migration, Quorum};
use crate::release::{Failure, Status};
use crate::undo::Flag;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Fact {
    /// A trigger was admitted: the release began.
    ReleaseAdmitted {
        /// Its number.
        number: u64,
        /// The definition's version.
        version: Digest,
        /// The commit.
        commit: CommitSha,
        /// The ref.
        reference: String,
        /// The trigger whose route it takes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
        /// Who asked for it, if anybody did.
        requester: Option<String>,
        /// Who authored the commit, if known.
        author: Option<String>,
    },
    /// A trigger was refused; no release began.
    TriggerRefused {
        /// Why.
        failure: Failure,
    },
    /// A stage began.
    StageStarted {
        /// The stage.
        stage: StageName,
        /// Which attempt.
        attempt: u32,
    },
    /// A stage's build ended and its gates were judged.
    BuildJudged {
        /// The stage.
        stage: StageName,
        /// Which attempt.
        attempt: u32,
        /// CodeBuild's id.
        build: String,
        /// SHA-256 of the build's evidence.
        evidence: Digest,
        /// The gates' verdicts.
        gates: Vec<Judged>,
    },
    /// An artifact is known by its digest from here on.
    ArtifactPinned {
        /// Its name.
        artifact: String,
        /// Its digest.
        digest: Digest,
        /// Where it is.
        location: String,
    },
    /// A scan settled and was judged.
    ScanJudged {
        /// The stage.
        stage: StageName,
        /// The image.
        digest: Digest,
        /// SHA-256 of all findings.
        findings: Digest,
        /// The verdict.
        gate: Judged,
    },
    /// A watch was judged.
    WatchJudged {
        /// The stage.
        stage: StageName,
        /// SHA-256 of what was measured.
        evidence: Digest,
        /// The verdict.
        outcome: WatchOutcome,
        /// What it rests on, a sentence for each thing that was watched.
        because: Vec<String>,
    },
    /// A stage let the release through.
    StagePassed {
        /// The stage.
        stage: StageName,
    },
    /// A stage stopped the release.
    StageFailed {
        /// The stage.
        stage: StageName,
        /// The error's name.
        error: String,
        /// Why.
        cause: String,
    },
    /// A release waits for an environment.
    DeployDelayed {
        /// The stage.
        stage: StageName,
        /// The environment.
        environment: EnvironmentName,
        /// Why: all that stands in the way.
        because: Vec<Obstacle>,
        /// Until when at least, as far as that is known.
        until: Option<Timestamp>,
        /// When the release is given up if it still waits then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given_up: Option<Timestamp>,
    },
    /// A person told the release to stop before its next change.
    ReleaseHalted {
        /// Who, and why.
        #[serde(flatten)]
        said: Said,
    },
    /// A person told the release to go on after all.
    ReleaseResumed {
        /// Who, and why.
        #[serde(flatten)]
        said: Said,
    },
    /// A person let the release pass freezes, windows, soak times and the queue of
    /// one environment.
    GlassBroken {
        /// The environment.
        environment: EnvironmentName,
        /// Who, and why.
        #[serde(flatten)]
        said: Said,
    },
    /// The environment is kept from everybody until somebody has looked.
    EnvironmentHeld {
        /// The environment.
        environment: EnvironmentName,
        /// Why.
        reason: String,
    },
    /// The environment is known again and free for others.
    EnvironmentFreed {
        /// The environment.
        environment: EnvironmentName,
    },
    /// A release may change an environment now.
    DeployCleared {
        /// The stage.
        stage: StageName,
        /// The environment.
        environment: EnvironmentName,
        /// What will be deployed; nothing when a migration is cleared and what
        /// follows it is not known yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// On what evidence.
        evidence: Digest,
        /// The lock's fencing number.
        fencing: u64,
        /// What stood in the way and was passed by breaking the glass.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        passed: Vec<Obstacle>,
    },
    /// An environment runs something else now.
    EnvironmentChanged {
        /// The environment.
        environment: EnvironmentName,
        /// What runs now.
        digest: Digest,
        /// What ran before.
        previous: Option<Digest>,
    },
    /// The release contains, as far as its history tells, what was taken back.
    Flagged {
        /// What people should know.
        flag: Flag,
    },
    /// An environment's data was migrated.
    SchemaMigrated {
        /// The stage.
        stage: StageName,
        /// The environment.
        environment: EnvironmentName,
        /// Whether there is a way back.
        kind: Migration,
    },
    /// Somebody who asked for a rollback accepted that it leads across migrations
    /// that only go forward.
    MigrationAcknowledged {
        /// The environment.
        environment: EnvironmentName,
        /// Who.
        by: Option<String>,
        /// What they typed: the title of the newest release that migrated.
        typed: String,
        /// The releases whose migrations stay, newest first.
        migrated: Vec<String>,
    },
    /// What ran or was half deployed was replaced by what ran before, and is not
    /// promoted again until somebody lifts that.
    TakenBack {
        /// The environment.
        environment: EnvironmentName,
        /// The title of the release that was taken back.
        title: String,
        /// What stays back.
        digest: Digest,
        /// Why.
        why: String,
    },
    /// Somebody allowed again what was taken back.
    Lifted {
        /// The environment.
        environment: EnvironmentName,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// What may run again.
        digest: Digest,
    },
    /// Somebody wrote down what became of the reason for a rollback.
    RollbackResolved {
        /// The environment.
        environment: EnvironmentName,
        /// Who.
        by: String,
        /// What became of it.
        text: String,
    },
    /// An environment's lock was given back.
    LockReleased {
        /// The environment.
        environment: EnvironmentName,
    },
    /// People were asked.
    ApprovalRequested {
        /// The stage.
        stage: StageName,
        /// What they are asked to approve.
        evidence: Digest,
        /// Who has to agree.
        quorum: Vec<Quorum>,
        /// Until when.
        expires_at: Timestamp,
    },
    /// Those who have not answered were reminded.
    ApprovalReminded {
        /// The stage.
        stage: StageName,
    },
    /// Somebody decided.
    DecisionRecorded {
        /// The stage.
        stage: StageName,
        /// Who.
        person: PersonId,
        /// What.
        choice: Choice,
        /// Why.
        reason: String,
        /// How it reached us.
        via: Via,
        /// On what.
        evidence: Digest,
    },
    /// The quorum was reached.
    ApprovalReached {
        /// The stage.
        stage: StageName,
        /// By whom.
        by: Vec<PersonId>,
        /// On what.
        evidence: Digest,
    },
    /// A request ended without a quorum.
    ApprovalClosed {
        /// The stage.
        stage: StageName,
        /// Why.
        reason: String,
    },
    /// Another pipeline was started with what this release built, or could not be.
    DownstreamStarted {
        /// The other pipeline.
        pipeline: PipelineId,
        /// Its release, when one was started.
        release: Option<ReleaseId>,
        /// Why none was started.
        problem: Option<String>,
    },
    /// The release ended.
    ReleaseEnded {
        /// How.
        status: Status,
        /// Why, when early.
        failure: Option<Failure>,
    },
}

impl Fact {
    /// The stage that it is about, if it is about one.
    pub fn stage(&self) -> Option<&StageName> {
        match self {
            Self::StageStarted { stage, .. }
            | Self::BuildJudged { stage, .. }
            | Self::ScanJudged { stage, .. }
            | Self::WatchJudged { stage, .. }
            | Self::StagePassed { stage }
            | Self::StageFailed { stage, .. }
            | Self::DeployDelayed { stage, .. }
            | Self::DeployCleared { stage, .. }
            | Self::SchemaMigrated { stage, .. }
            | Self::ApprovalRequested { stage, .. }
            | Self::ApprovalReminded { stage }
            | Self::DecisionRecorded { stage, .. }
            | Self::ApprovalReached { stage, .. }
            | Self::ApprovalClosed { stage, .. } => Some(stage),
            Self::ReleaseAdmitted { .. }
            | Self::TriggerRefused { .. }
            | Self::ArtifactPinned { .. }
            | Self::ReleaseHalted { .. }
            | Self::ReleaseResumed { .. }
            | Self::GlassBroken { .. }
            | Self::EnvironmentHeld { .. }
            | Self::EnvironmentFreed { .. }
            | Self::EnvironmentChanged { .. }
            | Self::Flagged { .. }
            | Self::MigrationAcknowledged { .. }
            | Self::TakenBack { .. }
            | Self::Lifted { .. }
            | Self::RollbackResolved { .. }
            | Self::LockReleased { .. }
            | Self::DownstreamStarted { .. }
            | Self::ReleaseEnded { .. } => None,
        }
    }
}

/// An event of a release's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The release.
    pub release: ReleaseId,
    /// Its position in the ledger, from 1.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
    /// The hash of the event before; none for the first.
    pub previous: Option<Digest>,
    /// SHA-256 of the canonical JSON of all the above.
    pub hash: Digest,
}

#[derive(Serialize)]
struct Hashed<'a> {
    release: &'a ReleaseId,
    seq: u64,
    at: Timestamp,
    fact: &'a Fact,
    previous: Option<&'a Digest>,
}

impl Event {
    /// The next event after `(last_seq, last_hash)`.
    ///
    /// # Errors
    /// Never for facts that came out of this crate; the signature is serde's.
    pub fn next(
        release: &ReleaseId,
        last: (u64, Option<&Digest>),
        at: Timestamp,
        fact: Fact,
    ) -> Result<Self, serde_json::Error> {
        let (seq, previous) = (last.0 + 1, last.1.cloned());
        let hash = Digest::of(&Hashed {
            release,
            seq,
            at,
            fact: &fact,
            previous: previous.as_ref(),
        })?;
        Ok(Self {
            release: release.clone(),
            seq,
            at,
            fact,
            previous,
            hash,
        })
    }
}

/// Where a ledger does not hold together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A number is missing or out of order.
    #[error("event {found} stands where event {expected} belongs")]
    OutOfOrder {
        /// The number that belongs there.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// An event is of another release.
    #[error("event {seq} belongs to release {release}")]
    Foreign {
        /// The event.
        seq: u64,
        /// The other release.
        release: ReleaseId,
    },
    /// An event was altered after it was written.
    #[error("event {seq} was altered: its hash is {written}, its content gives {computed}")]
    Altered {
        /// The event.
        seq: u64,
        /// The hash that it carries.
        written: Digest,
        /// The hash of what it says.
        computed: Digest,
    },
    /// An event does not follow from the one before.
    #[error("event {seq} does not follow from the event before it")]
    Unchained {
        /// The event.
        seq: u64,
    },
    /// The ledger is not as long as the release's head says.
    #[error("the ledger ends at event {found}, but the release's head says {expected}")]
    CutOff {
        /// As the head says.
        expected: u64,
        /// As the ledger is.
        found: u64,
    },
}

/// Verifies a whole ledger: order, hashes, chain, and that it ends where the
/// release's head says (`last`: number and hash).
///
/// # Errors
/// The first place where it does not hold together.
pub fn verify(
    release: &ReleaseId,
    events: &[Event],
    last: (u64, Option<&Digest>),
) -> Result<(), Broken> {
    let mut previous: Option<&Digest> = None;
    for (event, expected) in events.iter().zip(1u64..) {
        if event.seq != expected {
            return Err(Broken::OutOfOrder {
                expected,
                found: event.seq,
            });
        }
        if &event.release != release {
            return Err(Broken::Foreign {
                seq: event.seq,
                release: event.release.clone(),
            });
        }
        let computed = Digest::of(&Hashed {
            release: &event.release,
            seq: event.seq,
            at: event.at,
            fact: &event.fact,
            previous: event.previous.as_ref(),
        })
        .unwrap_or_else(|_| Digest::of_bytes(b"unserialisable"));
        if computed != event.hash {
            return Err(Broken::Altered {
                seq: event.seq,
                written: event.hash.clone(),
                computed,
            });
        }
        if event.previous.as_ref() != previous {
            return Err(Broken::Unchained { seq: event.seq });
        }
        previous = Some(&event.hash);
    }
    let found = events.last().map_or(0, |e| e.seq);
    if (found, previous) != last {
        return Err(Broken::CutOff {
            expected: last.0,
            found,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ledger(stages: &[String]) -> (ReleaseId, Vec<Event>) {
        let release: ReleaseId = "cp-1".parse().unwrap();
        let mut events: Vec<Event> = Vec::new();
        for stage in stages {
            let last = events.last().map_or((0, None), |e| (e.seq, Some(&e.hash)));
            let fact = Fact::StagePassed {
                stage: stage.parse().unwrap(),
            };
            let event = Event::next(&release, last, Timestamp::UNIX_EPOCH, fact).unwrap();
            events.push(event);
        }
        (release, events)
    }

    fn end(events: &[Event]) -> (u64, Option<&Digest>) {
        events.last().map_or((0, None), |e| (e.seq, Some(&e.hash)))
    }

    #[test]
    fn an_altered_fact_is_found_even_when_its_hash_is_recomputed() {
        let (release, mut events) = ledger(&["a".into(), "b".into(), "c".into()]);
        let (last_seq, last_hash) = (3, events[2].hash.clone());
        let forged = Event::next(
            &release,
            (0, None),
            Timestamp::UNIX_EPOCH,
            Fact::StagePassed {
                stage: "x".parse().unwrap(),
            },
        )
        .unwrap();
        events[0] = forged;
        assert_eq!(
            verify(&release, &events, (last_seq, Some(&last_hash))),
            Err(Broken::Unchained { seq: 2 })
        );
    }

    proptest! {
        #[test]
        fn a_ledger_verifies_and_no_event_can_go_missing_or_move(
            stages in proptest::collection::vec("[a-z]{1,5}", 1..12), at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        ) {
            let (release, events) = ledger(&stages);
            prop_assert_eq!(verify(&release, &events, end(&events)), Ok(()));
            let mut shorter = events.clone();
            shorter.remove(at.index(events.len()));
            prop_assert!(verify(&release, &shorter, end(&events)).is_err());
            let (i, j) = (at.index(events.len()), other.index(events.len()));
            if i != j {
                let mut moved = events.clone();
                moved.swap(i, j);
                prop_assert!(verify(&release, &moved, end(&events)).is_err());
            }
        }

        #[test]
        fn events_survive_the_table(stages in proptest::collection::vec("[a-z]{1,5}", 1..4)) {
            let (release, events) = ledger(&stages);
            let stored: Vec<String> = events.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
            let read: Vec<Event> = stored.iter().map(|s| serde_json::from_str(s).unwrap()).collect();
            prop_assert_eq!(verify(&release, &read, end(&events)), Ok(()));
        }
    }
}
