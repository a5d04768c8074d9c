//! A definition becomes one state machine: a stage is a state under its own
//! name, and what must happen around a stage is a state of its own beside it.

mod arrange;
mod functions;
mod states;
mod times;

pub use functions::Function;

use crate::asl::{Condition, Inner, State, StateMachine, StateName};
use gatewright_domain::pipeline::{Definition, Feature, Purpose, Stage, Trigger};

pub use times::{critical_path, longest};

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
    /// A protected environment that relies on what nothing enforces yet.
    #[error(
        "{environment} is protected and relies on \"{feature}\", which is not enforced yet: {}; accept it by name or leave it out",
        .feature.instead()
    )]
    Unenforced {
        /// What.
        feature: Feature,
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
    let machine = arrange::machine(definition, &version)?;
    // Placeholders are filled in before Step Functions counts.
    let bytes = to_json(&machine).len() + count(machine.states.values()) * ARN_BYTES;
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

/// The machines inside of a state.
pub(crate) fn inner(state: &State) -> Vec<&Inner> {
    match state {
        State::Map(map) => vec![&map.item_processor],
        State::Parallel(parallel) => parallel.branches.iter().collect(),
        State::Task(_) | State::Choice(_) | State::Pass(_) | State::Succeed(_) | State::Fail(_) => {
            Vec::new()
        }
    }
}

/// How many states there are, with those inside of others.
fn count<'a>(states: impl Iterator<Item = &'a State>) -> usize {
    states
        .map(|state| {
            let within = inner(state).into_iter();
            1 + within.map(|i| count(i.states.values())).sum::<usize>()
        })
        .sum()
}

/// The states that a release passes when everything goes well, in order. With a
/// route, on that route; without one, as if it were on all of them. What goes on
/// inside of a group is not in it.
pub fn path_on(machine: &StateMachine, route: Option<&str>) -> Vec<String> {
    through(&machine.start_at, &machine.states, route)
        .into_iter()
        .map(|(name, _)| name.to_string())
        .collect()
}

/// The states that a release passes when everything goes well, as if it were on
/// all routes.
pub fn happy_path(machine: &StateMachine) -> Vec<String> {
    path_on(machine, None)
}

type States = indexmap::IndexMap<StateName, State>;

fn through<'a>(
    start: &'a StateName,
    states: &'a States,
    route: Option<&str>,
) -> Vec<(&'a StateName, &'a State)> {
    let mut path = Vec::new();
    let mut at = Some(start);
    while let Some((name, state)) = at.and_then(|name| states.get_key_value(name)) {
        path.push((name, state));
        at = match state {
            _ if path.len() > states.len() => None,
            State::Task(task) => task.next.state(),
            State::Pass(pass) => pass.next.state(),
            State::Map(map) => Some(&map.next),
            State::Parallel(parallel) => Some(&parallel.next),
            State::Choice(choice) => {
                choice
                    .choices
                    .first()
                    .map(|branch| match (&branch.condition, route) {
                        (Condition::Route(on), Some(route)) if !on.iter().any(|r| r == route) => {
                            &choice.default
                        }
                        (Condition::Route(_) | Condition::Expression(_), _) => &branch.next,
                    })
            }
            State::Succeed(_) | State::Fail(_) => None,
        };
    }
    path
}

/// How many transitions a release costs on a route when everything goes well:
/// one for each state that is entered, and the start (AWS Step Functions
/// pricing). What goes on inside of a group counts for each of its stages.
pub fn transitions_on(machine: &StateMachine, route: Option<&str>) -> usize {
    1 + entered_on(machine, route).len()
}

/// The states that a release enters on a route when everything goes well, those
/// inside of groups too, one after the other; of a matrix under its legs' names.
pub fn entered_on(machine: &StateMachine, route: Option<&str>) -> Vec<String> {
    entered(&machine.start_at, &machine.states, route)
}

/// How many transitions a release costs when everything goes well, as if it were
/// on all routes.
pub fn transitions(machine: &StateMachine) -> usize {
    transitions_on(machine, None)
}

