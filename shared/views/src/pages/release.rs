//! The release's story, for whoever may read it.

use super::parts::{Change, Code, DecisionLine, QuorumLine, Stage, When, quorum};
use super::rendered;
use crate::asked::Asked;
use crate::text::{line, listed, relative};
use crate::words;
use askama::Template;
use gatewright_domain::approval::{Decision, Request};
use gatewright_domain::control::Halted;
use gatewright_domain::ledger::{Event, Fact, verify};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Deployment, Head, StageRecord};
use gatewright_domain::text::spoken;
use gatewright_domain::{Digest, Timestamp};
use std::collections::BTreeSet;

/// What a release's page shows.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseView<'a> {
    /// The release.
    pub head: &'a Head,
    /// The definition that it runs; none when a trigger was refused before it
    /// was known.
    pub definition: Option<&'a Definition>,
    /// What is known of its stages, all attempts.
    pub records: &'a [StageRecord],
    /// Its approval requests with the decisions on them.
    pub approvals: &'a [(Request, Vec<Decision>)],
    /// Its whole ledger, in order: the page verifies it.
    pub events: &'a [Event],
    /// What runs now in the pipeline's environments.
    pub running: &'a [Deployment],
    /// The halt in force of it, if there is one.
    pub halted: Option<&'a Halted>,
    /// Who is who now.
    pub directory: &'a Directory,
    /// The time.
    pub now: Timestamp,
}

#[derive(Template)]
#[template(path = "release.html")]
struct Page {
    style: &'static str,
    title: String,
    id: String,
    pipeline: String,
    version: Code,
    class: &'static str,
    status: &'static str,
    now_at: Option<String>,
    started: When,
    started_ago: String,
    ended: Option<When>,
    took: Option<String>,
    halted: Vec<String>,
    failure: Vec<String>,
    change: Option<Change>,
    stages: Vec<Stage>,
    approvals: Vec<ApprovalPart>,
    places: Vec<Place>,
    chain_of_digests: Option<(bool, String)>,
    ledger: Vec<Row>,
    verified: Result<String, String>,
}

struct ApprovalPart {
    stage: String,
    state: &'static str,
    said: String,
    evidence: Code,
    asked: When,
    expires: When,
    quorum: Vec<QuorumLine>,
    decisions: Vec<DecisionLine>,
}

struct Place {
    name: String,
    digest: Code,
    before: Option<Code>,
    at: When,
    now: String,
}

struct Row {
    seq: u64,
    at: When,
    what: String,
    hash: Code,
}

/// A release's page.
pub fn release(view: &ReleaseView<'_>) -> String {
    let head = view.head;
    rendered(&Page {
        style: super::STYLE,
        title: head.title(),
        id: head.release.to_string(),
        pipeline: view
            .definition
            .map_or_else(|| head.pipeline.to_string(), |d| d.name.clone()),
        version: (&head.version).into(),
        class: super::releases::class(head.status),
        status: words::status(head.status),
        now_at: head.stage.as_ref().map(|stage| line(stage.as_str())),
        started: When::new(head.started_at),
        started_ago: relative(view.now, head.started_at),
        ended: head.ended_at.map(When::new),
        took: head
            .ended_at
            .map(|end| spoken(end.as_second() - head.started_at.as_second())),
        halted: super::parts::halted(view.halted),
        failure: words::ending(head, view.definition, view.records),
        change: Change::of(head, view.definition, view.directory),
        stages: stages(view),
        approvals: approvals(view),
        places: places(view),
        chain_of_digests: one_digest(view),
        ledger: view
            .events
            .iter()
            .map(|event| Row {
                seq: event.seq,
                at: When::new(event.at),
                what: words::fact(&event.fact),
                hash: (&event.hash).into(),
            })
            .collect(),
        verified: verified(view),
    })
}

