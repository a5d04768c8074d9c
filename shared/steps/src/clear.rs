//! Clear to deploy: everything that must be true at the last moment, and the
//! environment's lock, taken, waited for, given back and handed on.

use crate::{Running, until_settled};
use gatewright_aws::registry::Registry;
use gatewright_aws::store::{
    Commit, QueueEntry, Seen, Store, WaitKey, queue_delete, queue_write, wait_write,
};
use gatewright_aws::table::{Table, When};
use gatewright_domain::decide::{ClearSnapshot, Clearance, clear};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::{Artifact, Deploy, Work};
use gatewright_domain::release::{StageRecord, digest_of, evidence_before};
use gatewright_domain::wait::{Answer, Awaited, TaskToken, Wait};
use gatewright_domain::{EnvironmentName, ErrorName, PipelineId, ReleaseId, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::{RESEND_SECONDS, TaskInput, passed};

/// How long a release waits for an environment. Below the state's own time-out.
const GIVE_UP_SECONDS: i64 = 86_400;
/// How often the sweep looks whether a waiting release was forgotten.
const LOOK_AGAIN_SECONDS: i64 = 300;

/// Decides whether the stage's deploy may begin: answers the task with yes or no,
/// or queues the release for the environment.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn clear_stage<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    input: &TaskInput,
    now: Timestamp,
) -> Result<(), Failure> {
    until_settled(|| decide(store, registry, input, None, now)).await
}

