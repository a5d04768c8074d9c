//! `gatewright history`.

use crate::args::History as Args;
use crate::connect::reach;
use crate::error::{Code, Failed};
use crate::out::Out;
use crate::table;
use gatewright_aws::Store;
use gatewright_aws::store::StoreError;
use gatewright_aws::table::Table;
use gatewright_domain::approval::Choice;
use gatewright_domain::people::Directory;
use gatewright_domain::release::{Deployment, Failure, Head, Status};
use gatewright_domain::text::spoken;
use gatewright_domain::undo::RolledBack;
use gatewright_domain::{PipelineId, ReleaseId, Timestamp};
use gatewright_views::asked::name;
use gatewright_views::text::{line, listed, short_line, utc};
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// A release in the list. Its JSON is described in `args::help`.
#[derive(Debug, Serialize)]
pub struct Row {
    title: String,
    release: ReleaseId,
    number: Option<u64>,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    seconds: Option<i64>,
    commit: Option<String>,
    status: Status,
    approved_by: Vec<String>,
    failure: Option<Failure>,
}

/// Lists releases, or deployments.
///
/// # Errors
/// When the record cannot be read, or there is no such pipeline or environment.
pub async fn run(args: &Args, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let pipelines = match &args.pipeline {
        Some(named) => {
            reach.machine(named)?;
            vec![
                named
                    .parse()
                    .map_err(|error| Failed::usage(format!("{error}")))?,
            ]
        }
        None => reach.pipelines(),
    };
    let (head, rows) = match &args.environment {
        Some(environment) if args.rollbacks => {
            let all = rollbacks(&reach.store, &pipelines, environment, args.limit).await?;
            if out.json {
                out.json(&json!({ "rollbacks": all }));
                return Ok(Code::Done);
            }
            (ROLLBACKS, all.iter().map(cells_of_rollback).collect())
        }
        Some(environment) => {
            let all = deployments(&reach.store, &pipelines, environment, args.limit).await?;
            if out.json {
                out.json(&json!({ "deployments": all }));
                return Ok(Code::Done);
            }
            (DEPLOYMENTS, all.iter().map(cells_of_deployment).collect())
        }
        None => {
            let all = releases(&reach.store, &pipelines, args.limit).await?;
            if out.json {
                out.json(&json!({ "releases": all }));
                return Ok(Code::Done);
            }
            (RELEASES, all.iter().map(cells).collect::<Vec<_>>())
        }
    };
    if args.csv {
        out.raw(&csv(head, &rows));
    } else if rows.is_empty() {
        out.aside("nothing yet");
    } else {
        let numbers: &[usize] = if args.rollbacks { &[] } else { &[5] };
        out.line(table::drawn(head, rows, numbers));
    }
    Ok(Code::Done)
}

const RELEASES: &[&str] = &[
    "release",
    "when",
    "commit",
    "status",
    "approved by",
    "duration",
];
const DEPLOYMENTS: &[&str] = &["environment", "when", "release", "commit", "digest", "lock"];

const ROLLBACKS: &[&str] = &[
    "environment",
    "when",
    "by",
    "from",
    "to",
    "recovered in",
    "why",
    "what became of it",
];

/// A pipeline's releases, newest first.
///
/// # Errors
/// When the record cannot be read.
pub async fn releases<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    limit: u32,
) -> Result<Vec<Row>, Failed> {
    let directory = match store.directory().await {
        Ok(seen) => seen.value,
        Err(StoreError::Missing(_)) => Directory::default(),
        Err(error) => return Err(error.into()),
    };
    let mut rows = Vec::new();
    for pipeline in pipelines {
        for id in store.releases_of(pipeline, None, limit).await? {
            if let Some(seen) = store.head(&id).await? {
                let by = approved_by(store, &id, &directory).await?;
                rows.push(row(seen.value, by));
            }
        }
    }
    Ok(rows)
}

pub(super) async fn approved_by<T: Table>(
    store: &Store<T>,
    id: &ReleaseId,
    directory: &Directory,
) -> Result<Vec<String>, Failed> {
    let mut by = Vec::new();
    for request in store.approvals(id).await? {
        let mut decisions = store.decisions(id, request.index).await?;
        decisions.sort_by_key(|decision| decision.at);
        let approvals = decisions.iter().filter(|d| d.choice == Choice::Approve);
        by.extend(approvals.map(|d| name(directory, &d.person)));
    }
    by.dedup();
    Ok(by)
}

