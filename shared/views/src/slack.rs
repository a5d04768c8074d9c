//! Slack messages: one a release, which is updated as it moves; details in its
//! thread; and a personal request to each approver.
//!
//! Slack's limits: 50 blocks, 3,000 characters a text, 150 in a header, 75 on a
//! button, about 9,500 characters in all. Everything from outside is escaped and
//! cut *after* escaping.

use crate::asked::{Asked, name};
use crate::text::{safe_url, slack};
use crate::words;
use gatewright_domain::approval::State;
use gatewright_domain::control::Halted;
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Deployment, Head, StageRecord, StageStatus, last_attempts};
use gatewright_domain::{PersonId, Timestamp};
use serde_json::{Value, json};

/// The id of the button that approves.
pub const APPROVE: &str = "approve";
/// The id of the button that rejects.
pub const REJECT: &str = "reject";
/// How many characters the lines about stages may take in all.
const STAGES_MOST: usize = 2_800;

/// How many flags a message holds; the page has all of them.
const FLAGS_MOST: usize = 3;

/// How many characters the line about a halt may take.
const HALT_MOST: usize = 250;

/// A message's text, for notifications, and its blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct SlackMessage {
    /// What notifications and screen readers get.
    pub text: String,
    /// The blocks.
    pub blocks: Vec<Value>,
}

/// The one message of a release.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseMessage<'a> {
    /// The release.
    pub head: &'a Head,
    /// The definition that it runs.
    pub definition: &'a Definition,
    /// What is known of its stages.
    pub records: &'a [StageRecord],
    /// The request that is or was open, with its decisions.
    pub asked: Option<Asked<'a>>,
    /// The halt in force of the release, if there is one.
    pub halted: Option<&'a Halted>,
    /// Where the release's page is.
    pub page_url: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// The message of a release as it stands.
pub fn release_message(view: &ReleaseMessage<'_>) -> SlackMessage {
    let head = view.head;
    let halted = view.halted.map_or("", |_| ", halted");
    let title = format!("{} {}{halted}", head.title(), words::status(head.status));
    let mut blocks = vec![header(&title)];
    if let Some(halt) = view.halted {
        let said = slack(&words::halted(halt), HALT_MOST);
        blocks.push(section(&format!("⏸ {said}")));
    }
    blocks.push(section(&change(view)));
    blocks.push(section(&stages(view)));
    let ending = words::ending(head, Some(view.definition), view.records);
    if !ending.is_empty() && head.status.has_ended() {
        let said: Vec<String> = ending.iter().take(3).map(|s| slack(s, 900)).collect();
        blocks.push(section(&said.join("\n")));
    }
    if let Some(asked) = view
        .asked
        .filter(|a| a.is_open(view.now) && !head.status.has_ended())
    {
        let missing = asked.missing_words().unwrap_or_default();
        let expires = crate::text::utc(asked.request.expires_at);
        blocks.push(section(&format!(
            "*{}* {} The request expires at {expires}.",
            slack(asked.request.stage.as_str(), 200),
            slack(&missing, 1_000)
        )));
        blocks.extend(about(&asked));
        blocks.push(buttons(&asked));
    }
    if let Some(url) = safe_url(view.page_url) {
        blocks.push(context(&format!("<{url}|The whole story>")));
    }
    SlackMessage {
        text: slack(&format!("{}: {title}", view.definition.name), 300),
        blocks,
    }
}

fn change(view: &ReleaseMessage<'_>) -> String {
    let Some(trigger) = &view.head.trigger else {
        return slack(&view.definition.name, 300);
    };
    let subject = trigger
        .message
        .as_deref()
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default();
    let author = trigger
        .author
        .as_deref()
        .map(|a| format!(" by {}", slack(a, 200)))
        .unwrap_or_default();
    format!(
        "*{}*\n`{}` {}{author}\n{}{}",
        slack(&view.definition.name, 200),
        trigger.commit.short(),
        slack(&words::reference(&trigger.reference), 300),
        slack(subject, 500),
        flags(view.head)
    )
}

/// What people should know about the release, a line each.
fn flags(head: &Head) -> String {
    let shown = head.flags.iter().take(FLAGS_MOST);
    shown
        .map(|flag| format!("\n⚑ {}", slack(&words::flag(flag), 350)))
        .collect()
}

