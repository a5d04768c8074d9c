//! How far a release has come, stage by stage: pure, from what is recorded.

use crate::story::{Story, Waits};
use crate::style::{BAD, GOOD, HEAD, SOFT, WAITING, padded, paint, widest};
use gatewright_domain::Timestamp;
use gatewright_domain::approval::{Choice, Request, State as Asking};
use gatewright_domain::decide::Obstacle;
use gatewright_domain::gate::{Gate, Judged};
use gatewright_domain::pipeline::Stage as Defined;
use gatewright_domain::release::{Head, StageRecord, StageStatus, Status, last_attempts};
use gatewright_domain::text::spoken;
use gatewright_views::text::{line, listed, short_line};
use gatewright_views::words;
use serde::Serialize;

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It comes later.
    Ahead,
    /// It runs.
    Running,
    /// It waits: for people, a scan or an environment.
    Waiting,
    /// It let the release through.
    Passed,
    /// It stopped the release.
    Failed,
    /// The release ended before it.
    NotReached,
}

/// One stage of a release, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Which attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// The environment that it works in or is about.
    pub environment: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What was measured, who decided, what is awaited.
    pub notes: Vec<String>,
    /// Where its log is.
    pub log: Option<String>,
}

/// The stages of a release, in order. Without the definition, those that began.
pub fn stages(story: &Story) -> Vec<Stage> {
    let records = last_attempts(&story.records);
    let Some(definition) = &story.definition else {
        return records.into_iter().map(of_record).collect();
    };
    let mut waits = story.waits_for();
    let began = |index| records.iter().any(|r| r.index == index);
    let shown = definition.shown(story.head.route.as_deref(), began);
    let each = shown.map(|(index, stage)| {
        let record = records.iter().find(|r| r.index == index);
        let request = story.asked().find(|asked| asked.request.index == index);
        match (record, request) {
            (Some(record), _) => of_record(record),
            (None, Some(asked)) => of_request(story, stage, asked.request),
            (None, None) => {
                let environment = stage.environment.as_ref();
                let cleared = stage.is_cleared();
                let held = waits.take_if(|w| cleared && environment == Some(w.environment));
                unbegun(&story.head, stage, held.as_ref())
            }
        }
    });
    each.collect()
}

fn blank(stage: &Defined, state: State) -> Stage {
    Stage {
        name: line(stage.name.as_str()),
        state,
        attempt: 0,
        environment: stage.environment.as_ref().map(ToString::to_string),
        started_at: None,
        ended_at: None,
        notes: Vec::new(),
        log: None,
    }
}

fn unbegun(head: &Head, stage: &Defined, waits: Option<&Waits<'_>>) -> Stage {
    let stopped_here = head
        .failure
        .as_ref()
        .filter(|failure| failure.stage.as_ref() == Some(&stage.name));
    match (waits, stopped_here) {
        (_, Some(failure)) => Stage {
            notes: vec![short_line(&failure.cause, 300)],
            ..blank(stage, State::Failed)
        },
        (Some(waits), None) => Stage {
            notes: waits
                .because
                .iter()
                .map(words::obstacle)
                .chain(waits.too_early.clone())
                .collect(),
            ..blank(stage, State::Waiting)
        },
        (None, None) if head.status.has_ended() => blank(stage, State::NotReached),
        (None, None) => blank(stage, State::Ahead),
    }
}

fn of_record(record: &StageRecord) -> Stage {
    Stage {
        name: line(record.stage.as_str()),
        state: match record.status {
            // A watch that was judged and goes on waits for people.
            StageStatus::Running if record.watch.is_some() => State::Waiting,
            StageStatus::Running => State::Running,
            StageStatus::Scanning => State::Waiting,
            StageStatus::Passed => State::Passed,
            StageStatus::Failed => State::Failed,
        },
        attempt: record.attempt,
        environment: record.environment.as_ref().map(ToString::to_string),
        started_at: Some(record.started_at),
        ended_at: record.ended_at,
        notes: notes(record),
        log: record.log.clone(),
    }
}

