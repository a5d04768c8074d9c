//! What definitions become: each file under `tests/definitions/accepted` has its
//! stages, groups and routes beside it in `.expected`. `GATEWRIGHT_EXPECT=write
//! cargo test` writes them anew, and the diff is for reading.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{Read, read, read_directory};
use gatewright_domain::pipeline::{Build, Definition, Stage, Variable, Work};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/definitions");

fn accepted() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(DEFINITIONS).join("accepted"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

fn definition(path: &Path) -> Read {
    let people = std::fs::read_to_string(Path::new(DEFINITIONS).join("approvers.yaml")).unwrap();
    let directory = read_directory("approvers.yaml", &people).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    read(name, &text, Some(&directory)).unwrap_or_else(|d| panic!("{d}"))
}

#[test]
fn every_definition_becomes_what_is_beside_it() {
    let write = std::env::var("GATEWRIGHT_EXPECT").is_ok_and(|v| v == "write");
    let mut wrong = Vec::new();
    for path in accepted() {
        let read = definition(&path);
        let mut said = shown(&read.definition);
        if !read.warnings.0.is_empty() {
            write!(said, "\n{}\n", read.warnings).unwrap();
        }
        let beside = path.with_extension("expected");
        if write {
            std::fs::write(&beside, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push(format!(
                "{}\nbecomes\n{said}\nand not\n{expected}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(accepted().len() >= 8);
}

#[test]
fn every_definition_survives_json() {
    for path in accepted() {
        let definition = definition(&path).definition;
        let json = serde_json::to_string(&definition).unwrap();
        let back: Definition = serde_json::from_str(&json).unwrap();
        assert_eq!(back, definition);
    }
}

fn shown(definition: &Definition) -> String {
    let mut text = String::new();
    for stage in &definition.stages {
        writeln!(text, "{}", self::stage(stage)).unwrap();
    }
    for group in &definition.groups {
        let names: Vec<&str> = group.stages.iter().map(|s| s.as_str()).collect();
        let (kind, name, fast) = (group.kind, &group.name, group.fail_fast);
        let names = names.join(" | ");
        writeln!(text, "\n{kind:?} {name:?}, fail fast {fast}: {names}").unwrap();
    }
    for trigger in &definition.triggers {
        let (name, event) = (&trigger.name, &trigger.event);
        writeln!(
            text,
            "\non {name:?} = {event} {:?}",
            trigger.budget.map(|b| b.0)
        )
        .unwrap();
        for stage in &trigger.stages {
            writeln!(text, "  {stage}").unwrap();
        }
    }
    text
}

fn stage(stage: &Stage) -> String {
    let mut text = format!("{}\n ", stage.name);
    if let Some(environment) = &stage.environment {
        write!(text, " in {environment}").unwrap();
    }
    if let Some(of) = &stage.of {
        write!(text, " of {:?}", of.as_str()).unwrap();
    }
    if let Some(undo) = &stage.on_failure {
        write!(text, " on failure {:?}", undo.as_str()).unwrap();
    }
    match &stage.work {
        Work::Build(build) => write!(text, " builds{}", self::build(build)).unwrap(),
        Work::Deploy(deploy) => write!(
            text,
            " deploys {} {:?}{}",
            deploy.artifacts.join(", "),
            deploy.effect,
            self::build(&deploy.build)
        )
        .unwrap(),
        Work::Approval(approval) => write!(text, " asks {:?}", approval.quorum).unwrap(),
        Work::Watch(watching) => {
            let demands: Vec<String> = watching.watch.iter().map(|w| w.demand()).collect();
            let (lasts, warm_up) = (watching.lasts.0, watching.warm_up.0);
            write!(
                text,
                " watches {lasts} s after {warm_up} s: {}",
                demands.join("; ")
            )
            .unwrap();
        }
        Work::Pause(pause) => write!(text, " pauses {} s", pause.lasts.0).unwrap(),
    }
    for gate in &stage.gates {
        write!(text, "\n  gate: {}", gate.demand()).unwrap();
    }
    text
}

fn build(build: &Build) -> String {
    let mut text = format!(
        " with {} for {} s, retries {}",
        build.project, build.timeout.0, build.retries
    );
    if let Some(artifact) = &build.produces {
        write!(text, ", makes {artifact}").unwrap();
    }
    for (name, version) in &build.runtimes {
        write!(text, "\n  runtime: {name} {version}").unwrap();
    }
    for (name, variable) in &build.env {
        let value = match variable {
            Variable::Plain { value } => value.clone(),
            other => format!("{other:?}"),
        };
        write!(text, "\n  env: {name}={value}").unwrap();
    }
    for (name, service) in &build.services {
        write!(
            text,
            "\n  service: {name} {} {:?}",
            service.image, service.ports
        )
        .unwrap();
    }
    for line in &build.cache {
        write!(text, "\n  cache: {line}").unwrap();
    }
    for line in &build.install {
        write!(text, "\n  install: {line}").unwrap();
    }
    for step in &build.steps {
        // What CodeDeploy's steps run is the same but for the names.
        let deploys = step.codedeploy.as_ref().map(|d| format!("{d:?}"));
        let run = deploys.as_ref().unwrap_or(&step.run);
        write!(text, "\n  step: {} = {run}", step.name).unwrap();
    }
    for step in &build.finally {
        write!(text, "\n  finally: {} = {}", step.name, step.run).unwrap();
    }
    for name in &build.exports {
        write!(text, "\n  exports: {name}").unwrap();
    }
    for (name, report) in &build.reports {
        write!(
            text,
            "\n  report: {name} {:?} {:?}",
            report.format, report.files
        )
        .unwrap();
    }
    text
}
