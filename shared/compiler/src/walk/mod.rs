//! Every path through a compiled machine.
//!
//! This reads the JSON as Step Functions would and shares no code with the
//! compiler: a second opinion. A Task can succeed and can fail under every error
//! name there is, a group of them likewise; a Choice takes the branch of the
//! route, or every branch where it does not ask for the route. Retries change
//! when, not where, so they are not walked. What goes on inside of a group is
//! walked by itself: it never leads out of it but by ending or failing.

mod machine;
mod violation;

pub use violation::Violation;

use gatewright_domain::ErrorName;
use machine::{Catch, Machine, State};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};

/// Names that reach a Catch and are not ours: what Step Functions and Lambda
/// raise when a function could not answer for itself.
const FOREIGN: &[&str] = &[
    "States.Timeout",
    "States.TaskFailed",
    "States.Permissions",
    "Lambda.Unknown",
    "Lambda.TooManyRequestsException",
    "Runtime.ExitError",
    "Sandbox.Timedout",
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// The state.
    pub state: String,
    /// The outcomes; none for the last state.
    pub on: Vec<Outcome>,
}

/// One way through the machine. Outcomes that lead to the same state are one
/// path, not many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

/// Every path from the start to an end, on every route, in a fixed order.
///
/// # Errors
/// Everything that must not be so, sorted and without repetition.
pub fn paths(json: &Value) -> Result<Vec<Path>, Vec<Violation>> {
    let machine = Machine::read(json).map_err(|violation| vec![violation])?;
    let mut walk = Walk {
        paths: Vec::new(),
        violations: Vec::new(),
    };
    let routes = routes(&machine);
    walk.whole(&machine, &routes, Within::Execution);
    walk.violations.sort();
    walk.violations.dedup();
    if walk.violations.is_empty() {
        Ok(walk.paths)
    } else {
        Err(walk.violations)
    }
}

/// Every route that the machine tells from others, and one that it does not know.
fn routes(machine: &Machine) -> BTreeSet<String> {
    let mut found = BTreeSet::from([String::new()]);
    for state in machine.states.values() {
        match state {
            State::Choice { branches, .. } => {
                let named = branches.iter().filter_map(|branch| branch.routes.clone());
                found.extend(named.flatten());
            }
            State::Group { inner, .. } => found.extend(inner.iter().flat_map(routes)),
            State::Task { .. } | State::Plain { .. } | State::Terminal => {}
        }
    }
    found
}

/// What a machine is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Nothing: it is the execution's.
    Execution,
    /// A group, which catches what its states do not.
    Group,
}

struct Walk {
    paths: Vec<Path>,
    violations: Vec<Violation>,
}

impl Walk {
    /// Walks a machine on every route, and the machines inside of its states.
    fn whole(&mut self, machine: &Machine, routes: &BTreeSet<String>, within: Within) {
        for (name, state) in &machine.states {
            self.check(name, state, within);
            if let State::Group { inner, .. } = state {
                for machine in inner {
                    let mut walk = Self {
                        paths: Vec::new(),
                        violations: Vec::new(),
                    };
                    walk.whole(machine, routes, Within::Group);
                    self.violations.extend(walk.violations);
                }
            }
        }
        for route in routes {
            let mut one = OneRoute {
                machine,
                route,
                within,
                walk: self,
            };
            one.go(&machine.start_at, &mut Vec::new());
        }
        let mut seen = HashSet::new();
        self.paths.retain(|path| seen.insert(path.clone()));
        let cycles = |v: &Violation| matches!(v, Violation::Cycle { .. });
        if self.violations.iter().any(cycles) {
            return;
        }
        for name in machine.states.keys() {
            let reached = |path: &Path| path.states().contains(&name.as_str());
            if !self.paths.iter().any(reached) {
                self.violations.push(Violation::Unreachable {
                    state: name.clone(),
                });
            }
        }
    }

