//! `aws deploy` of the stand-in for the AWS CLI: CodeDeploy for ECS and Lambda.
//!
//! No traffic is moved. A deployment is a record that goes on with every look at it,
//! by the shares of its configuration, and lies with the clusters' objects
//! (`clusters/codedeploy/…/objects`). Every application and group is there. One on
//! ECS stays in progress for some looks before its old tasks end. A deployment fails as `.laptop-codedeploy/<group>.json` in the source says:
//!
//! ```json
//! {"atPercent": 10, "code": "ALARM_ACTIVE", "message": "too many errors"}
//! ```

mod record;

use std::{env, fs, path::PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Console, ToolError, client::Client, yaml};
use record::{Deployment, Failure, OWN, find, group, keep, keep_group};

/// The commands that are played.
#[derive(Debug, Subcommand)]
pub(super) enum Deploy {
    /// Begin a deployment.
    CreateDeployment {
        #[arg(long)]
        application_name: String,
        #[arg(long)]
        deployment_group_name: String,
        #[arg(long)]
        deployment_config_name: Option<String>,
        #[arg(long)]
        auto_rollback_configuration: Option<String>,
        #[arg(long)]
        description: Option<String>,
        #[arg(long)]
        revision: String,
    },
    /// Look at a deployment.
    GetDeployment {
        #[arg(long)]
        deployment_id: String,
    },
    /// Show what a deployment changes.
    ListDeploymentTargets {
        #[arg(long)]
        deployment_id: String,
    },
    /// Look at what a deployment changes.
    GetDeploymentTarget {
        #[arg(long)]
        deployment_id: String,
        #[arg(long)]
        target_id: String,
    },
    /// End the wait of a deployment.
    ContinueDeployment {
        #[arg(long)]
        deployment_id: String,
        #[arg(long)]
        deployment_wait_type: String,
    },
    /// Show a group's deployments that are under way.
    ListDeployments {
        #[arg(long)]
        application_name: String,
        #[arg(long)]
        deployment_group_name: String,
        #[arg(long, num_args = 1.., required = true)]
        include_only_statuses: Vec<String>,
    },
    /// Stop a deployment.
    StopDeployment {
        #[arg(long)]
        deployment_id: String,
        #[arg(long)]
        auto_rollback_enabled: bool,
    },
}

/// How many looks at it a deployment on ECS waits before the old tasks end: more than
/// anybody takes who does not wait for it.
const WAIT: usize = 1_000;

/// Runs a command; its answer.
pub(super) async fn run(
    command: Deploy,
    client: &Client,
    console: &mut Console,
) -> Result<Value, ToolError> {
    match command {
        Deploy::CreateDeployment {
            application_name,
            deployment_group_name,
            deployment_config_name,
            auto_rollback_configuration,
            description,
            revision,
        } => {
            let config = deployment_config_name.unwrap_or_else(|| format!("{OWN}AllAtOnce"));
            let rolls_back = auto_rollback_configuration.is_some_and(|said| enabled(&said));
            let new = Deployment {
                stand_in: "laptop stand-in for CodeDeploy: no traffic was moved".to_owned(),
                fails: failure(&deployment_group_name)?,
                application_name,
                deployment_group_name,
                waits: if config.contains("ECS") { WAIT } else { 0 },
                deployment_config_name: config,
                description: description.unwrap_or_default(),
                revision: checked(&revision)?,
                rolls_back,
                ..Deployment::new("user")
            };
            create(client, new, console).await
        }
        Deploy::GetDeployment { deployment_id } => {
            let mut found = find(client, "GetDeployment", &deployment_id).await?;
            look(client, &mut found, console).await?;
            Ok(json!({"deploymentInfo": found}))
        }
        Deploy::ListDeploymentTargets { deployment_id } => {
            let found = find(client, "ListDeploymentTargets", &deployment_id).await?;
            Ok(json!({"targetIds": [found.target()]}))
        }
        Deploy::GetDeploymentTarget {
            deployment_id,
            target_id,
        } => {
            let found = find(client, "GetDeploymentTarget", &deployment_id).await?;
            if found.target() != target_id {
                let why = format!("The target {target_id} could not be found");
                return Err(refused(
                    "DeploymentTargetDoesNotExistException",
                    "GetDeploymentTarget",
                    why,
                ));
            }
            Ok(json!({"deploymentTarget": found.target_now()}))
        }
        Deploy::ContinueDeployment {
            deployment_id,
            deployment_wait_type,
        } => {
            let mut found = find(client, "ContinueDeployment", &deployment_id).await?;
            if deployment_wait_type != "TERMINATION_WAIT" || !found.has_moved() || found.is_over() {
                let why = format!("{deployment_id} does not wait like this.");
                return Err(refused(
                    "DeploymentIsNotInReadyStateException",
                    "ContinueDeployment",
                    why,
                ));
            }
            found.waits = 0;
            keep(client, &found).await?;
            Ok(json!({}))
        }
        Deploy::ListDeployments {
            application_name,
            deployment_group_name,
            include_only_statuses,
        } => {
            let group = group(client, &application_name, &deployment_group_name).await?;
            let mut ids = vec![];
            if let Some(active) = group.active {
                let status = find(client, "ListDeployments", &active).await?.status;
                ids.extend(include_only_statuses.contains(&status).then_some(active));
            }
            Ok(json!({"deployments": ids}))
        }
        Deploy::StopDeployment {
            deployment_id,
            auto_rollback_enabled,
        } => {
            let mut found = find(client, "StopDeployment", &deployment_id).await?;
            if found.is_over() {
                let why = format!("The deployment {deployment_id} has already completed.");
                return Err(refused(
                    "DeploymentAlreadyCompletedException",
                    "StopDeployment",
                    why,
                ));
            }
            found.rolls_back |= auto_rollback_enabled;
            end(client, &mut found, "Stopped", None).await?;
            Ok(json!({"status": "Succeeded", "statusMessage": "No more events will be scheduled."}))
        }
    }
}

