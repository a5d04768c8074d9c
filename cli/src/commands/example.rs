//! Releases as they would be recorded, for the tests of what is shown.

mod undo;

use crate::story::Story;
use gatewright_aws::Clock;
use gatewright_aws::store::{
    Commit, Store, current_write, decision_write, deployment_write, queue_write, stage_write,
};
use gatewright_aws::table::{Table, When, Write};
use gatewright_domain::approval::{Choice, Decision, Request, State, Via};
use gatewright_domain::control::Said;
use gatewright_domain::decide::Obstacle;
use gatewright_domain::evidence::{
    ArtifactEvidence, BuildEvidence, BuildStatus, Percent, ReportResult, ScanEvidence, Severity,
    Tests,
};
use gatewright_domain::given::Stores;
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::{Doubt, Lock, Waiting};
use gatewright_domain::order::Order;
use gatewright_domain::pipeline::Queue;
use gatewright_domain::pipeline::{Definition, Work};
use gatewright_domain::release::{Deployment, Failure, Head, StageRecord, StageStatus, Status};
use gatewright_domain::trigger::{CodePipelineOrigin, TriggerInput};
use gatewright_domain::{Digest, EnvironmentName, ErrorName, ReleaseId, Timestamp, after};
use gatewright_fakes::{FixedClock, MemoryTable, definition, directory};
use std::collections::BTreeMap;

/// A table with a release in it.
pub struct Example {
    /// The record.
    pub store: Store<MemoryTable>,
    release: ReleaseId,
    definition: Definition,
    clock: FixedClock,
}

/// `text` without its styles.
pub fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Where the example's artifacts are.
pub fn stores() -> Stores {
    Stores {
        registry: "123456789012.dkr.ecr.ap-south-1.amazonaws.com".to_owned(),
        bucket: Some("gatewright-artifacts".to_owned()),
    }
}

/// A push to main, as CodePipeline sends it.
pub fn push() -> TriggerInput {
    let commit = "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5".parse().unwrap();
    let main = "refs/heads/main".to_owned();
    TriggerInput {
        author: Some("sam@example.com".to_owned()),
        message: Some("Refuse positions from the future".to_owned()),
        codepipeline: Some(CodePipelineOrigin {
            pipeline: "gps".to_owned(),
            execution: "7f0c".to_owned(),
        }),
        ..TriggerInput::new("pl-gps-001".parse().unwrap(), main, commit)
    }
}

fn image() -> ArtifactEvidence {
    ArtifactEvidence {
        name: "image".to_owned(),
        digest: Digest::of_bytes(b"image"),
        location: "000000000000.dkr.ecr.ap-south-1.amazonaws.com/gps-ingestion-service:4f2a9c01"
            .to_owned(),
        version: None,
    }
}

impl Example {
    /// A release that waits for the second of its two approvals.
    pub async fn waiting_for_approval() -> Self {
        let example = Self::begun("cp-1").await;
        for index in 0..5 {
            example.stage(index, 8700, StageStatus::Passed).await;
        }
        example.runs_in("staging", "pl-gps-001#1", b"image").await;
        example.asks().await;
        example
    }

    /// A release that was stopped because its tests cover too little.
    pub async fn low_coverage() -> Self {
        let example = Self::begun("cp-1").await;
        example.stage(0, 0, StageStatus::Passed).await;
        example.stage(1, 7913, StageStatus::Failed).await;
        let failure = Failure {
            stage: Some(example.definition.stages[1].name.clone()),
            error: ErrorName::GateDenied.to_string(),
            cause: "measured 79.13 %, but at least 80 % is required".to_owned(),
        };
        let status = Status::FailedClean;
        example
            .commit(
                Vec::new(),
                |head| {
                    head.status = status;
                    head.failure = Some(failure.clone());
                },
                Fact::ReleaseEnded {
                    status,
                    failure: Some(failure.clone()),
                },
            )
            .await;
        example
    }

    /// A second release that failed while it deployed to production, where the
    /// first one ran.
    pub async fn dirty_production() -> Self {
        let first = Self::begun("cp-1").await;
        first.runs_in("production", "pl-gps-001#1", b"image").await;
        first.clock.pass(86_400);
        let example = Self {
            release: "cp-2".parse().unwrap(),
            ..first
        };
        example.admit().await;
        let production: EnvironmentName = "production".parse().unwrap();
        let mut lock = Lock::free(example.definition.id.clone(), production);
        lock.doubts.push(Doubt {
            release: example.release.clone(),
            reason: "it is not known what production runs".to_owned(),
            since: example.now(),
        });
        let held = Store::<MemoryTable>::lock_write(&lock, None).unwrap();
        let (index, stage) = (6, &example.definition.stages[6]);
        example.stage(index, 0, StageStatus::Failed).await;
        let failure = Failure {
            stage: Some(stage.name.clone()),
            error: ErrorName::BuildFailed.to_string(),
            cause: "the rollout timed out; it is not known what production runs now".to_owned(),
        };
        let status = Status::FailedDirty;
        let ended = Fact::ReleaseEnded {
            status,
            failure: Some(failure.clone()),
        };
        let change = |head: &mut Head| {
            head.status = status;
            head.failure = Some(failure);
        };
        example.commit(vec![held], change, ended).await;
        example.clock.pass(720);
        example
    }

