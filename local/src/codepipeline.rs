//! CodePipeline, as far as a release asks it: which action started an execution,
//! and whether it still waits. Whoever plays CodePipeline says so with `POST
//! /codepipeline/_actions`; unlike the real one, it starts and polls nothing.

use crate::aws_json::{AwsError, answer, parse};
use crate::sync::locked;
use axum::{
    Json, Router, body::Bytes, extract::State, http::HeaderMap, response::Response, routing::post,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// An action of a pipeline's execution, as it is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's execution.
    pub execution: String,
    /// The ARN of the state machine's execution that it started.
    pub external_execution_id: String,
    /// `InProgress`, `Succeeded`, `Failed` or `Abandoned`.
    pub status: String,
}

/// The stand-in.
#[derive(Debug, Default)]
pub(crate) struct CodePipeline {
    actions: Mutex<Vec<Action>>,
}

/// Its routes.
pub(crate) fn router(standin: Arc<CodePipeline>) -> Router {
    Router::new()
        .route("/codepipeline", post(call))
        .route("/codepipeline/", post(call))
        .route("/codepipeline/_actions", post(put))
        .with_state(standin)
}

/// An action begins, or changes its status.
async fn put(State(standin): State<Arc<CodePipeline>>, Json(action): Json<Action>) -> Json<Value> {
    let mut actions = locked(&standin.actions);
    actions.retain(|known| known.external_execution_id != action.external_execution_id);
    actions.push(action);
    Json(json!({ "actions": actions.len() }))
}

async fn call(
    State(standin): State<Arc<CodePipeline>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    answer(match target.rsplit('.').next() {
        Some("ListActionExecutions") => standin.list(&body),
        _ => Err(AwsError::internal(format!("{target} is not played here"))),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    pipeline_name: String,
    filter: Option<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    pipeline_execution_id: Option<String>,
}

impl CodePipeline {
    fn list(&self, body: &[u8]) -> Result<Value, AwsError> {
        let asked: List = parse(body)?;
        let execution = asked.filter.and_then(|filter| filter.pipeline_execution_id);
        let actions = locked(&self.actions);
        let mut of_pipeline = actions
            .iter()
            .filter(|a| a.pipeline == asked.pipeline_name)
            .peekable();
        if of_pipeline.peek().is_none() {
            let why = format!("there is no pipeline {:?}", asked.pipeline_name);
            return Err(AwsError::new("PipelineNotFoundException", why));
        }
        let mut found: Vec<Value> = of_pipeline
            .filter(|action| execution.as_ref().is_none_or(|id| id == &action.execution))
            .map(detail)
            .collect();
        if let (Some(id), true) = (&execution, found.is_empty()) {
            let why = format!("there is no execution {id:?}");
            return Err(AwsError::new("PipelineExecutionNotFoundException", why));
        }
        found.reverse();
        Ok(json!({ "actionExecutionDetails": found }))
    }
}

fn detail(action: &Action) -> Value {
    json!({
        "pipelineExecutionId": action.execution,
        "stageName": "Release",
        "actionName": "Gatewright",
        "status": action.status,
        "output": { "executionResult": { "externalExecutionId": action.external_execution_id } },
    })
}
