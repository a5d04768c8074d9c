//! `gatewright status`.

mod place;

use super::orders;
use crate::args::Status as Args;
use crate::connect::{Reach, reach};
use crate::error::{Code, Failed};
use crate::going_back::{GoingBack, under_way};
use crate::lookup;
use crate::out::Out;
use crate::progress::{Shown, flags, headline, lines, stages, status};
use crate::story::Story;
use crate::style::{BAD, HEAD, SOFT, WAITING, padded, paint, widest};
use crate::watch;
use gatewright_aws::table::Table;
use gatewright_aws::tasks::{Executions, StepFunctions};
use gatewright_aws::{Clock, Store, SystemClock};
use gatewright_domain::lock::{Doubt, Hold, Holder, Waiting};
use gatewright_domain::release::{Deployment, Head};
use gatewright_domain::text::spoken;
use gatewright_domain::{Digest, EnvironmentName, PipelineId, ReleaseId, Timestamp};
use gatewright_views::text::{line, listed, relative};
use gatewright_views::words;
use place::Place;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// How many releases of a pipeline the summary shows.
const RECENT: u32 = 5;

/// Shows one release, or everything in short.
///
/// # Errors
/// When the record cannot be read or there is no such release.
pub async fn run(args: &Args, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let Some(named) = &args.release else {
        let now = SystemClock.now();
        let summary = summary(&reach.store, &reach.pipelines(), now).await?;
        let controls = reach.store.controls().await?.controls.at(now);
        if out.json {
            let in_force = json!({ "halts": controls.halts, "freezes": controls.freezes });
            out.json(&json!({ "in_force": in_force, "pipelines": summary }));
        } else {
            let in_force = orders::in_force(&controls, now);
            let told = in_force.into_iter().chain(told(&summary, now));
            told.for_each(|line| out.line(line));
        }
        return Ok(Code::Done);
    };
    if !args.watch {
        let places = lookup::environments(&reach.store, &reach.pipelines(), named).await?;
        if !places.is_empty() {
            return shown(&reach.store, &places, out).await;
        }
    }
    let found = lookup::release(&reach.store, &reach.pipelines(), named).await;
    if args.watch {
        let release = match found {
            Ok(head) => head.release,
            // Started a moment ago, it becomes a release when Admit has run.
            Err(failed) => starting(&reach, named).await.ok_or(failed)?,
        };
        return watch::follow(out, &reach.store, &release, args.timeout).await;
    }
    let head = found?;
    let story = Story::read(&reach.store, &head.release).await?;
    let story = story.ok_or_else(|| Failed::not_found(format!("there is no release {named:?}")))?;
    if out.json {
        out.json(&Shown::of(&story));
    } else {
        for line in one(&story, SystemClock.now()) {
            out.line(line);
        }
    }
    Ok(story.head.status.into())
}

/// Environments, each on one screen.
async fn shown<T: Table>(
    store: &Store<T>,
    named: &[(PipelineId, EnvironmentName)],
    out: &Out,
) -> Result<Code, Failed> {
    let now = SystemClock.now();
    let mut places = Vec::new();
    for (pipeline, environment) in named {
        places.push(Place::read(store, pipeline, environment, now).await?);
    }
    if out.json {
        out.json(&json!({ "environments": places }));
        return Ok(Code::Done);
    }
    for (n, place) in places.iter().enumerate() {
        if n > 0 {
            out.line("");
        }
        place.lines(now).iter().for_each(|line| out.line(line));
    }
    Ok(Code::Done)
}

/// The release that an execution of this name, which runs, will become.
async fn starting(reach: &Reach, named: &str) -> Option<ReleaseId> {
    let release: ReleaseId = named.parse().ok()?;
    let functions = StepFunctions::new(&reach.connection.sdk().await);
    let connection = &reach.connection;
    for machine in connection
        .machines
        .values()
        .chain(connection.rollbacks.values())
    {
        let machine = machine.replace(":stateMachine:", ":execution:");
        let running = functions.is_running(&format!("{machine}:{release}")).await;
        if matches!(running, Ok(Some(true))) {
            return Some(release);
        }
    }
    None
}