    /// A second release that waits for staging, which the first one holds.
    pub async fn queued_for_staging() -> Self {
        let first = Self::begun("cp-1").await;
        let staging = "staging".parse().unwrap();
        let lock = Lock::free(first.definition.id.clone(), staging);
        let lock = lock.taken(&first.release, first.now(), 3_600).unwrap();
        let held = Store::<MemoryTable>::lock_write(&lock, None).unwrap();
        first.store.table().write(vec![held]).await.unwrap();
        let example = Self {
            release: "cp-2".parse().unwrap(),
            ..first
        };
        example.admit().await;
        let entry = Waiting {
            release: example.release.clone(),
            index: 3,
            since: example.now(),
            number: Some(2),
            rollback: false,
            queue: Queue::InOrder,
        };
        let queued = queue_write(&example.definition.id, &lock.environment, &entry).unwrap();
        let holder = "cp-1".parse().unwrap();
        let fact = Fact::DeployDelayed {
            stage: "Deploy to Staging".parse().unwrap(),
            environment: lock.environment,
            because: vec![Obstacle::Lock { holder }],
            until: None,
            given_up: None,
        };
        example.commit(vec![queued], |_| {}, fact).await;
        example.clock.pass(60);
        example
    }

    /// Takes this order of Anna's into force.
    pub async fn ordered(&self, order: Order) {
        let seen = self.store.controls().await.unwrap();
        let by = "anna".parse().unwrap();
        let (next, given) = seen.controls.give(&by, order, self.now()).unwrap();
        let writes = seen.writes(&next, &given).unwrap();
        self.store.table().write(writes.to_vec()).await.unwrap();
    }

    /// Halts the release itself.
    pub async fn halted(&self) {
        let said = Said {
            by: "anna".parse().unwrap(),
            at: self.now(),
            reason: "errors".to_owned(),
        };
        let fact = Fact::ReleaseHalted { said: said.clone() };
        self.commit(Vec::new(), |head| head.halted = Some(said), fact)
            .await;
    }

