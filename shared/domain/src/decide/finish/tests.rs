use super::*;
use crate::pipeline::{Migration, Stage};
use StageStatus::{Failed, Passed, Running};

/// A record in production; `index` 1 deploys, 2 undoes that, others build.
fn record(index: usize, status: StageStatus, ran: bool) -> StageRecord {
    let build = serde_json::json!({
        "project": "p", "image": "i", "compute": "c", "timeout": 60, "retries": 0,
        "runtimes": {}, "install": [], "steps": [], "env": {}, "reports": {},
        "produces": null,
    });
    let mut work = match index {
        1 | 2 => serde_json::json!({ "kind": "deploy", "artifacts": ["a"], "build": build }),
        _ => build,
    };
    match index {
        1 => {}
        2 => work["effect"] = "undo".into(),
        _ => work["kind"] = "build".into(),
    }
    let stage: Stage = serde_json::from_value(serde_json::json!({
        "name": format!("stage {index}"), "description": "", "environment": "production",
        "work": work, "gates": [],
    }))
    .unwrap();
    let release = "first".parse().unwrap();
    StageRecord {
        status,
        build: ran.then(|| "p:1".to_owned()),
        failure: (status == Failed).then(|| (ErrorName::AccessDenied, "denied".to_owned())),
        ..StageRecord::begins(&release, index, &stage, 1, crate::Timestamp::UNIX_EPOCH)
    }
}

fn migration(kind: Migration, status: StageStatus, ran: bool) -> StageRecord {
    StageRecord {
        migration: Some(kind),
        ..record(0, status, ran)
    }
}

fn ends(records: &[StageRecord]) -> (Status, String) {
    let caught = Failure {
        stage: None,
        error: "States.Timeout".to_owned(),
        cause: String::new(),
    };
    let ending = ending(records, &[], Some(caught));
    assert_eq!(ending.dirty, left_in(&last_attempts(records), &[]));
    (ending.status, ending.failure.unwrap().cause)
}

#[test]
fn a_migration_that_may_have_run_and_has_not_passed_leaves_a_doubt() {
    use Migration::{ForwardOnly, Reversible};
    for (kind, status, ran, expected) in [
        (ForwardOnly, Failed, true, Status::FailedDirty),
        (Reversible, Failed, true, Status::FailedDirty),
        (ForwardOnly, Running, false, Status::FailedDirty),
        (ForwardOnly, Failed, false, Status::FailedClean),
        (ForwardOnly, Passed, true, Status::FailedClean),
    ] {
        let (status, cause) = ends(&[migration(kind, status, ran)]);
        assert_eq!(status, expected, "{kind} {cause}");
        let told = cause.contains("how far production was migrated");
        assert_eq!(told, expected == Status::FailedDirty, "{cause}");
    }
}

#[test]
fn a_way_back_ends_the_doubt_of_a_reversible_migration_only() {
    let after = |kind| {
        let undone = [record(1, Passed, true), record(2, Passed, true)];
        let mut all = vec![migration(kind, Failed, true)];
        all.extend(undone);
        ends(&all).0
    };
    assert_eq!(after(Migration::Reversible), Status::FailedClean);
    assert_eq!(after(Migration::ForwardOnly), Status::FailedDirty);
}

#[test]
fn a_way_back_ends_no_doubt_about_a_build_that_nobody_can_find() {
    let back = record(2, Passed, true);
    let after = |deploy| ends(&[deploy, back.clone()]).0;
    assert_eq!(after(record(1, Failed, true)), Status::FailedClean);
    assert_eq!(after(record(1, Running, false)), Status::FailedDirty);
}

#[test]
fn a_build_that_was_stopped_with_its_execution_is_not_why_it_ended() {
    let build = StageRecord {
        failure: Some((ErrorName::BuildStopped, "the build was stopped".to_owned())),
        ..record(1, Failed, true)
    };
    let why = |stage: Option<&str>, error: &str, cause: &str| {
        let caught = Failure {
            stage: stage.map(|name| name.parse().unwrap()),
            error: error.to_owned(),
            cause: cause.to_owned(),
        };
        let ended = ending(std::slice::from_ref(&build), &[], Some(caught));
        assert_eq!(ended.status, Status::FailedDirty);
        ended.failure.unwrap()
    };
    let cause = "the execution was stopped from outside";
    let outside = why(None, "Stopped", cause);
    assert_eq!(outside.error, "Stopped");
    assert!(outside.cause.starts_with(cause), "{outside:?}");
    assert_eq!(outside.stage.unwrap().as_str(), "stage 1");
    let in_codebuild = why(Some("stage 1"), "BuildStopped", "the build was stopped");
    assert_eq!(in_codebuild.error, "BuildStopped");
}

#[test]
fn a_second_attempt_that_was_refused_says_nothing_of_the_first() {
    let again = StageRecord {
        attempt: 2,
        ..record(1, Failed, false)
    };
    assert_eq!(ends(&[record(1, Failed, false)]).0, Status::FailedClean);
    assert_eq!(ends(&[again]).0, Status::FailedDirty);
}
