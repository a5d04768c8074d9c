//! `gatewright history`.

mod sheet;

use crate::args::History as Args;
use crate::connect::reach;
use crate::error::{Code, Failed};
use crate::out::Out;
use gatewright_aws::Store;
use gatewright_aws::store::StoreError;
use gatewright_aws::table::Table;
use gatewright_domain::approval::Choice;
use gatewright_domain::people::Directory;
use gatewright_domain::release::{Deployment, Failure, Head, Status};
use gatewright_domain::undo::RolledBack;
use gatewright_domain::{PipelineId, ReleaseId, Timestamp};
use gatewright_views::asked::name;
use serde::Serialize;
use serde_json::json;
use sheet::{For, Sheet};
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

/// A deployment in the list.
#[derive(Debug, Serialize)]
pub struct Ran {
    #[serde(flatten)]
    deployment: Deployment,
    /// The title of the release whose version it brought back, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_title: Option<String>,
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
    let whom = if args.csv { For::Csv } else { For::People };
    let sheet = match &args.environment {
        Some(environment) if args.rollbacks => {
            let all = rollbacks(&reach.store, &pipelines, environment, args.limit).await?;
            if out.json {
                out.json(&json!({ "rollbacks": all }));
                return Ok(Code::Done);
            }
            Sheet::of_rollbacks(&all, whom)
        }
        Some(environment) => {
            let all = deployments(&reach.store, &pipelines, environment, args.limit).await?;
            if out.json {
                out.json(&json!({ "deployments": all }));
                return Ok(Code::Done);
            }
            Sheet::of_deployments(&all, whom)
        }
        None => {
            let all = releases(&reach.store, &pipelines, args.limit).await?;
            if out.json {
                out.json(&json!({ "releases": all }));
                return Ok(Code::Done);
            }
            Sheet::of_releases(&all, whom)
        }
    };
    if args.csv {
        out.raw(&sheet.csv());
    } else if sheet.is_empty() {
        out.aside("nothing yet");
    } else {
        out.line(sheet.table());
    }
    Ok(Code::Done)
}

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
) -> Result<Vec<Ran>, Failed> {
    let environment = environment
        .parse()
        .map_err(|e| Failed::usage(format!("{e}")))?;
    let mut all = Vec::new();
    for pipeline in pipelines {
        for deployment in store.deployments(pipeline, &environment, limit).await? {
            let restored_title = match &deployment.restored {
                Some(release) => {
                    let head = store.head(release).await?.map(|seen| seen.value);
                    Some(head.map_or_else(|| release.to_string(), |head| head.title()))
                }
                None => None,
            };
            all.push(Ran {
                deployment,
                restored_title,
            });
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::Example;
    use gatewright_aws::store::deployment_write;

    async fn rows() -> Vec<Row> {
        let example = Example::low_coverage().await;
        releases(&example.store, &["pl-gps-001".parse().unwrap()], 10)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn releases_come_as_an_aligned_table() {
        let rows = rows().await;
        insta::assert_snapshot!(Sheet::of_releases(&rows, For::People).table());
        let csv = Sheet::of_releases(&rows, For::Csv).csv();
        assert!(csv.starts_with("release,when,commit,status,approved by,seconds\r\n"));
        assert!(csv.ends_with(",failed-clean,,14\r\n"), "{csv}");
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

    #[tokio::test]
    async fn what_was_brought_back_is_said_with_who_did() {
        let example = Example::two_on_staging().await;
        let pipelines = ["pl-gps-001".parse().unwrap()];
        let staging = "staging".parse().unwrap();
        let ran = example.store.deployments(&pipelines[0], &staging, 9).await;
        let [second, first] = &ran.unwrap()[..] else {
            panic!("two ran");
        };
        let back = Deployment {
            artifacts: first.artifacts.clone(),
            restored: Some(first.release.clone()),
            at: example.now(),
            ..second.clone()
        };
        let written = vec![deployment_write(&back).unwrap()];
        example.store.table().write(written).await.unwrap();
        let all = deployments(&example.store, &pipelines, "staging", 10).await;
        let all = all.unwrap();
        let table = Sheet::of_deployments(&all, For::People).table();
        let said = "pl-gps-001#2 brought pl-gps-001#1 back";
        assert_eq!(table.matches("brought").count(), 1, "{table}");
        assert!(table.contains(said), "{table}");
        let csv = Sheet::of_deployments(&all, For::Csv).csv();
        assert!(csv.contains(",1,pl-gps-001#1\r\n"), "{csv}");
        let document = serde_json::to_value(&all).unwrap();
        assert_eq!(document[0]["restored"], "cp-1");
        assert_eq!(document[0]["restored_title"], "pl-gps-001#1");
        assert!(document[1]["restored_title"].is_null());
    }
}