    /// What is recorded of the release.
    pub async fn story(&self) -> Story {
        Story::read(&self.store, &self.release)
            .await
            .unwrap()
            .unwrap()
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn begun(id: &str) -> Self {
        let example = Self {
            store: Store::new(MemoryTable::default()),
            release: id.parse().unwrap(),
            definition: definition(),
            clock: FixedClock::new(),
        };
        example.store.apply(&example.definition).await.unwrap();
        example.store.apply_directory(&directory()).await.unwrap();
        example.admit().await;
        example
    }

    async fn admit(&self) {
        self.admit_as(&self.definition, push(), "push to main")
            .await;
    }

    async fn admit_as(&self, definition: &Definition, trigger: TriggerInput, route: &str) {
        let version = definition.version().unwrap();
        let head = Head {
            release: self.release.clone(),
            pipeline: self.definition.id.clone(),
            version: version.clone(),
            number: None,
            input: Digest::of(&trigger).unwrap(),
            trigger: Some(trigger.clone()),
            route: Some(route.to_owned()),
            given: Vec::new(),
            flags: Vec::new(),
            execution: format!(
                "arn:aws:states:ap-south-1:000000000000:execution:pl-gps-001:{}",
                self.release
            ),
            started_at: self.now(),
            status: Status::Running,
            halted: None,
            broken_glass: Vec::new(),
            stage: None,
            failure: None,
            ended_at: None,
            last_seq: 0,
            last_hash: None,
        };
        let admitted = |number| Fact::ReleaseAdmitted {
            number,
            version,
            commit: trigger.commit,
            reference: trigger.reference,
            route: Some(route.to_owned()),
            requester: trigger.requester,
            author: trigger.author,
        };
        self.store
            .begin(head, admitted, Vec::new(), self.now())
            .await
            .unwrap();
    }

    async fn commit(&self, writes: Vec<Write>, change: impl FnOnce(&mut Head), fact: Fact) {
        let seen = self.store.known_head(&self.release).await.unwrap();
        let mut commit = Commit::of(&seen).fact(fact).writes(writes);
        change(&mut commit.head);
        if commit.head.status.has_ended() {
            commit.head.ended_at = Some(self.now());
        }
        self.store.commit(commit, self.now()).await.unwrap();
    }

    /// A stage that takes seven seconds and measures so much coverage.
    async fn stage(&self, index: usize, coverage: u32, status: StageStatus) {
        let stage = &self.definition.stages[index];
        let (started_at, name) = (self.now(), stage.name.clone());
        self.clock.pass(7);
        let tests = ReportResult::Tests(Tests {
            total: 31,
            passed: 31,
            failed: 0,
            skipped: 0,
        });
        let lines = ReportResult::Coverage {
            lines: Percent(coverage),
        };
        let produces = stage.build().and_then(|build| build.produces.as_ref());
        let build = BuildEvidence {
            build: format!("gatewright-build:{index}"),
            status: BuildStatus::Succeeded,
            message: None,
            seconds: Some(6),
            log: None,
            reports: BTreeMap::from([
                ("unit-tests".to_owned(), tests.clone()),
                ("integration-tests".to_owned(), tests),
                ("coverage".to_owned(), lines),
            ]),
            artifact: produces.map(|_| image()),
            exported: BTreeMap::new(),
            signatures: BTreeMap::new(),
        };
        let scan = stage.scan_gate().map(|_| ScanEvidence {
            digest: image().digest,
            status: "COMPLETE".to_owned(),
            counts: BTreeMap::from([(Severity::High, 2), (Severity::Low, 1)]),
            worst: Vec::new(),
            findings: Digest::of_bytes(b"findings"),
        });
        let judged = |gate: &gatewright_domain::gate::Gate| match &scan {
            Some(scan) if gate.is_scan() => gate.judge_scan(scan),
            _ => gate.judge_build(&build),
        };
        let gates: Vec<_> = stage.gates.iter().filter_map(judged).collect();
        let denied = gates
            .iter()
            .find(|g| !g.passed)
            .map(|g| (ErrorName::GateDenied, g.because.clone()));
        let record = StageRecord {
            release: self.release.clone(),
            index,
            stage: name.clone(),
            attempt: 1,
            environment: stage.environment.clone(),
            deploys: matches!(stage.work, Work::Deploy(_)),
            effect: stage.deploy().map(|deploy| deploy.effect),
            migration: stage.migration,
            status,
            started_at,
            ended_at: Some(self.now()),
            build: Some(build.build.clone()),
            log: Some(format!("http://127.0.0.1:1/codebuild/logs/{index}")),
            evidence: Some(build),
            scan,
            watch: None,
            gates,
            failure: denied,
        };
        let written = stage_write(&record, When::Absent).unwrap();
        let fact = Fact::StagePassed {
            stage: name.clone(),
        };
        self.commit(vec![written], |head| head.stage = Some(name), fact)
            .await;
    }

    async fn runs_in(&self, environment: &str, title: &str, bytes: &[u8]) {
        let artifact = ArtifactEvidence {
            digest: Digest::of_bytes(bytes),
            ..image()
        };
        let digest = artifact.digest.clone();
        let deployment = Deployment {
            pipeline: self.definition.id.clone(),
            environment: environment.parse().unwrap(),
            release: self.release.clone(),
            title: title.to_owned(),
            number: Some(1),
            commit: push().commit,
            artifacts: vec![artifact],
            restored: None,
            at: self.now(),
            fencing: 1,
        };
        let writes = vec![
            current_write(&deployment).unwrap(),
            deployment_write(&deployment).unwrap(),
        ];
        let environment = deployment.environment;
        let fact = Fact::EnvironmentChanged {
            environment,
            digest,
            previous: None,
        };
        self.commit(writes, |_| {}, fact).await;
    }

    /// Asks for the production approval; Priya has approved.
    async fn asks(&self) {
        let (index, stage) = (5, &self.definition.stages[5]);
        let Work::Approval(approval) = &stage.work else {
            panic!("{stage:?} asks nobody");
        };
        let request = Request {
            release: self.release.clone(),
            index,
            stage: stage.name.clone(),
            evidence: Digest::of_bytes(b"evidence"),
            quorum: approval.quorum.clone(),
            checklist: approval.checklist.clone(),
            about: None,
            excluded: vec!["lena@example.com".to_owned()],
            requested_at: self.now(),
            expires_at: after(self.now(), approval.expires.get()),
            state: State::Open,
        };
        self.clock.pass(125);
        let decision = Decision {
            person: "priya".parse().unwrap(),
            choice: Choice::Approve,
            reason: "Looked at staging".to_owned(),
            at: self.now(),
            via: Via::Page,
            evidence: request.evidence.clone(),
        };
        let fact = Fact::ApprovalRequested {
            stage: request.stage.clone(),
            evidence: request.evidence.clone(),
            quorum: request.quorum.clone(),
            expires_at: request.expires_at,
        };
        let asked = Store::<MemoryTable>::approval_write(&request, When::Absent).unwrap();
        let writes = vec![asked, decision_write(&request, &decision).unwrap()];
        self.commit(
            writes,
            |head| head.stage = Some(request.stage.clone()),
            fact,
        )
        .await;
        self.clock.pass(60);
    }
}
