//! A stand-in for n8n: an instance for each environment, under its own address
//! `/n8n/<environment>`, as far as deploying workflows sees it (n8n's public
//! API, `/api/v1/workflows`).
//!
//! It keeps workflows, checks them as n8n does when they are saved, and runs
//! none. Who calls must send the instance's key in `X-N8N-API-KEY`; builds get
//! it from Secrets Manager. `/n8n` shows what is deployed where.

mod check;
mod store;

use std::sync::Arc;

use askama::Template;
use axum::{
    Json, Router,
    body::{Bytes, to_bytes},
    extract::{Path, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::keys::{Keys, is_name};
use store::{Store, Workflow};

/// What the keys of instances are filed under.
pub(crate) const SERVICE: &str = "n8n";

/// The largest request taken, in bytes: n8n's own default, 16 MiB.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Every instance.
pub(crate) struct N8n {
    store: Store,
    keys: Arc<Keys>,
}

impl N8n {
    /// The instances kept in `folder`.
    pub(crate) fn new(folder: std::path::PathBuf, keys: Arc<Keys>) -> Self {
        Self {
            store: Store::new(folder),
            keys,
        }
    }
}

/// The routes under `/n8n`.
pub(crate) fn router(n8n: Arc<N8n>) -> Router {
    let api = Router::new()
        .route("/n8n/{environment}/api/v1/workflows", get(list).post(add))
        .route(
            "/n8n/{environment}/api/v1/workflows/{id}",
            get(show).put(change).delete(remove),
        )
        .route(
            "/n8n/{environment}/api/v1/workflows/{id}/activate",
            post(activate),
        )
        .route(
            "/n8n/{environment}/api/v1/workflows/{id}/deactivate",
            post(deactivate),
        )
        .layer(middleware::from_fn_with_state(
            Arc::clone(&n8n),
            only_with_key,
        ));
    Router::new()
        .route("/n8n", get(page))
        .route("/n8n.json", get(everything))
        .route("/n8n/{environment}/healthz", get(health))
        .merge(api)
        .with_state(n8n)
}

/// An answer of the API that is not 2xx.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"message": self.1}))).into_response()
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message.into())
}

fn missing() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "Not Found".to_owned())
}

/// Lets in who has the instance's key.
///
/// The body is read first, whatever comes of it: a server that answers before it
/// has read a request closes the connection, and a client that keeps it would
/// find its next call cut off, now and then.
async fn only_with_key(State(n8n): State<Arc<N8n>>, request: Request, next: Next) -> Response {
    let environment = (request.uri().path().split('/').nth(2)).unwrap_or_default();
    let given = (request.headers().get("x-n8n-api-key")).and_then(|value| value.to_str().ok());
    let refused = match given {
        None => Some("'X-N8N-API-KEY' header required"),
        Some(key) if n8n.keys.admits(SERVICE, environment, key) => None,
        Some(_) => Some("unauthorized"),
    };
    let (head, body) = request.into_parts();
    let body = match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => body,
        Err(error) => {
            let text = format!("request entity too large, or cut off: {error}");
            return Refusal(StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
    };
    match refused {
        Some(why) => Refusal(StatusCode::UNAUTHORIZED, why.to_owned()).into_response(),
        None => next.run(Request::from_parts(head, body.into())).await,
    }
}

async fn health(Path(environment): Path<String>) -> Response {
    match is_name(&environment) {
        true => Json(json!({"status": "ok"})).into_response(),
        false => missing().into_response(),
    }
}

async fn list(State(n8n): State<Arc<N8n>>, Path(environment): Path<String>) -> Json<Value> {
    Json(json!({"data": n8n.store.read(&environment), "nextCursor": null}))
}

async fn show(
    State(n8n): State<Arc<N8n>>,
    Path((environment, id)): Path<(String, String)>,
) -> Result<Json<Workflow>, Refusal> {
    let all = n8n.store.read(&environment);
    (all.into_iter().find(|one| one.id == id))
        .map(Json)
        .ok_or_else(missing)
}

/// The body as a workflow, refused as n8n refuses.
fn saved(body: &[u8]) -> Result<serde_json::Map<String, Value>, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| bad(format!("request body is not JSON: {error}")))?;
    check::saved(value).map_err(bad)
}