fn refused(kind: &str, operation: &str, message: impl Into<String>) -> ToolError {
    ToolError::Aws {
        kind: kind.to_owned(),
        operation: operation.to_owned(),
        message: message.into(),
    }
}

fn enabled(configuration: &str) -> bool {
    let said: Value = serde_json::from_str(configuration).unwrap_or_default();
    said["enabled"] == true
}

/// What the source says that deployments of a group fail with.
fn failure(group: &str) -> Result<Option<Failure>, ToolError> {
    let source = env::var_os("CODEBUILD_SRC_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let path = source
        .join(".laptop-codedeploy")
        .join(format!("{group}.json"));
    let Ok(bytes) = fs::read(&path) else {
        return Ok(None);
    };
    (serde_json::from_slice(&bytes).map(Some))
        .map_err(|error| ToolError::Failed(format!("{}: {error}", path.display())))
}

/// A revision that CodeDeploy would take: the specification's text, with its hash.
fn checked(revision: &str) -> Result<Value, ToolError> {
    let invalid = |why: &str| refused("InvalidRevisionException", "CreateDeployment", why);
    let revision: Value = serde_json::from_str(revision).map_err(|e| invalid(&e.to_string()))?;
    let content = revision["appSpecContent"]["content"].as_str();
    let (Some(content), "AppSpecContent") = (
        content,
        revision["revisionType"].as_str().unwrap_or_default(),
    ) else {
        return Err(invalid("for ECS and Lambda it is an AppSpecContent"));
    };
    let hash = hex::encode(Sha256::digest(content));
    if revision["appSpecContent"]["sha256"].as_str() != Some(&hash) {
        return Err(invalid("the sha256 is not the content's"));
    }
    let documents = yaml::parse(content).map_err(|why| invalid(&why))?;
    match documents.as_slice() {
        [one] if one["Resources"].is_array() && !one["version"].is_null() => Ok(revision),
        _ => Err(invalid(
            "an application specification has a version and Resources",
        )),
    }
}

async fn create(
    client: &Client,
    new: Deployment,
    console: &mut Console,
) -> Result<Value, ToolError> {
    const OPERATION: &str = "CreateDeployment";
    let mut group = group(client, &new.application_name, &new.deployment_group_name).await?;
    if let Some(active) = &group.active {
        let why = format!("The deployment group is busy with {active}.");
        return Err(refused("DeploymentLimitExceededException", OPERATION, why));
    }
    let config = &new.deployment_config_name;
    if let Some(own) = config.strip_prefix(OWN)
        && !["ECS", "Lambda", "AllAtOnce"]
            .iter()
            .any(|known| own.starts_with(known))
    {
        let why = format!("No Deployment Configuration found for name: {config}");
        return Err(refused(
            "DeploymentConfigDoesNotExistException",
            OPERATION,
            why,
        ));
    }
    console.note(&format!(
        "aws deploy: {}/{} is played by a record; no traffic is moved",
        new.application_name, new.deployment_group_name
    ));
    group.active = Some(new.deployment_id.clone());
    keep(client, &new).await?;
    keep_group(client, &new, &group).await?;
    Ok(json!({"deploymentId": new.deployment_id}))
}

/// Goes on by one step, when it is under way.
async fn look(
    client: &Client,
    deployment: &mut Deployment,
    console: &mut Console,
) -> Result<(), ToolError> {
    if deployment.is_over() {
        return Ok(());
    }
    let Some(share) = deployment.shares().get(deployment.looks).copied() else {
        if deployment.waits == 0 {
            return end(client, deployment, "Succeeded", None).await;
        }
        deployment.waits -= 1;
        return keep(client, deployment).await;
    };
    deployment.looks += 1;
    "InProgress".clone_into(&mut deployment.status);
    let id = &deployment.deployment_id;
    console.note(&format!(
        "aws deploy: {id} would give {share} % of the traffic"
    ));
    match deployment.fails.clone().filter(|f| f.at_percent <= share) {
        Some(failure) => end(client, deployment, "Failed", Some(failure)).await,
        None => keep(client, deployment).await,
    }
}

/// Ends a deployment; one that has not succeeded brings back what ran before.
async fn end(
    client: &Client,
    deployment: &mut Deployment,
    status: &str,
    failure: Option<Failure>,
) -> Result<(), ToolError> {
    status.clone_into(&mut deployment.status);
    deployment.error_information = failure.map(|f| json!({"code": f.code, "message": f.message}));
    let (application, name) = (
        deployment.application_name.clone(),
        deployment.deployment_group_name.clone(),
    );
    let mut group = group(client, &application, &name).await?;
    group.active = None;
    if status == "Succeeded" {
        group.current = Some(deployment.deployment_id.clone());
    } else if let (Some(current), true) = (&group.current, deployment.rolls_back) {
        let before = find(client, "CreateDeployment", current).await?;
        let back = Deployment {
            stand_in: deployment.stand_in.clone(),
            application_name: application,
            deployment_group_name: name,
            deployment_config_name: format!("{OWN}AllAtOnce"),
            revision: before.revision.clone(),
            ..Deployment::new("codeDeployRollback")
        };
        group.active = Some(back.deployment_id.clone());
        let message = format!("{} is deployed again", before.deployment_id);
        deployment.rollback_info =
            Some(json!({"rollbackDeploymentId": back.deployment_id, "rollbackMessage": message}));
        keep(client, &back).await?;
    }
    keep(client, deployment).await?;
    keep_group(client, deployment, &group).await
}
