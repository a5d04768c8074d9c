//! What the model's words are in the product's types.

use super::{ASK, BUILD, DEPLOY, IMAGE, UNDO, VERIFY};
use crate::state::{Deployed, Kind, Lock, Record, Rel, Request, Status, Version, Why};
use gatewright_domain::approval::{self, Choice, Decision, Via};
use gatewright_domain::control::{Controls, Halt, Said};
use gatewright_domain::evidence::{ArtifactEvidence, BuildEvidence, BuildStatus};
use gatewright_domain::lock::{self, Waiting};
use gatewright_domain::people::{Directory, Group, Person};
use gatewright_domain::pipeline::{Effect, Queue, Quorum};
use gatewright_domain::release::{Deployment, Head, StageRecord, StageStatus, evidence_before};
use gatewright_domain::trigger::TriggerInput;
use gatewright_domain::undo::TakenBack;
use gatewright_domain::{Digest, EnvironmentName, ErrorName, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;

#[expect(clippy::expect_used, reason = "names that are written here")]
pub(super) fn name<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a valid name")
}

pub(super) fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

pub(super) fn id(rel: Rel) -> gatewright_domain::ReleaseId {
    name(match rel {
        Rel::A => "release-a",
        Rel::B => "release-b",
        Rel::R => "release-r",
        Rel::Zero => "release-zero",
    })
}

pub(super) fn rel(id: &gatewright_domain::ReleaseId) -> Rel {
    let known = Rel::MOVING.into_iter().find(|rel| &self::id(*rel) == id);
    known.unwrap_or(Rel::Zero)
}

pub(super) fn environment() -> EnvironmentName {
    name("production")
}

pub(super) fn digest(version: Version) -> Digest {
    Digest::of_bytes(&[version.bit()])
}

pub(super) fn artifact(version: Version) -> ArtifactEvidence {
    ArtifactEvidence {
        name: IMAGE.to_owned(),
        digest: digest(version),
        location: String::new(),
        version: None,
    }
}

pub(super) fn head(rel: Rel, status: Status) -> Head {
    let pipeline: gatewright_domain::PipelineId = name("pipeline");
    Head {
        release: id(rel),
        version: digest(Version::Zero),
        number: Some(rel.at() as u64 + 1),
        trigger: Some(TriggerInput::new(
            pipeline.clone(),
            "refs/heads/main".to_owned(),
            name("0123456789abcdef0123456789abcdef01234567"),
        )),
        pipeline,
        route: None,
        given: Vec::new(),
        flags: Vec::new(),
        input: digest(Version::Zero),
        execution: String::new(),
        started_at: now(),
        status,
        halted: None,
        broken_glass: Vec::new(),
        stage: None,
        failure: None,
        ended_at: None,
        last_seq: 0,
        last_hash: None,
    }
}

pub(super) fn record(rel: Rel, index: usize, status: StageStatus) -> StageRecord {
    let effect = match index {
        DEPLOY if rel.is_rollback() => Some(Effect::Undo),
        DEPLOY => Some(Effect::Complete),
        UNDO => Some(Effect::Undo),
        _ => None,
    };
    StageRecord {
        watch: None,
        release: id(rel),
        index,
        stage: name(&format!("stage {index}")),
        attempt: 1,
        environment: (index >= DEPLOY).then(environment),
        deploys: effect.is_some(),
        effect,
        migration: None,
        status,
        started_at: now(),
        ended_at: None,
        build: None,
        log: None,
        evidence: None,
        scan: None,
        gates: Vec::new(),
        failure: None,
    }
}

pub(super) fn evidence(status: BuildStatus, artifact: Option<ArtifactEvidence>) -> BuildEvidence {
    BuildEvidence {
        signatures: std::collections::BTreeMap::new(),
        build: String::new(),
        status,
        message: None,
        seconds: None,
        log: None,
        reports: BTreeMap::new(),
        artifact,
        exported: BTreeMap::new(),
    }
}

/// The record of the build stage, which has passed and left this version.
pub(super) fn built(rel: Rel, version: Version) -> StageRecord {
    StageRecord {
        watch: None,
        evidence: Some(evidence(BuildStatus::Succeeded, Some(artifact(version)))),
        ..record(rel, BUILD, StageStatus::Passed)
    }
}

pub(super) fn recorded(
    rel: Rel,
    records: &[Record; 2],
    verified: Option<bool>,
    version: Version,
) -> Vec<StageRecord> {
    let mut all = Vec::new();
    if !rel.is_rollback() {
        all.push(built(rel, version));
    }
    for kind in Kind::ALL {
        let index = match kind {
            Kind::Deploy => DEPLOY,
            Kind::Undo => UNDO,
        };
        let build = |noted: bool| noted.then(|| "build".to_owned());
        all.extend(match records[kind as usize] {
            Record::None => None,
            Record::Running { noted, .. } => Some(StageRecord {
                build: build(noted),
                ..record(rel, index, StageStatus::Running)
            }),
            Record::Passed => Some(StageRecord {
                build: build(true),
                ..record(rel, index, StageStatus::Passed)
            }),
            Record::Failed { why, noted } => Some(StageRecord {
                build: build(noted),
                failure: Some((error(why), "it failed".to_owned())),
                ..record(rel, index, StageStatus::Failed)
            }),
        });
    }
    all.extend(verified.map(|passed| StageRecord {
        failure: (!passed).then(|| (ErrorName::BuildFailed, "it failed".to_owned())),
        ..record(
            rel,
            VERIFY,
            match passed {
                true => StageStatus::Passed,
                false => StageStatus::Failed,
            },
        )
    }));
    all
}

