//! A build that will never be judged: it could not be started, or was given up.

use crate::{BuildKey, Running, migrated};
use gatewright_aws::store::{Commit, Store, WaitKey, migrated_write, stage_write, wait_write};
use gatewright_aws::table::{Table, When, Write};
use gatewright_domain::ledger::Fact;
use gatewright_domain::release::{StageRecord, StageStatus};
use gatewright_domain::undo::Outcome;
use gatewright_domain::wait::Answer;
use gatewright_domain::{ErrorName, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::RESEND_SECONDS;

/// Records that the attempt has failed and answers its task. An attempt that was
/// judged meanwhile keeps its verdict.
///
/// # Errors
/// When the table fails, or the release has ended; doing it again is safe.
pub async fn fail_build<T: Table>(
    store: &Store<T>,
    key: &BuildKey,
    error: ErrorName,
    why: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let running = Running::read(store, &key.release).await?;
    let seen = store.stage(&key.release, key.index, key.attempt).await?;
    let Some(mut record) = seen.filter(|seen| seen.value.status == StageStatus::Running) else {
        return Ok(());
    };
    record.value.status = StageStatus::Failed;
    record.value.ended_at = Some(now);
    record.value.failure = Some((error, why.to_owned()));
    let failed = Fact::StageFailed {
        stage: record.value.stage.clone(),
        error: error.to_string(),
        cause: why.to_owned(),
    };
    let mut commit = Commit::of(&running.head)
        .fact(failed)
        .write(stage_write(&record.value, When::Rev(record.rev))?);
    if let Some(never) = never_migrated(&running, &record.value, error, now)? {
        commit = commit.write(never);
    }
    let waiting = WaitKey::build(&key.release, key.index, key.attempt);
    if let Some(mut wait) = store.wait(&waiting).await? {
        wait.value.answer = Some(Answer::failure(error, why));
        wait.value.due = after(now, RESEND_SECONDS);
        commit = commit.write(wait_write(&wait.value, When::Rev(wait.rev))?);
    }
    store.commit(commit, now).await?;
    Ok(())
}

/// Of a migration whose build never began, nothing stays in the way of going back.
fn never_migrated(
    running: &Running,
    record: &StageRecord,
    error: ErrorName,
    now: Timestamp,
) -> Result<Option<Write>, Failure> {
    let head = &running.head.value;
    let begun = record.build.is_some() || error == ErrorName::BuildLost || record.attempt > 1;
    let stage = running.definition.stages.get(record.index);
    let migrated = stage
        .filter(|_| !begun)
        .and_then(|stage| migrated(head, stage, record, Outcome::NeverRan, now));
    let Some(migrated) = migrated else {
        return Ok(None);
    };
    let write = migrated_write(&migrated, record.index, head.started_at)?;
    Ok(Some(write))
}
