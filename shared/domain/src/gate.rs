//! Gates: rules over evidence. A gate's verdict always carries its reason, and
//! evidence that is missing or unreadable denies.

use crate::canonical::Digest;
use crate::evidence::{
    BuildEvidence, BuildStatus, Finding, Percent, ReportResult, ScanEvidence, Severity, Tests,
};
use crate::ids::GroupName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rule that a stage's evidence must satisfy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Gate {
    /// All steps succeed.
    Steps,
    /// Every test of the named report passed, and there were tests.
    Tests {
        /// The report's name.
        report: String,
    },
    /// Line coverage of the named report is at least so much.
    Coverage {
        /// The report's name.
        report: String,
        /// The least that passes.
        at_least: Percent,
    },
    /// The image's scan has no finding of these severities.
    Scan {
        /// The artifact's name.
        artifact: String,
        /// What must not be found. A severity nobody knows always denies.
        none_of: Vec<Severity>,
        /// What is meant to make an exception.
        #[serde(default, skip_serializing_if = "Leniency::is_none")]
        but: Leniency,
    },
    /// The scanner's report has no finding of these severities.
    Findings {
        /// The report's name.
        report: String,
        /// What must not be found. A severity nobody knows always denies.
        none_of: Vec<Severity>,
        /// What is meant to make an exception.
        #[serde(default, skip_serializing_if = "Leniency::is_none")]
        but: Leniency,
    },
    /// The build verified the image's signature, by digest, with the command that
    /// this gate brings along.
    Signature {
        /// The artifact's name.
        artifact: String,
    },
}

/// What a definition says should let findings through. Nothing grants it yet, so
/// that every finding counts: the gates are stricter than they are written,
/// never milder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leniency {
    /// Findings that what runs now has as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// Findings with an exception.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiver: bool,
    /// Findings that somebody of this group accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_off: Option<GroupName>,
}

impl Leniency {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Gate {
    /// Whether this gate judges a registry's scan rather than a build.
    pub fn is_scan(&self) -> bool {
        matches!(self, Self::Scan { .. })
    }

    /// What is meant to let findings through it.
    pub fn leniency(&self) -> Option<&Leniency> {
        match self {
            Self::Scan { but, .. } | Self::Findings { but, .. } => Some(but),
            Self::Steps | Self::Tests { .. } | Self::Coverage { .. } | Self::Signature { .. } => {
                None
            }
        }
    }

    /// The artifact whose signature it wants verified.
    pub fn verifies(&self) -> Option<&str> {
        match self {
            Self::Signature { artifact } => Some(artifact),
            Self::Steps
            | Self::Tests { .. }
            | Self::Coverage { .. }
            | Self::Scan { .. }
            | Self::Findings { .. } => None,
        }
    }

    /// What it demands, for people.
    pub fn demand(&self) -> String {
        match self {
            Self::Steps => "all steps succeed".to_owned(),
            Self::Tests { report } => format!("all tests of {report} pass"),
            Self::Coverage { at_least, .. } => format!("line coverage is at least {at_least}"),
            Self::Scan { none_of, .. } => {
                format!("no {} vulnerability in the image", words(none_of))
            }
            Self::Findings {
                report, none_of, ..
            } => format!("no {} finding in {report}", words(none_of)),
            Self::Signature { artifact } => format!("the signature of {artifact} is verified"),
        }
    }

    /// Judges a build. Scan gates say nothing about builds and give `None`.
    pub fn judge_build(&self, seen: &BuildEvidence) -> Option<Judged> {
        let (passed, because) = match self {
            Self::Scan { .. } => return None,
            Self::Steps => steps(seen),
            Self::Tests { report } => tests(report, seen.reports.get(report)),
            Self::Coverage { report, at_least } => {
                coverage(report, *at_least, seen.reports.get(report))
            }
            Self::Findings {
                report, none_of, ..
            } => findings(report, none_of, seen.reports.get(report)),
            Self::Signature { artifact } => signature(seen.signatures.get(artifact)),
        };
        Some(Judged {
            gate: self.clone(),
            passed,
            because,
        })
    }

    /// Judges a settled scan. Other gates say nothing about scans and give `None`.
    pub fn judge_scan(&self, seen: &ScanEvidence) -> Option<Judged> {
        let Self::Scan { none_of, .. } = self else {
            return None;
        };
        let found = forbidden(none_of, &seen.counts, &seen.worst);
        let because = match &found {
            None => format!(
                "the scan is {} and found nothing of what is forbidden",
                seen.status
            ),
            Some(what) => format!("the scan found {what}"),
        };
        Some(Judged {
            gate: self.clone(),
            passed: found.is_none(),
            because,
        })
    }
}

/// A gate's verdict, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The gate.
    pub gate: Gate,
    /// Whether it let the release through.
    pub passed: bool,
    /// Why, with the measured value.
    pub because: String,
}