async fn add(
    State(n8n): State<Arc<N8n>>,
    Path(environment): Path<String>,
    body: Bytes,
) -> Result<Json<Workflow>, Refusal> {
    let content = saved(&body)?;
    let made = n8n.store.change(&environment, |all| {
        let workflow = Workflow::new(content);
        all.push(workflow.clone());
        workflow
    })?;
    Ok(Json(made))
}

async fn change(
    State(n8n): State<Arc<N8n>>,
    Path((environment, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Workflow>, Refusal> {
    let content = saved(&body)?;
    let changed = n8n.store.change(&environment, |all| {
        let workflow = all.iter_mut().find(|one| one.id == id)?;
        workflow.replace(content);
        Some(workflow.clone())
    })?;
    changed.map(Json).ok_or_else(missing)
}

async fn remove(
    State(n8n): State<Arc<N8n>>,
    Path((environment, id)): Path<(String, String)>,
) -> Result<Json<Workflow>, Refusal> {
    let removed = n8n.store.change(&environment, |all| {
        let index = all.iter().position(|one| one.id == id)?;
        Some(all.remove(index))
    })?;
    removed.map(Json).ok_or_else(missing)
}

async fn activate(
    State(n8n): State<Arc<N8n>>,
    Path(place): Path<(String, String)>,
) -> Result<Json<Workflow>, Refusal> {
    switch(&n8n, place, true)
}

async fn deactivate(
    State(n8n): State<Arc<N8n>>,
    Path(place): Path<(String, String)>,
) -> Result<Json<Workflow>, Refusal> {
    switch(&n8n, place, false)
}

fn switch(
    n8n: &N8n,
    (environment, id): (String, String),
    active: bool,
) -> Result<Json<Workflow>, Refusal> {
    let switched = n8n.store.change(&environment, |all| {
        let Some(workflow) = all.iter_mut().find(|one| one.id == id) else {
            return Err(missing());
        };
        if active && !check::can_start(&workflow.content) {
            return Err(bad(
                "Workflow could not be activated: it has no node to start it; at least one trigger, poller or webhook node is required",
            ));
        }
        workflow.active = active;
        Ok(workflow.clone())
    })?;
    switched.map(Json)
}

struct Row {
    name: String,
    active: bool,
    nodes: usize,
    saved: u64,
    updated_at: String,
}

struct Shown {
    environment: String,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "n8n.html")]
struct Page {
    instances: Vec<Shown>,
}

fn row(workflow: &Workflow) -> Row {
    let nodes = workflow.content.get("nodes").and_then(Value::as_array);
    Row {
        name: workflow.name().to_owned(),
        active: workflow.active,
        nodes: nodes.map_or(0, Vec::len),
        saved: workflow.version_counter,
        updated_at: workflow.updated_at.clone(),
    }
}

async fn page(State(n8n): State<Arc<N8n>>) -> Response {
    let instances = (n8n.store.environments().into_iter())
        .map(|environment| Shown {
            rows: n8n.store.read(&environment).iter().map(row).collect(),
            environment,
        })
        .collect();
    match (Page { instances }).render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Everything, without a key: it is this laptop's, as the page is.
async fn everything(State(n8n): State<Arc<N8n>>) -> Json<Value> {
    let instances: serde_json::Map<String, Value> = (n8n.store.environments().into_iter())
        .map(|environment| {
            let workflows = json!(n8n.store.read(&environment));
            (environment, workflows)
        })
        .collect();
    Json(json!({"standIn": "n8n", "instances": instances}))
}
