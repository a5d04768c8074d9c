//! Clear to deploy: everything that must be true at the last moment, and the
//! environment's lock, taken, waited for, given back and handed on.

mod look;

use crate::retain::retain_for;
use crate::{Running, until_settled};
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{Commit, Seen, Store, WaitKey, queue_delete, queue_write, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::decide::{ClearSnapshot, Clearance, Obstacle, are_like, clear};
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::{Waiting, in_turn};
use gatewright_domain::pipeline::{Purpose, Queue};
use gatewright_domain::release::digest_of;
use gatewright_domain::text::spoken;
use gatewright_domain::wait::{Answer, Awaited, TaskToken, Wait};
use gatewright_domain::{
    EnvironmentName, ErrorName, PipelineId, ReleaseId, StageName, Timestamp, after,
};
use gatewright_handler::Failure;
use gatewright_handler::task::{RESEND_SECONDS, TaskInput, passed};
use look::{Looked, observe};

/// How often the sweep looks whether a waiting release was forgotten.
const LOOK_AGAIN_SECONDS: i64 = 300;

/// Decides whether the stage may change its environment now: answers the task with yes or no,
/// or queues the release for the environment.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn clear_stage<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    input: &TaskInput,
    now: Timestamp,
) -> Result<(), Failure> {
    let queued = until_settled(|| decide(store, outside, input, now)).await?;
    match queued {
        // Whoever waits behind a newer release may have to give way.
        Some((pipeline, environment)) => {
            hand_on(store, outside, &pipeline, &environment, now).await
        }
        None => Ok(()),
    }
}

