//! What must hold for every definition: what validates compiles and walks clean,
//! and nothing that somebody can type makes the reader fall over.
//!
//! `GATEWRIGHT_CASES` says how many definitions are generated.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod generated;

use gatewright_compiler::{buildspec, compile, read, read_directory, to_json, walk};
use gatewright_domain::pipeline::{Definition, Effect, Trigger, Work};
use generated::Tape;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

const YAML: &str = include_str!("../../../pipelines/pl-gps-001.yaml");
const APPROVERS: &str = "people:
  - { id: priya, name: Priya Raman, email: priya@example.com }
  - { id: devan, name: Devan Okafor, email: devan@example.com }
  - { id: lena, name: Lena Fischer, email: lena@example.com }
  - { id: ina, name: Ina Lee, email: ina@example.com }
groups:
  - { name: project-lead, members: [priya, lena] }
  - { name: devops-lead, members: [devan, lena] }
";

/// How many definitions are generated: enough for a change, or what the
/// environment says.
fn cases() -> u32 {
    let said = std::env::var("GATEWRIGHT_CASES").ok();
    said.and_then(|n| n.parse().ok()).unwrap_or(64)
}

/// The definition in `text`, or the first error's message.
fn accepted(text: &str) -> Result<Definition, String> {
    let directory = read_directory("approvers.yaml", APPROVERS).unwrap();
    match read("shop.yaml", text, Some(&directory)) {
        Ok(read) => Ok(read.definition),
        Err(said) => {
            let errors = said.0.iter();
            let mut errors = errors.filter(|d| d.level == gatewright_compiler::Level::Error);
            Err(errors.next().unwrap().message.clone())
        }
    }
}

/// Everything that is accepted must compile and walk clean.
fn holds(definition: &Definition) {
    consistent(definition);
    let machine = compile(definition).unwrap();
    let text = to_json(&machine);
    assert!(text.len() <= 1024 * 1024, "{}", text.len());
    let json: Value = serde_json::from_str(&text).unwrap();
    names_fit(&json);
    walk::paths(&json).unwrap_or_else(|v| panic!("{v:?}"));
    for stage in definition.stages.iter().filter(|s| s.build().is_some()) {
        assert!(buildspec(definition, stage)["version"].is_number());
    }
    let again = serde_json::to_string(definition).unwrap();
    assert_eq!(
        &serde_json::from_str::<Definition>(&again).unwrap(),
        definition
    );
    definition.version().unwrap();
    if let Some(back) = definition.rollback() {
        assert!(back.stages.iter().all(|s| s.on_failure.is_none()));
    }
}

/// A state's name has at most 80 characters, at any depth.
fn names_fit(value: &Value) {
    if let Some(states) = value.get("States").and_then(Value::as_object) {
        for name in states.keys() {
            assert!(name.chars().count() <= 80, "{name}");
        }
    }
    match value {
        Value::Object(map) => map.values().for_each(names_fit),
        Value::Array(items) => items.iter().for_each(names_fit),
        _ => {}
    }
}

/// What the rest of Gatewright takes for granted.
fn consistent(definition: &Definition) {
    let names: BTreeSet<_> = definition.stages.iter().map(|s| &s.name).collect();
    assert_eq!(names.len(), definition.stages.len());
    let undoing = definition.stages.iter().position(|s| s.undoes());
    let undoing = undoing.unwrap_or(definition.stages.len());
    for (index, stage) in definition.stages.iter().enumerate() {
        assert_eq!(stage.undoes(), index >= undoing, "{}", stage.name);
        if let Some(undo) = &stage.on_failure {
            let (at, undo) = definition.stage(undo).unwrap();
            assert!(at >= undoing && undo.environment == stage.environment);
        }
    }
    for group in &definition.groups {
        let at: Vec<usize> = group
            .stages
            .iter()
            .map(|s| definition.stage(s).unwrap().0)
            .collect();
        assert!(at.windows(2).all(|pair| pair[1] == pair[0] + 1), "{at:?}");
        for index in at {
            assert!(matches!(definition.stages[index].work, Work::Build(_)));
        }
    }
    let triggers: BTreeSet<&str> = definition
        .triggers
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    assert_eq!(triggers.len(), definition.triggers.len());
    for trigger in &definition.triggers {
        route(definition, trigger);
    }
}

/// A release on the route finds what it deploys, and asks before it touches what
/// is protected.
fn route(definition: &Definition, trigger: &Trigger) {
    let at: Vec<usize> = trigger
        .stages
        .iter()
        .map(|s| definition.stage(s).unwrap().0)
        .collect();
    assert!(at.is_sorted() && !at.is_empty(), "{}", trigger.name);
    let mut built = BTreeSet::new();
    let mut completed: BTreeMap<_, bool> = BTreeMap::new();
    for (index, stage) in definition.path(Some(trigger)) {
        assert!(at.contains(&index) && !stage.undoes());
        if let Some(environment) = stage.works_in()
            && definition.environments[environment].protected
        {
            let guard = definition.approval_before(Some(trigger), index);
            assert!(guard.is_some(), "{}", stage.name);
        }
        if let Some(deploy) = stage.deploy() {
            for artifact in &deploy.artifacts {
                let from = definition.artifacts[artifact].from.is_some();
                assert!(from || built.contains(artifact), "{artifact}");
            }
            let of = stage.of.as_ref().unwrap_or(&stage.name);
            let complete = completed.entry(of).or_default();
            *complete |= deploy.effect == Effect::Complete;
        }
        if let Some(produced) = stage.build().and_then(|b| b.produces.clone()) {
            built.insert(produced);
        }
    }
    for (deploy, complete) in completed {
        assert!(complete, "{deploy} never gets all traffic");
    }
}

