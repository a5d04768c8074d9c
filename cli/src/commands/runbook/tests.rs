use super::found::Held;
use super::tell::told;
use super::*;
use crate::commands::example::{Example, plain, push, stores};
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::lock::Doubt;
use gatewright_domain::release::{Deployment, Status};
use gatewright_domain::undo::{Standing, Target};
use gatewright_domain::{Digest, Timestamp};

fn production() -> EnvironmentName {
    "production".parse().unwrap()
}

async fn said(example: &Example, to: Option<&str>) -> String {
    said_of(example, &production(), to).await
}

async fn said_of(example: &Example, environment: &EnvironmentName, to: Option<&str>) -> String {
    let pipeline = "pl-gps-001".parse().unwrap();
    let to = to.map(|to| to.parse().unwrap());
    let found = found(&example.store, &pipeline, environment, to.as_ref())
        .await
        .unwrap();
    let definition = found.definition.clone().unwrap();
    let procedure = procedure(&definition, environment, &found, Some(&stores())).unwrap();
    told(&definition, environment, &found, &procedure, example.now())
}

#[tokio::test]
async fn an_environment_that_is_held_in_doubt_has_a_procedure_with_values() {
    let example = Example::dirty_production().await;
    insta::assert_snapshot!(said(&example, None).await);
}

#[tokio::test]
async fn what_it_goes_back_to_can_be_named_and_must_have_run_there() {
    let example = Example::dirty_production().await;
    assert!(
        said(&example, Some("cp-1"))
            .await
            .contains("to the version of pl-gps-001#1")
    );
    let pipeline = "pl-gps-001".parse().unwrap();
    let unknown = "cp-2".parse().unwrap();
    let failed = found(&example.store, &pipeline, &production(), Some(&unknown)).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.code, Code::NotFound);
    assert_eq!(failed.what, "cp-2 never ran in production");
}

#[tokio::test]
async fn what_stands_in_the_way_of_going_back_is_said() {
    let example = Example::two_on_staging().await;
    let staging: EnvironmentName = "staging".parse().unwrap();
    let told = said_of(&example, &staging, None).await;
    let across = "# Careful: since then pl-gps-001#2 migrated the data forward only, or may have";
    assert!(told.contains("# This goes back to pl-gps-001#1"), "{told}");
    assert!(told.contains(across), "{told}");
    // Somebody took the older one back: it is not what to go to unless it is named.
    example.first_is_taken_back().await;
    let told = said_of(&example, &staging, None).await;
    assert!(!told.contains("This goes back to"), "{told}");
    let told = said_of(&example, &staging, Some("cp-1")).await;
    let back = "# Careful: it was taken back: it lost positions";
    assert!(told.contains(back), "{told}");
}

#[tokio::test]
async fn without_a_doubt_nothing_is_held_and_nothing_is_given_back() {
    let example = Example::waiting_for_approval().await;
    let said = said(&example, None).await;
    assert!(said.contains("# No release changes production or left it in doubt."));
    assert!(said.contains("# Nothing is on record that runs in production."));
    assert!(
        said.contains("The record knows nothing good that ran in production before"),
        "{said}"
    );
    assert!(!said.contains("\ngatewright unhold"), "{said}");
}

#[test]
fn an_environment_that_is_not_there_is_said_with_the_nearest() {
    let found = Found::default();
    let wanted = "prodution".parse().unwrap();
    let failed = procedure(&gatewright_fakes::definition(), &wanted, &found, None).unwrap_err();
    assert_eq!(failed.code, Code::NotFound);
    assert_eq!(
        failed.what,
        "pl-gps-001 has no environment prodution; did you mean \"production\"?"
    );
    assert_eq!(failed.help.as_deref(), Some("it has: staging, production"));
}

#[test]
fn a_line_is_painted_by_what_it_is_and_reads_the_same() {
    for line in ["# 1. Look", "# a note", "kubectl get pods", ""] {
        assert_eq!(plain(&tell::painted(line)), line);
    }
}

/// The release that a page of the runbook is about, and what ran before it.
fn example_of(definition: &Definition, environment: &EnvironmentName) -> Found {
    let digest = |name: &str| Digest::of_bytes(format!("{}/{name}", definition.id).as_bytes());
    let artifacts = definition.artifacts.keys().map(|name| ArtifactEvidence {
        name: name.clone(),
        digest: digest(name),
        location: format!("artifacts/{}/{name}", definition.id),
        version: None,
    });
    let before = Deployment {
        pipeline: definition.id.clone(),
        environment: environment.clone(),
        release: "cp-1b2e".parse().unwrap(),
        title: format!("{}#141", definition.id),
        commit: push().commit,
        artifacts: artifacts.collect(),
        restored: None,
        at: Timestamp::UNIX_EPOCH,
        number: Some(141),
        fencing: 141,
    };
    Found {
        record: true,
        held: Some(Held {
            release: "cp-7f0c".parse().unwrap(),
            title: format!("{}#142", definition.id),
            status: Status::FailedDirty,
            since: None,
            why: Vec::new(),
            log: None,
        }),
        doubts: vec![Doubt {
            release: "cp-7f0c".parse().unwrap(),
            reason: "nobody knows what it runs".to_owned(),
            since: Timestamp::UNIX_EPOCH,
        }],
        back_to: Some(Target {
            title: before.title.clone(),
            deployment: before,
            standing: Standing::Good,
            across: Vec::new(),
        }),
        ..Found::default()
    }
}

/// The procedures of docs/runbook.md: what the command prints, for an example's
/// release.
fn procedures() -> String {
    let mut text = String::new();
    for id in ["pl-gps-001", "pl-odoo-001", "smart-dairy"] {
        let path = root().join(format!("pipelines/{id}.yaml"));
        let yaml = std::fs::read_to_string(&path).unwrap();
        let read = gatewright_compiler::read(id, &yaml, None);
        let definition = read.unwrap_or_else(|e| panic!("{e}")).definition;
        let found = example_of(&definition, &production());
        let procedure = procedure(&definition, &production(), &found, Some(&stores())).unwrap();
        text.push_str(&format!(
            "### {id}, production\n\n`gatewright runbook {id} production`\n\n```sh\n{}```\n\n",
            procedure.shell()
        ));
    }
    text
}

fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_runbooks_procedures_are_what_the_command_prints() {
    const BEGIN: &str = "<!-- procedures: generated by cli/src/commands/runbook/tests.rs -->\n\n";
    const END: &str = "<!-- /procedures -->";
    let path = root().join("docs/runbook.md");
    let there = std::fs::read_to_string(&path).unwrap();
    let begin = there.find(BEGIN).unwrap() + BEGIN.len();
    let end = there.find(END).unwrap();
    let wanted = format!("{}{}{}", &there[..begin], procedures(), &there[end..]);
    if std::env::var("GATEWRIGHT_EXPECT").is_ok_and(|v| v == "write") {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        there == wanted,
        "docs/runbook.md is out of date: GATEWRIGHT_EXPECT=write cargo test -p gatewright runbook writes it"
    );
}
