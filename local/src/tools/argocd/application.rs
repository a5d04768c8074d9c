//! An application: what it is made from, what it has deployed, and what it does.

use std::{env, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    super::{
        Console, ToolError,
        chart::{self, Given, ReleaseName},
        client::Client,
        workload::{Target, deployments},
    },
    line::Settings,
};
use crate::ids;

/// What `argocd` ends with when there is no such application.
const NOT_FOUND: u8 = 20;

/// One deployment of an application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Deployed {
    pub(super) id: u64,
    pub(super) revision: String,
    pub(super) at: String,
    pub(super) manifests: Vec<Value>,
}

/// An application, as it is remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Application {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) repo: String,
    pub(super) path: String,
    pub(super) context: String,
    pub(super) namespace: String,
    pub(super) revision: String,
    pub(super) values: Vec<String>,
    pub(super) parameters: Map<String, Value>,
    pub(super) history: Vec<Deployed>,
}

/// Where applications are remembered.
pub(super) fn place() -> Target {
    Target {
        context: "argocd".to_owned(),
        namespace: "argocd".to_owned(),
    }
}

impl Application {
    pub(super) async fn load(client: &Client, name: &str) -> Result<Self, ToolError> {
        let kept = client.object(&place(), "application", name).await?;
        let kept = kept.ok_or_else(|| ToolError::Code {
            code: NOT_FOUND,
            message: format!(
                "argocd: application '{name}' not found; make it known with `argocd app create`"
            ),
        })?;
        serde_json::from_value(kept)
            .map_err(|error| ToolError::Failed(format!("the application {name}: {error}")))
    }

    pub(super) async fn keep(&self, client: &Client) -> Result<(), ToolError> {
        let value = serde_json::to_value(self).map_err(std::io::Error::from)?;
        client
            .keep_object(&place(), "application", &self.name, &value)
            .await
    }

    pub(super) fn take(&mut self, settings: &Settings) -> Result<(), ToolError> {
        if !settings.values.is_empty() {
            self.values.clone_from(&settings.values);
        }
        if let Some(revision) = &settings.revision {
            self.revision.clone_from(revision);
        }
        for parameter in &settings.parameter {
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| ToolError::Failed(format!("{parameter}: expected NAME=VALUE")))?;
            self.parameters.insert(name.to_owned(), value.into());
        }
        Ok(())
    }

    fn target(&self) -> Target {
        Target {
            context: self.context.clone(),
            namespace: self.namespace.clone(),
        }
    }

    pub(super) fn render(&self) -> Result<Vec<Value>, ToolError> {
        let source =
            env::var_os("CODEBUILD_SRC_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let folder = source.join(&self.path);
        let files: Vec<PathBuf> = self.values.iter().map(|file| folder.join(file)).collect();
        let sets: Vec<String> = (self.parameters.iter())
            .map(|(name, value)| {
                format!(
                    "{name}={}",
                    value.as_str().unwrap_or_default().replace(',', "\\,")
                )
            })
            .collect();
        let given = Given {
            files: &files,
            sets: sets.iter().map(|one| (one.as_str(), false)).collect(),
        };
        let values = chart::values(&folder, &given)?;
        let release = ReleaseName {
            name: &self.name,
            namespace: &self.namespace,
            revision: self.next(),
        };
        chart::render(&folder, &values, &release)
    }

    fn next(&self) -> u64 {
        self.history.last().map_or(0, |last| last.id + 1)
    }

    fn manifests(&self) -> &[Value] {
        self.history.last().map_or(&[], |last| &last.manifests)
    }

    pub(super) async fn bring(
        &mut self,
        client: &Client,
        manifests: Vec<Value>,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        (self
            .target()
            .apply(client, &manifests, self.manifests(), console))
        .await?;
        self.history.push(Deployed {
            id: self.next(),
            revision: self.revision.clone(),
            at: ids::now().to_string(),
            manifests,
        });
        self.keep(client).await
    }

    pub(super) async fn until_healthy(
        &self,
        client: &Client,
        timeout: u64,
    ) -> Result<(), ToolError> {
        let timeout = Duration::from_secs(timeout);
        (self
            .target()
            .until_healthy(client, self.manifests(), timeout)
            .await)
            .map_err(|error| ToolError::Failed(format!("{}: Synced, Degraded: {error}", self.name)))
    }

    pub(super) async fn roll_back(
        &mut self,
        client: &Client,
        id: Option<u64>,
        timeout: u64,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let chosen = match id {
            Some(id) => self.history.iter().find(|one| one.id == id),
            None => self.history.iter().rev().nth(1),
        };
        let Some(chosen) = chosen.cloned() else {
            let text = format!("application '{}' has nothing to go back to", self.name);
            return Err(ToolError::Failed(text));
        };
        self.bring(client, chosen.manifests, console).await?;
        self.until_healthy(client, timeout).await?;
        console.line(&format!(
            "Operation: Rollback to {}\nPhase: Succeeded",
            chosen.id
        ));
        Ok(())
    }

    /// What was changed in the cluster behind the application's back.
    pub(super) async fn diff(
        &self,
        client: &Client,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let target = self.target();
        let mut different = 0;
        for wanted in self.manifests() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&wanted["kind"]), text(&wanted["metadata"]["name"]));
            let live = client.object(&target, &kind.to_lowercase(), &name).await?;
            for path in differences(wanted, &live.unwrap_or_default(), String::new()) {
                console.line(&format!(
                    "{kind}/{name}: {path} is not what the application says"
                ));
                different += 1;
            }
        }
        for name in deployments(self.manifests()) {
            let record = target.record(client, name, Duration::ZERO).await?;
            console.note(&format!("{name} runs {}", record.image));
        }
        match different {
            0 => Ok(()),
            count => Err(ToolError::Code {
                code: 1,
                message: format!(
                    "argocd app diff: {count} differences between {} and the cluster",
                    self.name
                ),
            }),
        }
    }
}

/// The paths at which `live` lacks, or has otherwise, what is wanted.
fn differences(wanted: &Value, live: &Value, path: String) -> Vec<String> {
    match wanted {
        Value::Object(members) => (members.iter())
            .flat_map(|(name, value)| differences(value, &live[name], format!("{path}.{name}")))
            .collect(),
        _ if wanted == live => vec![],
        _ => vec![path],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_what_the_cluster_lacks_and_not_what_it_adds() {
        let wanted = json!({"spec": {"replicas": 1, "image": "a"}});
        let live = json!({"spec": {"replicas": 0, "image": "a", "more": true}});
        assert_eq!(
            differences(&wanted, &live, String::new()),
            [".spec.replicas"]
        );
    }
}
