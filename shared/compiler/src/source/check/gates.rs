//! Gates judge what their stage leaves behind.

use super::{is_unclear, unknown};
use crate::source::pipeline::RawPipeline;
use crate::source::sink::{Marked, Sink};
use crate::source::stage::RawStage;
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::{Form, ReportFormat};

/// Checks the gates of a stage.
pub(super) fn check(raw: &RawPipeline, stage: &RawStage, sink: &Sink) {
    for gate in &stage.build.gates {
        let said = |name: &String| Marked::new(name.clone(), &gate.at);
        match &gate.value {
            Gate::Steps => {}
            Gate::Tests { report } => report_is(stage, &said(report), ReportFormat::Junit, sink),
            Gate::Coverage { report, .. } => {
                report_is(stage, &said(report), ReportFormat::Cobertura, sink);
            }
            Gate::Findings { report, .. } => {
                report_is(stage, &said(report), ReportFormat::Sarif, sink);
            }
            Gate::Scan { artifact, .. } => scanned(raw, stage, &said(artifact), sink),
            // Depends on what comes before it, see `signatures`.
            Gate::Signature { .. } => {}
        }
    }
    let mut scans = stage.build.gates.iter().filter(|gate| gate.value.is_scan());
    if let (Some(_), Some(second)) = (scans.next(), scans.next()) {
        sink.error(
            &second.at,
            "a stage has at most one scan gate; list all severities in it",
        );
    }
}

fn report_is(stage: &RawStage, report: &Marked<String>, format: ReportFormat, sink: &Sink) {
    let reports = &stage.build.reports;
    let known: Vec<&str> = reports.iter().map(|(n, _)| n.value.as_str()).collect();
    if known.is_empty() {
        sink.error_help(
            &report.at,
            format!(
                "this gate judges the report {:?}, but the stage has no \"reports\"",
                report.value
            ),
            format!(
                "declare it: `reports: {{ {}: {{ files: [FILE], format: {} }} }}`",
                report.value,
                format.as_str()
            ),
        );
        return;
    }
    if !unknown(report, "report", &known, sink) {
        return;
    }
    let declared = reports.iter().find(|(n, _)| n.value == report.value);
    if let Some((_, Some(declared))) = declared
        && declared.format != format
    {
        sink.error(
            &report.at,
            format!(
                "this gate needs a {} report, but {:?} is {}",
                format.as_str(),
                report.value,
                declared.format.as_str()
            ),
        );
    }
}

fn scanned(raw: &RawPipeline, stage: &RawStage, artifact: &Marked<String>, sink: &Sink) {
    if !unknown(artifact, "artifact", &raw.artifact_names(), sink) {
        return;
    }
    if let Some(declared) = raw.artifact(&artifact.value)
        && !matches!(declared.form, Form::Image { .. })
    {
        sink.error_help(
            &artifact.at,
            format!(
                "{:?} is of type {}, and Amazon ECR scans images only",
                artifact.value,
                declared.form.kind()
            ),
            "let a scanner in the steps write a SARIF report and judge it: `findings: { report: NAME, none-of: [CRITICAL] }`",
        );
        return;
    }
    let own = |s: &RawStage| produces_it(s, &artifact.value);
    if own(stage) || is_unclear(raw) {
        return;
    }
    let help = if raw.stages.stages.iter().any(own) {
        format!(
            "move the gate to the stage with `produces: {}`",
            artifact.value
        )
    } else {
        format!("say which stage builds it: `produces: {}`", artifact.value)
    };
    sink.error_help(
        &artifact.at,
        format!(
            "this stage does not produce {:?}, so it has no scan of it to judge",
            artifact.value
        ),
        help,
    );
}

fn produces_it(stage: &RawStage, artifact: &str) -> bool {
    stage
        .build
        .produces
        .as_ref()
        .is_some_and(|p| p.value == artifact)
}
