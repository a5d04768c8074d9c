//! Procedures for people: that they say what the builds would do, with values.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::by_hand::{Known, Part, Procedure, by_hand};
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::given::Stores;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::Deployment;
use gatewright_domain::undo::{Standing, Target};
use gatewright_domain::{Digest, EnvironmentName, ReleaseId};
use std::collections::BTreeSet;
use std::path::Path;

fn committed() -> Vec<Definition> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter(|path| path.file_stem().is_some_and(|name| name != "approvers"))
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        gatewright_compiler::read(name, &text, None)
            .unwrap_or_else(|e| panic!("{e}"))
            .definition
    };
    files.iter().map(read).collect()
}

fn named(id: &str) -> Definition {
    committed()
        .into_iter()
        .find(|d| d.id.as_str() == id)
        .unwrap()
}

fn stores() -> Stores {
    Stores {
        registry: "123456789012.dkr.ecr.ap-south-1.amazonaws.com".to_owned(),
        bucket: Some("artifacts".to_owned()),
    }
}

/// What ran in an environment: every artifact of the definition.
fn ran(definition: &Definition, environment: &EnvironmentName) -> Target {
    let artifacts = definition.artifacts.keys().map(|name| ArtifactEvidence {
        name: name.clone(),
        digest: Digest::of_bytes(name.as_bytes()),
        location: format!("artifacts/{}/{name}", definition.id),
        version: None,
    });
    let deployment = Deployment {
        pipeline: definition.id.clone(),
        environment: environment.clone(),
        release: "cp-1".parse().unwrap(),
        title: format!("{}#1", definition.id),
        commit: "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5".parse().unwrap(),
        artifacts: artifacts.collect(),
        restored: None,
        at: gatewright_domain::Timestamp::UNIX_EPOCH,
        number: Some(1),
        fencing: 1,
    };
    Target {
        title: deployment.title.clone(),
        deployment,
        standing: Standing::Good,
        across: Vec::new(),
    }
}

fn procedure(definition: &Definition, environment: &EnvironmentName) -> Procedure {
    let (stores, before) = (stores(), ran(definition, environment));
    let holder: ReleaseId = "cp-2".parse().unwrap();
    let known = Known {
        holder: Some(&holder),
        log: None,
        running: false,
        held: false,
        doubted: true,
        back_to: Some(&before),
        record: true,
        stores: Some(&stores),
    };
    by_hand(definition, environment, &known).unwrap()
}

#[test]
fn production_of_the_gps_service_is_a_script_with_values() {
    let said = procedure(&named("pl-gps-001"), &"production".parse().unwrap());
    insta::assert_snapshot!(said.shell());
}

#[test]
fn without_the_record_it_says_what_it_cannot_know() {
    let definition = named("pl-gps-001");
    let known = Known::default();
    let said = by_hand(&definition, &"production".parse().unwrap(), &known).unwrap();
    insta::assert_snapshot!(said.shell());
}

#[test]
fn a_release_that_goes_on_is_halted_first_and_gives_nothing_back() {
    let holder: ReleaseId = "cp-2".parse().unwrap();
    let known = Known {
        holder: Some(&holder),
        running: true,
        record: true,
        ..Known::default()
    };
    let said = by_hand(&named("pl-gps-001"), &"production".parse().unwrap(), &known).unwrap();
    let look = said.part(Part::Look).unwrap();
    assert_eq!(look.commands[0].run, "gatewright halt cp-2 --reason TEXT");
    assert_eq!(said.part(Part::Afterwards).unwrap().commands, []);
}

#[test]
fn an_environment_that_is_not_there_has_no_procedure() {
    let known = Known::default();
    let unknown = "nowhere".parse().unwrap();
    assert_eq!(by_hand(&named("pl-gps-001"), &unknown, &known), None);
}

