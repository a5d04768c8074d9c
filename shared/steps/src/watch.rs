//! A watch: opened, looked at each minute, judged, recorded and answered. When it
//! does not tell, people are asked, through the machinery of every approval. A
//! pause is a watch of nothing: it passes at its end. People's orders end both.

mod ask;
mod open;

pub use ask::answered_watch;
pub use open::open_watch;

use crate::build::Freed;
use crate::pass::pass;
use crate::{Running, hand_on, steered, until_settled};
use gatewright_aws::metrics::Metrics;
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{Commit, Seen, Store, WaitKey, stage_write, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::decide::{Sample, Samples, WatchSeen, Window, judge_watch};
use gatewright_domain::evidence::{WatchEvidence, WatchOutcome};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::{Seconds, Series, Stage, Watching, Work};
use gatewright_domain::release::{StageRecord, StageStatus};
use gatewright_domain::wait::{Answer, Awaited, Wait};
use gatewright_domain::{Digest, ErrorName, ReleaseId, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::{RESEND_SECONDS, passed};

/// How many samples' time numbers may come late: CloudWatch has most of them
/// after a minute or two.
const LATE_SAMPLES: i64 = 2;

/// What the stage watches, and how long; a pause watches nothing.
fn watching(stage: &Stage) -> Result<Watching, Failure> {
    match &stage.work {
        Work::Watch(watching) => Ok(watching.clone()),
        Work::Pause(pause) => Ok(Watching {
            lasts: pause.lasts,
            warm_up: Seconds(0),
            decide_within: Seconds(0),
            watch: Vec::new(),
        }),
        Work::Build(_) | Work::Deploy(_) | Work::Approval(_) => {
            let why = format!("stage {:?} is no watch", stage.name.as_str());
            Err(Failure::bad_input(why))
        }
    }
}

/// Looks at what is watched: judges, records and answers when that tells, asks
/// people when it never will, and otherwise looks again after a sample's time.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn settle_watch<T: Table, M: Metrics, R: Outside>(
    store: &Store<T>,
    metrics: &M,
    outside: &R,
    key: &WaitKey,
    now: Timestamp,
) -> Result<(), Failure> {
    let freed = until_settled(|| Box::pin(look(store, metrics, key, now))).await?;
    if let Some((pipeline, environment)) = freed {
        hand_on(store, outside, &pipeline, &environment, now).await?;
    }
    Ok(())
}

async fn look<T: Table, M: Metrics>(
    store: &Store<T>,
    metrics: &M,
    key: &WaitKey,
    now: Timestamp,
) -> Result<Freed, Failure> {
    let Some(wait) = store.wait(key).await?.filter(|w| w.value.answer.is_none()) else {
        return Ok(None);
    };
    let Awaited::Watch {
        from,
        until,
        period,
    } = wait.value.awaited
    else {
        return Ok(None);
    };
    let running = Running::read(store, &wait.value.release).await?;
    let (index, stage) = running.stage(&wait.value.stage)?;
    let watching = watching(stage)?;
    let record = store.last_attempt(&wait.value.release, index).await?;
    let Some(record) = record.filter(|r| r.value.status == StageStatus::Running) else {
        return Err(Failure::bug("a watch without its stage"));
    };
    let period_seconds = i64::from(period);
    let next = after(now, period_seconds).min(until).max(after(now, 1));
    if let Some(ordered) = ordered_to_stop(store, &running, stage, now).await? {
        return conclude(store, &running, record, wait, None, Some(ordered), now).await;
    }
    if watching.watch.is_empty() {
        return match now < until {
            true => later(store, wait, next).await,
            false => conclude(store, &running, record, wait, None, None, now).await,
        };
    }
    let no_more = now >= after(until, LATE_SAMPLES * period_seconds);
    let seen = match observe(metrics, &watching, (from, until, period), now).await {
        Err(failure) if no_more => WatchSeen {
            unreadable: Some(failure.message),
            ..unseen((from, until, period), until)
        },
        seen => seen?,
    };
    let evidence = judge_watch(&watching.watch, &seen);
    match evidence.outcome {
        WatchOutcome::Going => later(store, wait, next).await,
        WatchOutcome::Inconclusive if !no_more => {
            later(store, wait, after(now, period_seconds)).await
        }
        WatchOutcome::Inconclusive => {
            ask::ask(store, &running, record, wait, evidence, now).await?;
            Ok(None)
        }
        WatchOutcome::Passed => {
            conclude(store, &running, record, wait, Some(evidence), None, now).await
        }
        WatchOutcome::Failed => {
            let why = (ErrorName::WatchFailed, evidence.reasons().join("; "));
            conclude(
                store,
                &running,
                record,
                wait,
                Some(evidence),
                Some(why),
                now,
            )
            .await
        }
    }
}

/// Ends the watch or the pause that the release is in, if people's orders stop it
/// there: they are heard at once, and not when its time is over.
///
/// # Errors
/// When the table fails; the sweep looks again within a minute.
pub async fn stop_watch<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    now: Timestamp,
) -> Result<(), Failure> {
    until_settled(|| stop(store, release, now)).await
}

async fn stop<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    now: Timestamp,
) -> Result<(), Failure> {
    let running = Running::read(store, release).await?;
    let Some(at) = &running.head.value.stage else {
        return Ok(());
    };
    let (index, stage) = running.stage(at)?;
    let wait = store.wait(&WaitKey::watch(release, index)).await?;
    let Some(wait) = wait.filter(|w| w.value.answer.is_none()) else {
        return Ok(());
    };
    let record = store.last_attempt(release, index).await?;
    let record = record.filter(|r| r.value.status == StageStatus::Running);
    let ordered = ordered_to_stop(store, &running, stage, now).await?;
    if let (Some(record), Some(ordered)) = (record, ordered) {
        conclude(store, &running, record, wait, None, Some(ordered), now).await?;
    }
    Ok(())
}

