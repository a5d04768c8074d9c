//! The states of stages, each for itself; `arrange` puts them in order.

use super::{
    ADMIT, CompileError, FAILED_CLEAN, FAILED_DIRTY, FINISH, Function, HOW_IT_ENDED, MOST_COMMENT,
    SUCCEEDED, clear_name, scan_name, state_name,
};
use crate::asl::{
    Arguments, Branch, Catch, Caught, Choice, Condition, Fail, Jitter, Next, Resource, Retry,
    State, StateName, Succeed, Task,
};
use gatewright_domain::pipeline::{Approval, Build, Definition, Environment, Seconds, Stage, Work};
use gatewright_domain::text::shortened;
use gatewright_domain::{Digest, ErrorName};
use indexmap::IndexMap;
use serde_json::{Value, json};

/// How long `admit-release` and `finish-release` may take: a dozen calls of
/// DynamoDB, with a cold start and their own retries.
pub(super) const CALL_SECONDS: u32 = 120;

/// How often the first state is entered again when its call got lost.
pub(super) const LOST_ADMISSIONS: u32 = 2;

/// What a build may take beyond its own limit. CodeBuild starts its clock when
/// the build runs: before that a build queues behind others (new accounts run 5
/// at a time) and its machine is provisioned, and afterwards its end has to
/// reach us, by event or by the next sweep.
pub(super) const QUEUE_SECONDS: u32 = 900;

/// How long a scan may take to settle: an hour, and five minutes to tell us.
pub(super) const SCAN_SECONDS: u32 = 3_900;

/// How long a change may wait for its environment: what the environment says, and
/// five minutes.
pub(super) fn clear_seconds(definition: &Definition, stage: &Stage) -> u32 {
    let environment = stage.environment.as_ref();
    let declared = environment.and_then(|name| definition.environments.get(name));
    let wait = declared.map_or_else(Environment::a_day, |environment| environment.wait);
    wait.0.saturating_add(GRACE_SECONDS)
}

/// What a state waits beyond the deadline that we keep ourselves, so that our
/// own answer, which has a reason, comes before a bare `States.Timeout`.
pub(super) const GRACE_SECONDS: u32 = 300;

/// How long a watch or a pause and the people who are asked about it may take:
/// five minutes for numbers that come late, and five to tell us.
pub(super) fn watch_seconds(lasts: Seconds, decide_within: Seconds) -> u32 {
    let waits = lasts.0.saturating_add(decide_within.0);
    waits.saturating_add(2 * GRACE_SECONDS)
}

/// A function that took too long or died: handlers may be repeated at any point, and
/// one slow call must not end a release. What fails each time ends it after a few
/// (Step Functions developer guide, "Error names").
const DEATHS: [Caught; 3] = [
    Caught::Lambda("Sandbox.Timedout"),
    Caught::Lambda("Lambda.Unknown"),
    Caught::Lambda("Runtime.ExitError"),
];

/// Lambda's transient failures (Step Functions developer guide, "Handle
/// transient Lambda service exceptions").
const LAMBDA_FAILURES: [Caught; 4] = [
    Caught::Lambda("Lambda.ServiceException"),
    Caught::Lambda("Lambda.AWSLambdaException"),
    Caught::Lambda("Lambda.SdkClientException"),
    Caught::Lambda("Lambda.TooManyRequestsException"),
];

/// States carry variables, never documents.
pub(super) const NOTHING: &str = "{% {} %}";
const RELEASE: &str = "{% $states.context.Execution.Name %}";