/// Every attempt that was made, in the stages' order, and then what is to come.
fn stages(view: &ReleaseView<'_>) -> Vec<Stage> {
    let mut records: Vec<&StageRecord> = view.records.iter().collect();
    records.sort_by_key(|record| (record.index, record.attempt));
    let known: BTreeSet<usize> = records.iter().map(|record| record.index).collect();
    let mut all: Vec<(usize, Stage)> = records
        .into_iter()
        .map(|record| (record.index, Stage::of(record)))
        .collect();
    let route = view.head.route.as_deref();
    let defined = view.definition.into_iter();
    for (index, stage) in defined.flat_map(|d| d.shown(route, |_| false)) {
        if known.contains(&index) {
            continue;
        }
        let environment = stage.environment.as_ref().map(ToString::to_string);
        let mut part = Stage::to_come(
            stage.name.to_string(),
            environment,
            view.head.status.has_ended(),
        );
        if let Some((request, _)) = view.approvals.iter().find(|(r, _)| r.index == index) {
            part.state = words::request_state(&request.state);
            (part.class, part.mark) = match part.state {
                "approved" => ("passed", "✓"),
                "open" => ("running", "⏳"),
                _ => ("failed", "✗"),
            };
            part.started = Some(When::new(request.requested_at));
        }
        all.push((index, part));
    }
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, stage)| stage).collect()
}

fn approvals(view: &ReleaseView<'_>) -> Vec<ApprovalPart> {
    view.approvals
        .iter()
        .map(|(request, decisions)| {
            let asked = Asked {
                request,
                decisions,
                directory: view.directory,
            };
            ApprovalPart {
                stage: request.stage.to_string(),
                state: words::request_state(&request.state),
                said: asked.state_words(view.now),
                evidence: (&request.evidence).into(),
                asked: When::new(request.requested_at),
                expires: When::new(request.expires_at),
                quorum: quorum(&asked),
                decisions: decisions
                    .iter()
                    .map(|d| DecisionLine::of(d, view.directory))
                    .collect(),
            }
        })
        .collect()
}

/// Where the ledger says that this release changed something.
fn places(view: &ReleaseView<'_>) -> Vec<Place> {
    let changed = view.events.iter().filter_map(|event| match &event.fact {
        Fact::EnvironmentChanged {
            environment,
            digest,
            previous,
        } => Some((event.at, environment, digest, previous)),
        _ => None,
    });
    changed
        .map(|(at, environment, digest, previous)| Place {
            name: environment.to_string(),
            digest: digest.into(),
            before: previous.as_ref().map(Code::from),
            at: When::new(at),
            now: match view.running.iter().find(|d| &d.environment == environment) {
                None => "not known".to_owned(),
                Some(d) if d.release == view.head.release => "this release".to_owned(),
                Some(d) => line(&d.title),
            },
        })
        .collect()
}

/// Built = scanned = cleared = deployed, by digest: the sentence, and whether
/// it holds. Said only once something was deployed.
fn one_digest(view: &ReleaseView<'_>) -> Option<(bool, String)> {
    let mut seen: Vec<(String, &Digest)> = Vec::new();
    for event in view.events {
        match &event.fact {
            Fact::ArtifactPinned { digest, .. } => seen.push(("built".to_owned(), digest)),
            Fact::ScanJudged { digest, .. } => seen.push(("scanned".to_owned(), digest)),
            Fact::EnvironmentChanged {
                environment,
                digest,
                ..
            } => seen.push((format!("in {environment}"), digest)),
            _ => {}
        }
    }
    let deployed: Vec<_> = seen.iter().filter(|(w, _)| w.starts_with("in ")).collect();
    let (_, last) = deployed.last()?;
    let (same, other): (Vec<_>, Vec<_>) = seen.iter().partition(|(_, digest)| digest == last);
    let words = |part: &[&(String, &Digest)]| {
        let mut words: Vec<&str> = part.iter().map(|(word, _)| word.as_str()).collect();
        words.dedup();
        listed(&words)
    };
    Some(if other.is_empty() {
        (
            true,
            format!("One digest all the way: the same {}.", words(&same)),
        )
    } else {
        (
            false,
            format!(
                "Not one digest: {} is not what was {}. More than one artifact, or something is wrong.",
                words(&same),
                words(&other)
            ),
        )
    })
}

fn verified(view: &ReleaseView<'_>) -> Result<String, String> {
    let last = (view.head.last_seq, view.head.last_hash.as_ref());
    match verify(&view.head.release, view.events, last) {
        Ok(()) => Ok(format!(
            "Verified: {} events, each follows from the one before by its hash, and the last is the one that the release names.",
            view.events.len()
        )),
        Err(broken) => Err(format!("This ledger does not hold together: {broken}.")),
    }
}
