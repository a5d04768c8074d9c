//! What was measured. Evidence is what gates judge, approvers see and auditors
//! verify; all of it goes into the evidence digest.

use crate::canonical::Digest;
use crate::ids::{CommitSha, PipelineId, ReleaseId, StageName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod watch;

pub use watch::{Measured, Numbers, WatchEvidence, WatchOutcome};

/// How bad a finding is, in ECR's and Inspector's words. A word that neither
/// documents counts as worse than the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// For information.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// ECR's `UNDEFINED`: nobody has rated it. Not knowing is worse than HIGH.
    Undefined,
    /// Inspector's `UNTRIAGED`: nobody has looked yet.
    Untriaged,
    /// Critical.
    Critical,
    /// A word that this version does not know.
    Unknown,
}

impl Severity {
    /// All of them, the worst first.
    pub const ORDER: &'static [Severity] = &[
        Self::Unknown,
        Self::Critical,
        Self::Untriaged,
        Self::Undefined,
        Self::High,
        Self::Medium,
        Self::Low,
        Self::Informational,
    ];

    /// From the API's word; a word that is not documented is [`Severity::Unknown`].
    pub fn from_api(word: &str) -> Self {
        match word {
            "CRITICAL" => Self::Critical,
            "HIGH" => Self::High,
            "MEDIUM" => Self::Medium,
            "LOW" => Self::Low,
            "INFORMATIONAL" => Self::Informational,
            "UNDEFINED" => Self::Undefined,
            "UNTRIAGED" => Self::Untriaged,
            _ => Self::Unknown,
        }
    }

    /// The word in records and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
            Self::Informational => "INFORMATIONAL",
            Self::Undefined => "UNDEFINED",
            Self::Untriaged => "UNTRIAGED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A percentage in hundredths (`8734` is 87.34 %), so that a threshold is never
/// met or missed by a rounding of floating point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub u32);

impl Percent {
    /// From lines: rounded *down*, so that 79.999 % is not 80 %.
    pub fn of_lines(covered: u64, missed: u64) -> Option<Self> {
        let total = covered.checked_add(missed).filter(|t| *t > 0)?;
        let hundredths = u128::from(covered) * 10_000 / u128::from(total);
        u32::try_from(hundredths).ok().map(Self)
    }

    /// From a number such as `79.3`, rounded down; `None` outside 0 to 100.
    pub fn from_f64(percent: f64) -> Option<Self> {
        // The small allowance undoes the error of 0.1 not being a binary fraction
        // (87.34 * 100 is 8733.999...), far below one hundredth.
        let hundredths = (percent * 100.0 + 1e-6).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "held to 0..=10000 by the check"
        )]
        (0.0..=10_000.0)
            .contains(&hundredths)
            .then_some(Self(hundredths as u32))
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 % 100 {
            0 => write!(f, "{} %", self.0 / 100),
            rest => write!(f, "{}.{rest:02} %", self.0 / 100),
        }
    }
}

/// How a build ended, in CodeBuild's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BuildStatus {
    /// It is running or queued.
    InProgress,
    /// All commands succeeded.
    Succeeded,
    /// A command failed.
    Failed,
    /// CodeBuild's infrastructure failed.
    Fault,
    /// It ran over its time.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
    /// A status that this version does not know.
    Unknown,
}

impl BuildStatus {
    /// From the API's word.
    pub fn from_api(word: &str) -> Self {
        match word {
            "IN_PROGRESS" => Self::InProgress,
            "SUCCEEDED" => Self::Succeeded,
            "FAILED" => Self::Failed,
            "FAULT" => Self::Fault,
            "TIMED_OUT" => Self::TimedOut,
            "STOPPED" => Self::Stopped,
            _ => Self::Unknown,
        }
    }

    /// Whether it can still change.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::InProgress)
    }
}

/// Test results, summed over a build's test reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tests {
    /// How many ran.
    pub total: u64,
    /// How many passed.
    pub passed: u64,
    /// How many failed or ended in an error.
    pub failed: u64,
    /// How many were skipped.
    pub skipped: u64,
}

/// A report that a build left behind, or should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ReportResult {
    /// Test results.
    Tests(Tests),
    /// Line coverage.
    Coverage {
        /// Share of lines covered.
        lines: Percent,
    },
    /// What a scanner found.
    Findings(Findings),
    /// It is there and says nothing usable; the reason.
    Unreadable {
        /// Why.
        why: String,
    },
}

/// What a scanner found, as its SARIF report says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How many of each severity.
    pub counts: BTreeMap<Severity, u64>,
    /// The worst of them, at most [`Findings::MOST`]; the counts have all.
    #[serde(default)]
    pub worst: Vec<Finding>,
    /// SHA-256 of the report's files.
    pub digest: Option<Digest>,
}

impl Findings {
    /// How many findings a build names in its exported variable.
    pub const MOST: usize = 20;
}

/// What a build left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildEvidence {
    /// CodeBuild's id of it.
    pub build: String,
    /// How it ended.
    pub status: BuildStatus,
    /// What CodeBuild says of the failing phase, if one failed.
    pub message: Option<String>,
    /// Seconds from start to end, as far as known.
    pub seconds: Option<i64>,
    /// Where its log is.
    pub log: Option<String>,
    /// Its reports, by the name in the definition.
    pub reports: BTreeMap<String, ReportResult>,
    /// The artifact that it produced, by digest.
    pub artifact: Option<ArtifactEvidence>,
    /// The variables that it exported for later stages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exported: BTreeMap<String, String>,
    /// The images whose signatures it verified, by artifact: the digest of what
    /// was verified.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signatures: BTreeMap<String, Digest>,
}

