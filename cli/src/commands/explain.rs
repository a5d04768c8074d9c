//! `gatewright explain`: why a release waits or ended early, and what helps.

mod by_hand;

use super::{runbook, story_of};
use crate::args::Explain;
use crate::connect::Reach;
use crate::error::{Code, Failed};
use crate::out::Out;
use crate::progress::{Stage, State, headline, stages};
use crate::story::Story;
use crate::style::{HEAD, paint};
use by_hand::{ByHand, by_hand};
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_aws::{Clock, SystemClock};
use gatewright_domain::decide::Obstacle;
use gatewright_domain::lock::Holder;
use gatewright_domain::release::{Head, StageRecord, Status, last_attempts};
use gatewright_domain::text::spoken;
use gatewright_domain::{EnvironmentName, ReleaseId, Timestamp};
use gatewright_views::Asked;
use gatewright_views::text::{line, listed, relative};
use gatewright_views::words;
use serde_json::json;
use std::path::Path;

/// Why, and what helps.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Why, in sentences.
    pub why: Vec<String>,
    /// What helps, in sentences.
    pub helps: Vec<String>,
    /// What brings the environments back that it left in doubt.
    pub by_hand: Vec<ByHand>,
}

/// Explains a release.
///
/// # Errors
/// When the record cannot be read or there is no such release.
pub async fn run(args: &Explain, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let (Reach { store, connection }, story) = story_of(at, &args.release).await?;
    let now = SystemClock.now();
    let mut explained = explained(&store, &story, now).await?;
    explained.by_hand = by_hand(&store, &story, runbook::stores(&connection).as_ref()).await?;
    let head = &story.head;
    if out.json {
        out.json(&json!({
            "title": head.title(), "release": head.release, "status": head.status,
            "halted": story.halted,
            "why": explained.why, "helps": explained.helps, "by_hand": explained.by_hand,
        }));
        return Ok(Code::Done);
    }
    out.line(headline(head, now));
    explained.why.iter().for_each(|why| out.line(why));
    if !explained.helps.is_empty() {
        out.line(format!("\n{}", paint(HEAD, "What helps")));
        explained
            .helps
            .iter()
            .for_each(|help| out.line(format!("  {help}")));
    }
    explained
        .by_hand
        .iter()
        .for_each(|one| out.line(one.told()));
    Ok(Code::Done)
}

/// Explains the release of `story`: a halt first, because whatever else helps does
/// not as long as it is in force.
///
/// # Errors
/// When the record cannot be read.
pub async fn explained<T: Table>(
    store: &Store<T>,
    story: &Story,
    now: Timestamp,
) -> Result<Explained, Failed> {
    let mut explained = stands(store, story, now).await?;
    if let Some(halt) = &story.halted {
        let why = [words::halted(halt), words::halt_means(halt)];
        explained.why.splice(0..0, why);
        let first = format!("First of all: {}", words::resumes(halt));
        explained.helps.insert(0, first);
    }
    Ok(explained)
}

/// Where it stands, whatever people have halted.
async fn stands<T: Table>(
    store: &Store<T>,
    story: &Story,
    now: Timestamp,
) -> Result<Explained, Failed> {
    let head = &story.head;
    if let Some(failure) = &head.failure {
        return Ok(ended(story, failure));
    }
    if head.status == Status::Succeeded {
        let why = vec!["It did all that it should.".to_owned()];
        return Ok(Explained {
            why,
            ..Explained::default()
        });
    }
    if let Some(asked) = story.open() {
        return Ok(asking(story, &asked, now));
    }
    if story.waits_for().is_some() {
        return queued(store, story, now).await;
    }
    let stages = stages(story);
    let busy = stages
        .iter()
        .find(|s| matches!(s.state, State::Running | State::Waiting));
    Ok(busy.map_or_else(between, |stage| running(story, stage, now)))
}