    /// What can be said of a state by itself.
    fn check(&mut self, name: &str, state: &State, within: Within) {
        let named = || name.to_owned();
        let ends = within == Within::Group;
        let mut found = Vec::new();
        match state {
            State::Task {
                limited,
                catches,
                next,
            } => {
                if next.is_none() && !ends {
                    found.push(Violation::NoTerminalState { state: named() });
                }
                if !limited {
                    found.push(Violation::NoTimeLimit { state: named() });
                }
                // What the group around it catches, it need not.
                if !(ends && catches.is_empty()) {
                    found.extend(caught(name, catches));
                }
            }
            State::Group { catches, next, .. } => {
                if next.is_none() && !ends {
                    found.push(Violation::NoTerminalState { state: named() });
                }
                found.extend(caught(name, catches));
            }
            State::Choice { default: None, .. } => {
                found.push(Violation::NoDefault { state: named() });
            }
            State::Plain { next: None } if !ends => {
                found.push(Violation::NoTerminalState { state: named() });
            }
            State::Choice { .. } | State::Plain { .. } | State::Terminal => {}
        }
        self.violations.extend(found);
    }
}

/// What is wrong with the Catch of a state that must catch everything.
fn caught(name: &str, catches: &[Catch]) -> Vec<Violation> {
    let mut found = Vec::new();
    if catches
        .last()
        .is_none_or(|catch| catch.names != ["States.ALL"])
    {
        found.push(Violation::NotEverythingCaught {
            state: name.to_owned(),
        });
    }
    let names = catches.iter().flat_map(|catch| &catch.names);
    for unknown in names.filter(|name| !is_known(name)) {
        found.push(Violation::UnknownErrorName {
            state: name.to_owned(),
            name: unknown.clone(),
        });
    }
    found
}

/// A walk on one route.
struct OneRoute<'a> {
    machine: &'a Machine,
    route: &'a str,
    within: Within,
    walk: &'a mut Walk,
}

impl OneRoute<'_> {
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
            self.walk
                .violations
                .push(Violation::Cycle { path: so_far() });
            return;
        }
        let Some(state) = self.machine.states.get(name) else {
            self.walk.violations.push(Violation::UnknownNext {
                state: before
                    .last()
                    .map_or_else(|| "StartAt".to_owned(), |step| step.state.clone()),
                next: name.to_owned(),
            });
            return;
        };
        if is_end(state, self.within) {
            self.end(name, state, before);
        }
        for (next, on) in onward(state, self.route) {
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
        let found = &mut self.walk.violations;
        match (self.within, state) {
            (Within::Execution, State::Terminal) if !path.states().contains(&"Finish") => {
                found.push(Violation::FinishSkipped {
                    path: path.states().into_iter().map(str::to_owned).collect(),
                });
            }
            (Within::Execution, State::Terminal) => {}
            // A Fail inside of a group would have no name that we know.
            (Within::Group, State::Terminal) | (Within::Execution, _) => {
                found.push(Violation::NoTerminalState {
                    state: name.to_owned(),
                });
            }
            (Within::Group, _) => {}
        }
        self.walk.paths.push(path);
    }
}

/// Whether a path may end in this state.
fn is_end(state: &State, within: Within) -> bool {
    match state {
        State::Terminal => true,
        State::Task { next, catches, .. } => {
            next.is_none() || (within == Within::Group && catches.is_empty())
        }
        State::Group { next, .. } | State::Plain { next } => next.is_none(),
        State::Choice { branches, default } => branches.is_empty() && default.is_none(),
    }
}

/// Where a state can lead on a route, and on which outcomes, in the order of its
/// JSON.
fn onward(state: &State, route: &str) -> Vec<(String, Vec<Outcome>)> {
    let mut onward: Vec<(String, Vec<Outcome>)> = Vec::new();
    let mut lead = |next: &str, on: Outcome| match onward.iter_mut().find(|(to, _)| to == next) {
        Some((_, outcomes)) => outcomes.push(on),
        None => onward.push((next.to_owned(), vec![on])),
    };
    match state {
        State::Task { next, catches, .. } | State::Group { next, catches, .. } => {
            if let Some(next) = next {
                lead(next, Outcome::Success);
            }
            for error in raised() {
                if let Some(catch) = catches.iter().find(|catch| catch.takes(error)) {
                    lead(&catch.next, Outcome::Error(error.to_owned()));
                }
            }
        }
        State::Plain { next } => {
            if let Some(next) = next {
                lead(next, Outcome::Success);
            }
        }
        State::Choice { branches, default } => {
            let mut decided = false;
            for (index, branch) in branches.iter().enumerate() {
                let on = branch.routes.as_ref();
                let takes = on.is_none_or(|routes| routes.iter().any(|r| r == route));
                if takes && !decided {
                    lead(&branch.next, Outcome::Branch(Some(index)));
                }
                decided |= on.is_some() && takes;
            }
            if let Some(next) = default.as_ref().filter(|_| !decided) {
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
