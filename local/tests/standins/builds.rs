//! CodeBuild: builds that go as they should.

use std::fs;

use serde_json::{Value, json};

use crate::stack::{REPOSITORY, Stack};

fn phase<'b>(build: &'b Value, name: &str) -> Option<&'b Value> {
    build["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|phase| phase["phaseType"] == name)
}

fn phase_names(build: &Value) -> Vec<&str> {
    (build["phases"].as_array().unwrap().iter())
        .map(|phase| phase["phaseType"].as_str().unwrap())
        .collect()
}

const FULL: &str = r#"
version: 0.2
env:
  variables: {STAGE: beta, GREETING: from-buildspec}
  exported-variables: [RESULT, AWS_REGION, GREETING]
phases:
  install: {commands: ['export CARRIED="two words"', 'mkdir sub', 'cd sub']}
  pre_build: {commands: ['test "$CARRIED" = "two words"', 'test "$(basename "$PWD")" = sub', 'cd ..']}
  build:
    commands:
      - |
        cat README
        export RESULT="$STAGE-$CODEBUILD_BUILD_SUCCEEDING"
      - test -z "$CARGO_MANIFEST_DIR"
      - mkdir -p out && printf '<testsuite><testcase time="1.5"/><testcase><skipped/></testcase></testsuite>' > out/a.xml
      - printf '<coverage lines-valid="10" lines-covered="9" branches-valid="4" branches-covered="2"/>' > coverage.xml
reports:
  unit: {files: ['**/*.xml'], base-directory: out}
  coverage: {files: [coverage.xml], file-format: COBERTURAXML}
"#;

