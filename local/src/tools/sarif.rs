//! Findings as a SARIF 2.1.0 report, the way Trivy writes one: the severity is
//! in the rule's tags and, as a score, in `security-severity`.

use std::path::Path;

use serde_json::{Value, json};

use super::ToolError;
use crate::{
    ecr::write_whole,
    scans::{Finding, Severity},
};

/// The severity's SARIF level, its score (the middle of CVSS's range) and name.
fn graded(severity: Severity) -> (&'static str, &'static str, &'static str) {
    match severity {
        Severity::Critical => ("error", "9.5", "CRITICAL"),
        Severity::High => ("error", "8.0", "HIGH"),
        Severity::Medium => ("warning", "5.5", "MEDIUM"),
        Severity::Low => ("note", "2.0", "LOW"),
    }
}

/// The severity's name.
pub(super) fn name(severity: Severity) -> &'static str {
    graded(severity).2
}

/// The severity's CVSS score.
pub(super) fn score(severity: Severity) -> f64 {
    graded(severity).1.parse().unwrap_or(0.0)
}

/// A severity by its name, in any case.
pub(super) fn severity(text: &str) -> Result<Severity, String> {
    match text.to_uppercase().as_str() {
        "CRITICAL" => Ok(Severity::Critical),
        "HIGH" => Ok(Severity::High),
        "MEDIUM" => Ok(Severity::Medium),
        "LOW" => Ok(Severity::Low),
        _ => Err(format!("{text} is none of low, medium, high, critical")),
    }
}

/// Writes a report.
pub(super) fn write(tool: &str, findings: &[Finding], path: &Path) -> Result<(), ToolError> {
    let report = report(tool, findings);
    let bytes = serde_json::to_vec_pretty(&report).map_err(std::io::Error::from)?;
    Ok(write_whole(path, &bytes)?)
}

fn report(tool: &str, findings: &[Finding]) -> Value {
    let rules: Vec<Value> = (findings.iter())
        .map(|finding| {
            let (level, score, name) = graded(finding.severity);
            json!({
                "id": finding.rule,
                "shortDescription": {"text": finding.message},
                "defaultConfiguration": {"level": level},
                "properties": {"security-severity": score, "tags": ["security", name]},
            })
        })
        .collect();
    let results: Vec<Value> = (findings.iter().enumerate())
        .map(|(index, finding)| {
            json!({
                "ruleId": finding.rule,
                "ruleIndex": index,
                "level": graded(finding.severity).0,
                "message": {"text": finding.message},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": finding.location},
                    "region": {"startLine": finding.line.max(1)},
                }}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": tool, "informationUri": "about:blank",
                "fullName": format!("{tool} (laptop stand-in)"), "rules": rules}},
            "results": results,
        }],
    })
}
