//! A stand-in for a Kubernetes cluster, as far as a release sees it.
//!
//! A deployment runs as one process of this machine: the image's layer is
//! unpacked and its command started on a free port of 127.0.0.1. A new revision
//! replaces the old one only once it is ready. What is applied is recorded in
//! `clusters/<context>/<namespace>/<deployment>.json`; the processes end with
//! the stand-ins and are not started again.

pub(crate) mod image;
pub(crate) mod launch;
pub(crate) mod model;
pub(crate) mod objects;
mod rollout;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State as Shared},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tokio::sync::watch;

use crate::{
    ecr::{Store, write_whole},
    ids,
    sync::locked,
    tasks::Tasks,
};
use model::{ApplyAnswer, ApplyRequest, Deployment, Record, ScaleRequest, State};
use objects::Objects;

/// What every record says about itself.
const STAND_IN: &str = "laptop stand-in for Kubernetes";

/// Why something was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// The registry does not have the image.
    #[error("image {image}: {why}; push it first and apply it by digest")]
    Image {
        /// The reference in the manifest.
        image: String,
        /// What is missing.
        why: String,
    },
}

type Key = (String, String, String);

/// A deployment and its running revisions.
struct Live {
    record: watch::Sender<Record>,
    deployment: Mutex<Deployment>,
    /// Revision numbers and how to stop them, the oldest first.
    revisions: Mutex<Vec<(u64, watch::Sender<bool>)>>,
}

impl Live {
    fn new(record: &Record, deployment: &Deployment) -> Self {
        Self {
            record: watch::Sender::new(record.clone()),
            deployment: Mutex::new(deployment.clone()),
            revisions: Mutex::default(),
        }
    }
}

/// The stand-in; it plays every cluster by its kubectl context.
pub(crate) struct Cluster {
    folder: PathBuf,
    store: Arc<Store>,
    tools_path: Vec<PathBuf>,
    http: reqwest::Client,
    live: Mutex<BTreeMap<Key, Arc<Live>>>,
    /// Ingresses: context, namespace and name to a deployment's name.
    ingresses: Mutex<BTreeMap<Key, String>>,
    objects: Objects,
    tasks: Tasks,
    stopping: watch::Sender<bool>,
}

impl Cluster {
    pub(crate) fn new(
        folder: PathBuf,
        store: Arc<Store>,
        tools_path: Vec<PathBuf>,
        http: reqwest::Client,
    ) -> Self {
        Self {
            objects: Objects::new(folder.clone()),
            folder,
            store,
            tools_path,
            http,
            live: Mutex::default(),
            ingresses: Mutex::default(),
            tasks: Tasks::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Asks every process to end, and whoever waits for one.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
        for live in locked(&self.live).values() {
            for (_, stop) in locked(&live.revisions).iter() {
                stop.send_replace(true);
            }
        }
    }

    /// Ends every process and waits for it to be gone.
    pub(crate) async fn shutdown(&self) {
        self.stop();
        self.tasks.finish().await;
    }

    fn apply(self: &Arc<Self>, request: &ApplyRequest) -> Result<ApplyAnswer, ClusterError> {
        let mut lines = Vec::new();
        // All images first: an apply that cannot work should change nothing.
        let found = (request.deployments.iter())
            .map(|deployment| image::find(&self.store, deployment))
            .collect::<Result<Vec<_>, _>>()?;
        for (deployment, found) in request.deployments.iter().zip(found) {
            if deployment.image != found.pinned {
                lines.push(format!(
                    "image {} resolved to {}",
                    deployment.image, found.pinned
                ));
            }
            let verb = self.roll_out(&request.context, deployment, found);
            lines.push(format!("deployment.apps/{} {verb}", deployment.name));
            let mut ingresses = locked(&self.ingresses);
            for (ingress, behind) in &request.ingresses {
                let namespace = deployment.namespace.clone();
                let key = (request.context.clone(), namespace, ingress.clone());
                ingresses.insert(key, behind.clone());
            }
        }
        self.objects.keep(&request.context, &request.objects);
        Ok(ApplyAnswer { lines })
    }

    /// Runs a deployment with another number of replicas; what `kubectl` calls
    /// it, or nothing when there is no such deployment.
    fn scale(
        self: &Arc<Self>,
        request: &ScaleRequest,
    ) -> Result<Option<&'static str>, ClusterError> {
        let key = (
            request.context.clone(),
            request.namespace.clone(),
            request.name.clone(),
        );
        let Some(live) = locked(&self.live).get(&key).cloned() else {
            return Ok(None);
        };
        let mut deployment = locked(&live.deployment).clone();
        deployment.replicas = request.replicas;
        let found = image::find(&self.store, &deployment)?;
        self.roll_out(&request.context, &deployment, found);
        self.objects.scaled(request);
        Ok(Some("scaled"))
    }

