//! Messages to whoever subscribes: Amazon SNS.

use crate::error::{Kind, ServiceError, classify};
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use std::collections::BTreeMap;

/// What `notify` needs of SNS.
pub trait Topics: Send + Sync {
    /// Publishes a message. The attributes are what subscribers filter by.
    fn publish(
        &self,
        subject: &str,
        message: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// One SNS topic through the SDK.
#[derive(Debug, Clone)]
pub struct SnsTopic {
    client: Client,
    arn: String,
}

impl SnsTopic {
    /// The topic of that ARN.
    pub fn new(config: &aws_config::SdkConfig, arn: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            arn: arn.into(),
        }
    }
}

impl Topics for SnsTopic {
    async fn publish(
        &self,
        subject: &str,
        message: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<(), ServiceError> {
        let action = "sns:Publish";
        // A subject is ASCII without line breaks and below 100 characters
        // (SNS, Publish); pipelines may be named in any language.
        let subject: String = subject
            .chars()
            .map(|c| {
                if c.is_ascii_graphic() || c == ' ' {
                    c
                } else {
                    '?'
                }
            })
            .take(99)
            .collect();
        let mut request = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(subject)
            .message(message);
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|e| ServiceError::of(action, Kind::Other, e.to_string()))?;
            request = request.message_attributes(*name, value);
        }
        request
            .send()
            .await
            .map(|_| ())
            .map_err(|e| classify(action, &e))
    }
}