/// One release in lines.
pub fn one(story: &Story, now: Timestamp) -> Vec<String> {
    let mut told = vec![headline(&story.head, now)];
    told.extend(story.halt_lines());
    told.extend(flags(&story.head));
    told.extend(lines(&stages(story), now));
    told.extend(words::ending(
        &story.head,
        story.definition.as_ref(),
        &story.records,
    ));
    told
}

/// A pipeline in short. Its JSON is described in `args::help`.
#[derive(Debug, Serialize)]
pub struct Summary {
    pipeline: PipelineId,
    version: Option<Digest>,
    environments: Vec<InShort>,
    releases: Vec<Head>,
    #[serde(skip)]
    titles: BTreeMap<ReleaseId, String>,
}

#[derive(Debug, Serialize)]
struct InShort {
    name: EnvironmentName,
    current: Option<Deployment>,
    holder: Option<Holder>,
    /// A person who keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    /// The releases that left it unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<Doubt>,
    queue: Vec<Waiting>,
    /// The rollbacks by hand that are under way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    going_back: Vec<GoingBack>,
}

/// Reads the summary of these pipelines.
///
/// # Errors
/// When the record cannot be read.
pub async fn summary<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    now: Timestamp,
) -> Result<Vec<Summary>, Failed> {
    let mut all = Vec::new();
    for pipeline in pipelines {
        let mut summary = Summary {
            pipeline: pipeline.clone(),
            version: store.live_version(pipeline).await?,
            environments: Vec::new(),
            releases: Vec::new(),
            titles: BTreeMap::new(),
        };
        let definition = match &summary.version {
            Some(version) => store.definition(pipeline, version).await?,
            None => None,
        };
        for name in definition.iter().flat_map(|d| d.environments.keys()) {
            let (lock, _) = store.lock(pipeline, name).await?;
            summary.environments.push(InShort {
                name: name.clone(),
                current: store.current(pipeline, name).await?,
                holder: lock.holder,
                hold: lock.hold,
                doubts: lock.doubts,
                queue: store.queue(pipeline, name).await?,
                going_back: Vec::new(),
            });
        }
        let there = summary.environments.iter();
        let known = there.flat_map(|place| involved(place.holder.as_ref(), &place.queue));
        for rollback in under_way(store, pipeline, known.collect::<Vec<_>>(), now).await? {
            let places = &mut summary.environments;
            let place = places.iter_mut().find(|p| p.name == rollback.environment);
            if let Some(place) = place {
                place.going_back.push(rollback);
            }
        }
        for id in store.releases_of(pipeline, None, RECENT).await? {
            summary
                .releases
                .extend(store.head(&id).await?.map(|seen| seen.value));
        }
        for place in &summary.environments {
            let holder = place.holder.as_ref().map(|holder| &holder.release);
            let doubts = place.doubts.iter().map(|doubt| &doubt.release);
            let who = holder.into_iter().chain(doubts);
            let known = titles(store, who, place.current.as_ref(), &place.queue).await?;
            summary.titles.extend(known);
        }
        all.push(summary);
    }
    Ok(all)
}

/// Who holds an environment, and who waits for it.
fn involved(holder: Option<&Holder>, waiting: &[Waiting]) -> Vec<ReleaseId> {
    let holder = holder.map(|holder| &holder.release);
    let waiting = waiting.iter().map(|waiting| &waiting.release);
    holder.into_iter().chain(waiting).cloned().collect()
}

/// The titles of those who hold or wait, and of the version that runs.
async fn titles<'a, T: Table>(
    store: &Store<T>,
    who: impl Iterator<Item = &'a ReleaseId>,
    current: Option<&'a Deployment>,
    waiting: &'a [Waiting],
) -> Result<BTreeMap<ReleaseId, String>, Failed> {
    let mut titles = BTreeMap::new();
    let runs = current.map(Deployment::version_of);
    for id in who.chain(runs).chain(waiting.iter().map(|w| &w.release)) {
        if let Some(seen) = store.head(id).await? {
            titles.insert(id.clone(), seen.value.title());
        }
    }
    Ok(titles)
}