fn row(head: Head, approved_by: Vec<String>) -> Row {
    let seconds = head
        .ended_at
        .map(|end| end.as_second() - head.started_at.as_second());
    Row {
        title: head.title(),
        number: head.number,
        started_at: head.started_at,
        ended_at: head.ended_at,
        seconds,
        commit: head.trigger.map(|trigger| trigger.commit.into()),
        status: head.status,
        approved_by,
        failure: head.failure,
        release: head.release,
    }
}

/// The deployments of an environment, newest first.
///
/// # Errors
/// When the record cannot be read or the name is none.
pub async fn deployments<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    environment: &str,
    limit: u32,
) -> Result<Vec<Deployment>, Failed> {
    let environment = environment
        .parse()
        .map_err(|e| Failed::usage(format!("{e}")))?;
    let mut all = Vec::new();
    for pipeline in pipelines {
        all.extend(store.deployments(pipeline, &environment, limit).await?);
    }
    Ok(all)
}

/// The rollbacks of an environment, newest first.
///
/// # Errors
/// When the record cannot be read or the name is none.
pub async fn rollbacks<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    environment: &str,
    limit: u32,
) -> Result<Vec<RolledBack>, Failed> {
    let environment = environment
        .parse()
        .map_err(|e| Failed::usage(format!("{e}")))?;
    let mut all = Vec::new();
    for pipeline in pipelines {
        let rollbacks = store.rollbacks(pipeline, &environment, limit).await?;
        all.extend(rollbacks.into_iter().map(|seen| seen.value));
    }
    Ok(all)
}

fn cells_of_rollback(rolled: &RolledBack) -> Vec<String> {
    let became = match &rolled.resolution {
        Some(resolution) => short_line(&resolution.text, 200),
        None => String::new(),
    };
    vec![
        rolled.environment.to_string(),
        utc(rolled.at),
        rolled.by.as_deref().map_or("automatic".to_owned(), line),
        line(&rolled.from.title),
        line(&rolled.to.title),
        spoken(rolled.seconds),
        short_line(&rolled.why, 200),
        became,
    ]
}

fn cells(row: &Row) -> Vec<String> {
    let commit = row.commit.as_deref().and_then(|commit| commit.get(..8));
    vec![
        line(&row.title),
        utc(row.started_at),
        commit.unwrap_or_default().to_owned(),
        row.status.to_string(),
        listed(&row.approved_by),
        row.seconds.map_or_else(String::new, spoken),
    ]
}

fn cells_of_deployment(deployment: &Deployment) -> Vec<String> {
    vec![
        deployment.environment.to_string(),
        utc(deployment.at),
        line(&deployment.title),
        deployment.commit.short().to_owned(),
        deployment.digest().short().to_owned(),
        deployment.fencing.to_string(),
    ]
}

/// RFC 4180. A value that a spreadsheet would take for a formula gets an
/// apostrophe, since names and titles come from files that others may write.
fn csv(head: &[&str], rows: &[Vec<String>]) -> String {
    let field = |text: &str| {
        let formula = text.starts_with(['=', '+', '-', '@']);
        let text = if formula {
            format!("'{text}")
        } else {
            text.to_owned()
        };
        if text.contains([',', '"', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let record = |fields: Vec<String>| format!("{}\r\n", fields.join(","));
    let mut all = record(head.iter().map(|name| field(name)).collect());
    for row in rows {
        all.push_str(&record(row.iter().map(|text| field(text)).collect()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::Example;

    async fn rows() -> Vec<Row> {
        let example = Example::low_coverage().await;
        releases(&example.store, &["pl-gps-001".parse().unwrap()], 10)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn releases_come_as_an_aligned_table() {
        let rows = rows().await.iter().map(cells).collect();
        insta::assert_snapshot!(table::drawn(RELEASES, rows, &[5]));
    }

    #[tokio::test]
    async fn deployments_are_listed_by_environment() {
        let example = Example::waiting_for_approval().await;
        let of = async |environment: &str| {
            let pipelines = ["pl-gps-001".parse().unwrap()];
            deployments(&example.store, &pipelines, environment, 10).await
        };
        assert_eq!(of("staging").await.unwrap().len(), 1);
        assert_eq!(of("production").await.unwrap().len(), 0);
        assert_eq!(of("No Such").await.unwrap_err().code, Code::Usage);
    }

    #[test]
    fn csv_is_quoted_and_holds_no_formula() {
        let rows = vec![vec![
            "a, b".to_owned(),
            "say \"x\"".to_owned(),
            "=1+1".to_owned(),
        ]];
        let expected = "one,two,three\r\n\"a, b\",\"say \"\"x\"\"\",'=1+1\r\n";
        assert_eq!(csv(&["one", "two", "three"], &rows), expected);
    }
}
