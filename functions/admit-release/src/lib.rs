//! State `Admit`: may this trigger release this commit? Takes the pipeline's
//! next number and writes the release and its first ledger event together.
//!
//! A refused trigger leaves no release: the error goes to `Finish`, which
//! records the refusal.

mod given;

use gatewright_aws::Clock;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::decide::{Admission, admit};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::{Definition, Purpose};
use gatewright_domain::release::{Head, Status};
use gatewright_domain::trigger::TriggerInput;
use gatewright_domain::{Digest, ErrorName, PipelineId, ReleaseId, Timestamp};
use gatewright_handler::{Failure, parse};
use gatewright_steps::until_settled;
use given::Given;
use serde::Deserialize;
use serde_json::{Value, json};

/// What the state sends. `pipeline` and `version` are compiled into the machine;
/// `input` is whatever started the execution.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    release: ReleaseId,
    execution: String,
    started_at: Timestamp,
    pipeline: PipelineId,
    version: Digest,
    input: Value,
}

/// Admits the release; admitting it again is the same release.
///
/// # Errors
/// `BadInput`, `NotTriggered`, `UnknownPipeline`, `AlreadyStarted` when the
/// trigger is refused, of a rollback also `TakenBack`, `Irreversible`, `MovedOn`; `Transient`, `Conflict`, `AccessDenied` when we could not
/// know.
pub async fn handle<T: Table, C: Clock>(
    store: &Store<T>,
    clock: &C,
    raw: Value,
) -> Result<Value, Failure> {
    let input: Input = parse(raw)?;
    let trigger: TriggerInput = parse(input.input.clone())?;
    let Some(definition) = store.definition(&input.pipeline, &input.version).await? else {
        let why = format!(
            "pipeline {} has no version {}: run `gatewright apply` with the definition that this machine was compiled from",
            input.pipeline,
            input.version.short()
        );
        return Err(Failure::new(ErrorName::UnknownPipeline, why));
    };
    match admit(&definition, &trigger) {
        Admission::Refused { error, why } => Err(Failure::new(error, why)),
        Admission::Admitted { route, .. } => {
            halted(store, &definition).await?;
            let given = given::given(store, &definition, trigger).await?;
            until_settled(|| begin(store, clock.now(), &input, &definition, &given, &route)).await
        }
    }
}

/// Nothing begins while its pipeline is halted, but going back.
async fn halted<T: Table>(store: &Store<T>, definition: &Definition) -> Result<(), Failure> {
    if definition.purpose == Purpose::Rollback {
        return Ok(());
    }
    let controls = store.controls().await?.controls;
    match controls.halted(&definition.id) {
        Some(halt) => Err(Failure::new(ErrorName::Halted, halt.to_string())),
        None => Ok(()),
    }
}

async fn begin<T: Table>(
    store: &Store<T>,
    now: Timestamp,
    input: &Input,
    definition: &Definition,
    given: &Given,
    route: &str,
) -> Result<Value, Failure> {
    let trigger = &given.trigger;
    let digest = Digest::of(&input.input)?;
    if let Some(known) = store.head(&input.release).await? {
        return again(&known.value, input, &digest);
    }
    let mut head = Head {
        release: input.release.clone(),
        pipeline: input.pipeline.clone(),
        version: input.version.clone(),
        number: None,
        trigger: Some(trigger.clone()),
        route: Some(route.to_owned()),
        given: given.artifacts.clone(),
        flags: Vec::new(),
        input: digest,
        execution: input.execution.clone(),
        started_at: input.started_at,
        status: Status::Running,
        halted: None,
        broken_glass: Vec::new(),
        stage: None,
        failure: None,
        ended_at: None,
        last_seq: 0,
        last_hash: None,
    };
    head.flags = gatewright_steps::flags(store, definition, &head).await?;
    let flagged = head.flags.iter().cloned();
    let flagged = flagged.map(|flag| Fact::Flagged { flag });
    let more: Vec<Fact> = given.facts.iter().cloned().chain(flagged).collect();
    let fact = |number| Fact::ReleaseAdmitted {
        number,
        version: input.version.clone(),
        commit: trigger.commit.clone(),
        reference: trigger.reference.clone(),
        route: Some(route.to_owned()),
        requester: trigger.requester.clone(),
        author: trigger.author.clone(),
    };
    Ok(reply(&store.begin(head, fact, more, now).await?))
}

/// A start that was made before: the same one goes on, another one is refused.
fn again(known: &Head, input: &Input, digest: &Digest) -> Result<Value, Failure> {
    let refused = |why: String| Err(Failure::new(ErrorName::AlreadyStarted, why));
    if known.status.has_ended() {
        return refused(format!(
            "{} was started before and has ended: {}",
            known.release, known.status
        ));
    }
    if &known.input != digest
        || known.execution != input.execution
        || known.started_at != input.started_at
    {
        return refused(format!(
            "{} was started before with other input",
            known.release
        ));
    }
    Ok(reply(known))
}

fn reply(head: &Head) -> Value {
    json!({ "release": head.release, "number": head.number, "route": head.route })
}
