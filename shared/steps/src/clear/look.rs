//! What is looked at before a deploy, or a migration before it, is cleared.

use super::is_rollback;
use crate::{Running, known_definition, route_of};
use gatewright_aws::origins::Outside;
use gatewright_aws::registry::Registry;
use gatewright_aws::store::{InForce, Store};
use gatewright_aws::table::Table;
use gatewright_domain::decide::{ClearSnapshot, Origin, Promotion, unpassed};
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::lock::Waiting;
use gatewright_domain::pipeline::{Artifact, Environment, Stage};
use gatewright_domain::release::evidence_before;
use gatewright_domain::undo::TakenBack;
use gatewright_domain::{EnvironmentName, ReleaseId};
use gatewright_handler::Failure;
use std::collections::BTreeMap;

/// How far back a promotion looks for what ran in the environment before.
const DEPLOYMENTS: u32 = 200;

/// What was seen, with the revisions that a change must name.
pub(super) struct Looked {
    pub(super) snapshot: ClearSnapshot,
    pub(super) lock_rev: Option<u64>,
    pub(super) in_force: InForce,
    /// The release's own place in the queue, if it waits already.
    pub(super) mine: Option<Waiting>,
    /// How long it waits at most, in seconds.
    pub(super) patience: i64,
}

pub(super) async fn observe<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    running: &Running,
    index: usize,
    stage: &Stage,
    environment: &EnvironmentName,
) -> Result<Looked, Failure> {
    let head = &running.head.value;
    let declared = running
        .definition
        .environments
        .get(environment)
        .ok_or_else(|| Failure::bug("a deploy into an environment that is not declared"))?;
    let records = store.stages(&head.release).await?;
    let route = running.route();
    let approval = match running.definition.approval_before(route, index) {
        None => None,
        Some((at, _)) => Some(match store.approval(&head.release, at).await? {
            None => None,
            Some(request) => Some((request.value, store.decisions(&head.release, at).await?)),
        }),
    };
    let directory = if approval.is_some() {
        store.directory().await?.value
    } else {
        Default::default()
    };
    let in_force = store.controls().await?;
    let (lock, lock_rev) = store.lock(&head.pipeline, environment).await?;
    let waiting = store.queue(&head.pipeline, environment).await?;
    let before = running.definition.path(route);
    let mine = waiting
        .iter()
        .find(|entry| entry.release == head.release && entry.index == index)
        .cloned();
    let evidence = evidence_before(head, &records, index);
    let known = |name: &String| evidence.as_ref().and_then(|e| e.artifact(name)).cloned();
    // A migration goes ahead of a deploy: what that will put there, as far as it is
    // built, is judged now, so that nothing is migrated for what may not follow.
    let coming = running.definition.deploy_from(route, index);
    let coming = coming.map_or(&[][..], |deploy| &deploy.artifacts);
    let artifacts: Vec<String> = match stage.deploy() {
        Some(_) => coming.to_vec(),
        None => coming
            .iter()
            .filter(|n| known(n).is_some())
            .cloned()
            .collect(),
    };
    let pinned: Vec<ArtifactEvidence> = artifacts.iter().filter_map(known).collect();
    let snapshot = ClearSnapshot {
        head: head.clone(),
        rollback: is_rollback(running),
        gone: gone(outside, running, &pinned).await?,
        records,
        index,
        environment: environment.clone(),
        protected: declared.protected,
        must_have_passed: before
            .filter(|(at, stage)| *at < index && stage.build().is_some())
            .map(|(at, _)| at)
            .collect(),
        artifacts,
        signed: signed(running, stage),
        approval,
        directory,
        controls: in_force.controls.clone(),
        windows: declared.windows.clone(),
        promotion: match coming {
            [] => None,
            _ => promotion(store, running, environment, declared, &pinned).await?,
        },
        origin: origin(outside, running).await?,
        current: store.current(&head.pipeline, environment).await?,
        taken_back: taken_back(store, running, environment).await?,
        lock,
        lease: declared.lease.get(),
        queue: declared.queue,
        waiting,
    };
    Ok(Looked {
        snapshot,
        lock_rev,
        in_force,
        mine,
        patience: declared.wait.get(),
    })
}

