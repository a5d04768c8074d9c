//! Rollbacks by hand that are under way: who asked, to what, why, and what they
//! wait for. Until people have agreed, they have neither the environment's lock nor
//! a place in its queue.

use crate::error::Failed;
use crate::progress::{State, stages};
use crate::story::Story;
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::release::Head;
use gatewright_domain::trigger::Cause;
use gatewright_domain::{EnvironmentName, PipelineId, ReleaseId, Timestamp};
use gatewright_views::text::{line, relative};
use serde::Serialize;
use std::collections::BTreeSet;

/// How long ago one may have begun that still waits for people: they have an hour.
const ASKED_SECONDS: i64 = 7_200;
/// How many releases are read at once.
const PAGE: u32 = 10;

/// A rollback by hand that has not ended.
#[derive(Debug, Clone, Serialize)]
pub struct GoingBack {
    /// Its release.
    pub release: ReleaseId,
    /// Its title.
    pub title: String,
    /// What it brings back.
    pub environment: EnvironmentName,
    /// The release whose version is wanted.
    pub to: Option<ReleaseId>,
    /// That release's title.
    pub to_title: Option<String>,
    /// Who asked for it.
    pub by: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// What it does or waits for.
    pub now: Option<String>,
}

/// The rollbacks of a pipeline that are under way, oldest first: those among
/// `known`, which hold an environment or wait for one, and those that still ask.
///
/// # Errors
/// When the record cannot be read.
pub async fn under_way<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    known: impl IntoIterator<Item = ReleaseId>,
    now: Timestamp,
) -> Result<Vec<GoingBack>, Failed> {
    let mut releases: BTreeSet<ReleaseId> = known.into_iter().collect();
    releases.extend(young(store, pipeline, now).await?);
    let mut found = Vec::new();
    for release in releases {
        let Some(seen) = store.head(&release).await? else {
            continue;
        };
        if is_open(&seen.value)
            && let Some(story) = Story::read(store, &release).await?
        {
            found.extend(going_back(store, &story).await?);
        }
    }
    found.sort_by_key(|one| one.since);
    Ok(found)
}

/// The rollbacks that may still wait for people.
async fn young<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    now: Timestamp,
) -> Result<Vec<ReleaseId>, Failed> {
    let mut found = Vec::new();
    let mut below = None;
    loop {
        let last = below;
        for id in store.releases_of(pipeline, below, PAGE).await? {
            let Some(head) = store.head(&id).await?.map(|seen| seen.value) else {
                continue;
            };
            if head.started_at.as_second() < now.as_second() - ASKED_SECONDS {
                return Ok(found);
            }
            below = head.number;
            if is_open(&head) {
                found.push(id);
            }
        }
        if below == last {
            return Ok(found);
        }
    }
}

fn is_open(head: &Head) -> bool {
    let cause = head.trigger.as_ref().and_then(|trigger| trigger.cause);
    cause == Some(Cause::Rollback) && !head.status.has_ended()
}

async fn going_back<T: Table>(
    store: &Store<T>,
    story: &Story,
) -> Result<Option<GoingBack>, Failed> {
    let head = &story.head;
    let trigger = head.trigger.as_ref();
    let place = trigger.and_then(|t| Some((t, t.environment.clone()?)));
    let Some((trigger, environment)) = place else {
        return Ok(None);
    };
    let to_title = match &trigger.to {
        Some(to) => store.head(to).await?.map(|seen| seen.value.title()),
        None => None,
    };
    Ok(Some(GoingBack {
        release: head.release.clone(),
        title: head.title(),
        environment,
        to: trigger.to.clone(),
        to_title,
        by: trigger.requester.clone(),
        why: trigger.reason.clone(),
        since: head.started_at,
        now: does(story),
    }))
}

/// The stage that it is in, and what that waits for.
fn does(story: &Story) -> Option<String> {
    let stages = stages(story);
    let stage = stages
        .iter()
        .find(|stage| matches!(stage.state, State::Running | State::Waiting))?;
    let verb = match stage.state {
        State::Waiting => "waits",
        State::Running | State::Ahead | State::Passed | State::Failed | State::NotReached => "runs",
    };
    let notes = stage.notes.join(" · ");
    let colon = if notes.is_empty() { "" } else { ": " };
    Some(format!("“{}” {verb}{colon}{notes}", stage.name))
}

impl GoingBack {
    /// `shop#5 brings it back to shop#3`.
    pub fn short(&self) -> String {
        let id = || self.to.as_ref().map(ToString::to_string);
        let to = self.to_title.clone().or_else(id);
        let to = to.unwrap_or_else(|| "what ran before".to_owned());
        format!("{} brings it back to {}", line(&self.title), line(&to))
    }

    /// With who asked, why, and what it waits for.
    pub fn told(&self, now: Timestamp) -> String {
        let by = self.by.as_deref().unwrap_or("nobody who is named");
        let why = self.why.as_deref().unwrap_or("no reason was given");
        let does = self
            .now
            .as_deref()
            .map_or_else(String::new, |does| format!("; {does}"));
        format!(
            "{}, asked by {} {}: {}{does}",
            self.short(),
            line(by),
            relative(now, self.since),
            line(why)
        )
    }
}
