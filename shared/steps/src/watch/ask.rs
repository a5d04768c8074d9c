//! A watch that does not tell: people say whether to go on all the same.

use super::{conclude, end, judged};
use crate::Running;
use gatewright_aws::store::{Commit, Seen, Store, WaitKey, stage_write, wait_delete, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::approval::{Request, State};
use gatewright_domain::evidence::WatchEvidence;
use gatewright_domain::ledger::Fact;
use gatewright_domain::release::{StageRecord, StageStatus, evidence_before};
use gatewright_domain::wait::{Answer, Awaited, Wait};
use gatewright_domain::{ErrorName, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::passed;

/// What people confirm who go on.
const CHECKLIST: &str = "The new version does well, although its numbers do not tell.";

/// Asks people about a watch that does not tell. Where there is nobody to ask, or
/// no time left, it has failed: unknown never promotes.
pub(super) async fn ask<T: Table>(
    store: &Store<T>,
    running: &Running,
    mut record: Seen<StageRecord>,
    wait: Seen<Wait>,
    evidence: WatchEvidence,
    now: Timestamp,
) -> Result<(), Failure> {
    let (index, stage) = running.stage(&record.value.stage)?;
    let why = evidence.reasons().join("; ");
    let request = request(store, running, &record.value, &wait.value, &evidence, now).await?;
    let directory = store.directory().await?.value;
    let nobody = if request.quorum.is_empty() {
        Some("nobody approves changes there who could be asked".to_owned())
    } else if request.expires_at <= now {
        Some("there is no time left to ask".to_owned())
    } else {
        request.out_of_reach(&directory)
    };
    if let Some(nobody) = nobody {
        let failure = (ErrorName::WatchFailed, format!("{why}; {nobody}"));
        conclude(
            store,
            running,
            record,
            wait,
            Some(evidence),
            Some(failure),
            now,
        )
        .await?;
        return Ok(());
    }
    let waiting = Wait {
        awaited: Awaited::Approval,
        since: now,
        deadline: request.expires_at,
        due: half_way(now, request.expires_at),
        ..wait.value.clone()
    };
    let requested = Fact::ApprovalRequested {
        stage: stage.name.clone(),
        evidence: request.evidence.clone(),
        quorum: request.quorum.clone(),
        expires_at: request.expires_at,
    };
    let known = store
        .wait(&WaitKey::approval(&request.release, index))
        .await?;
    let commit = Commit::of(&running.head)
        .fact(judged(stage, &evidence)?)
        .fact(requested)
        .write(Store::<T>::approval_write(&request, When::Absent)?)
        .write(wait_delete(&wait.value, wait.rev))
        .write(wait_write(&waiting, When::still(known.map(|w| w.rev)))?);
    record.value.watch = Some(evidence);
    let commit = commit.write(stage_write(&record.value, When::Rev(record.rev))?);
    store.commit(commit, now).await?;
    Ok(())
}

fn half_way(now: Timestamp, end: Timestamp) -> Timestamp {
    after(now, ((end.as_second() - now.as_second()) / 2).max(60)).min(end)
}

/// The request, bound to everything that is known, the watch's numbers included.
async fn request<T: Table>(
    store: &Store<T>,
    running: &Running,
    record: &StageRecord,
    wait: &Wait,
    evidence: &WatchEvidence,
    now: Timestamp,
) -> Result<Request, Failure> {
    let head = &running.head.value;
    let mut records = store.stages(&head.release).await?;
    for known in &mut records {
        if (known.index, known.attempt) == (record.index, record.attempt) {
            known.watch = Some(evidence.clone());
        }
    }
    let whole = evidence_before(head, &records, record.index + 1)
        .ok_or_else(|| Failure::bug("a release without a trigger"))?;
    let (_, stage) = running.stage(&record.stage)?;
    let within = super::watching(stage)?.decide_within.get();
    Ok(Request {
        release: head.release.clone(),
        index: record.index,
        stage: record.stage.clone(),
        evidence: whole.digest()?,
        quorum: running
            .definition
            .asked_about(running.route(), record.index),
        checklist: vec![CHECKLIST.to_owned()],
        about: Some(evidence.clone()),
        excluded: head.excluded(),
        requested_at: now,
        expires_at: after(now, within).min(wait.deadline),
        state: State::Open,
    })
}

/// What an answer to a request does to the stage that it is about, as part of
/// `commit`; unchanged for an approval, which has no record. Without a failure
/// people said to go on.
///
/// # Errors
/// When the table cannot be read.
pub async fn answered_watch<T: Table>(
    store: &Store<T>,
    running: &Running,
    request: &Request,
    commit: Commit,
    failure: Option<(ErrorName, String)>,
    now: Timestamp,
) -> Result<(Commit, Answer), Failure> {
    let record = match request.about {
        Some(_) => store.last_attempt(&request.release, request.index).await?,
        None => None,
    };
    let record = record.filter(|r| r.value.status == StageStatus::Running);
    let Some(mut record) = record else {
        let answer = match failure {
            None => passed(),
            Some((error, why)) => Answer::failure(error, &why),
        };
        return Ok((commit, answer));
    };
    let (_, stage) = running.stage(&record.value.stage)?;
    let mut freed = None;
    let (mut commit, answer) = end(
        store,
        running,
        stage,
        &mut record.value,
        commit,
        failure,
        &mut freed,
        now,
    )
    .await?;
    if let Some((pipeline, environment)) = freed {
        commit = wake_next(store, commit, &pipeline, &environment, now).await?;
    }
    let write = stage_write(&record.value, When::Rev(record.rev))?;
    Ok((commit.write(write), answer))
}

/// The environment is free: the sweep looks at once at the release that waits for
/// it longest, because whoever answers for people may not look into registries.
async fn wake_next<T: Table>(
    store: &Store<T>,
    commit: Commit,
    pipeline: &gatewright_domain::PipelineId,
    environment: &gatewright_domain::EnvironmentName,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let queue = store.queue(pipeline, environment).await?;
    let Some(first) = queue.first() else {
        return Ok(commit);
    };
    let wait = store
        .wait(&WaitKey::lock(&first.release, first.index))
        .await?;
    Ok(match wait.filter(|w| w.value.answer.is_none()) {
        Some(mut wait) => {
            wait.value.due = now;
            commit.write(wait_write(&wait.value, When::Rev(wait.rev))?)
        }
        None => commit,
    })
}
