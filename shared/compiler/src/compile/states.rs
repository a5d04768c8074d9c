//! The states themselves.

use super::{
    ADMIT, CompileError, FAILED_CLEAN, FAILED_DIRTY, FINISH, Function, HOW_IT_ENDED, MOST_COMMENT,
    SUCCEEDED, clear_name, scan_name, state_name,
};
use crate::asl::{
    Arguments, Branch, Catch, Caught, Choice, Fail, Jitter, QueryLanguage, Resource, Retry, State,
    StateMachine, StateName, Succeed, Task,
};
use gatewright_domain::pipeline::{Approval, Build, Definition, Stage, Work};
use gatewright_domain::text::shortened;
use gatewright_domain::{Digest, ErrorName};
use indexmap::IndexMap;
use serde_json::{Value, json};

/// How long `admit-release` and `finish-release` may take: a dozen calls of
/// DynamoDB, with a cold start and their own retries.
pub(super) const CALL_SECONDS: u32 = 120;

/// What a build may take beyond its own limit. CodeBuild starts its clock when
/// the build runs: before that a build queues behind others (new accounts run 5
/// at a time) and its machine is provisioned, and afterwards its end has to
/// reach us, by event or by the next sweep.
pub(super) const QUEUE_SECONDS: u32 = 900;

/// How long a scan may take to settle: an hour, and five minutes to tell us.
pub(super) const SCAN_SECONDS: u32 = 3_900;

/// How long a deploy may wait for its environment: a day, and five minutes.
pub(super) const CLEAR_SECONDS: u32 = 86_400 + GRACE_SECONDS;

/// What a state waits beyond the deadline that we keep ourselves, so that our
/// own answer, which has a reason, comes before a bare `States.Timeout`.
pub(super) const GRACE_SECONDS: u32 = 300;

/// Lambda's transient failures (Step Functions developer guide, "Handle
/// transient Lambda service exceptions").
const LAMBDA_FAILURES: [Caught; 4] = [
    Caught::Lambda("Lambda.ServiceException"),
    Caught::Lambda("Lambda.AWSLambdaException"),
    Caught::Lambda("Lambda.SdkClientException"),
    Caught::Lambda("Lambda.TooManyRequestsException"),
];

/// States carry variables, never documents.
const NOTHING: &str = "{% {} %}";
const RELEASE: &str = "{% $states.context.Execution.Name %}";

/// The whole machine.
pub(super) fn machine(
    definition: &Definition,
    version: &Digest,
) -> Result<StateMachine, CompileError> {
    let mut ordered: Vec<(StateName, Task)> =
        vec![(state_name(ADMIT)?, admit(definition, version)?)];
    for stage in &definition.stages {
        ordered.extend(stage_states(stage)?);
    }
    // Each state leads to the one after it, the last to Finish.
    let names: Vec<StateName> = ordered.iter().map(|(name, _)| name.clone()).collect();
    let mut states = IndexMap::new();
    for (index, (name, mut task)) in ordered.into_iter().enumerate() {
        task.next = match names.get(index + 1) {
            Some(next) => next.clone(),
            None => state_name(FINISH)?,
        };
        put(&mut states, name, State::Task(Box::new(task)))?;
    }
    put(
        &mut states,
        state_name(FINISH)?,
        State::Task(Box::new(finish(definition, version)?)),
    )?;
    for (name, state) in ends()? {
        put(&mut states, name, state)?;
    }
    let comment = format!(
        "{} ({}), definition {version}",
        definition.name, definition.id
    );
    Ok(StateMachine {
        comment: shortened(&comment, MOST_COMMENT),
        query_language: QueryLanguage::Jsonata,
        start_at: state_name(ADMIT)?,
        timeout_seconds: definition.budget.0,
        states,
    })
}

fn put(
    states: &mut IndexMap<StateName, State>,
    name: StateName,
    state: State,
) -> Result<(), CompileError> {
    let taken = name.to_string();
    match states.insert(name, state) {
        None => Ok(()),
        Some(_) => Err(CompileError::NameTaken { name: taken }),
    }
}

