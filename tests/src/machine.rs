//! Walks a compiled machine: enough of the Amazon States Language for what the
//! compiler emits, with retries, catches, tokens, and what goes on side by side.
//! An expression that it does not know is a panic, not a guess.

mod strand;

use crate::World;
use serde_json::{Map, Value, json};
use strand::{Strand, Turn};

/// One execution.
#[derive(Debug)]
pub struct Run {
    /// Its name: the release's id.
    pub name: String,
    /// Its input.
    pub input: Value,
    /// The states that were entered, in order, without those inside of groups.
    pub path: Vec<String>,
    /// The states that were entered inside of groups, in order.
    pub inside: Vec<String>,
    strands: Vec<Strand>,
    tokens: usize,
    started_at: gatewright_domain::Timestamp,
}

/// Where an execution stands after it has gone as far as it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It waits in this state: the first of them where it waits in several.
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
        let strand = Strand::new(&world.machine, None, None, Map::new());
        Self {
            name: name.to_owned(),
            path: vec![strand.state.clone()],
            inside: Vec::new(),
            strands: vec![strand],
            tokens: 0,
            started_at: gatewright_aws::Clock::now(&world.clock),
            input,
        }
    }

    /// Goes on until it waits for an answer or has ended.
    ///
    /// # Panics
    /// When it goes round in circles.
    pub async fn go(&mut self, world: &World) -> Stand {
        for _ in 0..500 {
            let mut moved = false;
            for at in 0..self.strands.len() {
                moved |= self.turn(world, at).await;
            }
            let main = &self.strands[0];
            if main.is_terminal() {
                return Stand::Ended(main.state.clone());
            }
            if !moved {
                let waits = self.strands.iter().find(|strand| strand.token.is_some());
                let waits =
                    waits.unwrap_or_else(|| panic!("{} is stuck: {:?}", self.name, self.path));
                return Stand::Waits(waits.state.clone());
            }
        }
        panic!("{} goes round in circles: {:?}", self.name, self.path)
    }

    /// The time-out of the first state that waits comes before an answer.
    ///
    /// # Panics
    /// When nothing waits.
    pub fn times_out(&mut self) {
        let waits = self.strands.iter().position(|s| s.token.is_some());
        let at = waits.unwrap_or_else(|| panic!("{} waits for nothing", self.name));
        self.strands[at].token = None;
        self.strands[at].fails("States.Timeout", "");
        self.noted(at);
    }

    /// The token that the execution waits with, the first of several.
    pub fn waiting_token(&self) -> Option<&str> {
        self.strands.iter().find_map(|s| s.token.as_deref())
    }

    /// Does what one strand can do now; whether it did anything.
    async fn turn(&mut self, world: &World, at: usize) -> bool {
        match self.strands[at].next_turn() {
            Turn::Over => false,
            Turn::Answer(token) => {
                // What the stream could not deliver is delivered by the next try.
                if world.deliver().await.is_err() {
                    return true;
                }
                let answers = world.tasks.answers();
                let Some((_, answer)) = answers.into_iter().find(|(known, _)| *known == token)
                else {
                    return false;
                };
                self.strands[at].answered(answer);
                self.noted(at);
                true
            }
            Turn::Call => {
                self.call(world, at).await;
                true
            }
            Turn::Pass => {
                self.strands[at].goes_on(&json!({}));
                self.noted(at);
                true
            }
            Turn::Choose => {
                self.strands[at].chooses();
                self.noted(at);
                true
            }
            Turn::Split(children) => {
                let variables = self.strands[at].variables.clone();
                for (machine, item) in children {
                    let child = Strand::new(&machine, Some(at), item, variables.clone());
                    self.inside.push(child.state.clone());
                    self.strands.push(child);
                }
                self.strands[at].split = true;
                true
            }
            Turn::Join => self.join(at),
        }
    }

    /// Goes on after a group when all of its strands are over, or when one has
    /// failed.
    fn join(&mut self, at: usize) -> bool {
        let children: Vec<usize> = (0..self.strands.len())
            .filter(|child| self.strands[*child].parent == Some(at) && !self.strands[*child].gone)
            .collect();
        let failed = children
            .iter()
            .find_map(|child| match &self.strands[*child].over {
                Some(Err(failure)) => Some(failure.clone()),
                Some(Ok(_)) | None => None,
            });
        let all = || {
            children
                .iter()
                .all(|child| self.strands[*child].over.is_some())
        };
        if failed.is_none() && !all() {
            return false;
        }
        let outputs: Vec<Value> = children
            .iter()
            .filter_map(|child| self.strands[*child].over.clone()?.ok())
            .collect();
        for child in children {
            self.strands[child].gone = true;
            self.strands[child].token = None;
        }
        self.strands[at].split = false;
        match failed {
            Some((error, cause)) => self.strands[at].fails(&error, &cause),
            None => self.strands[at].succeeds(&Value::from(outputs)),
        }
        self.noted(at);
        true
    }

    /// Calls the function of the strand's state.
    async fn call(&mut self, world: &World, at: usize) {
        let state = self.strands[at].here().clone();
        let arguments = &state["Arguments"];
        let function = arguments["FunctionName"].as_str().unwrap_or_default();
        let function = function.trim_matches(['$', '{', '}']).to_owned();
        let waits = state["Resource"]
            .as_str()
            .is_some_and(|r| r.ends_with("waitForTaskToken"));
        let mut tries = 0;
        loop {
            self.tokens += 1;
            let token = format!("{}-token-{}", self.name, self.tokens);
            let payload = self.evaluate(at, &arguments["Payload"], &token);
            match world.call(&function, payload).await {
                Ok(_) if waits => {
                    self.strands[at].token = Some(token);
                    return;
                }
                Ok(reply) => self.strands[at].succeeds(&json!({ "Payload": reply })),
                Err(failure) => {
                    let name = failure.name.as_str();
                    if strand::retries(&state, name).is_some_and(|most| tries < most) {
                        tries += 1;
                        continue;
                    }
                    let cause =
                        json!({ "errorType": name, "errorMessage": failure.message }).to_string();
                    self.strands[at].fails(name, &cause);
                }
            }
            self.noted(at);
            return;
        }
    }

    /// Notes the state that a strand has entered.
    fn noted(&mut self, at: usize) {
        let strand = &self.strands[at];
        if strand.over.is_some() {
            return;
        }
        let entered = strand.state.clone();
        if strand.parent.is_none() {
            self.path.push(entered);
        } else {
            self.inside.push(entered);
        }
    }

    fn evaluate(&self, at: usize, template: &Value, token: &str) -> Value {
        let strand = &self.strands[at];
        strand::fill(template, &|expression| match expression {
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
            "$states.context.Map.Item.Value" => strand
                .item
                .clone()
                .unwrap_or_else(|| panic!("{} is in no Map", strand.state)),
            "$failure" => strand
                .variables
                .get("failure")
                .cloned()
                .unwrap_or_else(|| panic!("$failure is not assigned")),
            other => panic!("{}: no such expression: {other}", strand.state),
        })
    }
}
