//! UPLOAD_ARTIFACTS: the build's reports.

use super::{
    Shared,
    environment::Folders,
    log::BuildLog,
    model::{Build, Report, ReportStatus},
    report::{self, Summary},
    spec::{BuildSpec, ReportSpec},
};
use crate::ids;

/// Reads every report of the buildspec; one that cannot be read is a failed
/// report and a line in the log.
pub(crate) fn reports(
    shared: &Shared,
    build: &Build,
    spec: &BuildSpec,
    folders: &Folders,
    log: &BuildLog,
) -> Vec<Report> {
    (spec.reports.iter())
        .map(|(group, report)| one(shared, build, (group, report), folders, log))
        .collect()
}

fn one(
    shared: &Shared,
    build: &Build,
    (group, spec): (&str, &ReportSpec),
    folders: &Folders,
    log: &BuildLog,
) -> Report {
    let group_arn = group_arn(shared, &build.project_name, group);
    let group_name = group_arn.rsplit('/').next().unwrap_or(group).to_owned();
    let uuid = ids::uuid();
    let mut report = Report {
        arn: shared.arn("report", &format!("{group_name}:{uuid}")),
        kind: report::report_type(&spec.file_format),
        name: uuid,
        report_group_arn: group_arn,
        execution_id: build.arn.clone(),
        status: ReportStatus::Succeeded,
        created: ids::now_epoch(),
        truncated: false,
        test_summary: None,
        code_coverage_summary: None,
    };
    match report::read(spec, &folders.source()) {
        Ok(Summary::Tests(summary)) => {
            if summary.failed + summary.error > 0 {
                report.status = ReportStatus::Failed;
            }
            report.test_summary = Some(summary);
        }
        Ok(Summary::Coverage(summary)) => report.code_coverage_summary = Some(summary),
        Err(error) => {
            log.say(&format!("Error processing report group {group}: {error}"));
            report.status = ReportStatus::Failed;
        }
    }
    report
}

/// A group named in a buildspec belongs to the project: `<project>-<group>`
/// (user guide, *Report group naming*). An ARN is taken as it is.
fn group_arn(shared: &Shared, project: &str, group: &str) -> String {
    if group.starts_with("arn:") {
        group.to_owned()
    } else {
        shared.arn("report-group", &format!("{project}-{group}"))
    }
}
