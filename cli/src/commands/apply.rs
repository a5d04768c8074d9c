//! `gatewright apply`.

use super::diff::known;
use crate::args::Apply;
use crate::connect::{Reach, reach};
use crate::differ::{self, compare, tell, weakened};
use crate::error::{Code, Failed};
use crate::files::{APPROVERS, Project, usual};
use crate::out::Out;
use crate::style::{GOOD, HEAD, SOFT, paint};
use crate::trigger::user;
use gatewright_aws::store::{Live, Seen, StoreError};
use gatewright_aws::table::Table;
use gatewright_aws::{Clock, Store, SystemClock};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::text::did_you_mean;
use gatewright_domain::{Digest, PipelineId};
use gatewright_views::text::listed;
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// How something compares with what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Is {
    /// It was not there.
    New,
    /// It is another.
    Changed,
    /// It is the same.
    Unchanged,
    /// There is no file of it.
    Absent,
}

/// What applying a definition would change. Its JSON is described in
/// `args::help`.
#[derive(Debug, Serialize)]
pub struct Change {
    pipeline: PipelineId,
    is: Is,
    version: Digest,
    live_before: Option<Digest>,
    rollback_version: Option<Digest>,
    weakens: Vec<String>,
    changes: Vec<differ::Change>,
    #[serde(skip)]
    seen: Option<Seen<Live>>,
}

/// What applying the approvers would change.
#[derive(Debug, Serialize)]
pub struct People {
    is: Is,
    changes: Vec<String>,
}

/// Applies what is in `pipelines/`.
///
/// # Errors
/// When a file is wrong, the record cannot be read or written, or a protected
/// environment would be weakened without a reason.
pub async fn run(args: &Apply, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let files = usual()?;
    let project = Project::read(&files, out.colour)?;
    let definitions = named(&project, &args.pipelines)?;
    let directory = files.first().and_then(|path| project.directory(path));
    let Reach { connection, store } = reach(at).await?;
    // The laptop's stack plays every region.
    if connection.endpoint.is_none() {
        all_here(&definitions, &connection.region)?;
    }
    let directory = directory.map(|found| connection.known_here(found.clone()));
    let directory = directory.as_ref();
    let who = match directory {
        Some(directory) => directory.clone(),
        None => known(&store).await?,
    };
    let mut changes = Vec::new();
    for definition in &definitions {
        changes.push(change(&store, definition, &who).await?);
    }
    let people = people(&store, directory).await?;
    let all = changes.iter().map(|c| c.is).chain([people.is]);
    let nothing = all
        .into_iter()
        .all(|is| matches!(is, Is::Unchanged | Is::Absent));
    if !out.json {
        told(&changes, &people)
            .iter()
            .for_each(|line| out.line(line));
    }
    if nothing {
        // Versions from before rollbacks had a definition of their own.
        for rollback in definitions.iter().filter_map(|d| d.rollback()) {
            store.record(&rollback).await?;
        }
    } else {
        demand_reason(&changes, args.reason.as_deref())?;
        if !out.confirm("Apply this?", args.yes)? {
            return Err(Failed::refused("nothing was applied"));
        }
        // The people first: a definition may name a group that is new.
        if let Some(directory) = directory.filter(|_| people.is != Is::Unchanged) {
            store.apply_directory(directory).await?;
        }
        for (change, definition) in changes.iter().zip(&definitions) {
            write(&store, change, definition, args).await?;
        }
    }
    if out.json {
        out.json(&json!({ "applied": !nothing, "pipelines": changes, "approvers": people }));
    } else {
        out.line(if nothing { "nothing to do" } else { "applied" });
    }
    Ok(Code::Done)
}

/// The definitions that are meant: all, or those that are named.
fn named<'a>(project: &'a Project, ids: &[String]) -> Result<Vec<&'a Definition>, Failed> {
    let all: Vec<&Definition> = project.definitions.iter().map(|(_, d)| d).collect();
    let known: Vec<&str> = all.iter().map(|d| d.id.as_str()).collect();
    if let Some(wrong) = ids.iter().find(|id| !known.contains(&id.as_str())) {
        let near = did_you_mean(wrong, known.iter().copied());
        let what = format!("no definition here has the id {wrong:?}{near}");
        return Err(Failed::not_found(what).help(format!("there is: {}", known.join(", "))));
    }
    let meant = |d: &&Definition| ids.is_empty() || ids.iter().any(|id| id == d.id.as_str());
    Ok(all.into_iter().filter(meant).collect())
}

/// Builds, metrics and alarms are looked for in the stack's own region.
fn all_here(definitions: &[&Definition], region: &str) -> Result<(), Failed> {
    match definitions.iter().find(|d| d.region != region) {
        None => Ok(()),
        Some(elsewhere) => Err(Failed::refused(format!(
            "{} builds and deploys in {}, and this Gatewright is in {region}",
            elsewhere.id, elsewhere.region
        ))
        .help("apply it to a Gatewright of its region, or correct `region`")),
    }
}

