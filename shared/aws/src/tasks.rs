//! Tasks that wait: AWS Step Functions.

use crate::error::{ServiceError, classify};
use aws_sdk_sfn::Client;
use gatewright_domain::wait::{Answer, TaskToken};

/// What `answer-task` needs of Step Functions.
pub trait Tasks: Send + Sync {
    /// Answers a task. `false` when nobody waits for the answer any more.
    fn answer(
        &self,
        token: &TaskToken,
        answer: &Answer,
    ) -> impl Future<Output = Result<bool, ServiceError>> + Send;
}

/// What the sweep and the CLI need of Step Functions.
pub trait Executions: Send + Sync {
    /// Whether the execution still runs; `None` when there is no such execution.
    fn is_running(
        &self,
        execution: &str,
    ) -> impl Future<Output = Result<Option<bool>, ServiceError>> + Send;

    /// Starts an execution; gives its ARN. The same name with the same input
    /// while it runs is the same execution; any other use of the name is a
    /// conflict.
    fn start(
        &self,
        machine: &str,
        name: &str,
        input: &str,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;
}

/// Step Functions through the SDK.
#[derive(Debug, Clone)]
pub struct StepFunctions {
    client: Client,
}

impl StepFunctions {
    /// Step Functions with this configuration.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }
}

impl Tasks for StepFunctions {
    async fn answer(&self, token: &TaskToken, answer: &Answer) -> Result<bool, ServiceError> {
        let sent = match answer {
            Answer::Success { output } => {
                let request = self
                    .client
                    .send_task_success()
                    .task_token(token.reveal())
                    .output(output.to_string());
                request
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(|e| classify("states:SendTaskSuccess", &e))
            }
            Answer::Failure { error, cause } => {
                let request = self
                    .client
                    .send_task_failure()
                    .task_token(token.reveal())
                    .error(error.as_str())
                    .cause(cause);
                request
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(|e| classify("states:SendTaskFailure", &e))
            }
        };
        match sent {
            Ok(()) => Ok(true),
            Err(e) if e.is("TaskTimedOut") || e.is("TaskDoesNotExist") || e.is("InvalidToken") => {
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }
}

impl Executions for StepFunctions {
    async fn start(&self, machine: &str, name: &str, input: &str) -> Result<String, ServiceError> {
        let sent = self
            .client
            .start_execution()
            .state_machine_arn(machine)
            .name(name)
            .input(input)
            .send()
            .await;
        sent.map(|reply| reply.execution_arn)
            .map_err(|e| classify("states:StartExecution", &e))
    }

    async fn is_running(&self, execution: &str) -> Result<Option<bool>, ServiceError> {
        let sent = self
            .client
            .describe_execution()
            .execution_arn(execution)
            .send()
            .await;
        match sent.map_err(|e| classify("states:DescribeExecution", &e)) {
            Ok(reply) => Ok(Some(reply.status.as_str() == "RUNNING")),
            Err(error) if error.is("ExecutionDoesNotExist") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
