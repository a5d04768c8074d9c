//! The part of the Amazon States Language that we emit, typed: JSONata, eight
//! kinds of state. What cannot be said here cannot be compiled by mistake.

use gatewright_domain::ErrorName;
use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// A state machine. Serialises in the order in which people read one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StateMachine {
    /// Which pipeline and version this is.
    pub comment: String,
    /// Always JSONata.
    pub query_language: QueryLanguage,
    /// Where it starts.
    pub start_at: StateName,
    /// The whole execution's time limit.
    pub timeout_seconds: u32,
    /// The states, in the order of a release that succeeds.
    pub states: IndexMap<StateName, State>,
}

/// The language of expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum QueryLanguage {
    /// JSONata, in `{% … %}`.
    #[serde(rename = "JSONata")]
    Jsonata,
}

/// A state's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct StateName(String);

impl StateName {
    /// The most characters a state's name may have (AWS Step Functions quotas).
    pub const MOST: usize = 80;

    /// A name that fits; `None` for one that does not.
    pub fn new(name: impl Into<String>) -> Option<Self> {
        let name = name.into();
        (1..=Self::MOST)
            .contains(&name.chars().count())
            .then_some(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "Type")]
pub enum State {
    /// Calls a function.
    Task(Box<Task>),
    /// Routes.
    Choice(Choice),
    /// Does the same for each of several stages, side by side.
    Map(Box<Map>),
    /// Does several things side by side.
    Parallel(Box<Parallel>),
    /// Does nothing but put something out.
    Pass(Pass),
    /// Ends well.
    Succeed(Succeed),
    /// Ends otherwise.
    Fail(Fail),
}

/// A state that calls a function, and may wait for its token.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// How it is called.
    pub resource: Resource,
    /// Which function, with what.
    pub arguments: Arguments,
    /// The time limit of one attempt. Never absent: a task with a token and
    /// without a limit can hang for a year, unseen.
    pub timeout_seconds: u32,
    /// What is tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry: Vec<Retry>,
    /// What is caught; the last catches everything. Empty where the state around
    /// it catches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catch: Vec<Catch>,
    /// Variables that a success sets.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub assign: IndexMap<String, Value>,
    /// The state's output.
    pub output: String,
    /// What follows a success.
    #[serde(flatten)]
    pub next: Next,
}

/// What follows a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub enum Next {
    /// Another state.
    #[serde(rename = "Next")]
    Then(StateName),
    /// Nothing: the branch or the iteration is over.
    #[serde(rename = "End")]
    End(True),
}

impl Next {
    /// The state that follows, if one does.
    pub fn state(&self) -> Option<&StateName> {
        match self {
            Self::Then(name) => Some(name),
            Self::End(_) => None,
        }
    }
}

/// `true`, the only thing that `End` can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct True;

impl Serialize for True {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

/// A machine inside of a state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inner {
    /// Where it starts.
    pub start_at: StateName,
    /// Its states.
    pub states: IndexMap<StateName, State>,
}

/// A state that does the same for each of several stages.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Map {
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// The stages' names.
    pub items: Vec<String>,
    /// What is done for each, side by side.
    pub item_processor: Inner,
    /// What is caught; the last catches everything.
    pub catch: Vec<Catch>,
    /// Variables that a success sets.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub assign: IndexMap<String, Value>,
    /// The state's output.
    pub output: String,
    /// What follows.
    pub next: StateName,
}

/// A state that does several things side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parallel {
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// What is done.
    pub branches: Vec<Inner>,
    /// What is caught; the last catches everything.
    pub catch: Vec<Catch>,
    /// Variables that a success sets.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub assign: IndexMap<String, Value>,
    /// The state's output.
    pub output: String,
    /// What follows.
    pub next: StateName,
}

/// A state that puts something out and does nothing else.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Pass {
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// What.
    pub output: Value,
    /// What follows.
    #[serde(flatten)]
    pub next: Next,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Resource {
    /// And its reply is the result.
    #[serde(rename = "arn:aws:states:::lambda:invoke")]
    Invoke,
    /// And somebody answers its token later.
    #[serde(rename = "arn:aws:states:::lambda:invoke.waitForTaskToken")]
    InvokeAndWait,
}

/// What `lambda:invoke` takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Arguments {
    /// The function, as a placeholder that the template fills in.
    pub function_name: String,
    /// Its input.
    pub payload: IndexMap<String, Value>,
}

/// One line of a retry policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Retry {
    /// For these errors,
    pub error_equals: Vec<Caught>,
    /// after so many seconds,
    pub interval_seconds: u32,
    /// at most so often,
    pub max_attempts: u32,
    /// each time so much later,
    pub backoff_rate: f64,
    /// but never later than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay_seconds: Option<u32>,
    /// Spread, so that those who collided do not collide again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_strategy: Option<Jitter>,
}

/// How retries are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Jitter {
    /// Anywhere between at once and the full delay.
    #[serde(rename = "FULL")]
    Full,
}

/// One line of error handling.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Catch {
    /// For these errors,
    pub error_equals: Vec<Caught>,
    /// set these variables,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub assign: IndexMap<String, Value>,
    /// put this out,
    pub output: Value,
    /// and go there.
    pub next: StateName,
}

/// An error name in a Retry or Catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    /// One of ours.
    Ours(ErrorName),
    /// Lambda's own.
    Lambda(&'static str),
    /// `States.Timeout`.
    Timeout,
    /// `States.ALL`.
    All,
}

impl Caught {
    /// The name as Step Functions knows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ours(name) => name.as_str(),
            Self::Lambda(name) => name,
            Self::Timeout => "States.Timeout",
            Self::All => "States.ALL",
        }
    }
}

impl Serialize for Caught {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A state that routes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Choice {
    /// What it is for.
    pub comment: String,
    /// Tried in order.
    pub choices: Vec<Branch>,
    /// When none holds.
    pub default: StateName,
}

/// One branch of a Choice.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Branch {
    /// When to take it.
    pub condition: Condition,
    /// Where to go when it holds.
    pub next: StateName,
}

/// A condition of a Choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The release takes one of these routes.
    Route(Vec<String>),
    /// A JSONata expression.
    Expression(String),
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Route(names) => {
                // A JSON array of JSON strings is one of JSONata as well.
                let names = Value::from(names.clone());
                serializer.serialize_str(&format!("{{% $route in {names} %}}"))
            }
            Self::Expression(text) => serializer.serialize_str(text),
        }
    }
}

/// The good end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Succeed {
    /// What it means.
    pub comment: String,
}

/// Another end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fail {
    /// What it means.
    pub comment: String,
    /// A JSONata expression for the execution's error.
    pub error: String,
    /// A JSONata expression for its cause.
    pub cause: String,
}