fn ended(story: &Story, failure: &gatewright_domain::release::Failure) -> Explained {
    let mut said =
        words::ending(&story.head, story.definition.as_ref(), &story.records).into_iter();
    let mut why: Vec<String> = said.by_ref().take(1).collect();
    let records = last_attempts(&story.records);
    let stopped = records
        .iter()
        .find(|r| Some(&r.stage) == failure.stage.as_ref());
    for judged in stopped.iter().flat_map(|record| &record.gates) {
        let verdict = if judged.passed { "passed" } else { "denied" };
        why.push(format!(
            "Gate “{}” {verdict}: {}.",
            judged.gate.demand(),
            line(&judged.because)
        ));
    }
    let mut helps: Vec<String> = said.collect();
    if stopped.is_some_and(|record| record.log.is_some()) {
        helps.push(format!("The log: gatewright logs {}", story.head.release));
    }
    Explained {
        why,
        helps,
        ..Explained::default()
    }
}

fn asking(story: &Story, asked: &Asked<'_>, now: Timestamp) -> Explained {
    let request = asked.request;
    let stage = line(request.stage.as_str());
    let since = relative(now, request.requested_at);
    let until = relative(now, request.expires_at);
    let mut why = vec![format!("“{stage}” asked {since} and expires {until}.")];
    why.extend(words::asked_about(request).unwrap_or_default());
    why.extend(asked.missing_words());
    for decision in asked.decisions {
        let (who, did) = (asked.name(&decision.person), words::choice(decision.choice));
        why.push(format!("{who} {did} {}.", relative(now, decision.at)));
    }
    let directory = &story.directory;
    let excluded = directory
        .people
        .iter()
        .filter(|person| asked.is_excluded(&person.id));
    let excluded: Vec<String> = excluded.map(|person| line(&person.name)).collect();
    if !excluded.is_empty() {
        why.push(format!(
            "{} requested the release or wrote the commit and cannot decide.",
            listed(&excluded)
        ));
    }
    let mut helps = Vec::new();
    for (group, _) in asked.standing().missing {
        let could: Vec<String> = asked
            .could_decide(&group)
            .iter()
            .map(|id| asked.name(id))
            .collect();
        let title = asked.title(&group);
        helps.push(if could.is_empty() {
            format!("Nobody is left who can decide as {title}: add somebody to approvers.yaml and run `gatewright apply`.")
        } else {
            format!("As {title} can decide: {}.", listed(&could))
        });
    }
    helps.push(format!(
        "They follow their personal link, press a button in Slack, or run `gatewright approve {}`.",
        story.head.release
    ));
    Explained {
        why,
        helps,
        ..Explained::default()
    }
}

async fn queued<T: Table>(
    store: &Store<T>,
    story: &Story,
    now: Timestamp,
) -> Result<Explained, Failed> {
    let Some(waits) = story.waits_for() else {
        return Ok(Explained::default());
    };
    let environment = waits.environment;
    let (lock, _) = store.lock(&story.head.pipeline, environment).await?;
    let (because, gone) = as_of_now(waits.because, lock.holder.as_ref(), &story.head.release);
    let mut explained = Explained::default();
    let mut why = match because.as_slice() {
        [] => format!("It waits for {environment}."),
        left => format!("It waits for {environment}: {}.", words::obstacles(left)),
    };
    if let Some(gone) = gone {
        why.push_str(&format!(
            " When that was recorded, release {gone} changed it; that is over, and the release is looked at again within minutes."
        ));
    }
    explained.why.push(why);
    let early = waits.too_early.map(|early| format!("{early}."));
    explained.why.extend(early);
    for obstacle in &because {
        let passes = passes(
            store,
            story,
            environment,
            obstacle,
            lock.holder.as_ref(),
            now,
        );
        explained.helps.extend(passes.await?);
    }
    Ok(explained)
}

