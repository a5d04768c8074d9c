//! `aws deploy`, by itself and with the commands that a CodeDeploy step becomes.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{stack::Stack, tools::Place};

/// What a step runs, behind its variables.
const STEP: &str = include_str!("../../../shared/compiler/src/source/codedeploy.sh");

const APPSPEC: &str = "version: 0.0\nResources:\n  - TargetService:\n      Type: AWS::ECS::Service\n      Properties: {TaskDefinition: \"$TASK\"}\n";

fn revision(content: &str) -> String {
    let sha256 = hex::encode(Sha256::digest(content));
    json!({"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": sha256}})
        .to_string()
}

fn create(config: &str, content: &str) -> String {
    format!(
        "aws deploy create-deployment --application-name shop --deployment-group-name staging \
         --deployment-config-name {config} --auto-rollback-configuration '{{\"enabled\":true}}' \
         --revision '{}' --query deploymentId --output text",
        revision(content)
    )
}

/// A step's commands, for this task definition.
fn step(config: &str, task: &str) -> String {
    let script = STEP.strip_prefix("(\n").unwrap();
    format!(
        "export TASK={task} GATEWRIGHT_PAUSE_SECONDS=0.01; set -eo pipefail\n\
         (\napplication=shop\ngroup=staging\nconfig={config}\nappspec=appspec.yaml\n{script}"
    )
}

async fn info(place: &Place<'_>, id: &str) -> Value {
    let line = format!("aws deploy get-deployment --deployment-id {id}");
    let answer: Value = serde_json::from_str(&place.run(&line).await).unwrap();
    answer["deploymentInfo"].clone()
}

#[tokio::test]
async fn a_deployment_moves_by_the_shares_of_its_configuration() {
    let stack = Stack::start().await;
    let place = Place::new(&stack);
    let id = place
        .run(&create(
            "CodeDeployDefault.LambdaCanary10Percent5Minutes",
            APPSPEC,
        ))
        .await;
    let (busy, why) = place
        .fail(&create("CodeDeployDefault.ECSAllAtOnce", APPSPEC))
        .await;
    assert!(
        busy == 254 && why.contains("DeploymentLimitExceededException"),
        "{why}"
    );
    for expected in ["InProgress", "InProgress", "Succeeded", "Succeeded"] {
        assert_eq!(info(&place, &id).await["status"], expected);
    }
    let file = stack
        .data()
        .join("clusters/codedeploy/deployments of all/objects");
    let record = std::fs::read_to_string(file.join(format!("deployment.{id}.json"))).unwrap();
    assert!(record.contains("no traffic was moved"), "{record}");
    let (_, why) = place
        .fail(&format!("aws deploy stop-deployment --deployment-id {id}"))
        .await;
    assert!(why.contains("DeploymentAlreadyCompletedException"), "{why}");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn what_codedeploy_would_not_take_is_refused() {
    let stack = Stack::start().await;
    let place = Place::new(&stack);
    let other =
        create("CodeDeployDefault.ECSAllAtOnce", APPSPEC).replace("version: 0.0", "version: 0.1");
    for (line, error) in [
        (other, "the sha256 is not the content's"),
        (
            create("CodeDeployDefault.ECSAllAtOnce", "nothing: true"),
            "has a version and Resources",
        ),
        (
            create("CodeDeployDefault.Slowly", APPSPEC),
            "DeploymentConfigDoesNotExistException",
        ),
        (
            "aws deploy get-deployment --deployment-id d-0".to_owned(),
            "DeploymentDoesNotExistException",
        ),
    ] {
        let (code, why) = place.fail(&line).await;
        assert!(code == 254 && why.contains(error), "{line}: {why}");
    }
    let (code, _) = place
        .fail("aws deploy delete-application --application-name shop")
        .await;
    assert_eq!(code, 2);
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_step_waits_for_its_canary_and_for_what_a_failure_brings_back() {
    let stack = Stack::start().await;
    let place = Place::new(&stack);
    place.write("appspec.yaml", APPSPEC);
    let said = place
        .run(&step("CodeDeployDefault.ECSAllAtOnce", "task:1"))
        .await;
    // Nobody waits for the end of the old tasks, and the next step ends that wait.
    assert!(said.contains("has moved the traffic"), "{said}");
    std::fs::create_dir(place.folder.join(".laptop-codedeploy")).unwrap();
    let failure = json!({"atPercent": 10, "code": "ALARM_ACTIVE", "message": "too many errors"});
    place.write(".laptop-codedeploy/staging.json", &failure.to_string());
    let canary = step("CodeDeployDefault.ECSCanary10Percent5Minutes", "task:2");
    let output = place.try_run(&canary, &place.folder, &[]).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, why) = (text(&output.stdout), text(&output.stderr));
    assert!(!output.status.success(), "{said}{why}");
    assert!(said.contains("need not wait"), "{said}");
    assert!(
        why.contains("ALARM_ACTIVE") && why.contains("too many errors"),
        "{why}"
    );
    let back = said
        .lines()
        .find(|line| line.contains("brings back"))
        .unwrap();
    let back = back.split(' ').nth(1).unwrap();
    let record = info(&place, back).await;
    assert_eq!(
        (record["creator"].as_str(), record["status"].as_str()),
        (Some("codeDeployRollback"), Some("Succeeded"))
    );
    let content = record["revision"]["appSpecContent"]["content"]
        .as_str()
        .unwrap();
    assert!(content.contains("task:1"), "{content}");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn what_an_aborted_step_left_is_stopped_by_the_next() {
    let stack = Stack::start().await;
    let place = Place::new(&stack);
    place.write("appspec.yaml", APPSPEC);
    let said = place
        .run(&step("CodeDeployDefault.ECSAllAtOnce", "task:1"))
        .await;
    let first = said.split(' ').find(|word| word.starts_with("d-")).unwrap();
    let go_on = "continue-deployment --deployment-wait-type TERMINATION_WAIT";
    place
        .run(&format!("aws deploy {go_on} --deployment-id {first}"))
        .await;
    assert_eq!(info(&place, first).await["status"], "Succeeded");
    let left = place
        .run(&create(
            "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
            APPSPEC,
        ))
        .await;
    let said = place
        .run(&step("CodeDeployDefault.ECSAllAtOnce", "task:3"))
        .await;
    assert!(said.contains(&format!("{left} is Stopped")), "{said}");
    assert!(
        said.contains("brings back") && said.contains("has moved the traffic"),
        "{said}"
    );
    stack.stand_ins.shutdown().await;
}