    /// Starts a revision, and says what `kubectl` would call it.
    fn roll_out(
        self: &Arc<Self>,
        context: &str,
        deployment: &Deployment,
        found: image::Found,
    ) -> &'static str {
        let (namespace, name) = (&deployment.namespace, &deployment.name);
        let key = (context.to_owned(), namespace.clone(), name.clone());
        let mut all = locked(&self.live);
        let before = all.get(&key).map(|live| live.record.borrow().clone());
        if let (Some(live), Some(record)) = (all.get(&key), &before)
            && record.digest == found.digest
            && record.state != State::Failed
            && *locked(&live.deployment) == *deployment
        {
            return "unchanged";
        }
        let before_number = before.as_ref().map(|record| record.revision);
        let number = before_number.unwrap_or_else(|| self.last_revision(&key)) + 1;
        let record = Record {
            stand_in: STAND_IN.to_owned(),
            context: context.to_owned(),
            namespace: namespace.clone(),
            name: name.clone(),
            image: found.pinned.clone(),
            digest: found.digest.clone(),
            revision: number,
            applied_at: ids::now().to_string(),
            state: State::Progressing,
            message: "waiting for the readiness probe".to_owned(),
            address: before.and_then(|record| record.address),
        };
        self.write(&record);
        let live = all
            .entry(key)
            .or_insert_with(|| Arc::new(Live::new(&record, deployment)));
        let live = Arc::clone(live);
        live.record.send_replace(record);
        locked(&live.deployment).clone_from(deployment);
        if deployment.replicas == 0 {
            self.run_nothing(&live);
        } else {
            self.start_revision(live, number, found);
        }
        if before_number.is_some() {
            "configured"
        } else {
            "created"
        }
    }

    fn start_revision(self: &Arc<Self>, live: Arc<Live>, number: u64, found: image::Found) {
        let (stop, stopped) = watch::channel(false);
        locked(&live.revisions).push((number, stop));
        let deployment = locked(&live.deployment).clone();
        let place = self.place(&live.record.borrow().context, &deployment.namespace);
        let revision = rollout::Revision {
            cluster: Arc::clone(self),
            live,
            number,
            folder: place.join(format!("{}.revisions/{number}", deployment.name)),
            deployment,
            found,
            stop: stopped,
        };
        self.tasks.spawn(revision.run());
    }

    /// No replica at all: what runs ends, and the rollout is done.
    fn run_nothing(&self, live: &Live) {
        for (_, stop) in locked(&live.revisions).drain(..) {
            stop.send_replace(true);
        }
        live.record.send_modify(|record| {
            record.state = State::Available;
            record.message = "scaled to 0 replicas: nothing runs".to_owned();
            record.address = None;
        });
        self.write(&live.record.borrow());
    }

    /// The revision of a record an earlier run has left.
    fn last_revision(&self, (context, namespace, name): &Key) -> u64 {
        let path = self.place(context, namespace).join(format!("{name}.json"));
        (std::fs::read(path).ok())
            .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok())
            .map_or(0, |record| record.revision)
    }

    fn place(&self, context: &str, namespace: &str) -> PathBuf {
        // A context can be an ARN: its slashes must not become folders.
        self.folder.join(context.replace('/', "_")).join(namespace)
    }

    fn write(&self, record: &Record) {
        let path =
            (self.place(&record.context, &record.namespace)).join(format!("{}.json", record.name));
        let written = (serde_json::to_vec_pretty(record).map_err(std::io::Error::from))
            .and_then(|bytes| write_whole(&path, &bytes));
        if let Err(error) = written {
            tracing::error!("stand-in for Kubernetes: {}: {error}", path.display());
        }
    }

    fn find(&self, place: &Place) -> Option<Arc<Live>> {
        let key = |name: &str| {
            (
                place.context.clone(),
                place.namespace.clone(),
                name.to_owned(),
            )
        };
        // Behind an ingress of its own name, too, is a deployment without one:
        // on real clusters ingresses often belong to somebody else's manifests.
        let behind = locked(&self.ingresses).get(&key(&place.name)).cloned();
        let name = behind
            .filter(|_| place.ingress)
            .unwrap_or_else(|| place.name.clone());
        locked(&self.live).get(&key(&name)).cloned()
    }
}

/// Which deployment, or which ingress, is asked for.
#[derive(Debug, Deserialize)]
struct Place {
    context: String,
    namespace: String,
    name: String,
    #[serde(default)]
    ingress: bool,
    /// Waits this many seconds for the rollout to end.
    #[serde(default)]
    wait_seconds: u64,
}

/// The routes under `/cluster`.
pub(crate) fn router(cluster: Arc<Cluster>) -> Router {
    Router::new()
        .route("/cluster", get(everything))
        .route("/cluster/apply", post(apply))
        .route("/cluster/deployment", get(deployment))
        .route("/cluster/scale", post(scale))
        .merge(objects::router())
        .with_state(cluster)
}

async fn apply(
    Shared(cluster): Shared<Arc<Cluster>>,
    Json(request): Json<ApplyRequest>,
) -> Response {
    match cluster.apply(&request) {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

async fn scale(
    Shared(cluster): Shared<Arc<Cluster>>,
    Json(request): Json<ScaleRequest>,
) -> Response {
    match cluster.scale(&request) {
        Ok(Some(verb)) => Json(verb).into_response(),
        Ok(None) => {
            let text = format!("deployments.apps {:?} not found", request.name);
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

async fn deployment(Shared(cluster): Shared<Arc<Cluster>>, Query(place): Query<Place>) -> Response {
    let Some(live) = cluster.find(&place) else {
        let kind = if place.ingress {
            "ingresses.networking.k8s.io"
        } else {
            "deployments.apps"
        };
        let text = format!(
            "{kind} {:?} not found in namespace {:?}",
            place.name, place.namespace
        );
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    if place.wait_seconds > 0 {
        let mut changes = live.record.subscribe();
        let mut stopping = cluster.stopping.subscribe();
        // However this ends, the record below says how the rollout stands.
        tokio::select! {
            _ = changes.wait_for(|record| record.state != State::Progressing) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = tokio::time::sleep(Duration::from_secs(place.wait_seconds)) => {}
        }
    }
    let record = live.record.borrow().clone();
    Json(record).into_response()
}

async fn everything(Shared(cluster): Shared<Arc<Cluster>>) -> Json<Vec<Record>> {
    let all = locked(&cluster.live);
    Json(
        all.values()
            .map(|live| live.record.borrow().clone())
            .collect(),
    )
}
