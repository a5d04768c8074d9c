//! SARIF 2.1.0, as far as scanners here write it.
//!
//! Severities are said the way code scanning reads them: `level` of the result
//! and `security-severity` of its rule, 0.0 to 10.0.

use std::path::Path;

use serde_json::{Value, json};

use super::ToolError;
use crate::ecr::write_whole;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rating {
    /// `security-severity` 9.0 and up.
    Critical,
    /// 7.0 and up.
    High,
}

impl Rating {
    fn score(self) -> &'static str {
        match self {
            Self::Critical => "9.5",
            Self::High => "8.0",
        }
    }
}

/// Something a scanner looks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) text: &'static str,
    pub(super) rating: Rating,
}

/// Something a scanner has found.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    /// The file, from the scanned folder on.
    pub(super) file: String,
    /// Its line, from 1 on.
    pub(super) line: usize,
    pub(super) message: String,
}

/// The document of one run of `tool`.
pub(super) fn document(tool: &str, findings: &[Finding]) -> Value {
    let mut rules: Vec<Value> = Vec::new();
    for Finding { rule, .. } in findings {
        if !rules.iter().any(|known| known["id"] == rule.id) {
            rules.push(json!({
                "id": rule.id,
                "shortDescription": {"text": rule.text},
                "properties": {"security-severity": rule.rating.score(), "tags": ["security"]},
            }));
        }
    }
    let results: Vec<Value> = findings.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": tool,
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "fullName": format!("{tool} (laptop stand-in)"),
                "rules": rules,
            }},
            "results": results,
        }],
    })
}

fn result(finding: &Finding) -> Value {
    json!({
        "ruleId": finding.rule.id,
        "level": "error",
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": finding.file},
            "region": {"startLine": finding.line},
        }}],
    })
}

/// Writes a run's document to a file; a missing folder is made.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(path: &Path, tool: &str, findings: &[Finding]) -> Result<(), ToolError> {
    let text = format!("{:#}\n", document(tool, findings));
    write_whole(path, text.as_bytes())
        .map_err(|error| ToolError::Failed(format!("{}: {error}", path.display())))
}
