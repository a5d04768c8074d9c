//! One line of states: the execution's own, or one of those side by side.

use gatewright_domain::wait::Answer;
use serde_json::{Map, Value, json};

/// What a strand can do next.
pub(super) enum Turn {
    /// Nothing any more.
    Over,
    /// Go on when this token is answered.
    Answer(String),
    /// Call its state's function.
    Call,
    /// Go on.
    Pass,
    /// Take a branch.
    Choose,
    /// Do these side by side: a machine each, with its item.
    Split(Vec<(Value, Option<Value>)>),
    /// Go on when what is side by side is over.
    Join,
}

/// One line of states.
#[derive(Debug)]
pub(super) struct Strand {
    states: Value,
    pub(super) state: String,
    pub(super) token: Option<String>,
    pub(super) variables: Map<String, Value>,
    /// The strand that it is inside of.
    pub(super) parent: Option<usize>,
    /// What it is done for, inside of a Map.
    pub(super) item: Option<Value>,
    /// How it ended, inside of a group: its output, or error and cause.
    pub(super) over: Option<Result<Value, (String, String)>>,
    /// Whether its group has gone on.
    pub(super) gone: bool,
    /// Whether its state's strands have begun.
    pub(super) split: bool,
    output: Value,
    tries: usize,
}

impl Strand {
    pub(super) fn new(
        machine: &Value,
        parent: Option<usize>,
        item: Option<Value>,
        variables: Map<String, Value>,
    ) -> Self {
        let state = machine["StartAt"].as_str();
        Self {
            states: machine["States"].clone(),
            state: state.unwrap_or_else(|| panic!("no StartAt")).to_owned(),
            token: None,
            variables,
            parent,
            item,
            over: None,
            gone: false,
            split: false,
            output: Value::Null,
            tries: 0,
        }
    }

