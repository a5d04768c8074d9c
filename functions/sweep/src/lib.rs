//! Each minute: catches what events lost. Overdue waits are read again at their
//! source, answers that were not delivered are sent again, approvals are
//! reminded and expired, rollouts are watched, releases that died unnoticed are
//! ended, locks whose holder has ended are handed on.

mod approvals;

use gatewright_aws::builds::Builds;
use gatewright_aws::metrics::Metrics;
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{Commit, Due, Overdue, Seen, Store, WaitKey, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_aws::tasks::Executions;
use gatewright_aws::{Clock, Patience};
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::Lock;
use gatewright_domain::release::{Failure as Why, Head};
use gatewright_domain::wait::{Awaited, Wait};
use gatewright_domain::{ErrorName, ReleaseId, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::RESEND_SECONDS;
use gatewright_steps::{
    BuildKey, Settled, clear_waiting, end_release, fail_build, hand_on, settle_build, settle_scan,
    settle_watch, until_settled,
};
use serde_json::{Value, json};

/// How many overdue things one run looks after; the next run takes the rest.
const BATCH: u32 = 100;
/// How long one thing may take. A service that hangs costs no other thing its look.
const THING_SECONDS: u32 = 6;
/// Until when a run begins something, after its own beginning: the function has
/// 30 s, and the last thing must end in them.
const BEGINS_SECONDS: i64 = 22;
/// For how long what failed is left alone: until the next run, behind everything
/// that has waited longer.
const AGAIN_SECONDS: i64 = 10;
/// How long an overdue build is left alone between two looks.
const LOOK_AGAIN_SECONDS: i64 = 60;
/// How much a lease is lengthened while its holder is alive.
const LEASE_SECONDS: i64 = 3_600;

/// Looks after everything that is due. One thing that cannot be looked after, or
/// read, does not keep the others waiting, and neither does a slow one.
///
/// # Errors
/// When the table cannot be read at all.
pub async fn handle<T, B, R, M, X, C>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    metrics: &M,
    executions: &X,
    clock: &C,
    _event: Value,
) -> Result<Value, Failure>
where
    T: Table,
    B: Builds,
    R: Outside,
    M: Metrics,
    X: Executions,
    C: Clock + Patience,
{
    let began = clock.now();
    let due = store.due(began, BATCH).await?.into_iter();
    let mut due: Vec<(Overdue, _)> = due.map(|found| (found.clone(), found.read())).collect();
    due.sort_by_key(|(_, thing)| !thing.as_ref().is_ok_and(is_urgent));
    let (found, mut failed, mut left) = (due.len(), 0, 0);
    for (place, thing) in due {
        let now = clock.now();
        if now >= after(began, BEGINS_SECONDS) {
            left += 1;
            continue;
        }
        let outcome = match thing {
            Ok(thing) => {
                let work = one(store, builds, registry, metrics, executions, thing, now);
                clock.within(THING_SECONDS, Box::pin(work)).await
            }
            Err(unreadable) => Some(Err(unreadable.into())),
        };
        let why = match outcome {
            Some(Ok(())) => continue,
            Some(Err(failure)) => failure,
            None => Failure::new(
                ErrorName::Transient,
                format!("it took more than {THING_SECONDS} s"),
            ),
        };
        failed += 1;
        tracing::error!(thing = place.place(), error = %why.name, "{}", why.message);
        if let Err(failure) = store.put_off(&place, after(now, AGAIN_SECONDS)).await {
            tracing::error!(thing = place.place(), "it could not be put off: {failure}");
        }
    }
    if left > 0 {
        tracing::warn!(left, "there was no time for all that is due");
    }
    Ok(json!({ "due": found, "failed": failed, "left": left }))
}

/// What comes first: an answer that was not delivered stops a release, and a new
/// version that does not do well has users.
fn is_urgent(thing: &Due) -> bool {
    match thing {
        Due::Wait(wait) => {
            wait.value.answer.is_some() || matches!(wait.value.awaited, Awaited::Watch { .. })
        }
        Due::Lock(_) | Due::Release(_) => false,
    }
}

async fn one<T: Table, B: Builds, R: Outside, M: Metrics, X: Executions>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    metrics: &M,
    executions: &X,
    thing: Due,
    now: Timestamp,
) -> Result<(), Failure> {
    match thing {
        Due::Wait(wait) => look_after(store, builds, registry, metrics, wait, now).await,
        Due::Lock(lock) => heal(store, builds, registry, executions, &lock, now).await,
        Due::Release(head) => silent(store, builds, registry, executions, *head, now).await,
    }
}

