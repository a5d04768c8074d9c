//! States of build, test, deploy and verify stages (they hold a token): starts
//! CodeBuild with the stage's steps, after a conditional record says that this
//! attempt has not been started before.

mod order;

use gatewright_aws::builds::{BuildOrder, BuildSeen, Builds};
use gatewright_aws::config::Config;
use gatewright_aws::store::{
    Commit, Seen, Store, WaitKey, migrated_write, stage_write, wait_write,
};
use gatewright_aws::table::{Table, When, Write};
use gatewright_aws::{Clock, Kind};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::{Build, Effect, Migration, Stage};
use gatewright_domain::release::{StageRecord, StageStatus, has_changed};
use gatewright_domain::undo::Outcome;
use gatewright_domain::wait::{Answer, Awaited, Wait};
use gatewright_domain::{ErrorName, Timestamp, after};
use gatewright_handler::task::{TaskInput, answer_failure, passed};
use gatewright_handler::{Failure, parse};
use gatewright_steps::{BuildKey, Running, fail_build, migrated, steered, until_settled};
use serde_json::{Value, json};

/// How long CodeBuild may queue and provision before a build counts as lost.
/// A minute of queueing is not unusual; a full queue takes longer.
const QUEUE_SECONDS: i64 = 600;
/// How long after a build's own time its missing event is looked after.
const GRACE_SECONDS: i64 = 60;

/// Starts the stage's build, or takes up one that was started before.
///
/// # Errors
/// What the state's own retry may help; everything else becomes the task's
/// answer.
pub async fn handle<T, B, C>(
    store: &Store<T>,
    builds: &B,
    clock: &C,
    config: &Config,
    raw: Value,
) -> Result<Value, Failure>
where
    T: Table,
    B: Builds,
    C: Clock,
{
    let input: TaskInput = parse(raw)?;
    match start(store, builds, clock.now(), config, &input).await {
        Ok(()) => {}
        Err(failure) => answer_failure(store, &input, failure, clock.now()).await?,
    }
    Ok(json!({}))
}

async fn start<T: Table, B: Builds>(
    store: &Store<T>,
    builds: &B,
    now: Timestamp,
    config: &Config,
    input: &TaskInput,
) -> Result<(), Failure> {
    let begun = until_settled(|| record(store, now, config, input)).await?;
    let Some(Begun {
        record,
        again,
        order,
    }) = begun
    else {
        return Ok(());
    };
    let failure = match order {
        Err(failure) => failure,
        Ok(order) => match builds.start(&order).await {
            Ok(build) => return remember(store, builds, &record, &build).await,
            Err(error) if error.kind == Kind::Transient => return Err(error.into()),
            Err(error) => error.into(),
        },
    };
    // Nobody knows what became of the first start: the record says so by staying open.
    if again {
        return Err(failure);
    }
    let key = BuildKey {
        release: record.release.clone(),
        index: record.index,
        attempt: record.attempt,
    };
    until_settled(|| fail_build(store, &key, failure.name, &failure.message, now)).await
}

/// An attempt that has begun.
struct Begun {
    record: StageRecord,
    /// Whether it had begun before, and perhaps started its build.
    again: bool,
    /// The build to start, or why there can be none.
    order: Result<BuildOrder, Failure>,
}

