//! Those who wait for an environment: looked at again when it may have become
//! theirs, and given up when they have waited too long or cannot be looked at.

use super::{Asked, Outcome, decide};
use crate::{running_head, until_settled};
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{Commit, Store, WaitKey, queue_delete, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::decide::Obstacle;
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::{Waiting, in_turn};
use gatewright_domain::pipeline::Queue;
use gatewright_domain::text::spoken;
use gatewright_domain::wait::{Answer, Awaited, Wait};
use gatewright_domain::{EnvironmentName, ErrorName, PipelineId, ReleaseId, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::{RESEND_SECONDS, TaskInput};

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
    if line.is_empty() {
        return Ok(());
    }
    let newest_wins = line.iter().any(|entry| entry.queue == Queue::Newest);
    let (lock, _) = store.lock(pipeline, environment).await?;
    let mut holder = lock.holder.map(|holder| holder.release);
    let mut one_waits = false;
    for entry in line {
        // Where each comes in its turn, nobody learns anything new from an environment
        // that somebody else has, nor from behind one who has to wait, but by the glass.
        let others = holder.as_ref().is_some_and(|has| *has != entry.release);
        let behind = one_waits && !broke_the_glass(store, &entry.release, environment).await?;
        if !newest_wins && (others || behind) {
            continue;
        }
        let key = WaitKey::lock(&entry.release, entry.index);
        let wait = store.wait(&key).await?.filter(|w| w.value.answer.is_none());
        let Some(wait) = wait else {
            // Nobody waits there any more: the release ended.
            let gone = queue_delete(pipeline, environment, &entry);
            store.table().write(vec![gone]).await?;
            continue;
        };
        match look(store, outside, &wait.value, now).await {
            Ok(Outcome::Cleared) => holder = Some(entry.release),
            Ok(Outcome::Waits(_)) => one_waits = true,
            Ok(Outcome::Over) => {}
            // It ended while we looked; its own end takes its entry along.
            Err(failure) if failure.name == ErrorName::ReleaseEnded => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

async fn broke_the_glass<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    environment: &EnvironmentName,
) -> Result<bool, Failure> {
    let head = store.head(release).await?;
    Ok(head.is_some_and(|head| head.value.glass_in(environment).is_some()))
}

/// Decides anew for a release that waits for its environment; whoever comes after
/// one that is given up gets its turn.
///
/// # Errors
/// When a service or the table fails, or the release has ended; doing it again is
/// safe.
pub async fn clear_waiting<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    wait: &Wait,
    now: Timestamp,
) -> Result<(), Failure> {
    let outcome = look(store, outside, wait, now).await?;
    if let (Outcome::Over, Awaited::Lock { environment, .. }) = (outcome, &wait.awaited) {
        let pipeline = store.known_head(&wait.release).await?.value.pipeline;
        hand_on(store, outside, &pipeline, environment, now).await?;
    }
    Ok(())
}

/// Decides anew for one that waits. One that has waited too long, or that cannot be
/// looked at whoever tries, is given up: it would keep all others waiting.
async fn look<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    wait: &Wait,
    now: Timestamp,
) -> Result<Outcome, Failure> {
    let input = TaskInput {
        release: wait.release.clone(),
        stage: wait.stage.clone(),
        token: wait.token.clone(),
    };
    let failure = if now >= wait.deadline {
        Failure::new(ErrorName::WaitExpired, too_long(wait))
    } else {
        match until_settled(|| decide(store, outside, &input, Asked::Again, now)).await {
            Err(failure) if !failure.may_pass() && failure.name != ErrorName::ReleaseEnded => {
                failure
            }
            other => return other,
        }
    };
    until_settled(|| give_up(store, wait, &failure, now)).await?;
    Ok(Outcome::Over)
}

fn too_long(wait: &Wait) -> String {
    let (place, because): (&str, &[Obstacle]) = match &wait.awaited {
        Awaited::Lock {
            environment,
            because,
        } => (environment.as_str(), because),
        Awaited::Build { .. }
        | Awaited::Scan { .. }
        | Awaited::Approval
        | Awaited::Watch { .. }
        | Awaited::Nothing => ("it", &[]),
    };
    let reasons: Vec<String> = because.iter().map(ToString::to_string).collect();
    let waited = wait.deadline.as_second() - wait.since.as_second();
    let (waited, reasons) = (spoken(waited), reasons.join("; "));
    format!("{place} did not open within {waited}: {reasons}")
}

/// Answers a wait for an environment with a failure, and takes the release out of
/// the line. One that was answered meanwhile keeps its answer.
async fn give_up<T: Table>(
    store: &Store<T>,
    wait: &Wait,
    why: &Failure,
    now: Timestamp,
) -> Result<(), Failure> {
    let seen = store.wait(&WaitKey::of(wait)).await?;
    let waits = |w: &Wait| w.token == wait.token && w.answer.is_none();
    let (Some(seen), Awaited::Lock { environment, .. }) =
        (seen.filter(|seen| waits(&seen.value)), &wait.awaited)
    else {
        return Ok(());
    };
    let head = running_head(store, &wait.release).await?;
    let pipeline = head.value.pipeline.clone();
    let answered = Wait {
        answer: Some(Answer::failure(why.name, &why.message)),
        due: after(now, RESEND_SECONDS),
        ..seen.value
    };
    let mut commit = Commit::of(&head)
        .write(wait_write(&answered, When::Rev(seen.rev))?)
        .fact(Fact::StageFailed {
            stage: wait.stage.clone(),
            error: why.name.to_string(),
            cause: why.message.clone(),
        });
    let mine = |entry: &&Waiting| entry.release == wait.release && entry.index == wait.index;
    for entry in store
        .queue(&pipeline, environment)
        .await?
        .iter()
        .filter(mine)
    {
        commit = commit.write(queue_delete(&pipeline, environment, entry));
    }
    store.commit(commit, now).await?;
    Ok(())
}
