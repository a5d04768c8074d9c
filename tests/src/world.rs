//! The handlers and the services around them.

use gatewright_aws::Store;
use gatewright_aws::config::{Config, Pace};
use gatewright_domain::decide::ScanSeen;
use gatewright_domain::evidence::{BuildStatus, Finding, Percent, ReportResult, Severity, Tests};
use gatewright_domain::exported::{self, Stored};
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::{Artifact, Definition, ReportFormat, Stage};
use gatewright_domain::release::{Head, Status};
use gatewright_domain::{Digest, ReleaseId, ledger};
use gatewright_fakes::{
    FakeBuilds, FakeExecutions, FakeMetrics, FakeRegistry, FakeTasks, FixedClock, MemoryTable,
};
use gatewright_handler::Failure;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::pin::Pin;

/// The commit that is released.
pub const COMMIT: &str = "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5";

/// Everything that a release meets.
#[derive(Debug)]
pub struct World {
    /// The record.
    pub store: Store<MemoryTable>,
    /// CodeBuild.
    pub builds: FakeBuilds,
    /// ECR.
    pub registry: FakeRegistry,
    /// CloudWatch.
    pub metrics: FakeMetrics,
    /// Step Functions' tasks.
    pub tasks: FakeTasks,
    /// Step Functions' executions.
    pub executions: FakeExecutions,
    /// The clock.
    pub clock: FixedClock,
    /// Where everything is.
    pub config: Config,
    /// The pipeline.
    pub definition: Definition,
    /// Its compiled machine.
    pub machine: Value,
    /// What a build leaves depends on the commit and on this: the time, a
    /// dependency, anything that is not in the commit.
    pub weather: String,
}

impl World {
    /// A world with the GPS pipeline applied and nothing released.
    ///
    /// # Panics
    /// When the committed definition does not compile.
    pub async fn new() -> Self {
        Self::of(gatewright_fakes::definition()).await
    }

    /// A world with this pipeline applied and nothing released.
    ///
    /// # Panics
    /// When the definition does not compile.
    pub async fn of(definition: Definition) -> Self {
        let world = Self {
            store: Store::new(MemoryTable::default()),
            builds: FakeBuilds::default(),
            registry: FakeRegistry::default(),
            metrics: FakeMetrics::default(),
            tasks: FakeTasks::default(),
            executions: FakeExecutions::default(),
            clock: FixedClock::new(),
            config: config(),
            machine: machine_of(&definition),
            weather: String::new(),
            definition,
        };
        world
            .store
            .apply(&world.definition)
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        world
            .store
            .apply_directory(&gatewright_fakes::directory())
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        world
    }

    /// The same world, in which the next releases are of this definition: of
    /// another pipeline, or of the pipeline's rollbacks.
    ///
    /// # Panics
    /// When the definition does not compile.
    pub async fn switch(&mut self, definition: Definition) {
        self.machine = machine_of(&definition);
        self.store
            .apply(&definition)
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        self.definition = definition;
    }

    /// The input of a push to main, as CodePipeline sends it.
    pub fn push() -> Value {
        json!({
            "pipeline": "pl-gps-001", "ref": "refs/heads/main", "commit": COMMIT,
            "author": "sam@example.com", "message": "Refuse positions from the future",
            "codepipeline": { "pipeline": "gps", "execution": "7f0c" },
        })
    }

