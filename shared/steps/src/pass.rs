//! A stage lets its release through: what that means for its environment.

use crate::build::Freed;
use crate::{Running, ran_before};
use gatewright_aws::store::{Commit, Store, current_write, deployment_write};
use gatewright_aws::table::Table;
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::Lock;
use gatewright_domain::pipeline::{Deploy, Effect, Purpose, Stage};
use gatewright_domain::release::{Deployment, StageRecord, StageStatus, evidence_before};
use gatewright_domain::{EnvironmentName, ReleaseId, Timestamp};
use gatewright_handler::Failure;

/// Records that the stage has passed. A deploy that completes a change becomes
/// what its environment runs, if the lock is still the release's own; the last
/// stage in an environment gives the lock back. With a reason, the stage has not
/// passed after all.
pub(crate) async fn pass<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    record: &mut StageRecord,
    mut commit: Commit,
    freed: &mut Freed,
    now: Timestamp,
) -> Result<(Commit, Option<String>), Failure> {
    let head = &running.head.value;
    if let Some(environment) = stage.works_in() {
        let (lock, rev) = store.lock(&head.pipeline, environment).await?;
        if let Some(deploy) = stage.deploy() {
            if !lock.is_held_by(&head.release) {
                return Ok((
                    commit,
                    Some(format!("{environment} was deployed to without its lock")),
                ));
            }
            if deploy.effect != Effect::Partial {
                commit = changed(
                    store,
                    running,
                    (stage, deploy),
                    environment,
                    record.index,
                    lock.fencing,
                    commit,
                    now,
                )
                .await?;
            }
        }
        let last = running
            .definition
            .last_stage_in(running.route(), environment)
            == Some(record.index);
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

/// A rollback that has passed, with its tests, ends the hold of a release that
/// left the environment unknown.
fn known_again(running: &Running, lock: Lock) -> (Lock, bool) {
    let known = running.definition.purpose == Purpose::Rollback && lock.is_dirty();
    match known {
        true => (lock.unheld(), true),
        false => (lock, false),
    }
}

/// Records what the environment runs from now on.
#[expect(
    clippy::too_many_arguments,
    reason = "one caller, and each is a thing of its own"
)]
async fn changed<T: Table>(
    store: &Store<T>,
    running: &Running,
    (stage, deploy): (&Stage, &Deploy),
    environment: &EnvironmentName,
    index: usize,
    fencing: u64,
    commit: Commit,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let head = &running.head.value;
    let put = put_there(store, running, (stage, deploy), environment, index).await?;
    let deployment = Deployment {
        pipeline: head.pipeline.clone(),
        environment: environment.clone(),
        release: head.release.clone(),
        title: head.title(),
        number: head.number,
        commit: put.commit,
        artifacts: put.artifacts,
        restored: put.restored,
        at: now,
        fencing,
    };
    let previous = store.current(&head.pipeline, environment).await?;
    Ok(commit
        .write(current_write(&deployment)?)
        .write(deployment_write(&deployment)?)
        .fact(Fact::EnvironmentChanged {
            environment: environment.clone(),
            digest: deployment.digest(),
            previous: previous.map(|d| d.digest()),
        }))
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
    (stage, deploy): (&Stage, &Deploy),
    environment: &EnvironmentName,
    index: usize,
) -> Result<Put, Failure> {
    let head = &running.head.value;
    if stage.undoes() {
        let before = ran_before(store, &head.pipeline, environment, &head.release)
            .await?
            .ok_or_else(|| Failure::bug("a way back to nothing"))?;
        return Ok(Put {
            commit: before.commit,
            artifacts: before.artifacts,
            restored: Some(before.restored.unwrap_or(before.release)),
        });
    }
    let records = store.stages(&head.release).await?;
    let evidence = evidence_before(head, &records, index)
        .ok_or_else(|| Failure::bug("a release without a trigger"))?;
    let artifacts = deploy
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
