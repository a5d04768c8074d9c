//! From manifests to what the cluster runs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ToolError;
use crate::cluster::model::{ApplyRequest, Deployment};

/// What a secret's value is here: this cluster has no secrets.
const PLACEHOLDER: &str = "laptop-stand-in-placeholder";

/// `progressDeadlineSeconds` when a deployment does not say: a minute, not
/// Kubernetes' ten. A process on a laptop is up in seconds or not at all.
const DEADLINE_SECONDS: u64 = 60;

/// Kinds that change nothing about a process on a laptop.
const WITHOUT_EFFECT: [&str; 13] = [
    "Service",
    "ConfigMap",
    "ExternalSecret",
    "VirtualNode",
    "VirtualRouter",
    "VirtualService",
    "Namespace",
    "ServiceAccount",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Role",
    "RoleBinding",
];

/// What one apply brings, and the lines for what has no effect.
pub(super) struct Workload {
    pub(super) request: ApplyRequest,
    pub(super) without_effect: Vec<String>,
}

/// Reads resources, applied to `context` and, where they name none, to
/// `namespace`.
///
/// # Errors
/// A sentence naming the resource, for kinds and sources that are not played.
pub(super) fn workload(
    resources: &[Value],
    context: &str,
    namespace: &str,
) -> Result<Workload, ToolError> {
    let mut request = ApplyRequest {
        context: context.to_owned(),
        deployments: vec![],
        ingresses: BTreeMap::new(),
        objects: resources.iter().map(|one| placed(one, namespace)).collect(),
    };
    let mut without_effect = Vec::new();
    for resource in resources {
        let kind = text(&resource["kind"]);
        let name = text(&resource["metadata"]["name"]);
        match kind.as_str() {
            "Deployment" => request.deployments.push(deployment(resource, namespace)?),
            "Ingress" => {
                let behind = behind(resource, resources).ok_or_else(|| {
                    ToolError::Failed(format!(
                        "ingress {name}: no service and deployment of this apply is behind it"
                    ))
                })?;
                request.ingresses.insert(name, behind);
            }
            known if WITHOUT_EFFECT.contains(&known) => {
                without_effect.push(format!("{}/{name}", kind.to_lowercase()));
            }
            _ => {
                return Err(ToolError::unknown(
                    "kubectl",
                    format!("apply of {kind}/{name}"),
                    format!(
                        "it plays Deployment and Ingress, and accepts {}",
                        WITHOUT_EFFECT.join(", ")
                    ),
                ));
            }
        }
    }
    Ok(Workload {
        request,
        without_effect,
    })
}

/// A resource with its namespace written down.
fn placed(resource: &Value, namespace: &str) -> Value {
    let mut resource = resource.clone();
    if resource["metadata"]["namespace"].is_null() {
        resource["metadata"]["namespace"] = namespace.into();
    }
    resource
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn deployment(resource: &Value, namespace: &str) -> Result<Deployment, ToolError> {
    let name = text(&resource["metadata"]["name"]);
    let pod = &resource["spec"]["template"]["spec"];
    let containers = pod["containers"].as_array().map_or(&[][..], Vec::as_slice);
    let [container] = containers else {
        return Err(ToolError::unknown(
            "kubectl",
            format!("deployment {name} with {} containers", containers.len()),
            "it plays deployments of one container",
        ));
    };
    let port = container["ports"][0]["containerPort"].as_u64();
    Ok(Deployment {
        namespace: (resource["metadata"]["namespace"].as_str())
            .unwrap_or(namespace)
            .to_owned(),
        image: text(&container["image"]),
        command: words(&container["command"]),
        args: words(&container["args"]),
        env: environment(&name, container)?,
        port: port.and_then(|port| u16::try_from(port).ok()),
        readiness_path: (container["readinessProbe"]["httpGet"]["path"].as_str())
            .map(str::to_owned),
        deadline_seconds: (resource["spec"]["progressDeadlineSeconds"].as_u64())
            .unwrap_or(DEADLINE_SECONDS),
        replicas: resource["spec"]["replicas"].as_u64().unwrap_or(1),
        name,
    })
}

fn words(value: &Value) -> Option<Vec<String>> {
    Some(value.as_array()?.iter().map(text).collect())
}

/// The container's variables. A secret that may be absent is absent, as on a
/// cluster without it; one that must be there is a placeholder.
fn environment(deployment: &str, container: &Value) -> Result<BTreeMap<String, String>, ToolError> {
    let mut variables = BTreeMap::new();
    let unplayed = |what: &str| {
        let line = format!("deployment {deployment} with {what}");
        Err(ToolError::unknown(
            "kubectl",
            line,
            "it plays `value` and `secretKeyRef`",
        ))
    };
    if container.get("envFrom").is_some() {
        return unplayed("envFrom");
    }
    for entry in container["env"].as_array().into_iter().flatten() {
        let name = text(&entry["name"]);
        let source = &entry["valueFrom"];
        if source.is_null() {
            variables.insert(name, text(&entry["value"]));
        } else if source["secretKeyRef"].is_null() {
            return unplayed(&format!("the variable {name} from {source}"));
        } else if source["secretKeyRef"]["optional"] != true {
            variables.insert(name, PLACEHOLDER.to_owned());
        }
    }
    Ok(variables)
}

/// The deployment behind an ingress: by its service's selector.
fn behind(ingress: &Value, resources: &[Value]) -> Option<String> {
    let service = (ingress.pointer("/spec/rules/0/http/paths/0/backend/service/name"))
        .or_else(|| ingress.pointer("/spec/defaultBackend/service/name"))?;
    let of_kind = |kind: &'static str| resources.iter().filter(move |one| one["kind"] == kind);
    let service = of_kind("Service").find(|one| one["metadata"]["name"] == *service)?;
    let selector = service["spec"]["selector"].as_object()?;
    let deployment = of_kind("Deployment").find(|one| {
        let labels = &one["spec"]["template"]["metadata"]["labels"];
        selector.iter().all(|(key, value)| labels[key] == *value)
    })?;
    deployment["metadata"]["name"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resources(env: &Value) -> Vec<Value> {
        vec![
            json!({"kind": "Deployment", "metadata": {"name": "gps"}, "spec": {"template": {
                "metadata": {"labels": {"app": "gps"}},
                "spec": {"containers": [{"image": "gps@sha256:ab", "env": env,
                    "ports": [{"containerPort": 8080}],
                    "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}}}]}}}}),
            json!({"kind": "Service", "metadata": {"name": "svc"}, "spec": {"selector": {"app": "gps"}}}),
            json!({"kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": [{"http": {"paths": [
                {"backend": {"service": {"name": "svc"}}}]}}]}}),
        ]
    }

    #[test]
    fn a_deployment_is_read_with_its_ingress_and_its_secrets() {
        let env = json!([
            {"name": "A", "value": "1"},
            {"name": "MUST", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "MAY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}}]);
        let workload = workload(&resources(&env), "staging", "apps").unwrap();
        let deployment = &workload.request.deployments[0];
        assert_eq!(deployment.namespace, "apps");
        assert_eq!(deployment.port, Some(8080));
        assert_eq!(deployment.env["MUST"], PLACEHOLDER);
        assert!(!deployment.env.contains_key("MAY"));
        assert_eq!(workload.request.ingresses["web"], "gps");
        assert_eq!(workload.without_effect, ["service/svc"]);
    }

    #[test]
    fn a_source_that_is_not_played_is_refused_by_name() {
        let env =
            json!([{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
        let error = workload(&resources(&env), "staging", "apps").err().unwrap();
        assert!(error.to_string().contains("POD"), "{error}");
    }
}