fn steps(seen: &BuildEvidence) -> (bool, String) {
    match seen.status {
        BuildStatus::Succeeded => (true, "all steps succeeded".to_owned()),
        BuildStatus::Failed => (
            false,
            seen.message
                .clone()
                .unwrap_or_else(|| "a step failed".to_owned()),
        ),
        BuildStatus::TimedOut => (false, "the build ran over its time".to_owned()),
        BuildStatus::Stopped => (false, "the build was stopped".to_owned()),
        BuildStatus::Fault => (false, "CodeBuild's infrastructure failed".to_owned()),
        BuildStatus::InProgress => (false, "the build has not ended".to_owned()),
        BuildStatus::Unknown => (false, "the build's status is unknown".to_owned()),
    }
}

fn signature(verified: Option<&Digest>) -> (bool, String) {
    match verified {
        Some(digest) => (true, format!("notation verified the signature of {digest}")),
        None => (
            false,
            "the build named no digest whose signature it verified".to_owned(),
        ),
    }
}

fn words(severities: &[Severity]) -> String {
    let words: Vec<_> = severities.iter().map(|s| s.as_str()).collect();
    words.join(" or ")
}

/// What was found of what is forbidden: counts, worst first, and some names.
fn forbidden(
    none_of: &[Severity],
    counts: &BTreeMap<Severity, u64>,
    worst: &[Finding],
) -> Option<String> {
    let forbidden = |s: Severity| none_of.contains(&s) || s == Severity::Unknown;
    let found: Vec<String> = Severity::ORDER
        .iter()
        .filter(|s| forbidden(**s))
        .filter_map(|s| {
            let count = counts.get(s).filter(|n| **n > 0)?;
            Some(format!("{count} {s}"))
        })
        .collect();
    let named: Vec<&str> = worst
        .iter()
        .filter(|f| forbidden(f.severity))
        .map(|f| f.id.as_str())
        .take(5)
        .collect();
    let named = if named.is_empty() {
        String::new()
    } else {
        format!(" ({})", named.join(", "))
    };
    (!found.is_empty()).then(|| format!("{}{named}", found.join(", ")))
}

fn findings(name: &str, none_of: &[Severity], report: Option<&ReportResult>) -> (bool, String) {
    match report {
        Some(ReportResult::Findings(seen)) => match forbidden(none_of, &seen.counts, &seen.worst) {
            None => (true, "nothing of what is forbidden was found".to_owned()),
            Some(what) => (false, format!("the scanner found {what}")),
        },
        other => (false, unusable(name, "findings", other)),
    }
}

fn tests(name: &str, report: Option<&ReportResult>) -> (bool, String) {
    match report {
        Some(ReportResult::Tests(Tests { total: 0, .. })) => (false, "no test ran".to_owned()),
        Some(ReportResult::Tests(t)) => {
            let every = t.failed == 0 && t.passed > 0 && t.passed + t.skipped == t.total;
            let skipped = if t.skipped > 0 {
                format!(", {} skipped", t.skipped)
            } else {
                String::new()
            };
            (
                every,
                format!("{} of {} tests passed{skipped}", t.passed, t.total),
            )
        }
        other => (false, unusable(name, "test results", other)),
    }
}

fn coverage(name: &str, at_least: Percent, report: Option<&ReportResult>) -> (bool, String) {
    match report {
        Some(ReportResult::Coverage { lines }) if *lines >= at_least => (
            true,
            format!("measured {lines}, at least {at_least} is required"),
        ),
        Some(ReportResult::Coverage { lines }) => (
            false,
            format!("measured {lines}, but at least {at_least} is required"),
        ),
        other => (false, unusable(name, "coverage", other)),
    }
}

fn unusable(name: &str, wanted: &str, report: Option<&ReportResult>) -> String {
    match report {
        None => format!("the build left no report {name:?}"),
        Some(ReportResult::Unreadable { why }) => {
            format!("the report {name:?} cannot be read: {why}")
        }
        Some(
            ReportResult::Tests(_) | ReportResult::Coverage { .. } | ReportResult::Findings(_),
        ) => {
            format!("the report {name:?} holds no {wanted}")
        }
    }
}

#[cfg(test)]
mod tests;