fn stages(view: &ReleaseMessage<'_>) -> String {
    let records = last_attempts(view.records);
    let began = |index| records.iter().any(|r| r.index == index);
    let shown: Vec<_> = view
        .definition
        .shown(view.head.route.as_deref(), began)
        .collect();
    let each = STAGES_MOST / shown.len().max(1);
    let lines = shown.into_iter().map(|(index, stage)| {
        let record = records.iter().find(|r| r.index == index);
        let mark = match record.map(|r| r.status) {
            Some(StageStatus::Passed) => "✓",
            Some(StageStatus::Failed) => "✗",
            Some(StageStatus::Running | StageStatus::Scanning) => "⏳",
            None => approval_mark(view, index),
        };
        let measured = record.map(|r| measured(r)).unwrap_or_default();
        format!(
            "{mark} {}",
            slack(
                &format!("{}{measured}", stage.name),
                each.saturating_sub(4).max(8)
            )
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn approval_mark(view: &ReleaseMessage<'_>, index: usize) -> &'static str {
    match view
        .asked
        .filter(|a| a.request.index == index)
        .map(|a| &a.request.state)
    {
        Some(State::Open) => "⏳",
        Some(State::Approved { .. }) => "✓",
        Some(State::Rejected { .. } | State::Closed { .. }) => "✗",
        None if view.head.status.has_ended() => "–",
        None => "○",
    }
}

fn measured(record: &StageRecord) -> String {
    let gates = record.gates.iter();
    let judged = gates
        .filter(|judged| !matches!(judged.gate, gatewright_domain::gate::Gate::Steps))
        .map(|judged| judged.because.clone());
    let watched = record.watch.iter().flat_map(words::measured);
    let said: Vec<String> = judged.chain(watched).collect();
    if said.is_empty() {
        String::new()
    } else {
        format!(": {}", said.join("; "))
    }
}

/// What an open request is about, where it is about a watch.
fn about(asked: &Asked<'_>) -> Option<Value> {
    let said = words::asked_about(asked.request)?;
    let mut text = String::new();
    for line in said.iter().map(|line| slack(line, 700)) {
        // Cut between lines: inside of one it could be inside of an escape.
        if text.len() + line.len() > 2_900 {
            text.push_str("\n…");
            break;
        }
        let mark = if text.is_empty() { "" } else { "\n• " };
        text.push_str(mark);
        text.push_str(&line);
    }
    Some(section(&text))
}

fn buttons(asked: &Asked<'_>) -> Value {
    let request = asked.request;
    let value =
        json!({ "release": request.release, "index": request.index, "evidence": request.evidence })
            .to_string();
    json!({ "type": "actions", "block_id": format!("approval-{}", request.index), "elements": [
    { "type": "button", "action_id": APPROVE, "style": "primary", "value": value,
              "text": plain("Approve"),
              "confirm": { "title": plain("Approve this release?"),
                           "text": plain(&format!("You decide on evidence {}, and on nothing else.", request.evidence.short())),
                           "confirm": plain("Approve"), "deny": plain("Go back") } },
            { "type": "button", "action_id": REJECT, "style": "danger", "value": value,
              "text": plain("Reject"),
              "confirm": { "title": plain("Reject this release?"), "text": plain("It ends here. To say why, use the link that you were sent instead."),
                           "confirm": plain("Reject"), "deny": plain("Go back") } },
        ]})
}

/// The message to one approver, with their personal link.
pub fn personal_request(
    head: &Head,
    asked: &Asked<'_>,
    person: &PersonId,
    link: &str,
    running: Option<&Deployment>,
) -> SlackMessage {
    let who = name(asked.directory, person);
    let groups = crate::text::listed(&asked.groups_of(person));
    let title = head.title();
    let instead = match running {
        Some(now) => format!("{} runs there now.", now.title),
        None => "Nothing runs there yet.".to_owned(),
    };
    let text = format!(
        "{who}, {title} asks for your approval as {groups}: {}",
        asked.request.stage
    );
    let mut blocks = vec![section(&slack(&text, 1_500))];
    blocks.extend(about(asked));
    blocks.push(section(&slack(
        &format!(
            "{instead} The request expires at {}, and the link is yours alone: do not pass it on.",
            crate::text::utc(asked.request.expires_at)
        ),
        1_000,
    )));
    if !head.flags.is_empty() {
        blocks.push(section(flags(head).trim_start()));
    }
    if let Some(url) = safe_url(link) {
        blocks.push(json!({ "type": "actions", "elements": [
            { "type": "button", "action_id": "open", "url": url, "style": "primary", "text": plain("See it and decide") } ] }));
        blocks.push(context(&format!("<{url}|See it and decide>")));
    }
    SlackMessage {
        text: slack(&text, 300),
        blocks,
    }
}

/// What the release's thread says about a fact; nothing about what its message
/// shows anyway.
pub fn thread_line(fact: &Fact) -> Option<String> {
    match fact {
        Fact::StageStarted { .. }
        | Fact::StagePassed { .. }
        | Fact::LockReleased { .. }
        | Fact::ReleaseAdmitted { .. }
        | Fact::BuildJudged { .. } => None,
        Fact::TriggerRefused { .. }
        | Fact::ArtifactPinned { .. }
        | Fact::ScanJudged { .. }
        | Fact::WatchJudged { .. }
        | Fact::StageFailed { .. }
        | Fact::DeployDelayed { .. }
        | Fact::ReleaseHalted { .. }
        | Fact::ReleaseResumed { .. }
        | Fact::GlassBroken { .. }
        | Fact::EnvironmentHeld { .. }
        | Fact::EnvironmentFreed { .. }
        | Fact::DeployCleared { .. }
        | Fact::EnvironmentChanged { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::ApprovalReminded { .. }
        | Fact::DecisionRecorded { .. }
        | Fact::ApprovalReached { .. }
        | Fact::ApprovalClosed { .. }
        | Fact::Flagged { .. }
        | Fact::SchemaMigrated { .. }
        | Fact::MigrationAcknowledged { .. }
        | Fact::TakenBack { .. }
        | Fact::Lifted { .. }
        | Fact::RollbackResolved { .. }
        | Fact::DownstreamStarted { .. }
        | Fact::ReleaseEnded { .. } => Some(slack(&words::fact(fact), 2_500)),
    }
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text })
}

fn header(text: &str) -> Value {
    json!({ "type": "header", "text": plain(&crate::text::short_line(text, 150)) })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [ { "type": "mrkdwn", "text": text, "verbatim": true } ] })
}
