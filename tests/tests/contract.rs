//! Names are a contract: what machines catch, what the documents explain and
//! what the functions raise must be the same names.

use gatewright_compiler::{compile, to_json};
use gatewright_domain::ErrorName;
use gatewright_tests::definitions;
use serde_json::Value;
use std::collections::BTreeSet;

fn root(path: &str) -> String {
    let path = gatewright_tests::laptop::root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_error_name_has_its_heading_and_every_heading_its_error_name() {
    let text = root("docs/errors.md");
    let headings: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(str::trim)
        .collect();
    let names: BTreeSet<&str> = ErrorName::ALL.iter().map(|name| name.as_str()).collect();
    assert_eq!(headings.len(), names.len(), "a heading twice");
    assert_eq!(headings.into_iter().collect::<BTreeSet<_>>(), names);
}

#[test]
fn machines_catch_our_names_and_leave_none_out() {
    let mut caught = BTreeSet::new();
    let machines: Vec<Value> = definitions()
        .iter()
        .map(|definition| {
            let machine = compile(definition).unwrap();
            serde_json::from_str(&to_json(&machine)).unwrap()
        })
        .collect();
    let states = |machine: &Value| machine["States"].as_object().unwrap().clone();
    for (state, body) in machines.iter().flat_map(states) {
        for name in body["Catch"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|c| c["ErrorEquals"].as_array().unwrap())
        {
            let name = name.as_str().unwrap();
            assert!(
                name.starts_with("States.") || name.parse::<ErrorName>().is_ok(),
                "{state} catches {name}, which nobody raises"
            );
            caught.insert(name.to_owned());
        }
    }
    for name in ErrorName::ALL {
        assert!(caught.contains(name.as_str()), "no state catches {name}");
    }
}