/// The summary in lines.
pub fn told(all: &[Summary], now: Timestamp) -> Vec<String> {
    let mut told = Vec::new();
    for summary in all {
        if !told.is_empty() {
            told.push(String::new());
        }
        let version = match &summary.version {
            Some(version) => paint(SOFT, format!("live definition {}", version.short())),
            None => paint(WAITING, "no definition applied: run `gatewright apply`"),
        };
        told.push(format!("{}  {version}", paint(HEAD, &summary.pipeline)));
        let width = widest(summary.environments.iter().map(|place| place.name.as_str()));
        for place in &summary.environments {
            let name = padded(place.name.as_str(), width);
            told.push(format!("  {name}  {}", of_place(place, summary, now)));
        }
        told.extend(recent(&summary.releases, now));
    }
    if told.is_empty() {
        told.push("This connection has no pipelines.".to_owned());
    }
    told
}

fn of_place(place: &InShort, summary: &Summary, now: Timestamp) -> String {
    let title = |id: &ReleaseId| {
        summary
            .titles
            .get(id)
            .cloned()
            .unwrap_or_else(|| id.to_string())
    };
    let mut said = vec![match &place.current {
        None => paint(SOFT, "nothing runs there yet"),
        Some(current) => format!(
            "runs {} for {}",
            runs(current, &title(current.version_of())),
            since(now, current.at)
        ),
    }];
    if let Some(holder) = &place.holder {
        let held = since(now, holder.since);
        said.push(paint(
            WAITING,
            format!("held by {} for {held}", title(&holder.release)),
        ));
    }
    for doubt in &place.doubts {
        let (left, release) = (since(now, doubt.since), title(&doubt.release));
        let text = format!("left unknown by {} for {left}", line(&release));
        said.push(paint(BAD, text));
    }
    if let Some(hold) = &place.hold {
        let text = format!("kept by {}: {}", hold.by, line(&hold.reason));
        said.push(paint(WAITING, text));
    }
    let back = place.going_back.iter();
    said.extend(back.map(|rollback| paint(WAITING, rollback.short())));
    if !place.queue.is_empty() {
        let waiting: Vec<String> = place
            .queue
            .iter()
            .map(|entry| title(&entry.release))
            .collect();
        said.push(paint(WAITING, format!("{} waits", listed(&waiting))));
    }
    said.join(", ")
}

/// What runs: the version's own title, and who brought it back.
fn runs(current: &Deployment, version: &str) -> String {
    let back = match &current.restored {
        Some(_) => format!(", brought back by {}", line(&current.title)),
        None => String::new(),
    };
    let (commit, digest) = (current.commit.short(), current.digest());
    format!("{} ({commit}, {}){back}", line(version), digest.short())
}

fn since(now: Timestamp, at: Timestamp) -> String {
    spoken(now.as_second().saturating_sub(at.as_second()))
}

fn recent(releases: &[Head], now: Timestamp) -> Vec<String> {
    if releases.is_empty() {
        return vec![format!("  {}", paint(SOFT, "no release yet"))];
    }
    let titles: Vec<String> = releases.iter().map(|head| line(&head.title())).collect();
    let width = widest(titles.iter().map(String::as_str));
    let each = releases.iter().zip(&titles).map(|(head, title)| {
        let until = head.ended_at.unwrap_or(now).as_second();
        let took = spoken(until.saturating_sub(head.started_at.as_second()));
        let word = padded("", 12_usize.saturating_sub(head.status.as_str().len()));
        let trigger = head.trigger.as_ref().map_or_else(String::new, |t| {
            format!("{} {}", words::reference(&t.reference), t.commit.short())
        });
        let stage = head
            .stage
            .as_ref()
            .map_or_else(String::new, |s| line(s.as_str()));
        let halted = head.halted.as_ref().filter(|_| !head.status.has_ended());
        let halted = halted.map_or_else(String::new, |said| {
            paint(BAD, format!("  halted by {}", said.by))
        });
        let when = relative(now, head.started_at);
        let text = format!(
            "  {}  {}{word}  {when:>16}  {took:>11}  {trigger}  {}{halted}",
            padded(title, width),
            status(head.status),
            paint(SOFT, stage)
        );
        text.trim_end().to_owned()
    });
    each.collect()
}

#[cfg(test)]
mod tests;
