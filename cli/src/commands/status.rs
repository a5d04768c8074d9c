//! `gatewright status`.

mod place;

use crate::args::Status as Args;
use crate::connect::{Reach, reach};
use crate::error::{Code, Failed};
use crate::lookup;
use crate::out::Out;
use crate::progress::{Shown, flags, headline, lines, stages, status};
use crate::story::Story;
use crate::style::{HEAD, SOFT, WAITING, padded, paint, widest};
use crate::watch;
use gatewright_aws::table::Table;
use gatewright_aws::tasks::{Executions, StepFunctions};
use gatewright_aws::{Clock, Store, SystemClock};
use gatewright_domain::lock::{Holder, Waiting};
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
        let summary = summary(&reach.store, &reach.pipelines()).await?;
        if out.json {
            out.json(&json!({ "pipelines": summary }));
        } else {
            told(&summary, SystemClock.now())
                .iter()
                .for_each(|line| out.line(line));
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
    told.extend(flags(&story.head));
    told.extend(lines(&stages(story), now));
    told.extend(story.head.failure.iter().flat_map(words::failure));
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
    queue: Vec<Waiting>,
}

/// Reads the summary of these pipelines.
///
/// # Errors
/// When the record cannot be read.
pub async fn summary<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
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
            summary.environments.push(InShort {
                name: name.clone(),
                current: store.current(pipeline, name).await?,
                holder: store.lock(pipeline, name).await?.0.holder,
                queue: store.queue(pipeline, name).await?,
            });
        }
        for id in store.releases_of(pipeline, None, RECENT).await? {
            summary
                .releases
                .extend(store.head(&id).await?.map(|seen| seen.value));
        }
        for place in &summary.environments {
            let known = titles(store, place.holder.as_ref(), &place.queue).await?;
            summary.titles.extend(known);
        }
        all.push(summary);
    }
    Ok(all)
}

/// The titles of those who hold or wait.
async fn titles<T: Table>(
    store: &Store<T>,
    holder: Option<&Holder>,
    waiting: &[Waiting],
) -> Result<BTreeMap<ReleaseId, String>, Failed> {
    let holder = holder.into_iter().map(|holder| &holder.release);
    let mut titles = BTreeMap::new();
    for id in holder.chain(waiting.iter().map(|entry| &entry.release)) {
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
            "runs {} ({}) for {}",
            line(&current.title),
            current.digest().short(),
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
        let when = relative(now, head.started_at);
        let text = format!(
            "  {}  {}{word}  {when:>16}  {took:>11}  {trigger}  {}",
            padded(title, width),
            status(head.status),
            paint(SOFT, stage)
        );
        text.trim_end().to_owned()
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::{Example, plain};

    #[tokio::test]
    async fn the_summary_says_what_runs_and_who_holds() {
        let example = Example::waiting_for_approval().await;
        let all = summary(&example.store, &["pl-gps-001".parse().unwrap()])
            .await
            .unwrap();
        // The version changes with the language.
        let version = gatewright_fakes::definition().version().unwrap();
        let told = plain(&told(&all, example.now()).join("\n"));
        insta::assert_snapshot!(told.replace(version.short(), "<version>"));
        let document = serde_json::to_value(&all).unwrap();
        assert_eq!(document[0]["environments"][0]["name"], "staging");
        assert_eq!(document[0]["releases"][0]["number"], 1);
    }

    #[tokio::test]
    async fn an_environment_is_one_screen() {
        let example = Example::waiting_for_approval().await;
        let (pipeline, staging) = ("pl-gps-001".parse().unwrap(), "staging".parse().unwrap());
        let place = Place::read(&example.store, &pipeline, &staging, example.now()).await;
        insta::assert_snapshot!(plain(&place.unwrap().lines(example.now()).join("\n")));
        let production = "production".parse().unwrap();
        let place = Place::read(&example.store, &pipeline, &production, example.now()).await;
        insta::assert_snapshot!(plain(&place.unwrap().lines(example.now()).join("\n")));
    }

    #[tokio::test]
    async fn one_release_ends_with_what_helps() {
        let example = Example::low_coverage().await;
        let told = plain(&one(&example.story().await, example.now()).join("\n"));
        assert!(told.contains("✗  Unit Test & Coverage"), "{told}");
        assert!(told.contains("correct it with a new commit"), "{told}");
        let document = serde_json::to_value(Shown::of(&example.story().await)).unwrap();
        assert_eq!(document["failure"]["error"], "GateDenied");
        assert_eq!(document["stages"][6]["state"], "not-reached");
    }
}
