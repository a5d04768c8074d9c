//! A release: its history, and bringing the cluster to a revision of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    super::{
        Console, ToolError,
        chart::{self, ReleaseName},
        client::Client,
        kubeconfig::KubeConfig,
        workload::Target,
    },
    Global, ValueArguments, Waiting,
};
use crate::ids;

/// Helm's own `--timeout` when none is given.
const TIMEOUT: Duration = Duration::from_secs(300);

/// One revision of a release.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Revision {
    pub(super) revision: u64,
    pub(super) status: String,
    pub(super) chart: String,
    pub(super) description: String,
    pub(super) updated: String,
    pub(super) values: Value,
    pub(super) manifests: Vec<Value>,
}

/// A release and where it is.
pub(super) struct Release<'c> {
    pub(super) client: &'c Client,
    pub(super) target: Target,
    pub(super) name: String,
    pub(super) history: Vec<Revision>,
}

impl<'c> Release<'c> {
    pub(super) async fn load(
        client: &'c Client,
        global: &Global,
        name: String,
    ) -> Result<Self, ToolError> {
        let config = KubeConfig::load()?;
        let context = match &global.kube_context {
            Some(context) => context.clone(),
            None => config.context()?.to_owned(),
        };
        let namespace = (global.namespace.clone()).unwrap_or_else(|| config.namespace().to_owned());
        let target = Target { context, namespace };
        let kept = client.object(&target, "helm-release", &name).await?;
        let history = match kept {
            Some(kept) => serde_json::from_value(kept["history"].clone())
                .map_err(|error| ToolError::Failed(format!("the release {name}: {error}")))?,
            None => vec![],
        };
        Ok(Self {
            client,
            target,
            name,
            history,
        })
    }

    pub(super) fn last(&self) -> Result<&Revision, ToolError> {
        (self.history.last())
            .ok_or_else(|| ToolError::Failed("Error: release: not found".to_owned()))
    }

    /// The manifests that are in the cluster now.
    fn deployed(&self) -> Vec<Value> {
        (self.history.iter().rev())
            .find(|one| one.status == "deployed")
            .map(|one| one.manifests.clone())
            .unwrap_or_default()
    }

    fn number(&self) -> u64 {
        self.history.last().map_or(1, |last| last.revision + 1)
    }

    pub(super) fn next(
        &self,
        folder: &std::path::Path,
        values: &ValueArguments,
        reuse: bool,
    ) -> Result<Revision, ToolError> {
        let mut given = values.given();
        let before = tempfile::NamedTempFile::new()?;
        let mut files = vec![];
        if let (true, Some(last)) = (reuse, self.history.last()) {
            // JSON is YAML: what ran before is the first file of values.
            std::fs::write(before.path(), last.values.to_string())?;
            files.push(before.path().to_path_buf());
        }
        files.extend(values.values.iter().cloned());
        given.files = &files;
        let values = chart::values(folder, &given)?;
        let release = ReleaseName {
            name: &self.name,
            namespace: &self.target.namespace,
            revision: self.number(),
        };
        let manifests = chart::render(folder, &values, &release)?;
        let described = chart::description(folder)?;
        let text = |name: &str| described[name].as_str().unwrap_or_default().to_owned();
        Ok(Revision {
            revision: self.number(),
            status: "pending-upgrade".to_owned(),
            chart: format!("{}-{}", text("name"), text("version")),
            description: "Upgrade complete".to_owned(),
            updated: ids::now().to_string(),
            values,
            manifests,
        })
    }

    pub(super) async fn upgrade(
        &mut self,
        revision: Revision,
        waiting: &Waiting,
        atomic: bool,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let before = self.history.clone();
        match self.bring(revision, waiting, console).await {
            Ok(()) => Ok(()),
            Err(error) if atomic && before.iter().any(|one| one.status == "deployed") => {
                console.note(&format!("helm --atomic: {error}; rolling back"));
                let back = Waiting {
                    wait: true,
                    timeout: TIMEOUT,
                };
                self.roll_back(None, &back, console).await?;
                let text = format!(
                    "Error: UPGRADE FAILED: release {} failed, and has been rolled back due to atomic being set: {error}",
                    self.name
                );
                Err(ToolError::Failed(text))
            }
            Err(error) => Err(ToolError::Failed(format!("Error: UPGRADE FAILED: {error}"))),
        }
    }

    pub(super) async fn roll_back(
        &mut self,
        wanted: Option<u64>,
        waiting: &Waiting,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let last = self.last()?.revision;
        let good = |one: &&Revision| ["deployed", "superseded"].contains(&one.status.as_str());
        let chosen = match wanted {
            Some(number) if number > 0 => self.history.iter().find(|one| one.revision == number),
            _ => (self.history.iter().rev())
                .filter(good)
                .find(|one| one.revision < last),
        };
        let Some(chosen) = chosen else {
            let text = format!("Error: release {} has no revision to go back to", self.name);
            return Err(ToolError::Failed(text));
        };
        let mut revision = chosen.clone();
        revision.description = format!("Rollback to {}", chosen.revision);
        revision.revision = self.number();
        revision.updated = ids::now().to_string();
        (self.bring(revision, waiting, console).await)
            .map_err(|error| ToolError::Failed(format!("Error: ROLLBACK FAILED: {error}")))?;
        console.line("Rollback was a success! Happy Helming!");
        Ok(())
    }

    /// Applies a revision and keeps how it went.
    async fn bring(
        &mut self,
        mut revision: Revision,
        waiting: &Waiting,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let (client, target) = (self.client, self.target.clone());
        let before = self.deployed();
        let mut went = (target.apply(client, &revision.manifests, &before, console)).await;
        if went.is_ok() && waiting.wait {
            went = (target.until_healthy(client, &revision.manifests, waiting.timeout)).await;
        }
        revision.status = match &went {
            Ok(()) => "deployed".to_owned(),
            Err(error) => {
                revision.description = format!("failed: {error}");
                "failed".to_owned()
            }
        };
        if went.is_ok() {
            for one in self
                .history
                .iter_mut()
                .filter(|one| one.status == "deployed")
            {
                one.status = "superseded".to_owned();
            }
            self.say(&revision, console);
        }
        self.history.push(revision);
        let kept = json!({"kind": "HelmRelease", "history": self.history});
        client
            .keep_object(&target, "helm-release", &self.name, &kept)
            .await?;
        went
    }

    pub(super) fn say(&self, revision: &Revision, console: &mut Console) {
        console.line(&format!("NAME: {}", self.name));
        console.line(&format!("LAST DEPLOYED: {}", revision.updated));
        console.line(&format!("NAMESPACE: {}", self.target.namespace));
        console.line(&format!("STATUS: {}", revision.status));
        console.line(&format!("REVISION: {}", revision.revision));
        console.line(&format!("DESCRIPTION: {}", revision.description));
    }
}
