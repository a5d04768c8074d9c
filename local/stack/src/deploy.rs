//! Deploys `infra/template.yaml` to the emulator with the script that deploys it
//! to AWS.

use crate::emulator::Emulator;
use crate::{Options, StackError};
use serde::Deserialize;
use std::collections::BTreeMap;
use tokio::process::Command;

#[derive(Deserialize)]
struct Deployed {
    outputs: BTreeMap<String, String>,
}

/// Deploys with these parameters; gives the stack's outputs.
///
/// # Errors
/// What the script says.
pub(crate) async fn deploy(
    options: &Options,
    emulator: &Emulator,
    parameters: &[(&str, String)],
) -> Result<BTreeMap<String, String>, StackError> {
    if !options.bootstrap_zip.exists() {
        let path = options.bootstrap_zip.display().to_string();
        return Err(StackError::NotSetUp {
            what: "the functions' archive",
            path,
        });
    }
    let mut command = Command::new(&options.python);
    command
        .arg(options.root.join("infra/deploy.py"))
        .args([
            "--stack",
            "gatewright",
            "--region",
            "ap-south-1",
            "--yes",
            "--json",
            "--quiet",
        ])
        .args([
            "--endpoint-url",
            emulator.url(),
            "--bucket",
            "gatewright-laptop",
        ])
        .arg("--zip")
        .arg(&options.bootstrap_zip)
        .arg("--machines")
        .arg(options.root.join("statemachines"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &options.data)
        .env("AWS_ACCESS_KEY_ID", &emulator.credentials().key)
        .env("AWS_SECRET_ACCESS_KEY", &emulator.credentials().secret)
        .kill_on_drop(true);
    for (name, value) in parameters {
        command.args(["--parameter", &format!("{name}={value}")]);
    }
    let output = command
        .output()
        .await
        .map_err(StackError::file(&options.python))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(StackError::Process {
            what: "infra/deploy.py",
            why: said,
        });
    }
    let deployed: Deployed =
        serde_json::from_slice(&output.stdout).map_err(|error| StackError::Process {
            what: "infra/deploy.py",
            why: format!("its output does not read: {error}\n{said}"),
        })?;
    Ok(deployed.outputs)
}
