//! Clear to deploy: everything that must be true at the last moment, and the
//! environment's lock, taken, waited for, given back and handed on.

mod line;
mod look;

pub use line::{clear_waiting, hand_on};

use crate::retain::retain_for;
use crate::{Running, until_settled};
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{Commit, Seen, Store, WaitKey, queue_delete, queue_write, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::decide::{ClearSnapshot, Clearance, Obstacle, are_like, clear};
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::Waiting;
use gatewright_domain::pipeline::Purpose;
use gatewright_domain::release::digest_of;
use gatewright_domain::wait::{Answer, Awaited, TaskToken, Wait};
use gatewright_domain::{EnvironmentName, PipelineId, ReleaseId, StageName, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::{RESEND_SECONDS, TaskInput, passed};
use look::{Looked, observe};

/// How often the sweep looks whether a waiting release was forgotten.
const LOOK_AGAIN_SECONDS: i64 = 300;

/// Decides whether the stage may change its environment now: answers the task with
/// yes or no, or queues the release for the environment.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn clear_stage<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    input: &TaskInput,
    now: Timestamp,
) -> Result<(), Failure> {
    let outcome = until_settled(|| decide(store, outside, input, Asked::First, now)).await?;
    let Outcome::Waits(place) = outcome else {
        return Ok(());
    };
    // It may have been freed a moment ago, and whoever waits behind a newer release
    // may have to give way. Whatever fails there is not this release's failure: it
    // is in line, and the sweep looks after it.
    let (pipeline, environment) = *place;
    if let Err(failure) = hand_on(store, outside, &pipeline, &environment, now).await {
        tracing::warn!(
            release = %input.release, %pipeline, %environment, error = %failure.name,
            "nobody was handed the environment: {}", failure.message
        );
    }
    Ok(())
}

/// Who asks whether a stage is cleared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Its state, whose token may be new.
    First,
    /// Whoever looks at its wait again: there is nothing to decide without it.
    Again,
}

/// What was decided.
enum Outcome {
    /// It may change its environment now, which is its own.
    Cleared,
    /// It waits for this environment.
    Waits(Box<(PipelineId, EnvironmentName)>),
    /// It was refused, or answered before.
    Over,
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

/// Decides once. What was answered, or has begun, is not decided again.
async fn decide<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    input: &TaskInput,
    asked: Asked,
    now: Timestamp,
) -> Result<Outcome, Failure> {
    let running = Running::read(store, &input.release).await?;
    let (index, stage) = running.stage(&input.stage)?;
    let environment = stage.changes().ok_or_else(|| {
        Failure::bad_input(format!(
            "stage {:?} changes no environment",
            stage.name.as_str()
        ))
    })?;
    let known = store.wait(&WaitKey::lock(&input.release, index)).await?;
    if is_over(store, input, index, asked, known.as_ref()).await? {
        return Ok(Outcome::Over);
    }
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
    let (commit, outcome) = match clearance {
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
                answer(commit, input, index, known, passed(), now)?,
                Outcome::Cleared,
            )
        }
        Clearance::Refused { error, reasons } => {
            let cause = reasons.join("; ");
            let commit = commit.fact(Fact::StageFailed {
                stage: input.stage.clone(),
                error: error.to_string(),
                cause: cause.clone(),
            });
            let failed = Answer::failure(error, &cause);
            (
                answer(commit, input, index, known, failed, now)?,
                Outcome::Over,
            )
        }
        Clearance::Wait { because, until } => {
            let place = Place {
                index,
                stage: &stage.name,
                environment,
            };
            (
                queue(commit, input, &place, &looked, known, (because, until), now)?,
                Outcome::Waits(Box::new((pipeline, environment.clone()))),
            )
        }
    };
    store.commit(commit, now).await?;
    Ok(outcome)
}

/// Whether there is nothing left to decide: the answer is known or the stage has
/// begun, and whoever looks again finds nobody waiting with this token.
async fn is_over<T: Table>(
    store: &Store<T>,
    input: &TaskInput,
    index: usize,
    asked: Asked,
    known: Option<&Seen<Wait>>,
) -> Result<bool, Failure> {
    let mine = known.filter(|wait| wait.value.token == input.token);
    if asked == Asked::Again {
        return Ok(mine.is_none_or(|wait| wait.value.answer.is_some()));
    }
    let answered = mine.is_some_and(|wait| wait.value.answer.is_some())
        || store.wait(&input.answer_key()).await?.is_some();
    Ok(answered || store.last_attempt(&input.release, index).await?.is_some())
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

/// Answers the task as part of `commit`: through its wait when it has one.
fn answer(
    commit: Commit,
    input: &TaskInput,
    index: usize,
    known: Option<Seen<Wait>>,
    answer: Answer,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let Some(Seen { value, rev }) = known else {
        return Ok(commit.write(input.answer_write(index, answer, now)?));
    };
    let wait = Wait {
        token: input.token.clone(),
        answer: Some(answer),
        due: after(now, RESEND_SECONDS),
        ..value
    };
    Ok(commit.write(wait_write(&wait, When::Rev(rev))?))
}

/// Keeps the release in the environment's queue. What stands in the way is recorded
/// when it is something else than before.
fn queue(
    mut commit: Commit,
    input: &TaskInput,
    place: &Place<'_>,
    looked: &Looked,
    known: Option<Seen<Wait>>,
    (because, until): (Vec<Obstacle>, Option<Timestamp>),
    now: Timestamp,
) -> Result<Commit, Failure> {
    let Place {
        index,
        stage,
        environment,
    } = *place;
    let rev = known.as_ref().map(|wait| wait.rev);
    let known = known.filter(|wait| wait.value.answer.is_none());
    let since = known.as_ref().map_or(now, |w| w.value.since);
    let deadline = after(since, looked.patience);
    let pipeline = commit.head.pipeline.clone();
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
    Ok(commit.write(wait_write(&wait, When::still(rev))?))
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
