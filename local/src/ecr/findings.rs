//! What an image scan finds: prepared answers that move on like a real scan.
//!
//! A findings file is one of two things. Either a `DescribeImageScanFindings`
//! answer (`imageScanStatus`, `imageScanFindings` with `findings` of a basic or
//! `enhancedFindings` of an enhanced scan), or a sequence of such answers:
//!
//! ```json
//! {"sequence": [
//!   {"calls": 2, "response": {"imageScanStatus": {"status": "IN_PROGRESS"}}},
//!   {"afterMs": 500, "response": {"imageScanStatus": {"status": "PENDING"}}},
//!   {"response": {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {}}}
//! ]}
//! ```
//!
//! A step is left after it has answered `calls` calls or has lasted `afterMs`
//! milliseconds, whichever comes first; the last one stays.

use std::{fs, path::Path, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

/// Why a findings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    /// It cannot be read.
    #[error("the findings file {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It is not of one of the two forms.
    #[error(
        "{what} is no findings file: {why}; it is a DescribeImageScanFindings answer or {{\"sequence\": [{{\"calls\" or \"afterMs\", \"response\"}}, …]}}"
    )]
    Form {
        /// The file, or where else it came from.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

/// One answer and how long it holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) calls: Option<u32>,
    #[serde(default)]
    after_ms: Option<u64>,
    pub(crate) response: Value,
}

impl Step {
    /// How long the step lasts at most.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        self.after_ms.map(Duration::from_millis)
    }

    /// The step's status, such as `IN_PROGRESS`.
    pub(crate) fn status(&self) -> &str {
        self.response["imageScanStatus"]["status"]
            .as_str()
            .unwrap_or("COMPLETE")
    }

    /// Whether the scan goes on from here: what ECR's `ScanStatus` calls
    /// neither finished nor failed.
    pub(crate) fn settled(&self) -> bool {
        !["IN_PROGRESS", "PENDING"].contains(&self.status())
    }

    /// The findings, of a basic or an enhanced scan, under their own name.
    pub(crate) fn findings(&self) -> (&'static str, &[Value]) {
        let findings = &self.response["imageScanFindings"];
        let list = |name| findings[name].as_array().map(Vec::as_slice);
        match list("enhancedFindings") {
            Some(enhanced) => ("enhancedFindings", enhanced),
            None => ("findings", list("findings").unwrap_or(&[])),
        }
    }

    /// How many findings there are of each severity: as the file says, or
    /// counted.
    pub(crate) fn severity_counts(&self) -> Value {
        let stated = &self.response["imageScanFindings"]["findingSeverityCounts"];
        if stated.is_object() {
            return stated.clone();
        }
        let mut counts = serde_json::Map::new();
        for finding in self.findings().1 {
            let severity = finding["severity"].as_str().unwrap_or("UNDEFINED");
            let count = counts.entry(severity).or_insert(json!(0));
            *count = json!(count.as_u64().unwrap_or(0) + 1);
        }
        Value::Object(counts)
    }
}

/// The answers of one scan, at least one.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    steps: Arc<[Step]>,
}

impl Script {
    /// The step of this number; the last one for every number after it.
    pub(crate) fn step(&self, number: usize) -> Option<&Step> {
        self.steps.get(number).or_else(|| self.steps.last())
    }

    /// Whether there is a step after this number.
    pub(crate) fn has_next(&self, number: usize) -> bool {
        number + 1 < self.steps.len()
    }

    /// Reads a findings file.
    ///
    /// # Errors
    /// [`FindingsError`].
    pub(crate) fn load(path: &Path) -> Result<Self, FindingsError> {
        let text = fs::read_to_string(path).map_err(|error| FindingsError::Read {
            path: path.display().to_string(),
            error,
        })?;
        let value = serde_json::from_str(&text).map_err(|error| FindingsError::Form {
            what: path.display().to_string(),
            why: error.to_string(),
        })?;
        Self::parse(value, &path.display().to_string())
    }

    /// Reads the content of a findings file, called `what` in errors.
    ///
    /// # Errors
    /// [`FindingsError::Form`].
    pub(crate) fn parse(mut value: Value, what: &str) -> Result<Self, FindingsError> {
        let form = |why: &str| FindingsError::Form {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        let steps: Vec<Step> = match value.get_mut("sequence") {
            Some(sequence) => {
                serde_json::from_value(sequence.take()).map_err(|error| form(&error.to_string()))?
            }
            None => vec![Step {
                calls: None,
                after_ms: None,
                response: value,
            }],
        };
        if steps.is_empty() {
            return Err(form("its sequence is empty"));
        }
        let shaped = |step: &Step| {
            step.response.get("imageScanStatus").is_some()
                || step.response.get("imageScanFindings").is_some()
        };
        if !steps.iter().all(shaped) {
            return Err(form(
                "a response has neither imageScanStatus nor imageScanFindings",
            ));
        }
        Ok(Self {
            steps: steps.into(),
        })
    }

    /// What a scan finds when nobody said otherwise: two findings of severity
    /// LOW, after being in progress for one call or a moment.
    pub(crate) fn built_in() -> Self {
        let finding = |name: &str| {
            json!({
                "name": name,
                "description": "A finding of the laptop stand-in for ECR; no image was scanned.",
                "uri": format!("https://security-tracker.debian.org/tracker/{name}"),
                "severity": "LOW",
                "attributes": [
                    {"key": "package_name", "value": "stand-in"},
                    {"key": "package_version", "value": "1.0"},
                ],
            })
        };
        let in_progress = Step {
            calls: Some(1),
            after_ms: Some(250),
            response: json!({"imageScanStatus": {"status": "IN_PROGRESS"}}),
        };
        let complete = Step {
            calls: None,
            after_ms: None,
            response: json!({
                "imageScanStatus": {
                    "status": "COMPLETE",
                    "description": "The scan was completed successfully (laptop stand-in).",
                },
                "imageScanFindings": {
                    "findings": [finding("CVE-2011-3374"), finding("CVE-2005-2541")],
                },
            }),
        };
        Self {
            steps: Arc::new([in_progress, complete]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_answer_is_a_script_of_one_step() {
        let answer = json!({"imageScanFindings": {"enhancedFindings": [
            {"severity": "HIGH"}, {"severity": "HIGH"}, {"severity": "LOW"}]}});
        let script = Script::parse(answer, "test").unwrap();
        let step = script.step(7).unwrap();
        assert!(step.settled());
        assert_eq!(step.findings().0, "enhancedFindings");
        assert_eq!(step.severity_counts(), json!({"HIGH": 2, "LOW": 1}));
    }

    #[test]
    fn something_else_is_refused_with_what_would_be_right() {
        let error = Script::parse(json!({"findings": []}), "x.json").unwrap_err();
        assert!(
            error.to_string().contains("DescribeImageScanFindings"),
            "{error}"
        );
        assert!(Script::parse(json!({"sequence": []}), "x.json").is_err());
    }
}
