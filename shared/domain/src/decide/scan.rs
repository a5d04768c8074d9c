//! What a registry's scan means for its stage.
//!
//! ECR's statuses are the richest trap of all: `COMPLETE` can come with empty
//! findings and null counts that fill in later, `PENDING` comes with empty
//! arrays, an enhanced scan stays `ACTIVE` for ever, and "no such scan" means
//! *not scanned*, never *clean*.

use crate::evidence::{Finding, ScanEvidence, Severity};
use crate::gate::{Gate, Judged};
use crate::{Digest, ErrorName};
use std::collections::BTreeMap;

/// What the registry says, all pages of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanSeen {
    /// The image that was asked about.
    pub digest: Digest,
    /// The status word; `None` when there is no scan.
    pub status: Option<String>,
    /// The registry's explanation of the status.
    pub description: Option<String>,
    /// Whether the findings are those of enhanced scanning, told by their shape.
    pub enhanced: bool,
    /// All findings.
    pub findings: Vec<Finding>,
    /// The counts as the registry gives them; `None` while they are missing.
    pub counts: Option<BTreeMap<Severity, u64>>,
}

/// What becomes of a stage with a scan gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanVerdict {
    /// The scan is settled; the gate's verdict on it.
    Settled {
        /// What was found.
        evidence: Box<ScanEvidence>,
        /// The gate's verdict.
        judged: Judged,
    },
    /// It can still change.
    Wait {
        /// Why.
        why: String,
        /// Whether a scan has to be started first.
        start: bool,
    },
    /// It never will tell: a denial.
    Denied {
        /// Under which name.
        error: ErrorName,
        /// Why, and what helps.
        why: String,
    },
}

/// Judges what the registry says.
pub fn judge_scan(gate: &Gate, seen: &ScanSeen) -> ScanVerdict {
    let wait = |why: &str, start| ScanVerdict::Wait {
        why: why.to_owned(),
        start,
    };
    let denied = |why: String| ScanVerdict::Denied {
        error: ErrorName::GateDenied,
        why,
    };
    let told = seen
        .description
        .as_deref()
        .unwrap_or("no explanation given");
    let Some(status) = seen.status.as_deref() else {
        return wait("the image has not been scanned", true);
    };
    match status {
        "IN_PROGRESS" | "PENDING" => wait("the scan is running", false),
        "COMPLETE" | "ACTIVE" => settled(gate, seen, status),
        "FAILED" => denied(format!("the scan failed: {told}")),
        "UNSUPPORTED_IMAGE" => denied(format!(
            "the registry cannot scan this image ({told}); an image index must be resolved to its platforms' images"
        )),
        "SCAN_ELIGIBILITY_EXPIRED" => {
            denied("the image is too old for the registry to scan it; build it anew".to_owned())
        }
        "FINDINGS_UNAVAILABLE" => denied("the scan's findings are unavailable".to_owned()),
        "LIMIT_EXCEEDED" => denied(
            "the registry's limit of scans is exceeded; try again tomorrow or raise the quota"
                .to_owned(),
        ),
        "IMAGE_ARCHIVED" => denied("the image is archived and cannot be scanned".to_owned()),
        other => denied(format!(
            "the scan's status {other:?} is not known to this version of Gatewright"
        )),
    }
}

fn settled(gate: &Gate, seen: &ScanSeen, status: &str) -> ScanVerdict {
    let mut counted: BTreeMap<Severity, u64> = BTreeMap::new();
    for finding in &seen.findings {
        *counted.entry(finding.severity).or_default() += 1;
    }
    // `COMPLETE` with null counts is a scan whose findings have not been written
    // yet; counts that say more than the findings do are pages not there yet.
    match &seen.counts {
        None if !seen.enhanced => {
            let why = format!("the scan is {status} but its findings are not there yet");
            return ScanVerdict::Wait { why, start: false };
        }
        Some(counts)
            if counts
                .iter()
                .any(|(s, n)| *n > counted.get(s).copied().unwrap_or(0)) =>
        {
            let why = format!("the scan is {status} but lists fewer findings than it counts");
            return ScanVerdict::Wait { why, start: false };
        }
        None | Some(_) => {}
    }
    let mut worst = seen.findings.clone();
    worst.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.id.cmp(&b.id))
            .then_with(|| a.package.cmp(&b.package))
    });
    let Ok(findings) = Digest::of(&worst) else {
        return ScanVerdict::Denied {
            error: ErrorName::Bug,
            why: "the findings have no canonical form".to_owned(),
        };
    };
    worst.truncate(ScanEvidence::MOST);
    let evidence = ScanEvidence {
        digest: seen.digest.clone(),
        status: status.to_owned(),
        counts: counted,
        worst,
        findings,
    };
    match gate.judge_scan(&evidence) {
        Some(judged) => ScanVerdict::Settled {
            evidence: Box::new(evidence),
            judged,
        },
        None => ScanVerdict::Denied {
            error: ErrorName::Bug,
            why: "a gate that is not about scans was asked to judge one".to_owned(),
        },
    }
}
