//! Builds: AWS CodeBuild.

use crate::error::{Kind, ServiceError, classify};
use aws_sdk_codebuild::Client;
use aws_sdk_codebuild::types::{
    Build, BuildPhaseType, EnvironmentVariable, EnvironmentVariableType, Report, ReportType,
    SourceType,
};
use gatewright_domain::evidence::{BuildStatus, Percent, ReportResult, Tests};
use std::collections::BTreeMap;

/// A build to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOrder {
    /// The CodeBuild project.
    pub project: String,
    /// The same order twice starts one build; CodeBuild remembers it for five
    /// minutes, our own record for ever.
    pub idempotency: String,
    /// The repository's URL.
    pub repository: String,
    /// The commit.
    pub commit: String,
    /// The build image.
    pub image: String,
    /// CodeBuild's compute type.
    pub compute: String,
    /// The time-out in minutes, rounded up (CodeBuild: 5 to 2,160).
    pub timeout_minutes: i32,
    /// The buildspec, as JSON, which is YAML.
    pub buildspec: String,
    /// Environment variables. Secrets come by reference in the buildspec.
    pub env: BTreeMap<String, String>,
}

/// A build as CodeBuild has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSeen {
    /// CodeBuild's id.
    pub id: String,
    /// Where it stands.
    pub status: BuildStatus,
    /// What CodeBuild says of the failing phase.
    pub message: Option<String>,
    /// Seconds from start to end.
    pub seconds: Option<i64>,
    /// The log's address.
    pub log: Option<String>,
    /// The environment it was started with.
    pub env: BTreeMap<String, String>,
    /// What it exported.
    pub exported: BTreeMap<String, String>,
    /// Its reports' ARNs.
    pub reports: Vec<String>,
}

/// What functions need of CodeBuild.
pub trait Builds: Send + Sync {
    /// Starts a build; the same order again gives the same build.
    fn start(
        &self,
        order: &BuildOrder,
    ) -> impl Future<Output = Result<BuildSeen, ServiceError>> + Send;

    /// A build, if CodeBuild knows it.
    fn get(&self, id: &str)
    -> impl Future<Output = Result<Option<BuildSeen>, ServiceError>> + Send;

    /// Reports by ARN: the report group's name and what it says.
    fn reports(
        &self,
        arns: &[String],
    ) -> impl Future<Output = Result<Vec<(String, ReportResult)>, ServiceError>> + Send;

