//! Walks a compiled machine: enough of the Amazon States Language for what the
//! compiler emits, with retries, catches and tokens. An expression that it does
//! not know is a panic, not a guess.

use crate::World;
use gatewright_domain::wait::Answer;
use serde_json::{Map, Value, json};

/// One execution.
#[derive(Debug)]
pub struct Run {
    /// Its name: the release's id.
    pub name: String,
    /// Its input.
    pub input: Value,
    /// The states that were entered, in order.
    pub path: Vec<String>,
    variables: Map<String, Value>,
    state: String,
    token: Option<String>,
    tokens: usize,
    started_at: gatewright_domain::Timestamp,
}

/// Where an execution stands after it has gone as far as it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It waits in this state.
    Waits(String),
    /// It has ended in this state.
    Ended(String),
}

impl Run {
    /// A new execution.
    ///
    /// # Panics
    /// When the machine has no first state.
    pub fn start(world: &World, name: &str, input: Value) -> Self {
        let state = world.machine["StartAt"]
            .as_str()
            .unwrap_or_else(|| panic!("no StartAt"))
            .to_owned();
        Self {
            name: name.to_owned(),
            input,
            path: vec![state.clone()],
            variables: Map::new(),
            state,
            token: None,
            tokens: 0,
            started_at: gatewright_aws::Clock::now(&world.clock),
        }
    }

    /// Goes on until it waits for an answer or has ended.
    ///
    /// # Panics
    /// When it goes round in circles.
    pub async fn go(&mut self, world: &World) -> Stand {
        for _ in 0..200 {
            if let Some(token) = self.token.clone() {
                // What the stream could not deliver is delivered by the next try.
                if world.deliver().await.is_err() {
                    continue;
                }
                let answer = world
                    .tasks
                    .answers()
                    .into_iter()
                    .find(|(known, _)| *known == token);
                match answer {
                    None => return Stand::Waits(self.state.clone()),
                    Some((_, answer)) => self.answered(world, answer),
                }
                continue;
            }
            let state = &world.machine["States"][&self.state];
            match state["Type"].as_str() {
                Some("Task") => self.task(world, state).await,
                Some("Choice") => {
                    let next = self.choose(state);
                    self.enter(&next);
                }
                Some("Succeed" | "Fail") => return Stand::Ended(self.state.clone()),
                other => panic!("{} is a {other:?}", self.state),
            }
        }
        panic!("{} goes round in circles: {:?}", self.name, self.path)
    }

    /// The state's time-out comes before an answer.
    pub fn times_out(&mut self, world: &World) {
        self.fails(
            &world.machine["States"][&self.state].clone(),
            "States.Timeout",
            "",
        );
    }

    /// The token that the execution waits with.
    pub fn waiting_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn enter(&mut self, next: &str) {
        next.clone_into(&mut self.state);
        self.token = None;
        self.path.push(next.to_owned());
    }

    fn answered(&mut self, world: &World, answer: Answer) {
        let state = world.machine["States"][&self.state].clone();
        match answer {
            Answer::Success { output } => self.succeeds(&state, &output),
            Answer::Failure { error, cause } => match retries(&state, error.as_str()) {
                Some(_) if self.path.iter().filter(|s| **s == self.state).count() < 4 => {
                    let again = self.state.clone();
                    self.enter(&again);
                }
                Some(_) | None => self.fails(&state, error.as_str(), &cause),
            },
        }
    }

    async fn task(&mut self, world: &World, state: &Value) {
        let arguments = &state["Arguments"];
        let function = arguments["FunctionName"]
            .as_str()
            .unwrap_or_default()
            .trim_matches(['$', '{', '}'])
            .to_owned();
        let waits = state["Resource"]
            .as_str()
            .is_some_and(|r| r.ends_with("waitForTaskToken"));
        let mut tries = 0;
        loop {
            self.tokens += 1;
            let token = format!("{}-token-{}", self.name, self.tokens);
            let payload = self.evaluate(&arguments["Payload"], &token);
            match world.call(&function, payload).await {
                Ok(_) if waits => {
                    self.token = Some(token);
                    return;
                }
                Ok(reply) => return self.succeeds(state, &json!({ "Payload": reply })),
                Err(failure) => {
                    let name = failure.name.as_str();
                    if retries(state, name).is_some_and(|most| tries < most) {
                        tries += 1;
                        continue;
                    }
                    let cause =
                        json!({ "errorType": name, "errorMessage": failure.message }).to_string();
                    return self.fails(state, name, &cause);
                }
            }
        }
    }