    /// Calls a function by the name that the machine has for it.
    ///
    /// # Errors
    /// What the function fails with.
    ///
    /// # Panics
    /// When there is no such function.
    pub async fn call(&self, function: &str, payload: Value) -> Result<Value, Failure> {
        let Self {
            store,
            builds,
            registry,
            clock,
            config,
            ..
        } = self;
        let (metrics, executions) = (&self.metrics, &self.executions);
        // Each is large: a debug build would keep room for all of them on the stack.
        let handled: Pin<Box<dyn Future<Output = _> + Send>> = match function {
            "AdmitRelease" => Box::pin(gatewright_admit_release::handle(store, clock, payload)),
            "StartBuild" => Box::pin(gatewright_start_build::handle(
                store, builds, clock, config, payload,
            )),
            "JudgeScan" => Box::pin(gatewright_judge_scan::handle(
                store, registry, clock, payload,
            )),
            "ClearDeploy" => Box::pin(gatewright_clear_deploy::handle(
                store, registry, clock, payload,
            )),
            "TakeOrder" => Box::pin(gatewright_take_order::handle(
                store, registry, clock, payload,
            )),
            "RequestApproval" => {
                Box::pin(gatewright_request_approval::handle(store, clock, payload))
            }
            "WatchRollout" => Box::pin(gatewright_watch_rollout::handle(
                store, clock, config, payload,
            )),
            "StartRelease" => Box::pin(gatewright_start_release::handle(
                store, executions, clock, config, payload,
            )),
            "FinishRelease" => Box::pin(gatewright_finish_release::handle(
                store, builds, registry, clock, payload,
            )),
            "FinishBuild" => Box::pin(gatewright_finish_build::handle(
                store, builds, registry, clock, payload,
            )),
            "Sweep" => Box::pin(gatewright_sweep::handle(
                store, builds, registry, metrics, executions, clock, payload,
            )),
            other => panic!("the machine names a function {other:?} that there is none of"),
        };
        handled.await
    }

    /// The event of a build's end.
    ///
    /// # Errors
    /// What `finish-build` fails with.
    pub async fn build_event(&self, id: &str) -> Result<Value, Failure> {
        let arn = format!("arn:aws:codebuild:ap-south-1:123456789012:build/{id}");
        self.call(
            "FinishBuild",
            json!({ "detail-type": "CodeBuild Build State Change", "detail": { "build-id": arn } }),
        )
        .await
    }

    /// The build that runs now, if one does.
    pub async fn running_build(&self) -> Option<String> {
        self.builds
            .ids()
            .into_iter()
            .find(|id| self.builds.status(id) == Some(BuildStatus::InProgress))
    }

    /// Ends the running build green, as its stage wants it: with reports, and an
    /// image in the registry when it pushes one.
    ///
    /// # Panics
    /// When no build runs.
    pub async fn build_succeeds(&self) -> String {
        self.build_ends(BuildStatus::Succeeded, Percent(8734)).await
    }

    /// Ends the running build so, with this coverage.
    ///
    /// # Panics
    /// When no build runs.
    pub async fn build_ends(&self, status: BuildStatus, lines: Percent) -> String {
        let Some(id) = self.running_build().await else {
            panic!("no build runs")
        };
        self.end_as(&id, status, lines);
        id
    }

    /// Ends this build green.
    pub fn end_green(&self, id: &str) {
        self.end_as(id, BuildStatus::Succeeded, Percent(8734));
    }

    fn end_as(&self, id: &str, status: BuildStatus, lines: Percent) {
        let build = self.stage_of(id).and_then(|stage| stage.build().cloned());
        let Some(build) = build else {
            return self.builds.end(id, status, &[]);
        };
        let mut reports = Vec::new();
        for (name, report) in &build.reports {
            match report.format {
                ReportFormat::Junit => reports.push((name.as_str(), green())),
                ReportFormat::Cobertura => {
                    reports.push((name.as_str(), ReportResult::Coverage { lines }));
                }
                ReportFormat::Sarif => {
                    let clean = r#"{"counts":{},"worst":[],"digest":null}"#;
                    self.builds.exports(id, &exported::findings(name), clean);
                }
            }
        }
        for name in &build.exports {
            self.builds.exports(id, name, "1.4.2");
        }
        if let (BuildStatus::Succeeded, Some(name)) = (status, &build.produces) {
            self.produced(id, name);
        }
        if status == BuildStatus::Succeeded {
            self.verified(id);
        }
        self.builds.end(id, status, &reports);
    }

