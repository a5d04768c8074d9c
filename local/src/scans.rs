//! What the stand-ins for scanners find.
//!
//! Nothing, unless somebody says otherwise: `scans/<tool>.json` in the data
//! directory is a list of findings, read anew for each scan. `POST
//! /scans/<tool>` writes it.
//!
//! ```json
//! [{"rule": "CVE-2026-0001", "severity": "HIGH", "message": "what it is",
//!   "location": "openssl", "subject": "odoo"}]
//! ```
//!
//! With a `subject`, only what has it in its name has the finding.

use std::{fs, io, path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use crate::ecr::write_whole;

/// How bad a finding is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// One thing a scanner found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    pub(crate) rule: String,
    pub(crate) severity: Severity,
    #[serde(default)]
    pub(crate) message: String,
    /// A file or a package.
    #[serde(default)]
    pub(crate) location: String,
    /// The line in the file, from 1.
    #[serde(default)]
    pub(crate) line: usize,
    #[serde(default)]
    pub(crate) subject: Option<String>,
}

/// The folder with the lists.
#[derive(Debug)]
pub(crate) struct Scans {
    folder: PathBuf,
}

impl Scans {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, tool: &str) -> PathBuf {
        let tool: String = tool
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
            .collect();
        self.folder.join(format!("{tool}.json"))
    }
}

/// The routes under `/scans`.
pub(crate) fn router(scans: Arc<Scans>) -> Router {
    Router::new()
        .route("/scans/{tool}", get(show).post(set))
        .with_state(scans)
}

async fn show(State(scans): State<Arc<Scans>>, Path(tool): Path<String>) -> Response {
    let path = scans.path(&tool);
    let found: Result<Vec<Finding>, String> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(found) => Json(found).into_response(),
        Err(why) => {
            let text = format!("{}: {why}", path.display());
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn set(
    State(scans): State<Arc<Scans>>,
    Path(tool): Path<String>,
    Json(findings): Json<Vec<Finding>>,
) -> Response {
    let written = (serde_json::to_vec_pretty(&findings).map_err(io::Error::from))
        .and_then(|bytes| write_whole(&scans.path(&tool), &bytes));
    match written {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
