//! Starts releases that neither CodePipeline nor a person starts: on a schedule,
//! and of pipelines that build on another one's release.
//!
//! It starts the pipeline's machine and decides nothing: `Admit` judges the
//! trigger like any other. The execution's name is made from what started it, so
//! that an event that comes twice starts one release.

use aws_lambda_events::event::dynamodb::Event as Stream;
use gatewright_aws::config::Config;
use gatewright_aws::store::{Commit, Start, Store};
use gatewright_aws::table::Table;
use gatewright_aws::tasks::Executions;
use gatewright_aws::{Clock, Kind};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::{Definition, Event};
use gatewright_domain::trigger::{Cause, TriggerInput};
use gatewright_domain::{Digest, ErrorName, PipelineId, ReleaseId, Timestamp};
use gatewright_handler::{Failure, parse};
use gatewright_steps::until_settled;
use serde::Deserialize;
use serde_json::{Value, json};

/// What a schedule of EventBridge Scheduler sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// The pipeline.
    pipeline: PipelineId,
    /// The name of the schedule's trigger in its definition.
    schedule: String,
    /// For when it was scheduled (`<aws.scheduler.scheduled-time>`).
    at: Timestamp,
}

/// Starts what the event asks for: a schedule, or a batch of the table's stream,
/// filtered to starts.
///
/// # Errors
/// `UnknownPipeline` and `NotTriggered` when a schedule cannot start anything;
/// `Transient` and others when a service fails: the stream repeats the batch.
pub async fn handle<T: Table, E: Executions, C: Clock>(
    store: &Store<T>,
    executions: &E,
    clock: &C,
    config: &Config,
    raw: Value,
) -> Result<Value, Failure> {
    if raw.get("Records").is_none() {
        let scheduled: Scheduled = parse(raw)?;
        let release = on_schedule(store, executions, config, &scheduled).await?;
        return Ok(json!({ "started": [release] }));
    }
    let event: Stream = parse(raw)?;
    let mut started = Vec::new();
    for record in event.records {
        let image: Value =
            serde_dynamo::from_item(record.change.new_image).map_err(Failure::bug)?;
        // Damaged items stay as they are: repeating the batch would not mend them.
        let Ok(start) = serde_json::from_value::<Start>(image["body"].clone()) else {
            tracing::error!(pk = %image["pk"], "a start that does not read");
            continue;
        };
        started.extend(downstream(store, executions, clock.now(), config, &start).await?);
    }
    Ok(json!({ "started": started }))
}

async fn on_schedule<T: Table, E: Executions>(
    store: &Store<T>,
    executions: &E,
    config: &Config,
    scheduled: &Scheduled,
) -> Result<ReleaseId, Failure> {
    let Scheduled {
        pipeline,
        schedule,
        at,
    } = scheduled;
    let definition = live(store, pipeline).await?;
    let event = definition.trigger(schedule).map(|trigger| &trigger.event);
    let Some(Event::Schedule { branch, .. }) = event else {
        let why = format!("{pipeline} has no schedule {schedule:?}");
        return Err(Failure::new(ErrorName::NotTriggered, why));
    };
    let mut input = on_branch(store, pipeline, branch).await?;
    input.cause = Some(Cause::Schedule);
    input.schedule = Some(schedule.clone());
    let minute = at.strftime("%Y%m%dT%H%MZ").to_string();
    let name = name(&[pipeline.as_str(), schedule, &minute])?;
    start(executions, config, &name, &input).await?;
    Ok(name)
}

/// Starts a pipeline because of another one's release, and records in that
/// release's ledger what became of it.
async fn downstream<T: Table, E: Executions>(
    store: &Store<T>,
    executions: &E,
    now: Timestamp,
    config: &Config,
    asked: &Start,
) -> Result<Option<ReleaseId>, Failure> {
    let outcome = match follow(store, executions, config, asked).await {
        Err(failure) if failure.may_pass() => return Err(failure),
        outcome => outcome,
    };
    let fact = Fact::DownstreamStarted {
        pipeline: asked.pipeline.clone(),
        release: outcome.as_ref().ok().cloned(),
        problem: outcome
            .as_ref()
            .err()
            .map(|failure| failure.message.clone()),
    };
    until_settled(|| record(store, asked, &fact, now)).await?;
    Ok(outcome.ok())
}

