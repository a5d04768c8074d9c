//! Reading a buildspec, version 0.2.
//!
//! The rules are those of the *Build specification reference* in the CodeBuild
//! user guide. What this stand-in does not play (other shells, `run-as`,
//! batches, `on-failure: RETRY`) is refused by name, never skipped: a build
//! that passes here must not rest on something that was left out. `artifacts`
//! and `cache` are read and have no effect, as in a project without either.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::model::PhaseType;

/// Why a buildspec cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SpecError {
    /// Not YAML, or not of a buildspec's form.
    #[error("the buildspec cannot be read: {0}")]
    Form(String),
    /// Another version.
    #[error("the buildspec's version is {0}; this stand-in plays 0.2 only")]
    Version(String),
    /// Something the stand-in does not play.
    #[error("the buildspec asks for {what}, which the laptop stand-in does not play; {instead}")]
    Unplayed {
        /// What it asks for.
        what: String,
        /// What would work.
        instead: &'static str,
    },
    /// No commands at all.
    #[error("the buildspec has no `phases` with `commands`; at least one is required")]
    Empty,
}

/// A buildspec's content, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct BuildSpec {
    /// `env.variables`.
    pub(crate) variables: BTreeMap<String, String>,
    /// `env.parameter-store`: variable to parameter name.
    pub(crate) parameter_store: BTreeMap<String, String>,
    /// `env.secrets-manager`: variable to `secret:json-key:stage:version`.
    pub(crate) secrets_manager: BTreeMap<String, String>,
    /// `env.exported-variables`.
    pub(crate) exported_variables: Vec<String>,
    phases: Vec<(PhaseType, PhaseSpec)>,
    /// `reports`, by group name, in the order written.
    pub(crate) reports: IndexMap<String, ReportSpec>,
}

impl BuildSpec {
    /// The commands of a phase, when the buildspec has the phase.
    pub(crate) fn phase(&self, wanted: PhaseType) -> Option<&PhaseSpec> {
        (self.phases.iter()).find_map(|(phase, spec)| (*phase == wanted).then_some(spec))
    }

    /// Reads a buildspec from YAML or JSON (which is YAML).
    ///
    /// # Errors
    /// [`SpecError`], whose text is what the build's phase context says.
    pub(crate) fn parse(text: &str) -> Result<Self, SpecError> {
        let raw: Raw =
            serde_saphyr::from_str(text).map_err(|error| SpecError::Form(error.to_string()))?;
        let version = scalar(&raw.version);
        if version != "0.2" {
            return Err(SpecError::Version(version));
        }
        refuse_unplayed(&raw)?;
        let phases = phases(raw.phases)?;
        if phases.iter().all(|(_, phase)| phase.commands.is_empty()) {
            return Err(SpecError::Empty);
        }
        Ok(Self {
            variables: (raw.env.variables.into_iter())
                .map(|(name, value)| (name, scalar(&value)))
                .collect(),
            parameter_store: raw.env.parameter_store,
            secrets_manager: raw.env.secrets_manager,
            exported_variables: raw.env.exported_variables,
            phases,
            reports: raw.reports,
        })
    }
}

/// One phase's commands.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PhaseSpec {
    /// What happens after the first failing command.
    #[serde(default)]
    pub(crate) on_failure: Option<OnFailure>,
    /// The commands, one after the other in one shell.
    #[serde(default)]
    pub(crate) commands: Vec<String>,
    /// Commands that run after them, whether they failed or not.
    #[serde(default)]
    pub(crate) finally: Vec<String>,
    // Naming runtimes has no effect on a laptop: PATH decides.
    #[serde(default, rename = "runtime-versions")]
    _runtime_versions: Option<Value>,
    #[serde(default, rename = "run-as")]
    run_as: Option<Value>,
}

/// `on-failure` of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum OnFailure {
    /// End the build.
    Abort,
    /// Go on with the next phase.
    Continue,
}

/// One report group of the buildspec.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ReportSpec {
    /// Globs under `base_directory`.
    pub(crate) files: Vec<String>,
    /// Relative to the source; the source itself when absent.
    #[serde(default)]
    pub(crate) base_directory: Option<String>,
    /// `JUNITXML` when absent.
    #[serde(default = "junit")]
    pub(crate) file_format: String,
}

