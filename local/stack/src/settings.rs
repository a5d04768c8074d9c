//! What builds on the laptop read from Parameter Store and Secrets Manager: the
//! addresses and keys of the instances that the stand-ins play, and something for
//! every other secret that a definition names.
//!
//! On AWS somebody has put them there once, for their own instances; definitions
//! name them and never know which it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gatewright_domain::pipeline::{Definition, Variable};
use gatewright_local::StandIns;
use serde_json::json;

use crate::StackError;
use crate::emulator::{Emulator, random};

/// Puts everything that these definitions name where builds look for it.
///
/// # Errors
/// When the emulator refuses, a key cannot be made, or a definition names a
/// parameter whose value nobody knows.
pub(crate) async fn furnish(
    emulator: &Emulator,
    stand_ins: &StandIns,
    data: &Path,
    definitions: &[Definition],
) -> Result<(), StackError> {
    let (secrets, parameters) = named(definitions);
    for name in parameters {
        let known = parameters_of(stand_ins, data, &name)?;
        let value = known.remove_entry_of(&name)?;
        let body = json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": true });
        emulator
            .call("ssm", "AmazonSSM.PutParameter", &body)
            .await?;
    }
    for name in secrets {
        let value = secret_of(stand_ins, &name)?;
        let body = json!({ "Name": name, "SecretString": value });
        emulator
            .call("secretsmanager", "secretsmanager.CreateSecret", &body)
            .await?;
    }
    Ok(())
}

/// The secrets and the parameters that the definitions' builds read. A secret's
/// reference may go on with `:json-key`.
fn named(definitions: &[Definition]) -> (BTreeSet<String>, BTreeSet<String>) {
    let stages = definitions.iter().flat_map(|d| &d.stages);
    let variables = stages
        .filter_map(|stage| stage.build())
        .flat_map(|build| build.env.values());
    let (mut secrets, mut parameters) = (BTreeSet::new(), BTreeSet::new());
    for variable in variables {
        match variable {
            Variable::Plain { .. } => {}
            Variable::Secret { id } => {
                let id = id.split(':').next().unwrap_or(id);
                secrets.insert(id.to_owned());
            }
            Variable::Parameter { name } => {
                parameters.insert(name.clone());
            }
        }
    }
    (secrets, parameters)
}

/// What is known about the environment that a parameter's name ends in.
struct Known(BTreeMap<String, String>);

impl Known {
    fn remove_entry_of(mut self, name: &str) -> Result<String, StackError> {
        self.0.remove(name).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            StackError::Service(format!(
                "a definition reads parameter {name}, whose value the laptop does not know; it knows {}",
                known.join(", ")
            ))
        })
    }
}

/// The settings of InfluenceGen's instances, for the environment in the name.
fn parameters_of(stand_ins: &StandIns, data: &Path, name: &str) -> Result<Known, StackError> {
    // Builds run in folders of their own: a relative path would lead elsewhere.
    let data = std::path::absolute(data).map_err(StackError::file(data))?;
    let base = stand_ins.url().as_str().trim_end_matches('/');
    let environment = environment(name);
    let addons = data.join("odoo-addons").join(environment);
    let at = |setting: &str| format!("/influencegen/{environment}/{setting}");
    Ok(Known(BTreeMap::from([
        (at("n8n-url"), format!("{base}/n8n/{environment}")),
        (
            at("odoo-url"),
            format!("{base}/odoo/influencegen_{environment}"),
        ),
        (at("odoo-addons"), addons.display().to_string()),
        (at("odoo-database-host"), "127.0.0.1".to_owned()),
    ])))
}

/// The keys of the stand-ins' instances; anything for what nothing here asks for.
fn secret_of(stand_ins: &StandIns, name: &str) -> Result<String, StackError> {
    let made = |key: std::io::Result<String>| {
        key.map_err(|error| StackError::Service(format!("an instance's key: {error}")))
    };
    let environment = environment(name);
    match name.rsplit('/').next() {
        Some("n8n-api-key") => made(stand_ins.n8n_api_key(environment)),
        Some("odoo-password") => {
            made(stand_ins.odoo_password(&format!("influencegen_{environment}")))
        }
        Some(_) | None => Ok(random(32)),
    }
}

/// `staging` of `/influencegen/staging/n8n-url`.
fn environment(name: &str) -> &str {
    name.rsplit('/').nth(1).unwrap_or_default()
}