/// What was recorded to stand in the way, with the release that has the environment
/// now; and the one that had it, where nobody has.
fn as_of_now<'a>(
    because: &'a [Obstacle],
    holder: Option<&Holder>,
    me: &ReleaseId,
) -> (Vec<Obstacle>, Option<&'a ReleaseId>) {
    let (mut left, mut gone) = (Vec::new(), None);
    for obstacle in because {
        match (obstacle, holder.filter(|holder| &holder.release != me)) {
            (Obstacle::Lock { .. }, Some(now)) => left.push(Obstacle::Lock {
                holder: now.release.clone(),
            }),
            (Obstacle::Lock { holder }, None) => gone = Some(holder),
            (
                Obstacle::Queue { .. }
                | Obstacle::Hold { .. }
                | Obstacle::Doubt { .. }
                | Obstacle::Freeze { .. }
                | Obstacle::Window { .. }
                | Obstacle::Soak { .. },
                _,
            ) => left.push(obstacle.clone()),
        }
    }
    (left, gone)
}

/// What gets a release past an obstacle.
async fn passes<T: Table>(
    store: &Store<T>,
    story: &Story,
    environment: &EnvironmentName,
    obstacle: &Obstacle,
    held: Option<&Holder>,
    now: Timestamp,
) -> Result<Option<String>, Failed> {
    let (pipeline, me) = (&story.head.pipeline, &story.head.release);
    let glass = || format!("If it cannot wait: gatewright break-glass {me} --reason TEXT");
    Ok(Some(match obstacle {
        Obstacle::Lock { holder } => {
            let head = store.head(holder).await?.map(|seen| seen.value);
            let title = head
                .as_ref()
                .map_or_else(|| holder.to_string(), Head::title);
            let at = head
                .and_then(|h| h.stage)
                .map_or_else(String::new, |s| format!(", now in “{}”", line(s.as_str())));
            let since = held.map_or(now, |holder| holder.since);
            let held = spoken(now.as_second().saturating_sub(since.as_second()));
            format!("{title} has it for {held}{at}: gatewright explain {holder}")
        }
        Obstacle::Queue { behind } => {
            format!("See what is first in line: gatewright explain {behind}")
        }
        Obstacle::Hold { .. } => format!(
            "When the hold is no longer needed: gatewright unhold {pipeline}/{environment} --reason TEXT"
        ),
        Obstacle::Doubt { release, .. } => format!(
            "Look at {environment} first: gatewright explain {release}. Then bring it back with `gatewright rollback {pipeline} {environment} --reason TEXT`, or say what runs there: `gatewright unhold {pipeline}/{environment} --runs RELEASE --reason TEXT`"
        ),
        Obstacle::Freeze { .. } | Obstacle::Window { .. } | Obstacle::Soak { .. } => glass(),
    }))
}

fn running(story: &Story, stage: &Stage, now: Timestamp) -> Explained {
    let took = stage.seconds(now).unwrap_or(0);
    let mut why = vec![match stage.state {
        State::Waiting => format!(
            "“{}” waits for its image's scan to settle, since {}.",
            stage.name,
            spoken(took)
        ),
        _ => format!("“{}” runs since {}.", stage.name, spoken(took)),
    }];
    let limit = story.definition.iter().flat_map(|d| &d.stages);
    let limit = limit
        .filter(|s| s.name.as_str() == stage.name)
        .map(|s| s.time_limit().get());
    why.extend(limit.map(|limit| format!("It may take {}.", spoken(limit))));
    let mut helps = Vec::new();
    let record: Option<&StageRecord> = story
        .records
        .iter()
        .rfind(|r| r.stage.as_str() == stage.name);
    if record.is_some_and(|record| record.log.is_some()) {
        helps.push(format!(
            "Its log: gatewright logs {} --follow",
            story.head.release
        ));
    }
    Explained {
        why,
        helps,
        ..Explained::default()
    }
}

fn between() -> Explained {
    Explained {
        why: vec!["It is between two states.".to_owned()],
        helps: vec![
            "Look again in a few seconds; if it stays so, look at its execution in Step Functions."
                .to_owned(),
        ],
        ..Explained::default()
    }
}

#[cfg(test)]
mod tests;
