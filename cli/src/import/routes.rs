//! What starts the workflow, and which of its jobs then run.

use super::expression::{Happened, branches, calls, holds, parse};
use super::stage::{Pipeline, Stage};
use super::workflow::{Workflow, list, said};
use serde_json::Value;

/// What starts a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Push(Vec<String>),
    Tag(Vec<String>),
    PullRequest(Vec<String>),
    Schedule(String, String),
    /// The environments that the requester chooses from; none: everything.
    Manual(Vec<String>),
}

/// A trigger with the stages that it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub event: Event,
    /// The environments that it goes to; `None`: whichever there are.
    pub deploy: Option<Vec<String>>,
    pub skip: Vec<String>,
    pub decide: Vec<String>,
}

/// The routes, and what of `on` is none.
#[derive(Debug, Default)]
pub struct Routes {
    pub routes: Vec<Route>,
    pub decide: Vec<String>,
}

/// Every trigger of the workflow.
pub fn routes(workflow: &Workflow, pipeline: &Pipeline) -> Routes {
    let mut found = Routes::default();
    for (event, filter) in &workflow.on {
        match event.as_str() {
            "push" => push(filter, pipeline, &mut found),
            "pull_request" | "pull_request_target" => pull_request(filter, pipeline, &mut found),
            "schedule" => schedule(filter, pipeline, &mut found),
            "workflow_dispatch" => manual(filter, pipeline, &mut found),
            "release" => {
                let what = "the workflow starts when a release is published on GitHub; here a tag starts one";
                found.add(
                    pipeline,
                    Event::Tag(vec!["*".to_owned()]),
                    vec![what.to_owned()],
                );
            }
            other => found.decide.push(format!(
                "the workflow also starts on `{other}`, which starts nothing here"
            )),
        }
    }
    found.merge();
    if found.routes.is_empty() {
        let what = "what starts a release; until then only a person does";
        found.decide.push(what.to_owned());
        found.add(pipeline, Event::Manual(Vec::new()), Vec::new());
    }
    found
}

impl Routes {
    fn add(&mut self, pipeline: &Pipeline, event: Event, mut decide: Vec<String>) {
        let happened = happened(&event);
        let (running, why) = running(pipeline, &happened);
        decide.extend(why);
        let stages = || pipeline.places.iter().flat_map(|place| &place.stages);
        let runs = |stage: &&Stage| running.contains(&stage.job);
        let mut deploy: Vec<String> = Vec::new();
        for name in stages().filter(runs).filter_map(|s| s.environment.clone()) {
            if !deploy.contains(&name) {
                deploy.push(name);
            }
        }
        let skip = stages().filter(|stage| {
            let left_out = stage
                .environment
                .as_ref()
                .is_some_and(|e| !deploy.contains(e));
            !runs(stage) && !left_out
        });
        let skip = skip.map(|stage| stage.name.clone()).collect();
        let manual = matches!(event, Event::Manual(_));
        let none = pipeline.environments.is_empty() || manual;
        self.routes.push(Route {
            event,
            deploy: (!none).then_some(deploy),
            skip: if manual { Vec::new() } else { skip },
            decide: if manual { Vec::new() } else { decide },
        });
    }

    /// Patterns of one kind with the same route belong together.
    fn merge(&mut self) {
        let mut merged: Vec<Route> = Vec::new();
        for route in self.routes.drain(..) {
            let same = merged.iter_mut().find(|known| {
                known.deploy == route.deploy
                    && known.skip == route.skip
                    && known.decide == route.decide
                    && kind(&known.event) == kind(&route.event)
                    && patterns(&known.event).is_some()
            });
            match (same.map(|known| &mut known.event), &route.event) {
                (Some(Event::Push(known)), Event::Push(more))
                | (Some(Event::Tag(known)), Event::Tag(more))
                | (Some(Event::PullRequest(known)), Event::PullRequest(more)) => {
                    known.extend(more.iter().cloned());
                }
                _ => merged.push(route),
            }
        }
        self.routes = merged;
    }
}

fn patterns(event: &Event) -> Option<&[String]> {
    match event {
        Event::Push(some) | Event::Tag(some) | Event::PullRequest(some) => Some(some),
        Event::Schedule(..) | Event::Manual(_) => None,
    }
}