    /// The build says that it verified the images that it was given.
    fn verified(&self, id: &str) {
        let (Some(stage), Some(order)) = (self.stage_of(id), self.builds.order(id)) else {
            return;
        };
        for name in stage.gates.iter().filter_map(Gate::verifies) {
            let given = format!("IMAGE_{}_DIGEST", exported::shouted(name));
            if let Some(digest) = order.env.get(&given) {
                self.builds.exports(id, &exported::signed(name), digest);
            }
        }
    }

    /// The build leaves the artifact behind: in the registry, or in the bucket.
    fn produced(&self, id: &str, name: &str) {
        let order = self.builds.order(id);
        let commit = order.map_or_else(|| COMMIT.to_owned(), |order| order.commit);
        let digest = built(name, &format!("{commit}{}", self.weather));
        match self
            .definition
            .artifacts
            .get(name)
            .and_then(Artifact::repository)
        {
            Some(repository) => {
                self.registry.push(repository, &commit, &digest);
            }
            None => {
                self.builds.exports(id, Stored::SHA256, digest.hex());
                let key = format!("artifacts/{}/{}/{name}", self.definition.id, digest.hex());
                self.builds.exports(id, Stored::KEY, &key);
            }
        }
    }

    /// The stage that started a build.
    pub fn stage_of(&self, id: &str) -> Option<&Stage> {
        let order = self.builds.order(id)?;
        let index: usize = order.env.get("GATEWRIGHT_STAGE_INDEX")?.parse().ok()?;
        self.definition.stages.get(index)
    }

    /// The registry has scanned the image and found this.
    pub fn scan_settles(&self, severities: &[Severity]) {
        self.scan_settles_of(&image(), severities);
    }

    /// The registry has scanned this image and found this.
    pub fn scan_settles_of(&self, image: &Digest, severities: &[Severity]) {
        let mut counts = BTreeMap::new();
        for severity in severities {
            *counts.entry(*severity).or_insert(0) += 1;
        }
        let findings = severities.iter().enumerate().map(|(n, severity)| Finding {
            id: format!("CVE-2026-{n:04}"),
            severity: *severity,
            package: Some("openssl 3.0.1".to_owned()),
            uri: None,
        });
        self.registry.scanned(ScanSeen {
            digest: image.clone(),
            status: Some("COMPLETE".to_owned()),
            description: None,
            enhanced: false,
            findings: findings.collect(),
            counts: Some(counts),
        });
    }

    /// The event of a scan's end.
    ///
    /// # Errors
    /// What `judge-scan` fails with.
    pub async fn scan_event(&self) -> Result<Value, Failure> {
        self.scan_event_of("gps-ingestion-service", &image()).await
    }

    /// The event of the end of this image's scan.
    ///
    /// # Errors
    /// What `judge-scan` fails with.
    pub async fn scan_event_of(&self, repository: &str, image: &Digest) -> Result<Value, Failure> {
        let detail = json!({ "scan-status": "COMPLETE", "repository-name": repository, "image-digest": image });
        self.call(
            "JudgeScan",
            json!({ "detail-type": "ECR Image Scan", "detail": detail }),
        )
        .await
    }