/// An artifact, known by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactEvidence {
    /// The artifact's name in the definition.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// Where it is: `repository:tag` of an image, otherwise the key in the
    /// artifacts' bucket.
    pub location: String,
    /// What it is called for people, when that is not its commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One vulnerability that a scan found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its id, such as `CVE-2026-1234`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// The package it is in, with version, as far as known.
    pub package: Option<String>,
    /// Where to read about it.
    pub uri: Option<String>,
}

/// A settled scan of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanEvidence {
    /// The image's digest.
    pub digest: Digest,
    /// The scan's status word at the source.
    pub status: String,
    /// How many findings of each severity, counted from the findings themselves.
    pub counts: BTreeMap<Severity, u64>,
    /// The worst of them, at most [`ScanEvidence::MOST`]; the counts have all.
    pub worst: Vec<Finding>,
    /// SHA-256 of the canonical JSON of *all* findings.
    pub findings: Digest,
}

impl ScanEvidence {
    /// How many findings a record names. An item may hold 400 KB (DynamoDB
    /// quota) and a person reads a few dozen.
    pub const MOST: usize = 50;
}

/// What has been measured about a release up to some stage: what an approver
/// approves and what must still be so when the deploy begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The release.
    pub release: ReleaseId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The version of the pipeline's definition.
    pub version: Digest,
    /// The commit.
    pub commit: CommitSha,
    /// The artifacts that it began with: another pipeline's, or what ran before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<ArtifactEvidence>,
    /// What each stage left, in order.
    pub stages: Vec<StageEvidence>,
}

impl Evidence {
    /// The evidence digest: what an approval is bound to.
    ///
    /// # Errors
    /// Never for evidence that came out of records; the signature is serde's.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        Digest::of(self)
    }

    /// The artifact of that name, if a stage produced it or it was given.
    pub fn artifact(&self, name: &str) -> Option<&ArtifactEvidence> {
        self.artifacts().find(|artifact| artifact.name == name)
    }

    /// All artifacts that are known.
    pub fn artifacts(&self) -> impl Iterator<Item = &ArtifactEvidence> {
        let built = self.stages.iter();
        let built = built.filter_map(|s| s.build.as_ref()?.artifact.as_ref());
        self.given.iter().chain(built)
    }

    /// Whether a signature gate passed on this very digest of the artifact: the
    /// digest that the gate's own build verified, not the artifact's name.
    pub fn is_verified(&self, name: &str, digest: &Digest) -> bool {
        self.stages.iter().any(|stage| {
            let build = stage.build.as_ref();
            let verified = build.and_then(|build| build.signatures.get(name));
            let passed = stage
                .gates
                .iter()
                .any(|judged| judged.passed && judged.gate.verifies() == Some(name));
            passed && verified == Some(digest)
        })
    }

    /// The variables that its builds exported, the latest of each name.
    pub fn exported(&self) -> BTreeMap<String, String> {
        self.stages
            .iter()
            .filter_map(|s| s.build.as_ref())
            .flat_map(|build| build.exported.clone())
            .collect()
    }
}

/// What one stage left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageEvidence {
    /// The stage.
    pub stage: StageName,
    /// Its build, if it ran one.
    pub build: Option<BuildEvidence>,
    /// Its scan, if it has a scan gate.
    pub scan: Option<ScanEvidence>,
    /// What was measured, if it watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchEvidence>,
    /// The verdicts of its gates.
    pub gates: Vec<crate::gate::Judged>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn coverage_is_never_rounded_up_to_the_threshold() {
        assert_eq!(Percent::of_lines(79_999, 20_001), Some(Percent(7999)));
        assert_eq!(Percent::of_lines(80, 20), Some(Percent(8000)));
        assert_eq!(Percent::of_lines(0, 0), None, "no lines is no measurement");
        assert_eq!(Percent::from_f64(79.999_9), Some(Percent(7999)));
        assert_eq!(Percent::from_f64(87.34), Some(Percent(8734)));
        assert_eq!(Percent::from_f64(f64::NAN), None);
        assert_eq!(Percent::from_f64(100.1), None);
        assert_eq!(Percent(7934).to_string(), "79.34 %");
    }

    #[test]
    fn an_unknown_severity_is_the_worst_and_untriaged_is_worse_than_high() {
        assert_eq!(Severity::from_api("catastrophic"), Severity::Unknown);
        assert!(Severity::Unknown > Severity::Critical);
        assert!(Severity::Untriaged > Severity::High);
        assert!(Severity::ORDER.windows(2).all(|pair| pair[0] > pair[1]));
    }

    proptest! {
        #[test]
        fn a_percentage_of_lines_lies_between_0_and_100(covered in 0u64..1_000_000, missed in 0u64..1_000_000) {
            if let Some(Percent(p)) = Percent::of_lines(covered, missed) {
                prop_assert!(p <= 10_000);
                prop_assert_eq!(p == 10_000, missed == 0);
            }
        }
    }
}
