//! One release with everything in it, in which every text from outside can be
//! replaced by a hostile one.

use gatewright_domain::approval::{Choice, Decision, Request, State, Via};
use gatewright_domain::control::{Halted, Said};
use gatewright_domain::evidence::{
    ArtifactEvidence, BuildEvidence, BuildStatus, Finding, Measured, Numbers, Percent,
    ReportResult, ScanEvidence, Severity, Tests, WatchEvidence, WatchOutcome,
};
use gatewright_domain::gate::Gate;
use gatewright_domain::ledger::{Event, Fact};
use gatewright_domain::order::Target;
use gatewright_domain::people::{Directory, Group, Person};
use gatewright_domain::pipeline::{Definition, Quorum};
use gatewright_domain::release::{
    Deployment, Failure, Head, StageRecord, StageStatus, Status, evidence_before,
};
use gatewright_domain::trigger::{Cause, TriggerInput};
use gatewright_domain::undo::Flag;
use gatewright_domain::{Digest, StageName, Timestamp, after};
use gatewright_views::Asked;
use serde_json::json;

pub fn now() -> Timestamp {
    "2026-10-12T09:30:00Z".parse().unwrap()
}

/// A halt of the release's pipeline.
pub fn halt(reason: &str) -> Halted {
    Halted {
        of: Target::Pipeline("pl-gps-001".parse().unwrap()),
        said: Said {
            by: "anna".parse().unwrap(),
            at: after(now(), -300),
            reason: reason.to_owned(),
        },
    }
}

/// All that a view is made from.
pub struct World {
    pub definition: Definition,
    pub directory: Directory,
    pub head: Head,
    pub records: Vec<StageRecord>,
    pub request: Request,
    pub decisions: Vec<Decision>,
    pub running: Deployment,
    pub events: Vec<Event>,
    pub halted: Option<Halted>,
}

impl World {
    /// A release that waits for its second approval.
    pub fn new() -> Self {
        Self::with("Fix the parser", 2)
    }

    /// Its last stage failed while it deployed to production.
    pub fn ends_dirty(&mut self) {
        let record = self.records.last_mut().unwrap();
        record.environment = Some("production".parse().unwrap());
        record.deploys = true;
        record.status = StageStatus::Failed;
        self.head.status = Status::FailedDirty;
        self.head.failure = Some(Failure {
            stage: Some(record.stage.clone()),
            error: "BuildFailed".to_owned(),
            cause: "it is not known what production runs now".to_owned(),
        });
    }

    /// The same, with `text` wherever text comes from outside and `stages`
    /// stages before the approval.
    pub fn with(text: &str, stages: usize) -> Self {
        let plain = text == "Fix the parser";
        let says = |usual: &str| {
            if plain {
                usual.to_owned()
            } else {
                text.to_owned()
            }
        };
        let name = |index: usize| stage_name(&says(""), index);
        let definition = definition(&says("GPS Ingestion Service"), stages, &name);
        let directory = directory(&says("Priya Raman"), &says("DevOps Lead"));
        let mut head = head(
            &definition,
            &says("Fix the parser\n\nIt lost a byte."),
            &says("dev@example.com"),
        );
        let mut records: Vec<_> = (0..stages)
            .map(|index| record(index, name(index), &says("COMPLETE")))
            .collect();
        if !plain {
            records
                .iter_mut()
                .for_each(|r| r.watch = Some(watched(text)));
        }
        let evidence = evidence_before(&head, &records, stages)
            .unwrap()
            .digest()
            .unwrap();
        let request = Request {
            release: head.release.clone(),
            index: stages,
            stage: definition.stages[stages].name.clone(),
            evidence: evidence.clone(),
            quorum: ["project-lead", "devops-lead"]
                .map(|group| Quorum {
                    group: group.parse().unwrap(),
                    count: 1,
                })
                .to_vec(),
            checklist: vec![says("The integration tests cover this")],
            about: (!plain).then(|| watched(text)),
            excluded: vec!["dev@example.com".to_owned()],
            requested_at: after(now(), -3_600),
            expires_at: after(now(), 71 * 3_600),
            state: State::Open,
        };
        let decisions = vec![Decision {
            person: "priya".parse().unwrap(),
            choice: Choice::Approve,
            reason: says("looks good"),
            at: after(now(), -600),
            via: Via::Page,
            evidence,
        }];
        let events = ledger(&mut head, crate::facts::facts(&says("they disagree")));
        Self {
            running: Deployment {
                pipeline: definition.id.clone(),
                environment: "production".parse().unwrap(),
                release: "cp-0".parse().unwrap(),
                title: says("pl-gps-001#141"),
                number: Some(141),
                commit: "b".repeat(40).parse().unwrap(),
                artifacts: vec![artifact(b"old", text)],
                restored: None,
                at: after(now(), -86_400),
                fencing: 6,
            },
            definition,
            directory,
            head,
            records,
            request,
            decisions,
            events,
            halted: None,
        }
    }