/// The order that stops the release here, if one does.
async fn ordered_to_stop<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    now: Timestamp,
) -> Result<Option<(ErrorName, String)>, Failure> {
    match steered(store, running, stage, now).await {
        Ok(_) => Ok(None),
        Err(order) if matches!(order.name, ErrorName::Halted | ErrorName::Frozen) => {
            Ok(Some((order.name, order.message)))
        }
        Err(failure) => Err(failure),
    }
}

async fn later<T: Table>(
    store: &Store<T>,
    mut wait: Seen<Wait>,
    due: Timestamp,
) -> Result<Freed, Failure> {
    wait.value.due = due;
    store
        .table()
        .write(vec![wait_write(&wait.value, When::Rev(wait.rev))?])
        .await?;
    Ok(None)
}

/// Nothing of a watch that was looked at until `end`.
fn unseen((from, until, period): (Timestamp, Timestamp, u32), end: Timestamp) -> WatchSeen {
    WatchSeen {
        from,
        until: end,
        // Whole samples only: the first part of the first one is the warm-up's.
        window: Window::whole(from, end, period),
        over: end >= until,
        unreadable: None,
        samples: Vec::new(),
    }
}

/// What CloudWatch has of the watch so far.
async fn observe<M: Metrics>(
    metrics: &M,
    watching: &Watching,
    (from, until, period): (Timestamp, Timestamp, u32),
    now: Timestamp,
) -> Result<WatchSeen, Failure> {
    let seen = unseen((from, until, period), until.min(now));
    let both = watching.watch.iter().flat_map(|w| [&w.new, &w.old]);
    let series: Vec<Series> = both.flatten().flat_map(Series::metrics).cloned().collect();
    let mut samples = match series.as_slice() {
        [] => Vec::new(),
        series => metrics.samples(series, seen.window).await?,
    }
    .into_iter();
    let names: Vec<String> = watching
        .watch
        .iter()
        .filter_map(|w| w.alarm.clone())
        .collect();
    let alarms = match names.as_slice() {
        [] => Default::default(),
        names => metrics.alarms(names).await?,
    };
    let mut next = |series: &Option<Series>| {
        let Some(series) = series else {
            return Vec::new();
        };
        let own = samples.next().flatten();
        let whole = series.per.as_ref().and_then(|_| samples.next().flatten());
        Sample::of(series, own, whole)
    };
    let samples = watching
        .watch
        .iter()
        .map(|w| Samples {
            new: next(&w.new),
            old: next(&w.old),
            alarm: w.alarm.as_ref().and_then(|name| alarms.get(name).cloned()),
        })
        .collect();
    Ok(WatchSeen { samples, ..seen })
}

/// The fact that a watch was judged.
fn judged(stage: &Stage, evidence: &WatchEvidence) -> Result<Fact, Failure> {
    let because = evidence.measured.iter().map(|m| m.because.clone());
    Ok(Fact::WatchJudged {
        stage: stage.name.clone(),
        evidence: Digest::of(evidence)?,
        outcome: evidence.outcome,
        because: because.collect(),
    })
}

/// Ends a watch that tells, or that is told: with a failure, or without one.
async fn conclude<T: Table>(
    store: &Store<T>,
    running: &Running,
    mut record: Seen<StageRecord>,
    mut wait: Seen<Wait>,
    evidence: Option<WatchEvidence>,
    failure: Option<(ErrorName, String)>,
    now: Timestamp,
) -> Result<Freed, Failure> {
    let (_, stage) = running.stage(&record.value.stage)?;
    let mut commit = Commit::of(&running.head);
    if let Some(evidence) = &evidence {
        commit = commit.fact(judged(stage, evidence)?);
    }
    record.value.watch = evidence;
    let mut freed = None;
    let (commit, answer) = end(
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
    wait.value.answer = Some(answer);
    wait.value.due = after(now, RESEND_SECONDS);
    let commit = commit
        .write(stage_write(&record.value, When::Rev(record.rev))?)
        .write(wait_write(&wait.value, When::Rev(wait.rev))?);
    store.commit(commit, now).await?;
    Ok(freed)
}

/// What the end of a watch does to its record, and what its task is told.
#[expect(
    clippy::too_many_arguments,
    reason = "two callers, and each is a thing of its own"
)]
async fn end<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    record: &mut StageRecord,
    commit: Commit,
    failure: Option<(ErrorName, String)>,
    freed: &mut Freed,
    now: Timestamp,
) -> Result<(Commit, Answer), Failure> {
    let failure = match failure {
        Some(failure) => failure,
        None => match Box::pin(pass(
            store,
            running,
            stage,
            record,
            commit.clone(),
            freed,
            now,
        ))
        .await?
        {
            (commit, None) => return Ok((commit, passed())),
            (_, Some(failure)) => failure,
        },
    };
    let (error, why) = &failure;
    let answer = Answer::failure(*error, why);
    let commit = commit.fact(Fact::StageFailed {
        stage: stage.name.clone(),
        error: error.to_string(),
        cause: why.clone(),
    });
    record.status = StageStatus::Failed;
    record.ended_at = Some(now);
    record.failure = Some(failure);
    Ok((commit, answer))
}
