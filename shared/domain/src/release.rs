//! A release and what is known of its stages.

use crate::Timestamp;
use crate::canonical::Digest;
use crate::control::{Glass, Said};
use crate::error_name::ErrorName;
use crate::evidence::{
    ArtifactEvidence, BuildEvidence, Evidence, ScanEvidence, StageEvidence, WatchEvidence,
};
use crate::gate::Judged;
use crate::ids::{EnvironmentName, PipelineId, ReleaseId, StageName};
use crate::pipeline::{Effect, Migration, Stage};
use crate::trigger::TriggerInput;
use crate::undo::Flag;
use serde::{Deserialize, Serialize};

/// Where a release stands. Every release ends in one of the last three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It runs or waits.
    Running,
    /// It did all it should.
    Succeeded,
    /// It ended early and left nothing half changed.
    FailedClean,
    /// It ended early and a human must look: an environment may be half changed.
    FailedDirty,
}

impl Status {
    /// The word in records, messages and as the terminal state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::FailedClean => "failed-clean",
            Self::FailedDirty => "failed-dirty",
        }
    }

    /// Whether it has ended.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Running)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A release's head: one item that everything about the release hangs from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The release's id.
    pub release: ReleaseId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The version of the definition it runs, from its first to its last state.
    pub version: Digest,
    /// Its number within the pipeline; a refused trigger gets none.
    pub number: Option<u64>,
    /// What started it; absent when the input was not even readable.
    pub trigger: Option<TriggerInput>,
    /// The definition's trigger that matched: its route is the stages that the
    /// release runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The artifacts that it began with: another pipeline's, or what ran before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<ArtifactEvidence>,
    /// SHA-256 of the input's canonical JSON: a repeated start is told from a
    /// different one by it.
    pub input: Digest,
    /// What people should know before they let it through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// The execution's ARN.
    pub execution: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Where it stands.
    pub status: Status,
    /// Who told it to stop before its next change, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<Said>,
    /// Who let it pass freezes, windows, soak times and the queue, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken_glass: Vec<Glass>,
    /// The stage that it is in or ended in.
    pub stage: Option<StageName>,
    /// Why it ended early.
    pub failure: Option<Failure>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The ledger: the number of its last event ...
    pub last_seq: u64,
    /// ... and that event's hash.
    pub last_hash: Option<Digest>,
}

impl Head {
    /// `pl-gps-001#142`, as people name releases; the id where there is no number.
    pub fn title(&self) -> String {
        match self.number {
            Some(number) => format!("{}#{number}", self.pipeline),
            None => self.release.to_string(),
        }
    }

    /// The glass that was broken for it in an environment, if it was.
    pub fn glass_in(&self, environment: &EnvironmentName) -> Option<&Glass> {
        self.broken_glass
            .iter()
            .find(|glass| &glass.environment == environment)
    }

    /// The identities that never count towards its quorums.
    pub fn excluded(&self) -> Vec<String> {
        let trigger = self.trigger.as_ref();
        let mut who: Vec<String> = [
            trigger.and_then(|t| t.requester.clone()),
            trigger.and_then(|t| t.author.clone()),
        ]
        .into_iter()
        .flatten()
        .collect();
        who.dedup();
        who
    }
}

/// Why a release ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stage, when one had begun.
    pub stage: Option<StageName>,
    /// The error's name: one of ours, or Step Functions' own.
    pub error: String,
    /// The reason, for a person to act on.
    pub cause: String,
}

/// What is known of one attempt at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The release.
    pub release: ReleaseId,
    /// The stage's position in the definition.
    pub index: usize,
    /// Its name.
    pub stage: StageName,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The environment that it works in.
    pub environment: Option<EnvironmentName>,
    /// Whether it changes that environment.
    pub deploys: bool,
    /// What it makes of the environment, if it changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Whether it changes that environment's data, and whether that can be taken
    /// back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    /// Where it stands.
    pub status: StageStatus,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// CodeBuild's id of the build, once known.
    pub build: Option<String>,
    /// Where the build's log is, once known.
    pub log: Option<String>,
    /// What the build left.
    pub evidence: Option<BuildEvidence>,
    /// What the scan found.
    pub scan: Option<ScanEvidence>,
    /// What was measured, of a stage that watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchEvidence>,
    /// The gates' verdicts.
    pub gates: Vec<Judged>,
    /// Why it failed.
    pub failure: Option<(ErrorName, String)>,
}

impl StageRecord {
    /// An attempt that begins.
    pub fn begins(
        release: &ReleaseId,
        index: usize,
        stage: &Stage,
        attempt: u32,
        now: Timestamp,
    ) -> Self {
        Self {
            release: release.clone(),
            index,
            stage: stage.name.clone(),
            attempt,
            environment: stage.environment.clone(),
            deploys: stage.deploy().is_some(),
            effect: stage.deploy().map(|deploy| deploy.effect),
            migration: stage.migration,
            status: StageStatus::Running,
            started_at: now,
            ended_at: None,
            build: None,
            log: None,
            evidence: None,
            scan: None,
            watch: None,
            gates: Vec::new(),
            failure: None,
        }
    }