    fn succeeds(&mut self, state: &Value, result: &Value) {
        for (name, expression) in state["Assign"].as_object().into_iter().flatten() {
            let value = self.with_result(expression, result);
            self.variables.insert(name.clone(), value);
        }
        let next = state["Next"]
            .as_str()
            .unwrap_or_else(|| panic!("{} has no Next", self.state))
            .to_owned();
        self.enter(&next);
    }

    fn with_result(&self, expression: &Value, result: &Value) -> Value {
        match expression.as_str().map(inner) {
            Some(Some("$states.result.Payload")) => result["Payload"].clone(),
            Some(Some(other)) => panic!("{}: no such expression of a result: {other}", self.state),
            Some(None) | None => expression.clone(),
        }
    }

    fn fails(&mut self, state: &Value, error: &str, cause: &str) {
        let catch = state["Catch"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|catch| {
                let names = catch["ErrorEquals"].as_array().into_iter().flatten();
                names
                    .filter_map(Value::as_str)
                    .any(|name| name == error || name == "States.ALL")
            });
        let Some(catch) = catch else {
            panic!("{} does not catch {error}", self.state)
        };
        for (name, template) in catch["Assign"].as_object().into_iter().flatten() {
            let value = fill(template, &|expression| match expression {
                "$states.errorOutput.Error" => json!(error),
                // With a text before it, or a guard against null around it.
                known if known.contains("$states.errorOutput.Cause") => json!(cause),
                other => panic!("no such expression of an error: {other}"),
            });
            self.variables.insert(name.clone(), value);
        }
        let next = catch["Next"].as_str().unwrap_or_default().to_owned();
        self.enter(&next);
    }

    fn evaluate(&self, template: &Value, token: &str) -> Value {
        fill(template, &|expression| match expression {
            "$states.context.Execution.Name" => json!(self.name),
            "$states.context.Execution.Id" => {
                json!(format!(
                    "arn:aws:states:ap-south-1:123456789012:execution:pl-gps-001:{}",
                    self.name
                ))
            }
            "$states.context.Execution.StartTime" => json!(self.started_at),
            "$states.input" | "$states.context.Execution.Input" => self.input.clone(),
            "$states.context.Task.Token" => json!(token),
            "$failure" => self
                .variables
                .get("failure")
                .cloned()
                .unwrap_or_else(|| panic!("$failure is not assigned")),
            other => panic!("{}: no such expression: {other}", self.state),
        })
    }

    fn choose(&self, state: &Value) -> String {
        let status = self
            .variables
            .get("ending")
            .map_or(&Value::Null, |ending| &ending["status"]);
        let choices = state["Choices"].as_array().into_iter().flatten();
        let chosen = choices
            .filter(|choice| {
                let condition = choice["Condition"]
                    .as_str()
                    .and_then(inner)
                    .unwrap_or_default();
                let wanted = condition
                    .rsplit_once('=')
                    .map(|(_, w)| w.trim().trim_matches(['"', '\'', ' ']));
                wanted.is_some() && wanted == status.as_str()
            })
            .find_map(|choice| choice["Next"].as_str());
        chosen
            .or(state["Default"].as_str())
            .unwrap_or_else(|| panic!("{} has no way out", self.state))
            .to_owned()
    }
}

fn retries(state: &Value, error: &str) -> Option<u64> {
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

fn fill(template: &Value, value: &dyn Fn(&str) -> Value) -> Value {
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
