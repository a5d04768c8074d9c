//! What the emulator's state machines do as AWS's do, because `local/launch.py`
//! mends it. Needs `make setup`.

use super::*;
use crate::Options;
use std::collections::BTreeSet;

/// How long a machine may take before a test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

async fn emulator(data: &Path) -> Emulator {
    gatewright_aws::clients::install_crypto();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let options = Options::of(&root.canonicalize().unwrap(), data);
    Emulator::start(&options.root, &options.python, data)
        .await
        .unwrap()
}

async fn states(emulator: &Emulator, operation: &str, body: Value) -> Value {
    let target = format!("AWSStepFunctions.{operation}");
    emulator.call("states", &target, &body).await.unwrap()
}

/// Starts an execution of this machine, which may do everything; gives its ARN.
async fn execution(emulator: &Emulator, definition: &Value) -> String {
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "Service": "states.amazonaws.com" },
    }] });
    let all = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "*", "Resource": "*",
    }] });
    let (trust, all) = (trust.to_string(), all.to_string());
    let role = [
        ("RoleName", "machine"),
        ("AssumeRolePolicyDocument", &trust),
    ];
    let may = [
        ("RoleName", "machine"),
        ("PolicyName", "all"),
        ("PolicyDocument", &all),
    ];
    let iam = async |action: &str, parameters: &[(&str, &str)]| {
        let done = emulator
            .query("iam", action, "2010-05-08", parameters)
            .await;
        done.unwrap();
    };
    iam("CreateRole", &role).await;
    iam("PutRolePolicy", &may).await;
    let made = json!({
        "name": "machine", "definition": definition.to_string(),
        "roleArn": "arn:aws:iam::000000000000:role/machine",
    });
    let machine = states(emulator, "CreateStateMachine", made).await["stateMachineArn"].clone();
    let started = json!({ "stateMachineArn": machine, "input": "{}" });
    let started = states(emulator, "StartExecution", started).await;
    started["executionArn"].as_str().unwrap().to_owned()
}

/// The execution, once it has ended.
async fn ended(emulator: &Emulator, arn: &str) -> Value {
    let ends = async {
        loop {
            let asked = json!({ "executionArn": arn });
            let seen = states(emulator, "DescribeExecution", asked).await;
            if seen["status"] != "RUNNING" {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    (tokio::time::timeout(PATIENCE, ends).await).unwrap_or_else(|_| panic!("{arn} does not end"))
}

/// A task that sends its token to the queue and waits for its answer. It computes
/// something first, and meanwhile the other branches begin.
fn asks(queue: &Value, branch: usize) -> Value {
    json!({ "StartAt": "Ask", "States": { "Ask": {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {
            "QueueUrl": queue,
            "MessageBody": { "branch": branch, "sum": "{% $sum([1..2000]) %}", "token": "{% $states.context.Task.Token %}" },
        },
        "End": true,
    } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_branch_of_a_parallel_state_waits_with_a_token_of_its_own() {
    const BRANCHES: usize = 40;
    let data = tempfile::tempdir().unwrap();
    let emulator = emulator(data.path()).await;
    let sqs = async |operation: &str, body: Value| {
        let target = format!("AmazonSQS.{operation}");
        emulator.call("sqs", &target, &body).await.unwrap()
    };
    let queue = sqs("CreateQueue", json!({ "QueueName": "asked" })).await["QueueUrl"].clone();
    let branches: Vec<Value> = (0..BRANCHES).map(|n| asks(&queue, n)).collect();
    let definition = json!({
        "QueryLanguage": "JSONata", "StartAt": "Side by side",
        "States": { "Side by side": { "Type": "Parallel", "Branches": branches, "End": true } },
    });
    let arn = execution(&emulator, &definition).await;

    let (mut tokens, mut answered) = (BTreeSet::new(), 0);
    let asked = async {
        while answered < BRANCHES {
            let got = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1 });
            let got = sqs("ReceiveMessage", got).await;
            for message in got["Messages"].as_array().into_iter().flatten() {
                let said: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
                assert!(
                    tokens.insert(said["token"].to_string()),
                    "two tasks have one token"
                );
                answered += 1;
                let answer = json!({
                    "taskToken": said["token"], "output": said["branch"].to_string(),
                });
                states(&emulator, "SendTaskSuccess", answer).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    let end = ended(&emulator, &arn).await;
    assert_eq!(end["status"], "SUCCEEDED", "{end:#}");
    let output: Vec<usize> = serde_json::from_str(end["output"].as_str().unwrap()).unwrap();
    assert_eq!(output, (0..BRANCHES).collect::<Vec<_>>());
    emulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_function_fails_does_not_wait_for_an_answer() {
    let data = tempfile::tempdir().unwrap();
    let emulator = emulator(data.path()).await;
    let definition = json!({
        "QueryLanguage": "JSONata", "StartAt": "Ask",
        "States": { "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {
                "FunctionName": "nobody",
                "Payload": { "token": "{% $states.context.Task.Token %}" },
            },
            "End": true,
        } },
    });
    let arn = execution(&emulator, &definition).await;
    let end = ended(&emulator, &arn).await;
    assert_eq!(end["status"], "FAILED", "{end:#}");
    assert_eq!(end["error"], "Lambda.ResourceNotFoundException", "{end:#}");
    emulator.stop().await;
}