/// What an attempt has to say: failed gates alone when there are any, otherwise
/// what was measured.
fn notes(record: &StageRecord) -> Vec<String> {
    let said = |judged: &Judged| short_line(&judged.because, 300);
    let denied: Vec<String> = record
        .gates
        .iter()
        .filter(|g| !g.passed)
        .map(said)
        .collect();
    let mut notes = Vec::new();
    if record.attempt > 1 {
        notes.push(format!("attempt {}", record.attempt));
    }
    if record.status == StageStatus::Failed {
        let cause = record
            .failure
            .iter()
            .map(|(_, cause)| short_line(cause, 300));
        notes.extend(if denied.is_empty() {
            cause.collect()
        } else {
            denied
        });
        return notes;
    }
    let only = record.gates.len() == 1;
    let measured = record
        .gates
        .iter()
        .filter(|judged| only || judged.gate != Gate::Steps);
    notes.extend(measured.map(said));
    if let Some(scan) = &record.scan {
        let counts = scan.counts.iter().rev().filter(|(_, count)| **count > 0);
        notes.extend(counts.map(|(severity, count)| format!("{count} {severity}")));
    }
    notes.extend(record.watch.iter().flat_map(words::measured));
    if record.status == StageStatus::Scanning {
        notes.push(words::stage_status(record.status).to_owned());
    }
    let artifact = record.evidence.as_ref().and_then(|e| e.artifact.as_ref());
    notes.extend(artifact.map(|a| format!("{} {}", line(&a.name), a.digest.short())));
    notes
}

fn of_request(story: &Story, stage: &Defined, request: &Request) -> Stage {
    let asked = story.asked().find(|asked| asked.request == request);
    let by = |choice: Choice| {
        let decided = asked.iter().flat_map(|asked| {
            let those = asked.decisions.iter().filter(move |d| d.choice == choice);
            those.map(|d| asked.name(&d.person))
        });
        listed(&decided.collect::<Vec<_>>())
    };
    let missing = asked.and_then(|asked| asked.missing_words());
    let (state, ended_at, notes) = match &request.state {
        Asking::Open => {
            let agreed = by(Choice::Approve);
            let agreed = (!agreed.is_empty()).then(|| format!("{agreed} approved"));
            let missing = missing.map(|words| words.trim_end_matches('.').to_owned());
            (
                State::Waiting,
                None,
                agreed.into_iter().chain(missing).collect(),
            )
        }
        Asking::Approved { at } => {
            let notes = vec![format!("approved by {}", by(Choice::Approve))];
            (State::Passed, Some(*at), notes)
        }
        Asking::Rejected { reason, .. } => {
            let notes = vec![format!(
                "{} rejected: {}",
                by(Choice::Reject),
                short_line(reason, 300)
            )];
            (State::Failed, story.head.ended_at, notes)
        }
        Asking::Closed { reason } => (
            State::Failed,
            story.head.ended_at,
            vec![short_line(reason, 300)],
        ),
    };
    Stage {
        attempt: 1,
        started_at: Some(request.requested_at),
        ended_at,
        notes,
        ..blank(stage, state)
    }
}

impl Stage {
    /// How long it took, or has taken so far.
    pub fn seconds(&self, now: Timestamp) -> Option<i64> {
        let from = self.started_at?;
        let until = self.ended_at.unwrap_or(now);
        Some(until.as_second().saturating_sub(from.as_second()).max(0))
    }

    /// Whether `other` says the same, but for the time.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.state, self.attempt, &self.notes) == (other.state, other.attempt, &other.notes)
    }

    /// A line of text: mark, name, time, notes.
    pub fn line(&self, width: usize, now: Timestamp) -> String {
        let took = self.seconds(now).map_or_else(String::new, spoken);
        let notes = self.notes.join(" · ");
        let shown = match self.state {
            State::Failed => paint(BAD, notes),
            State::Waiting => paint(WAITING, notes),
            State::Ahead | State::NotReached | State::Running | State::Passed => notes,
        };
        let name = match self.state {
            State::Ahead | State::NotReached => paint(SOFT, &self.name),
            _ => padded(&self.name, width),
        };
        let mark = mark(self.state);
        if took.is_empty() && self.notes.is_empty() {
            return format!("{mark} {}", name.trim_end());
        }
        format!("{mark} {name}  {took:>11}  {shown}")
            .trim_end()
            .to_owned()
    }
}

/// A mark of two columns; the hourglass is as wide by itself.
fn mark(state: State) -> String {
    match state {
        State::Ahead | State::NotReached => paint(SOFT, "· "),
        State::Running | State::Waiting => paint(WAITING, "⏳"),
        State::Passed => paint(GOOD, "✓ "),
        State::Failed => paint(BAD, "✗ "),
    }
}

