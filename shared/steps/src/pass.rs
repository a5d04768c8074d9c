//! A stage lets its release through: what that means for its environment.

use crate::build::Freed;
use crate::undo::{Was, migrated, replaced};
use crate::{Running, ran_before};
use gatewright_aws::store::{Commit, Store, current_write, deployment_write, migrated_write};
use gatewright_aws::table::Table;
use gatewright_domain::decide::undo::still_runs;
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::Lock;
use gatewright_domain::pipeline::{Deploy, Effect, Purpose, Stage};
use gatewright_domain::release::{
    Deployment, StageRecord, StageStatus, evidence_before, has_changed, last_attempts,
};
use gatewright_domain::undo::Outcome;
use gatewright_domain::{EnvironmentName, ErrorName, ReleaseId, Timestamp};
use gatewright_handler::Failure;

/// Records that the stage has passed. A deploy that completes a change becomes
/// what its environment runs, if the lock is still the release's own; when all
/// stages in an environment have passed, the lock is given back. With a reason, the stage has not
/// passed after all.
pub(crate) async fn pass<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    record: &mut StageRecord,
    mut commit: Commit,
    freed: &mut Freed,
    now: Timestamp,
) -> Result<(Commit, Option<(ErrorName, String)>), Failure> {
    let head = &running.head.value;
    if let Some(environment) = stage.works_in() {
        let (lock, rev) = store.lock(&head.pipeline, environment).await?;
        let records = store.stages(&head.release).await?;
        let alone = stage.changes().is_some() || has_changed(&records, environment);
        if alone && !lock.is_held_by(&head.release) {
            let why = format!("{environment} was changed or tested without its lock");
            return Ok((commit, Some((ErrorName::LockLost, why))));
        }
        if let Some(deploy) = stage.deploy() {
            let before = store.current(&head.pipeline, environment).await?;
            let trigger = head.trigger.as_ref();
            if let Some(moved) = trigger.and_then(|t| still_runs(t, before.as_ref())) {
                return Ok((commit, Some(moved)));
            }
            if deploy.effect != Effect::Partial {
                let change = Change {
                    stage,
                    deploy,
                    environment,
                    index: record.index,
                    lock: &lock,
                    before,
                };
                commit = changed(store, running, change, commit, now).await?;
            }
        }
        if let Some(migrated) = migrated(head, stage, record, Outcome::Passed, now) {
            commit = commit
                .write(migrated_write(&migrated, record.index, head.started_at)?)
                .fact(Fact::SchemaMigrated {
                    stage: migrated.stage,
                    environment: migrated.environment,
                    kind: migrated.kind,
                });
        }
        // Those beside it may still run there. A stage that ends at the same moment
        // changes the head too, so one of the two finds the other over.
        let over = last_attempts(&records);
        let passed = |at| {
            let of = |r: &&StageRecord| r.index == at && r.status == StageStatus::Passed;
            at == record.index || over.iter().any(of)
        };
        let mut all = running.definition.stages_in(running.route(), environment);
        let last = !stage.undoes() && all.all(passed);
        match (lock.released(&head.release), rev) {
            (Some(free), _) if last => {
                let (free, known) = known_again(running, free);
                if known {
                    commit = commit.fact(Fact::EnvironmentFreed {
                        environment: environment.clone(),
                    });
                }
                commit =
                    commit
                        .write(Store::<T>::lock_write(&free, rev)?)
                        .fact(Fact::LockReleased {
                            environment: environment.clone(),
                        });
                *freed = Some((head.pipeline.clone(), environment.clone()));
            }
            // The lock must still be as it was when the deploy is recorded.
            (Some(_), Some(rev)) => commit = commit.write(Store::<T>::lock_check(&lock, rev)),
            (Some(_) | None, _) => {}
        }
    }
    record.status = StageStatus::Passed;
    record.ended_at = Some(now);
    Ok((
        commit.fact(Fact::StagePassed {
            stage: stage.name.clone(),
        }),
        None,
    ))
}

/// A rollback that has passed, with its tests, ends the doubt that a release left.
fn known_again(running: &Running, lock: Lock) -> (Lock, bool) {
    let known = running.definition.purpose == Purpose::Rollback && !lock.doubts.is_empty();
    match known {
        true => (lock.known(), true),
        false => (lock, false),
    }
}

/// A change of an environment that is whole now.
struct Change<'a> {
    stage: &'a Stage,
    deploy: &'a Deploy,
    environment: &'a EnvironmentName,
    index: usize,
    /// Its lock, which the release has.
    lock: &'a Lock,
    /// What the record says of it so far.
    before: Option<Deployment>,
}

/// Records what the environment runs from now on and, of a way back, what it
/// replaced.
async fn changed<T: Table>(
    store: &Store<T>,
    running: &Running,
    change: Change<'_>,
    commit: Commit,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let head = &running.head.value;
    let put = put_there(store, running, &change).await?;
    let deployment = Deployment {
        pipeline: head.pipeline.clone(),
        environment: change.environment.clone(),
        release: head.release.clone(),
        title: head.title(),
        number: head.number,
        commit: put.commit,
        artifacts: put.artifacts,
        restored: put.restored,
        at: now,
        fencing: change.lock.fencing,
    };
    let commit = commit
        .write(current_write(&deployment)?)
        .write(deployment_write(&deployment)?)
        .fact(Fact::EnvironmentChanged {
            environment: change.environment.clone(),
            digest: deployment.digest(),
            previous: change.before.as_ref().map(Deployment::digest),
        });
    if change.deploy.effect != Effect::Undo {
        return Ok(commit);
    }
    let was = Was {
        before: change.before.as_ref(),
        doubts: &change.lock.doubts,
    };
    replaced(store, running, change.stage, &deployment, was, commit).await
}

/// What a deploy put into its environment.
struct Put {
    commit: gatewright_domain::CommitSha,
    artifacts: Vec<ArtifactEvidence>,
    restored: Option<ReleaseId>,
}

async fn put_there<T: Table>(
    store: &Store<T>,
    running: &Running,
    change: &Change<'_>,
) -> Result<Put, Failure> {
    let head = &running.head.value;
    if change.stage.undoes() {
        let before = ran_before(store, &head.pipeline, change.environment, &head.release)
            .await?
            .ok_or_else(|| Failure::bug("a way back to nothing"))?;
        return Ok(Put {
            commit: before.commit,
            artifacts: before.artifacts,
            restored: Some(before.restored.unwrap_or(before.release)),
        });
    }
    let records = store.stages(&head.release).await?;
    let evidence = evidence_before(head, &records, change.index)
        .ok_or_else(|| Failure::bug("a release without a trigger"))?;
    let artifacts = change
        .deploy
        .artifacts
        .iter()
        .map(|name| {
            evidence
                .artifact(name)
                .cloned()
                .ok_or_else(|| Failure::bug("a deploy without its artifact"))
        })
        .collect::<Result<_, _>>()?;
    let to = head.trigger.as_ref().and_then(|t| t.to.clone());
    Ok(Put {
        commit: evidence.commit.clone(),
        artifacts,
        restored: to.filter(|_| running.definition.purpose == Purpose::Rollback),
    })
}