/// Records that the attempt begins, with the wait for its end; gives the build to
/// start, or nothing when the task was answered at once.
async fn record<T: Table>(
    store: &Store<T>,
    now: Timestamp,
    config: &Config,
    input: &TaskInput,
) -> Result<Option<Begun>, Failure> {
    let running = Running::read(store, &input.release).await?;
    let (index, stage) = running.stage(&input.stage)?;
    let build = stage.build().ok_or_else(|| {
        Failure::bad_input(format!("stage {:?} runs no build", stage.name.as_str()))
    })?;
    let last = store.last_attempt(&input.release, index).await?;
    let nothing = stage.undoes() && !has_begun(store, &running, stage).await?;
    let attempt = match attempt_after(last.as_ref(), build) {
        Attempt::Start(_) if nothing => return answer(store, input, index, passed(), now).await,
        Attempt::Start(attempt) | Attempt::TakeUp(attempt) => attempt,
        Attempt::Over(over) => return answer(store, input, index, over, now).await,
    };
    let wait = wait(input, index, attempt, build, last.as_ref(), now);
    let waiting = store.wait(&WaitKey::of(&wait)).await?.map(|seen| seen.rev);
    let mut commit = Commit::of(&running.head).write(wait_write(&wait, When::still(waiting))?);
    commit.head.stage = Some(stage.name.clone());
    let known = last.filter(|seen| seen.value.attempt == attempt);
    let again = known.is_some();
    // Asked only for what is to be started: what runs already is waited for.
    if known.as_ref().is_none_or(|seen| seen.value.build.is_none()) {
        let in_force = steered(store, &running, stage, now).await?;
        commit = lock_held(store, &running, stage, commit).await?;
        if stage.changes().is_some() {
            commit = commit.write(in_force.check());
        }
    }
    let record = match known {
        Some(seen) => {
            store.table().write(commit.writes).await?;
            seen.value
        }
        None => {
            let record = StageRecord::begins(&input.release, index, stage, attempt, now);
            let started = Fact::StageStarted {
                stage: stage.name.clone(),
                attempt,
            };
            if let Some(write) = migrates(&running, stage, &record, now)? {
                commit = commit.write(write);
            }
            commit = commit
                .write(stage_write(&record, When::Absent)?)
                .fact(started);
            store.commit(commit, now).await?;
            record
        }
    };
    if record.build.is_some() {
        return Ok(None);
    }
    match order::order(store, &running, stage, build, &record, config, now).await {
        Err(failure) if failure.may_pass() => Err(failure),
        order => Ok(Some(Begun {
            record,
            again,
            order,
        })),
    }
}

/// Answers the task at once: there is nothing to start.
async fn answer<T: Table>(
    store: &Store<T>,
    input: &TaskInput,
    index: usize,
    answer: Answer,
    now: Timestamp,
) -> Result<Option<Begun>, Failure> {
    let write = input.answer_write(index, answer, now)?;
    store.table().write(vec![write]).await?;
    Ok(None)
}

/// Whether the release may have begun to change the stage's environment. A deploy
/// that a halt, a lost lock, a used-up budget or CodeBuild refused has not: there is
/// nothing to undo, and its version is not to blame. A reversible migration ahead of
/// the deploy has when it did not pass; with one that did, what ran before can live.
async fn has_begun<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
) -> Result<bool, Failure> {
    let records = store.stages(&running.head.value.release).await?;
    // One that other routes share is undone on the deploy's own.
    let mine = |name| running.route().is_none_or(|route| route.runs(name));
    let follows = stage.of.as_ref().is_some_and(mine);
    let change = |r: &StageRecord| {
        let deployed = r.deploys && r.effect != Some(Effect::Undo);
        let migrated = r.migration == Some(Migration::Reversible);
        deployed || (migrated && follows && r.status != StageStatus::Passed)
    };
    Ok(records
        .iter()
        .any(|r| change(r) && r.environment == stage.environment && r.build_may_have_run()))
}

enum Attempt {
    Start(u32),
    TakeUp(u32),
    Over(Answer),
}

fn attempt_after(last: Option<&Seen<StageRecord>>, build: &Build) -> Attempt {
    let Some(last) = last.map(|seen| &seen.value) else {
        return Attempt::Start(1);
    };
    match (last.status, &last.failure) {
        (StageStatus::Running, _) => Attempt::TakeUp(last.attempt),
        (StageStatus::Passed | StageStatus::Scanning, _) => Attempt::Over(passed()),
        (StageStatus::Failed, Some((ErrorName::BuildFault, _)))
            if last.attempt <= build.retries =>
        {
            Attempt::Start(last.attempt + 1)
        }
        (StageStatus::Failed, Some((error, why))) => Attempt::Over(Answer::failure(*error, why)),
        (StageStatus::Failed, None) => Attempt::Over(Answer::failure(
            ErrorName::Bug,
            "the stage failed without a reason",
        )),
    }
}