/// What was taken back from the environment and from those before it.
async fn taken_back<T: Table>(
    store: &Store<T>,
    running: &Running,
    environment: &EnvironmentName,
) -> Result<Vec<TakenBack>, Failure> {
    let pipeline = &running.head.value.pipeline;
    let mut found = Vec::new();
    for name in running.definition.environments.keys() {
        let all = store.all_taken_back(pipeline, name).await?;
        found.extend(all.into_iter().map(|seen| seen.value));
        if name == environment {
            break;
        }
    }
    Ok(found)
}

/// What the environment asks of the one before it, where it asks something.
async fn promotion<T: Table>(
    store: &Store<T>,
    running: &Running,
    environment: &EnvironmentName,
    declared: &Environment,
    pinned: &[ArtifactEvidence],
) -> Result<Option<Promotion>, Failure> {
    let before = running.definition.environment_before(environment);
    let Some((soak, before)) = declared.soak.zip(before) else {
        return Ok(None);
    };
    let pipeline = &running.head.value.pipeline;
    let deployments = store.deployments(pipeline, before, DEPLOYMENTS).await?;
    let mut unpassed = BTreeMap::new();
    for deployment in deployments.iter().filter(|d| d.has_all(pinned)) {
        let version = deployment.version_of();
        if let Some(stage) = failed_in(store, version, before).await? {
            unpassed.insert(version.clone(), stage);
        }
    }
    Ok(Some(Promotion {
        environment: before.clone(),
        soak,
        more: deployments.len() >= DEPLOYMENTS as usize,
        deployments,
        unpassed,
    }))
}

/// A stage of the release that works in the environment and has not passed.
async fn failed_in<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    environment: &EnvironmentName,
) -> Result<Option<String>, Failure> {
    let head = store.known_head(release).await?.value;
    let definition = known_definition(store, &head).await?;
    let records = store.stages(release).await?;
    let route = route_of(&head, &definition);
    let stage = unpassed(&definition, route, &records, environment);
    Ok(stage.map(ToString::to_string))
}

/// Whether the CodePipeline action that started the release waits for it still.
async fn origin<R: Outside>(outside: &R, running: &Running) -> Result<Option<Origin>, Failure> {
    let head = &running.head.value;
    let started = head.trigger.as_ref().and_then(|t| t.codepipeline.as_ref());
    Ok(match started {
        None => None,
        Some(action) => Some(outside.origin(action, &head.execution).await?),
    })
}

/// The artifacts to deploy whose signatures must have been verified by now: before a
/// migration, none, because the stage that verifies may follow it. What a rollback
/// brings back is verified by its own build, before its steps: no stage comes before
/// it that could have done so.
fn signed(running: &Running, stage: &Stage) -> Vec<String> {
    let Some(deploy) = stage.deploy().filter(|_| !is_rollback(running)) else {
        return Vec::new();
    };
    let declared = &running.definition.artifacts;
    let signed = |name: &&String| declared.get(*name).is_some_and(|artifact| artifact.signed);
    deploy.artifacts.iter().filter(signed).cloned().collect()
}

/// The images to deploy that their registry no longer has. Other artifacts are
/// fetched by the deploy itself, by their digest, before any of its steps.
async fn gone<R: Registry>(
    registry: &R,
    running: &Running,
    pinned: &[ArtifactEvidence],
) -> Result<Vec<String>, Failure> {
    let mut gone = Vec::new();
    for artifact in pinned {
        let declared = running.definition.artifacts.get(&artifact.name);
        if let Some(repository) = declared.and_then(Artifact::repository)
            && !registry.has(repository, &artifact.digest).await?
        {
            gone.push(artifact.name.clone());
        }
    }
    Ok(gone)
}
