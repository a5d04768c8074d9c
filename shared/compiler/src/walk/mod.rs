//! Every path through a compiled machine.
//!
//! This reads the JSON as Step Functions would and shares no code with the
//! compiler: a second opinion. A Task can succeed and can fail under every error
//! name there is, a Choice can take every branch. Retries change when, not
//! where, so they are not walked.

mod machine;

use gatewright_domain::ErrorName;
use machine::{Machine, State};
use serde_json::Value;
use std::fmt;

/// Names that reach a Catch and are not ours: what Step Functions and Lambda
/// raise when a function could not answer for itself.
const FOREIGN: &[&str] = &[
    "States.Timeout",
    "States.TaskFailed",
    "States.Permissions",
    "Lambda.Unknown",
    "Lambda.TooManyRequestsException",
    "Runtime.ExitError",
];

/// Why a path went from one state to the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The state succeeded.
    Success,
    /// It failed under this name.
    Error(String),
    /// It took its branch with this number, or its default (`None`).
    Branch(Option<usize>),
}

/// One state of a path and every outcome that leads on from it to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The state.
    pub state: String,
    /// The outcomes; none for the last state.
    pub on: Vec<Outcome>,
}

/// One way through the machine. Outcomes that lead to the same state are one
/// path, not many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Its states, in order.
    pub steps: Vec<Step>,
}

impl Path {
    /// The names of its states, in order.
    pub fn states(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step.state.as_str()).collect()
    }

    /// The state that it ends in.
    pub fn end(&self) -> &str {
        self.steps.last().map_or("", |step| step.state.as_str())
    }
}

/// Something that must not be in a machine of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// The JSON is no state machine that this reader understands.
    Malformed {
        /// Where and why.
        why: String,
    },
    /// A path ends in a state that is neither Succeed nor Fail.
    NoTerminalState {
        /// The last state.
        state: String,
    },
    /// A path reaches its end without passing Finish.
    FinishSkipped {
        /// The path.
        path: Vec<String>,
    },
    /// A Task without a time limit in literal seconds.
    NoTimeLimit {
        /// The state.
        state: String,
    },
    /// A Task that does not end its Catch with `States.ALL` alone.
    NotEverythingCaught {
        /// The state.
        state: String,
    },
    /// A state that leads to one that is not there.
    UnknownNext {
        /// The state.
        state: String,
        /// The name that it leads to.
        next: String,
    },
    /// A state that no path reaches.
    Unreachable {
        /// The state.
        state: String,
    },
    /// A path that comes back to a state.
    Cycle {
        /// The path, up to the state that it has seen before.
        path: Vec<String>,
    },
    /// An error name in a Catch that nobody raises.
    UnknownErrorName {
        /// The state.
        state: String,
        /// The name.
        name: String,
    },
    /// A Choice that may find no branch.
    NoDefault {
        /// The state.
        state: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { why } => write!(f, "not a state machine: {why}"),
            Self::NoTerminalState { state } => {
                write!(
                    f,
                    "a path ends in {state:?}, which is neither Succeed nor Fail"
                )
            }
            Self::FinishSkipped { path } => {
                write!(f, "a path ends without Finish: {}", path.join(" > "))
            }
            Self::NoTimeLimit { state } => {
                write!(f, "{state:?} has no TimeoutSeconds in literal seconds")
            }
            Self::NotEverythingCaught { state } => {
                write!(f, "{state:?} does not catch States.ALL, alone and last")
            }
            Self::UnknownNext { state, next } => {
                write!(f, "{state:?} leads to {next:?}, which is not there")
            }
            Self::Unreachable { state } => write!(f, "no path reaches {state:?}"),
            Self::Cycle { path } => write!(f, "a path comes back: {}", path.join(" > ")),
            Self::UnknownErrorName { state, name } => {
                write!(f, "{state:?} catches {name:?}, which nobody raises")
            }
            Self::NoDefault { state } => write!(f, "{state:?} has no Default"),
        }
    }
}

/// Every path from the start to an end, in a fixed order.
///
/// # Errors
/// Everything that must not be so, sorted and without repetition.
pub fn paths(json: &Value) -> Result<Vec<Path>, Vec<Violation>> {
    let machine = Machine::read(json).map_err(|violation| vec![violation])?;
    let mut walk = Walk {
        machine: &machine,
        paths: Vec::new(),
        violations: Vec::new(),
    };
    for (name, state) in &machine.states {
        walk.check(name, state);
    }
    walk.go(&machine.start_at, &mut Vec::new());
    for name in machine.states.keys() {
        let reached = |path: &Path| path.states().contains(&name.as_str());
        let dead_end = walk
            .violations
            .iter()
            .any(|v| matches!(v, Violation::Cycle { .. }));
        if !walk.paths.iter().any(reached) && !dead_end {
            walk.violations.push(Violation::Unreachable {
                state: name.clone(),
            });
        }
    }
    walk.violations.sort();
    walk.violations.dedup();
    if walk.violations.is_empty() {
        Ok(walk.paths)
    } else {
        Err(walk.violations)
    }
}

