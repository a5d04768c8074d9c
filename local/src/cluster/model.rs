//! What `kubectl` hands to the cluster and what the cluster answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything one `kubectl apply` brings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApplyRequest {
    pub(crate) context: String,
    pub(crate) deployments: Vec<Deployment>,
    /// Ingresses: name to the deployment behind it.
    pub(crate) ingresses: BTreeMap<String, String>,
    /// Every resource of the apply, its namespace filled in.
    #[serde(default)]
    pub(crate) objects: Vec<serde_json::Value>,
}

/// A deployment, as far as this cluster runs it: one container, one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The image's reference.
    pub(crate) image: String,
    /// Overrides the image's entrypoint.
    pub(crate) command: Option<Vec<String>>,
    /// Overrides the image's command.
    pub(crate) args: Option<Vec<String>>,
    pub(crate) env: BTreeMap<String, String>,
    /// `containerPort`.
    pub(crate) port: Option<u16>,
    /// Path of the readiness probe; a connection is enough without one.
    pub(crate) readiness_path: Option<String>,
    /// `progressDeadlineSeconds`.
    pub(crate) deadline_seconds: u64,
    /// `replicas`: 0 runs nothing, anything else runs one process.
    pub(crate) replicas: u64,
}

/// How many replicas of a deployment are to run from now on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ScaleRequest {
    pub(crate) context: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) replicas: u64,
}

/// How a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Progressing,
    Available,
    Failed,
}

/// A deployment's record, as written to
/// `clusters/<context>/<namespace>/<deployment>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Always says that this is a stand-in.
    pub(crate) stand_in: String,
    pub(crate) context: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The image's reference, by digest.
    pub(crate) image: String,
    pub(crate) digest: String,
    /// Counts up with every apply that changes something.
    pub(crate) revision: u64,
    /// ISO 8601, UTC.
    pub(crate) applied_at: String,
    pub(crate) state: State,
    /// Why the state is what it is; with the process's last lines on failure.
    pub(crate) message: String,
    /// `host:port` of the revision that serves.
    pub(crate) address: Option<String>,
}

/// What `kubectl apply` prints, line by line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApplyAnswer {
    pub(crate) lines: Vec<String>,
}