/// Who catches what fails in a state, and what happens then.
#[derive(Clone, Copy)]
pub(super) enum Otherwise<'a> {
    /// The state itself: it says so in `$failure` and goes there.
    Goes(&'a str),
    /// The state itself: it goes there, and `$failure` stays what it was.
    Keeps(&'a str),
    /// The state around it.
    Fails,
    /// The state itself: it puts out what failed, and goes there.
    Tells(&'a str),
}

/// The states of a stage, in order; their `next` is filled in by the caller.
/// `named` is what a state of the machine knows of the stage's name: the name
/// itself, or an expression inside of a Map; `waits` is how long the state that asks
/// for its environment may take ([`clear_seconds`]).
pub(super) fn of_stage(
    stage: &Stage,
    states: &str,
    named: &Value,
    otherwise: Otherwise<'_>,
    waits: u32,
) -> Result<Vec<(StateName, State)>, CompileError> {
    let waiting = |function, limit, retries| waiting(function, named, otherwise, limit, retries);
    let mut made = Vec::new();
    if stage.is_cleared() {
        // Of the stage itself nothing has changed yet, so a deploy has nothing to
        // undo; a migration leads to its deploy's way back, which knows whether
        // there is anything to undo.
        let before = match (otherwise, &stage.work) {
            (Otherwise::Goes(_), Work::Deploy(_)) => Otherwise::Goes(FINISH),
            (other, _) => other,
        };
        let clear = self::waiting(Function::ClearDeploy, named, before, waits, 0)?;
        made.push((clear_name(states), clear));
    }
    let built = |build: &Build| {
        let limit = build.timeout.0.saturating_add(QUEUE_SECONDS);
        waiting(Function::StartBuild, limit, build.retries)
    };
    let mut own = match &stage.work {
        Work::Build(build) => built(build)?,
        Work::Deploy(deploy) => built(&deploy.build)?,
        Work::Approval(Approval { expires, .. }) => {
            let limit = expires.0.saturating_add(GRACE_SECONDS);
            waiting(Function::RequestApproval, limit, 0)?
        }
        Work::Watch(watching) => {
            let limit = watch_seconds(watching.lasts, watching.decide_within);
            waiting(Function::WatchRollout, limit, 0)?
        }
        Work::Pause(pause) => {
            let limit = watch_seconds(pause.lasts, Seconds(0));
            waiting(Function::WatchRollout, limit, 0)?
        }
    };
    own.comment = shortened(&stage.description, MOST_COMMENT);
    made.push((states.to_owned(), own));
    if stage.scan_gate().is_some() {
        let scan = waiting(Function::JudgeScan, SCAN_SECONDS, 0)?;
        made.push((scan_name(states), scan));
    }
    made.into_iter()
        .map(|(name, task)| Ok((state_name(name)?, State::Task(Box::new(task)))))
        .collect()
}

/// A task that hands out its token and waits for the answer.
fn waiting(
    function: Function,
    stage: &Value,
    otherwise: Otherwise<'_>,
    limit: u32,
    fault_retries: u32,
) -> Result<Task, CompileError> {
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
                ("stage", stage.clone()),
                ("token", json!("{% $states.context.Task.Token %}")),
            ]),
        },
        timeout_seconds: limit,
        retry,
        catch: catches(function, stage, otherwise)?,
        assign: IndexMap::new(),
        output: NOTHING.to_owned(),
        next: Next::Then(state_name(FINISH)?),
    })
}

/// The first state. With `routes`, it remembers which one the release takes.
pub(super) fn admit(
    definition: &Definition,
    version: &Digest,
    routes: bool,
) -> Result<Task, CompileError> {
    let mut payload = identity(definition, version);
    payload.insert("input".to_owned(), json!("{% $states.input %}"));
    let mut assign = members([("failure", Value::Null)]);
    if routes {
        let route = json!("{% $states.result.Payload.route %}");
        assign.insert("route".to_owned(), route);
    }
    let mut retry = retries();
    // Nothing but this state holds it up: a call that got lost is made again.
    retry.push(Retry {
        error_equals: vec![Caught::Timeout],
        interval_seconds: 2,
        max_attempts: LOST_ADMISSIONS,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        jitter_strategy: None,
    });
    Ok(Task {
        comment: "May this trigger release this commit? Takes the release's number.".to_owned(),
        resource: Resource::Invoke,
        arguments: Arguments {
            function_name: Function::AdmitRelease.placeholder(),
            payload,
        },
        timeout_seconds: CALL_SECONDS,
        retry,
        // No stage has begun yet.
        catch: catches(
            Function::AdmitRelease,
            &Value::Null,
            Otherwise::Goes(FINISH),
        )?,
        assign,
        output: NOTHING.to_owned(),
        next: Next::Then(state_name(FINISH)?),
    })
}