/// The states of a stage, in order; their `next` is filled in by the caller.
fn stage_states(stage: &Stage) -> Result<Vec<(StateName, Task)>, CompileError> {
    let name = stage.name.as_str();
    let mut states = Vec::new();
    if matches!(stage.work, Work::Deploy(_)) {
        let clear = waiting(Function::ClearDeploy, stage, CLEAR_SECONDS, 0)?;
        states.push((state_name(clear_name(name))?, clear));
    }
    let mut own = match &stage.work {
        Work::Build(build) => built(stage, build)?,
        Work::Deploy(deploy) => built(stage, &deploy.build)?,
        Work::Approval(approval) => approved(stage, approval)?,
        Work::Pause(pause) => waiting(Function::StartBuild, stage, pause.lasts.0, 0)?,
    };
    own.comment = shortened(&stage.description, MOST_COMMENT);
    states.push((state_name(name)?, own));
    if stage.scan_gate().is_some() {
        let scan = waiting(Function::JudgeScan, stage, SCAN_SECONDS, 0)?;
        states.push((state_name(scan_name(name))?, scan));
    }
    Ok(states)
}

fn built(stage: &Stage, build: &Build) -> Result<Task, CompileError> {
    let limit = build.timeout.0.saturating_add(QUEUE_SECONDS);
    waiting(Function::StartBuild, stage, limit, build.retries)
}

fn approved(stage: &Stage, approval: &Approval) -> Result<Task, CompileError> {
    let limit = approval.expires.0.saturating_add(GRACE_SECONDS);
    waiting(Function::RequestApproval, stage, limit, 0)
}

/// A task that hands out its token and waits for the answer.
fn waiting(
    function: Function,
    stage: &Stage,
    limit: u32,
    fault_retries: u32,
) -> Result<Task, CompileError> {
    let name = stage.name.as_str();
    let mut retry = retries();
    if fault_retries > 0 {
        retry.push(Retry {
            error_equals: vec![Caught::Ours(ErrorName::BuildFault)],
            interval_seconds: 5,
            max_attempts: fault_retries,
            backoff_rate: 2.0,
            max_delay_seconds: None,
            jitter_strategy: None,
        });
    }
    Ok(Task {
        comment: String::new(),
        resource: Resource::InvokeAndWait,
        arguments: Arguments {
            function_name: function.placeholder(),
            payload: members([
                ("release", json!(RELEASE)),
                ("stage", json!(name)),
                ("token", json!("{% $states.context.Task.Token %}")),
            ]),
        },
        timeout_seconds: limit,
        retry,
        catch: catches(function, &failure(json!(name)), FINISH)?,
        assign: IndexMap::new(),
        output: NOTHING.to_owned(),
        next: state_name(FINISH)?,
    })
}

fn admit(definition: &Definition, version: &Digest) -> Result<Task, CompileError> {
    let mut payload = identity(definition, version);
    payload.insert("input".to_owned(), json!("{% $states.input %}"));
    Ok(Task {
        comment: "May this trigger release this commit? Takes the release's number.".to_owned(),
        resource: Resource::Invoke,
        arguments: Arguments {
            function_name: Function::AdmitRelease.placeholder(),
            payload,
        },
        timeout_seconds: CALL_SECONDS,
        retry: retries(),
        // No stage has begun yet.
        catch: catches(Function::AdmitRelease, &failure(Value::Null), FINISH)?,
        assign: members([("failure", Value::Null)]),
        output: NOTHING.to_owned(),
        next: state_name(FINISH)?,
    })
}

fn finish(definition: &Definition, version: &Digest) -> Result<Task, CompileError> {
    let mut payload = identity(definition, version);
    payload.insert("failure".to_owned(), json!("{% $failure %}"));
    payload.insert(
        "input".to_owned(),
        json!("{% $states.context.Execution.Input %}"),
    );
    let mut retry = retries();
    // A release must end in its record too, so everything is worth trying again.
    retry.push(Retry {
        error_equals: vec![Caught::All],
        interval_seconds: 5,
        max_attempts: 3,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        jitter_strategy: None,
    });
    let unfinished = members([(
        "ending",
        json!({
            "status": FAILED_DIRTY,
            "failure": {
                "stage": null,
                "error": "{% $states.errorOutput.Error %}",
                "cause": format!("{{% 'The release ended, but its end could not be recorded: ' & {CAUSE} %}}"),
            },
        }),
    )]);
    Ok(Task {
        comment: "Decides how the release ended, records it, hands on its locks.".to_owned(),
        resource: Resource::Invoke,
        arguments: Arguments {
            function_name: Function::FinishRelease.placeholder(),
            payload,
        },
        timeout_seconds: CALL_SECONDS,
        retry,
        catch: catches(Function::FinishRelease, &unfinished, FAILED_DIRTY)?,
        assign: members([("ending", json!("{% $states.result.Payload %}"))]),
        output: "{% $states.result.Payload %}".to_owned(),
        next: state_name(HOW_IT_ENDED)?,
    })
}