fn junit() -> String {
    "JUNITXML".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: Value,
    #[serde(default)]
    env: RawEnv,
    #[serde(default)]
    phases: BTreeMap<String, PhaseSpec>,
    #[serde(default)]
    reports: IndexMap<String, ReportSpec>,
    #[serde(default, rename = "artifacts")]
    _artifacts: Option<Value>,
    #[serde(default, rename = "cache")]
    _cache: Option<Value>,
    #[serde(default)]
    proxy: Option<Value>,
    #[serde(default)]
    batch: Option<Value>,
    #[serde(default, rename = "run-as")]
    run_as: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawEnv {
    #[serde(default)]
    shell: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, Value>,
    #[serde(default)]
    parameter_store: BTreeMap<String, String>,
    #[serde(default)]
    secrets_manager: BTreeMap<String, String>,
    #[serde(default)]
    exported_variables: Vec<String>,
    #[serde(default)]
    git_credential_helper: Option<Value>,
}

fn refuse_unplayed(raw: &Raw) -> Result<(), SpecError> {
    let refuse = |what: &str, instead| {
        Err(SpecError::Unplayed {
            what: what.to_owned(),
            instead,
        })
    };
    if let Some(shell) = &raw.env.shell
        && !["bash", "/bin/bash", "/bin/sh", "sh"].contains(&shell.as_str())
    {
        return refuse(&format!("env.shell {shell}"), "use bash");
    }
    if raw.run_as.is_some() || raw.phases.values().any(|phase| phase.run_as.is_some()) {
        return refuse("run-as", "leave it out: commands run as you");
    }
    if raw.batch.is_some() {
        return refuse("batch", "start the builds one by one");
    }
    if raw.proxy.is_some() || raw.env.git_credential_helper.is_some() {
        return refuse(
            "proxy or git-credential-helper",
            "leave them out on a laptop",
        );
    }
    Ok(())
}

fn phases(raw: BTreeMap<String, PhaseSpec>) -> Result<Vec<(PhaseType, PhaseSpec)>, SpecError> {
    let named = |name: &str| match name {
        "install" => Ok(PhaseType::Install),
        "pre_build" => Ok(PhaseType::PreBuild),
        "build" => Ok(PhaseType::Build),
        "post_build" => Ok(PhaseType::PostBuild),
        other => Err(SpecError::Form(format!(
            "there is no phase `{other}`; the phases are install, pre_build, build, post_build"
        ))),
    };
    (raw.into_iter())
        .map(|(name, spec)| Ok((named(&name)?, spec)))
        .collect()
}

/// A YAML scalar as the text CodeBuild puts into a variable.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r"
version: 0.2
env:
  shell: bash
  variables: {STAGE: beta, RETRIES: 3}
  exported-variables: [IMAGE_DIGEST]
phases:
  install: {commands: [pip install -r requirements.txt]}
  build:
    on-failure: ABORT
    commands: [pytest]
    finally: [echo done]
reports:
  unit: {files: ['**/*.xml'], base-directory: out}
  coverage: {files: [coverage.xml], file-format: COBERTURAXML}
";

    #[test]
    fn a_full_buildspec_is_read() {
        let spec = BuildSpec::parse(FULL).unwrap();
        assert_eq!(spec.variables["RETRIES"], "3");
        assert_eq!(spec.exported_variables, ["IMAGE_DIGEST"]);
        let build = spec.phase(PhaseType::Build).unwrap();
        assert_eq!(build.on_failure, Some(OnFailure::Abort));
        assert_eq!(build.finally, ["echo done"]);
        assert_eq!(spec.reports["unit"].file_format, "JUNITXML");
        assert!(spec.reports.keys().eq(["unit", "coverage"]));
    }

    #[test]
    fn json_is_read_as_well() {
        let text = r#"{"version": 0.2, "phases": {"build": {"commands": ["true"]}}}"#;
        assert!(BuildSpec::parse(text).is_ok());
    }

    #[test]
    fn what_is_not_played_is_refused_by_name() {
        let spec = "version: 0.2\nrun-as: deploy\nphases: {build: {commands: ['true']}}\n";
        let error = BuildSpec::parse(spec).unwrap_err().to_string();
        assert!(error.contains("run-as"), "{error}");
        let old = "version: 0.1\nphases: {build: {commands: ['true']}}\n";
        assert_eq!(
            BuildSpec::parse(old).unwrap_err(),
            SpecError::Version("0.1".to_owned())
        );
    }

    #[test]
    fn an_unknown_phase_is_named() {
        let error = BuildSpec::parse("version: 0.2\nphases: {deploy: {commands: [ls]}}\n");
        assert!(error.unwrap_err().to_string().contains("`deploy`"));
    }
}
