//! What n8n refuses when a workflow is saved through its public API, and which
//! workflows can be activated. A connection to a node that is not there is
//! refused too: n8n saves it, and the workflow fails when it runs.

use serde_json::{Map, Value};

/// What a saved workflow must have.
const REQUIRED: [&str; 4] = ["name", "nodes", "connections", "settings"];

/// What it may have besides.
const ALLOWED: [&str; 1] = ["staticData"];

/// What only n8n itself says.
const READ_ONLY: [&str; 7] = [
    "id",
    "active",
    "createdAt",
    "updatedAt",
    "tags",
    "versionId",
    "meta",
];

/// The workflow in a request's body.
///
/// # Errors
/// The member that is wrong.
pub(super) fn saved(body: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(content) = body else {
        return Err("request/body must be object".to_owned());
    };
    for required in REQUIRED {
        if !content.contains_key(required) {
            return Err(format!(
                "request/body must have required property '{required}'"
            ));
        }
    }
    for member in content.keys().map(String::as_str) {
        if READ_ONLY.contains(&member) {
            return Err(format!("request/body/{member} is read-only"));
        }
        if !REQUIRED.contains(&member) && !ALLOWED.contains(&member) {
            return Err(format!(
                "request/body must NOT have additional properties: {member}"
            ));
        }
    }
    let kinds = [
        ("name", content["name"].is_string(), "string"),
        ("nodes", content["nodes"].is_array(), "array"),
        ("connections", content["connections"].is_object(), "object"),
        ("settings", content["settings"].is_object(), "object"),
    ];
    if let Some((member, _, kind)) = kinds.iter().find(|(_, right, _)| !right) {
        return Err(format!("request/body/{member} must be {kind}"));
    }
    connections(&content)?;
    Ok(content)
}

/// Every connection goes from a node to a node.
fn connections(content: &Map<String, Value>) -> Result<(), String> {
    let names: Vec<&str> = (content["nodes"].as_array().into_iter().flatten())
        .filter_map(|node| node["name"].as_str())
        .collect();
    for (from, outputs) in content["connections"].as_object().into_iter().flatten() {
        let targets = (outputs.as_object().into_iter().flatten())
            .flat_map(|(_, outputs)| outputs.as_array().into_iter().flatten())
            .flat_map(|output| output.as_array().into_iter().flatten())
            .filter_map(|target| target["node"].as_str());
        for name in std::iter::once(from.as_str()).chain(targets) {
            if !names.contains(&name) {
                return Err(format!(
                    "request/body/connections: there is no node {name:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Whether something in the workflow can start it.
pub(super) fn can_start(content: &Map<String, Value>) -> bool {
    let kind = |node: &Value| node["type"].as_str().unwrap_or_default().to_lowercase();
    (content
        .get("nodes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten())
    .any(|node| {
        let kind = kind(node);
        kind.ends_with("trigger") || kind.ends_with("webhook")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workflow() -> Value {
        json!({"name": "w", "nodes": [{"name": "A", "type": "n8n-nodes-base.webhook"}, {"name": "B", "type": "x"}],
            "connections": {"A": {"main": [[{"node": "B", "type": "main", "index": 0}]]}}, "settings": {}})
    }

    fn refused(member: &str, value: Value) -> String {
        let mut wrong = workflow();
        wrong[member] = value;
        saved(wrong).unwrap_err()
    }

    #[test]
    fn a_whole_workflow_is_taken() {
        assert!(can_start(&saved(workflow()).unwrap()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            refused("active", true.into()),
            "request/body/active is read-only"
        );
        assert!(refused("colour", 1.into()).contains("additional properties: colour"));
        assert_eq!(
            refused("nodes", 1.into()),
            "request/body/nodes must be array"
        );
        let nowhere = json!({"A": {"main": [[{"node": "C"}]]}});
        assert!(refused("connections", nowhere).contains("no node \"C\""));
        assert!(saved(json!([])).is_err());
        assert!(saved(json!({"name": "w"})).unwrap_err().contains("'nodes'"));
    }
}
