//! Blobs, and the images a build made but has not pushed.
//!
//! This is what the stand-in for `docker` talks to: `/registry/blobs` is the
//! content, `/registry/local` the list of images `docker images` would show. An
//! image becomes ECR's only by `PutImage`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use super::Store;
use crate::sync::locked;

/// The largest layer taken, in bytes: a service's source, not its base image.
const LARGEST_BLOB: usize = 256 * 1024 * 1024;

/// An image by the name a build gave it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LocalImage {
    /// The name, with its tag.
    pub(crate) reference: String,
    /// The manifest, as it is pushed.
    pub(crate) manifest: String,
    /// Whether ECR has it.
    #[serde(default)]
    pub(crate) pushed: bool,
}

struct Registry {
    store: Arc<Store>,
    local: Mutex<BTreeMap<String, LocalImage>>,
}

/// The routes under `/registry`.
pub(super) fn router(store: Arc<Store>) -> Router {
    let registry = Arc::new(Registry {
        store,
        local: Mutex::default(),
    });
    Router::new()
        .route("/registry/blobs", post(put_blob))
        .route("/registry/blobs/{digest}", get(get_blob))
        .route("/registry/local", get(get_local).post(put_local))
        .layer(DefaultBodyLimit::max(LARGEST_BLOB))
        .with_state(registry)
}

async fn put_blob(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    match registry.store.put_blob(&body) {
        Ok(digest) => digest.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn get_blob(State(registry): State<Arc<Registry>>, Path(digest): Path<String>) -> Response {
    match registry.store.blob(&digest) {
        Ok(content) => content.into_response(),
        Err(error) => (StatusCode::NOT_FOUND, format!("blob {digest}: {error}")).into_response(),
    }
}

#[derive(Deserialize)]
struct Reference {
    reference: String,
}

async fn get_local(
    State(registry): State<Arc<Registry>>,
    Query(Reference { reference }): Query<Reference>,
) -> Response {
    match locked(&registry.local).get(&reference) {
        Some(image) => Json(image.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, format!("No such image: {reference}")).into_response(),
    }
}

async fn put_local(
    State(registry): State<Arc<Registry>>,
    Json(image): Json<LocalImage>,
) -> StatusCode {
    locked(&registry.local).insert(image.reference.clone(), image);
    StatusCode::NO_CONTENT
}