struct Walk<'a> {
    machine: &'a Machine,
    paths: Vec<Path>,
    violations: Vec<Violation>,
}

impl Walk<'_> {
    /// What can be said of a state by itself.
    fn check(&mut self, name: &str, state: &State) {
        let named = || name.to_owned();
        if let State::Task {
            limited,
            catches,
            next,
        } = state
        {
            if next.is_none() {
                self.violations
                    .push(Violation::NoTerminalState { state: named() });
            }
            if !limited {
                self.violations
                    .push(Violation::NoTimeLimit { state: named() });
            }
            if catches
                .last()
                .is_none_or(|catch| catch.names != ["States.ALL"])
            {
                self.violations
                    .push(Violation::NotEverythingCaught { state: named() });
            }
            for caught in catches.iter().flat_map(|catch| &catch.names) {
                if !is_known(caught) {
                    self.violations.push(Violation::UnknownErrorName {
                        state: named(),
                        name: caught.clone(),
                    });
                }
            }
        }
        if let State::Choice { default: None, .. } = state {
            self.violations
                .push(Violation::NoDefault { state: named() });
        }
    }

    /// Goes on from `name`; `before` is the path so far.
    fn go(&mut self, name: &str, before: &mut Vec<Step>) {
        let so_far = || {
            before
                .iter()
                .map(|step| step.state.clone())
                .chain([name.to_owned()])
                .collect()
        };
        if before.iter().any(|step| step.state == name) {
            self.violations.push(Violation::Cycle { path: so_far() });
            return;
        }
        let Some(state) = self.machine.states.get(name) else {
            self.violations.push(Violation::UnknownNext {
                state: before
                    .last()
                    .map_or_else(|| "StartAt".to_owned(), |step| step.state.clone()),
                next: name.to_owned(),
            });
            return;
        };
        let onward = onward(state);
        if onward.is_empty() {
            self.end(name, state, before);
            return;
        }
        for (next, on) in onward {
            before.push(Step {
                state: name.to_owned(),
                on,
            });
            self.go(&next, before);
            before.pop();
        }
    }

    fn end(&mut self, name: &str, state: &State, before: &[Step]) {
        let mut steps = before.to_vec();
        steps.push(Step {
            state: name.to_owned(),
            on: Vec::new(),
        });
        let path = Path { steps };
        if !matches!(state, State::Terminal) {
            self.violations.push(Violation::NoTerminalState {
                state: name.to_owned(),
            });
        } else if !path.states().contains(&"Finish") {
            self.violations.push(Violation::FinishSkipped {
                path: path.states().into_iter().map(str::to_owned).collect(),
            });
        }
        self.paths.push(path);
    }
}

/// Where a state can lead, and on which outcomes, in the order of its JSON.
fn onward(state: &State) -> Vec<(String, Vec<Outcome>)> {
    let mut onward: Vec<(String, Vec<Outcome>)> = Vec::new();
    let mut lead = |next: &str, on: Outcome| match onward.iter_mut().find(|(to, _)| to == next) {
        Some((_, outcomes)) => outcomes.push(on),
        None => onward.push((next.to_owned(), vec![on])),
    };
    match state {
        State::Task { next, catches, .. } => {
            if let Some(next) = next {
                lead(next, Outcome::Success);
            }
            for error in raised() {
                if let Some(catch) = catches.iter().find(|catch| catch.takes(error)) {
                    lead(&catch.next, Outcome::Error(error.to_owned()));
                }
            }
        }
        State::Choice { branches, default } => {
            for (index, next) in branches.iter().enumerate() {
                lead(next, Outcome::Branch(Some(index)));
            }
            if let Some(next) = default {
                lead(next, Outcome::Branch(None));
            }
        }
        State::Terminal => {}
    }
    onward
}

/// Every name under which a Task may fail.
fn raised() -> impl Iterator<Item = &'static str> {
    let ours = ErrorName::ALL.iter().map(|name| name.as_str());
    ours.chain(FOREIGN.iter().copied())
}

fn is_known(name: &str) -> bool {
    name == "States.ALL" || raised().any(|known| known == name)
}
