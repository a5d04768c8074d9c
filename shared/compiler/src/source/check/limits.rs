//! Names that AWS would not take.

use crate::source::lower::project;
use crate::source::pipeline::RawPipeline;
use crate::source::sink::Sink;
use gatewright_domain::pipeline::ReportFormat;

/// The longest name of a report group (CodeBuild API, CreateReportGroup).
const LONGEST_GROUP: usize = 128;

/// CodeBuild makes a report's group from the project's name, the pipeline's id
/// and the report's name.
pub(super) fn check(raw: &RawPipeline, sink: &Sink) {
    let Some(id) = &raw.id else { return };
    for stage in &raw.stages.stages {
        let environment = stage.environment.as_ref().map(|e| e.value.as_str());
        let project = project(&stage.settings, &raw.defaults, id, environment);
        for (name, report) in &stage.build.reports {
            // CodeBuild knows nothing of what scanners find.
            if report
                .as_ref()
                .is_none_or(|r| r.format == ReportFormat::Sarif)
            {
                continue;
            }
            let group = format!("{project}-{id}-{}", name.value);
            if group.len() > LONGEST_GROUP {
                sink.error_help(
                    &name.at,
                    format!(
                        "CodeBuild would call this report's group {group:?}, {} characters, and at most {LONGEST_GROUP} are allowed",
                        group.len()
                    ),
                    "shorten the report's name or the pipeline's id",
                );
            }
        }
    }
}