fn kind(event: &Event) -> u8 {
    match event {
        Event::Push(_) => 0,
        Event::Tag(_) => 1,
        Event::PullRequest(_) => 2,
        Event::Schedule(..) => 3,
        Event::Manual(_) => 4,
    }
}

/// An event that the pattern matches.
fn happened(event: &Event) -> Happened {
    let first = |patterns: &[String]| patterns.first().cloned().unwrap_or_default();
    let (name, reference, base) = match event {
        Event::Push(branches) => {
            let branch = first(branches).replace('*', "any");
            ("push", format!("refs/heads/{branch}"), String::new())
        }
        Event::Tag(tags) => {
            let tag = first(tags).replace('*', "1");
            ("push", format!("refs/tags/{tag}"), String::new())
        }
        Event::PullRequest(into) => (
            "pull_request",
            "refs/pull/1/merge".to_owned(),
            first(into).replace('*', "any"),
        ),
        Event::Schedule(..) => ("schedule", "refs/heads/main".to_owned(), String::new()),
        Event::Manual(_) => (
            "workflow_dispatch",
            "refs/heads/main".to_owned(),
            String::new(),
        ),
    };
    Happened {
        event: name.to_owned(),
        reference,
        base,
    }
}

/// The jobs that run, and what is to be decided about that.
fn running(pipeline: &Pipeline, happened: &Happened) -> (Vec<String>, Vec<String>) {
    let mut runs: Vec<String> = Vec::new();
    let mut decide = Vec::new();
    let stages: Vec<&Stage> = pipeline
        .places
        .iter()
        .flat_map(|place| &place.stages)
        .collect();
    for stage in &stages {
        let condition = stage.condition.as_deref().map(|text| (text, parse(text)));
        let always = match &condition {
            Some((_, Some(expression))) => calls(expression, "always"),
            Some((_, None)) | None => false,
        };
        if let Some((text, expression)) = &condition {
            match expression.as_ref().and_then(|e| holds(e, happened)) {
                Some(true) => {}
                Some(false) => continue,
                None => decide.push(format!(
                    "whether {} runs: the workflow says `{text}`; here it runs",
                    stage.name
                )),
            }
        }
        let missing = stage.needs.iter().filter(|need| !runs.contains(need));
        let missing: Vec<&String> = missing.collect();
        let deploys = |id: &&String| {
            let mut all = stages.iter();
            all.any(|other| &other.job == *id && other.environment.is_some())
        };
        let only_deploys = missing.iter().all(deploys);
        if !missing.is_empty() && !always {
            if !only_deploys || stage.environment.is_none() || condition.is_none() {
                continue;
            }
            // The workflow would skip it with what it needs; whoever wrote the
            // condition meant it to run.
            let names: Vec<String> = missing.iter().map(|id| (*id).clone()).collect();
            decide.push(format!(
                "{} needs {}, whose own condition is not met here, so that GitHub skips both; here both run",
                stage.name,
                names.join(" and ")
            ));
            runs.extend(names);
        }
        runs.push(stage.job.clone());
    }
    (runs, decide)
}

/// GitHub's patterns in ours: `*` matches everything here, `/` too.
fn pattern(theirs: &str, decide: &mut Vec<String>) -> Option<String> {
    if theirs.starts_with('!') || theirs.contains(['[', '+', '?']) {
        decide.push(format!(
            "the pattern {theirs}: here a pattern knows `*` for any text and nothing that excludes"
        ));
        return None;
    }
    Some(theirs.replace("**", "*"))
}

fn filter(filter: &Value, key: &str, decide: &mut Vec<String>) -> Option<Vec<String>> {
    let value = filter.get(key)?;
    let all = list(Some(value));
    Some(
        all.iter()
            .filter_map(|text| pattern(text, decide))
            .collect(),
    )
}