/// What names a release in the functions that see all of it.
fn identity(definition: &Definition, version: &Digest) -> IndexMap<String, Value> {
    members([
        ("release", json!(RELEASE)),
        ("execution", json!("{% $states.context.Execution.Id %}")),
        (
            "started_at",
            json!("{% $states.context.Execution.StartTime %}"),
        ),
        ("pipeline", json!(definition.id)),
        ("version", json!(version)),
    ])
}

fn members<const N: usize>(pairs: [(&str, Value); N]) -> IndexMap<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Lambda's failures and our own that may pass by themselves.
fn retries() -> Vec<Retry> {
    vec![
        Retry {
            error_equals: LAMBDA_FAILURES.to_vec(),
            interval_seconds: 2,
            max_attempts: 6,
            backoff_rate: 2.0,
            max_delay_seconds: None,
            jitter_strategy: None,
        },
        Retry {
            error_equals: vec![
                Caught::Ours(ErrorName::Transient),
                Caught::Ours(ErrorName::Conflict),
            ],
            interval_seconds: 2,
            max_attempts: 5,
            backoff_rate: 2.0,
            max_delay_seconds: Some(60),
            jitter_strategy: Some(Jitter::Full),
        },
    ]
}

/// The cause of what was caught. It can be absent (a bare time-out has none),
/// and an expression without a value fails the execution, uncaught.
const CAUSE: &str = "($states.errorOutput.Cause ? $states.errorOutput.Cause : '')";

/// The variable that tells Finish what was caught, and in which stage.
fn failure(stage: Value) -> IndexMap<String, Value> {
    members([(
        "failure",
        json!({
            "stage": stage,
            "error": "{% $states.errorOutput.Error %}",
            "cause": format!("{{% {CAUSE} %}}"),
        }),
    )])
}

/// First the errors that the function documents, so that they can be read here;
/// then the time limit; then everything else there is.
fn catches(
    function: Function,
    assign: &IndexMap<String, Value>,
    to: &str,
) -> Result<Vec<Catch>, CompileError> {
    let next = state_name(to)?;
    let ours = function
        .raises()
        .iter()
        .copied()
        .map(Caught::Ours)
        .collect();
    let lines = [ours, vec![Caught::Timeout], vec![Caught::All]];
    Ok(lines
        .into_iter()
        .map(|error_equals| Catch {
            error_equals,
            assign: assign.clone(),
            output: NOTHING.to_owned(),
            next: next.clone(),
        })
        .collect())
}

/// What follows Finish. Anything but two known words is the dirty end: an ending
/// nobody understands needs somebody to look.
fn ends() -> Result<[(StateName, State); 4], CompileError> {
    let branch = |status: &str| {
        Ok::<_, CompileError>(Branch {
            condition: format!("{{% $ending.status = '{status}' %}}"),
            next: state_name(status)?,
        })
    };
    let choice = Choice {
        comment: "Finish has decided; this only routes.".to_owned(),
        choices: vec![branch(SUCCEEDED)?, branch(FAILED_CLEAN)?],
        default: state_name(FAILED_DIRTY)?,
    };
    let succeed = Succeed {
        comment: "Everything that this release should do is done.".to_owned(),
    };
    let said = |member: &str, otherwise: &str| {
        format!("{{% $ending.failure.{member} ? $ending.failure.{member} : '{otherwise}' %}}")
    };
    let fail = |comment: &str| {
        State::Fail(Fail {
            comment: comment.to_owned(),
            error: said("error", ErrorName::Bug.as_str()),
            cause: said("cause", "finish-release gave no cause"),
        })
    };
    Ok([
        (state_name(HOW_IT_ENDED)?, State::Choice(choice)),
        (state_name(SUCCEEDED)?, State::Succeed(succeed)),
        (
            state_name(FAILED_CLEAN)?,
            fail("It ended early and left nothing half changed."),
        ),
        (
            state_name(FAILED_DIRTY)?,
            fail("It ended early and somebody must look: an environment may be half changed."),
        ),
    ])
}
