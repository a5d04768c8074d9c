//! A workflow, as far as we know it.

use serde_json::{Map, Value};

/// A workflow.
#[derive(Debug)]
pub struct Workflow {
    pub name: Option<String>,
    pub on: Map<String, Value>,
    pub env: Vec<(String, String)>,
    pub jobs: Vec<Job>,
    /// What is said at the top and means nothing to us.
    pub others: Vec<String>,
}

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: String,
    pub name: String,
    pub needs: Vec<String>,
    pub condition: Option<String>,
    pub environment: Option<(String, Option<String>)>,
    pub matrix: Map<String, Value>,
    pub fail_fast: Option<bool>,
    pub services: Map<String, Value>,
    pub env: Vec<(String, String)>,
    pub minutes: Option<String>,
    pub runs_on: String,
    pub container: Option<String>,
    pub may_fail: bool,
    pub folder: Option<String>,
    pub shell: Option<String>,
    pub steps: Vec<Step>,
    /// A workflow that is called instead of steps.
    pub uses: Option<String>,
    /// What else it says.
    pub others: Vec<String>,
}

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    pub name: Option<String>,
    pub id: Option<String>,
    pub uses: Option<String>,
    pub run: Option<String>,
    pub with: Map<String, Value>,
    pub env: Vec<(String, String)>,
    pub condition: Option<String>,
    pub may_fail: bool,
    pub folder: Option<String>,
    pub minutes: Option<String>,
}

impl Workflow {
    /// Reads a workflow.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let root: Value = serde_saphyr::from_str(text).map_err(|error| {
            let said = error.without_snippet().to_string();
            format!("this is not YAML: {said}")
        })?;
        let Value::Object(root) = root else {
            return Err("a workflow is a mapping with `on` and `jobs`".to_owned());
        };
        let Some(Value::Object(jobs)) = root.get("jobs") else {
            return Err(
                "this is no workflow: `jobs` is missing, a mapping of jobs by their ids".to_owned(),
            );
        };
        // YAML 1.1 reads `on` as true.
        let on = root.get("on").or_else(|| root.get("true"));
        let on = on.ok_or("this is no workflow: `on` is missing, which says what starts it")?;
        let defaults = run_defaults(&root);
        let jobs: Vec<Job> = jobs
            .iter()
            .map(|(id, job)| Job::of(id, job, &defaults))
            .collect();
        if jobs.is_empty() {
            return Err("this workflow has no jobs, so there is nothing to carry over".to_owned());
        }
        let known = ["name", "run-name", "on", "true", "env", "jobs", "defaults"];
        Ok(Self {
            name: root.get("name").and_then(said),
            on: events(on),
            env: pairs(root.get("env")),
            jobs,
            others: others(&root, &known),
        })
    }
}

/// `working-directory` and `shell` of `defaults.run`.
fn run_defaults(from: &Map<String, Value>) -> (Option<String>, Option<String>) {
    let run = from.get("defaults").and_then(|d| d.get("run"));
    let of = |key: &str| run.and_then(|run| run.get(key)).and_then(said);
    (of("working-directory"), of("shell"))
}

impl Job {
    fn of(id: &str, job: &Value, defaults: &(Option<String>, Option<String>)) -> Self {
        let empty = Map::new();
        let job = job.as_object().unwrap_or(&empty);
        let own = run_defaults(job);
        let strategy = job.get("strategy");
        let map = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
        let known = [
            "name",
            "needs",
            "if",
            "environment",
            "strategy",
            "services",
            "env",
            "runs-on",
            "timeout-minutes",
            "container",
            "continue-on-error",
            "defaults",
            "steps",
            "uses",
            "permissions",
            "outputs",
            "concurrency",
        ];
        let steps = job.get("steps").and_then(Value::as_array);
        Self {
            id: id.to_owned(),
            name: job
                .get("name")
                .and_then(said)
                .unwrap_or_else(|| crate::commands::init::titled(id)),
            needs: list(job.get("needs")),
            condition: job.get("if").and_then(said),
            environment: job.get("environment").and_then(environment),
            matrix: map(strategy.and_then(|s| s.get("matrix"))).unwrap_or_default(),
            fail_fast: strategy
                .and_then(|s| s.get("fail-fast"))
                .and_then(Value::as_bool),
            services: map(job.get("services")).unwrap_or_default(),
            env: pairs(job.get("env")),
            minutes: job.get("timeout-minutes").and_then(said),
            runs_on: list(job.get("runs-on")).join(" "),
            container: job
                .get("container")
                .and_then(|c| said(c).or_else(|| c.get("image").and_then(said))),
            may_fail: flag(job.get("continue-on-error")),
            folder: own.0.or_else(|| defaults.0.clone()),
            shell: own.1.or_else(|| defaults.1.clone()),
            steps: steps.into_iter().flatten().map(Step::of).collect(),
            uses: job.get("uses").and_then(said),
            others: others(job, &known),
        }
    }
}

impl Step {
    fn of(step: &Value) -> Self {
        let empty = Map::new();
        let step = step.as_object().unwrap_or(&empty);
        let of = |key: &str| step.get(key).and_then(said);
        Self {
            name: of("name"),
            id: of("id"),
            uses: of("uses"),
            run: of("run"),
            with: step
                .get("with")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            env: pairs(step.get("env")),
            condition: of("if"),
            may_fail: flag(step.get("continue-on-error")),
            folder: of("working-directory"),
            minutes: of("timeout-minutes"),
        }
    }

    /// The text of an input of its action.
    pub fn input(&self, key: &str) -> Option<String> {
        self.with.get(key).and_then(said)
    }

    /// What to call it.
    pub fn title(&self) -> String {
        let first = || {
            self.run
                .as_deref()
                .and_then(|run| run.trim().lines().next())
        };
        let title = self.name.as_deref().or(self.uses.as_deref()).or_else(first);
        title.unwrap_or("step").trim().chars().take(100).collect()
    }
}

/// Scalars as they were written.
pub fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text, or a list of them.
pub fn list(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(said).collect(),
        Some(one) => said(one).into_iter().collect(),
        None => Vec::new(),
    }
}

fn flag(value: Option<&Value>) -> bool {
    // An expression may be true, and then a failure passes.
    value.is_some_and(|value| !matches!(value, Value::Bool(false)))
}

fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let all = value.and_then(Value::as_object).into_iter().flatten();
    all.map(|(name, value)| (name.clone(), said(value).unwrap_or_default()))
        .collect()
}

fn others(map: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    let all = map.keys().filter(|key| !known.contains(&key.as_str()));
    all.cloned().collect()
}

fn environment(value: &Value) -> Option<(String, Option<String>)> {
    match value {
        Value::Object(map) => Some((said(map.get("name")?)?, map.get("url").and_then(said))),
        other => Some((said(other)?, None)),
    }
}

/// `on` in its three forms, as a mapping.
fn events(on: &Value) -> Map<String, Value> {
    match on {
        Value::Object(map) => map.clone(),
        other => list(Some(other))
            .into_iter()
            .map(|event| (event, Value::Null))
            .collect(),
    }
}
