//! The draft, written.

mod stages;

use super::routes::{Event, Route, Routes};
use super::stage::{Environment, Pipeline, Stage};
use super::workflow::Workflow;
use super::{DECIDE, Known};
use crate::yaml::{inline, quoted, scalar};

/// The group that approves until somebody says which.
const APPROVERS: &str = "release-manager";
/// The limit of stages whose jobs have none, in minutes.
const LIMIT: u32 = 30;

/// Lines, indented.
#[derive(Debug, Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            self.0.push_str(&" ".repeat(indent));
            self.0.push_str(text);
        }
        self.0.push('\n');
    }

    fn decide(&mut self, indent: usize, what: &str) {
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        self.put(indent, &format!("{DECIDE}{what}"));
    }

    fn note(&mut self, indent: usize, what: &str) {
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        self.put(indent, &format!("# {what}"));
    }
}

/// Writes the draft.
pub fn written(
    id: &str,
    name: &str,
    known: &Known,
    workflow: &Workflow,
    pipeline: &Pipeline,
    routes: &Routes,
) -> String {
    let mut lines = Lines::default();
    head(id, name, known, workflow, pipeline, &mut lines);
    triggers(routes, &mut lines);
    artifacts(pipeline, &mut lines);
    environments(pipeline, &mut lines);
    defaults(workflow, pipeline, &mut lines);
    stages::stages(pipeline, &mut lines);
    tail(pipeline, &mut lines);
    lines.0
}

fn head(
    id: &str,
    name: &str,
    known: &Known,
    workflow: &Workflow,
    pipeline: &Pipeline,
    lines: &mut Lines,
) {
    let file = known.file.rsplit(['/', '\\']).next().unwrap_or_default();
    lines.note(
        0,
        &format!("Drafted from the GitHub Actions workflow {file}."),
    );
    lines.put(0, "#");
    lines.note(
        0,
        "Wherever a person must decide stands a comment that says what; what is there",
    );
    lines.note(
        0,
        "until then is a placeholder. Take the comments away as you decide, then",
    );
    lines.note(0, "`gatewright validate` and `gatewright plan` this file.");
    for key in &workflow.others {
        match key.as_str() {
            "permissions" => lines.note(0, "permissions: a build's rights are its role's."),
            "concurrency" => lines.note(
                0,
                "concurrency: releases of one environment wait for each other by its lock.",
            ),
            other => lines.decide(
                0,
                &format!("`{other}` of the workflow has nothing that it would be here"),
            ),
        }
    }
    if !pipeline.secrets.is_empty() {
        lines.decide(
            0,
            &format!(
                "put these secrets into AWS Secrets Manager, or name those that are there: {}",
                pipeline.secrets.join(", ")
            ),
        );
    }
    lines.put(0, "language: 1");
    lines.put(0, &format!("id: {id}"));
    lines.put(0, &format!("name: {}", scalar(name)));
    lines.put(
        0,
        &format!(
            "description: {}",
            scalar(&format!("What {file} did on GitHub."))
        ),
    );
    match &pipeline.region {
        Some(region) => lines.put(0, &format!("region: {}", scalar(region))),
        None => {
            lines.decide(0, "the AWS region");
            lines.put(0, "region: ap-south-1");
        }
    }
    lines.put(0, "");
    lines.put(0, "source:");
    match &known.repository {
        Some(url) => lines.put(2, &format!("repository: {}", scalar(url))),
        None => {
            lines.decide(2, "the repository");
            lines.put(2, &format!("repository: https://github.com/example/{id}"));
        }
    }
    lines.put(2, "path: .");
    lines.put(0, "");
}

fn triggers(routes: &Routes, lines: &mut Lines) {
    lines.note(
        0,
        "What starts a release, and which stages it then runs: those without an",
    );
    lines.note(
        0,
        "environment, those of the environments in `deploy`, and none in `skip`.",
    );
    for what in &routes.decide {
        lines.decide(0, what);
    }
    lines.put(0, "on:");
    let kinds = ["push", "tag", "pull-request", "schedule", "manual"];
    for kind in kinds {
        let some: Vec<&Route> = routes
            .routes
            .iter()
            .filter(|r| word(&r.event) == kind)
            .collect();
        match some.as_slice() {
            [] => {}
            [one] => {
                for what in &one.decide {
                    lines.decide(2, what);
                }
                lines.put(2, &format!("{kind}: {}", trigger(one)));
            }
            several => {
                lines.put(2, &format!("{kind}:"));
                for route in several {
                    for what in &route.decide {
                        lines.decide(4, what);
                    }
                    lines.put(4, &format!("- {}", trigger(route)));
                }
            }
        }
    }
    lines.put(0, "");
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::Push(_) => "push",
        Event::Tag(_) => "tag",
        Event::PullRequest(_) => "pull-request",
        Event::Schedule(..) => "schedule",
        Event::Manual(_) => "manual",
    }
}

