//! Objects that run nothing here, but are remembered: services, meshes, the
//! releases of `helm`, the applications of `argocd`.
//!
//! Everything that is applied is kept as it was written, can be patched and
//! shown again, and lies in `clusters/<context>/<namespace>/objects/` for
//! whoever wants to look. A service leads to the deployment that its selector
//! chooses.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Query, State as Shared},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Cluster,
    model::{Record, ScaleRequest},
};
use crate::{ecr::write_whole, sync::locked};

/// Which object: `kind` in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ObjectKey {
    pub(crate) context: String,
    pub(crate) namespace: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// An object to keep, or a change of one that is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PutObject {
    #[serde(flatten)]
    pub(crate) key: ObjectKey,
    pub(crate) value: Value,
    /// Whether `value` is a merge patch (RFC 7396) of what is there.
    #[serde(default)]
    pub(crate) patch: bool,
}

/// The objects of every cluster.
pub(super) struct Objects {
    folder: PathBuf,
    all: Mutex<BTreeMap<ObjectKey, Value>>,
}

impl Objects {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            all: Mutex::default(),
        }
    }

    /// Keeps what an apply brings. Annotations that were set afterwards stay,
    /// as they do with `kubectl apply`.
    pub(super) fn keep(&self, context: &str, resources: &[Value]) {
        for resource in resources {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let key = ObjectKey {
                context: context.to_owned(),
                namespace: text(&resource["metadata"]["namespace"]),
                kind: text(&resource["kind"]).to_lowercase(),
                name: text(&resource["metadata"]["name"]),
            };
            let mut value = resource.clone();
            if let Some(before) = self.get(&key) {
                let annotations = before["metadata"]["annotations"].as_object();
                for (name, old) in annotations.into_iter().flatten() {
                    if value["metadata"]["annotations"][name].is_null() {
                        value["metadata"]["annotations"][name] = old.clone();
                    }
                }
            }
            self.put(key, value);
        }
    }

    /// Writes down how many replicas a deployment was given.
    pub(super) fn scaled(&self, request: &ScaleRequest) {
        let key = ObjectKey {
            context: request.context.clone(),
            namespace: request.namespace.clone(),
            kind: "deployment".to_owned(),
            name: request.name.clone(),
        };
        if let Some(mut value) = self.get(&key) {
            value["spec"]["replicas"] = request.replicas.into();
            self.put(key, value);
        }
    }

    fn get(&self, key: &ObjectKey) -> Option<Value> {
        locked(&self.all).get(key).cloned()
    }

    fn put(&self, key: ObjectKey, value: Value) {
        let path = (self.folder)
            .join(key.context.replace('/', "_"))
            .join(key.namespace.replace('/', "_"))
            .join("objects")
            .join(format!("{}.{}.json", key.kind, key.name.replace('/', "_")));
        let written = (serde_json::to_vec_pretty(&value).map_err(std::io::Error::from))
            .and_then(|bytes| write_whole(&path, &bytes));
        if let Err(error) = written {
            tracing::error!("stand-in for Kubernetes: {}: {error}", path.display());
        }
        locked(&self.all).insert(key, value);
    }

    fn of_kind(&self, context: &str, namespace: &str, kind: &str) -> Vec<Value> {
        (locked(&self.all).iter())
            .filter(|(key, _)| {
                key.context == context && key.namespace == namespace && key.kind == kind
            })
            .map(|(_, value)| value.clone())
            .collect()
    }
}

impl Cluster {
    /// The deployment behind a service, by its selector.
    fn behind_service(&self, key: &ObjectKey) -> Option<Record> {
        let service = self.objects.get(key)?;
        let selector = service["spec"]["selector"].as_object()?;
        let deployments = (self.objects).of_kind(&key.context, &key.namespace, "deployment");
        let chosen = deployments.iter().find(|deployment| {
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            selector.iter().all(|(name, value)| labels[name] == *value)
        })?;
        let name = chosen["metadata"]["name"].as_str()?.to_owned();
        let live = locked(&self.live)
            .get(&(key.context.clone(), key.namespace.clone(), name))
            .cloned()?;
        let record = live.record.borrow().clone();
        Some(record)
    }
}

/// Merges a patch into a value (RFC 7396): objects member by member, null
/// removes, anything else replaces.
fn merge(value: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        value.clone_from(patch);
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(members) = value.as_object_mut() else {
        return;
    };
    for (name, change) in patch {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// The routes under `/cluster` that are about objects.
pub(super) fn router() -> Router<Arc<Cluster>> {
    Router::new()
        .route("/cluster/object", get(show).post(put))
        .route("/cluster/service", get(service))
}

fn missing(key: &ObjectKey) -> Response {
    let text = format!(
        "{} {:?} not found in namespace {:?}",
        key.kind, key.name, key.namespace
    );
    (StatusCode::NOT_FOUND, text).into_response()
}

async fn show(Shared(cluster): Shared<Arc<Cluster>>, Query(key): Query<ObjectKey>) -> Response {
    match cluster.objects.get(&key) {
        Some(value) => Json(value).into_response(),
        None => missing(&key),
    }
}

async fn put(Shared(cluster): Shared<Arc<Cluster>>, Json(request): Json<PutObject>) -> Response {
    let value = if request.patch {
        let Some(mut value) = cluster.objects.get(&request.key) else {
            return missing(&request.key);
        };
        merge(&mut value, &request.value);
        value
    } else {
        request.value
    };
    cluster.objects.put(request.key, value.clone());
    Json(value).into_response()
}

async fn service(Shared(cluster): Shared<Arc<Cluster>>, Query(key): Query<ObjectKey>) -> Response {
    match cluster.behind_service(&key) {
        Some(record) => Json(record).into_response(),
        None => missing(&key),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_changes_only_what_it_names() {
        let mut value = json!({"spec": {"weight": 5, "selector": {"app": "x"}}, "old": 1});
        merge(&mut value, &json!({"spec": {"weight": 25}, "old": null}));
        assert_eq!(
            value,
            json!({"spec": {"weight": 25, "selector": {"app": "x"}}})
        );
    }

    #[test]
    fn an_apply_keeps_annotations_that_were_set_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::new(folder.path().to_path_buf());
        let applied = json!({"kind": "Service", "metadata": {"name": "web", "namespace": "n"}});
        let annotated = json!({"kind": "Service", "metadata": {"name": "web", "namespace": "n",
            "annotations": {"weight": "5"}}});
        objects.keep("c", &[annotated]);
        objects.keep("c", &[applied]);
        let kept = objects.of_kind("c", "n", "service");
        assert_eq!(kept[0]["metadata"]["annotations"]["weight"], "5");
    }
}