    pub(super) fn here(&self) -> &Value {
        &self.states[&self.state]
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.here()["Type"].as_str(), Some("Succeed" | "Fail"))
    }

    pub(super) fn next_turn(&self) -> Turn {
        if self.over.is_some() || self.gone {
            return Turn::Over;
        }
        if let Some(token) = &self.token {
            return Turn::Answer(token.clone());
        }
        let here = self.here();
        match here["Type"].as_str() {
            Some("Map" | "Parallel") if self.split => Turn::Join,
            Some("Map") => {
                let items = here["Items"].as_array().into_iter().flatten();
                let each = |item: &Value| (here["ItemProcessor"].clone(), Some(item.clone()));
                Turn::Split(items.map(each).collect())
            }
            Some("Parallel") => {
                let branches = here["Branches"].as_array().into_iter().flatten();
                Turn::Split(branches.map(|b| (b.clone(), None)).collect())
            }
            Some("Task") => Turn::Call,
            Some("Choice") => Turn::Choose,
            Some("Pass") => Turn::Pass,
            Some("Succeed" | "Fail") => Turn::Over,
            other => panic!("{} is a {other:?}", self.state),
        }
    }

    /// The task's token was answered.
    pub(super) fn answered(&mut self, answer: Answer) {
        self.token = None;
        match answer {
            Answer::Success { output } => self.succeeds(&output),
            Answer::Failure { error, cause } => {
                let again = retries(self.here(), error.as_str());
                if again.is_some() && self.tries < 3 {
                    self.tries += 1;
                } else {
                    self.fails(error.as_str(), &cause);
                }
            }
        }
    }

    /// The state succeeded with this result.
    pub(super) fn succeeds(&mut self, result: &Value) {
        let assign = self.here()["Assign"].clone();
        for (name, expression) in assign.as_object().into_iter().flatten() {
            let value = self.of_result(expression, result);
            self.variables.insert(name.clone(), value);
        }
        self.goes_on(&json!({}));
    }

    /// Goes on to what follows, or ends with this output.
    pub(super) fn goes_on(&mut self, output: &Value) {
        let here = self.here().clone();
        match here["Next"].as_str() {
            Some(next) => self.enters(next, output.clone()),
            None if here["Type"] == "Pass" && here["Output"] == "{% $states.input %}" => {
                self.over = Some(Ok(self.output.clone()));
            }
            None => self.over = Some(Ok(output.clone())),
        }
    }

    fn enters(&mut self, next: &str, input: Value) {
        next.clone_into(&mut self.state);
        self.tries = 0;
        self.token = None;
        self.output = input;
    }

    fn of_result(&self, expression: &Value, result: &Value) -> Value {
        const FIRST: &str = "$count($states.result[error]) > 0 ? ($states.result[error])[0] : null";
        match expression.as_str().map(inner) {
            Some(Some("$states.result.Payload")) => result["Payload"].clone(),
            Some(Some("$states.result.Payload.route")) => result["Payload"]["route"].clone(),
            Some(Some(FIRST)) => {
                let mut each = result.as_array().into_iter().flatten();
                let failed = each.find(|output| output.get("error").is_some());
                failed.cloned().unwrap_or_default()
            }
            Some(Some(other)) => panic!("{}: no such expression of a result: {other}", self.state),
            Some(None) | None => expression.clone(),
        }
    }

    /// The state failed under this name.
    pub(super) fn fails(&mut self, error: &str, cause: &str) {
        let mut catches = self.here()["Catch"].as_array().into_iter().flatten();
        let takes = |catch: &&Value| {
            let names = catch["ErrorEquals"].as_array().into_iter().flatten();
            names
                .filter_map(Value::as_str)
                .any(|name| name == error || name == "States.ALL")
        };
        let catch = catches.find(takes).cloned();
        let Some(catch) = catch else {
            assert!(
                self.parent.is_some(),
                "{} does not catch {error}",
                self.state
            );
            self.over = Some(Err((error.to_owned(), cause.to_owned())));
            return;
        };
        let item = self.item.clone();
        let value = |expression: &str| match expression {
            "$states.errorOutput.Error" => json!(error),
            "$states.context.Map.Item.Value" => item.clone().unwrap_or_default(),
            // With a text before it, or a guard against null around it.
            known if known.contains("$states.errorOutput.Cause") => json!(cause),
            "{}" => json!({}),
            other => panic!("no such expression of an error: {other}"),
        };
        for (name, template) in catch["Assign"].as_object().into_iter().flatten() {
            self.variables.insert(name.clone(), fill(template, &value));
        }
        let output = fill(&catch["Output"], &value);
        let next = catch["Next"].as_str().unwrap_or_default().to_owned();
        self.enters(&next, output);
    }

    /// Takes the branch whose condition holds, or the default.
    pub(super) fn chooses(&mut self) {
        let here = self.here();
        let choices = here["Choices"].as_array().into_iter().flatten();
        let chosen = choices
            .filter(|choice| {
                let condition = choice["Condition"].as_str().and_then(inner);
                self.holds(condition.unwrap_or_default())
            })
            .find_map(|choice| choice["Next"].as_str());
        let next = chosen
            .or(here["Default"].as_str())
            .unwrap_or_else(|| panic!("{} has no way out", self.state))
            .to_owned();
        self.enters(&next, json!({}));
    }

    fn holds(&self, condition: &str) -> bool {
        let variable = |name: &str| self.variables.get(name).unwrap_or(&Value::Null);
        if let Some(routes) = condition.strip_prefix("$route in ") {
            let routes: Vec<Value> =
                serde_json::from_str(routes).unwrap_or_else(|e| panic!("{condition}: {e}"));
            return routes.contains(variable("route"));
        }
        if condition == "$failure = null" {
            return variable("failure").is_null();
        }
        match condition.split_once("$ending.status = ") {
            Some(("", status)) => {
                variable("ending")["status"].as_str() == Some(status.trim_matches('\''))
            }
            _ => panic!("{}: no such condition: {condition}", self.state),
        }
    }
}

/// How often a state is tried again after this error, if at all.
pub(super) fn retries(state: &Value, error: &str) -> Option<u64> {
    state["Retry"]
        .as_array()
        .into_iter()
        .flatten()
        .find_map(|retry| {
            let names = retry["ErrorEquals"].as_array()?;
            let named = names
                .iter()
                .any(|name| name == error || name == "States.ALL");
            named.then(|| retry["MaxAttempts"].as_u64().unwrap_or(3))
        })
}

/// The expression inside `{% %}`.
fn inner(text: &str) -> Option<&str> {
    Some(text.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

/// A template with its expressions filled in.
pub(super) fn fill(template: &Value, value: &dyn Fn(&str) -> Value) -> Value {
    match template {
        Value::String(text) => inner(text).map_or_else(|| template.clone(), value),
        Value::Array(all) => all.iter().map(|item| fill(item, value)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(k, v)| (k.clone(), fill(v, value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
    }
}
