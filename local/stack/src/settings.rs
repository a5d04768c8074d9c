//! What builds on the laptop read from Parameter Store and Secrets Manager: the
//! addresses and keys of the instances that the stand-ins play.
//!
//! On AWS somebody has put them there once, for their own instances; definitions
//! name them and never know which it is.

use std::path::Path;

use gatewright_local::StandIns;
use serde_json::json;

use crate::StackError;
use crate::emulator::{Emulator, random};

/// The environments of InfluenceGen's pipelines.
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];

/// Puts the settings of every environment where builds look for them.
///
/// # Errors
/// When the emulator refuses, or a key cannot be made.
pub(crate) async fn furnish(
    emulator: &Emulator,
    stand_ins: &StandIns,
    data: &Path,
) -> Result<(), StackError> {
    // Builds run in folders of their own: a relative path would lead elsewhere.
    let data = std::path::absolute(data).map_err(StackError::file(data))?;
    let base = stand_ins.url().as_str().trim_end_matches('/');
    let made = |key: std::io::Result<String>| {
        key.map_err(|error| StackError::Service(format!("an instance's key: {error}")))
    };
    for environment in ENVIRONMENTS {
        let database = format!("influencegen_{environment}");
        let addons = data.join("odoo-addons").join(environment);
        for (name, value) in [
            ("n8n-url", format!("{base}/n8n/{environment}")),
            ("odoo-url", format!("{base}/odoo/{database}")),
            ("odoo-addons", addons.display().to_string()),
            ("odoo-database-host", "127.0.0.1".to_owned()),
        ] {
            parameter(
                emulator,
                &format!("/influencegen/{environment}/{name}"),
                &value,
            )
            .await?;
        }
        for (name, value) in [
            ("n8n-api-key", made(stand_ins.n8n_api_key(environment))?),
            ("odoo-password", made(stand_ins.odoo_password(&database))?),
            // Nothing asks for it here; on AWS the database does.
            ("odoo-database-password", random(32)),
        ] {
            secret(
                emulator,
                &format!("influencegen/{environment}/{name}"),
                &value,
            )
            .await?;
        }
    }
    Ok(())
}

async fn parameter(emulator: &Emulator, name: &str, value: &str) -> Result<(), StackError> {
    let body = json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": true });
    (emulator.call("ssm", "AmazonSSM.PutParameter", &body).await).map(|_| ())
}

async fn secret(emulator: &Emulator, name: &str, value: &str) -> Result<(), StackError> {
    let body = json!({ "Name": name, "SecretString": value });
    (emulator
        .call("secretsmanager", "secretsmanager.CreateSecret", &body)
        .await)
        .map(|_| ())
}
