//! The beginning of a watch.

use super::watching;
use crate::{Running, steered, until_settled};
use gatewright_aws::config::Pace;
use gatewright_aws::store::{Commit, Store, WaitKey, stage_write, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Watching;
use gatewright_domain::release::{StageRecord, StageStatus};
use gatewright_domain::wait::{Answer, Awaited, Wait};
use gatewright_domain::{ErrorName, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::{TaskInput, passed};

/// How long after everything else a watch is given up. Below the state's own
/// time-out, so that the release ends with our reason.
const GIVE_UP_SECONDS: i64 = 300;

/// Records that the stage's watch begins, and leaves a wait that the sweep looks
/// at. A watch that has begun is taken up with its new token.
///
/// # Errors
/// When the table fails, the release has ended or is halted, or the stage watches
/// nothing; doing it again is safe.
pub async fn open_watch<T: Table>(
    store: &Store<T>,
    pace: Pace,
    input: &TaskInput,
    now: Timestamp,
) -> Result<(), Failure> {
    until_settled(|| open(store, pace, input, now)).await
}

async fn open<T: Table>(
    store: &Store<T>,
    pace: Pace,
    input: &TaskInput,
    now: Timestamp,
) -> Result<(), Failure> {
    let running = Running::read(store, &input.release).await?;
    let (index, stage) = running.stage(&input.stage)?;
    let watching = watching(stage)?;
    let Some(known) = store.last_attempt(&input.release, index).await? else {
        steered(store, &running, stage, now).await?;
        let record = StageRecord::begins(&input.release, index, stage, 1, now);
        let started = Fact::StageStarted {
            stage: stage.name.clone(),
            attempt: record.attempt,
        };
        let wait = new_wait(input, index, &watching, pace, now);
        let mut commit = Commit::of(&running.head)
            .write(stage_write(&record, When::Absent)?)
            .write(wait_write(&wait, When::Any)?)
            .fact(started);
        commit.head.stage = Some(stage.name.clone());
        store.commit(commit, now).await?;
        return Ok(());
    };
    let answer = match (known.value.status, &known.value.failure) {
        (StageStatus::Running, _) => return take_up(store, input, index).await,
        (StageStatus::Passed | StageStatus::Scanning, _) => passed(),
        (StageStatus::Failed, Some((error, why))) => Answer::failure(*error, why),
        (StageStatus::Failed, None) => {
            Answer::failure(ErrorName::Bug, "the stage failed without a reason")
        }
    };
    store
        .table()
        .write(vec![input.answer_write(index, answer, now)?])
        .await?;
    Ok(())
}

/// The state was entered again: the watch, or the question that it led to, stays
/// as it is, and its token is new.
async fn take_up<T: Table>(
    store: &Store<T>,
    input: &TaskInput,
    index: usize,
) -> Result<(), Failure> {
    for key in [
        WaitKey::watch(&input.release, index),
        WaitKey::approval(&input.release, index),
    ] {
        let Some(mut wait) = store.wait(&key).await? else {
            continue;
        };
        wait.value.token = input.token.clone();
        let write = wait_write(&wait.value, When::Rev(wait.rev))?;
        store.table().write(vec![write]).await?;
        return Ok(());
    }
    let why = format!("{} is watched, and nothing waits for its end", input.stage);
    Err(Failure::bug(why))
}

fn new_wait(
    input: &TaskInput,
    index: usize,
    watching: &Watching,
    pace: Pace,
    now: Timestamp,
) -> Wait {
    let (lasts, period) = (pace.real(watching.lasts.0), pace.period());
    let warm_up = match watching.warm_up.0 {
        0 => 0,
        seconds => pace.real(seconds),
    };
    Wait {
        release: input.release.clone(),
        index,
        stage: input.stage.clone(),
        awaited: Awaited::Watch {
            from: after(now, warm_up),
            until: after(now, lasts),
            period,
        },
        token: input.token.clone(),
        since: now,
        deadline: after(now, lasts + watching.decide_within.get() + GIVE_UP_SECONDS),
        due: after(now, i64::from(period).min(lasts)),
        answer: None,
    }
}