    /// Stops a build; stopping one that is over changes nothing.
    fn stop(&self, id: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// CodeBuild through the SDK.
#[derive(Debug, Clone)]
pub struct CodeBuild {
    client: Client,
}

impl CodeBuild {
    /// CodeBuild with this configuration.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }
}

impl Builds for CodeBuild {
    async fn start(&self, order: &BuildOrder) -> Result<BuildSeen, ServiceError> {
        let action = "codebuild:StartBuild";
        let mut request = self
            .client
            .start_build()
            .project_name(&order.project)
            .idempotency_token(&order.idempotency)
            .source_type_override(SourceType::Github)
            .source_location_override(&order.repository)
            .source_version(&order.commit)
            .image_override(&order.image)
            .compute_type_override(order.compute.as_str().into())
            .timeout_in_minutes_override(order.timeout_minutes)
            .buildspec_override(&order.buildspec);
        for (name, value) in &order.env {
            let variable = EnvironmentVariable::builder()
                .name(name)
                .value(value)
                .r#type(EnvironmentVariableType::Plaintext)
                .build()
                .map_err(|e| ServiceError::of(action, Kind::Other, e.to_string()))?;
            request = request.environment_variables_override(variable);
        }
        let reply = request.send().await.map_err(|e| classify(action, &e))?;
        let build = reply
            .build_value
            .ok_or_else(|| ServiceError::of(action, Kind::Other, "no build in the answer"))?;
        Ok(seen(build))
    }

    async fn get(&self, id: &str) -> Result<Option<BuildSeen>, ServiceError> {
        let action = "codebuild:BatchGetBuilds";
        let reply = self
            .client
            .batch_get_builds()
            .ids(id)
            .send()
            .await
            .map_err(|e| classify(action, &e))?;
        Ok(reply
            .builds
            .unwrap_or_default()
            .into_iter()
            .next()
            .map(seen))
    }

    async fn reports(&self, arns: &[String]) -> Result<Vec<(String, ReportResult)>, ServiceError> {
        let action = "codebuild:BatchGetReports";
        let mut found = Vec::new();
        // BatchGetReports takes at most 100 ARNs a call.
        for chunk in arns.chunks(100) {
            let reply = self
                .client
                .batch_get_reports()
                .set_report_arns(Some(chunk.to_vec()))
                .send()
                .await
                .map_err(|e| classify(action, &e))?;
            found.extend(reply.reports.unwrap_or_default().into_iter().map(report));
        }
        Ok(found)
    }

    async fn stop(&self, id: &str) -> Result<(), ServiceError> {
        let action = "codebuild:StopBuild";
        match self
            .client
            .stop_build()
            .id(id)
            .send()
            .await
            .map_err(|e| classify(action, &e))
        {
            Ok(_) => Ok(()),
            Err(error) if error.kind == Kind::Missing || error.is("InvalidInputException") => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn seen(build: Build) -> BuildSeen {
    let status = build
        .build_status
        .as_ref()
        .map_or(BuildStatus::Unknown, |s| BuildStatus::from_api(s.as_str()));
    let pairs =
        |all: Vec<EnvironmentVariable>| all.into_iter().map(|v| (v.name, v.value)).collect();
    let failing = build.phases.iter().flatten().find(|phase| {
        let failed = phase
            .phase_status
            .as_ref()
            .is_some_and(|s| s.as_str() != "SUCCEEDED");
        failed && phase.phase_type != Some(BuildPhaseType::Completed)
    });
    // A phase that was stopped says nothing.
    let message = failing.and_then(|phase| {
        let contexts = phase.contexts.iter().flatten();
        let said: Vec<&str> = contexts
            .filter_map(|c| c.message())
            .filter(|said| !said.trim().is_empty())
            .collect();
        let name = phase.phase_type.as_ref().map_or("a phase", |t| t.as_str());
        (!said.is_empty()).then(|| format!("{name}: {}", said.join("; ")))
    });
    BuildSeen {
        id: build.id.unwrap_or_default(),
        status,
        message: message.filter(|_| status != BuildStatus::Succeeded),
        seconds: build
            .start_time
            .zip(build.end_time)
            .map(|(start, end)| end.secs() - start.secs()),
        log: build.logs.and_then(|logs| logs.deep_link),
        env: build
            .environment
            .and_then(|e| e.environment_variables)
            .map(pairs)
            .unwrap_or_default(),
        exported: build
            .exported_environment_variables
            .unwrap_or_default()
            .into_iter()
            .filter_map(|v| v.name.zip(v.value))
            .collect(),
        reports: build.report_arns.unwrap_or_default(),
    }
}

/// A report's group and what it says. A report that is not there in full is
/// unreadable: it must not count as green.
fn report(report: Report) -> (String, ReportResult) {
    let group = report
        .report_group_arn
        .as_deref()
        .and_then(|arn| arn.rsplit_once('/').map(|(_, name)| name.to_owned()))
        .unwrap_or_default();
    let unreadable = |why: String| ReportResult::Unreadable { why };
    let result = match report.r#type.as_ref() {
        Some(ReportType::Test) => match &report.test_summary {
            Some(summary) => tests(summary),
            None => unreadable(state(&report)),
        },
        Some(ReportType::CodeCoverage) => match &report.code_coverage_summary {
            Some(summary) => {
                let lines = summary
                    .lines_covered
                    .zip(summary.lines_missed)
                    .and_then(|(c, m)| {
                        Percent::of_lines(u64::try_from(c).ok()?, u64::try_from(m).ok()?)
                    })
                    .or_else(|| summary.line_coverage_percentage.and_then(Percent::from_f64));
                lines.map_or_else(
                    || unreadable("it names no line coverage".to_owned()),
                    |lines| ReportResult::Coverage { lines },
                )
            }
            None => unreadable(state(&report)),
        },
        _ => unreadable("it is neither a test nor a coverage report".to_owned()),
    };
    (group, result)
}

fn tests(summary: &aws_sdk_codebuild::types::TestReportSummary) -> ReportResult {
    let count = |name: &str| {
        let n = summary.status_counts.get(name).copied().unwrap_or(0);
        u64::try_from(n).unwrap_or(0)
    };
    let total = u64::try_from(summary.total).unwrap_or(0);
    ReportResult::Tests(Tests {
        total,
        passed: count("SUCCEEDED"),
        failed: count("FAILED") + count("ERROR"),
        skipped: count("SKIPPED"),
    })
}

fn state(report: &Report) -> String {
    let status = report
        .status
        .as_ref()
        .map_or("of no status", |s| s.as_str());
    format!("it is {status} and has no summary")
}