    /// The same, where the request is about a watch that did not tell.
    pub fn watched() -> Self {
        let mut world = Self::new();
        world.request.about = Some(watched("shop-hosts"));
        world
    }

    /// The same, halted with its pipeline for this reason.
    pub fn halted(reason: &str) -> Self {
        let mut world = Self::new();
        world.halted = Some(halt(reason));
        world
    }

    pub fn asked(&self) -> Asked<'_> {
        Asked {
            request: &self.request,
            decisions: &self.decisions,
            directory: &self.directory,
        }
    }
}

/// A stage's name that holds as much of `text` as a name may.
fn stage_name(text: &str, index: usize) -> StageName {
    let kept: String = text.chars().filter(|c| !c.is_control()).take(50).collect();
    format!("S{index} {kept}").trim().parse().unwrap()
}

fn definition(text: &str, stages: usize, name: &dyn Fn(usize) -> StageName) -> Definition {
    let build = |index: usize| {
        json!({ "name": name(index), "description": text, "environment": null, "gates": [],
            "work": { "kind": "build", "project": "p", "image": "i", "compute": "c", "timeout": 60,
                "retries": 0, "runtimes": {}, "install": [], "steps": [], "env": {}, "reports": {}, "produces": null } })
    };
    let mut all: Vec<_> = (0..stages).map(build).collect();
    all.push(json!({ "name": stage_name("Production Approval", stages), "description": "", "environment": "production", "gates": [],
        "work": { "kind": "approval", "quorum": [], "checklist": [], "expires": 259_200, "remind": 14_400 } }));
    all.push(build(stages + 1));
    let place = json!({ "cluster": "c", "namespace": "n", "protected": true, "lease": 60 });
    serde_json::from_value(json!({
        "language": 1, "id": "pl-gps-001", "name": text, "description": text, "region": "ap-south-1",
        "source": { "repository": "https://github.com/example/tms", "path": "." },
        "triggers": [], "artifacts": {}, "environments": { "production": place },
        "stages": all, "notify": { "slack": "#x" }, "budget": 604_800,
    }))
    .unwrap()
}

fn directory(name: &str, title: &str) -> Directory {
    let person = |id: &str, name: &str| Person {
        id: id.parse().unwrap(),
        name: name.to_owned(),
        email: format!("{id}@example.com"),
        slack: None,
        aliases: Vec::new(),
    };
    let group = |id: &str, title: &str, members: &[&str]| Group {
        name: id.parse().unwrap(),
        title: title.to_owned(),
        members: members.iter().map(|m| m.parse().unwrap()).collect(),
    };
    Directory {
        people: vec![
            person("priya", name),
            person("devan", "Devan Okafor"),
            person("lena", "Lena Fischer"),
        ],
        groups: vec![
            group("project-lead", "Project Lead", &["priya", "lena"]),
            group("devops-lead", title, &["devan", "lena"]),
        ],
    }
}

fn head(definition: &Definition, message: &str, author: &str) -> Head {
    Head {
        release: "cp-1".parse().unwrap(),
        pipeline: definition.id.clone(),
        version: Digest::of_bytes(b"definition"),
        number: Some(142),
        trigger: Some(TriggerInput {
            cause: Some(Cause::Push),
            author: Some(author.to_owned()),
            message: Some(message.to_owned()),
            ..TriggerInput::new(
                definition.id.clone(),
                "refs/heads/main".to_owned(),
                "a".repeat(40).parse().unwrap(),
            )
        }),
        route: None,
        given: Vec::new(),
        flags: vec![Flag {
            environment: "production".parse().unwrap(),
            title: "gps#141".to_owned(),
            commit: "b".repeat(40).parse().unwrap(),
            same: false,
            tagged: false,
            why: message.to_owned(),
        }],
        input: Digest::of_bytes(b"input"),
        execution: "arn:x".to_owned(),
        started_at: after(now(), -7_200),
        status: Status::Running,
        halted: None,
        broken_glass: Vec::new(),
        stage: None,
        failure: None,
        ended_at: None,
        last_seq: 0,
        last_hash: None,
    }
}

