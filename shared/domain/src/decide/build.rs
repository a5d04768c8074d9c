//! What a build's end means for its stage.

use crate::ErrorName;
use crate::evidence::{BuildEvidence, BuildStatus};
use crate::gate::Judged;
use crate::pipeline::Stage;

/// What becomes of a stage whose build has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageVerdict {
    /// It lets the release through.
    Passed {
        /// The gates' verdicts.
        gates: Vec<Judged>,
    },
    /// It stops the release.
    Failed {
        /// The gates' verdicts.
        gates: Vec<Judged>,
        /// Under which name.
        error: ErrorName,
        /// All reasons, not the first.
        why: String,
    },
}

impl StageVerdict {
    /// The gates' verdicts.
    pub fn gates(&self) -> &[Judged] {
        match self {
            Self::Passed { gates } | Self::Failed { gates, .. } => gates,
        }
    }
}

/// Judges a stage by its build: the build's own end, every gate that is not
/// about a scan, and the artifact that it promised.
pub fn judge_build(stage: &Stage, seen: &BuildEvidence) -> StageVerdict {
    let gates: Vec<Judged> = stage
        .gates
        .iter()
        .filter_map(|gate| gate.judge_build(seen))
        .collect();
    let ended = match seen.status {
        BuildStatus::Succeeded => None,
        BuildStatus::Failed => Some((ErrorName::BuildFailed, "a step failed")),
        BuildStatus::Fault => Some((ErrorName::BuildFault, "CodeBuild's infrastructure failed")),
        BuildStatus::TimedOut => Some((ErrorName::BuildTimedOut, "the build ran over its time")),
        BuildStatus::Stopped => Some((ErrorName::BuildStopped, "the build was stopped")),
        BuildStatus::InProgress => Some((ErrorName::Bug, "the build was judged before its end")),
        BuildStatus::Unknown => Some((
            ErrorName::BuildLost,
            "the build ended in a status that is not known",
        )),
    };
    let mut reasons: Vec<String> = Vec::new();
    if let Some((_, what)) = ended {
        reasons.push(seen.message.clone().unwrap_or_else(|| what.to_owned()));
    }
    for judged in gates.iter().filter(|judged| !judged.passed) {
        let reason = format!("{}: {}", judged.gate.demand(), judged.because);
        if !matches!(judged.gate, crate::gate::Gate::Steps) || ended.is_none() {
            reasons.push(reason);
        }
    }
    let promised = stage.build().and_then(|build| build.produces.as_ref());
    if let (None, Some(name), None) = (ended, promised, &seen.artifact) {
        reasons.push(format!(
            "the build succeeded but artifact {name:?} is not in its registry"
        ));
    }
    if reasons.is_empty() {
        return StageVerdict::Passed { gates };
    }
    let denied = gates
        .iter()
        .any(|judged| !judged.passed && !matches!(judged.gate, crate::gate::Gate::Steps));
    let error = match ended {
        // Tests and coverage are judged although the build is red, because the
        // step that failed is usually the one that enforces the same rule.
        Some((ErrorName::BuildFailed, _)) if denied && measured(&gates) => ErrorName::GateDenied,
        Some((name, _)) => name,
        None => ErrorName::GateDenied,
    };
    StageVerdict::Failed {
        gates,
        error,
        why: reasons.join("; "),
    }
}

/// Whether a gate denied on a measurement rather than on a missing report.
fn measured(gates: &[Judged]) -> bool {
    gates.iter().any(|judged| {
        !judged.passed
            && (judged.because.starts_with("measured") || judged.because.contains("tests passed"))
    })
}