#[test]
fn what_validates_compiles_and_walks_clean() {
    let (valid, made) = (Cell::new(0_u32), Cell::new(0_u32));
    let (features, refusals) = (RefCell::new(BTreeMap::new()), RefCell::new(BTreeMap::new()));
    let config = ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    let parsed = serde_json::from_str(&gatewright_compiler::schema()).unwrap();
    compiler.add_resource("schema.json", parsed).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    let tapes = proptest::collection::vec(any::<u8>(), 0..300);
    let ran = TestRunner::new(config).run(&tapes, |tape| {
        let text = generated::definition(&mut Tape::new(tape));
        made.set(made.get() + 1);
        match accepted(&text) {
            Ok(definition) => {
                valid.set(valid.get() + 1);
                count(&definition, &mut features.borrow_mut());
                let value: Value = serde_saphyr::from_str(&text).unwrap();
                let fits = schemas.validate(&value, index).map_err(|e| e.to_string());
                prop_assert!(fits.is_ok(), "the schema refuses: {fits:?}\n{text}");
                let ran = std::panic::catch_unwind(|| holds(&definition));
                prop_assert!(ran.is_ok(), "this does not hold:\n{text}");
            }
            Err(why) => *refusals.borrow_mut().entry(kind_of(&why)).or_insert(0_u32) += 1,
        }
        Ok(())
    });
    if let Err(TestError::Fail(why, tape)) = &ran {
        panic!(
            "{why}\n{}",
            generated::definition(&mut Tape::new(tape.clone()))
        );
    }
    ran.unwrap();
    println!("{} of {} definitions are valid", valid.get(), made.get());
    for (what, times) in features.borrow().iter() {
        println!("{times:6} with {what}");
    }
    for (why, times) in refusals.borrow().iter() {
        println!("{times:6} refused: {why}");
    }
    assert!(valid.get() * 10 >= made.get() * 7, "too few are valid");
}

/// A refusal's message without the names and numbers that are in it.
fn kind_of(why: &str) -> String {
    let words = why
        .split(' ')
        .filter(|w| !w.contains(|c: char| c.is_ascii_digit()));
    let text = words.collect::<Vec<_>>().join(" ");
    text.split('"').step_by(2).collect::<Vec<_>>().join("…")
}

/// What of the language a valid definition uses.
fn count(definition: &Definition, features: &mut BTreeMap<String, u32>) {
    let mut seen = BTreeSet::new();
    seen.insert(match definition.triggers.len() {
        1 => "one route".to_owned(),
        _ => "several routes".to_owned(),
    });
    for group in &definition.groups {
        seen.insert(format!("a {:?}", group.kind));
    }
    for environment in definition.environments.values() {
        seen.insert(format!("{} deploys", environment.strategy.kind.as_str()));
    }
    for stage in &definition.stages {
        let build = stage.build();
        if stage.undoes() {
            seen.insert("an automatic rollback".to_owned());
        }
        if build.is_some_and(|b| !b.services.is_empty()) {
            seen.insert("services".to_owned());
        }
        if matches!(stage.work, Work::Approval(_)) {
            seen.insert("an approval".to_owned());
        }
    }
    for trigger in &definition.triggers {
        seen.insert(format!("a {} trigger", trigger.event.kind()));
    }
    for what in seen {
        *features.entry(what).or_insert(0) += 1;
    }
}

proptest! {
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
            Just("${{ matrix.x }}".to_owned()),
        ],
        delete in any::<bool>(),
        tape in proptest::collection::vec(any::<u8>(), 0..300),
        of_ours in any::<bool>(),
    ) {
        let text = if of_ours { YAML.to_owned() } else { generated::definition(&mut Tape::new(tape)) };
        let lines = text.lines().enumerate().map(|(at, text)| {
            let cut = text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
            match (at == line, delete) {
                (true, true) => edit.clone(),
                (true, false) => format!("{}{edit}{}", &text[..cut], &text[cut..]),
                (false, _) => text.to_owned(),
            }
        });
        let text: Vec<String> = lines.collect();
        if let Ok(definition) = accepted(&text.join("\n")) {
            holds(&definition);
        }
    }

    #[test]
    fn no_text_at_all_makes_the_reader_fall_over(text in "[a-z:\\-\\{\\}\\[\\]&*!|>'\"%@#\\n\\t ü1.]{0,60}") {
        let _ = read("x.yaml", &text, None).map_err(|d| d.to_string());
        let _ = read_directory("x.yaml", &text).map_err(|d| d.to_string());
    }
}
