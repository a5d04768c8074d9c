//! A definition becomes one state machine: a stage is a state under its own
//! name, and what must happen around a stage is a state of its own beside it.

mod functions;
mod states;

pub use functions::Function;

use crate::asl::{State, StateMachine, StateName};
use gatewright_domain::ids::StageName;
use gatewright_domain::pipeline::{Definition, Stage, Work};

/// The states that every machine has besides its stages.
pub const GENERATED: &[&str] = &[
    ADMIT,
    FINISH,
    HOW_IT_ENDED,
    SUCCEEDED,
    FAILED_CLEAN,
    FAILED_DIRTY,
];

pub(crate) const ADMIT: &str = "Admit";
pub(crate) const FINISH: &str = "Finish";
pub(crate) const HOW_IT_ENDED: &str = "How it ended";
pub(crate) const SUCCEEDED: &str = "succeeded";
pub(crate) const FAILED_CLEAN: &str = "failed-clean";
pub(crate) const FAILED_DIRTY: &str = "failed-dirty";

/// The largest definition that Step Functions takes, in bytes (AWS Step
/// Functions quotas: "Maximum request size", 1 MB).
const MOST_BYTES: usize = 1024 * 1024;

/// The longest a function's ARN can be (Lambda API, FunctionArn).
const ARN_BYTES: usize = 200;

/// The longest comment that we emit: enough for a name, an id and a digest.
const MOST_COMMENT: usize = 1_000;

/// Why a definition does not compile. A definition that was read from YAML
/// always does, except for its size; one that came from elsewhere may not.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A name that Step Functions does not take.
    #[error(
        "the state name {name:?} has {characters} characters, at most {} are allowed",
        StateName::MOST
    )]
    NameTooLong {
        /// The name.
        name: String,
        /// Its length.
        characters: usize,
    },
    /// Two states of one name.
    #[error("two states would have the name {name:?}; rename the stage")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Text that would not stay text.
    #[error("{text:?} contains {mark:?}, which would be evaluated in a state machine")]
    NotInert {
        /// The text.
        text: String,
        /// What is in it.
        mark: &'static str,
    },
    /// A protected environment without its approval.
    #[error(
        "stage {stage:?} works in {environment:?}, which is protected, and no approval for it comes before"
    )]
    Unguarded {
        /// The stage.
        stage: String,
        /// The environment.
        environment: String,
    },
    /// A stage in an environment that the definition does not have.
    #[error("stage {stage:?} works in {environment:?}, which the definition does not declare")]
    UnknownEnvironment {
        /// The stage.
        stage: String,
        /// The environment.
        environment: String,
    },
    /// Too much for one state machine.
    #[error(
        "the state machine has {bytes} bytes, at most {} are allowed; shorten descriptions or split the pipeline",
        MOST_BYTES
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A pipeline without stages.
    #[error("the definition has no stages")]
    NoStages,
    /// A budget that would end a release before its own waits do.
    #[error(
        "the budget of {budget} s is not more than the {needed} s that the stages may take together"
    )]
    BudgetTooSmall {
        /// What the definition allows.
        budget: u32,
        /// What its states may take.
        needed: i64,
    },
    /// The definition has no version.
    #[error("the definition's version cannot be computed")]
    Version(#[source] serde_json::Error),
}

/// Compiles a definition.
///
/// # Errors
/// [`CompileError`], each with the numbers that it is about.
pub fn compile(definition: &Definition) -> Result<StateMachine, CompileError> {
    check_guards(definition)?;
    check_text(definition)?;
    let needed = longest(definition);
    if definition.budget.get() <= needed {
        return Err(CompileError::BudgetTooSmall {
            budget: definition.budget.0,
            needed,
        });
    }
    let version = definition.version().map_err(CompileError::Version)?;
    let machine = states::machine(definition, &version)?;
    // Placeholders are filled in before Step Functions counts.
    let bytes = to_json(&machine).len() + machine.states.len() * ARN_BYTES;
    if bytes > MOST_BYTES {
        return Err(CompileError::TooLarge { bytes });
    }
    Ok(machine)
}

/// The machine as committed and deployed: indented JSON with a newline at its
/// end, the same text for the same machine.
pub fn to_json(machine: &StateMachine) -> String {
    // Only maps with keys that are no strings can fail here, and ours are.
    let mut text = serde_json::to_string_pretty(machine).unwrap_or_default();
    text.push('\n');
    text
}

