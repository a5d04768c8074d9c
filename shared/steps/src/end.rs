//! Ends a release that was admitted, whatever ended it: `Finish`, the event of an
//! execution that was stopped, or the sweep, which finds that one died unnoticed.

use crate::{
    Settled, hand_on, known_definition, release_lock, route_of, settle_build, until_settled,
};
use gatewright_aws::builds::Builds;
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{
    Commit, Start, Store, WaitKey, queue_delete, stage_write, start_write, wait_delete,
};
use gatewright_aws::table::{Table, When, Write};
use gatewright_domain::approval::State;
use gatewright_domain::decide::{Unproven, ending, unproven};
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::Doubt;
use gatewright_domain::order::MOST_REASON;
use gatewright_domain::pipeline::{Definition, Purpose};
use gatewright_domain::release::{Failure as Why, Head, StageRecord, StageStatus, Status};
use gatewright_domain::text::shortened;
use gatewright_domain::trigger::{Cause, UpstreamOrigin};
use gatewright_domain::{EnvironmentName, ErrorName, PipelineId, ReleaseId, Timestamp};
use gatewright_handler::Failure;

/// Ends the release if it has not ended; gives its head, or nothing when there is
/// no such release. Builds that still run are stopped first: once the lock is
/// given up, whoever comes next must be alone in the environment. A build whose
/// start is under way is stopped by whoever starts it.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn end_release<T: Table, B: Builds, R: Outside>(
    store: &Store<T>,
    builds: &B,
    outside: &R,
    release: &ReleaseId,
    caught: Option<Why>,
    now: Timestamp,
) -> Result<Option<Head>, Failure> {
    let end = || async {
        let stopped = look_again(store, builds, outside, release, now).await?;
        once(store, release, caught.clone(), &stopped, now).await
    };
    let (head, stop, freed) = until_settled(end).await?;
    for build in stop {
        halt(builds, &build).await?;
    }
    if let Some(head) = &head {
        for environment in freed {
            hand_on(store, outside, &head.pipeline, &environment, now).await?;
        }
    }
    Ok(head)
}

/// Reads at its source what became of builds that are not judged yet, so that the
/// record ends with what is true: a deploy that has come to its end has changed
/// its environment, whatever stopped the execution meanwhile. Those that still run
/// are stopped. Gives the builds that it has looked at.
async fn look_again<T: Table, B: Builds, R: Outside>(
    store: &Store<T>,
    builds: &B,
    outside: &R,
    release: &ReleaseId,
    now: Timestamp,
) -> Result<Vec<String>, Failure> {
    let mut looked_at = Vec::new();
    let running = store.head(release).await?;
    if running.is_none_or(|head| head.value.status.has_ended()) {
        return Ok(looked_at);
    }
    for record in store.stages(release).await? {
        if let (StageStatus::Running, Some(build)) = (record.status, &record.build) {
            looked_at.push(build.clone());
            match settle_build(store, builds, outside, build, now).await {
                Ok(Settled::StillRunning) => halt(builds, build).await?,
                Ok(Settled::Judged(_) | Settled::Already | Settled::NotOurs(_)) => {}
                Err(failure) if failure.may_pass() => return Err(failure),
                // It will never be read. The release ends all the same: what the build
                // did is unknown, and ends it dirty where it changes something.
                Err(failure) => {
                    tracing::error!(%release, build, error = %failure.name, "not judged: {}", failure.message);
                    halt(builds, build).await?;
                }
            }
        }
    }
    Ok(looked_at)
}

/// Stops a build. What will never be allowed must not keep a release from ending.
async fn halt<B: Builds>(builds: &B, build: &str) -> Result<(), Failure> {
    match builds.stop(build).await.map_err(Failure::from) {
        Err(failure) if !failure.may_pass() => {
            tracing::error!(build, error = %failure.name, "not stopped: {}", failure.message);
            Ok(())
        }
        stopped => stopped,
    }
}

type Ended = (Option<Head>, Vec<String>, Vec<EnvironmentName>);

async fn once<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    caught: Option<Why>,
    stopped: &[String],
    now: Timestamp,
) -> Result<Ended, Failure> {
    let Some(seen) = store.head(release).await? else {
        return Ok((None, Vec::new(), Vec::new()));
    };
    let records = store.stages(release).await?;
    let running: Vec<String> = records
        .iter()
        .filter(|r| r.status == StageStatus::Running)
        .filter_map(|r| r.build.clone())
        .collect();
    let definition = known_definition(store, &seen.value).await?;
    let environments: Vec<EnvironmentName> = definition.environments.keys().cloned().collect();
    if seen.value.status.has_ended() {
        // What follows the ending may have been cut short: it is done again.
        return Ok((Some(seen.value), running, environments));
    }
    if let Some(build) = running.iter().find(|build| !stopped.contains(build)) {
        return Err(noted_meanwhile(build));
    }
    let mut commit = Commit::of(&seen).writes(unnoted(store, &records).await?);
    commit = close_requests(store, commit, caught.as_ref()).await?;
    let unproven = unproven(&definition, route_of(&seen.value, &definition), &records);
    let (fact, dirty) = ended(&mut commit.head, &records, &unproven, caught, now);
    for environment in &environments {
        commit = if dirty.contains(environment) {
            keep(store, commit, environment, now).await?
        } else {
            release_lock(store, commit, environment).await?.0
        };
        let queue = store.queue(&seen.value.pipeline, environment).await?;
        for entry in queue.iter().filter(|entry| &entry.release == release) {
            commit = commit.write(queue_delete(&seen.value.pipeline, environment, entry));
        }
    }
    for wait in waits(&definition, &records, release) {
        if let Some(wait) = store
            .wait(&wait)
            .await?
            .filter(|w| w.value.answer.is_none())
        {
            commit = commit.write(wait_delete(&wait.value, wait.rev));
        }
    }
    if commit.head.status == Status::Succeeded {
        let starts = starts(&definition, &commit.head)?;
        commit = commit.writes(starts);
    }
    let head = store.commit(commit.fact(fact), now).await?;
    Ok((Some(head), running, environments))
}