fn push(on: &Value, pipeline: &Pipeline, found: &mut Routes) {
    let mut decide = Vec::new();
    let mut names = filter(on, "branches", &mut decide);
    let tags = filter(on, "tags", &mut decide);
    let ignored = list(on.get("branches-ignore"));
    if !ignored.is_empty() {
        decide.push(format!(
            "all branches but {}: here the branches that start a release are named",
            ignored.join(", ")
        ));
        names = Some(vec!["*".to_owned()]);
    }
    if !list(on.get("tags-ignore")).is_empty() {
        decide.push("tags-ignore: here the tags that start a release are named".to_owned());
    }
    paths(on, &mut decide);
    if names.is_none() && tags.is_none() {
        names = Some(vec!["*".to_owned()]);
    }
    found.decide.append(&mut decide);
    for branch in special_first(names.unwrap_or_default(), pipeline) {
        found.add(pipeline, Event::Push(vec![branch]), Vec::new());
    }
    for tag in tags.unwrap_or_default() {
        found.add(pipeline, Event::Tag(vec![tag]), Vec::new());
    }
}

fn paths(on: &Value, decide: &mut Vec<String>) {
    for key in ["paths", "paths-ignore"] {
        let paths = list(on.get(key));
        if !paths.is_empty() {
            decide.push(format!(
                "`{key}: {}`: a pipeline here starts whatever changed; `source.path` says which folder it is about",
                paths.join(", ")
            ));
        }
    }
}

/// Branches that conditions name and that only a pattern matches come first, each
/// for itself: their routes differ.
fn special_first(names: Vec<String>, pipeline: &Pipeline) -> Vec<String> {
    let stages = pipeline.places.iter().flat_map(|place| &place.stages);
    let conditions = stages.filter_map(|stage| parse(stage.condition.as_deref()?));
    let mut first: Vec<String> = Vec::new();
    for branch in conditions.flat_map(|condition| branches(&condition)) {
        let matched = names.iter().any(|name| {
            let (start, end) = name.split_once('*').unwrap_or((name, ""));
            name.contains('*') && branch.starts_with(start) && branch.ends_with(end)
        });
        if matched && !names.contains(&branch) && !first.contains(&branch) {
            first.push(branch);
        }
    }
    let (plain, wild): (Vec<_>, Vec<_>) = names.into_iter().partition(|n| !n.contains('*'));
    first.into_iter().chain(plain).chain(wild).collect()
}

fn pull_request(on: &Value, pipeline: &Pipeline, found: &mut Routes) {
    let mut decide = Vec::new();
    let into = filter(on, "branches", &mut decide).unwrap_or_else(|| vec!["*".to_owned()]);
    let types = list(on.get("types"));
    if !types.is_empty() {
        decide.push(format!(
            "only for {} pull requests: here every commit of one starts it",
            types.join(", ")
        ));
    }
    paths(on, &mut decide);
    found.decide.append(&mut decide);
    for base in into {
        found.add(pipeline, Event::PullRequest(vec![base]), Vec::new());
    }
}

fn schedule(on: &Value, pipeline: &Pipeline, found: &mut Routes) {
    let entries = on.as_array().cloned().unwrap_or_default();
    for (index, entry) in entries.iter().enumerate() {
        let Some(cron) = entry.get("cron").and_then(said) else {
            continue;
        };
        let name = match index {
            0 => "schedule".to_owned(),
            more => format!("schedule-{}", more + 1),
        };
        found.add(pipeline, Event::Schedule(name, cron), Vec::new());
        if let Some(route) = found.routes.last_mut()
            && route
                .deploy
                .as_ref()
                .is_some_and(|deploy| !deploy.is_empty())
        {
            let what = "the workflow's conditions let the clock deploy too: `deploy: none` if that is not meant";
            route.decide.push(what.to_owned());
        }
    }
}

fn manual(on: &Value, pipeline: &Pipeline, found: &mut Routes) {
    let inputs = on.get("inputs").and_then(Value::as_object);
    let names = || pipeline.environments.iter().map(|e| e.name.clone());
    for (name, input) in inputs.into_iter().flatten() {
        let options = list(input.get("options"));
        let kind = input.get("type").and_then(said).unwrap_or_default();
        let chooses = kind == "environment" || names().any(|known| options.contains(&known));
        if !chooses {
            found.decide.push(format!(
                "the input {name:?} of whoever starts it by hand: the only choice here is the environment"
            ));
        }
    }
    found.add(pipeline, Event::Manual(names().collect()), Vec::new());
}
