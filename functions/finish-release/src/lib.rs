//! State `Finish`, and the event `Step Functions Execution Status Change` of an
//! execution that ended any other way: terminal state, locks handed on, open
//! requests closed, running builds stopped.

mod stopped;

use gatewright_aws::Clock;
use gatewright_aws::builds::Builds;
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{Commit, Store};
use gatewright_aws::table::Table;
use gatewright_domain::ledger::Fact;
use gatewright_domain::release::{Failure as Why, Head, Status};
use gatewright_domain::text::shortened;
use gatewright_domain::trigger::TriggerInput;
use gatewright_domain::{Digest, ErrorName, PipelineId, ReleaseId, StageName, Timestamp};
use gatewright_handler::{Failure, parse};
use gatewright_steps::{end_release, until_settled};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the state sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    release: ReleaseId,
    execution: String,
    started_at: Timestamp,
    pipeline: PipelineId,
    version: Digest,
    failure: Option<Caught>,
    input: Value,
}

/// What the state machine caught.
#[derive(Debug, Clone, Deserialize)]
pub struct Caught {
    stage: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

/// Ends the release; ending it again gives the same ending.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn handle<T, B, R, C>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    clock: &C,
    raw: Value,
) -> Result<Value, Failure>
where
    T: Table,
    B: Builds,
    R: Outside,
    C: Clock,
{
    let head = if raw.get("detail-type").is_some() {
        let Some(ended) = stopped::stopped(&raw)? else {
            return Ok(json!({ "ignored": true }));
        };
        let head = store.head(&ended.release).await?;
        // One that was refused because its name is taken ends nobody else's release.
        if head.is_some_and(|head| head.value.execution != ended.execution) {
            return Ok(json!({ "ignored": true }));
        }
        let (release, why) = (&ended.release, Some(ended.why));
        end_release(store, builds, registry, release, why, clock.now()).await?
    } else {
        let input: Input = parse(raw)?;
        let caught = input.failure.clone().map(understood);
        match store.head(&input.release).await? {
            Some(head) if !is_of(&head.value, &input) => return Ok(another(&input)),
            Some(_) => {
                end_release(store, builds, registry, &input.release, caught, clock.now()).await?
            }
            None => {
                Some(until_settled(|| refused(store, &input, caught.clone(), clock.now())).await?)
            }
        }
    };
    Ok(head.map_or_else(
        || json!({ "ignored": true }),
        |head| json!({ "status": head.status, "failure": head.failure }),
    ))
}

/// Whether the release is the one of this execution. A name can be used again, by
/// another machine at once and by the same one after 90 days; such an execution
/// must not end a release that it never was.
fn is_of(head: &Head, input: &Input) -> bool {
    head.execution == input.execution && head.started_at == input.started_at
}

fn another(input: &Input) -> Value {
    let cause = format!(
        "the name {} belongs to another release, which goes on undisturbed; start under a new name",
        input.release
    );
    json!({ "status": Status::FailedClean, "failure": Why { stage: None, error: ErrorName::AlreadyStarted.to_string(), cause } })
}

/// What the machine caught, as a person can read it. A Lambda error's cause is a
/// JSON document with the message inside.
fn understood(caught: Caught) -> Why {
    let cause = caught.cause.unwrap_or_default();
    let message = serde_json::from_str::<Value>(&cause)
        .ok()
        .and_then(|v| v["errorMessage"].as_str().map(str::to_owned));
    let cause = shortened(&message.unwrap_or(cause), 4_000);
    let error = caught.error.unwrap_or_else(|| "States.Unknown".to_owned());
    let cause = match (error.as_str(), cause.is_empty()) {
        ("States.Timeout", _) => "it did not answer in time".to_owned(),
        (_, true) => "no reason was given".to_owned(),
        (_, false) => cause,
    };
    Why {
        stage: caught.stage.and_then(|s| s.parse::<StageName>().ok()),
        error,
        cause,
    }
}

/// A trigger that was refused: the attempt is recorded, whole and ended, without
/// a number.
async fn refused<T: Table>(
    store: &Store<T>,
    input: &Input,
    caught: Option<Why>,
    now: Timestamp,
) -> Result<Head, Failure> {
    if let Some(known) = store.head(&input.release).await? {
        return Ok(known.value);
    }
    let failure = caught.unwrap_or_else(|| Why {
        stage: None,
        error: "Bug".to_owned(),
        cause: "the release was never admitted".to_owned(),
    });
    let head = Head {
        release: input.release.clone(),
        pipeline: input.pipeline.clone(),
        version: input.version.clone(),
        number: None,
        route: None,
        given: Vec::new(),
        flags: Vec::new(),
        trigger: serde_json::from_value::<TriggerInput>(input.input.clone()).ok(),
        input: Digest::of(&input.input)?,
        execution: input.execution.clone(),
        started_at: input.started_at,
        status: Status::FailedClean,
        halted: None,
        broken_glass: Vec::new(),
        stage: None,
        failure: Some(Why {
            stage: None,
            ..failure.clone()
        }),
        ended_at: Some(now),
        last_seq: 0,
        last_hash: None,
    };
    let ended = Fact::ReleaseEnded {
        status: Status::FailedClean,
        failure: None,
    };
    let facts = vec![
        Fact::TriggerRefused {
            failure: Why {
                stage: None,
                ..failure
            },
        },
        ended,
    ];
    Ok(store
        .commit(
            Commit {
                rev: None,
                head,
                facts,
                writes: Vec::new(),
            },
            now,
        )
        .await?)
}