    /// The environment that it changes, as [`Stage::changes`] says.
    pub fn changes(&self) -> Option<&EnvironmentName> {
        let changes = self.deploys || self.migration.is_some();
        self.environment.as_ref().filter(|_| changes)
    }
}

/// Whether a release that left these records has begun to change the environment:
/// from then on whatever it does there is done under the lock.
pub fn has_changed(records: &[StageRecord], environment: &EnvironmentName) -> bool {
    records.iter().any(|r| r.changes() == Some(environment))
}

/// Where an attempt at a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageStatus {
    /// It runs.
    Running,
    /// Its build passed; its scan is awaited.
    Scanning,
    /// It is over and let the release through.
    Passed,
    /// It is over and stopped the release.
    Failed,
}

/// The evidence of a release up to and without the stage at `before`: of every
/// stage the last attempt.
pub fn evidence_before(head: &Head, records: &[StageRecord], before: usize) -> Option<Evidence> {
    let trigger = head.trigger.as_ref()?;
    let mut stages: Vec<(usize, StageEvidence)> = Vec::new();
    for record in last_attempts(records)
        .into_iter()
        .filter(|r| r.index < before)
    {
        stages.push((
            record.index,
            StageEvidence {
                stage: record.stage.clone(),
                build: record.evidence.clone(),
                scan: record.scan.clone(),
                watch: record.watch.clone(),
                gates: record.gates.clone(),
            },
        ));
    }
    Some(Evidence {
        release: head.release.clone(),
        pipeline: head.pipeline.clone(),
        version: head.version.clone(),
        commit: trigger.commit.clone(),
        given: head.given.clone(),
        stages: stages.into_iter().map(|(_, s)| s).collect(),
    })
}

/// Of every stage the last attempt, in the stages' order.
pub fn last_attempts(records: &[StageRecord]) -> Vec<&StageRecord> {
    let mut last: std::collections::BTreeMap<usize, &StageRecord> =
        std::collections::BTreeMap::new();
    for record in records {
        let newest = last.entry(record.index).or_insert(record);
        if record.attempt > newest.attempt {
            *newest = record;
        }
    }
    last.into_values().collect()
}

/// The attempt whose log says most: the first that failed and has one, otherwise
/// the last that began with one; in `environment` where one is named. Pauses and
/// watches have none, although a rollout may fail there.
pub fn log_to_read<'a>(
    records: &'a [StageRecord],
    environment: Option<&EnvironmentName>,
) -> Option<&'a StageRecord> {
    let here = |r: &&StageRecord| environment.is_none() || r.environment.as_ref() == environment;
    let logged = last_attempts(records).into_iter().filter(here);
    let logged: Vec<_> = logged.filter(|r| r.log.is_some()).collect();
    let failed = logged.iter().find(|r| r.status == StageStatus::Failed);
    failed
        .or_else(|| logged.iter().max_by_key(|r| r.started_at))
        .copied()
}

/// What runs in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The release that put it there.
    pub release: ReleaseId,
    /// The release's title.
    pub title: String,
    /// The release's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The commit.
    pub commit: crate::ids::CommitSha,
    /// What runs, by digest.
    pub artifacts: Vec<ArtifactEvidence>,
    /// The release whose version runs, when it was brought back by a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<ReleaseId>,
    /// Since when.
    pub at: Timestamp,
    /// The lock's fencing number under which it was put there.
    pub fencing: u64,
}

impl Deployment {
    /// The release whose version this is: the one that was brought back, or the
    /// one that put it there.
    pub fn version_of(&self) -> &ReleaseId {
        self.restored.as_ref().unwrap_or(&self.release)
    }

    /// Whether all of these run with it, under the same digests.
    pub fn has_all(&self, artifacts: &[ArtifactEvidence]) -> bool {
        let runs = |wanted: &ArtifactEvidence| {
            let mut known = self.artifacts.iter();
            known.any(|artifact| artifact.digest == wanted.digest)
        };
        !artifacts.is_empty() && artifacts.iter().all(runs)
    }

    /// What runs, in one digest: the artifact's own where there is one, of
    /// several the SHA-256 of their names and digests.
    pub fn digest(&self) -> Digest {
        digest_of(&self.artifacts)
    }
}

/// One digest for artifacts that are deployed together: the artifact's own where
/// there is one, of several the SHA-256 of their names and digests.
pub fn digest_of(artifacts: &[ArtifactEvidence]) -> Digest {
    match artifacts {
        [one] => one.digest.clone(),
        several => {
            let lines: String = several
                .iter()
                .map(|artifact| format!("{} {}\n", artifact.name, artifact.digest))
                .collect();
            Digest::of_bytes(lines.as_bytes())
        }
    }
}
