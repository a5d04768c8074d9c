//! Machines in outline: what the definitions of `tests/definitions/accepted`
//! compile to, state by state, with every way on.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{compile, path_on, read, to_json, transitions_on, walk};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/definitions/accepted")
}

fn definitions() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files
}

/// Each state on a line: its type, what follows, and where its errors go.
fn outline(states: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for (name, state) in states.as_object().unwrap() {
        let text = |key: &str| state[key].as_str().map(str::to_owned);
        write!(out, "{indent}{name}: {}", state["Type"].as_str().unwrap()).unwrap();
        if let Some(seconds) = state["Seconds"].as_u64() {
            write!(out, " {seconds} s").unwrap();
        }
        for choice in state["Choices"].as_array().into_iter().flatten() {
            let (when, next) = (&choice["Condition"], &choice["Next"]);
            write!(
                out,
                ", {} > {}",
                when.as_str().unwrap(),
                next.as_str().unwrap()
            )
            .unwrap();
        }
        if let Some(next) = text("Next").or_else(|| text("Default")) {
            write!(out, " > {next}").unwrap();
        }
        let mut caught: Vec<&str> = state["Catch"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|catch| catch["Next"].as_str())
            .collect();
        caught.dedup();
        if !caught.is_empty() {
            write!(out, ", on error > {}", caught.join(", ")).unwrap();
        }
        out.push('\n');
        if let Some(items) = state["Items"].as_array() {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            writeln!(out, "{indent}  each of {}", items.join(", ")).unwrap();
            outline(&state["ItemProcessor"]["States"], depth + 2, out);
        }
        for branch in state["Branches"].as_array().into_iter().flatten() {
            writeln!(
                out,
                "{indent}  branch from {}",
                branch["StartAt"].as_str().unwrap()
            )
            .unwrap();
            outline(&branch["States"], depth + 2, out);
        }
    }
}

#[test]
fn machines_are_arranged_as_their_definitions_say() {
    let write = std::env::var("GATEWRIGHT_EXPECT").is_ok_and(|v| v == "write");
    let mut wrong = Vec::new();
    for path in definitions() {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let definition = read(&name, &text, None)
            .unwrap_or_else(|d| panic!("{d}"))
            .definition;
        let mut told = String::new();
        let rollback = definition.rollback();
        for definition in std::iter::once(&definition).chain(&rollback) {
            let machine = compile(definition).unwrap_or_else(|e| panic!("{name}: {e}"));
            let json: Value = serde_json::from_str(&to_json(&machine)).unwrap();
            walk::paths(&json).unwrap_or_else(|v| panic!("{name}: {v:?}"));
            writeln!(told, "== {:?} ==", definition.purpose).unwrap();
            outline(&json["States"], 0, &mut told);
            for trigger in &definition.triggers {
                let path = path_on(&machine, Some(&trigger.name));
                let transitions = transitions_on(&machine, Some(&trigger.name));
                writeln!(told, "\n{} ({transitions} transitions):", trigger.name).unwrap();
                writeln!(told, "  {}", path.join(" > ")).unwrap();
            }
        }
        let expected = path.with_extension("machine");
        if write {
            std::fs::write(&expected, &told).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(name);
        }
    }
    assert!(
        wrong.is_empty(),
        "not as expected: {wrong:?}; GATEWRIGHT_EXPECT=write shows what changed"
    );
}
