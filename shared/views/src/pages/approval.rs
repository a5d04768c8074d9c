//! The page behind a personal link: what is asked, what was measured, and the
//! form to decide with.

use super::parts::{Change, Code, DecisionLine, QuorumLine, Stage, When, github, quorum};
use super::rendered;
use crate::asked::Asked;
use crate::text::{line, listed, relative, safe_url};
use crate::words;
use askama::Template;
use gatewright_domain::control::Halted;
use gatewright_domain::decide::Outcome;
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Deployment, Head, StageRecord, evidence_before, last_attempts};
use gatewright_domain::{PersonId, Timestamp};

/// The names of what the form posts, for whoever reads it.
pub mod form {
    /// The page's own nonce.
    pub const NONCE: &str = "nonce";
    /// Which button: [`APPROVE`] or [`REJECT`].
    pub const CHOICE: &str = "choice";
    /// The value of the button that approves.
    pub const APPROVE: &str = "approve";
    /// The value of the button that rejects.
    pub const REJECT: &str = "reject";
    /// The reason; must not be blank to reject.
    pub const REASON: &str = "reason";
    /// The checkbox "I am ... and I decide on evidence ...", must be [`YES`].
    /// Link scanners that post forms tick no boxes.
    pub const CONFIRM: &str = "confirm";
    /// The value of every ticked checkbox.
    pub const YES: &str = "yes";
    /// The longest reason that the page lets people write, in characters.
    pub const REASON_MOST: usize = 2_000;

    /// The name of the checklist's item at `index`; all must be [`YES`] to
    /// approve, none is needed to reject.
    pub fn check(index: usize) -> String {
        format!("check-{index}")
    }
}

/// What the approval page shows.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalView<'a> {
    /// The release.
    pub head: &'a Head,
    /// The definition that it runs.
    pub definition: &'a Definition,
    /// What is known of its stages, all attempts.
    pub records: &'a [StageRecord],
    /// The request, the decisions so far, and who is who now.
    pub asked: Asked<'a>,
    /// What runs in the environment now.
    pub running: Option<&'a Deployment>,
    /// The halt in force of the release, if there is one.
    pub halted: Option<&'a Halted>,
    /// Whom the link was issued to.
    pub person: &'a PersonId,
    /// The page's own nonce, for the form.
    pub nonce: &'a str,
    /// Where the release's page is.
    pub release_url: &'a str,
    /// The time.
    pub now: Timestamp,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct Page {
    style: &'static str,
    title: String,
    pipeline: String,
    stage: String,
    environment: Option<String>,
    person: String,
    groups: String,
    open: bool,
    expires: When,
    expires_in: String,
    halted: Vec<String>,
    change: Option<Change>,
    running: Option<Running>,
    artifacts: Vec<(String, Code, String)>,
    evidence: Code,
    /// What the request is about, where it is about a watch.
    about: Vec<String>,
    stages: Vec<Stage>,
    quorum: Vec<QuorumLine>,
    decisions: Vec<DecisionLine>,
    checklist: Vec<(String, String)>,
    nonce: String,
    release_url: Option<String>,
    ballot: Result<String, String>,
}

struct Running {
    title: String,
    commit: Code,
    image: Code,
    since: When,
    same_commit: bool,
    same_image: bool,
    compare_url: Option<String>,
}

/// The page behind a personal link.
pub fn approval(view: &ApprovalView<'_>) -> String {
    let request = view.asked.request;
    let stage = view.definition.stages.get(request.index);
    let evidence = evidence_before(view.head, view.records, request.evidence_until());
    let artifacts: Vec<_> = evidence
        .iter()
        .flat_map(|e| &e.stages)
        .filter_map(|s| s.build.as_ref()?.artifact.as_ref())
        .collect();
    rendered(&Page {
        style: super::STYLE,
        title: view.head.title(),
        pipeline: view.definition.name.clone(),
        stage: request.stage.to_string(),
        environment: stage
            .and_then(|s| s.environment.as_ref())
            .map(ToString::to_string),
        person: view.asked.name(view.person),
        groups: listed(&view.asked.groups_of(view.person)),
        open: view.asked.is_open(view.now),
        expires: When::new(request.expires_at),
        expires_in: relative(view.now, request.expires_at),
        halted: super::parts::halted(view.halted),
        change: Change::of(view.head, Some(view.definition), view.asked.directory),
        running: view.running.map(|now| running(view, now, &artifacts)),
        artifacts: artifacts
            .iter()
            .map(|a| (a.name.clone(), Code::from(&a.digest), a.location.clone()))
            .collect(),
        evidence: (&request.evidence).into(),
        about: words::asked_about(request).unwrap_or_default(),
        stages: last_attempts(view.records)
            .into_iter()
            .filter(|record| record.index < request.evidence_until())
            .map(Stage::of)
            .collect(),
        quorum: quorum(&view.asked),
        decisions: view
            .asked
            .decisions
            .iter()
            .map(|d| DecisionLine::of(d, view.asked.directory))
            .collect(),
        checklist: request
            .checklist
            .iter()
            .enumerate()
            .map(|(index, item)| (form::check(index), item.clone()))
            .collect(),
        nonce: view.nonce.to_owned(),
        release_url: safe_url(view.release_url).map(str::to_owned),
        ballot: ballot(view),
    })
}

