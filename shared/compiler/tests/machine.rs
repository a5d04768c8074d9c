//! The machine that is committed, and what compiling refuses.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{
    CompileError, compile, happy_path, read, read_directory, to_json, transitions, walk,
};
use gatewright_domain::pipeline::{Definition, Work};
use serde_json::Value;
use std::collections::BTreeSet;

const YAML: &str = include_str!("../../../pipelines/pl-gps-001.yaml");
const APPROVERS: &str = include_str!("../../../pipelines/approvers.yaml");
const MACHINE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../statemachines/pl-gps-001.asl.json"
);

fn definition() -> Definition {
    let directory = read_directory("approvers.yaml", APPROVERS).unwrap();
    let read = read("pl-gps-001.yaml", YAML, Some(&directory)).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(read.warnings.to_string(), "");
    read.definition
}

#[test]
fn the_committed_machine_is_what_the_definition_compiles_to() {
    let compiled = to_json(&compile(&definition()).unwrap());
    if std::env::var("GATEWRIGHT_EXPECT").is_ok_and(|v| v == "write") {
        std::fs::write(MACHINE, &compiled).unwrap();
    }
    let committed = std::fs::read_to_string(MACHINE).unwrap_or_default();
    assert!(
        compiled == committed,
        "statemachines/pl-gps-001.asl.json is out of date: run gatewright compile"
    );
}

#[test]
fn a_stage_is_a_state_under_its_own_name_and_in_its_own_place() {
    let machine = compile(&definition()).unwrap();
    insta::assert_snapshot!(happy_path(&machine).join("\n"), @r#"
Admit
Static Analysis & Code Quality
Unit Test & Coverage
Package & Scan Artifact
Package & Scan Artifact: scan
Deploy to Staging: clear to deploy
Deploy to Staging
Integration Test
Production Approval
Deploy to Production: clear to deploy
Deploy to Production
Finish
How it ended
succeeded
"#);
    assert_eq!(transitions(&machine), 15);
}

#[test]
fn every_path_ends_through_finish_in_one_of_three_states() {
    let json = serde_json::from_str(&to_json(&compile(&definition()).unwrap())).unwrap();
    let paths = walk::paths(&json).unwrap();
    let ends: BTreeSet<&str> = paths.iter().map(walk::Path::end).collect();
    assert_eq!(
        ends.into_iter().collect::<Vec<_>>(),
        ["failed-clean", "failed-dirty", "succeeded"]
    );
    // Each of eleven tasks can lead to Finish, which has three ends and a failure
    // of its own.
    assert_eq!(paths.len(), 11 * 4);
}

#[test]
fn the_same_definition_compiles_to_the_same_text() {
    let once = to_json(&compile(&definition()).unwrap());
    assert_eq!(once, to_json(&compile(&definition()).unwrap()));
    assert!(once.ends_with("}\n"));
}

#[test]
fn one_slow_call_ends_no_release() {
    let machine: Value = serde_json::from_str(&to_json(&compile(&definition()).unwrap())).unwrap();
    let states = machine["States"].as_object().unwrap();
    let tasks = states.iter().filter(|(_, state)| state["Type"] == "Task");
    for (name, task) in tasks {
        let retried: BTreeSet<&str> = task["Retry"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|retry| retry["ErrorEquals"].as_array().unwrap())
            .map(|error| error.as_str().unwrap())
            .collect();
        for death in ["Sandbox.Timedout", "Lambda.Unknown", "Runtime.ExitError"] {
            assert!(retried.contains(death), "{name}: {retried:?}");
        }
        // A state that waits is not asked again when its time is over.
        assert_eq!(
            retried.contains("States.Timeout"),
            name == "Admit",
            "{name}"
        );
    }
}

#[test]
fn states_read_as_the_functions_expect_them() {
    let machine = compile(&definition()).unwrap();
    let json: Value = serde_json::from_str(&to_json(&machine)).unwrap();
    let check = |state: &str, pointer: &str, expect: Value| {
        assert_eq!(
            json["States"][state].pointer(pointer),
            Some(&expect),
            "{state} {pointer}"
        );
    };
    let package = "Package & Scan Artifact";
    check(
        "Admit",
        "/Arguments/Payload/input",
        "{% $states.input %}".into(),
    );
    check("Admit", "/Assign/failure", Value::Null);
    check(package, "/Arguments/FunctionName", "${StartBuild}".into());
    check(package, "/TimeoutSeconds", (20 * 60 + 900).into());
    check(package, "/Retry/3/ErrorEquals/0", "BuildFault".into());
    check(package, "/Retry/3/MaxAttempts", 1.into());
    check(package, "/Next", "Package & Scan Artifact: scan".into());
    check(
        "Package & Scan Artifact: scan",
        "/Arguments/Payload/stage",
        package.into(),
    );
    check(
        "Package & Scan Artifact: scan",
        "/TimeoutSeconds",
        3900.into(),
    );
    check(
        "Deploy to Staging: clear to deploy",
        "/TimeoutSeconds",
        86_700.into(),
    );
    check(
        "Deploy to Staging: clear to deploy",
        "/Next",
        "Deploy to Staging".into(),
    );
    check(
        "Production Approval",
        "/TimeoutSeconds",
        (3 * 86_400 + 300).into(),
    );
    check(
        "Production Approval",
        "/Catch/0/Assign/failure/stage",
        "Production Approval".into(),
    );
    check("Finish", "/Catch/2/Next", "failed-dirty".into());
    check("How it ended", "/Default", "failed-dirty".into());
}

fn check_refused(change: impl FnOnce(&mut Definition), expect: &str) {
    let mut definition = definition();
    change(&mut definition);
    let error: CompileError = compile(&definition).unwrap_err();
    assert_eq!(error.to_string(), expect);
}

#[test]
fn a_definition_from_elsewhere_is_refused_with_its_numbers() {
    check_refused(|d| d.stages.clear(), "the definition has no stages");
    check_refused(
        |d| d.stages[0].name = "Finish".parse().unwrap(),
        "two states would have the name \"Finish\"; rename the stage",
    );
    check_refused(
        |d| d.stages[0].name = "${Finish}".parse().unwrap(),
        "\"${Finish}\" contains \"${\", which would be evaluated in a state machine",
    );
    check_refused(
        |d| d.stages.retain(|s| !matches!(s.work, Work::Approval(_))),
        "stage \"Deploy to Production\" works in \"production\", which is protected, and no approval for it comes before",
    );
    check_refused(
        |d| d.environments.clear(),
        "stage \"Deploy to Staging\" works in \"staging\", which the definition does not declare",
    );
    check_refused(
        |d| d.budget.0 = 3_600,
        "the budget of 3600 s is not more than the 459240 s that the stages may take together",
    );
}

#[test]
fn a_machine_that_step_functions_would_not_take_is_refused_with_its_size() {
    let mut definition = definition();
    let stage = definition.stages[0].clone();
    definition.budget.0 = 31_536_000;
    definition.stages = (0..400)
        .map(|n| {
            let mut stage = stage.clone();
            stage.name = format!("Stage {n}").parse().unwrap();
            stage
        })
        .collect();
    let refused = compile(&definition).unwrap_err();
    assert!(
        matches!(refused, CompileError::TooLarge { bytes } if bytes > 1_048_576),
        "{refused}"
    );
    definition.stages.truncate(300);
    assert!(compile(&definition).is_ok());
}