async fn look_after<T: Table, B: Builds, R: Outside, M: Metrics>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    metrics: &M,
    wait: Seen<Wait>,
    now: Timestamp,
) -> Result<(), Failure> {
    if wait.value.answer.is_some() {
        return touch(store, wait, now).await;
    }
    let outcome = match &wait.value.awaited {
        Awaited::Build { attempt, build } => {
            overdue_build(
                store,
                builds,
                registry,
                &wait,
                *attempt,
                build.as_deref(),
                now,
            )
            .await
        }
        Awaited::Scan { .. } => settle_scan(store, registry, &WaitKey::of(&wait.value), now).await,
        Awaited::Approval => {
            until_settled(|| approvals::remind_or_expire(store, &wait.value, now)).await
        }
        Awaited::Watch { .. } => {
            settle_watch(store, metrics, registry, &WaitKey::of(&wait.value), now).await
        }
        Awaited::Lock { .. } => clear_waiting(store, registry, &wait.value, now).await,
        Awaited::Nothing => touch(store, wait.clone(), now).await,
    };
    match outcome {
        // Its release has ended without taking the wait along.
        Err(failure) if failure.name == ErrorName::ReleaseEnded => {
            store
                .table()
                .write(vec![gatewright_aws::store::wait_delete(
                    &wait.value,
                    wait.rev,
                )])
                .await?;
            Ok(())
        }
        other => other,
    }
}

/// Changes nothing but the revision: the stream then shows the answer to
/// `answer-task` once more.
async fn touch<T: Table>(
    store: &Store<T>,
    mut wait: Seen<Wait>,
    now: Timestamp,
) -> Result<(), Failure> {
    wait.value.due = after(now, RESEND_SECONDS);
    store
        .table()
        .write(vec![wait_write(&wait.value, When::Rev(wait.rev))?])
        .await?;
    Ok(())
}

async fn overdue_build<T: Table, B: Builds, R: Outside>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    wait: &Seen<Wait>,
    attempt: u32,
    build: Option<&str>,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut unread = None;
    if let Some(id) = build {
        let settled = match settle_build(store, builds, registry, id, now).await {
            // Nobody will ever read it, and the deadline holds for that as well.
            Err(failure) if now >= wait.value.deadline && !failure.may_pass() => {
                unread = Some(failure.message);
                Settled::StillRunning
            }
            settled => settled?,
        };
        match settled {
            Settled::Judged(_) | Settled::Already => return Ok(()),
            Settled::StillRunning if now < wait.value.deadline => {
                let mut later = wait.value.clone();
                later.due = after(now, LOOK_AGAIN_SECONDS);
                store
                    .table()
                    .write(vec![wait_write(&later, When::Rev(wait.rev))?])
                    .await?;
                return Ok(());
            }
            Settled::StillRunning | Settled::NotOurs(_) => {}
        }
        builds.stop(id).await?;
    }
    let why = match (build, unread) {
        (Some(id), Some(why)) => format!("build {id} could not be judged: {why}"),
        (Some(id), None) => format!("build {id} never reported its end and was given up"),
        (None, _) => "the build's start was never recorded".to_owned(),
    };
    let error = ErrorName::BuildLost;
    let key = BuildKey {
        release: wait.value.release.clone(),
        index: wait.value.index,
        attempt,
    };
    until_settled(|| fail_build(store, &key, error, &why, now)).await
}

/// A release to which nothing has happened for long: a dead one ends.
async fn silent<T: Table, B: Builds, R: Outside, X: Executions>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    executions: &X,
    head: Seen<Head>,
    now: Timestamp,
) -> Result<(), Failure> {
    if lives(executions, &head.value).await? {
        store.commit(Commit::of(&head), now).await?;
        return Ok(());
    }
    bury(store, builds, registry, &head.value.release, now).await
}

/// Whether the release's execution still runs.
async fn lives<X: Executions>(executions: &X, head: &Head) -> Result<bool, Failure> {
    let running = executions.is_running(&head.execution).await?;
    Ok(running.unwrap_or(false))
}

/// Ends a release whose execution is gone, exactly as the event of its end would
/// have: its builds are stopped, and what it leaves unknown is held.
async fn bury<T: Table, B: Builds, R: Outside>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    release: &ReleaseId,
    now: Timestamp,
) -> Result<(), Failure> {
    let died = Why {
        stage: None,
        error: "Stopped".to_owned(),
        cause: "the execution ended outside of its own states, and no event told of it".to_owned(),
    };
    end_release(store, builds, registry, release, Some(died), now).await?;
    Ok(())
}

/// A lock whose lease has run out: a living holder keeps it, a dead one whose end
/// nobody noticed ends now, and one that has ended only loses the lock.
async fn heal<T: Table, B: Builds, R: Outside, X: Executions>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    executions: &X,
    lock: &Seen<Lock>,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(holder) = &lock.value.holder else {
        return Ok(());
    };
    let head = store.head(&holder.release).await?;
    let running = head.as_ref().filter(|h| !h.value.status.has_ended());
    if let Some(head) = running {
        if !lives(executions, &head.value).await? {
            return bury(store, builds, registry, &holder.release, now).await;
        }
        if let Some(kept) = lock.value.taken(&holder.release, now, LEASE_SECONDS) {
            let write = Store::<T>::lock_write(&kept, Some(lock.rev))?;
            store.table().write(vec![write]).await?;
        }
        return Ok(());
    }
    let Some(free) = lock.value.released(&holder.release) else {
        return Ok(());
    };
    let write = Store::<T>::lock_write(&free, Some(lock.rev))?;
    match head {
        None => store.table().write(vec![write]).await?,
        Some(head) => {
            let fact = Fact::LockReleased {
                environment: free.environment.clone(),
            };
            store
                .commit(Commit::of(&head).fact(fact).write(write), now)
                .await?;
        }
    }
    hand_on(store, registry, &free.pipeline, &free.environment, now).await
}
