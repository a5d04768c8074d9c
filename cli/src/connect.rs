//! Which Gatewright is meant: the connection file.

use crate::error::Failed;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use gatewright_aws::Store;
use gatewright_aws::table::dynamo::DynamoTable;
use gatewright_domain::PipelineId;
use gatewright_domain::text::did_you_mean;
use gatewright_stack::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the laptop stack writes.
const LAPTOP: &str = ".stack/connection.json";
/// What `make deploy` writes.
const AWS: &str = ".gatewright.json";

/// A Gatewright that can be talked to.
#[derive(Debug)]
pub struct Reach {
    /// How to reach it.
    pub connection: Connection,
    /// Its record.
    pub store: Store<DynamoTable>,
}

/// The connection that is meant: the file that was named, the laptop's when it is
/// there, AWS's otherwise.
///
/// # Errors
/// When there is none or it does not read.
pub async fn reach(named: Option<&Path>) -> Result<Reach, Failed> {
    let path = named.map_or_else(usual, Path::to_owned);
    let connection = Connection::read(&path)?;
    let store = connection.store().await;
    Ok(Reach { connection, store })
}

fn usual() -> PathBuf {
    let laptop = PathBuf::from(LAPTOP);
    if laptop.exists() {
        laptop
    } else {
        PathBuf::from(AWS)
    }
}

impl Reach {
    /// The pipelines that have a machine there.
    pub fn pipelines(&self) -> Vec<PipelineId> {
        let ids = self.connection.machines.keys();
        ids.filter_map(|id| id.parse().ok()).collect()
    }

    /// The state machine of a pipeline.
    ///
    /// # Errors
    /// When there is none; with the nearest name.
    pub fn machine(&self, pipeline: &str) -> Result<&str, Failed> {
        deployed(&self.connection.machines, pipeline)
    }

    /// The ARN of the machine that brings an environment of this pipeline back.
    ///
    /// # Errors
    /// When there is none; with the nearest name.
    pub fn rollback_machine(&self, pipeline: &str) -> Result<&str, Failed> {
        deployed(&self.connection.rollbacks, pipeline)
    }

    /// The credentials to sign with: those of `person` on the laptop, the
    /// caller's own on AWS.
    ///
    /// # Errors
    /// When there are none; with what to say instead.
    pub async fn credentials(&self, person: Option<&str>) -> Result<Credentials, Failed> {
        let people = &self.connection.people;
        let names: Vec<&str> = people.keys().map(String::as_str).collect();
        let listed = format!("the laptop knows: {}", names.join(", "));
        match person {
            Some(id) => {
                let known = people.get(id).ok_or_else(|| {
                    let near = did_you_mean(id, names.iter().copied());
                    let none = "--as is for the laptop, whose connection file has its people's credentials; this one has none";
                    Failed::not_found(format!("no credentials of {id:?} in the connection file{near}"))
                        .help(if names.is_empty() { none } else { listed.as_str() })
                })?;
                Ok(Credentials::new(
                    &known.key,
                    &known.secret,
                    None,
                    None,
                    "laptop",
                ))
            }
            None if self.connection.credentials.is_some() => {
                Err(Failed::usage("on the laptop, say who decides: --as PERSON").help(listed))
            }
            None => self.own().await,
        }
    }

    async fn own(&self) -> Result<Credentials, Failed> {
        let help = "sign in as for the AWS CLI: `aws sso login`, AWS_PROFILE, or access keys in the environment";
        let sdk = self.connection.sdk().await;
        let provider = sdk
            .credentials_provider()
            .ok_or_else(|| Failed::unreachable("there are no AWS credentials").help(help))?;
        let found = provider.provide_credentials().await;
        found.map_err(|error| {
            Failed::unreachable(format!("there are no AWS credentials: {error}")).help(help)
        })
    }
}

/// A machine of a pipeline among those that are deployed.
fn deployed<'a>(machines: &'a BTreeMap<String, String>, pipeline: &str) -> Result<&'a str, Failed> {
    machines.get(pipeline).map(String::as_str).ok_or_else(|| {
        let known: Vec<&str> = machines.keys().map(String::as_str).collect();
        let near = did_you_mean(pipeline, known.iter().copied());
        Failed::not_found(format!(
            "no state machine of {pipeline:?} is deployed{near}"
        ))
        .help(format!("this connection has: {}", known.join(", ")))
    })
}