/// Variables in capitals that a text reads, and those that it sets. What stands in
/// single quotes is somebody else's language.
fn read_and_set(script: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let (mut read, mut set) = (BTreeSet::new(), BTreeSet::new());
    let commands = script.lines().filter(|line| !line.starts_with("# "));
    for line in commands {
        for (at, _) in line.match_indices('$') {
            let rest = line[at + 1..].trim_start_matches('{');
            let name: String = rest.chars().take_while(|c| is_name(*c)).collect();
            let default = rest[name.len()..].starts_with(":-");
            if name.len() > 1 && !default {
                read.insert(name);
            }
        }
        for (at, _) in line.match_indices('=') {
            let name: String = line[..at]
                .chars()
                .rev()
                .take_while(|c| is_name(*c))
                .collect();
            set.insert(name.chars().rev().collect());
        }
    }
    (read, set)
}

#[test]
fn whatever_a_procedure_reads_it_has_set_in_every_pipeline() {
    let mut any = 0;
    let stores = stores();
    let nothing_ran = Known {
        record: true,
        stores: Some(&stores),
        ..Known::default()
    };
    for definition in committed() {
        let environments = definition.environments.keys();
        let said = environments.flat_map(|environment| {
            let without = |known| by_hand(&definition, environment, known).unwrap();
            [
                (environment, procedure(&definition, environment)),
                (environment, without(&nothing_ran)),
                (environment, without(&Known::default())),
            ]
        });
        for (environment, said) in said {
            let Some(back) = said.part(Part::RollBack) else {
                continue;
            };
            any += 1;
            let (read, set) = read_and_set(&back.shell());
            // The shell's own.
            let missing = read.difference(&set).filter(|name| *name != "PWD");
            let missing: Vec<&String> = missing.collect();
            assert!(
                missing.is_empty(),
                "{}, {environment}: nothing sets {missing:?}\n{}",
                definition.id,
                back.shell()
            );
        }
    }
    assert!(any > 45, "{any}");
}

#[test]
fn the_commands_are_those_of_the_build_that_goes_back() {
    for definition in committed() {
        let Some(rollback) = definition.rollback() else {
            continue;
        };
        for stage in rollback.stages.iter().filter(|s| s.deploy().is_some()) {
            let environment = stage.environment.as_ref().unwrap();
            let said = procedure(&definition, environment);
            let back = said.part(Part::RollBack).unwrap();
            for step in &stage.build().unwrap().steps {
                assert!(
                    back.commands.iter().any(|c| c.run == step.run.trim_end()),
                    "{}, {environment}: {:?} is missing",
                    definition.id,
                    step.name
                );
            }
        }
    }
}

#[test]
fn what_the_definition_has_people_do_stands_there_with_its_values() {
    for id in ["pl-gps-001", "pl-odoo-001", "smart-dairy"] {
        let definition = named(id);
        for (environment, declared) in &definition.environments {
            assert!(!declared.manual.is_empty(), "{id}, {environment}");
            let said = procedure(&definition, environment);
            for section in said.sections.iter().filter(|s| s.part == Part::Manual) {
                let shell = section.shell();
                assert!(!shell.contains("$NAMESPACE"), "{shell}");
                assert!(
                    shell.contains(declared.namespace.as_deref().unwrap()),
                    "{shell}"
                );
            }
        }
    }
}

#[test]
fn what_is_signed_is_verified_by_hand_too_before_it_is_put_there() {
    let said = procedure(&named("ecommerce"), &"production".parse().unwrap());
    let back = said.part(Part::RollBack).unwrap();
    let position = |text: &str| back.commands.iter().position(|c| c.run.contains(text));
    let verified = position("notation verify \"$IMAGE_IMAGE\"").unwrap();
    assert!(Some(verified) < position("stable.image="));
    // In a shell of its own: `exit` in it leaves the person's open.
    assert!(
        back.commands[verified]
            .run
            .starts_with("(\nset -eo pipefail\n")
    );
}