fn artifact(of: &[u8], location: &str) -> ArtifactEvidence {
    ArtifactEvidence {
        name: "image".to_owned(),
        digest: Digest::of_bytes(of),
        location: location.to_owned(),
        version: None,
    }
}

fn record(index: usize, stage: StageName, text: &str) -> StageRecord {
    let reports = [
        (
            "unit".to_owned(),
            ReportResult::Tests(Tests {
                total: 3,
                passed: 3,
                failed: 0,
                skipped: 0,
            }),
        ),
        (
            "coverage".to_owned(),
            ReportResult::Coverage {
                lines: Percent(8_734),
            },
        ),
        (
            "odd".to_owned(),
            ReportResult::Unreadable {
                why: text.to_owned(),
            },
        ),
    ];
    let seen = BuildEvidence {
        build: "p:1".to_owned(),
        status: BuildStatus::Succeeded,
        message: Some(text.to_owned()),
        seconds: Some(60),
        log: Some(format!("javascript:{text}")),
        reports: reports.into_iter().collect(),
        artifact: (index == 0).then(|| artifact(b"image", text)),
        exported: [("VERSION".to_owned(), text.to_owned())].into(),
        signatures: Default::default(),
    };
    let scan = ScanEvidence {
        digest: Digest::of_bytes(b"image"),
        status: text.to_owned(),
        counts: [(Severity::High, 12)].into(),
        worst: vec![Finding {
            id: text.to_owned(),
            severity: Severity::High,
            package: Some(text.to_owned()),
            uri: Some(format!("javascript:{text}")),
        }],
        findings: Digest::of_bytes(b"findings"),
    };
    let gates = [
        Gate::Steps,
        Gate::Tests {
            report: "unit".to_owned(),
        },
    ];
    StageRecord {
        release: "cp-1".parse().unwrap(),
        index,
        stage,
        attempt: 1,
        environment: None,
        deploys: false,
        effect: None,
        migration: None,
        status: StageStatus::Passed,
        started_at: after(now(), -3_000),
        ended_at: Some(after(now(), -2_280)),
        build: Some("p:1".to_owned()),
        log: None,
        gates: gates
            .iter()
            .filter_map(|gate| gate.judge_build(&seen))
            .collect(),
        evidence: Some(seen),
        scan: Some(scan),
        watch: None,
        failure: None,
    }
}

/// A watch of two things, one of which is an alarm of this name.
fn watched(alarm: &str) -> WatchEvidence {
    let mean = "0.4".parse().unwrap();
    let measured = |metric: &str, outcome, because: String| Measured {
        metric: metric.to_owned(),
        outcome,
        because,
        at_most: None,
        at_most_times_old: None,
        new: None,
        old: None,
        alarm: None,
    };
    WatchEvidence {
        from: after(now(), -600),
        until: now(),
        outcome: WatchOutcome::Inconclusive,
        measured: vec![
            Measured {
                new: Some(Numbers {
                    count: 3,
                    expected: 4,
                    mean,
                    worst: mean,
                }),
                ..measured(
                    "error-rate",
                    WatchOutcome::Passed,
                    "error-rate: mean 0.4 %, worst 0.4 % in 3 of 4 samples, at most 1 %".to_owned(),
                )
            },
            Measured {
                alarm: Some((alarm.to_owned(), None)),
                ..measured(
                    "health",
                    WatchOutcome::Inconclusive,
                    format!("health: alarm {alarm} does not exist"),
                )
            },
        ],
    }
}

fn ledger(head: &mut Head, facts: Vec<Fact>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for fact in facts {
        let last = (head.last_seq, head.last_hash.as_ref());
        let event = Event::next(&head.release, last, now(), fact).unwrap();
        (head.last_seq, head.last_hash) = (event.seq, Some(event.hash.clone()));
        events.push(event);
    }
    events
}