fn wait(
    input: &TaskInput,
    index: usize,
    attempt: u32,
    build: &Build,
    last: Option<&Seen<StageRecord>>,
    now: Timestamp,
) -> Wait {
    let known = last
        .filter(|seen| seen.value.attempt == attempt)
        .and_then(|seen| seen.value.build.clone());
    Wait {
        release: input.release.clone(),
        index,
        stage: input.stage.clone(),
        awaited: Awaited::Build {
            attempt,
            build: known,
        },
        token: input.token.clone(),
        since: now,
        deadline: after(now, build.timeout.get() + QUEUE_SECONDS),
        due: after(now, build.timeout.get() + GRACE_SECONDS),
        answer: None,
    }
}

/// A change begins only under the lock that `clear-deploy` took for it, and so does
/// what looks at the environment after it.
async fn lock_held<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    commit: Commit,
) -> Result<Commit, Failure> {
    let Some(environment) = stage.works_in() else {
        return Ok(commit);
    };
    let head = &running.head.value;
    let records = store.stages(&head.release).await?;
    if stage.changes().is_none() && !has_changed(&records, environment) {
        return Ok(commit);
    }
    match store.lock(&head.pipeline, environment).await? {
        (lock, Some(rev)) if lock.is_held_by(&head.release) => {
            Ok(commit.write(Store::<T>::lock_check(&lock, rev)))
        }
        (_, _) => {
            let why = format!("{} does not hold the lock of {environment}", head.title());
            Err(Failure::new(ErrorName::LockLost, why))
        }
    }
}

/// A migration stands in the way of going back from its beginning on: what
/// becomes of its build may never be known.
fn migrates(
    running: &Running,
    stage: &Stage,
    record: &StageRecord,
    now: Timestamp,
) -> Result<Option<Write>, Failure> {
    let head = &running.head.value;
    let Some(migrated) = migrated(head, stage, record, Outcome::Began, now) else {
        return Ok(None);
    };
    let write = migrated_write(&migrated, record.index, head.started_at)?;
    Ok(Some(write))
}

/// Remembers which build was started. One that is nobody's any more is stopped: its
/// release has ended or its stage was given up meanwhile, and nobody else will ever
/// know of it.
async fn remember<T: Table, B: Builds>(
    store: &Store<T>,
    builds: &B,
    record: &StageRecord,
    build: &BuildSeen,
) -> Result<(), Failure> {
    if !until_settled(|| note(store, record, build)).await? {
        builds.stop(&build.id).await?;
    }
    Ok(())
}

/// Notes the build's id, if its attempt still waits for it; whether the build is the
/// attempt's.
async fn note<T: Table>(
    store: &Store<T>,
    record: &StageRecord,
    build: &BuildSeen,
) -> Result<bool, Failure> {
    let (release, index, attempt) = (&record.release, record.index, record.attempt);
    let Some(mut seen) = store.stage(release, index, attempt).await? else {
        return Ok(false);
    };
    if let Some(known) = &seen.value.build {
        return Ok(known == &build.id);
    }
    // Read after the record: the end of a release writes each record that has no
    // build yet, so that this write fails, or that end finds the build.
    let head = store.known_head(release).await?;
    if head.value.status.has_ended() || seen.value.status != StageStatus::Running {
        return Ok(false);
    }
    seen.value.build = Some(build.id.clone());
    seen.value.log = build.log.clone();
    let mut writes = vec![stage_write(&seen.value, When::Rev(seen.rev))?];
    let key = WaitKey::build(release, index, attempt);
    if let Some(mut wait) = store.wait(&key).await? {
        wait.value.awaited = Awaited::Build {
            attempt,
            build: Some(build.id.clone()),
        };
        writes.push(wait_write(&wait.value, When::Rev(wait.rev))?);
    }
    store.table().write(writes).await?;
    Ok(true)
}
