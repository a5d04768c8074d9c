//! `gatewright apply`.

use crate::args::Apply;
use crate::connect::{Reach, reach};
use crate::error::{Code, Failed};
use crate::files::{APPROVERS, Project, usual};
use crate::out::Out;
use crate::style::{GOOD, HEAD, SOFT, paint};
use gatewright_aws::Store;
use gatewright_aws::store::StoreError;
use gatewright_aws::table::Table;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::{Digest, PipelineId};
use gatewright_views::text::short_line;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// How many changes are named; the files say the rest.
const SHOWN: usize = 12;

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
    changes: Vec<String>,
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
/// When a file is wrong, or the record cannot be read or written.
pub async fn run(args: &Apply, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let files = usual()?;
    let project = Project::read(&files, out.colour)?;
    let directory = files.first().and_then(|path| project.directory(path));
    let Reach { connection, store } = reach(at).await?;
    let directory = directory.map(|found| connection.known_here(found.clone()));
    let directory = directory.as_ref();
    let mut changes = Vec::new();
    for (_, definition) in &project.definitions {
        changes.push(change(&store, definition).await?);
    }
    let people = people(&store, directory).await?;
    let nothing = changes.iter().map(|c| c.is).chain([people.is]);
    let nothing = nothing
        .into_iter()
        .all(|is| matches!(is, Is::Unchanged | Is::Absent));
    if !out.json {
        told(&changes, &people)
            .iter()
            .for_each(|line| out.line(line));
    }
    if !nothing {
        if !out.confirm("Apply this?", args.yes)? {
            return Err(Failed::refused("nothing was applied"));
        }
        // The people first: a definition may name a group that is new.
        if let Some(directory) = directory.filter(|_| people.is != Is::Unchanged) {
            store.apply_directory(directory).await?;
        }
        for (change, (_, definition)) in changes.iter().zip(&project.definitions) {
            if change.is != Is::Unchanged {
                store.apply(definition).await?;
            }
        }
    }
    if out.json {
        out.json(&json!({ "applied": !nothing, "pipelines": changes, "approvers": people }));
    } else {
        out.line(if nothing {
            "nothing to apply"
        } else {
            "applied"
        });
    }
    Ok(Code::Done)
}

/// What applying `definition` would change.
///
/// # Errors
/// When the record cannot be read.
pub async fn change<T: Table>(store: &Store<T>, definition: &Definition) -> Result<Change, Failed> {
    let version = definition
        .version()
        .map_err(|e| Failed::refused(e.to_string()))?;
    let live_before = store.live_version(&definition.id).await?;
    let before = match &live_before {
        Some(live) if live != &version => store.definition(&definition.id, live).await?,
        _ => None,
    };
    let is = match &live_before {
        None => Is::New,
        Some(live) if live == &version => Is::Unchanged,
        Some(_) => Is::Changed,
    };
    Ok(Change {
        pipeline: definition.id.clone(),
        is,
        version,
        live_before,
        changes: before.map_or_else(Vec::new, |before| differences(&before, definition)),
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

/// Where two definitions differ: `stages[1].gates[2].at_least: 8000 → 7000`.
fn differences(before: &Definition, after: &Definition) -> Vec<String> {
    let value = |definition| serde_json::to_value(definition).unwrap_or_default();
    let mut found = Vec::new();
    differ("", &value(before), &value(after), &mut found);
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    if more > 0 {
        found.push(format!("… {more} more"));
    }
    found
}

fn differ(place: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys = old
                .keys()
                .chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                let place = if place.is_empty() {
                    key.clone()
                } else {
                    format!("{place}.{key}")
                };
                differ(&place, &before[key], &after[key], found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                let at = |all: &[Value]| all.get(index).cloned().unwrap_or_default();
                differ(&format!("{place}[{index}]"), &at(old), &at(new), found);
            }
        }
        (old, new) if old != new => found.push(format!("{place}: {} → {}", brief(old), brief(new))),
        _ => {}
    }
}

fn brief(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Object(map) if map.contains_key("name") => brief(&map["name"]),
        other => short_line(&other.to_string(), 60),
    }
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
        told.extend(
            change
                .changes
                .iter()
                .map(|line| paint(SOFT, format!("           {line}"))),
        );
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
mod tests {
    use super::*;
    use crate::commands::example::plain;
    use gatewright_domain::pipeline::Seconds;
    use gatewright_fakes::{MemoryTable, definition, directory};

    async fn look(store: &Store<MemoryTable>, definition: &Definition, who: &Directory) -> String {
        let changes = vec![change(store, definition).await.unwrap()];
        let people = people(store, Some(who)).await.unwrap();
        plain(&told(&changes, &people).join("\n"))
    }

    #[tokio::test]
    async fn what_is_new_unchanged_and_changed_is_said() {
        let store = Store::new(MemoryTable::default());
        let (mut definition, mut who) = (definition(), directory());
        let first = look(&store, &definition, &who).await;
        assert!(
            first.starts_with("new        pl-gps-001  live: nothing → "),
            "{first}"
        );
        store.apply(&definition).await.unwrap();
        store.apply_directory(&who).await.unwrap();
        let second = look(&store, &definition, &who).await;
        assert!(
            second.starts_with("unchanged  pl-gps-001  live: "),
            "{second}"
        );
        definition.budget = Seconds(definition.budget.0 + 86_400);
        who.groups[1].members.remove(0);
        let third = look(&store, &definition, &who).await;
        assert!(
            third.starts_with("changed    pl-gps-001  live: "),
            "{third}"
        );
        assert!(
            third.contains("budget: 604800 → 691200") && third.contains("- devan in devops-lead"),
            "{third}"
        );
    }

    #[test]
    fn a_stage_that_was_added_is_named() {
        let (before, mut after) = (definition(), definition());
        let mut extra = after.stages[0].clone();
        extra.name = "Smoke Test".parse().unwrap();
        after.stages.push(extra);
        assert_eq!(
            differences(&before, &after),
            ["stages[7]: nothing → \"Smoke Test\""]
        );
    }
}
