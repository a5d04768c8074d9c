//! Builds on the laptop act as their project's role: what the deployed template
//! does not grant is denied here as it would be on AWS. Needs `make setup`.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_compiler::{read, read_directory};
use gatewright_stack::{Options, Stack};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const PIPELINE: &str = "pl-gps-001";

/// What a build that only wants to try its rights runs. Each line says how it went.
const TRIES: &str = r#"
echo hello > file
aws s3 cp file "s3://$BUCKET/artifacts/other/file" && exit 10 || echo "s3 was denied"
[ -n "$AWS_SESSION_TOKEN" ] && echo "it has a session"
"#;

/// The project of the pipeline's first build.
fn project(root: &Path) -> String {
    let text = |name: &str| std::fs::read_to_string(root.join("pipelines").join(name)).unwrap();
    let directory = read_directory("approvers.yaml", &text("approvers.yaml")).unwrap();
    let name = format!("{PIPELINE}.yaml");
    let definition = read(&name, &text(&name), Some(&directory))
        .unwrap()
        .definition;
    let build = definition.stages.iter().find_map(|stage| stage.build());
    build.unwrap().project.clone()
}

async fn codebuild(stack: &Stack, operation: &str, body: &Value) -> Value {
    let reply = reqwest::Client::new()
        .post(format!("{}/codebuild", stack.stand_ins_url()))
        .header("X-Amz-Target", format!("CodeBuild_20161006.{operation}"))
        .header("Content-Type", "application/x-amz-json-1.1")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    let text = reply.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

/// Runs the commands in a build of the project; gives the build when it is over.
async fn build(stack: &Stack, project: &str, commands: &str) -> Value {
    let spec = json!({ "version": 0.2, "phases": { "build": { "commands": [commands] } } });
    let request = json!({
        "projectName": project, "sourceTypeOverride": "NO_SOURCE",
        "buildspecOverride": spec.to_string(),
        "environmentVariablesOverride": [{ "name": "BUCKET", "value": "gatewright-laptop" }],
    });
    let started = codebuild(stack, "StartBuild", &request).await;
    let id = started["build"]["id"].clone();
    for _ in 0..300 {
        let seen = codebuild(stack, "BatchGetBuilds", &json!({ "ids": [id] })).await;
        if seen["builds"][0]["buildComplete"] == true {
            return seen["builds"][0].clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{id} does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_may_do_what_its_projects_role_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut options = Options::of(&root, data.path());
    options.pipelines = vec![PIPELINE.to_owned()];
    let stack = Stack::up(&options, &|_| {})
        .await
        .unwrap_or_else(|e| panic!("{e}"));
    let connection = stack.connection();
    assert!(connection.machines[PIPELINE].ends_with(":stateMachine:gatewright-pl-gps-001"));
    assert!(connection.rollbacks[PIPELINE].ends_with(":gatewright-pl-gps-001.rollback"));

    let done = build(&stack, &project(&root), TRIES).await;
    assert_eq!(done["buildStatus"], "SUCCEEDED", "{done:#}");
    let denied = stack.denied().join("\n");
    let put = "s3:PutObject arn:aws:s3:::gatewright-laptop/artifacts/other/file";
    assert!(
        denied.contains(put) && denied.contains("/AWSCodeBuild-"),
        "{denied}"
    );

    let strange = build(&stack, "gatewright-nobodys", "true").await;
    assert_eq!(strange["buildStatus"], "FAILED");
    let why = strange["phases"].to_string();
    assert!(
        why.contains("there is no project gatewright-nobodys with a role"),
        "{why}"
    );
    stack.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_not_there_is_named_with_those_that_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = tempfile::tempdir().unwrap();
    let mut options = Options::of(&root, data.path());
    options.pipelines = vec!["pl-none".to_owned()];
    let error = Stack::up(&options, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("there is no pipeline pl-none"), "{error}");
    assert!(error.contains(PIPELINE), "{error}");
}
