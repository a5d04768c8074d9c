//! A state machine as far as its routes go, read from JSON.

use super::Violation;
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// A state machine's routes.
pub(super) struct Machine {
    pub(super) start_at: String,
    pub(super) states: IndexMap<String, State>,
}

/// A state's routes.
pub(super) enum State {
    /// Calls something.
    Task {
        /// Whether it has a time limit in literal seconds.
        limited: bool,
        catches: Vec<Catch>,
        /// Absent where the task ends the execution.
        next: Option<String>,
    },
    /// Routes.
    Choice {
        branches: Vec<Branch>,
        default: Option<String>,
    },
    /// Runs machines inside of itself: a Map or a Parallel.
    Group {
        inner: Vec<Machine>,
        catches: Vec<Catch>,
        next: Option<String>,
    },
    /// Goes on, whatever happens: a Pass.
    Plain { next: Option<String> },
    /// Succeed or Fail.
    Terminal,
}

/// A branch of a Choice.
pub(super) struct Branch {
    /// The routes that take it, where that is its condition; otherwise it may be
    /// taken or not.
    pub(super) routes: Option<Vec<String>>,
    pub(super) next: String,
}

/// A line of a Catch.
pub(super) struct Catch {
    pub(super) names: Vec<String>,
    pub(super) next: String,
}

impl Catch {
    /// Whether it takes `error`, by the rules of the States Language: the name
    /// itself, everything, or everything but a time-out.
    pub(super) fn takes(&self, error: &str) -> bool {
        self.names.iter().any(|name| match name.as_str() {
            "States.ALL" => true,
            "States.TaskFailed" => error != "States.Timeout",
            name => name == error,
        })
    }
}

impl Machine {
    /// Reads the routes.
    pub(super) fn read(json: &Value) -> Result<Self, Violation> {
        let states = json
            .get("States")
            .and_then(Value::as_object)
            .ok_or_else(|| malformed("it has no States"))?;
        Ok(Self {
            start_at: text(json.get("StartAt"), "StartAt")?,
            states: states
                .iter()
                .map(|(name, state)| Ok((name.clone(), read_state(name, state)?)))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn malformed(why: impl Into<String>) -> Violation {
    Violation::Malformed { why: why.into() }
}

fn text(value: Option<&Value>, what: &str) -> Result<String, Violation> {
    value
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| malformed(format!("{what} is not text")))
}

fn read_state(name: &str, state: &Value) -> Result<State, Violation> {
    let state = state
        .as_object()
        .ok_or_else(|| malformed(format!("{name:?} is not an object")))?;
    let kind = text(state.get("Type"), &format!("{name:?}: Type"))?;
    match kind.as_str() {
        "Task" => task(name, state),
        "Choice" => choice(name, state),
        "Map" => Ok(State::Group {
            inner: vec![Machine::read(&state["ItemProcessor"])?],
            catches: catches(name, state)?,
            next: onward(name, state)?,
        }),
        "Parallel" => Ok(State::Group {
            inner: each(state, "Branches", name)?
                .into_iter()
                .map(|branch| Machine::read(&Value::Object(branch.clone())))
                .collect::<Result<_, _>>()?,
            catches: catches(name, state)?,
            next: onward(name, state)?,
        }),
        "Pass" => Ok(State::Plain {
            next: onward(name, state)?,
        }),
        "Succeed" | "Fail" => Ok(State::Terminal),
        other => Err(malformed(format!(
            "{name:?} is a {other}, which no machine of ours has"
        ))),
    }
}

fn next(of: &Map<String, Value>, name: &str) -> Result<String, Violation> {
    text(of.get("Next"), &format!("{name:?}: Next"))
}

fn each<'a>(
    state: &'a Map<String, Value>,
    key: &str,
    name: &str,
) -> Result<Vec<&'a Map<String, Value>>, Violation> {
    let Some(items) = state.get(key) else {
        return Ok(Vec::new());
    };
    let wrong = || malformed(format!("{name:?}: {key} is not a list of objects"));
    items
        .as_array()
        .ok_or_else(wrong)?
        .iter()
        .map(|item| item.as_object().ok_or_else(wrong))
        .collect()
}

/// Where a state leads; nowhere when it ends what it is in.
fn onward(name: &str, state: &Map<String, Value>) -> Result<Option<String>, Violation> {
    match state.get("Next") {
        Some(_) => Ok(Some(next(state, name)?)),
        None => Ok(None),
    }
}

fn catches(name: &str, state: &Map<String, Value>) -> Result<Vec<Catch>, Violation> {
    each(state, "Catch", name)?
        .into_iter()
        .map(|catch| {
            let names = catch.get("ErrorEquals").and_then(Value::as_array);
            let names =
                names.ok_or_else(|| malformed(format!("{name:?}: ErrorEquals is not a list")))?;
            Ok(Catch {
                names: names
                    .iter()
                    .map(|error| text(Some(error), &format!("{name:?}: ErrorEquals")))
                    .collect::<Result<_, _>>()?,
                next: next(catch, name)?,
            })
        })
        .collect()
}

fn task(name: &str, state: &Map<String, Value>) -> Result<State, Violation> {
    Ok(State::Task {
        // An expression would do on AWS, but not everywhere, and a reader could
        // not see how long it is.
        limited: state
            .get("TimeoutSeconds")
            .and_then(Value::as_u64)
            .is_some_and(|s| s > 0),
        catches: catches(name, state)?,
        next: onward(name, state)?,
    })
}

/// The routes in a condition such as `{% $route in ["push","tag"] %}`.
fn routes(branch: &Map<String, Value>) -> Option<Vec<String>> {
    let condition = branch.get("Condition")?.as_str()?;
    let inner = condition.strip_prefix("{%")?.strip_suffix("%}")?.trim();
    serde_json::from_str(inner.strip_prefix("$route in ")?).ok()
}

fn choice(name: &str, state: &Map<String, Value>) -> Result<State, Violation> {
    Ok(State::Choice {
        branches: each(state, "Choices", name)?
            .into_iter()
            .map(|branch| {
                Ok(Branch {
                    routes: routes(branch),
                    next: next(branch, name)?,
                })
            })
            .collect::<Result<_, _>>()?,
        default: match state.get("Default") {
            Some(default) => Some(text(Some(default), &format!("{name:?}: Default"))?),
            None => None,
        },
    })
}
