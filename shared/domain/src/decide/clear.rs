//! May the deploy happen now? The one place where everything must be true at
//! the last moment, with all reasons and not only the first.

use crate::approval::{Choice, Decision, Request, State, standing};
use crate::decide::answer::is_excluded;
use crate::evidence::ArtifactEvidence;
use crate::ids::ReleaseId;
use crate::lock::Lock;
use crate::people::Directory;
use crate::release::{Head, StageRecord, StageStatus, evidence_before, last_attempts};
use crate::{Digest, ErrorName, Timestamp};

/// All that the decision looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearSnapshot {
    /// The release.
    pub head: Head,
    /// What is known of its stages.
    pub records: Vec<StageRecord>,
    /// The deploy stage's position.
    pub index: usize,
    /// How many stages before it run builds or deploys and so must have passed.
    pub must_have_passed: Vec<usize>,
    /// The artifacts to deploy, by name.
    pub artifacts: Vec<String>,
    /// The approval that guards the deploy and the decisions on it. `None` inside
    /// means that the definition wants one and there is none.
    pub approval: Option<Option<(Request, Vec<Decision>)>>,
    /// Who is who now.
    pub directory: Directory,
    /// The artifacts that their registry no longer has, by name.
    pub gone: Vec<String>,
    /// The environment's lock.
    pub lock: Lock,
    /// How long a release may hold it, in seconds.
    pub lease: i64,
    /// Who is first in the environment's queue.
    pub first_in_queue: Option<ReleaseId>,
}

/// Whether a deploy may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clearance {
    /// Now; under this lock.
    Clear {
        /// The lock as taken.
        lock: Lock,
        /// What to deploy.
        artifacts: Vec<ArtifactEvidence>,
        /// The evidence digest.
        evidence: Digest,
    },
    /// Later: another release has the environment.
    Wait {
        /// Who.
        holder: ReleaseId,
    },
    /// Not at all.
    Refused {
        /// Under which name: that of the first reason.
        error: ErrorName,
        /// All reasons.
        reasons: Vec<String>,
    },
}

/// Judges the snapshot.
pub fn clear(seen: &ClearSnapshot, now: Timestamp) -> Clearance {
    let mut reasons: Vec<(ErrorName, String)> = Vec::new();
    if seen.head.status.has_ended() {
        reasons.push((
            ErrorName::ReleaseEnded,
            format!("the release has ended: {}", seen.head.status),
        ));
    }
    for index in &seen.must_have_passed {
        let passed = last_attempts(&seen.records)
            .iter()
            .any(|r| r.index == *index && r.status == StageStatus::Passed);
        if !passed {
            reasons.push((
                ErrorName::GateDenied,
                format!("stage {} before it has not passed", index + 1),
            ));
        }
    }
    let evidence = evidence_before(&seen.head, &seen.records, seen.index);
    let mut artifacts = Vec::new();
    for name in &seen.artifacts {
        match evidence.as_ref().and_then(|e| e.artifact(name)) {
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
    if let Some(guard) = &seen.approval {
        reasons.extend(approval_reasons(seen, guard.as_ref()));
    }
    let digest = evidence.and_then(|e| e.digest().ok());
    if let Some((error, _)) = reasons.first() {
        return Clearance::Refused {
            error: *error,
            reasons: reasons.into_iter().map(|(_, why)| why).collect(),
        };
    }
    let queue_is_mine = seen
        .first_in_queue
        .as_ref()
        .is_none_or(|first| first == &seen.head.release);
    let free_for_me = seen.lock.is_held_by(&seen.head.release) || queue_is_mine;
    match (seen.lock.taken(&seen.head.release, now, seen.lease), digest) {
        (Some(lock), Some(evidence)) if free_for_me => Clearance::Clear {
            lock,
            artifacts,
            evidence,
        },
        _ => Clearance::Wait {
            holder: waits_for(seen),
        },
    }
}

fn approval_reasons(
    seen: &ClearSnapshot,
    guard: Option<&(Request, Vec<Decision>)>,
) -> Vec<(ErrorName, String)> {
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

fn waits_for(seen: &ClearSnapshot) -> ReleaseId {
    seen.lock
        .holder
        .as_ref()
        .map(|holder| holder.release.clone())
        .or_else(|| seen.first_in_queue.clone())
        .unwrap_or_else(|| seen.head.release.clone())
}