/// Writes again the records of builds that are being started: whoever notes the id
/// of one after this finds its own write refused, looks again, and stops the build.
async fn unnoted<T: Table>(
    store: &Store<T>,
    records: &[StageRecord],
) -> Result<Vec<Write>, Failure> {
    let mut writes = Vec::new();
    let starting = |r: &&StageRecord| r.status == StageStatus::Running && r.build.is_none();
    for record in records.iter().filter(starting) {
        let (release, index, attempt) = (&record.release, record.index, record.attempt);
        match store.stage(release, index, attempt).await? {
            Some(seen) if seen.value == *record => {
                writes.push(stage_write(record, When::Rev(seen.rev))?);
            }
            Some(_) | None => return Err(noted_meanwhile(record.stage.as_str())),
        }
    }
    Ok(writes)
}

fn noted_meanwhile(what: &str) -> Failure {
    let why = format!("{what} was noted while its release was being ended");
    Failure::new(ErrorName::Conflict, why)
}

/// Keeps an environment from everybody: nobody knows what it runs, and the next
/// deploy would build on that. The release's own lock goes; the doubt stays until a
/// rollback has passed there or a person gives the environment back.
async fn keep<T: Table>(
    store: &Store<T>,
    commit: Commit,
    environment: &EnvironmentName,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let (lock, rev) = store.lock(&commit.head.pipeline, environment).await?;
    let lock = lock.released(&commit.head.release).unwrap_or(lock);
    let failure = commit.head.failure.as_ref();
    let reason = failure.map_or_else(String::new, |failure| failure.cause.clone());
    let doubt = Doubt {
        release: commit.head.release.clone(),
        reason: shortened(&reason, MOST_REASON),
        since: now,
    };
    let fact = Fact::EnvironmentHeld {
        environment: environment.clone(),
        reason: doubt.reason.clone(),
    };
    Ok(commit
        .write(Store::<T>::lock_write(&lock.doubted(doubt), rev)?)
        .fact(fact))
}

/// The pipelines that this release starts: none after a pull request, whose
/// artifacts are nobody's to build on.
fn starts(definition: &Definition, head: &Head) -> Result<Vec<Write>, Failure> {
    let cause = head.trigger.as_ref().and_then(|trigger| trigger.cause);
    if cause == Some(Cause::PullRequest) || definition.purpose == Purpose::Rollback {
        return Ok(Vec::new());
    }
    let start = |pipeline: &PipelineId| Start {
        pipeline: pipeline.clone(),
        upstream: UpstreamOrigin {
            pipeline: head.pipeline.clone(),
            release: head.release.clone(),
        },
    };
    let downstream = definition.downstream.iter();
    Ok(downstream
        .map(|pipeline| start_write(&start(pipeline)))
        .collect::<Result<_, _>>()?)
}

/// Everything that the release may still wait for.
fn waits(definition: &Definition, records: &[StageRecord], release: &ReleaseId) -> Vec<WaitKey> {
    let stages = definition.stages.iter().enumerate();
    let mut keys: Vec<WaitKey> = stages
        .flat_map(|(index, _)| {
            [
                WaitKey::approval(release, index),
                WaitKey::watch(release, index),
                WaitKey::lock(release, index),
            ]
        })
        .collect();
    for record in records {
        keys.push(WaitKey::build(release, record.index, record.attempt));
        if let Some(artifact) = record.evidence.as_ref().and_then(|e| e.artifact.as_ref()) {
            keys.push(WaitKey::scan(&artifact.digest, release));
        }
    }
    keys
}

async fn close_requests<T: Table>(
    store: &Store<T>,
    mut commit: Commit,
    caught: Option<&Why>,
) -> Result<Commit, Failure> {
    let reason = caught.map_or_else(
        || "the release has ended".to_owned(),
        |why| format!("the release has ended: {}", why.cause),
    );
    for request in store.approvals(&commit.head.release.clone()).await? {
        if request.state != State::Open {
            continue;
        }
        let Some(mut seen) = store.approval(&request.release, request.index).await? else {
            continue;
        };
        seen.value.state = State::Closed {
            reason: reason.clone(),
        };
        commit = commit
            .write(Store::<T>::approval_write(
                &seen.value,
                When::Rev(seen.rev),
            )?)
            .fact(Fact::ApprovalClosed {
                stage: request.stage,
                reason: reason.clone(),
            });
    }
    Ok(commit)
}

/// How the release ends, put into its head; with the environments that it leaves
/// unknown.
fn ended(
    head: &mut Head,
    records: &[StageRecord],
    unproven: &[Unproven<'_>],
    caught: Option<Why>,
    now: Timestamp,
) -> (Fact, Vec<EnvironmentName>) {
    let ending = ending(records, unproven, caught);
    head.status = ending.status;
    head.failure.clone_from(&ending.failure);
    head.ended_at = Some(now);
    let fact = Fact::ReleaseEnded {
        status: ending.status,
        failure: ending.failure,
    };
    (fact, ending.dirty)
}