pub(super) fn error(why: Why) -> ErrorName {
    match why {
        Why::Build => ErrorName::BuildFailed,
        Why::BuildLost => ErrorName::BuildLost,
        Why::LockLost => ErrorName::LockLost,
        Why::Halted => ErrorName::Halted,
        Why::EvidenceChanged => ErrorName::EvidenceChanged,
        Why::Expired => ErrorName::WaitExpired,
        Why::MovedOn => ErrorName::MovedOn,
        Why::TakenBack => ErrorName::TakenBack,
        Why::Refused => ErrorName::GateDenied,
    }
}

/// The request and its decision. The directory knows one person, who approves.
pub(super) fn asked(rel: Rel, request: Request) -> Option<(approval::Request, Vec<Decision>)> {
    let (version, approved) = match request {
        Request::None => return None,
        Request::Open(version) => (version, false),
        Request::Approved(version) => (version, true),
        // What it was of does not matter any more.
        Request::Closed => (Version::Zero, false),
    };
    let head = head(rel, Status::Running);
    let evidence = evidence_before(&head, &[built(rel, version)], ASK)?;
    let evidence = evidence.digest().ok()?;
    let decision = approved.then(|| Decision {
        person: name("anna"),
        choice: Choice::Approve,
        reason: String::new(),
        at: now(),
        via: Via::Cli,
        evidence: evidence.clone(),
    });
    let request = approval::Request {
        about: None,
        release: id(rel),
        index: ASK,
        stage: name("stage 1"),
        evidence,
        quorum: vec![Quorum {
            group: name("leads"),
            count: 1,
        }],
        checklist: Vec::new(),
        excluded: Vec::new(),
        requested_at: now(),
        expires_at: now(),
        state: match approved {
            true => approval::State::Approved { at: now() },
            false => approval::State::Open,
        },
    };
    Some((request, decision.into_iter().collect()))
}

pub(super) fn directory() -> Directory {
    Directory {
        people: vec![Person {
            id: name("anna"),
            name: "Anna".to_owned(),
            email: "anna@example.com".to_owned(),
            slack: None,
            aliases: Vec::new(),
        }],
        groups: vec![Group {
            name: name("leads"),
            title: "Leads".to_owned(),
            members: vec![name("anna")],
        }],
    }
}

pub(super) fn controls(halted: bool) -> Controls {
    let halt = halted.then(|| Halt {
        pipeline: None,
        said: Said {
            by: name("anna"),
            at: now(),
            reason: "errors".to_owned(),
        },
    });
    Controls {
        halts: halt.into_iter().collect(),
        ..Controls::default()
    }
}

pub(super) fn taken_from(version: Version) -> TakenBack {
    TakenBack {
        pipeline: name("pipeline"),
        environment: environment(),
        digest: digest(version),
        release: id(Rel::Zero),
        title: String::new(),
        number: None,
        commit: name("0123456789abcdef0123456789abcdef01234567"),
        reference: String::new(),
        why: String::new(),
        by: None,
        at: now(),
        lifted: None,
    }
}

pub(super) fn deployment(deployed: &Deployed) -> Deployment {
    Deployment {
        pipeline: name("pipeline"),
        environment: environment(),
        release: id(deployed.by),
        title: String::new(),
        number: None,
        commit: name("0123456789abcdef0123456789abcdef01234567"),
        artifacts: vec![artifact(deployed.version)],
        restored: deployed.restored.map(id),
        at: now(),
        fencing: 0,
    }
}

pub(super) fn waiting((since, rel): (i64, &Rel)) -> Waiting {
    Waiting {
        release: id(*rel),
        index: DEPLOY,
        since: gatewright_domain::after(now(), since),
        number: Some(rel.at() as u64 + 1),
        rollback: rel.is_rollback(),
        queue: Queue::InOrder,
    }
}

pub(super) fn a_hold() -> lock::Hold {
    lock::Hold {
        by: name("anna"),
        reason: String::new(),
        since: now(),
    }
}

/// The releases of a set.
pub(super) fn doubted(set: u8) -> impl Iterator<Item = Rel> {
    Rel::MOVING
        .into_iter()
        .filter(move |rel| set & rel.bit() != 0)
}

pub(super) fn a_doubt(rel: Rel) -> lock::Doubt {
    lock::Doubt {
        release: id(rel),
        reason: String::new(),
        since: now(),
    }
}

pub(super) fn to_lock(lock: &Lock) -> lock::Lock {
    let holder = lock.holder.map(|rel| lock::Holder {
        release: id(rel),
        since: now(),
        lease_until: now(),
    });
    lock::Lock {
        pipeline: name("pipeline"),
        environment: environment(),
        holder,
        hold: lock.hold.then(a_hold),
        doubts: doubted(lock.doubts).map(a_doubt).collect(),
        fencing: u64::from(lock.fencing),
    }
}

pub(super) fn from_lock(lock: &lock::Lock) -> Lock {
    Lock {
        holder: lock.holder.as_ref().map(|holder| rel(&holder.release)),
        hold: lock.hold.is_some(),
        doubts: lock
            .doubts
            .iter()
            .fold(0, |all, doubt| all | rel(&doubt.release).bit()),
        fencing: u8::try_from(lock.fencing).unwrap_or(u8::MAX),
    }
}
