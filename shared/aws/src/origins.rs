//! What started a release: AWS CodePipeline.

use crate::error::{ServiceError, classify};
use crate::registry::{Ecr, Registry};
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::types::{ActionExecutionDetail, ActionExecutionFilter};
use gatewright_domain::Digest;
use gatewright_domain::decide::{Origin, ScanSeen};
use gatewright_domain::trigger::CodePipelineOrigin;

/// What functions need of CodePipeline.
pub trait Origins: Send + Sync {
    /// Whether the action that started this execution still waits for it.
    fn origin(
        &self,
        of: &CodePipelineOrigin,
        execution: &str,
    ) -> impl Future<Output = Result<Origin, ServiceError>> + Send;
}

/// What a deploy is cleared with: the registry that has the image, and what
/// started the release.
pub trait Outside: Registry + Origins {}

impl<A: Registry + Origins> Outside for A {}

/// ECR and CodePipeline through the SDK.
#[derive(Debug, Clone)]
pub struct Around {
    ecr: Ecr,
    client: Client,
}

impl Around {
    /// Both with this configuration.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            ecr: Ecr::new(config),
            client: Client::new(config),
        }
    }
}

impl Origins for Around {
    async fn origin(
        &self,
        of: &CodePipelineOrigin,
        execution: &str,
    ) -> Result<Origin, ServiceError> {
        let filter = ActionExecutionFilter::builder()
            .pipeline_execution_id(&of.execution)
            .build();
        let mut pages = self
            .client
            .list_action_executions()
            .pipeline_name(&of.pipeline)
            .filter(filter)
            .into_paginator()
            .items()
            .send();
        // The newest comes first: an action that was tried again started another
        // execution, and only that one is waited for.
        while let Some(action) = pages.next().await {
            let action = match action.map_err(|e| classify("codepipeline:ListActionExecutions", &e))
            {
                Ok(action) => action,
                Err(error) if is_unknown(&error) => return Ok(Origin::Unknown),
                Err(error) => return Err(error),
            };
            if started(&action, execution) {
                return Ok(seen(&action));
            }
        }
        Ok(Origin::Unknown)
    }
}

fn is_unknown(error: &ServiceError) -> bool {
    [
        "PipelineNotFoundException",
        "PipelineExecutionNotFoundException",
    ]
    .iter()
    .any(|name| error.is(name))
}

/// Whether this action started the execution. Its name is the action execution's
/// id, behind a prefix and a hyphen where the action has a prefix (`CodePipeline`'s
/// reference of the Step Functions action); what an action keeps as its external
/// id may be the ARN.
fn started(action: &ActionExecutionDetail, execution: &str) -> bool {
    let result = action.output().and_then(|output| output.execution_result());
    let external = result.and_then(|result| result.external_execution_id());
    let name = execution.rsplit(':').next().unwrap_or(execution);
    let named = action.action_execution_id().is_some_and(|id| {
        let prefix = name.strip_suffix(id).filter(|_| !id.is_empty());
        prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-'))
    });
    named || external == Some(execution)
}

fn seen(action: &ActionExecutionDetail) -> Origin {
    match action.status().map(|status| status.as_str()) {
        Some("InProgress") => Origin::InProgress,
        Some(status) => Origin::Over(status.to_owned()),
        None => Origin::Unknown,
    }
}

impl Registry for Around {
    async fn digest_of(&self, repository: &str, tag: &str) -> Result<Option<Digest>, ServiceError> {
        self.ecr.digest_of(repository, tag).await
    }

    async fn has(&self, repository: &str, digest: &Digest) -> Result<bool, ServiceError> {
        self.ecr.has(repository, digest).await
    }

    async fn start_scan(&self, repository: &str, digest: &Digest) -> Result<(), ServiceError> {
        self.ecr.start_scan(repository, digest).await
    }

    async fn scan(&self, repository: &str, digest: &Digest) -> Result<ScanSeen, ServiceError> {
        self.ecr.scan(repository, digest).await
    }

    async fn retain(
        &self,
        repository: &str,
        digest: &Digest,
        tag: &str,
    ) -> Result<(), ServiceError> {
        self.ecr.retain(repository, digest, tag).await
    }

    async fn tags(&self, repository: &str) -> Result<Vec<(String, Digest)>, ServiceError> {
        self.ecr.tags(repository).await
    }

    async fn release_tag(&self, repository: &str, tag: &str) -> Result<(), ServiceError> {
        self.ecr.release_tag(repository, tag).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_codepipeline::types::ActionExecutionDetail;

    const ARN: &str =
        "arn:aws:states:ap-south-1:123456789012:execution:gatewright-gps:gps-1624a1d1-3699";

    fn action(id: &str) -> ActionExecutionDetail {
        ActionExecutionDetail::builder()
            .action_execution_id(id)
            .build()
    }

    #[test]
    fn an_execution_is_named_after_the_action_that_started_it() {
        assert!(started(&action("1624a1d1-3699"), ARN));
        let plain = ARN.replace("gps-1624a1d1", "1624a1d1");
        assert!(started(&action("1624a1d1-3699"), &plain));
        for other in ["", "699", "624a1d1-3699", "1624a1d1-3690"] {
            assert!(!started(&action(other), ARN), "{other}");
        }
    }
}
