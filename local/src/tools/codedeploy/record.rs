//! What is remembered of deployments and their groups.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::refused;
use crate::ids;
use crate::tools::{ToolError, client::Client, workload::Target};

/// What a deployment is to fail with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Failure {
    /// Once so much of the traffic has moved, in percent.
    pub(super) at_percent: u32,
    pub(super) code: String,
    pub(super) message: String,
}

/// `DeploymentInfo`, as far as it is played, and how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deployment {
    pub(super) stand_in: String,
    pub(super) deployment_id: String,
    pub(super) application_name: String,
    pub(super) deployment_group_name: String,
    pub(super) deployment_config_name: String,
    pub(super) status: String,
    pub(super) creator: String,
    pub(super) description: String,
    pub(super) create_time: f64,
    pub(super) revision: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error_information: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rollback_info: Option<Value>,
    /// Whether a failure brings back what ran before.
    pub(super) rolls_back: bool,
    /// How many more looks it waits before the old tasks end.
    #[serde(default)]
    pub(super) waits: usize,
    /// How often somebody looked.
    pub(super) looks: usize,
    pub(super) fails: Option<Failure>,
}

/// What a group remembers: ids.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Group {
    /// The deployment under way.
    pub(super) active: Option<String>,
    /// The last one that succeeded.
    pub(super) current: Option<String>,
}

/// What CodeDeploy's own configurations begin with.
pub(super) const OWN: &str = "CodeDeployDefault.";

impl Deployment {
    pub(super) fn new(creator: &str) -> Self {
        Self {
            stand_in: String::new(),
            deployment_id: format!("d-{}", ids::token()[..9].to_uppercase()),
            application_name: String::new(),
            deployment_group_name: String::new(),
            deployment_config_name: String::new(),
            status: "Created".to_owned(),
            creator: creator.to_owned(),
            description: String::new(),
            create_time: ids::now_epoch(),
            revision: Value::Null,
            error_information: None,
            rollback_info: None,
            rolls_back: false,
            waits: 0,
            looks: 0,
            fails: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        ["Succeeded", "Failed", "Stopped"].contains(&self.status.as_str())
    }

    /// The shares of the traffic that it moves, in percent, one a look.
    pub(super) fn shares(&self) -> Vec<u32> {
        let name = self.deployment_config_name.as_str();
        if name.contains("Canary10Percent") {
            vec![10, 100]
        } else if name.contains("Linear10Percent") {
            (1..=10).map(|tenth| tenth * 10).collect()
        } else {
            vec![100]
        }
    }

    /// Whether all of the traffic has moved.
    pub(super) fn has_moved(&self) -> bool {
        self.looks >= self.shares().len()
    }

    /// The id of what it changes.
    pub(super) fn target(&self) -> String {
        format!("laptop:{}", self.application_name)
    }

    /// What it changes, as it is now. Of ECS: in CodeDeploy it has succeeded before
    /// its deployment has, which still waits.
    pub(super) fn target_now(&self) -> Value {
        let status = match self.has_moved() {
            true if !self.is_over() => "Succeeded",
            _ => self.status.as_str(),
        };
        json!({"deploymentTargetType": "ECSTarget",
               "ecsTarget": {"targetId": self.target(), "status": status}})
    }
}

fn place(namespace: &str) -> Target {
    Target {
        context: "codedeploy".to_owned(),
        namespace: namespace.to_owned(),
    }
}

/// Where deployments lie, of whatever application.
const DEPLOYMENTS: &str = "deployments of all";

pub(super) async fn find(
    client: &Client,
    operation: &str,
    id: &str,
) -> Result<Deployment, ToolError> {
    let found = client.object(&place(DEPLOYMENTS), "deployment", id).await?;
    let Some(found) = found else {
        let why = format!("The deployment {id} could not be found");
        return Err(refused("DeploymentDoesNotExistException", operation, why));
    };
    serde_json::from_value(found).map_err(|error| ToolError::Failed(error.to_string()))
}

pub(super) async fn keep(client: &Client, deployment: &Deployment) -> Result<(), ToolError> {
    let id = &deployment.deployment_id;
    let value = json!(deployment);
    let place = place(DEPLOYMENTS);
    client.keep_object(&place, "deployment", id, &value).await
}

pub(super) async fn group(
    client: &Client,
    application: &str,
    name: &str,
) -> Result<Group, ToolError> {
    let found = client.object(&place(application), "group", name).await?;
    let read = found.map(serde_json::from_value).transpose();
    Ok(read
        .map_err(|error| ToolError::Failed(error.to_string()))?
        .unwrap_or_default())
}

pub(super) async fn keep_group(
    client: &Client,
    of: &Deployment,
    group: &Group,
) -> Result<(), ToolError> {
    let (place, name) = (place(&of.application_name), &of.deployment_group_name);
    client
        .keep_object(&place, "group", name, &json!(group))
        .await
}