/// Gives a freed environment to the first release that waits for it and is
/// still cleared; those that no longer are get their refusal.
///
/// # Errors
/// When a service or the table fails; doing it again is safe, and the sweep does.
pub async fn hand_on<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    now: Timestamp,
) -> Result<(), Failure> {
    for entry in store.queue(pipeline, environment).await? {
        if store.lock(pipeline, environment).await?.0.holder.is_some() {
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
        until_settled(|| decide(store, registry, &input, Some(&entry), now)).await?;
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

async fn decide<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    input: &TaskInput,
    queued: Option<&QueueEntry>,
    now: Timestamp,
) -> Result<(), Failure> {
    let running = Running::read(store, &input.release).await?;
    let (index, stage) = running.stage(&input.stage)?;
    let (Work::Deploy(deploy), Some(environment)) = (&stage.work, &stage.environment) else {
        return Err(Failure::bad_input(format!(
            "stage {:?} deploys nothing",
            stage.name.as_str()
        )));
    };
    let (snapshot, lock_rev, entry) =
        observe(store, registry, &running, index, deploy, environment).await?;
    let entry = queued.cloned().or(entry);
    let pipeline = running.head.value.pipeline.clone();
    let mut commit = Commit::of(&running.head);
    commit.head.stage = Some(stage.name.clone());
    let clearance = clear(&snapshot, now);
    if let (Some(entry), false) = (&entry, matches!(clearance, Clearance::Wait { .. })) {
        commit = commit.write(queue_delete(&pipeline, environment, entry));
    }
    match clearance {
        Clearance::Clear {
            lock,
            artifacts,
            evidence,
        } => {
            commit =
                commit
                    .write(Store::<T>::lock_write(&lock, lock_rev)?)
                    .fact(Fact::DeployCleared {
                        stage: stage.name.clone(),
                        environment: environment.clone(),
                        digest: digest_of(&artifacts),
                        evidence,
                        fencing: lock.fencing,
                    });
            commit = answer(store, commit, input, index, passed(), now).await?;
        }
        Clearance::Refused { error, reasons } => {
            let cause = reasons.join("; ");
            commit = commit.fact(Fact::StageFailed {
                stage: stage.name.clone(),
                error: error.to_string(),
                cause: cause.clone(),
            });
            commit = answer(
                store,
                commit,
                input,
                index,
                Answer::failure(error, &cause),
                now,
            )
            .await?;
        }
        Clearance::Wait { holder } => {
            commit = queue(
                store,
                commit,
                input,
                (index, environment),
                entry,
                &holder,
                now,
            )
            .await?;
        }
    }
    store.commit(commit, now).await?;
    Ok(())
}

async fn observe<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    running: &Running,
    index: usize,
    deploy: &Deploy,
    environment: &EnvironmentName,
) -> Result<(ClearSnapshot, Option<u64>, Option<QueueEntry>), Failure> {
    let head = &running.head.value;
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
    let (lock, lock_rev) = store.lock(&head.pipeline, environment).await?;
    let queue = store.queue(&head.pipeline, environment).await?;
    let before = running.definition.path(route);
    let snapshot = ClearSnapshot {
        head: head.clone(),
        gone: gone(registry, running, &records, index, deploy).await?,
        records,
        index,
        must_have_passed: before
            .filter(|(at, stage)| *at < index && stage.build().is_some())
            .map(|(at, _)| at)
            .collect(),
        artifacts: deploy.artifacts.clone(),
        approval,
        directory,
        lock,
        lease: running
            .definition
            .environments
            .get(environment)
            .map_or(0, |e| e.lease.get()),
        first_in_queue: queue.first().map(|entry| entry.release.clone()),
    };
    let mine = queue
        .into_iter()
        .find(|entry| entry.release == head.release && entry.index == index);
    Ok((snapshot, lock_rev, mine))
}

/// The images to deploy that their registry no longer has. Other artifacts are
/// fetched by the deploy itself, by their digest, before any of its steps.
async fn gone<R: Registry>(
    registry: &R,
    running: &Running,
    records: &[StageRecord],
    index: usize,
    deploy: &Deploy,
) -> Result<Vec<String>, Failure> {
    let evidence = evidence_before(&running.head.value, records, index);
    let mut gone = Vec::new();
    for name in &deploy.artifacts {
        let declared = running.definition.artifacts.get(name);
        let pinned = evidence.as_ref().and_then(|e| e.artifact(name));
        if let (Some(repository), Some(pinned)) = (declared.and_then(Artifact::repository), pinned)
            && !registry.has(repository, &pinned.digest).await?
        {
            gone.push(name.clone());
        }
    }
    Ok(gone)
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

async fn queue<T: Table>(
    store: &Store<T>,
    mut commit: Commit,
    input: &TaskInput,
    (index, environment): (usize, &EnvironmentName),
    entry: Option<QueueEntry>,
    holder: &ReleaseId,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let known = store
        .wait(&WaitKey::lock(&input.release, index))
        .await?
        .filter(|w| w.value.answer.is_none());
    let since = known.as_ref().map_or(now, |w| w.value.since);
    let pipeline = commit.head.pipeline.clone();
    if known.is_some() && now >= after(since, GIVE_UP_SECONDS) {
        let why = format!("{environment} did not become free within a day; {holder} has it");
        if let Some(entry) = entry {
            commit = commit.write(queue_delete(&pipeline, environment, &entry));
        }
        return answer(
            store,
            commit,
            input,
            index,
            Answer::failure(ErrorName::WaitExpired, &why),
            now,
        )
        .await;
    }
    let wait = Wait {
        release: input.release.clone(),
        index,
        stage: input.stage.clone(),
        awaited: Awaited::Lock {
            environment: environment.clone(),
        },
        token: TaskToken::clone(&input.token),
        since,
        deadline: after(since, GIVE_UP_SECONDS),
        due: after(now, LOOK_AGAIN_SECONDS),
        answer: None,
    };
    if entry.is_none() {
        let entry = QueueEntry {
            release: input.release.clone(),
            index,
            since: now,
        };
        commit = commit
            .write(queue_write(&pipeline, environment, &entry)?)
            .fact(Fact::LockAwaited {
                environment: environment.clone(),
                holder: holder.clone(),
            });
    }
    Ok(commit.write(wait_write(
        &wait,
        known.map_or(When::Any, |w| When::Rev(w.rev)),
    )?))
}
