//! A scan: opened, looked at, judged, recorded and answered.

use crate::{Running, until_settled};
use gatewright_aws::registry::Registry;
use gatewright_aws::store::{Commit, Seen, Store, WaitKey, stage_write, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::decide::{ScanVerdict, judge_scan};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Artifact;
use gatewright_domain::release::{StageRecord, StageStatus};
use gatewright_domain::wait::{Answer, Awaited, Wait};
use gatewright_domain::{ErrorName, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::{RESEND_SECONDS, TaskInput, passed};

/// How soon the sweep looks at a scan whose event did not come: basic scans take
/// seconds to a few minutes.
const LOOK_AGAIN_SECONDS: i64 = 30;
/// When an unsettled scan is given up. Below the state's own time-out, so that
/// the release ends with our reason and not with a bare `States.Timeout`.
const GIVE_UP_SECONDS: i64 = 3_600;

/// Leaves a wait for the scan of the stage's artifact and looks at it at once:
/// it may have settled before anybody waited.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn open_scan<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    input: &TaskInput,
    now: Timestamp,
) -> Result<(), Failure> {
    let running = Running::read(store, &input.release).await?;
    let (index, stage) = running.stage(&input.stage)?;
    let record = store.last_attempt(&input.release, index).await?;
    let artifact = record
        .as_ref()
        .and_then(|r| r.value.evidence.as_ref()?.artifact.clone());
    let (Some(record), Some(artifact)) = (record, artifact) else {
        return Err(Failure::bad_input(format!(
            "stage {:?} has produced nothing to scan",
            stage.name.as_str()
        )));
    };
    let declared = running.definition.artifacts.get(&artifact.name);
    let Some(repository) = declared.and_then(Artifact::repository) else {
        return Err(Failure::bug("a scan gate on something that is no image"));
    };
    if record.value.status == StageStatus::Passed {
        store
            .table()
            .write(vec![input.answer_write(index, passed(), now)?])
            .await?;
        return Ok(());
    }
    let wait = Wait {
        release: input.release.clone(),
        index,
        stage: input.stage.clone(),
        awaited: Awaited::Scan {
            repository: repository.to_owned(),
            digest: artifact.digest,
        },
        token: input.token.clone(),
        since: now,
        deadline: after(now, GIVE_UP_SECONDS),
        due: after(now, LOOK_AGAIN_SECONDS),
        answer: None,
    };
    store
        .table()
        .write(vec![wait_write(&wait, When::Any)?])
        .await?;
    settle_scan(store, registry, &WaitKey::of(&wait), now).await
}

/// Looks at the scan that somebody waits for; judges, records and answers when it
/// is settled, starts it when there is none, gives up at the deadline.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn settle_scan<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    key: &WaitKey,
    now: Timestamp,
) -> Result<(), Failure> {
    until_settled(|| look(store, registry, key, now)).await
}

async fn look<T: Table, R: Registry>(
    store: &Store<T>,
    registry: &R,
    key: &WaitKey,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(wait) = store.wait(key).await? else {
        return Ok(());
    };
    let Awaited::Scan { repository, digest } = &wait.value.awaited else {
        return Ok(());
    };
    if wait.value.answer.is_some() {
        return Ok(());
    }
    let running = Running::read(store, &wait.value.release).await?;
    let record = store
        .last_attempt(&wait.value.release, wait.value.index)
        .await?;
    let gate = running
        .definition
        .stages
        .get(wait.value.index)
        .and_then(|s| s.scan_gate());
    let (Some(record), Some(gate)) = (record, gate) else {
        return Err(Failure::bug("a scan without its stage"));
    };
    if record.value.status != StageStatus::Scanning {
        return Ok(());
    }
    let seen = registry.scan(repository, digest).await?;
    match judge_scan(gate, &seen) {
        ScanVerdict::Wait { why, .. } if now >= wait.value.deadline => {
            let why = format!("the scan has not settled in time: {why}");
            refuse(
                store,
                &running,
                record,
                wait,
                ErrorName::WaitExpired,
                &why,
                now,
            )
            .await
        }
        ScanVerdict::Wait { start, .. } => {
            if start {
                registry.start_scan(repository, digest).await?;
            }
            let mut later = wait.value.clone();
            later.due = after(now, LOOK_AGAIN_SECONDS);
            store
                .table()
                .write(vec![wait_write(&later, When::Rev(wait.rev))?])
                .await?;
            Ok(())
        }
        ScanVerdict::Denied { error, why } => {
            refuse(store, &running, record, wait, error, &why, now).await
        }
        ScanVerdict::Settled { evidence, judged } => {
            let fact = Fact::ScanJudged {
                stage: wait.value.stage.clone(),
                digest: digest.clone(),
                findings: evidence.findings.clone(),
                gate: judged.clone(),
            };
            let commit = Commit::of(&running.head).fact(fact);
            let mut next = record.value.clone();
            next.scan = Some(*evidence);
            next.gates.push(judged.clone());
            let failure = (!judged.passed).then(|| {
                (
                    ErrorName::GateDenied,
                    format!("{}: {}", judged.gate.demand(), judged.because),
                )
            });
            conclude(
                store,
                commit,
                Seen {
                    value: next,
                    rev: record.rev,
                },
                wait,
                failure,
                now,
            )
            .await
        }
    }
}

async fn refuse<T: Table>(
    store: &Store<T>,
    running: &Running,
    record: Seen<StageRecord>,
    wait: Seen<Wait>,
    error: ErrorName,
    why: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let commit = Commit::of(&running.head);
    conclude(
        store,
        commit,
        record,
        wait,
        Some((error, why.to_owned())),
        now,
    )
    .await
}

async fn conclude<T: Table>(
    store: &Store<T>,
    mut commit: Commit,
    mut record: Seen<StageRecord>,
    mut wait: Seen<Wait>,
    failure: Option<(ErrorName, String)>,
    now: Timestamp,
) -> Result<(), Failure> {
    let stage = record.value.stage.clone();
    record.value.ended_at = Some(now);
    let answer = match &failure {
        None => {
            record.value.status = StageStatus::Passed;
            commit = commit.fact(Fact::StagePassed { stage });
            passed()
        }
        Some((error, why)) => {
            record.value.status = StageStatus::Failed;
            commit = commit.fact(Fact::StageFailed {
                stage,
                error: error.to_string(),
                cause: why.clone(),
            });
            Answer::failure(*error, why)
        }
    };
    record.value.failure = failure;
    wait.value.answer = Some(answer);
    wait.value.due = after(now, RESEND_SECONDS);
    let commit = commit
        .write(stage_write(&record.value, When::Rev(record.rev))?)
        .write(wait_write(&wait.value, When::Rev(wait.rev))?);
    store.commit(commit, now).await?;
    Ok(())
}