fn running(view: &ApprovalView<'_>, now: &Deployment, artifacts: &[&ArtifactEvidence]) -> Running {
    let commit = view.head.trigger.as_ref().map(|t| &t.commit);
    let same_commit = commit == Some(&now.commit);
    Running {
        title: now.title.clone(),
        commit: (&now.commit).into(),
        image: (&now.digest()).into(),
        since: When::new(now.at),
        same_commit,
        same_image: now.artifacts.iter().all(|runs| {
            let same = |a: &ArtifactEvidence| a.name == runs.name && a.digest == runs.digest;
            artifacts.iter().any(|a| same(a))
        }),
        compare_url: github(Some(view.definition))
            .zip(commit)
            .filter(|_| !same_commit)
            .map(|(repository, new)| format!("{repository}/compare/{}...{new}", now.commit)),
    }
}

/// What an approval would do, or why there is no form. It is the judgement
/// that the decision itself gets, so the page offers no form that would be
/// refused.
fn ballot(view: &ApprovalView<'_>) -> Result<String, String> {
    if view.head.status.has_ended() {
        return Err(format!(
            "The release is over: it {}.",
            words::status(view.head.status)
        ));
    }
    if let Some(own) = view.asked.decision_of(view.person) {
        return Err(format!(
            "You {} this {}. {}",
            words::choice(own.choice),
            relative(view.now, own.at),
            view.asked.state_words(view.now)
        ));
    }
    if !view.asked.is_open(view.now) {
        return Err(view.asked.state_words(view.now));
    }
    match view.asked.if_approved(view.person, view.now) {
        Ok(Outcome::Approved(_)) => {
            let index = view.asked.request.index;
            let then = what_follows(view.definition, view.head, index, view.halted);
            Ok(format!("With your approval everybody has agreed{then}"))
        }
        Ok(Outcome::Open(standing)) => Ok(format!(
            "After your approval: {}",
            crate::asked::missing(&standing, view.asked.directory)
                .unwrap_or_else(|| "nobody is missing.".to_owned())
        )),
        Ok(Outcome::Rejected) => Ok(String::new()),
        Err(refusal) => {
            let (title, helps) = words::refusal(&refusal);
            Err(format!("{title}: {}. {helps}", line(&refusal.to_string())))
        }
    }
}

/// What follows when everybody has agreed at `index`: the rest of a sentence. What
/// else keeps a deploy waiting then is not known here, so nothing is promised.
pub(super) fn what_follows(
    definition: &Definition,
    head: &Head,
    index: usize,
    halted: Option<&Halted>,
) -> String {
    let mut shown = definition.shown(head.route.as_deref(), |_| false);
    let next = shown.find(|(at, _)| *at > index).map(|(_, stage)| stage);
    if halted.is_some() {
        let next = next.map_or_else(
            || "before it goes on".to_owned(),
            |stage| format!("before “{}”", line(stage.name.as_str())),
        );
        return format!(
            "; but the release is halted and ends {next}, unless somebody resumes it first."
        );
    }
    let Some(stage) = next else {
        return ".".to_owned();
    };
    let name = line(stage.name.as_str());
    match stage.changes().filter(|_| stage.is_cleared()) {
        Some(environment) => format!(
            ", and “{name}” begins as soon as {environment} is clear: when no other release, hold, freeze, closed window or soak time is in its way."
        ),
        None => format!(", and “{name}” begins at once."),
    }
}
