//! The walk catches what must never be in a machine: each kind of violation, put
//! into a good machine by hand.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::walk::{Outcome, paths};
use serde_json::{Value, json};

const MACHINE: &str = include_str!("../../../statemachines/pl-gps-001.asl.json");

fn machine() -> Value {
    serde_json::from_str(MACHINE).unwrap()
}

/// The violations after `change`, one a line.
fn check(change: impl FnOnce(&mut Value), expect: &[&str]) {
    let mut machine = machine();
    change(&mut machine);
    let violations = paths(&machine).unwrap_err();
    let said: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(said, expect);
}

#[test]
fn a_task_that_ends_the_execution_is_no_end() {
    check(
        |m| {
            let task = m["States"]["Unit Test & Coverage"].as_object_mut().unwrap();
            task.remove("Next");
            task.insert("End".to_owned(), true.into());
            let states = m["States"].as_object_mut().unwrap();
            let keep = [
                "Admit",
                "Static Analysis & Code Quality",
                "Unit Test & Coverage",
                "Finish",
                "How it ended",
                "succeeded",
                "failed-clean",
                "failed-dirty",
            ];
            states.retain(|name, _| keep.contains(&name.as_str()));
        },
        &["a path ends in \"Unit Test & Coverage\", which is neither Succeed nor Fail"],
    );
}

#[test]
fn an_end_without_finish_is_caught() {
    check(
        |m| m["States"]["Admit"]["Catch"][2]["Next"] = "failed-clean".into(),
        &["a path ends without Finish: Admit > failed-clean"],
    );
}

#[test]
fn a_task_without_a_literal_time_limit_is_caught() {
    let limit = |value: Value| {
        check(
            |m| m["States"]["Production Approval"]["TimeoutSeconds"] = value,
            &["\"Production Approval\" has no TimeoutSeconds in literal seconds"],
        );
    };
    limit(Value::Null);
    limit(0.into());
    limit("{% 60 %}".into());
}

#[test]
fn a_catch_that_does_not_end_with_everything_is_caught() {
    let expect = &["\"Integration Test\" does not catch States.ALL, alone and last"];
    check(
        |m| m["States"]["Integration Test"]["Catch"] = json!([]),
        expect,
    );
    check(
        |m| {
            drop(
                m["States"]["Integration Test"]["Catch"]
                    .as_array_mut()
                    .unwrap()
                    .pop(),
            )
        },
        expect,
    );
    check(
        |m| {
            m["States"]["Integration Test"]["Catch"]
                .as_array_mut()
                .unwrap()
                .reverse()
        },
        expect,
    );
}

#[test]
fn a_name_that_leads_nowhere_is_caught() {
    check(
        |m| m["States"]["How it ended"]["Choices"][1]["Next"] = "failed".into(),
        &[
            "\"How it ended\" leads to \"failed\", which is not there",
            "no path reaches \"failed-clean\"",
        ],
    );
    check(
        |m| {
            m["StartAt"] = "Begin".into();
            let states = m["States"].as_object_mut().unwrap();
            states.retain(|name, _| name == "Finish");
        },
        &[
            "\"StartAt\" leads to \"Begin\", which is not there",
            "no path reaches \"Finish\"",
        ],
    );
}

#[test]
fn a_state_that_nothing_leads_to_is_caught() {
    check(
        |m| m["States"]["Deploy to Staging: clear to deploy"]["Next"] = "Integration Test".into(),
        &["no path reaches \"Deploy to Staging\""],
    );
}

#[test]
fn a_path_that_comes_back_is_caught() {
    check(
        |m| m["States"]["Unit Test & Coverage"]["Next"] = "Static Analysis & Code Quality".into(),
        &[
            "a path comes back: Admit > Static Analysis & Code Quality > Unit Test & Coverage > Static Analysis & Code Quality",
        ],
    );
}

#[test]
fn an_error_name_that_nobody_raises_is_caught() {
    check(
        |m| m["States"]["Admit"]["Catch"][0]["ErrorEquals"][0] = "BadImput".into(),
        &["\"Admit\" catches \"BadImput\", which nobody raises"],
    );
}

#[test]
fn a_choice_without_default_is_caught() {
    check(
        |m| {
            drop(
                m["States"]["How it ended"]
                    .as_object_mut()
                    .unwrap()
                    .remove("Default"),
            )
        },
        &["\"How it ended\" has no Default"],
    );
}

#[test]
fn what_is_no_state_machine_is_said_to_be_none() {
    check(
        |m| *m = json!([]),
        &["not a state machine: it has no States"],
    );
    check(
        |m| m["States"]["Admit"]["Type"] = "Teleport".into(),
        &["not a state machine: \"Admit\" is a Teleport, which no machine of ours has"],
    );
    check(
        |m| m["States"]["Admit"]["Catch"] = json!({}),
        &["not a state machine: \"Admit\": Catch is not a list of objects"],
    );
}

#[test]
fn outcomes_that_lead_to_the_same_state_are_one_path() {
    let paths = paths(&machine()).unwrap();
    let refused = paths
        .iter()
        .find(|p| p.states() == ["Admit", "Finish", "How it ended", "failed-clean"])
        .unwrap();
    assert!(
        refused.steps[0]
            .on
            .contains(&Outcome::Error("NotTriggered".to_owned()))
    );
    assert!(
        refused.steps[0]
            .on
            .contains(&Outcome::Error("States.Timeout".to_owned()))
    );
    assert!(
        refused.steps[0]
            .on
            .contains(&Outcome::Error("Runtime.ExitError".to_owned()))
    );
    assert_eq!(refused.steps[2].on, [Outcome::Branch(Some(1))]);
}
