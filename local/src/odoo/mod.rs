//! A stand-in for Odoo instances, as far as a release sees them: one for each
//! database, with the versions of its modules and the migrations that ran.
//!
//! `odoo-bin` (`tools/odoo_bin.rs`) does the work inside a build and reports here.
//! An instance answers `web/health` and, of the external API (JSON-RPC), what a
//! smoke test asks: who am I, and which modules are installed.

mod rpc;
mod store;

use std::sync::Arc;

use askama::Template;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::keys::Keys;
use store::Store;
pub(crate) use store::{Instance, ModuleUpdate, Update};

/// What the keys of instances are filed under.
pub(crate) const SERVICE: &str = "odoo";

/// Every instance.
pub(crate) struct Odoo {
    store: Store,
    keys: Arc<Keys>,
}

impl Odoo {
    /// The instances kept in `folder`.
    pub(crate) fn new(folder: std::path::PathBuf, keys: Arc<Keys>) -> Self {
        Self {
            store: Store::new(folder),
            keys,
        }
    }
}

/// The routes under `/odoo`.
pub(crate) fn router(odoo: Arc<Odoo>) -> Router {
    Router::new()
        .route("/odoo", get(page))
        .route("/odoo.json", get(everything))
        .route("/odoo/{database}/state", get(state))
        .route("/odoo/{database}/update", post(update))
        .route("/odoo/{database}/web/health", get(health))
        .route("/odoo/{database}/jsonrpc", post(rpc::call))
        .with_state(odoo)
}

#[derive(Template)]
#[template(path = "odoo.html")]
struct Page {
    instances: Vec<Instance>,
}

async fn page(State(odoo): State<Arc<Odoo>>) -> Response {
    let instances = odoo.store.all();
    match (Page { instances }).render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn everything(State(odoo): State<Arc<Odoo>>) -> Response {
    Json(json!({"standIn": "Odoo", "instances": odoo.store.all()})).into_response()
}

async fn state(State(odoo): State<Arc<Odoo>>, Path(database): Path<String>) -> Json<Instance> {
    Json(odoo.store.read(&database))
}

async fn update(
    State(odoo): State<Arc<Odoo>>,
    Path(database): Path<String>,
    Json(update): Json<Update>,
) -> Response {
    match odoo.store.update(&database, update) {
        Ok(instance) => Json(instance).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

/// `pass` once something is installed: before that there is no database.
async fn health(State(odoo): State<Arc<Odoo>>, Path(database): Path<String>) -> Response {
    if odoo.store.read(&database).modules.is_empty() {
        let body = json!({"status": "fail", "reason": format!("there is no database {database}")});
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response();
    }
    Json(json!({"status": "pass"})).into_response()
}
