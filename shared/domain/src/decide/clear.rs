//! May the deploy happen now? The one place where everything must be true at
//! the last moment, with all reasons and not only the first.

use crate::approval::{Choice, Decision, Request, State, standing};
use crate::calendar::{Opening, Unreadable, opening};
use crate::control::Controls;
use crate::decide::answer::is_excluded;
use crate::decide::obstacle::Obstacle;
use crate::decide::promotion::{Promotion, Soaked};
use crate::decide::steer::stops;
use crate::decide::turn::{in_others_hands, superseded};
use crate::decide::undo::{kept_back, still_runs};
use crate::evidence::{ArtifactEvidence, Evidence};
use crate::ids::EnvironmentName;
use crate::lock::{Lock, Waiting};
use crate::people::Directory;
use crate::pipeline::{Queue, Window};
use crate::release::{Deployment, Head, StageRecord, StageStatus, evidence_before, last_attempts};
use crate::undo::TakenBack;
use crate::{Digest, ErrorName, Timestamp};

/// All that the decision looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearSnapshot {
    /// The release.
    pub head: Head,
    /// Whether it brings back what ran before.
    pub rollback: bool,
    /// What is known of its stages.
    pub records: Vec<StageRecord>,
    /// The position of the stage that is cleared: a deploy, or a migration.
    pub index: usize,
    /// The environment.
    pub environment: EnvironmentName,
    /// Whether changing it needs an approval.
    pub protected: bool,
    /// How many stages before it run builds or deploys and so must have passed.
    pub must_have_passed: Vec<usize>,
    /// The artifacts to deploy, by name.
    pub artifacts: Vec<String>,
    /// Those of them that are deployed only when their signature was verified
    /// before. A rollback names none here: its own build verifies.
    pub signed: Vec<String>,
    /// The approval that guards the deploy and the decisions on it. `None` inside
    /// means that the definition wants one and there is none.
    pub approval: Option<Option<(Request, Vec<Decision>)>>,
    /// Who is who now.
    pub directory: Directory,
    /// The artifacts that their registry no longer has, by name.
    pub gone: Vec<String>,
    /// What people have ordered.
    pub controls: Controls,
    /// When the environment may be changed; at any time when empty.
    pub windows: Vec<Window>,
    /// What the environment asks of the one before it.
    pub promotion: Option<Promotion>,
    /// Whether the CodePipeline action that started the release waits for it
    /// still; `None` when none did.
    pub origin: Option<Origin>,
    /// What runs in the environment.
    pub current: Option<Deployment>,
    /// What was ever taken back from there and from the environments before it.
    pub taken_back: Vec<TakenBack>,
    /// The environment's lock.
    pub lock: Lock,
    /// How long a release may hold it, in seconds.
    pub lease: i64,
    /// Who comes next in the environment.
    pub queue: Queue,
    /// Who waits for it.
    pub waiting: Vec<Waiting>,
}

/// Whether what started a release still waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It does.
    InProgress,
    /// It does not: its status.
    Over(String),
    /// Nobody knows it.
    Unknown,
}

/// Whether a deploy may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clearance {
    /// Now; under this lock.
    Clear {
        /// The lock as taken.
        lock: Box<Lock>,
        /// What to deploy.
        artifacts: Vec<ArtifactEvidence>,
        /// The evidence digest.
        evidence: Digest,
        /// What was passed by breaking the glass.
        passed: Vec<Obstacle>,
    },
    /// Later.
    Wait {
        /// All that stands in the way.
        because: Vec<Obstacle>,
        /// Until when at least, as far as that is known.
        until: Option<Timestamp>,
    },
    /// Not at all.
    Refused {
        /// Under which name: that of the first reason.
        error: ErrorName,
        /// All reasons.
        reasons: Vec<String>,
    },
}

pub(super) type Reason = (ErrorName, String);

/// Judges the snapshot.
pub fn clear(seen: &ClearSnapshot, now: Timestamp) -> Clearance {
    let evidence = evidence_before(&seen.head, &seen.records, seen.index);
    let mut reasons = release_reasons(seen);
    let artifacts = artifacts(seen, evidence.as_ref(), &mut reasons);
    if let Some(guard) = &seen.approval {
        reasons.extend(approval_reasons(seen, guard.as_ref()));
    }
    reasons.extend(superseded(seen, &artifacts));
    reasons.extend(kept_back(seen, &artifacts));
    let trigger = seen.head.trigger.as_ref();
    reasons.extend(trigger.and_then(|trigger| still_runs(trigger, seen.current.as_ref())));
    let mut because = match obstacles(seen, &artifacts, now, &mut reasons) {
        Ok(because) => because,
        Err(unreadable) => {
            let why = format!(
                "nobody can tell whether {} is open: {unreadable}",
                seen.environment
            );
            reasons.push((ErrorName::GateDenied, why));
            Vec::new()
        }
    };
    let Some(digest) = evidence
        .and_then(|e| e.digest().ok())
        .filter(|_| reasons.is_empty())
    else {
        return refused(reasons);
    };
    let passed = match seen.head.glass_in(&seen.environment) {
        Some(_) => because
            .extract_if(.., |obstacle| obstacle.yields_to_glass())
            .collect(),
        None => Vec::new(),
    };
    match seen.lock.taken(&seen.head.release, now, seen.lease) {
        Some(lock) if because.is_empty() => Clearance::Clear {
            lock: Box::new(lock),
            artifacts,
            evidence: digest,
            passed,
        },
        Some(_) | None => Clearance::Wait {
            until: because.iter().filter_map(Obstacle::until).max(),
            because,
        },
    }
}