    /// Delivers every answer that waits to be sent, as the stream would.
    ///
    /// # Errors
    /// What `answer-task` fails with.
    pub async fn deliver(&self) -> Result<(), Failure> {
        for item in self.store.table().items_in("WAIT#") {
            if item.body["answer"].is_null() {
                continue;
            }
            let event = json!({ "Records": [{
                "awsRegion": "ap-south-1", "eventID": "1", "eventName": "MODIFY", "eventSource": "aws:dynamodb",
                "eventVersion": "1.1", "eventSourceARN": "arn",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1, "SizeBytes": 1, "SequenceNumber": "1", "StreamViewType": "NEW_IMAGE",
                    "Keys": { "pk": {"S": item.key.pk}, "sk": {"S": item.key.sk} },
                    "NewImage": {
                        "pk": {"S": item.key.pk}, "sk": {"S": item.key.sk}, "rev": {"N": item.rev.to_string()},
                        "body": attribute(&item.body),
                    },
                },
            }]});
            gatewright_answer_task::handle(&self.store, &self.tasks, event).await?;
        }
        Ok(())
    }

    /// The event of the release's execution that somebody has stopped.
    pub async fn stopped(&self, release: &str) -> Value {
        let execution = self.head(release).await.execution;
        json!({
            "detail-type": "Step Functions Execution Status Change",
            "detail": {
                "status": "ABORTED", "name": release, "executionArn": execution,
                "cause": null, "error": null
            }
        })
    }

    /// A release's head.
    ///
    /// # Panics
    /// When there is no such release.
    pub async fn head(&self, release: &str) -> Head {
        match self.store.head(&id(release)).await {
            Ok(Some(seen)) => seen.value,
            other => panic!("{release}: {other:?}"),
        }
    }

    /// Asserts that the release has ended so, that its ledger holds together and
    /// that nothing is left behind: no lock, no queue, no wait.
    ///
    /// # Panics
    /// When it is not so.
    pub async fn has_ended(&self, release: &str, status: Status) -> Head {
        let head = self.head(release).await;
        assert_eq!(head.status, status, "{:?}", head.failure);
        let events = self
            .store
            .ledger(&id(release))
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            ledger::verify(
                &id(release),
                &events,
                (head.last_seq, head.last_hash.as_ref())
            ),
            Ok(())
        );
        for item in self.store.table().items_in("WAIT#") {
            assert_ne!(
                item.body["release"],
                json!(release),
                "a wait is left behind: {item:?}"
            );
        }
        for item in self.store.table().items_in("ENV#") {
            let held = item.key.sk == "LOCK" && item.body["holder"]["release"] == json!(release);
            let queued =
                item.key.sk.starts_with("QUEUE#") && item.body["release"] == json!(release);
            assert!(!held && !queued, "an environment is left held: {item:?}");
        }
        head
    }

    /// What the release's ledger says, one word a fact.
    ///
    /// # Panics
    /// When the ledger cannot be read.
    pub async fn facts(&self, release: &str) -> Vec<String> {
        let events = self
            .store
            .ledger(&id(release))
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        events
            .iter()
            .filter_map(|event| {
                Some(
                    serde_json::to_value(&event.fact).ok()?["type"]
                        .as_str()?
                        .to_owned(),
                )
            })
            .collect()
    }
}

fn machine_of(definition: &Definition) -> Value {
    let machine = gatewright_compiler::compile(definition).unwrap_or_else(|e| panic!("{e}"));
    let text = gatewright_compiler::to_json(&machine);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}"))
}

/// The image that packaging produces.
pub fn image() -> Digest {
    built("image", COMMIT)
}

/// What a build makes of the artifact of this name from this commit.
pub fn built(artifact: &str, commit: &str) -> Digest {
    Digest::of_bytes(format!("the {artifact} of {commit}").as_bytes())
}

fn green() -> ReportResult {
    ReportResult::Tests(Tests {
        total: 57,
        passed: 57,
        failed: 0,
        skipped: 0,
    })
}

/// A release's id.
///
/// # Panics
/// When the text is none.
pub fn id(release: &str) -> ReleaseId {
    release.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn config() -> Config {
    Config {
        table: "gatewright".to_owned(),
        account: "123456789012".to_owned(),
        region: "ap-south-1".to_owned(),
        artifacts: Some("gatewright-artifacts".to_owned()),
        machine_prefix: String::new(),
        topic: None,
        public_url: Some("https://releases.example.com".to_owned()),
        link_secret: None,
        slack_secret: None,
        slack_api_url: String::new(),
        slack_channel: None,
        pagerduty_secret: None,
        pagerduty_api_url: String::new(),
        pace: Pace::default(),
    }
}

/// JSON as DynamoDB writes it in a stream's event.
pub fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(b) => json!({ "BOOL": b }),
        Value::Number(n) => json!({ "N": n.to_string() }),
        Value::String(s) => json!({ "S": s }),
        Value::Array(all) => json!({ "L": all.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(map) => {
            json!({ "M": map.iter().map(|(k, v)| (k.clone(), attribute(v))).collect::<serde_json::Map<_, _>>() })
        }
    }
}
