//! What a release begins with: the artifacts of another pipeline's release, or
//! what ran in an environment before. Both are read from the record; an input
//! only names them.

use gatewright_aws::store::{Store, StoreError};
use gatewright_aws::table::Table;
use gatewright_domain::decide::undo::{judge_rollback, may_ask};
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::ledger::Fact;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::{Definition, Purpose};
use gatewright_domain::release::{Status, evidence_before};
use gatewright_domain::trigger::{TriggerInput, UpstreamOrigin};
use gatewright_domain::{EnvironmentName, ErrorName};
use gatewright_handler::Failure;

/// What a release begins with.
pub(crate) struct Given {
    /// Its trigger; that of a rollback with the commit and the target filled in.
    pub(crate) trigger: TriggerInput,
    /// The artifacts that it did not build.
    pub(crate) artifacts: Vec<ArtifactEvidence>,
    /// What else is recorded as it begins.
    pub(crate) facts: Vec<Fact>,
}

/// What the release begins with.
pub(crate) async fn given<T: Table>(
    store: &Store<T>,
    definition: &Definition,
    trigger: TriggerInput,
) -> Result<Given, Failure> {
    let artifacts = match (&trigger.upstream, definition.purpose, &trigger.environment) {
        (Some(upstream), _, _) => built_upstream(store, definition, upstream).await?,
        (None, Purpose::Rollback, Some(environment)) => {
            let environment = environment.clone();
            return brought_back(store, definition, &environment, trigger).await;
        }
        (None, Purpose::Release | Purpose::Rollback, _) => Vec::new(),
    };
    Ok(Given {
        trigger,
        artifacts,
        facts: Vec::new(),
    })
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

/// What a rollback goes back to, when everything that must hold of it does.
async fn brought_back<T: Table>(
    store: &Store<T>,
    definition: &Definition,
    environment: &EnvironmentName,
    mut trigger: TriggerInput,
) -> Result<Given, Failure> {
    let refused = |(error, why): (ErrorName, String)| Failure::new(error, why);
    let directory = match store.directory().await {
        Ok(seen) => seen.value,
        // Then nobody is of any group.
        Err(StoreError::Missing(_)) => Directory::default(),
        Err(error) => return Err(error.into()),
    };
    let requester = trigger.requester.as_deref();
    may_ask(definition, environment, requester, &directory).map_err(refused)?;
    let seen = store.ways_back(&definition.id, environment).await?;
    let judged = judge_rollback(&seen, environment, &trigger);
    if let Some(why) = judged.refused() {
        return Err(refused(why));
    }
    let target = judged
        .target
        .ok_or_else(|| Failure::bug("a rollback to nothing that nothing refuses"))?;
    let typed = trigger
        .acknowledge
        .clone()
        .filter(|_| !target.across.is_empty());
    let acknowledged = typed.map(|typed| Fact::MigrationAcknowledged {
        environment: environment.clone(),
        by: trigger.requester.clone(),
        typed,
        migrated: target.across.clone(),
    });
    let target = target.deployment;
    trigger.to = Some(target.version_of().clone());
    // What runs is brought back with the commands that brought it.
    trigger.commit = target.commit;
    // Whoever did not say what they saw meant what ran when they asked.
    trigger.instead_of = seen.current.map(|current| current.version_of().clone());
    Ok(Given {
        trigger,
        artifacts: target.artifacts,
        facts: acknowledged.into_iter().collect(),
    })
}