fn trigger(route: &Route) -> String {
    let mut parts = match &route.event {
        Event::Push(branches) => vec![format!("branches: {}", listed(branches))],
        Event::Tag(patterns) => vec![format!("patterns: {}", listed(patterns))],
        Event::PullRequest(into) => vec![format!("into: {}", listed(into))],
        Event::Schedule(name, cron) => vec![
            format!("name: {}", inline(name)),
            format!("cron: {}", quoted(cron)),
            "time-zone: UTC".to_owned(),
            "branch: main".to_owned(),
        ],
        Event::Manual(environments) if environments.is_empty() => return "true".to_owned(),
        Event::Manual(environments) => vec![format!("environments: {}", listed(environments))],
    };
    match route.deploy.as_deref() {
        None => {}
        Some([]) => parts.push("deploy: none".to_owned()),
        Some([one]) => parts.push(format!("deploy: {}", inline(one))),
        Some(several) => parts.push(format!("deploy: {}", listed(several))),
    }
    if !route.skip.is_empty() {
        parts.push(format!("skip: {}", listed(&route.skip)));
    }
    format!("{{ {} }}", parts.join(", "))
}

fn listed(texts: &[String]) -> String {
    let each: Vec<String> = texts.iter().map(|text| inline(text)).collect();
    format!("[{}]", each.join(", "))
}

fn artifacts(pipeline: &Pipeline, lines: &mut Lines) {
    if pipeline.artifacts.is_empty() && pipeline.environments.is_empty() {
        return;
    }
    lines.put(0, "artifacts:");
    for artifact in &pipeline.artifacts {
        for what in &artifact.decide {
            lines.decide(2, what);
        }
        let version = if artifact.semver {
            ", version: semver"
        } else {
            ""
        };
        let repository = inline(&artifact.repository);
        let name = scalar(&artifact.name);
        lines.put(
            2,
            &format!("{name}: {{ type: image, repository: {repository}{version}, keep: 20 }}"),
        );
    }
    if pipeline.artifacts.is_empty() {
        lines.decide(
            2,
            "what is deployed; the workflow builds nothing that is known by a digest",
        );
        lines.put(2, "source: { type: archive, path: dist/source.zip }");
    }
    lines.put(0, "");
}

fn environments(pipeline: &Pipeline, lines: &mut Lines) {
    if pipeline.environments.is_empty() {
        return;
    }
    lines.put(0, "environments: # in the order of promotion");
    for environment in &pipeline.environments {
        let Environment {
            name,
            url,
            cluster,
            namespace,
            role,
            protected,
            verified,
            decide,
        } = environment;
        lines.put(2, &format!("{}:", scalar(name)));
        for what in decide {
            lines.decide(4, what);
        }
        let texts = [
            ("url", url),
            ("cluster", cluster),
            ("namespace", namespace),
            ("role", role),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                lines.put(4, &format!("{key}: {}", scalar(value)));
            }
        }
        lines.put(4, &format!("protected: {protected}"));
        if !verified {
            lines.decide(4, "how somebody sees that a new version runs: steps, such as `kubectl rollout status`");
            lines.put(4, "verify: none");
        }
    }
    lines.put(0, "");
}

fn defaults(workflow: &Workflow, pipeline: &Pipeline, lines: &mut Lines) {
    lines.put(0, "defaults:");
    lines.put(2, "image: aws/codebuild/amazonlinux-x86_64-standard:5.0");
    lines.put(2, "compute: small");
    let stages = || pipeline.places.iter().flat_map(|place| &place.stages);
    if stages().any(|stage| stage.timeout.is_none()) {
        lines.decide(
            2,
            "how long a stage may take; jobs without a limit had six hours",
        );
        lines.put(2, &format!("timeout: {LIMIT}m"));
    }
    let mut env: Vec<(String, String)> = Vec::new();
    for (name, value) in &workflow.env {
        if value.contains("${{") {
            let what = format!("{name}, which the workflow computes: {value}");
            lines.decide(2, &what);
        } else {
            env.push((name.clone(), value.clone()));
        }
    }
    if !env.is_empty() {
        lines.put(2, "env:");
        for (name, value) in env {
            lines.put(4, &format!("{name}: {}", scalar(&value)));
        }
    }
    lines.put(0, "");
}

fn tail(pipeline: &Pipeline, lines: &mut Lines) {
    lines.put(0, "");
    if pipeline.slack {
        lines.put(0, "notify:");
        lines.decide(2, "the channel; the workflow had a webhook");
        lines.put(2, "slack: \"#releases\"");
        lines.put(0, "");
    }
    lines.note(
        0,
        "How long a whole release may take, with every wait and retry.",
    );
    lines.put(0, &format!("budget: {}d", budget(pipeline)));
}

/// Days: an approval may take three, the wait for an environment one, a build is
/// tried twice and may be queued.
fn budget(pipeline: &Pipeline) -> u32 {
    let stages = || pipeline.places.iter().flat_map(|place| &place.stages);
    let approvals = pipeline.environments.iter().filter(|e| e.protected).count();
    let deploys = stages().filter(|stage| stage.environment.is_some()).count();
    let minutes: u32 = stages()
        .map(|stage| 2 * (stage.timeout.unwrap_or(LIMIT) + 60) * legs(stage))
        .sum();
    let whole = |n: usize| u32::try_from(n).unwrap_or(30);
    (3 * whole(approvals) + whole(deploys) + minutes / 1_440 + 2).min(365)
}

fn legs(stage: &Stage) -> u32 {
    let legs: usize = stage
        .matrix
        .iter()
        .map(|(_, values)| values.len())
        .product();
    u32::try_from(legs.max(1)).unwrap_or(50)
}
