//! `StartBuild`: from the request to a submitted build.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    faults::BuildFaults,
    model::{Build, Environment, EnvironmentVariable, Logs, PhaseType, Status, VariableType},
    store::Entry,
};
use crate::{aws_json::AwsError, ids};

/// CodeBuild's own default and limits for `timeoutInMinutes` (API reference,
/// `StartBuild`).
const DEFAULT_TIMEOUT_MINUTES: u64 = 60;
const TIMEOUT_MINUTES: std::ops::RangeInclusive<u64> = 5..=2160;

/// How long a real build may wait in the queue; recorded, never used up here.
const QUEUED_TIMEOUT_MINUTES: u64 = 480;

/// What a request may say. Other members of the real API are accepted and have
/// no effect on a laptop, such as roles, caches and artifacts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct StartBuild {
    project_name: String,
    source_version: Option<String>,
    source_type_override: Option<String>,
    source_location_override: Option<String>,
    environment_variables_override: Vec<EnvironmentVariable>,
    buildspec_override: Option<String>,
    timeout_in_minutes_override: Option<u64>,
    image_override: Option<String>,
    compute_type_override: Option<String>,
    environment_type_override: Option<String>,
    privileged_mode_override: Option<bool>,
    pub(crate) idempotency_token: Option<String>,
}

/// What the run needs of the request.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// `buildspecOverride`.
    pub(crate) buildspec: Option<String>,
    /// `sourceLocationOverride`.
    pub(crate) location: Option<String>,
    /// `sourceTypeOverride: NO_SOURCE`.
    pub(crate) no_source: bool,
    /// `environmentVariablesOverride`.
    pub(crate) variables: Vec<EnvironmentVariable>,
    /// The names of those that are secrets.
    pub(crate) secret_names: Vec<String>,
    /// After this the build is TIMED_OUT.
    pub(crate) timeout: Duration,
}

impl StartBuild {
    /// Checks what the real service checks before it accepts a build.
    ///
    /// # Errors
    /// `InvalidInputException`.
    pub(crate) fn check(&self) -> Result<(), AwsError> {
        let refuse = |message: String| Err(AwsError::new("InvalidInputException", message));
        if !is_project_name(&self.project_name) {
            return refuse(format!(
                "Invalid project name: {:?}; it is 2 to 255 letters, digits, hyphens and underscores and starts with a letter or digit",
                self.project_name
            ));
        }
        let minutes = self.timeout();
        if !TIMEOUT_MINUTES.contains(&minutes) {
            return refuse(format!(
                "Invalid timeout: {minutes} minutes; it is from 5 to 2160 minutes"
            ));
        }
        let mut names: Vec<&str> = (self.environment_variables_override.iter())
            .map(|variable| variable.name.as_str())
            .collect();
        names.sort_unstable();
        if names.contains(&"") || names.windows(2).any(|pair| pair[0] == pair[1]) {
            return refuse("environment variables must have names, each once".to_owned());
        }
        Ok(())
    }

    fn timeout(&self) -> u64 {
        (self.timeout_in_minutes_override).unwrap_or(DEFAULT_TIMEOUT_MINUTES)
    }

    /// What is to be run.
    pub(crate) fn plan(&self, minute: Duration) -> Plan {
        let minutes = u32::try_from(self.timeout()).unwrap_or(u32::MAX);
        Plan {
            buildspec: self.buildspec_override.clone(),
            location: self.source_location_override.clone(),
            no_source: self.source_type_override.as_deref() == Some("NO_SOURCE"),
            secret_names: (self.environment_variables_override.iter())
                .filter(|variable| variable.kind != VariableType::Plaintext)
                .map(|variable| variable.name.clone())
                .collect(),
            variables: self.environment_variables_override.clone(),
            timeout: minute.saturating_mul(minutes),
        }
    }

    /// The submitted build.
    pub(crate) fn submit(&self, shared: &Shared, number: u64, faults: BuildFaults) -> Entry {
        let uuid = ids::uuid();
        let id = format!("{}:{uuid}", self.project_name);
        let mut build = Build {
            arn: shared.arn("build", &id),
            build_number: number,
            project_name: self.project_name.clone(),
            start_time: ids::now_epoch(),
            end_time: None,
            current_phase: PhaseType::Submitted,
            build_status: Status::InProgress,
            build_complete: false,
            source_version: self.source_version.clone(),
            resolved_source_version: None,
            phases: vec![],
            source: self.source(),
            environment: self.environment(),
            logs: Logs {
                group_name: format!("/aws/codebuild/{}", self.project_name),
                stream_name: uuid.clone(),
                deep_link: format!("{}codebuild/logs/{uuid}", shared.settings.url),
            },
            timeout_in_minutes: self.timeout(),
            queued_timeout_in_minutes: QUEUED_TIMEOUT_MINUTES,
            initiator: "gatewright-laptop-standin".to_owned(),
            exported_environment_variables: vec![],
            report_arns: vec![],
            id,
        };
        build.enter(PhaseType::Submitted);
        build.leave(Status::Succeeded, None);
        Entry::new(build, shared.settings.builds.join(&uuid), faults)
    }

    fn source(&self) -> Value {
        let kind = self.source_type_override.as_deref().unwrap_or("GITHUB");
        let mut source = json!({"type": kind});
        if let Some(location) = &self.source_location_override {
            source["location"] = location.as_str().into();
        }
        if let Some(buildspec) = &self.buildspec_override {
            source["buildspec"] = buildspec.as_str().into();
        }
        source
    }

    fn environment(&self) -> Environment {
        let or = |value: &Option<String>, default: &str| {
            value.clone().unwrap_or_else(|| default.to_owned())
        };
        Environment {
            kind: or(&self.environment_type_override, "LINUX_CONTAINER"),
            image: or(
                &self.image_override,
                "aws/codebuild/amazonlinux-x86_64-standard:5.0",
            ),
            compute_type: or(&self.compute_type_override, "BUILD_GENERAL1_SMALL"),
            environment_variables: self.environment_variables_override.clone(),
            privileged_mode: self.privileged_mode_override.unwrap_or(false),
            image_pull_credentials_type: "CODEBUILD",
        }
    }
}

fn is_project_name(name: &str) -> bool {
    (2..=255).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}
