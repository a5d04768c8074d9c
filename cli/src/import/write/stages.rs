//! The stages of a draft.

use super::super::docker::Artifact;
use super::super::stage::{Environment, Pipeline, Service, Stage, Step, Variable};
use super::{APPROVERS, Lines, listed};
use crate::commands::init::titled;
use crate::yaml::{inline, quoted, scalar};

/// All stages, with the approvals that protected environments need.
pub fn stages(pipeline: &Pipeline, lines: &mut Lines) {
    lines.put(0, "stages:");
    let mut asked: Vec<String> = Vec::new();
    let mut packaged = !pipeline.artifacts.is_empty();
    let mut first = true;
    for place in &pipeline.places {
        let deploys = place.stages.iter().any(|stage| stage.environment.is_some());
        if deploys && !packaged {
            separate(&mut first, lines);
            package(lines);
            packaged = true;
        }
        for stage in &place.stages {
            let protected = pipeline
                .environments
                .iter()
                .find(|e| e.protected && Some(&e.name) == stage.environment.as_ref());
            if let Some(environment) = protected.filter(|e| !asked.contains(&e.name)) {
                separate(&mut first, lines);
                approval(environment, lines);
                asked.push(environment.name.clone());
            }
        }
        separate(&mut first, lines);
        match &place.group {
            Some(name) => {
                lines.put(2, &format!("- name: {}", scalar(name)));
                lines.put(4, "parallel:");
                for stage in &place.stages {
                    one(stage, 6, pipeline, lines);
                }
            }
            None => place
                .stages
                .iter()
                .for_each(|stage| one(stage, 2, pipeline, lines)),
        }
    }
}

fn separate(first: &mut bool, lines: &mut Lines) {
    if !*first {
        lines.put(0, "");
    }
    *first = false;
}

fn package(lines: &mut Lines) {
    lines.put(2, "- name: Package");
    lines.put(4, "steps:");
    lines.decide(6, "what is packaged");
    lines.put(
        6,
        "- mkdir -p dist && git archive --format=zip --output=dist/source.zip HEAD .",
    );
    lines.put(4, "produces: source");
}

fn approval(environment: &Environment, lines: &mut Lines) {
    let name = &environment.name;
    lines.decide(
        2,
        &format!("who lets a release into {name}: groups of approvers.yaml"),
    );
    lines.put(2, &format!("- name: {} Approval", titled(name)));
    lines.put(4, &format!("environment: {}", scalar(name)));
    lines.put(4, "approval:");
    lines.put(6, "quorum:");
    lines.put(8, &format!("- {{ group: {APPROVERS}, count: 1 }}"));
    lines.put(6, "checklist:");
    lines.put(8, "- What runs before it was looked at.");
    lines.put(6, "expires: 3d");
    lines.put(6, "remind: 4h");
}

fn one(stage: &Stage, indent: usize, pipeline: &Pipeline, lines: &mut Lines) {
    let inner = indent + 2;
    lines.put(indent, &format!("- name: {}", scalar(&stage.name)));
    if !stage.dropped.is_empty() {
        lines.note(
            inner,
            &format!("Not needed here: {}.", stage.dropped.join(", ")),
        );
    }
    for what in &stage.decide {
        lines.decide(inner, what);
    }
    if let Some(environment) = &stage.environment {
        deploy(environment, &pipeline.artifacts, inner, lines);
    }
    settings(stage, inner, lines);
    services(&stage.services, inner, lines);
    if !stage.env.is_empty() {
        lines.put(inner, "env:");
        for (name, value) in &stage.env {
            let value = match value {
                Variable::Plain(text) => scalar(text),
                Variable::Secret(id) => format!("{{ secret: {id} }}"),
            };
            lines.put(inner + 2, &format!("{name}: {value}"));
        }
    }
    if !stage.install.is_empty() {
        lines.put(inner, "install:");
        for command in &stage.install {
            text("- ", command, inner + 2, lines);
        }
    }
    steps("steps", &stage.steps, inner, lines);
    steps("finally", &stage.finally, inner, lines);
    if !stage.reports.is_empty() {
        lines.put(inner, "reports:");
        for (name, file, format) in &stage.reports {
            let file = inline(file);
            lines.put(
                inner + 2,
                &format!("{name}: {{ files: [{file}], format: {format} }}"),
            );
        }
    }
    if let Some(artifact) = &stage.produces {
        lines.put(inner, &format!("produces: {}", scalar(artifact)));
    }
    gates(stage, inner, lines);
}

