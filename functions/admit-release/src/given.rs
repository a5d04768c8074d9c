//! What a release begins with: the artifacts of another pipeline's release, or
//! what ran in an environment before. Both are read from the record; an input
//! only names them.

use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::pipeline::{Definition, Purpose};
use gatewright_domain::release::{Deployment, Status, evidence_before};
use gatewright_domain::trigger::{TriggerInput, UpstreamOrigin};
use gatewright_domain::{EnvironmentName, ErrorName, ReleaseId};
use gatewright_handler::Failure;

/// How far back a rollback finds a target that it is not told.
const DEPLOYMENTS: u32 = 50;

/// The artifacts that the release begins with, and its trigger with the commit
/// and the target of a rollback filled in.
pub(crate) async fn given<T: Table>(
    store: &Store<T>,
    definition: &Definition,
    mut trigger: TriggerInput,
) -> Result<(TriggerInput, Vec<ArtifactEvidence>), Failure> {
    if let Some(upstream) = trigger.upstream.clone() {
        let artifacts = built_upstream(store, definition, &upstream).await?;
        return Ok((trigger, artifacts));
    }
    match (definition.purpose, trigger.environment.clone()) {
        (Purpose::Rollback, Some(environment)) => {
            may_ask(store, definition, &environment, &trigger).await?;
            let target = target(store, definition, &environment, &trigger).await?;
            // What runs is brought back with the commands that brought it.
            trigger.commit = target.commit;
            trigger.to = Some(target.restored.unwrap_or(target.release));
            Ok((trigger, target.artifacts))
        }
        (Purpose::Release | Purpose::Rollback, _) => Ok((trigger, Vec::new())),
    }
}

/// Whether the requester is of a group that may bring the environment back. A
/// definition that names nobody leaves it to whoever may start executions.
async fn may_ask<T: Table>(
    store: &Store<T>,
    definition: &Definition,
    environment: &EnvironmentName,
    trigger: &TriggerInput,
) -> Result<(), Failure> {
    let by = definition
        .environments
        .get(environment)
        .map(|e| &e.rollback.by);
    let Some(by) = by.filter(|by| !by.is_empty()) else {
        return Ok(());
    };
    let requester = trigger.requester.as_deref().unwrap_or_default();
    let directory = store.directory().await?.value;
    let allowed = directory.people.iter().any(|person| {
        person.is(requester)
            && by
                .iter()
                .any(|group| directory.is_member(&person.id, group))
    });
    if allowed {
        return Ok(());
    }
    let groups: Vec<&str> = by.iter().map(|group| group.as_str()).collect();
    let why = format!(
        "{requester:?} may not bring {environment} back: members of {} may",
        groups.join(" or ")
    );
    Err(Failure::new(ErrorName::AccessDenied, why))
}

/// What the other pipeline's release built, under this definition's names.
async fn built_upstream<T: Table>(
    store: &Store<T>,
    definition: &Definition,
    upstream: &UpstreamOrigin,
) -> Result<Vec<ArtifactEvidence>, Failure> {
    let refused = |why: String| Failure::new(ErrorName::NotTriggered, why);
    let UpstreamOrigin { pipeline, release } = upstream;
    let head = store.head(release).await?.map(|seen| seen.value);
    let Some(head) = head.filter(|head| &head.pipeline == pipeline) else {
        return Err(refused(format!("{pipeline} has no release {release}")));
    };
    if head.status != Status::Succeeded {
        let (title, status) = (head.title(), head.status);
        return Err(refused(format!(
            "{title} has not succeeded: it is {status}"
        )));
    }
    let records = store.stages(release).await?;
    let evidence = evidence_before(&head, &records, usize::MAX)
        .ok_or_else(|| Failure::bug("a succeeded release without a trigger"))?;
    let mut given = Vec::new();
    for (name, artifact) in &definition.artifacts {
        let Some(from) = artifact.from.as_ref().filter(|f| &f.pipeline == pipeline) else {
            continue;
        };
        let built = evidence.artifact(&from.artifact).ok_or_else(|| {
            refused(format!(
                "{} built no artifact {:?}",
                head.title(),
                from.artifact
            ))
        })?;
        given.push(ArtifactEvidence {
            name: name.clone(),
            ..built.clone()
        });
    }
    Ok(given)
}

/// The deployment that a rollback goes back to: the one that was asked for, or
/// the last of something else than what runs now.
async fn target<T: Table>(
    store: &Store<T>,
    definition: &Definition,
    environment: &EnvironmentName,
    trigger: &TriggerInput,
) -> Result<Deployment, Failure> {
    let refused = |why: String| Failure::new(ErrorName::NotTriggered, why);
    let Some(current) = store.current(&definition.id, environment).await? else {
        return Err(refused(format!("nothing runs in {environment} yet")));
    };
    let history = store
        .deployments(&definition.id, environment, DEPLOYMENTS)
        .await?;
    // What a release put there and took back was not good.
    let undone: Vec<ReleaseId> = history
        .iter()
        .filter(|d| d.restored.is_some())
        .map(|d| d.release.clone())
        .collect();
    let good = |d: &Deployment| d.restored.is_some() || !undone.contains(&d.release);
    let wanted = |d: &Deployment| match &trigger.to {
        Some(to) => &d.release == to && d.restored.is_none(),
        None => good(d) && d.digest() != current.digest(),
    };
    let found = history.iter().find(|d| wanted(d)).cloned();
    found.ok_or_else(|| match &trigger.to {
        Some(to) => refused(format!("{to} never ran in {environment}")),
        None => refused(format!(
            "nothing else than what runs now ran in {environment} before"
        )),
    })
}