/// The last task, which every path passes.
pub(super) fn finish(definition: &Definition, version: &Digest) -> Result<Task, CompileError> {
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
    let catch = |error_equals| {
        Ok::<_, CompileError>(Catch {
            error_equals,
            assign: unfinished.clone(),
            output: json!(NOTHING),
            next: state_name(FAILED_DIRTY)?,
        })
    };
    Ok(Task {
        comment: "Decides how the release ended, records it, hands on its locks.".to_owned(),
        resource: Resource::Invoke,
        arguments: Arguments {
            function_name: Function::FinishRelease.placeholder(),
            payload,
        },
        timeout_seconds: CALL_SECONDS,
        retry,
        catch: lines(Function::FinishRelease)
            .into_iter()
            .map(catch)
            .collect::<Result<_, _>>()?,
        assign: members([("ending", json!("{% $states.result.Payload %}"))]),
        output: "{% $states.result.Payload %}".to_owned(),
        next: Next::Then(state_name(HOW_IT_ENDED)?),
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

pub(super) fn members<const N: usize>(pairs: [(&str, Value); N]) -> IndexMap<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Lambda's failures and our own that may pass by themselves, and functions that died.
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
            error_equals: DEATHS.to_vec(),
            interval_seconds: 2,
            max_attempts: 3,
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

/// What was caught, and in which stage.
fn caught(stage: &Value) -> Value {
    json!({
        "stage": stage,
        "error": "{% $states.errorOutput.Error %}",
        "cause": format!("{{% {CAUSE} %}}"),
    })
}

/// First the errors that the function documents, so that they can be read here;
/// then the time limit; then everything else there is.
fn lines(function: Function) -> [Vec<Caught>; 3] {
    let ours = function
        .raises()
        .iter()
        .copied()
        .map(Caught::Ours)
        .collect();
    [ours, vec![Caught::Timeout], vec![Caught::All]]
}

fn catches(
    function: Function,
    stage: &Value,
    otherwise: Otherwise<'_>,
) -> Result<Vec<Catch>, CompileError> {
    lines(function)
        .into_iter()
        .filter_map(|line| caught_by(line, stage, otherwise).transpose())
        .collect()
}

/// A line of a Catch, or nothing where the state around catches.
pub(super) fn caught_by(
    line: Vec<Caught>,
    stage: &Value,
    otherwise: Otherwise<'_>,
) -> Result<Option<Catch>, CompileError> {
    let (to, assign, output) = match otherwise {
        Otherwise::Fails => return Ok(None),
        Otherwise::Goes(to) => (to, members([("failure", caught(stage))]), json!(NOTHING)),
        Otherwise::Keeps(to) => (to, IndexMap::new(), json!(NOTHING)),
        Otherwise::Tells(to) => (to, IndexMap::new(), caught(stage)),
    };
    Ok(Some(Catch {
        error_equals: line,
        assign,
        output,
        next: state_name(to)?,
    }))
}

/// What follows Finish. Anything but two known words is the dirty end: an ending
/// nobody understands needs somebody to look.
pub(super) fn ends() -> Result<[(StateName, State); 4], CompileError> {
    let branch = |status: &str| {
        Ok::<_, CompileError>(Branch {
            condition: Condition::Expression(format!("{{% $ending.status = '{status}' %}}")),
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

/// The name of the first state.
pub(super) fn first() -> Result<StateName, CompileError> {
    state_name(ADMIT)
}