/// Gives a freed environment to the first release that waits for it and is
/// still cleared; those that no longer are get their refusal.
///
/// # Errors
/// When a service or the table fails; doing it again is safe, and the sweep does.
pub async fn hand_on<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    now: Timestamp,
) -> Result<(), Failure> {
    let line = in_turn(store.queue(pipeline, environment).await?);
    let newest_wins = line.iter().any(|entry| entry.queue == Queue::Newest);
    for entry in line {
        // Who waits in order learns nothing new from an environment that is in use.
        let (lock, _) = store.lock(pipeline, environment).await?;
        if lock.holder.is_some() && !newest_wins {
            return Ok(());
        }
        let wait = store
            .wait(&WaitKey::lock(&entry.release, entry.index))
            .await?;
        let Some(wait) = wait.filter(|w| w.value.answer.is_none()) else {
            // Nobody waits there any more: the release ended.
            store
                .table()
                .write(vec![queue_delete(pipeline, environment, &entry)])
                .await?;
            continue;
        };
        let input = TaskInput {
            release: wait.value.release.clone(),
            stage: wait.value.stage.clone(),
            token: wait.value.token.clone(),
        };
        match until_settled(|| decide(store, outside, &input, now)).await {
            Ok(_) => {}
            // It ended while we looked; its own end takes its entry along.
            Err(failure) if failure.name == ErrorName::ReleaseEnded => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Gives back the lock that `release` holds on an environment, as part of
/// `commit`; unchanged when it holds none.
///
/// # Errors
/// When the table cannot be read.
pub async fn release_lock<T: Table>(
    store: &Store<T>,
    commit: Commit,
    environment: &EnvironmentName,
) -> Result<(Commit, bool), Failure> {
    let (lock, rev) = store.lock(&commit.head.pipeline, environment).await?;
    Ok(match lock.released(&commit.head.release) {
        None => (commit, false),
        Some(free) => {
            let fact = Fact::LockReleased {
                environment: environment.clone(),
            };
            (
                commit.write(Store::<T>::lock_write(&free, rev)?).fact(fact),
                true,
            )
        }
    })
}

/// Decides once; gives the environment when the release has just begun to wait
/// for it.
async fn decide<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    input: &TaskInput,
    now: Timestamp,
) -> Result<Option<(PipelineId, EnvironmentName)>, Failure> {
    let running = Running::read(store, &input.release).await?;
    let (index, stage) = running.stage(&input.stage)?;
    let environment = stage.changes().ok_or_else(|| {
        Failure::bad_input(format!(
            "stage {:?} changes no environment",
            stage.name.as_str()
        ))
    })?;
    let looked = observe(store, outside, &running, index, stage, environment).await?;
    let Looked { snapshot, mine, .. } = &looked;
    let pipeline = running.head.value.pipeline.clone();
    let mut commit = Commit::of(&running.head);
    commit.head.stage = Some(stage.name.clone());
    let clearance = clear(snapshot, now);
    keep_images(outside, &running, environment, &clearance).await?;
    if let (Some(entry), false) = (mine, matches!(clearance, Clearance::Wait { .. })) {
        commit = commit.write(queue_delete(&pipeline, environment, entry));
    }
    let (commit, queued) = match clearance {
        Clearance::Clear {
            lock,
            artifacts,
            evidence,
            passed: glass,
        } => {
            let fact = Fact::DeployCleared {
                stage: stage.name.clone(),
                environment: environment.clone(),
                digest: (!artifacts.is_empty()).then(|| digest_of(&artifacts)),
                evidence,
                fencing: lock.fencing,
                passed: glass,
            };
            // What people ordered must still be in force when the lock is taken.
            let commit = commit
                .write(Store::<T>::lock_write(&lock, looked.lock_rev)?)
                .write(looked.in_force.check())
                .fact(fact);
            (
                answer(store, commit, input, index, passed(), now).await?,
                false,
            )
        }
        Clearance::Refused { error, reasons } => (
            refuse(store, commit, input, index, error, &reasons.join("; "), now).await?,
            false,
        ),
        Clearance::Wait { because, until } => {
            let place = Place {
                index,
                stage: &stage.name,
                environment,
            };
            let began = mine.is_none();
            (
                queue(store, commit, input, &place, &looked, (because, until), now).await?,
                began,
            )
        }
    };
    store.commit(commit, now).await?;
    Ok(queued.then(|| (pipeline, environment.clone())))
}

/// Keeps the images that may be deployed now, before anybody is told that they
/// may: what cannot be kept is not deployed.
async fn keep_images<R: Outside>(
    outside: &R,
    running: &Running,
    environment: &EnvironmentName,
    clearance: &Clearance,
) -> Result<(), Failure> {
    match clearance {
        Clearance::Clear { artifacts, .. } => {
            retain_for(outside, &running.definition, environment, artifacts).await
        }
        Clearance::Refused { .. } | Clearance::Wait { .. } => Ok(()),
    }
}

/// Where a release waits.
struct Place<'a> {
    index: usize,
    stage: &'a StageName,
    environment: &'a EnvironmentName,
}

async fn refuse<T: Table>(
    store: &Store<T>,
    commit: Commit,
    input: &TaskInput,
    index: usize,
    error: ErrorName,
    cause: &str,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let commit = commit.fact(Fact::StageFailed {
        stage: input.stage.clone(),
        error: error.to_string(),
        cause: cause.to_owned(),
    });
    let failed = Answer::failure(error, cause);
    answer(store, commit, input, index, failed, now).await
}

/// Answers the task as part of `commit`: through its wait when it has one.
async fn answer<T: Table>(
    store: &Store<T>,
    commit: Commit,
    input: &TaskInput,
    index: usize,
    answer: Answer,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let waiting = store.wait(&WaitKey::lock(&input.release, index)).await?;
    Ok(
        match waiting.filter(|wait| wait.value.token == input.token && wait.value.answer.is_none())
        {
            Some(Seen { value, rev }) => {
                let wait = Wait {
                    answer: Some(answer),
                    due: after(now, RESEND_SECONDS),
                    ..value
                };
                commit.write(wait_write(&wait, When::Rev(rev))?)
            }
            None => commit.write(input.answer_write(index, answer, now)?),
        },
    )
}

/// Keeps the release in the environment's queue, or gives it up at its deadline.
/// What stands in the way is recorded when it is something else than before.
async fn queue<T: Table>(
    store: &Store<T>,
    mut commit: Commit,
    input: &TaskInput,
    place: &Place<'_>,
    looked: &Looked,
    (because, until): (Vec<Obstacle>, Option<Timestamp>),
    now: Timestamp,
) -> Result<Commit, Failure> {
    let Place {
        index,
        stage,
        environment,
    } = *place;
    let known = store
        .wait(&WaitKey::lock(&input.release, index))
        .await?
        .filter(|w| w.value.answer.is_none());
    let since = known.as_ref().map_or(now, |w| w.value.since);
    let deadline = after(since, looked.patience);
    let pipeline = commit.head.pipeline.clone();
    if known.is_some() && now >= deadline {
        if let Some(entry) = &looked.mine {
            commit = commit.write(queue_delete(&pipeline, environment, entry));
        }
        let reasons: Vec<String> = because.iter().map(ToString::to_string).collect();
        let why = format!(
            "{environment} did not open within {}: {}",
            spoken(looked.patience),
            reasons.join("; ")
        );
        return refuse(
            store,
            commit,
            input,
            index,
            ErrorName::WaitExpired,
            &why,
            now,
        )
        .await;
    }
    let before = known.as_ref().map(|w| match &w.value.awaited {
        Awaited::Lock { because, .. } => because.clone(),
        Awaited::Build { .. }
        | Awaited::Scan { .. }
        | Awaited::Approval
        | Awaited::Watch { .. }
        | Awaited::Nothing => Vec::new(),
    });
    if before.is_none_or(|before| !are_like(&before, &because)) {
        commit = commit.fact(Fact::DeployDelayed {
            stage: stage.clone(),
            environment: environment.clone(),
            because: because.clone(),
            until,
            given_up: Some(deadline),
        });
    }
    if looked.mine.is_none() {
        let entry = entry(&looked.snapshot, &input.release, now);
        commit = commit.write(queue_write(&pipeline, environment, &entry)?);
    }
    let soon = because.iter().filter_map(Obstacle::until).min();
    let again = after(now, LOOK_AGAIN_SECONDS).min(deadline);
    let wait = Wait {
        release: input.release.clone(),
        index,
        stage: input.stage.clone(),
        awaited: Awaited::Lock {
            environment: environment.clone(),
            because,
        },
        token: TaskToken::clone(&input.token),
        since,
        deadline,
        due: soon.map_or(again, |soon| soon.min(again)),
        answer: None,
    };
    Ok(commit.write(wait_write(
        &wait,
        known.map_or(When::Any, |w| When::Rev(w.rev)),
    )?))
}

fn entry(snapshot: &ClearSnapshot, release: &ReleaseId, now: Timestamp) -> Waiting {
    Waiting {
        release: release.clone(),
        index: snapshot.index,
        since: now,
        number: snapshot.head.number,
        rollback: snapshot.rollback,
        queue: snapshot.queue,
    }
}

/// Whether a release of this definition brings back what ran before.
pub(crate) fn is_rollback(running: &Running) -> bool {
    running.definition.purpose == Purpose::Rollback
}
