//! What `helm` and `argocd` do with rendered manifests: apply them to the
//! cluster that `kubectl` uses, and wait until they are healthy.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Console, ToolError, client::Client, manifest};
use crate::cluster::model::{ApplyAnswer, Record, ScaleRequest, State};

/// Where manifests go.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) context: String,
    pub(super) namespace: String,
}

impl Target {
    /// Applies manifests; deployments that `before` had and `resources` lack
    /// are taken away, as Helm and Argo CD (with pruning) do.
    pub(super) async fn apply(
        &self,
        client: &Client,
        resources: &[Value],
        before: &[Value],
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let workload = manifest::workload(resources, &self.context, &self.namespace)?;
        console.note(&format!(
            "cluster {}, namespace {}: played by processes of this machine",
            self.context, self.namespace
        ));
        let answer: ApplyAnswer = client.post("cluster/apply", &workload.request).await?;
        for line in &answer.lines {
            console.note(line);
        }
        let names = deployments(resources);
        for gone in deployments(before) {
            if !names.contains(&gone) {
                self.scale(client, gone, 0).await?;
                console.note(&format!("deployment {gone} is no longer part of it: ended"));
            }
        }
        Ok(())
    }

    /// Sets how many replicas of a deployment run.
    pub(super) async fn scale(
        &self,
        client: &Client,
        name: &str,
        replicas: u64,
    ) -> Result<String, ToolError> {
        let request = ScaleRequest {
            context: self.context.clone(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            replicas,
        };
        client.post("cluster/scale", &request).await
    }

    /// How a deployment stands, after at most `wait` for its rollout to end.
    pub(super) async fn record(
        &self,
        client: &Client,
        name: &str,
        wait: Duration,
    ) -> Result<Record, ToolError> {
        let seconds = wait.as_secs().to_string();
        let query = [
            ("context", self.context.as_str()),
            ("namespace", &self.namespace),
            ("name", name),
            ("wait_seconds", &seconds),
        ];
        client.get("cluster/deployment", &query).await
    }

    /// Waits until every deployment of the manifests is available.
    ///
    /// # Errors
    /// Naming the deployment that is not, and why.
    pub(super) async fn until_healthy(
        &self,
        client: &Client,
        resources: &[Value],
        timeout: Duration,
    ) -> Result<(), ToolError> {
        let until = Instant::now() + timeout;
        for name in deployments(resources) {
            let left = until.saturating_duration_since(Instant::now());
            let record = self
                .record(client, name, left.max(Duration::from_secs(1)))
                .await?;
            let why = match record.state {
                State::Available => continue,
                State::Progressing => "timed out waiting for the condition",
                State::Failed => "did not become ready",
            };
            return Err(ToolError::Failed(format!(
                "deployment {name}: {why}: {}",
                record.message
            )));
        }
        Ok(())
    }
}

/// The names of the deployments among resources.
pub(super) fn deployments(resources: &[Value]) -> Vec<&str> {
    (resources.iter())
        .filter(|resource| resource["kind"] == "Deployment")
        .filter_map(|resource| resource["metadata"]["name"].as_str())
        .collect()
}
