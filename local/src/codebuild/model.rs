//! Builds, phases and reports, in the shapes of CodeBuild's API.
//!
//! Names and values follow the data types of the API reference (`Build`,
//! `BuildPhase`, `Report`); times are seconds since 1970.

use serde::Serialize;
use serde_json::{Value, json};

use crate::ids;

/// `StatusType`: how a build or a phase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    InProgress,
    Succeeded,
    Failed,
    Fault,
    TimedOut,
    Stopped,
}

/// `BuildPhaseType`: the phases, in the order they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum PhaseType {
    Submitted,
    Queued,
    Provisioning,
    DownloadSource,
    Install,
    PreBuild,
    Build,
    PostBuild,
    UploadArtifacts,
    Finalizing,
    Completed,
}

/// The name a status or a phase has in the API.
pub(crate) fn api_name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        other => format!("{other:?}"),
    }
}

/// `PhaseContext`: why a phase ended the way it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PhaseContext {
    pub(crate) status_code: String,
    pub(crate) message: String,
}

impl PhaseContext {
    pub(crate) fn new(status_code: &str, message: impl Into<String>) -> Self {
        Self {
            status_code: status_code.to_owned(),
            message: message.into(),
        }
    }
}

/// `BuildPhase`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Phase {
    pub(crate) phase_type: PhaseType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phase_status: Option<Status>,
    pub(crate) start_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_in_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) contexts: Vec<PhaseContext>,
}

/// `EnvironmentVariable`; for the two secret types the value is a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(crate) struct EnvironmentVariable {
    pub(crate) name: String,
    pub(crate) value: String,
    #[serde(rename = "type", default)]
    pub(crate) kind: VariableType,
}

/// `EnvironmentVariableType`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum VariableType {
    #[default]
    Plaintext,
    ParameterStore,
    SecretsManager,
}

/// `ProjectEnvironment`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Environment {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) image: String,
    pub(crate) compute_type: String,
    pub(crate) environment_variables: Vec<EnvironmentVariable>,
    pub(crate) privileged_mode: bool,
    pub(crate) image_pull_credentials_type: &'static str,
}

/// `LogsLocation`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Logs {
    pub(crate) group_name: String,
    pub(crate) stream_name: String,
    pub(crate) deep_link: String,
}

/// `ExportedEnvironmentVariable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Exported {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// `Build`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Build {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) build_number: u64,
    pub(crate) project_name: String,
    pub(crate) start_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_time: Option<f64>,
    pub(crate) current_phase: PhaseType,
    pub(crate) build_status: Status,
    pub(crate) build_complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resolved_source_version: Option<String>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) source: Value,
    pub(crate) environment: Environment,
    pub(crate) logs: Logs,
    pub(crate) timeout_in_minutes: u64,
    pub(crate) queued_timeout_in_minutes: u64,
    pub(crate) initiator: String,
    pub(crate) exported_environment_variables: Vec<Exported>,
    pub(crate) report_arns: Vec<String>,
}

impl Build {
    /// The last part of the id and the name of the build's folder.
    pub(crate) fn uuid(&self) -> &str {
        self.id.rsplit(':').next().unwrap_or(&self.id)
    }

    /// Opens a phase.
    pub(crate) fn enter(&mut self, phase_type: PhaseType) {
        self.current_phase = phase_type;
        self.phases.push(Phase {
            phase_type,
            phase_status: None,
            start_time: ids::now_epoch(),
            end_time: None,
            duration_in_seconds: None,
            contexts: vec![],
        });
    }

    /// Closes the phase opened last.
    pub(crate) fn leave(&mut self, status: Status, context: Option<PhaseContext>) {
        if let Some(phase) = self.phases.last_mut() {
            let end = ids::now_epoch();
            phase.phase_status = Some(status);
            phase.end_time = Some(end);
            phase.duration_in_seconds = Some(whole_seconds(end - phase.start_time));
            phase.contexts.extend(context);
        }
    }

    /// Ends the build: COMPLETED is the phase that never ends.
    pub(crate) fn complete(&mut self, status: Status) {
        self.enter(PhaseType::Completed);
        self.build_status = status;
        self.build_complete = true;
        self.end_time = Some(ids::now_epoch());
    }
}

fn whole_seconds(seconds: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    let whole = seconds.max(0.0) as u64;
    whole
}

/// `Report`, with the one summary that belongs to its type.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) arn: String,
    #[serde(rename = "type")]
    pub(crate) kind: ReportType,
    pub(crate) name: String,
    pub(crate) report_group_arn: String,
    pub(crate) execution_id: String,
    pub(crate) status: ReportStatus,
    pub(crate) created: f64,
    pub(crate) truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) test_summary: Option<TestSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_coverage_summary: Option<CoverageSummary>,
}

/// `ReportType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ReportType {
    Test,
    CodeCoverage,
}

/// The two ends of `ReportStatusType` a finished build's report can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ReportStatus {
    Succeeded,
    Failed,
}

/// `TestReportSummary`, before it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TestSummary {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) error: u64,
    pub(crate) skipped: u64,
    pub(crate) duration_nanos: u64,
}

impl TestSummary {
    /// Adds another file of the same report.
    pub(crate) fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.error += other.error;
        self.skipped += other.skipped;
        self.duration_nanos += other.duration_nanos;
    }
}

impl Serialize for TestSummary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({
            "total": self.succeeded + self.failed + self.error + self.skipped,
            "statusCounts": {
                "SUCCEEDED": self.succeeded,
                "FAILED": self.failed,
                "ERROR": self.error,
                "SKIPPED": self.skipped,
                "UNKNOWN": 0,
            },
            "durationInNanoSeconds": self.duration_nanos,
        })
        .serialize(serializer)
    }
}

/// `CodeCoverageReportSummary`, before it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CoverageSummary {
    pub(crate) lines_covered: u64,
    pub(crate) lines_valid: u64,
    pub(crate) branches_covered: u64,
    pub(crate) branches_valid: u64,
}

impl CoverageSummary {
    /// Adds another file of the same report.
    pub(crate) fn add(&mut self, other: &Self) {
        self.lines_covered += other.lines_covered;
        self.lines_valid += other.lines_valid;
        self.branches_covered += other.branches_covered;
        self.branches_valid += other.branches_valid;
    }
}

impl Serialize for CoverageSummary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({
            "lineCoveragePercentage": percentage(self.lines_covered, self.lines_valid),
            "linesCovered": self.lines_covered,
            "linesMissed": self.lines_valid.saturating_sub(self.lines_covered),
            "branchCoveragePercentage": percentage(self.branches_covered, self.branches_valid),
            "branchesCovered": self.branches_covered,
            "branchesMissed": self.branches_valid.saturating_sub(self.branches_covered),
        })
        .serialize(serializer)
    }
}

/// A share in percent with two decimals; nothing to cover counts as 0, as
/// CodeBuild shows a report without branches.
fn percentage(covered: u64, valid: u64) -> f64 {
    if valid == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of lines fit in 53 bits")]
    let share = covered as f64 / valid as f64;
    (share * 10_000.0).round() / 100.0
}
