//! Where a Gatewright is and how to reach it: written by `gatewright local up`
//! and by `make deploy`, read by every command.

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use gatewright_aws::Store;
use gatewright_aws::table::dynamo::DynamoTable;
use gatewright_domain::people::Directory;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Credentials of the laptop's emulator. On AWS there are none here: the usual
/// provider chain finds the person's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The access key id.
    pub key: String,
    /// The secret access key.
    pub secret: String,
}

/// Where a Gatewright is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The region.
    pub region: String,
    /// The endpoint of all services; none on AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The endpoint of the registry, where it is another; none on AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The emulator's credentials; none on AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// The table.
    pub table: String,
    /// The state machines' ARNs, by pipeline id.
    pub machines: BTreeMap<String, String>,
    /// The ARNs of the state machines that bring an environment back, by pipeline
    /// id; a pipeline that deploys nothing has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rollbacks: BTreeMap<String, String>,
    /// The bucket for artifacts that are no images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<String>,
    /// Where the pages are.
    pub public_url: String,
    /// The laptop's inbox page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<String>,
    /// The laptop's approvers by id, with the credentials of an IAM user each, so
    /// that decisions of the command line can be tried. None on AWS: there,
    /// everybody has their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<String, Credentials>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// There is no such file.
    #[error(
        "{path} does not exist: start the laptop stack with `gatewright local up`, or deploy with `make deploy`"
    )]
    Missing {
        /// Which.
        path: String,
    },
    /// The file does not read.
    #[error("{path}: {why}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
}

impl Connection {
    /// Reads a connection file.
    ///
    /// # Errors
    /// When it is not there or does not read, with what to do.
    pub fn read(path: &Path) -> Result<Self, ConnectionError> {
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ConnectionError::Missing { path: shown });
            }
            Err(error) => {
                return Err(ConnectionError::Unreadable {
                    path: shown,
                    why: error.to_string(),
                });
            }
        };
        serde_json::from_str(&text).map_err(|error| ConnectionError::Unreadable {
            path: shown,
            why: gatewright_domain::text::helpful(&error.to_string()),
        })
    }

    /// The SDK's configuration for its registry.
    pub async fn registry_sdk(&self) -> SdkConfig {
        let config = self.sdk().await;
        match &self.registry {
            None => config,
            Some(url) => config.to_builder().endpoint_url(url).build(),
        }
    }

    /// The SDK's configuration for it.
    pub async fn sdk(&self) -> SdkConfig {
        let config =
            gatewright_aws::clients::for_person(Some(self.region.clone()), self.endpoint.clone())
                .await;
        match &self.credentials {
            None => config,
            Some(known) => {
                let fixed = aws_credential_types::Credentials::new(
                    &known.key,
                    &known.secret,
                    None,
                    None,
                    "laptop",
                );
                config
                    .to_builder()
                    .credentials_provider(SharedCredentialsProvider::new(fixed))
                    .build()
            }
        }
    }

    /// The approvers as they are recorded there: on the laptop, everybody is also
    /// known by the ARN of the IAM user that the stack made for them.
    pub fn known_here(&self, directory: Directory) -> Directory {
        let account = self.machines.values().find_map(|arn| arn.split(':').nth(4));
        match account {
            Some(account) if !self.people.is_empty() => {
                crate::people::with_users(directory, account)
            }
            Some(_) | None => directory,
        }
    }

    /// The record there.
    pub async fn store(&self) -> Store<DynamoTable> {
        let client = aws_sdk_dynamodb::Client::new(&self.sdk().await);
        Store::new(DynamoTable::new(client, &self.table))
    }
}
