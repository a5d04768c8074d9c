//! The facts that a ledger can hold.

use crate::support::now;
use gatewright_domain::approval::{Choice, Via};
use gatewright_domain::control::Said;
use gatewright_domain::decide::Obstacle;
use gatewright_domain::evidence::WatchOutcome;
use gatewright_domain::gate::{Gate, Judged};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Quorum;
use gatewright_domain::release::{Failure, Status};
use gatewright_domain::{Digest, StageName};

/// Every kind of fact once.
pub fn facts(text: &str) -> Vec<Fact> {
    let stage: StageName = "Unit Test".parse().unwrap();
    let production = || "production".parse().unwrap();
    let digest = || Digest::of_bytes(b"image");
    let evidence = || Digest::of_bytes(b"evidence");
    let failure = Failure {
        stage: Some(stage.clone()),
        error: "BuildFailed".to_owned(),
        cause: text.to_owned(),
    };
    let judged = Judged {
        gate: Gate::Steps,
        passed: false,
        because: text.to_owned(),
    };
    vec![
        Fact::ReleaseAdmitted {
            number: 142,
            version: evidence(),
            commit: "a".repeat(40).parse().unwrap(),
            reference: "refs/heads/main".to_owned(),
            route: Some(text.to_owned()),
            requester: Some(text.to_owned()),
            author: Some(text.to_owned()),
        },
        Fact::TriggerRefused {
            failure: failure.clone(),
        },
        Fact::StageStarted {
            stage: stage.clone(),
            attempt: 2,
        },
        Fact::DownstreamStarted {
            pipeline: "shop".parse().unwrap(),
            release: Some("cp-2".parse().unwrap()),
            problem: None,
        },
        Fact::DownstreamStarted {
            pipeline: "shop".parse().unwrap(),
            release: None,
            problem: Some(text.to_owned()),
        },
        Fact::BuildJudged {
            stage: stage.clone(),
            attempt: 1,
            build: text.to_owned(),
            evidence: evidence(),
            gates: vec![judged.clone()],
        },
        Fact::ArtifactPinned {
            artifact: "image".to_owned(),
            digest: digest(),
            location: text.to_owned(),
        },
        Fact::ScanJudged {
            stage: stage.clone(),
            digest: digest(),
            findings: evidence(),
            gate: judged,
        },
        Fact::WatchJudged {
            stage: stage.clone(),
            evidence: evidence(),
            outcome: WatchOutcome::Inconclusive,
            because: vec![text.to_owned(), text.to_owned()],
        },
        Fact::StagePassed {
            stage: stage.clone(),
        },
        Fact::StageFailed {
            stage: stage.clone(),
            error: "BuildFailed".to_owned(),
            cause: text.to_owned(),
        },
        Fact::DeployDelayed {
            stage: stage.clone(),
            environment: production(),
            because: obstacles(text),
            until: Some(now()),
            given_up: Some(now()),
        },
        Fact::ReleaseHalted { said: said(text) },
        Fact::ReleaseResumed { said: said(text) },
        Fact::GlassBroken {
            environment: production(),
            said: said(text),
        },
        Fact::EnvironmentHeld {
            environment: production(),
            reason: text.to_owned(),
        },
        Fact::EnvironmentFreed {
            environment: production(),
        },
        Fact::DeployCleared {
            stage: stage.clone(),
            environment: production(),
            digest: Some(digest()),
            evidence: evidence(),
            fencing: 7,
            passed: Vec::new(),
        },
        Fact::EnvironmentChanged {
            environment: production(),
            digest: digest(),
            previous: None,
        },
        Fact::Flagged {
            flag: gatewright_domain::undo::Flag {
                environment: production(),
                title: text.to_owned(),
                commit: "b".repeat(40).parse().unwrap(),
                same: false,
                tagged: false,
                why: text.to_owned(),
            },
        },
        Fact::SchemaMigrated {
            stage: stage.clone(),
            environment: production(),
            kind: gatewright_domain::pipeline::Migration::ForwardOnly,
        },
        Fact::MigrationAcknowledged {
            environment: production(),
            by: Some(text.to_owned()),
            typed: text.to_owned(),
            migrated: vec![text.to_owned()],
        },
        Fact::TakenBack {
            environment: production(),
            title: text.to_owned(),
            digest: digest(),
            why: text.to_owned(),
        },
        Fact::Lifted {
            environment: production(),
            by: text.to_owned(),
            reason: text.to_owned(),
            digest: digest(),
        },
        Fact::RollbackResolved {
            environment: production(),
            by: text.to_owned(),
            text: text.to_owned(),
        },
        Fact::LockReleased {
            environment: production(),
        },
        Fact::ApprovalRequested {
            stage: stage.clone(),
            evidence: evidence(),
            quorum: vec![Quorum {
                group: "devops-lead".parse().unwrap(),
                count: 1,
            }],
            expires_at: now(),
        },
        Fact::ApprovalReminded {
            stage: stage.clone(),
        },
        Fact::DecisionRecorded {
            stage: stage.clone(),
            person: "priya".parse().unwrap(),
            choice: Choice::Reject,
            reason: text.to_owned(),
            via: Via::Slack,
            evidence: evidence(),
        },
        Fact::ApprovalReached {
            stage: stage.clone(),
            by: vec!["priya".parse().unwrap(), "devan".parse().unwrap()],
            evidence: evidence(),
        },
        Fact::ApprovalClosed {
            stage,
            reason: text.to_owned(),
        },
        Fact::ReleaseEnded {
            status: Status::FailedClean,
            failure: Some(failure),
        },
    ]
}

fn said(text: &str) -> Said {
    Said {
        by: "anna".parse().unwrap(),
        at: now(),
        reason: text.to_owned(),
    }
}

/// One of each kind.
fn obstacles(text: &str) -> Vec<Obstacle> {
    let reason = text.to_owned();
    vec![
        Obstacle::Lock {
            holder: "cp-0".parse().unwrap(),
        },
        Obstacle::Queue {
            behind: "cp-1".parse().unwrap(),
        },
        Obstacle::Doubt {
            release: "cp-2".parse().unwrap(),
            reason: reason.clone(),
            since: now(),
        },
        Obstacle::Freeze {
            freeze: 3,
            by: "anna".parse().unwrap(),
            reason,
            until: now(),
        },
        Obstacle::Window { opens: now() },
        Obstacle::Soak {
            environment: "staging".parse().unwrap(),
            until: now(),
        },
    ]
}