/// The states that a release passes when everything goes well, in order.
pub fn happy_path(machine: &StateMachine) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = Some(&machine.start_at);
    while let Some(name) = at {
        path.push(name.to_string());
        at = match machine.states.get(name) {
            _ if path.len() > machine.states.len() => None,
            Some(State::Task(task)) => Some(&task.next),
            Some(State::Choice(choice)) => choice.choices.first().map(|branch| &branch.next),
            Some(State::Succeed(_) | State::Fail(_)) | None => None,
        };
    }
    path
}

/// How many transitions a release costs when everything goes well: one for each
/// state that is entered, and the start (AWS Step Functions pricing).
pub fn transitions(machine: &StateMachine) -> usize {
    happy_path(machine).len() + 1
}

/// How long a release takes in seconds when every state uses up its time limit
/// and every retry of a build is needed. Retries after Lambda's own failures are
/// seconds and not counted.
pub fn longest(definition: &Definition) -> i64 {
    let stages: i64 = definition.stages.iter().map(longest_stage).sum();
    // Admit once, Finish and its three retries.
    stages + i64::from(states::CALL_SECONDS) * 5
}

fn longest_stage(stage: &Stage) -> i64 {
    let build = stage.build().map_or(0, |build| {
        let attempts = i64::from(build.retries) + 1;
        attempts * (build.timeout.get() + i64::from(states::QUEUE_SECONDS))
    });
    let around = match &stage.work {
        Work::Build(_) => 0,
        Work::Pause(pause) => pause.lasts.get(),
        Work::Deploy(_) => i64::from(states::CLEAR_SECONDS),
        Work::Approval(approval) => approval.expires.get() + i64::from(states::GRACE_SECONDS),
    };
    let scan = stage
        .scan_gate()
        .map_or(0, |_| i64::from(states::SCAN_SECONDS));
    build + around + scan
}

/// The name of the state that judges a stage's scan.
pub fn scan_name(stage: &str) -> String {
    format!("{stage}: scan")
}

/// The name of the state that clears a stage to deploy.
pub fn clear_name(stage: &str) -> String {
    format!("{stage}: clear to deploy")
}

/// The states of one stage, in order: what the lock, the scan and the build of
/// a stage are called in an execution's history.
pub fn states_of(stage: &Stage) -> Vec<String> {
    let name = stage.name.as_str();
    let mut names = Vec::new();
    if matches!(stage.work, Work::Deploy(_)) {
        names.push(clear_name(name));
    }
    names.push(name.to_owned());
    if stage.scan_gate().is_some() {
        names.push(scan_name(name));
    }
    names
}

/// The second lock on the same door as the definition's own check.
fn check_guards(definition: &Definition) -> Result<(), CompileError> {
    if definition.stages.is_empty() {
        return Err(CompileError::NoStages);
    }
    for (index, stage) in definition.stages.iter().enumerate() {
        let Some(name) = stage.works_in() else {
            continue;
        };
        let (stage, environment) = (stage.name.to_string(), name.to_string());
        match definition.environments.get(name) {
            None => return Err(CompileError::UnknownEnvironment { stage, environment }),
            Some(it) if it.protected && definition.approval_before(None, index).is_none() => {
                return Err(CompileError::Unguarded { stage, environment });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// No text of the definition may be evaluated: `${…}` by CloudFormation, `{% …`
/// by Step Functions.
fn check_text(definition: &Definition) -> Result<(), CompileError> {
    let of_stage = |s: &Stage| [name_of(&s.name), s.description.clone()];
    let texts = definition
        .stages
        .iter()
        .flat_map(of_stage)
        .chain([definition.name.clone()]);
    for text in texts {
        if let Some(mark) = ["${", "{%"].into_iter().find(|mark| text.contains(mark)) {
            return Err(CompileError::NotInert { text, mark });
        }
    }
    Ok(())
}

fn name_of(stage: &StageName) -> String {
    stage.to_string()
}

/// Builds a name that Step Functions takes.
fn state_name(name: impl Into<String>) -> Result<StateName, CompileError> {
    let name = name.into();
    StateName::new(name.clone()).ok_or_else(|| CompileError::NameTooLong {
        characters: name.chars().count(),
        name,
    })
}
