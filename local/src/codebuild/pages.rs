//! Logs and the list of builds, for people and for tools.

use std::sync::Arc;

use askama::Template;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    CodeBuild, log,
    model::{Build, api_name},
};
use crate::{ids, sync::locked};

/// Says up to which byte a log was sent: the next request's `offset`.
const NEXT_OFFSET: &str = "x-log-next-offset";

/// Says whether anything can still be added to the log.
const COMPLETE: &str = "x-log-complete";

/// The routes of the pages.
pub(super) fn router() -> Router<Arc<CodeBuild>> {
    Router::new()
        .route("/codebuild/builds", get(builds))
        .route("/codebuild/logs/{id}", get(log_text))
}

#[derive(Deserialize)]
struct Offset {
    #[serde(default)]
    offset: usize,
}

/// The log as text, from a byte on.
async fn log_text(
    State(codebuild): State<Arc<CodeBuild>>,
    Path(id): Path<String>,
    Query(Offset { offset }): Query<Offset>,
) -> Response {
    let Some(entry) = codebuild.store.find(&id) else {
        let text = format!("The laptop stand-in for CodeBuild knows no build {id}.\n");
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    // Asked before the file is read: what is written in between is in it.
    let complete = entry.build.borrow().build_complete;
    let secrets = locked(&entry.secrets).clone();
    // No file yet is an empty log: the build has only just been submitted.
    let bytes = log::read_masked(&entry.folders.log(), &secrets, offset).unwrap_or_default();
    let headers = [
        (
            header::CONTENT_TYPE.as_str(),
            "text/plain; charset=utf-8".to_owned(),
        ),
        (NEXT_OFFSET, (offset + bytes.len()).to_string()),
        (COMPLETE, complete.to_string()),
    ];
    (headers, bytes).into_response()
}

#[derive(Template)]
#[template(path = "builds.html")]
struct BuildsPage {
    rows: Vec<Row>,
}

struct Row {
    number: u64,
    project: String,
    status: String,
    phase: String,
    started: String,
    log: String,
}

impl Row {
    fn of(build: &Build) -> Self {
        Self {
            number: build.build_number,
            project: build.project_name.clone(),
            status: api_name(&build.build_status),
            phase: api_name(&build.current_phase),
            started: ids::event_time(build.start_time),
            log: build.logs.deep_link.clone(),
        }
    }
}

/// The builds, newest first: a page, or JSON for whoever accepts it.
async fn builds(State(codebuild): State<Arc<CodeBuild>>, headers: HeaderMap) -> Response {
    let mut builds: Vec<Build> = (codebuild.store.all().iter())
        .map(|entry| entry.snapshot())
        .collect();
    builds.reverse();
    let wants_json = (headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok()))
    .is_some_and(|accept| accept.contains("application/json"));
    if wants_json {
        return Json(json!({"standIn": "CodeBuild", "builds": builds})).into_response();
    }
    let rows = builds.iter().map(Row::of).collect();
    match (BuildsPage { rows }).render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