async fn follow<T: Table, E: Executions>(
    store: &Store<T>,
    executions: &E,
    config: &Config,
    asked: &Start,
) -> Result<ReleaseId, Failure> {
    let pipeline = &asked.pipeline;
    let definition = live(store, pipeline).await?;
    let branch = definition.triggers.iter().find_map(|t| match &t.event {
        Event::Upstream { pipeline, branch } if pipeline == &asked.upstream.pipeline => {
            Some(branch)
        }
        _ => None,
    });
    let Some(branch) = branch else {
        let why = format!(
            "{pipeline} has no trigger for releases of {}",
            asked.upstream.pipeline
        );
        return Err(Failure::new(ErrorName::NotTriggered, why));
    };
    let mut input = on_branch(store, pipeline, branch).await?;
    input.cause = Some(Cause::Upstream);
    input.upstream = Some(asked.upstream.clone());
    let name = name(&[pipeline.as_str(), "after", asked.upstream.release.as_str()])?;
    start(executions, config, &name, &input).await?;
    Ok(name)
}

/// Records the fact, unless the ledger has it already.
async fn record<T: Table>(
    store: &Store<T>,
    asked: &Start,
    fact: &Fact,
    now: Timestamp,
) -> Result<(), Failure> {
    let release = &asked.upstream.release;
    let head = store.known_head(release).await?;
    let ledger = store.ledger(release).await?;
    if !ledger.iter().any(|event| &event.fact == fact) {
        store
            .commit(Commit::of(&head).fact(fact.clone()), now)
            .await?;
    }
    Ok(())
}

async fn live<T: Table>(store: &Store<T>, pipeline: &PipelineId) -> Result<Definition, Failure> {
    store.live_definition(pipeline).await?.ok_or_else(|| {
        let why = format!("there is no pipeline {pipeline}: run `gatewright apply`");
        Failure::new(ErrorName::UnknownPipeline, why)
    })
}

/// A trigger for the commit of `branch` that was released last.
async fn on_branch<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    branch: &str,
) -> Result<TriggerInput, Failure> {
    let Some(commit) = store.last_commit(pipeline, branch).await? else {
        let why = format!(
            "no commit of branch {branch} was ever released by {pipeline}, so there is none to start with: push to it once"
        );
        return Err(Failure::new(ErrorName::NotTriggered, why));
    };
    let reference = format!("refs/heads/{branch}");
    Ok(TriggerInput::new(pipeline.clone(), reference, commit))
}

/// The most characters of an execution's name (AWS Step Functions API,
/// StartExecution).
const LONGEST_NAME: usize = 80;
/// What is kept of a digest in a name that had to be cut.
const DIGITS: usize = 12;

/// A name of these parts; one that would be too long ends in a digest of all of
/// it instead.
fn name(parts: &[&str]) -> Result<ReleaseId, Failure> {
    let whole: String = parts
        .join("-")
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = if whole.len() <= LONGEST_NAME {
        whole
    } else {
        let digest = Digest::of_bytes(whole.as_bytes());
        let kept = LONGEST_NAME - DIGITS - 1;
        format!("{}-{}", &whole[..kept], &digest.hex()[..DIGITS])
    };
    name.parse()
        .map_err(|e: gatewright_domain::ids::InvalidId| Failure::bug(e))
}

async fn start<E: Executions>(
    executions: &E,
    config: &Config,
    name: &ReleaseId,
    input: &TriggerInput,
) -> Result<(), Failure> {
    let machine = config.machine(&input.pipeline);
    let input = serde_json::to_string(input)?;
    match executions.start(&machine, name.as_str(), &input).await {
        Ok(_) => Ok(()),
        // Started before, and meanwhile at its end.
        Err(error) if error.kind == Kind::Conflict => Ok(()),
        Err(error) => Err(error.into()),
    }
}
