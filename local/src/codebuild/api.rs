//! The operations of CodeBuild's API.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::HeaderMap,
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeBuild, STOP_WITHIN, faults::CodeBuildFaults, model::Report, run, start::StartBuild,
    store::TokenUse,
};
use crate::{
    aws_json::{self, AwsError, answer, parse},
    sync::locked,
};

/// The most ids one batch request may hold, and a page of `ListBuilds`.
const BATCH: usize = 100;

/// The routes of the API and of the switches.
pub(super) fn router() -> Router<Arc<CodeBuild>> {
    Router::new()
        .route("/codebuild", post(call))
        .route("/codebuild/", post(call))
        .route("/codebuild/_faults", get(faults_left).post(set_faults))
}

async fn set_faults(
    State(codebuild): State<Arc<CodeBuild>>,
    Json(faults): Json<CodeBuildFaults>,
) -> Json<CodeBuildFaults> {
    codebuild.switches.set(faults);
    Json(codebuild.switches.left())
}

async fn faults_left(State(codebuild): State<Arc<CodeBuild>>) -> Json<CodeBuildFaults> {
    Json(codebuild.switches.left())
}

async fn call(
    State(codebuild): State<Arc<CodeBuild>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(operation) = aws_json::operation(&headers, "CodeBuild_20161006") else {
        return answer(Err(unknown("")));
    };
    if codebuild.switches.throttle() {
        return answer(Err(AwsError::new("ThrottlingException", "Rate exceeded")));
    }
    answer(match operation {
        "StartBuild" => codebuild.start_build(&body),
        "StopBuild" => codebuild.stop_build(&body).await,
        "BatchGetBuilds" => codebuild.batch_get_builds(&body),
        "BatchGetReports" => codebuild.batch_get_reports(&body),
        "ListBuilds" => codebuild.list_builds(&body),
        other => Err(unknown(other)),
    })
}

fn unknown(operation: &str) -> AwsError {
    AwsError::new(
        "UnknownOperationException",
        format!(
            "the laptop stand-in for CodeBuild does not know the operation {operation:?}; it knows StartBuild, StopBuild, BatchGetBuilds, BatchGetReports and ListBuilds"
        ),
    )
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidInputException", message)
}

impl CodeBuild {
    fn start_build(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: StartBuild = parse(body)?;
        request.check()?;
        let parameters: Value = parse(body)?;
        let token = (request.idempotency_token.as_deref()).map(|token| (token, &parameters));
        let project = parameters["projectName"].as_str().unwrap_or_default();
        let added = self.store.add(project, token, |number| {
            request.submit(&self.shared, number, self.switches.draw())
        });
        let entry = match added {
            Ok(entry) => entry,
            Err(TokenUse::Same(id)) => return self.build(&id),
            Err(_) => {
                return Err(invalid(
                    "the idempotencyToken was used before with other parameters",
                ));
            }
        };
        let build = entry.snapshot();
        entry.announcer.announce(&self.shared.outbox, &build);
        let plan = request.plan(self.shared.settings.minute);
        (self.tasks).spawn(run::run(Arc::clone(&self.shared), entry, plan));
        Ok(json!({"build": build}))
    }

    fn build(&self, id: &str) -> Result<Value, AwsError> {
        let entry = self.store.find(id).ok_or_else(|| no_build(id))?;
        Ok(json!({"build": entry.snapshot()}))
    }

    async fn stop_build(&self, body: &[u8]) -> Result<Value, AwsError> {
        let Id { id } = parse(body)?;
        let entry = self.store.find(&id).ok_or_else(|| no_build(&id))?;
        Ok(json!({"build": entry.stop(STOP_WITHIN).await}))
    }

    fn batch_get_builds(&self, body: &[u8]) -> Result<Value, AwsError> {
        let Ids { ids } = parse(body)?;
        if ids.is_empty() || ids.len() > BATCH {
            return Err(invalid(format!("ids must hold from 1 to {BATCH} ids")));
        }
        let (mut builds, mut not_found) = (vec![], vec![]);
        for id in ids {
            match self.store.find(&id) {
                Some(entry) => builds.push(entry.snapshot()),
                None => not_found.push(id),
            }
        }
        Ok(json!({"builds": builds, "buildsNotFound": not_found}))
    }

    fn batch_get_reports(&self, body: &[u8]) -> Result<Value, AwsError> {
        let ReportArns { report_arns } = parse(body)?;
        if report_arns.is_empty() || report_arns.len() > BATCH {
            return Err(invalid(format!(
                "reportArns must hold from 1 to {BATCH} ARNs"
            )));
        }
        let known: Vec<Report> = (self.store.all().iter())
            .flat_map(|entry| locked(&entry.reports).clone())
            .collect();
        let (mut reports, mut not_found) = (vec![], vec![]);
        for arn in report_arns {
            match known.iter().find(|report| report.arn == arn) {
                Some(report) => reports.push(report),
                None => not_found.push(arn),
            }
        }
        Ok(json!({"reports": reports, "reportsNotFound": not_found}))
    }

    fn list_builds(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: ListBuilds = parse(body)?;
        let mut ids: Vec<String> = (self.store.all().iter())
            .map(|entry| entry.build.borrow().id.clone())
            .collect();
        if request.sort_order.as_deref() != Some("ASCENDING") {
            ids.reverse();
        }
        let start = match &request.next_token {
            None => 0,
            // The token is the last id of the page before, so that builds
            // started meanwhile shift nothing.
            Some(last) => {
                let found = ids.iter().position(|id| id == last);
                1 + found.ok_or_else(|| invalid("nextToken is not one of this operation's"))?
            }
        };
        let page = &ids[start..ids.len().min(start + BATCH)];
        let mut result = json!({"ids": page});
        if let (Some(last), true) = (page.last(), start + BATCH < ids.len()) {
            result["nextToken"] = last.as_str().into();
        }
        Ok(result)
    }
}

fn no_build(id: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        format!("there is no build {id}"),
    )
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReportArns {
    report_arns: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListBuilds {
    sort_order: Option<String>,
    next_token: Option<String>,
}