fn deploy(environment: &str, artifacts: &[Artifact], inner: usize, lines: &mut Lines) {
    let names: Vec<String> = artifacts.iter().map(|a| a.name.clone()).collect();
    let environment = inline(environment);
    let variables: Vec<String> = match names.as_slice() {
        [] => vec!["$ARTIFACT".to_owned()],
        [_] => vec!["$IMAGE".to_owned()],
        several => several
            .iter()
            .map(|name| format!("$IMAGE_{}", name.to_uppercase().replace('-', "_")))
            .collect(),
    };
    lines.decide(
        inner,
        &format!(
            "deploy what was built by its digest, {}; images have the tag $IMAGE_TAG, the commit, and no other",
            variables.join(", ")
        ),
    );
    let what = match names.as_slice() {
        [] => "artifact: source".to_owned(),
        [one] => format!("artifact: {}", inline(one)),
        several => format!("artifacts: {}", listed(several)),
    };
    lines.put(
        inner,
        &format!("deploy: {{ {what}, environment: {environment} }}"),
    );
}

fn settings(stage: &Stage, inner: usize, lines: &mut Lines) {
    if !stage.matrix.is_empty() {
        let keys: Vec<String> = stage
            .matrix
            .iter()
            .map(|(key, values)| format!("{key}: {}", listed(values)))
            .collect();
        lines.put(inner, &format!("matrix: {{ {} }}", keys.join(", ")));
        if stage.fail_fast == Some(false) {
            lines.put(inner, "fail-fast: false");
        }
    }
    if let Some(minutes) = stage.timeout {
        lines.put(inner, &format!("timeout: {minutes}m"));
    }
    if let Some(compute) = stage.compute {
        lines.put(inner, &format!("compute: {compute}"));
    }
    if let Some(image) = &stage.image {
        lines.put(inner, &format!("image: {}", scalar(image)));
    }
    if !stage.runtimes.is_empty() {
        let mut seen: Vec<&str> = Vec::new();
        let mut all = Vec::new();
        for (name, version) in &stage.runtimes {
            if !seen.contains(&name.as_str()) {
                seen.push(name);
                all.push(format!("{name}: {}", quoted(version)));
            }
        }
        lines.put(inner, &format!("runtimes: {{ {} }}", all.join(", ")));
    }
    if !stage.cache.is_empty() {
        lines.put(inner, &format!("cache: {}", listed(&stage.cache)));
    }
}

fn services(services: &[Service], inner: usize, lines: &mut Lines) {
    if services.is_empty() {
        return;
    }
    lines.put(inner, "services:");
    for service in services {
        lines.put(inner + 2, &format!("{}:", scalar(&service.name)));
        lines.put(inner + 4, &format!("image: {}", scalar(&service.image)));
        if !service.env.is_empty() {
            let env: Vec<String> = service
                .env
                .iter()
                .map(|(name, value)| format!("{name}: {}", inline(value)))
                .collect();
            lines.put(inner + 4, &format!("env: {{ {} }}", env.join(", ")));
        }
        if !service.ports.is_empty() {
            lines.put(inner + 4, &format!("ports: [{}]", service.ports.join(", ")));
        }
        if let Some(health) = &service.health {
            lines.put(inner + 4, &format!("health: {}", scalar(health)));
        }
    }
}

fn steps(key: &str, steps: &[Step], inner: usize, lines: &mut Lines) {
    if steps.is_empty() {
        return;
    }
    lines.put(inner, &format!("{key}:"));
    for step in steps {
        for what in &step.decide {
            lines.decide(inner + 2, what);
        }
        lines.put(inner + 2, &format!("- name: {}", scalar(&step.name)));
        text("run: ", &step.run, inner + 4, lines);
    }
}

/// Text behind `key`: on its line, or as a block below it.
fn text(key: &str, text: &str, indent: usize, lines: &mut Lines) {
    let text = text.replace("\r\n", "\n");
    let text = text.trim_end();
    let block = text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t');
    if !block {
        lines.put(indent, &format!("{key}{}", scalar(text)));
        return;
    }
    lines.put(indent, &format!("{key}|"));
    for line in text.lines() {
        lines.put(indent + 2, line.trim_end());
    }
}

/// The gates that the evidence allows; how strict they are is a decision.
fn gates(stage: &Stage, inner: usize, lines: &mut Lines) {
    lines.put(inner, "gates:");
    lines.put(inner + 2, "- steps");
    for (name, _, format) in &stage.reports {
        match *format {
            "junit" => lines.put(inner + 2, &format!("- tests: {name}")),
            "cobertura" => {
                lines.decide(
                    inner + 2,
                    "how much of the code tests must cover; the workflow only uploaded the report",
                );
                lines.put(
                    inner + 2,
                    &format!("- coverage: {{ report: {name}, at-least: 80 }}"),
                );
            }
            _ => {
                lines.decide(
                    inner + 2,
                    "which findings stop a release; the workflow only uploaded the report",
                );
                lines.put(
                    inner + 2,
                    &format!("- findings: {{ report: {name}, none-of: [CRITICAL] }}"),
                );
            }
        }
    }
    if let Some(artifact) = &stage.produces {
        lines.decide(inner + 2, "which of Amazon ECR's findings stop a release");
        let artifact = inline(artifact);
        lines.put(
            inner + 2,
            &format!("- scan: {{ artifact: {artifact}, none-of: [CRITICAL] }}"),
        );
    }
}
