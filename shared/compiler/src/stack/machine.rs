//! The state machines: one that releases and, where the pipeline deploys
//! something, one that brings an environment back.

use super::cfn::{Template, allow, attribute, filled, reference, role};
use crate::compile::Function;
use gatewright_domain::pipeline::Definition;
use serde_json::{Map, Value, json};

/// What Step Functions needs to deliver its log; these actions know no resources.
const LOG_DELIVERY: &[&str] = &[
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
];

/// Adds the pipeline's machines, their role and their logs.
pub(super) fn add(template: &mut Template, definition: &Definition) {
    let goes_back = definition.rollback().is_some();
    parameters(template, goes_back);
    template.resource("MachineRole", "AWS::IAM::Role", may_call());
    let id = &definition.id;
    one(template, "Machine", "MachineKey", &format!("{id}"));
    let described = "The state machine that releases, for CodePipeline and the CLI";
    template.output("StateMachineArn", described, reference("Machine"));
    if goes_back {
        let name = format!("{id}.rollback");
        one(template, "RollbackMachine", "RollbackKey", &name);
        let described = "The state machine that brings an environment back";
        let arn = reference("RollbackMachine");
        template.output("RollbackStateMachineArn", described, arn);
    }
}

fn parameters(template: &mut Template, goes_back: bool) {
    template.parameter(
        "MachineBucket",
        "The S3 bucket that holds the compiled state machines.",
    );
    template.parameter("MachineKey", "The S3 key of the compiled state machine.");
    if goes_back {
        let described = "The S3 key of the compiled state machine for rollbacks.";
        template.parameter("RollbackKey", described);
    }
    template.option(
        "MachinePrefix",
        "What the core stack lets its functions start and look at begins with this.",
        json!({ "AllowedPattern": "^[A-Za-z0-9-]{1,11}$" }),
    );
    for function in Function::ALL {
        template.parameter(function.name(), "The ARN of the function of that name.");
    }
}

/// Both machines have one role: they call the same functions, and what a function
/// does for them is decided there and not by who calls.
fn may_call() -> Value {
    let functions = Function::ALL.iter().map(|f| reference(f.name()));
    role(
        "states.amazonaws.com",
        &[
            allow(&["lambda:InvokeFunction"], functions.collect()),
            allow(LOG_DELIVERY, vec![json!("*")]),
        ],
    )
}

fn one(template: &mut Template, logical: &str, key: &str, name: &str) {
    let logs = format!("{logical}Logs");
    let functions: Map<String, Value> = Function::ALL
        .iter()
        .map(|f| (f.name().to_owned(), reference(f.name())))
        .collect();
    template.resource(
        logical,
        "AWS::StepFunctions::StateMachine",
        json!({
            "StateMachineName": filled(&format!("${{MachinePrefix}}{name}")),
            // Express has neither task tokens nor more than five minutes.
            "StateMachineType": "STANDARD",
            "DefinitionS3Location": { "Bucket": reference("MachineBucket"), "Key": reference(key) },
            "DefinitionSubstitutions": functions,
            "RoleArn": attribute("MachineRole", "Arn"),
            "LoggingConfiguration": {
                "Level": "ERROR",
                // Off, or inputs and task tokens would land in CloudWatch.
                "IncludeExecutionData": false,
                "Destinations": [
                    { "CloudWatchLogsLogGroup": { "LogGroupArn": attribute(&logs, "Arn") } },
                ],
            },
        }),
    );
    template.resource_with(
        &logs,
        "AWS::Logs::LogGroup",
        json!({ "DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete" }),
        json!({
            // The prefix spares the account's policy for log deliveries, which is
            // limited to 5,120 characters.
            "LogGroupName": filled(&format!("/aws/vendedlogs/states/${{MachinePrefix}}{name}")),
            "RetentionInDays": 365,
        }),
    );
}
