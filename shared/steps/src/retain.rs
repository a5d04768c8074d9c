//! Keeping the images that environments run or may go back to: tags that their
//! repositories' lifecycle rules keep (decision 0011).

use crate::Running;
use gatewright_aws::registry::Registry;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::pipeline::{Artifact, Definition};
use gatewright_domain::release::evidence_before;
use gatewright_domain::retention::{kept, outdated, tag};
use gatewright_domain::{Digest, EnvironmentName};
use gatewright_handler::Failure;
use gatewright_handler::task::TaskInput;
use std::collections::BTreeSet;

/// How much of an environment's history is looked through for the versions that
/// it may go back to: most are deployed once, some several times.
const HISTORY: u32 = 50;

/// Tags the images among `artifacts` as going to the environment, before they do:
/// whatever runs there must have been kept from the first moment on. Images that
/// have their tag already stay as they are.
///
/// # Errors
/// When the registry fails, or has no such image: then nothing may be deployed.
/// Doing it again is safe.
pub async fn retain_for<R: Registry>(
    registry: &R,
    definition: &Definition,
    environment: &EnvironmentName,
    artifacts: &[ArtifactEvidence],
) -> Result<(), Failure> {
    for artifact in artifacts {
        let declared = definition.artifacts.get(&artifact.name);
        let Some(repository) = declared.and_then(Artifact::repository) else {
            continue;
        };
        let tag = tag(
            &definition.id,
            environment,
            is_protected(definition, environment),
            &artifact.digest,
        );
        registry.retain(repository, &artifact.digest, &tag).await?;
    }
    Ok(())
}

/// Forgets what the environment of a stage no longer goes back to, when its release
/// has just been cleared and holds the environment. Only `clear-deploy` may take tags
/// away: whoever else clears leaves it to the next release. Never fails.
pub async fn forget_when_cleared<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    input: &TaskInput,
) {
    match cleared(store, input).await {
        Ok(Some((definition, environment, coming))) => {
            forget_old(store, registry, &definition, &environment, &coming).await;
        }
        Ok(None) => {}
        Err(failure) => tracing::warn!(
            release = %input.release, error = %failure.name,
            "old images stay until the next deployment: {}", failure.message
        ),
    }
}

/// Where the stage's release may deploy now and what; `None` while it waits or
/// when it was refused.
async fn cleared<T: Table>(
    store: &Store<T>,
    input: &TaskInput,
) -> Result<Option<(Definition, EnvironmentName, Vec<ArtifactEvidence>)>, Failure> {
    let running = Running::read(store, &input.release).await?;
    let (index, stage) = running.stage(&input.stage)?;
    let (Some(deploy), Some(environment)) = (stage.deploy(), stage.environment.clone()) else {
        return Ok(None);
    };
    let head = &running.head.value;
    let (lock, _) = store.lock(&head.pipeline, &environment).await?;
    if !lock.is_held_by(&head.release) {
        return Ok(None);
    }
    let records = store.stages(&head.release).await?;
    let evidence = evidence_before(head, &records, index);
    let coming = deploy.artifacts.iter();
    let coming = coming.filter_map(|name| evidence.as_ref()?.artifact(name).cloned());
    let coming = coming.collect();
    Ok(Some((running.definition, environment, coming)))
}

/// Takes the environment's tag from the images that it no longer goes back to, so
/// that they may expire. `coming` is what the caller is about to deploy; it holds
/// the environment's lock, so that nobody else brings an old image back meanwhile.
/// What failed or was never deployed after all loses its tag here too.
///
/// Never fails: a tag too many keeps an image too long, and the next deployment
/// looks again.
pub async fn forget_old<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    definition: &Definition,
    environment: &EnvironmentName,
    coming: &[ArtifactEvidence],
) {
    // What was released is kept for ever.
    if is_protected(definition, environment) {
        return;
    }
    if let Err(failure) = forget(store, registry, definition, environment, coming).await {
        tracing::warn!(
            pipeline = %definition.id, environment = %environment, error = %failure.name,
            "old images stay until the next deployment: {}", failure.message
        );
    }
}

async fn forget<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    definition: &Definition,
    environment: &EnvironmentName,
    coming: &[ArtifactEvidence],
) -> Result<(), Failure> {
    let history = store
        .deployments(&definition.id, environment, HISTORY)
        .await?;
    let mut kept = kept(&history);
    kept.extend(coming.iter().map(|artifact| &artifact.digest));
    let repositories: BTreeSet<&str> = definition
        .artifacts
        .values()
        .filter_map(Artifact::repository)
        .collect();
    for repository in repositories {
        let tagged: Vec<(String, Digest)> = registry.tags(repository).await?;
        for tag in outdated(&definition.id, environment, &tagged, &kept) {
            registry.release_tag(repository, tag).await?;
        }
    }
    Ok(())
}

/// An environment that the definition does not know is treated as one whose
/// images stay for ever.
fn is_protected(definition: &Definition, environment: &EnvironmentName) -> bool {
    let known = definition.environments.get(environment);
    known.is_none_or(|environment| environment.protected)
}
