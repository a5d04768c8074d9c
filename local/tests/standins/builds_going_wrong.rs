//! CodeBuild: builds that are stopped, time out, hang, or whose events do.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stack::{REPOSITORY, Stack, Wishes, is_running, written};

/// Leaves a grandchild behind and waits.
const SLEEPER: &str =
    "version: 0.2\nphases: {build: {commands: ['bash -c \"sleep 300 & echo \\$! >pid; wait\"']}}\n";
const QUICK: &str = "version: 0.2\nphases: {build: {commands: ['true']}}\n";

async fn sleeper_pid(stack: &Stack, id: &str) -> String {
    let uuid = id.rsplit(':').next().unwrap();
    written(
        stack,
        &stack.data().join("builds").join(uuid).join("src/pid"),
    )
    .await
}

async fn set_faults(stack: &Stack, faults: Value) {
    let answer = stack.post_json("codebuild/_faults", &faults).await;
    assert_eq!(answer.status(), 200);
}

fn statuses(stack: &Stack) -> Vec<String> {
    (stack.sink.events().iter())
        .map(|event| event.detail["build-status"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn stopping_a_build_ends_every_process_it_started() {
    let stack = Stack::start().await;
    let id = stack.start_build(SLEEPER).await;
    let pid = sleeper_pid(&stack, &id).await;
    assert!(is_running(&pid));
    let stopped = stack.codebuild("StopBuild", json!({"id": id})).await;
    assert_eq!(stopped["build"]["buildStatus"], "STOPPED");
    assert!(!is_running(&pid));
    assert_eq!(stack.finished(&id).await["buildStatus"], "STOPPED");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_build_past_its_time_is_timed_out_and_leaves_no_process() {
    let wishes = Wishes {
        build_minute: Some(Duration::from_millis(200)),
        ..Wishes::default()
    };
    let stack = Stack::start_with(wishes).await;
    let id = stack.start_build(SLEEPER).await;
    let pid = sleeper_pid(&stack, &id).await;
    let build = stack.finished(&id).await;
    assert_eq!(build["buildStatus"], "TIMED_OUT");
    let phases = build["phases"].as_array().unwrap();
    let phase = phases
        .iter()
        .find(|phase| phase["phaseType"] == "BUILD")
        .unwrap();
    assert_eq!(phase["phaseStatus"], "TIMED_OUT");
    assert_eq!(phase["contexts"][0]["statusCode"], "BUILD_TIMED_OUT");
    assert!(!is_running(&pid));
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_ends_running_builds_and_says_so() {
    let stack = Stack::start().await;
    let id = stack.start_build(SLEEPER).await;
    let pid = sleeper_pid(&stack, &id).await;
    stack.stand_ins.shutdown().await;
    assert!(!is_running(&pid));
    let last = stack.sink.events().pop().unwrap();
    assert_eq!(last.detail["build-status"], "STOPPED");
}

#[tokio::test]
async fn a_source_that_is_not_there_fails_its_download() {
    let stack = Stack::start().await;
    let request = json!({
        "projectName": "gatewright",
        "sourceLocationOverride": "https://github.com/acme/unknown",
        "buildspecOverride": QUICK,
    });
    let started = stack.codebuild("StartBuild", request).await;
    let build = stack
        .finished(started["build"]["id"].as_str().unwrap())
        .await;
    assert_eq!(build["buildStatus"], "FAILED");
    let phase = &build["phases"][3];
    assert_eq!(
        (&phase["phaseType"], &phase["phaseStatus"]),
        (&json!("DOWNLOAD_SOURCE"), &json!("FAILED"))
    );
    assert!(
        phase["contexts"][0]["message"]
            .as_str()
            .unwrap()
            .contains(REPOSITORY)
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_malformed_report_is_a_failed_report_and_a_line_in_the_log() {
    let stack = Stack::start().await;
    let build = stack
        .run_build("version: 0.2\nphases: {build: {commands: ['echo \"<testsuite>\" > junit.xml']}}\nreports: {unit: {files: [junit.xml]}, none: {files: ['*.absent']}}\n")
        .await;
    let reports = (stack.codebuild(
        "BatchGetReports",
        json!({"reportArns": build["reportArns"]}),
    ))
    .await;
    for report in reports["reports"].as_array().unwrap() {
        assert_eq!(report["status"], "FAILED");
        assert_eq!(report.get("testSummary"), None);
    }
    let log = stack.log(&build).await;
    assert!(
        log.contains("report group unit") && log.contains("ends inside <testsuite>"),
        "{log}"
    );
    assert!(log.contains("no file matches *.absent"), "{log}");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn events_are_dropped_doubled_and_swapped_by_switch() {
    let stack = Stack::start().await;
    set_faults(&stack, json!({"dropEvents": 1})).await;
    let id = stack.start_build(QUICK).await;
    stack
        .eventually("the build is complete", async || {
            (stack.build(&id).await["buildComplete"] == true).then_some(())
        })
        .await;
    set_faults(&stack, json!({"reorderEvents": 1})).await;
    let id = stack.start_build(QUICK).await;
    stack.finished(&id).await;
    set_faults(&stack, json!({"duplicateEvents": 1})).await;
    let id = stack.start_build(QUICK).await;
    stack.finished(&id).await;
    stack.until(|events| events.len() == 7).await;
    assert_eq!(
        statuses(&stack),
        [
            "IN_PROGRESS",
            "SUCCEEDED",
            "IN_PROGRESS",
            "IN_PROGRESS",
            "IN_PROGRESS",
            "SUCCEEDED",
            "SUCCEEDED"
        ]
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn faults_hangs_and_throttling_come_by_switch() {
    let stack = Stack::start().await;
    set_faults(&stack, json!({"fault": 1})).await;
    let build = stack.run_build(QUICK).await;
    assert_eq!(build["buildStatus"], "FAULT");
    set_faults(&stack, json!({"hang": 1})).await;
    let id = stack.start_build(QUICK).await;
    stack
        .eventually("the build is in BUILD", async || {
            (stack.build(&id).await["currentPhase"] == "BUILD").then_some(())
        })
        .await;
    let stopped = stack.codebuild("StopBuild", json!({"id": id})).await;
    assert_eq!(stopped["build"]["buildStatus"], "STOPPED");
    set_faults(&stack, json!({"throttle": 1})).await;
    let target = "CodeBuild_20161006.ListBuilds";
    let (status, error) = stack.aws("codebuild", target, &json!({})).await;
    assert_eq!(
        (status, &error["__type"]),
        (400, &json!("ThrottlingException"))
    );
    stack.codebuild("ListBuilds", json!({})).await;
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_request_under_a_strangers_name_is_turned_away() {
    let stack = Stack::start().await;
    let answer = (stack.http.post(stack.url("codebuild")))
        .header("host", "rebound.example.com")
        .header("x-amz-target", "CodeBuild_20161006.ListBuilds")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 421);
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn requests_out_of_bounds_are_refused_as_codebuild_refuses_them() {
    let stack = Stack::start().await;
    for (operation, request, expected) in [
        (
            "StartBuild",
            json!({"projectName": "g w"}),
            "InvalidInputException",
        ),
        (
            "StartBuild",
            json!({"projectName": "gw", "timeoutInMinutesOverride": 4}),
            "InvalidInputException",
        ),
        (
            "BatchGetBuilds",
            json!({"ids": vec!["x"; 101]}),
            "InvalidInputException",
        ),
        (
            "StopBuild",
            json!({"id": "gw:none"}),
            "ResourceNotFoundException",
        ),
        ("DeleteProject", json!({}), "UnknownOperationException"),
    ] {
        let target = format!("CodeBuild_20161006.{operation}");
        let (status, error) = stack.aws("codebuild", &target, &request).await;
        assert_eq!(
            (status, &error["__type"]),
            (400, &json!(expected)),
            "{operation}"
        );
    }
    let answer = stack
        .codebuild("BatchGetBuilds", json!({"ids": ["gw:none"]}))
        .await;
    assert_eq!(answer["buildsNotFound"], json!(["gw:none"]));
    stack.stand_ins.shutdown().await;
}
