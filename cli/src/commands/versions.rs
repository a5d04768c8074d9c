//! `gatewright versions`.

use crate::args::Versions as Args;
use crate::connect::reach;
use crate::error::{Code, Failed};
use crate::out::Out;
use crate::style::{GOOD, paint};
use crate::table::drawn;
use gatewright_aws::Store;
use gatewright_aws::store::Applied;
use gatewright_aws::table::Table;
use gatewright_domain::{Digest, PipelineId, Timestamp};
use gatewright_views::text::{line, short_line, utc};
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// How many of the last releases are looked at.
const RECENT: u32 = 20;

/// A version in the list. Its JSON is described in `args::help`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    version: Digest,
    live: bool,
    at: Option<Timestamp>,
    by: Option<String>,
    reason: Option<String>,
    previous: Option<Digest>,
    releases: Vec<String>,
}

/// Lists versions.
///
/// # Errors
/// When the record cannot be read, or there is no such pipeline.
pub async fn run(args: &Args, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let id: PipelineId = args
        .pipeline
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    let reach = reach(at).await?;
    let rows = versions(&reach.store, &id, args.limit).await?;
    if rows.is_empty() {
        // Says which there are, when it is not one of them.
        reach.machine(&args.pipeline)?;
    }
    if out.json {
        let live = rows.iter().find(|row| row.live).map(|row| &row.version);
        out.json(&json!({ "pipeline": id, "live": live, "versions": rows }));
    } else if rows.is_empty() {
        out.aside("nothing was applied yet");
    } else {
        out.line(told(&rows));
    }
    Ok(Code::Done)
}

/// What was applied, newest first; the live version also where nobody noted who
/// applied it.
///
/// # Errors
/// When the record cannot be read.
pub async fn versions<T: Table>(
    store: &Store<T>,
    id: &PipelineId,
    limit: u32,
) -> Result<Vec<Row>, Failed> {
    let live = store.live_version(id).await?;
    let applied = store.applications(id, limit).await?;
    let mut ran: Vec<(Digest, String)> = Vec::new();
    for release in store.releases_of(id, None, RECENT).await? {
        if let Some(seen) = store.head(&release).await? {
            ran.push((seen.value.version.clone(), seen.value.title()));
        }
    }
    Ok(rows(live, applied, &ran))
}

fn rows(live: Option<Digest>, applied: Vec<Applied>, ran: &[(Digest, String)]) -> Vec<Row> {
    let releases = |version: &Digest| -> Vec<String> {
        let those = ran.iter().filter(|(other, _)| other == version);
        those.map(|(_, title)| title.clone()).collect()
    };
    let mut rows: Vec<Row> = Vec::new();
    // Only the newest application of a version can be the live one, and only
    // there its releases are named.
    for one in applied {
        let first = !rows.iter().any(|row| row.version == one.version);
        rows.push(Row {
            live: first && live.as_ref() == Some(&one.version),
            releases: if first {
                releases(&one.version)
            } else {
                Vec::new()
            },
            version: one.version,
            at: Some(one.at),
            by: Some(one.by),
            reason: one.reason,
            previous: one.previous,
        });
    }
    let noted = |version: &Digest, rows: &[Row]| rows.iter().any(|row| &row.version == version);
    let unnoted = live.iter().chain(ran.iter().map(|(version, _)| version));
    let mut older: Vec<Digest> = Vec::new();
    for version in unnoted {
        if !noted(version, &rows) && !older.contains(version) {
            older.push(version.clone());
        }
    }
    for version in older {
        rows.push(Row {
            live: live.as_ref() == Some(&version),
            releases: releases(&version),
            version,
            at: None,
            by: None,
            reason: None,
            previous: None,
        });
    }
    rows
}

fn told(rows: &[Row]) -> String {
    let head = ["version", "", "when", "by", "releases", "reason"];
    let cells = rows.iter().map(|row| {
        let releases = match row.releases.as_slice() {
            [] => "-".to_owned(),
            [one] => line(one),
            [newest, .., oldest] => format!(
                "{} to {}",
                line(oldest),
                newest.rsplit_once('#').map_or(newest.as_str(), |(_, n)| n)
            ),
        };
        let live = if row.live {
            paint(GOOD, "live")
        } else {
            String::new()
        };
        vec![
            row.version.short().to_owned(),
            live,
            row.at.map_or_else(|| "not noted".to_owned(), utc),
            row.by.as_deref().map_or_else(|| "-".to_owned(), line),
            releases,
            row.reason
                .as_deref()
                .map_or_else(String::new, |text| short_line(text, 60)),
        ]
    });
    drawn(&head, cells.collect(), &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::{Example, plain};
    use gatewright_aws::store::Seen;
    use gatewright_domain::after;
    use gatewright_domain::pipeline::Seconds;
    use gatewright_fakes::definition;

    #[tokio::test]
    async fn versions_say_who_when_why_and_which_is_live() {
        // The first version was applied before anybody noted who did it.
        let example = Example::waiting_for_approval().await;
        let (store, mut definition) = (&example.store, definition());
        definition.budget = Seconds(900_000);
        let live = store.live(&definition.id).await.unwrap();
        let by = ("lena@example.com".to_owned(), Some("CAB-2291".to_owned()));
        let at = example.now();
        store
            .apply_by(&definition, live.as_ref(), by, at)
            .await
            .unwrap();
        let rows = versions(store, &definition.id, 20).await.unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].live, rows[1].live), (true, false));
        assert_eq!(rows[0].previous.as_ref(), Some(&rows[1].version));
        assert_eq!(rows[1].releases, ["pl-gps-001#1"]);
        let told = plain(&told(&rows));
        assert!(
            told.contains("lena@example.com")
                && told.contains("CAB-2291")
                && told.contains("not noted"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn a_version_that_was_applied_twice_is_live_once() {
        let example = Example::waiting_for_approval().await;
        let (store, first) = (&example.store, definition());
        let mut second = first.clone();
        second.budget = Seconds(900_000);
        for (step, definition) in [&second, &first, &second].into_iter().enumerate() {
            let live = store.live(&first.id).await.unwrap();
            let at = after(example.now(), i64::try_from(step).unwrap());
            let by = ("lena".to_owned(), None);
            store
                .apply_by(definition, live.as_ref(), by, at)
                .await
                .unwrap();
        }
        let rows = versions(store, &first.id, 20).await.unwrap();
        let live: Vec<bool> = rows.iter().map(|row| row.live).collect();
        assert_eq!(live, [true, false, false]);
        assert_eq!(rows[1].releases, ["pl-gps-001#1"]);
    }

    #[tokio::test]
    async fn what_somebody_else_applied_since_is_not_overwritten() {
        let example = Example::waiting_for_approval().await;
        let (store, definition) = (&example.store, definition());
        let seen: Option<Seen<_>> = store.live(&definition.id).await.unwrap();
        let by = || ("lena".to_owned(), None);
        let (at, later) = (example.now(), after(example.now(), 1));
        store
            .apply_by(&definition, seen.as_ref(), by(), at)
            .await
            .unwrap();
        let again = store
            .apply_by(&definition, seen.as_ref(), by(), later)
            .await;
        assert!(again.unwrap_err().is_conflict());
    }
}
