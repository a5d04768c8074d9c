//! Secrets: AWS Secrets Manager. Read once a process, at the first use.

use crate::error::{Kind, ServiceError, classify};
use crate::pagerduty::RoutingKeys;
use aws_sdk_secretsmanager::Client;
use serde::Deserialize;

/// A secret value, which no log and no message shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What Slack needs.
#[derive(Debug, Clone, Deserialize)]
pub struct SlackSecrets {
    /// The bot's token, `xoxb-…`.
    pub bot_token: Secret,
    /// What Slack signs interactions with.
    pub signing_secret: Secret,
}

/// Secrets Manager through the SDK.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: Client,
}

impl SecretsManager {
    /// Secrets Manager with this configuration.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }

    /// A secret's text.
    ///
    /// # Errors
    /// When it cannot be read, or holds no text.
    pub async fn text(&self, id: &str) -> Result<Secret, ServiceError> {
        let action = "secretsmanager:GetSecretValue";
        let reply = self
            .client
            .get_secret_value()
            .secret_id(id)
            .send()
            .await
            .map_err(|e| classify(action, &e))?;
        reply
            .secret_string
            .map(Secret)
            .ok_or_else(|| ServiceError::of(action, Kind::Other, "the secret holds no text"))
    }

    /// Slack's secrets.
    ///
    /// # Errors
    /// When they cannot be read or are not the JSON that they should be; the
    /// message never quotes the secret.
    pub async fn slack(&self, id: &str) -> Result<SlackSecrets, ServiceError> {
        let text = self.text(id).await?;
        serde_json::from_str(text.reveal()).map_err(|_| {
            let why =
                "the Slack secret must be JSON with the texts \"bot_token\" and \"signing_secret\"";
            ServiceError::of("secretsmanager:GetSecretValue", Kind::Other, why)
        })
    }

    /// PagerDuty's routing keys by service.
    ///
    /// # Errors
    /// When they cannot be read or are not the JSON that they should be; the
    /// message never quotes the secret.
    pub async fn pagerduty(&self, id: &str) -> Result<RoutingKeys, ServiceError> {
        let text = self.text(id).await?;
        serde_json::from_str(text.reveal()).map_err(|_| {
            let why = "the PagerDuty secret must be a JSON object: the name of each service, and its routing key as text";
            ServiceError::of("secretsmanager:GetSecretValue", Kind::Other, why)
        })
    }
}