/// The stages as lines of one width.
pub fn lines(stages: &[Stage], now: Timestamp) -> Vec<String> {
    let width = widest(stages.iter().map(|stage| stage.name.as_str()));
    stages.iter().map(|stage| stage.line(width, now)).collect()
}

/// `pl-gps-001#142  running  1 min 35 s  branch main 3f2a91bc`.
pub fn headline(head: &Head, now: Timestamp) -> String {
    let until = head.ended_at.unwrap_or(now).as_second();
    let took = spoken(until.saturating_sub(head.started_at.as_second()));
    let what = head.trigger.as_ref().map_or_else(String::new, |t| {
        format!("{} {}", words::reference(&t.reference), t.commit.short())
    });
    let title = paint(HEAD, line(&head.title()));
    let text = format!(
        "{title}  {}  {took}  {}",
        status(head.status),
        paint(SOFT, what)
    );
    text.trim_end().to_owned()
}

/// What people should know about the release before they let it through.
pub fn flags(head: &Head) -> Vec<String> {
    let each = head.flags.iter();
    each.map(|flag| paint(WAITING, format!("⚑ {}", words::flag(flag))))
        .collect()
}

/// The status's own word, in its colour.
pub fn status(status: Status) -> String {
    let style = match status {
        Status::Running => WAITING,
        Status::Succeeded => GOOD,
        Status::FailedClean | Status::FailedDirty => BAD,
    };
    paint(style, status)
}

/// The JSON of `status RELEASE`.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    title: String,
    release: &'a str,
    pipeline: &'a str,
    number: Option<u64>,
    status: Status,
    commit: Option<&'a str>,
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    author: Option<&'a str>,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    stage: Option<&'a str>,
    failure: Option<&'a gatewright_domain::release::Failure>,
    halted: Option<&'a gatewright_domain::control::Halted>,
    flags: &'a [gatewright_domain::undo::Flag],
    waits_for: Option<WaitsFor<'a>>,
    stages: Vec<Stage>,
}

/// What a release waits for.
#[derive(Debug, Serialize)]
struct WaitsFor<'a> {
    environment: &'a str,
    because: &'a [Obstacle],
    given_up: Option<Timestamp>,
}

impl<'a> Shown<'a> {
    /// What `story` says.
    pub fn of(story: &'a Story) -> Self {
        let head = &story.head;
        let trigger = head.trigger.as_ref();
        Self {
            title: head.title(),
            release: head.release.as_str(),
            pipeline: head.pipeline.as_str(),
            number: head.number,
            status: head.status,
            commit: trigger.map(|t| t.commit.as_str()),
            reference: trigger.map(|t| t.reference.as_str()),
            author: trigger.and_then(|t| t.author.as_deref()),
            started_at: head.started_at,
            ended_at: head.ended_at,
            stage: head.stage.as_ref().map(|s| s.as_str()),
            failure: head.failure.as_ref(),
            halted: story.halted.as_ref(),
            flags: &head.flags,
            waits_for: story.waits_for().map(|waits| WaitsFor {
                environment: waits.environment.as_str(),
                because: waits.because,
                given_up: waits.given_up,
            }),
            stages: stages(story),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::{Example, plain};

    #[tokio::test]
    async fn a_release_that_waits_for_people_says_who_is_missing() {
        let example = Example::waiting_for_approval().await;
        let story = example.story().await;
        let stages = stages(&story);
        let shown = lines(&stages, example.now()).join("\n");
        insta::assert_snapshot!(plain(&shown));
    }

    #[tokio::test]
    async fn a_failed_stage_says_what_was_measured_and_the_rest_is_not_reached() {
        let example = Example::low_coverage().await;
        let story = example.story().await;
        let stages = stages(&story);
        assert_eq!(stages[1].state, State::Failed);
        assert_eq!(
            stages[1].notes,
            ["measured 79.13 %, but at least 80 % is required"]
        );
        assert!(stages[2..].iter().all(|s| s.state == State::NotReached));
        let head = headline(&story.head, example.now());
        assert!(
            plain(&head).starts_with("pl-gps-001#1  failed-clean"),
            "{head}"
        );
    }

    #[tokio::test]
    async fn time_alone_is_no_change() {
        let story = Example::waiting_for_approval().await.story().await;
        let (mut one, two) = (stages(&story).remove(5), stages(&story).remove(5));
        one.ended_at = Some(one.started_at.unwrap());
        assert!(one.says_the_same(&two));
        one.notes.clear();
        assert!(!one.says_the_same(&two));
    }
}