fn refused(reasons: Vec<Reason>) -> Clearance {
    let error = reasons.first().map_or(ErrorName::Bug, |(error, _)| *error);
    Clearance::Refused {
        error,
        reasons: reasons.into_iter().map(|(_, why)| why).collect(),
    }
}

/// What is wrong with the release itself.
fn release_reasons(seen: &ClearSnapshot) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if seen.head.status.has_ended() {
        let why = format!("the release has ended: {}", seen.head.status);
        reasons.push((ErrorName::ReleaseEnded, why));
    }
    reasons.extend(stops(&seen.head, &seen.controls, seen.rollback));
    match &seen.origin {
        None | Some(Origin::InProgress) => {}
        Some(Origin::Over(status)) => reasons.push((
            ErrorName::Orphaned,
            format!("the CodePipeline action that started it no longer waits: it is {status}"),
        )),
        Some(Origin::Unknown) => reasons.push((
            ErrorName::Orphaned,
            "CodePipeline knows no action that started it".to_owned(),
        )),
    }
    for index in &seen.must_have_passed {
        let passed = last_attempts(&seen.records)
            .iter()
            .any(|r| r.index == *index && r.status == StageStatus::Passed);
        if !passed {
            let why = format!("stage {} before it has not passed", index + 1);
            reasons.push((ErrorName::GateDenied, why));
        }
    }
    reasons
}

/// What is to be deployed, by digest; what is missing is a reason.
fn artifacts(
    seen: &ClearSnapshot,
    evidence: Option<&Evidence>,
    reasons: &mut Vec<Reason>,
) -> Vec<ArtifactEvidence> {
    let mut artifacts = Vec::new();
    for name in &seen.artifacts {
        match evidence.and_then(|e| e.artifact(name)) {
            None => reasons.push((
                ErrorName::GateDenied,
                format!("no stage has produced artifact {name:?}"),
            )),
            Some(known) if seen.gone.contains(name) => reasons.push((
                ErrorName::GateDenied,
                format!(
                    "the registry no longer has {} of artifact {name:?}",
                    known.digest
                ),
            )),
            Some(known) => artifacts.push(known.clone()),
        }
    }
    reasons.extend(unverified(seen, evidence, &artifacts));
    artifacts
}

/// What is to be deployed signed, and of whose very digest no signature gate
/// said that it is.
fn unverified(
    seen: &ClearSnapshot,
    evidence: Option<&Evidence>,
    artifacts: &[ArtifactEvidence],
) -> Vec<Reason> {
    let verified = |artifact: &ArtifactEvidence| {
        evidence.is_some_and(|e| e.is_verified(&artifact.name, &artifact.digest))
    };
    artifacts
        .iter()
        .filter(|artifact| seen.signed.contains(&artifact.name) && !verified(artifact))
        .map(|ArtifactEvidence { name, digest, .. }| {
            let why =
                format!("no gate has verified the signature of {digest} of artifact {name:?}");
            (ErrorName::GateDenied, why)
        })
        .collect()
}

/// All that keeps the deploy waiting for now.
fn obstacles(
    seen: &ClearSnapshot,
    artifacts: &[ArtifactEvidence],
    now: Timestamp,
    reasons: &mut Vec<Reason>,
) -> Result<Vec<Obstacle>, Unreadable> {
    let mut found: Vec<Obstacle> = in_others_hands(seen);
    let (pipeline, place) = (&seen.head.pipeline, &seen.environment);
    for frozen in seen.controls.frozen(pipeline, place, seen.rollback, now)? {
        found.push(Obstacle::Freeze {
            freeze: frozen.freeze.number,
            by: frozen.freeze.said.by.clone(),
            reason: frozen.freeze.said.reason.clone(),
            until: frozen.until,
        });
    }
    let bound = !seen.rollback || seen.windows.iter().any(|window| window.rollbacks);
    if bound
        && !seen.windows.is_empty()
        && let Opening::Closed { opens } = opening(&seen.windows, now)?
    {
        found.push(Obstacle::Window { opens });
    }
    let promotion = seen.promotion.as_ref().filter(|_| !seen.rollback);
    match promotion.map(|promotion| promotion.judge(artifacts, now)) {
        None | Some(Soaked::Enough) => {}
        Some(Soaked::Later(soak)) => found.push(soak),
        Some(Soaked::Never(error, why)) => reasons.push((error, why)),
    }
    Ok(found)
}

fn approval_reasons(seen: &ClearSnapshot, guard: Option<&(Request, Vec<Decision>)>) -> Vec<Reason> {
    let Some((request, decisions)) = guard else {
        return vec![(
            ErrorName::NotApproved,
            "it needs an approval that was never requested".to_owned(),
        )];
    };
    let mut reasons = Vec::new();
    if !matches!(request.state, State::Approved { .. }) {
        reasons.push((
            ErrorName::NotApproved,
            "its approval has not been given".to_owned(),
        ));
    }
    let now =
        evidence_before(&seen.head, &seen.records, request.index).and_then(|e| e.digest().ok());
    if now.as_ref() != Some(&request.evidence) {
        reasons.push((
            ErrorName::EvidenceChanged,
            format!(
                "the evidence is not what was approved ({})",
                request.evidence.short()
            ),
        ));
    }
    let approvers: Vec<_> = decisions
        .iter()
        .filter(|d| d.choice == Choice::Approve && d.evidence == request.evidence)
        .filter(|d| !is_excluded(request, &seen.directory, &d.person))
        .map(|d| d.person.clone())
        .collect();
    for (group, count) in standing(&request.quorum, &approvers, &seen.directory).missing {
        reasons.push((
            ErrorName::NotApproved,
            format!("{count} approval of {group} is missing by today's membership"),
        ));
    }
    reasons
}