fn entered(start: &StateName, states: &States, route: Option<&str>) -> Vec<String> {
    let within = |inner: &Inner| entered(&inner.start_at, &inner.states, route);
    let mut all = Vec::new();
    for (name, state) in through(start, states, route) {
        all.push(name.to_string());
        match state {
            State::Map(map) => {
                let each = each_name(name.as_str());
                for leg in &map.items {
                    let states = within(&map.item_processor);
                    all.extend(states.iter().map(|state| state.replacen(&each, leg, 1)));
                }
            }
            State::Parallel(parallel) => all.extend(parallel.branches.iter().flat_map(within)),
            _ => {}
        }
    }
    all
}

/// The name of the state that judges a stage's scan.
pub fn scan_name(stage: &str) -> String {
    format!("{stage}: scan")
}

/// The name of the state that clears a stage to deploy, or to migrate before or
/// after that.
pub fn clear_name(stage: &str) -> String {
    format!("{stage}: clear to deploy")
}

/// The name of the state that asks whether the release's route has a stage.
pub fn route_name(stage: &str) -> String {
    format!("{stage}?")
}

/// The name of the state that is done for each leg of a matrix.
pub fn each_name(group: &str) -> String {
    format!("{group}: each")
}

/// The name of the state in which a stage of a group without fail-fast ends when
/// it has failed.
pub(crate) fn failed_name(stage: &str) -> String {
    format!("{stage}: failed")
}

/// The name of the state in which a stage ends that the route does not have.
pub(crate) fn skipped_name(stage: &str) -> String {
    format!("{stage}: not on this route")
}

/// The name of the state that asks whether all stages of a group have passed.
pub fn passed_name(group: &str) -> String {
    format!("{group}: all passed?")
}

/// The states of one stage, in order: what the lock, the scan and the build of
/// a stage are called in an execution's history.
pub fn states_of(stage: &Stage) -> Vec<String> {
    let name = stage.name.as_str();
    let mut names = Vec::new();
    if stage.is_cleared() {
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
    for (_, stage) in definition.path(None) {
        if let Some(name) = stage.works_in()
            && !definition.environments.contains_key(name)
        {
            let (stage, environment) = (stage.name.to_string(), name.to_string());
            return Err(CompileError::UnknownEnvironment { stage, environment });
        }
    }
    // A rollback asks whom its own definition names; it may be nobody.
    if definition.purpose == Purpose::Rollback {
        return Ok(());
    }
    for route in definition.triggers.iter().map(Some) {
        unguarded(definition, route)?;
    }
    if definition.triggers.is_empty() {
        unguarded(definition, None)?;
    }
    for said in definition.unenforced() {
        let relies = said.protected && said.feature.lets_more_through();
        if relies && !definition.accepts.contains(&said.feature) {
            return Err(CompileError::Unenforced {
                feature: said.feature,
                environment: said.place,
            });
        }
    }
    Ok(())
}

fn unguarded(definition: &Definition, route: Option<&Trigger>) -> Result<(), CompileError> {
    for (index, stage) in definition.path(route) {
        let Some(name) = stage.works_in() else {
            continue;
        };
        let protected = definition
            .environments
            .get(name)
            .is_some_and(|e| e.protected);
        if protected && definition.approval_before(route, index).is_none() {
            return Err(CompileError::Unguarded {
                stage: stage.name.to_string(),
                environment: name.to_string(),
            });
        }
    }
    Ok(())
}

/// No text of the definition may be evaluated: `${…}` by CloudFormation, `{% …`
/// by Step Functions.
fn check_text(definition: &Definition) -> Result<(), CompileError> {
    let of_stage = |s: &Stage| [s.name.to_string(), s.description.clone()];
    let texts = definition
        .stages
        .iter()
        .flat_map(of_stage)
        .chain(definition.groups.iter().map(|g| g.name.to_string()))
        .chain(definition.triggers.iter().map(|t| t.name.clone()))
        .chain([definition.name.clone()]);
    for text in texts {
        if let Some(mark) = ["${", "{%"].into_iter().find(|mark| text.contains(mark)) {
            return Err(CompileError::NotInert { text, mark });
        }
    }
    Ok(())
}

/// Builds a name that Step Functions takes.
fn state_name(name: impl Into<String>) -> Result<StateName, CompileError> {
    let name = name.into();
    StateName::new(name.clone()).ok_or_else(|| CompileError::NameTooLong {
        characters: name.chars().count(),
        name,
    })
}
