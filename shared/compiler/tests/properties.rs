//! What must hold for every definition: what validates compiles and walks clean,
//! and nothing that somebody can type makes the reader fall over.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{
    buildspec, compile, happy_path, read, read_directory, to_json, transitions, walk,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const YAML: &str = include_str!("../../../pipelines/pl-gps-001.yaml");
const APPROVERS: &str = include_str!("../../../pipelines/approvers.yaml");

/// Names as people choose them, some that are refused among them.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[A-Z][a-zäöü]{2,10}( [A-Z&][a-z]{0,8}){0,2}",
        1 => Just("Finish".to_owned()),
        1 => Just("Ship: scan".to_owned()),
    ]
}

fn environment() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("staging"), Just("production")]
}

fn build() -> impl Strategy<Value = Value> {
    (
        name(),
        300u32..=7200,
        0u32..=5,
        any::<bool>(),
        proptest::option::of(environment()),
    )
        .prop_map(|(name, timeout, retries, produces, environment)| {
            let mut stage = json!({
                "name": name,
                "timeout": format!("{}s", timeout / 60 * 60),
                "retries": retries,
                "steps": ["make", { "name": "it's", "run": "a\nb" }],
            });
            if produces {
                stage["produces"] = "image".into();
                stage["gates"] =
                    json!(["steps", { "scan": { "artifact": "image", "none-of": ["CRITICAL"] } }]);
            }
            if let Some(environment) = environment {
                stage["environment"] = environment.into();
            }
            stage
        })
}

fn deploy() -> impl Strategy<Value = Value> {
    (name(), environment()).prop_map(|(name, environment)| {
        json!({ "name": name, "deploy": { "artifact": "image", "environment": environment }, "steps": ["ship"] })
    })
}

fn approval() -> impl Strategy<Value = Value> {
    (name(), environment(), 1u32..=2, 1u32..=6).prop_map(|(name, environment, count, days)| {
        json!({
            "name": name,
            "environment": environment,
            "approval": {
                "quorum": [{ "group": "project-lead", "count": count }, { "group": "devops-lead" }],
                "expires": format!("{days}d"),
            },
        })
    })
}

fn definition() -> impl Strategy<Value = Value> {
    let stage = prop_oneof![3 => build(), 1 => deploy(), 1 => approval()];
    let first = build().prop_map(|mut stage| {
        stage["produces"] = "image".into();
        stage.as_object_mut().unwrap().remove("environment");
        stage
    });
    (
        first,
        approval(),
        proptest::collection::vec(stage, 0..5),
        any::<bool>(),
        5u32..60,
    )
        .prop_map(|(first, second, rest, protected, days)| {
            let stages: Vec<Value> = [first, second].into_iter().chain(rest).collect();
            json!({
                "language": 1,
                "id": "shop",
                "name": "Shop",
                "region": "eu-central-1",
                "source": { "repository": "https://github.com/example/shop" },
                "on": { "manual": true },
                "artifacts": { "image": { "type": "image", "repository": "shop" } },
                "environments": {
                    "staging": { "cluster": "one", "namespace": "s" },
                    "production": { "cluster": "two", "namespace": "p", "protected": protected },
                },
                "stages": stages,
                "budget": format!("{days}d"),
            })
        })
}

/// Whether `text` is accepted; everything that is must compile and walk clean.
fn holds(text: &str) -> bool {
    let directory = read_directory("approvers.yaml", APPROVERS).unwrap();
    let Ok(read) = read("shop.yaml", text, Some(&directory)) else {
        return false;
    };
    let machine = compile(&read.definition).unwrap();
    let json: Value = serde_json::from_str(&to_json(&machine)).unwrap();
    let paths = walk::paths(&json).unwrap_or_else(|v| panic!("{v:?}\n{text}"));
    let happy = happy_path(&machine);
    assert!(paths.iter().any(|p| p.states() == happy), "{happy:?}");
    assert_eq!(transitions(&machine), happy.len() + 1);
    for stage in &read.definition.stages {
        assert!(happy.contains(&stage.name.to_string()));
        assert!(buildspec(&read.definition, stage)["version"].is_number());
    }
    true
}

proptest! {
    #[test]
    fn what_validates_compiles_and_walks_clean(definition in definition()) {
        holds(&definition.to_string());
    }

    #[test]
    fn no_edit_of_a_definition_makes_the_reader_fall_over(
        line in 0usize..180,
        column in 0usize..60,
        edit in prop_oneof![
            "\\PC{0,4}",
            Just("\n".to_owned()),
            Just("\t".to_owned()),
            Just(": ".to_owned()),
            Just("- ".to_owned()),
            Just("{".to_owned()),
            Just("*x".to_owned()),
        ],
        delete in any::<bool>(),
    ) {
        let lines = YAML.lines().enumerate().map(|(at, text)| {
            let cut = text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
            match (at == line, delete) {
                (true, true) => edit.clone(),
                (true, false) => format!("{}{edit}{}", &text[..cut], &text[cut..]),
                (false, _) => text.to_owned(),
            }
        });
        let text: Vec<String> = lines.collect();
        holds(&text.join("\n"));
    }

    #[test]
    fn no_text_at_all_makes_the_reader_fall_over(text in "[a-z:\\-\\{\\}\\[\\]&*!|>'\"%@#\\n\\t ü1.]{0,60}") {
        let _ = read("x.yaml", &text, None).map_err(|d| d.to_string());
        let _ = read_directory("x.yaml", &text).map_err(|d| d.to_string());
    }
}

#[test]
fn the_generated_definitions_are_not_all_refused() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..200)
        .filter(|_| {
            holds(
                &definition()
                    .new_tree(&mut runner)
                    .unwrap()
                    .current()
                    .to_string(),
            )
        })
        .count();
    assert!(accepted >= 40, "only {accepted} of 200");
}
