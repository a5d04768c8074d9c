//! Deploys `infra/template.yaml` and the pipelines' stacks to the emulator, with
//! the script that deploys them to AWS.

use crate::emulator::Emulator;
use crate::{Options, StackError};
use gatewright_domain::PipelineId;
use serde::Deserialize;
use std::collections::BTreeMap;
use tokio::process::Command;

/// What the script says that it has deployed.
#[derive(Debug, Deserialize)]
pub(crate) struct Deployed {
    outputs: BTreeMap<String, String>,
    pipelines: BTreeMap<String, DeployedPipeline>,
}

#[derive(Debug, Deserialize)]
struct DeployedPipeline {
    outputs: BTreeMap<String, String>,
}

impl Deployed {
    /// An output of the core stack.
    ///
    /// # Errors
    /// When the template has none of that name.
    pub(crate) fn output(&self, name: &str) -> Result<String, StackError> {
        self.outputs
            .get(name)
            .cloned()
            .ok_or_else(|| StackError::Service(format!("infra/template.yaml has no output {name}")))
    }

    /// An output of each pipeline that has it, by the pipeline's id.
    pub(crate) fn of_pipelines(&self, output: &str) -> BTreeMap<String, String> {
        self.pipelines
            .iter()
            .filter_map(|(id, deployed)| Some((id.clone(), deployed.outputs.get(output)?.clone())))
            .collect()
    }
}

/// Deploys the core with these parameters, and the stacks of these pipelines; gives
/// the outputs.
///
/// # Errors
/// What the script says.
pub(crate) async fn deploy(
    options: &Options,
    emulator: &Emulator,
    parameters: &[(&str, String)],
    pipelines: &[&PipelineId],
) -> Result<Deployed, StackError> {
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
        // The project's folder is not the script's to write into.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AWS_ACCESS_KEY_ID", &emulator.credentials().key)
        .env("AWS_SECRET_ACCESS_KEY", &emulator.credentials().secret)
        .kill_on_drop(true);
    for (name, value) in parameters {
        command.args(["--parameter", &format!("{name}={value}")]);
    }
    if pipelines.is_empty() {
        command.arg("--core");
    }
    command.args(pipelines.iter().map(|id| id.as_str()));
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
    serde_json::from_slice(&output.stdout).map_err(|error| StackError::Process {
        what: "infra/deploy.py",
        why: format!("its output does not read: {error}\n{said}"),
    })
}