#[tokio::test]
async fn a_build_runs_its_commands_and_shows_it_everywhere() {
    let stack = Stack::start().await;
    let request = json!({
        "projectName": "gatewright",
        "sourceLocationOverride": REPOSITORY,
        "sourceVersion": "main",
        "buildspecOverride": FULL,
        "environmentVariablesOverride": [{"name": "GREETING", "value": "from-request", "type": "PLAINTEXT"}],
    });
    let started = stack.codebuild("StartBuild", request).await;
    assert_eq!(started["build"]["buildStatus"], "IN_PROGRESS");
    let build = stack
        .finished(started["build"]["id"].as_str().unwrap())
        .await;
    let log = stack.log(&build).await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    assert_eq!(
        phase_names(&build),
        [
            "SUBMITTED",
            "QUEUED",
            "PROVISIONING",
            "DOWNLOAD_SOURCE",
            "INSTALL",
            "PRE_BUILD",
            "BUILD",
            "POST_BUILD",
            "UPLOAD_ARTIFACTS",
            "FINALIZING",
            "COMPLETED"
        ]
    );
    assert_eq!(build["resolvedSourceVersion"].as_str().unwrap().len(), 40);
    assert_eq!(
        build["exportedEnvironmentVariables"],
        json!([{"name": "RESULT", "value": "beta-1"}, {"name": "GREETING", "value": "from-request"}]),
        "a request's variable overrides the buildspec's, and AWS_* is never exported"
    );
    assert!(
        log.contains("[Container]") && log.contains("Running command cat README"),
        "{log}"
    );
    assert!(log.contains("\nsource\n") && log.contains("Phase complete: BUILD State: SUCCEEDED"));

    let reports = (stack.codebuild(
        "BatchGetReports",
        json!({"reportArns": build["reportArns"]}),
    ))
    .await;
    let [tests, coverage] = &reports["reports"].as_array().unwrap()[..] else {
        panic!("{reports}")
    };
    assert_eq!(tests["type"], "TEST");
    assert_eq!(tests["status"], "SUCCEEDED");
    assert_eq!(tests["testSummary"]["statusCounts"]["SKIPPED"], 1);
    assert_eq!(tests["testSummary"]["durationInNanoSeconds"], 1_500_000_000);
    assert_eq!(
        coverage["codeCoverageSummary"]["lineCoveragePercentage"],
        90.0
    );
    assert_eq!(coverage["codeCoverageSummary"]["branchesMissed"], 2);
    assert!(
        tests["reportGroupArn"]
            .as_str()
            .unwrap()
            .ends_with("report-group/gatewright-unit")
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn each_change_of_state_is_an_event_in_codebuilds_form() {
    let stack = Stack::start().await;
    let build = stack
        .run_build("version: 0.2\nphases: {build: {commands: ['true']}}\n")
        .await;
    let events = stack.sink.events();
    let statuses: Vec<_> = events
        .iter()
        .map(|event| &event.detail["build-status"])
        .collect();
    assert_eq!(statuses, ["IN_PROGRESS", "SUCCEEDED"]);
    let last = &events[1];
    assert_eq!(
        (last.source.as_str(), last.detail_type.as_str()),
        ("aws.codebuild", "CodeBuild Build State Change")
    );
    assert_eq!(last.detail["build-id"], build["arn"]);
    assert_eq!(last.resources, [build["arn"].as_str().unwrap()]);
    let information = &last.detail["additional-information"];
    assert_eq!(information["logs"]["deep-link"], build["logs"]["deepLink"]);
    assert_eq!(information["phases"][6]["phase-type"], "BUILD");
    assert_eq!(information["phases"][6]["phase-status"], "SUCCEEDED");
    assert_eq!(last.detail["current-phase"], "COMPLETED");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_failing_build_phase_still_runs_post_build_and_a_failing_install_ends_everything() {
    let stack = Stack::start().await;
    let build = stack
        .run_build(
            "version: 0.2\nphases:\n  build: {commands: [echo one, exit 3, echo never], finally: [echo finally-ran]}\n  post_build: {commands: ['echo after=$CODEBUILD_BUILD_SUCCEEDING']}\n",
        )
        .await;
    assert_eq!(build["buildStatus"], "FAILED");
    let context = &phase(&build, "BUILD").unwrap()["contexts"][0];
    assert_eq!(context["statusCode"], "COMMAND_EXECUTION_ERROR");
    assert_eq!(
        context["message"],
        "Error while executing command: exit 3. Reason: exit status 3"
    );
    assert_eq!(
        phase(&build, "POST_BUILD").unwrap()["phaseStatus"],
        "SUCCEEDED"
    );
    let log = stack.log(&build).await;
    assert!(
        log.contains("\nafter=0") && log.contains("\nfinally-ran") && !log.contains("\nnever"),
        "{log}"
    );

    let build = stack
        .run_build("version: 0.2\nphases:\n  install: {commands: ['false']}\n  build: {commands: [echo never]}\n")
        .await;
    assert_eq!(build["buildStatus"], "FAILED");
    assert_eq!(
        phase_names(&build)[4..],
        ["INSTALL", "FINALIZING", "COMPLETED"]
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn one_idempotency_token_is_one_build() {
    let stack = Stack::start().await;
    let mut request = json!({
        "projectName": "gatewright",
        "buildspecOverride": "version: 0.2\nphases: {build: {commands: ['true']}}\n",
        "idempotencyToken": "release-1-build",
    });
    let first = stack.codebuild("StartBuild", request.clone()).await;
    let again = stack.codebuild("StartBuild", request.clone()).await;
    assert_eq!(first["build"]["id"], again["build"]["id"]);
    request["sourceVersion"] = "other".into();
    let (status, error) = stack
        .aws("codebuild", "CodeBuild_20161006.StartBuild", &request)
        .await;
    assert_eq!(
        (status, &error["__type"]),
        (400, &json!("InvalidInputException"))
    );
    let listed = stack.codebuild("ListBuilds", json!({})).await;
    assert_eq!(listed["ids"], json!([first["build"]["id"]]));
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_secret_reaches_the_command_and_is_starred_out_of_the_log() {
    let stack = Stack::start().await;
    let spec = "version: 0.2\nenv: {secrets-manager: {PASSWORD: 'db:password'}, exported-variables: [PASSWORD]}\nphases: {build: {commands: ['test \"$PASSWORD\" = hunter2', 'echo it is $PASSWORD']}}\n";
    let build = stack.run_build(spec).await;
    let log = stack.log(&build).await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    assert!(
        log.contains("it is *******") && !log.contains("hunter2"),
        "{log}"
    );
    assert_eq!(build["exportedEnvironmentVariables"], json!([]));

    let build = stack.run_build(&spec.replace("db:", "unknown:")).await;
    let context = &phase(&build, "DOWNLOAD_SOURCE").unwrap()["contexts"][0];
    assert_eq!(context["statusCode"], "SECRETS_MANAGER_ERROR");
    assert!(
        context["message"].as_str().unwrap().contains("PASSWORD"),
        "{context}"
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_log_can_be_followed_by_offset() {
    let stack = Stack::start().await;
    let build = stack
        .run_build("version: 0.2\nphases: {build: {commands: [echo hello]}}\n")
        .await;
    let whole = stack.log(&build).await;
    let link = format!("{}?offset=40", build["logs"]["deepLink"].as_str().unwrap());
    let answer = stack.http.get(link).send().await.unwrap();
    assert_eq!(
        answer.headers()["x-log-next-offset"],
        whole.len().to_string().as_str()
    );
    assert_eq!(answer.headers()["x-log-complete"], "true");
    assert_eq!(answer.text().await.unwrap(), whole[40..]);
    let page = stack
        .http
        .get(stack.url("codebuild/builds"))
        .send()
        .await
        .unwrap();
    assert!(
        page.text()
            .await
            .unwrap()
            .contains("Laptop stand-in for AWS CodeBuild")
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn the_folder_on_the_laptop_is_never_touched() {
    let stack = Stack::start().await;
    stack
        .run_build("version: 0.2\nphases: {build: {commands: [rm -rf ./*, touch made]}}\n")
        .await;
    let source = stack.folder.path().join("source");
    assert!(fs::exists(source.join("README")).unwrap());
    assert!(!fs::exists(source.join("made")).unwrap());
    stack.stand_ins.shutdown().await;
}