/// Less protection needs a reason, which is recorded with the version.
fn demand_reason(changes: &[Change], reason: Option<&str>) -> Result<(), Failed> {
    let weakening = changes.iter().find(|change| !change.weakens.is_empty());
    match (weakening, reason.map(str::trim)) {
        (Some(change), None | Some("")) => {
            let names = listed(&change.weakens);
            let what = format!(
                "{} would protect {names} less than what is live",
                change.pipeline
            );
            Err(Failed::refused(what)
                .help("say why with --reason \"...\"; it is recorded with the version"))
        }
        _ => Ok(()),
    }
}

async fn write<T: Table>(
    store: &Store<T>,
    change: &Change,
    definition: &Definition,
    args: &Apply,
) -> Result<(), Failed> {
    // Before the version that people will roll back from.
    if let Some(rollback) = definition.rollback() {
        store.record(&rollback).await?;
    }
    if change.is != Is::Unchanged {
        let said = (by(args), args.reason.clone());
        let now = SystemClock.now();
        store
            .apply_by(definition, change.seen.as_ref(), said, now)
            .await?;
    }
    Ok(())
}

/// Who applies it: what was said, Git's address, or who is at this machine.
fn by(args: &Apply) -> String {
    let git = || super::start::git_says(&["config", "user.email"]);
    args.by
        .clone()
        .or_else(git)
        .or_else(user)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// What applying `definition` would change.
///
/// # Errors
/// When the record cannot be read.
pub async fn change<T: Table>(
    store: &Store<T>,
    definition: &Definition,
    directory: &Directory,
) -> Result<Change, Failed> {
    let of = |definition: &Definition| {
        definition
            .version()
            .map_err(|e| Failed::refused(e.to_string()))
    };
    let version = of(definition)?;
    let seen = store.live(&definition.id).await?;
    let live_before = seen.as_ref().map(|live| live.value.version.clone());
    let before = match &live_before {
        Some(live) if live != &version => store.definition(&definition.id, live).await?,
        _ => None,
    };
    let is = match &live_before {
        None => Is::New,
        Some(live) if live == &version => Is::Unchanged,
        Some(_) => Is::Changed,
    };
    let changes = before.map_or_else(Vec::new, |old| compare(&old, definition, directory));
    Ok(Change {
        pipeline: definition.id.clone(),
        is,
        version,
        live_before,
        rollback_version: definition.rollback().map(|d| of(&d)).transpose()?,
        weakens: weakened(&changes),
        changes,
        seen,
    })
}

/// What applying `directory` would change.
///
/// # Errors
/// When the record cannot be read.
pub async fn people<T: Table>(
    store: &Store<T>,
    directory: Option<&Directory>,
) -> Result<People, Failed> {
    let before = match store.directory().await {
        Ok(seen) => Some(seen.value),
        Err(StoreError::Missing(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let (is, changes) = match (before, directory) {
        (_, None) => (Is::Absent, Vec::new()),
        (None, Some(_)) => (Is::New, Vec::new()),
        (Some(before), Some(after)) if &before == after => (Is::Unchanged, Vec::new()),
        (Some(before), Some(after)) => (Is::Changed, memberships(&before, after)),
    };
    Ok(People { is, changes })
}

/// `+ lena in devops-lead`, `- priya in project-lead`; other changes by place.
fn memberships(before: &Directory, after: &Directory) -> Vec<String> {
    let pairs = |directory: &Directory| -> Vec<(String, String)> {
        let groups = directory.groups.iter();
        let pairs = groups.flat_map(|group| {
            let members = group.members.iter();
            members.map(|person| (group.name.to_string(), person.to_string()))
        });
        pairs.collect()
    };
    let (old, new) = (pairs(before), pairs(after));
    let line =
        |sign: &str, (group, person): &(String, String)| format!("{sign} {person} in {group}");
    let joined = new
        .iter()
        .filter(|pair| !old.contains(pair))
        .map(|pair| line("+", pair));
    let left = old
        .iter()
        .filter(|pair| !new.contains(pair))
        .map(|pair| line("-", pair));
    let mut changes: Vec<String> = joined.chain(left).collect();
    if before.people != after.people {
        changes.push("names, addresses, Slack ids or aliases of people".to_owned());
    }
    changes
}

/// The changes in lines.
pub fn told(changes: &[Change], people: &People) -> Vec<String> {
    let mut told = Vec::new();
    for change in changes {
        let id = paint(HEAD, &change.pipeline);
        let live = match (&change.live_before, change.is) {
            (_, Is::Unchanged) => format!("live: {}", change.version.short()),
            (Some(before), _) => format!("live: {} → {}", before.short(), change.version.short()),
            (None, _) => format!("live: nothing → {}", change.version.short()),
        };
        told.push(format!("{}  {id}  {live}", word(change.is)));
        told.extend(tell::told(&change.changes, 11));
        if !change.changes.is_empty() {
            told.push(format!("           {}", tell::summary(&change.changes)));
        }
    }
    told.push(format!("{}  {}", word(people.is), paint(HEAD, APPROVERS)));
    told.extend(
        people
            .changes
            .iter()
            .map(|line| format!("           {line}")),
    );
    told
}

fn word(is: Is) -> String {
    match is {
        Is::New => paint(GOOD, "new      "),
        Is::Changed => paint(GOOD, "changed  "),
        Is::Unchanged => paint(SOFT, "unchanged"),
        Is::Absent => paint(SOFT, "absent   "),
    }
}

#[cfg(test)]
mod tests;
