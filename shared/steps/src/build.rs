//! A build has ended: what that means for its stage, recorded and answered.

use crate::observe::observe;
use crate::pass::pass;
use crate::{Running, hand_on, until_settled};
use gatewright_aws::builds::{BuildSeen, Builds};
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{
    Commit, Seen, Store, WaitKey, artifact_write, stage_write, wait_write,
};
use gatewright_aws::table::{Table, When};
use gatewright_domain::decide::{StageVerdict, judge_build};
use gatewright_domain::evidence::BuildEvidence;
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Stage;
use gatewright_domain::release::{StageRecord, StageStatus};
use gatewright_domain::wait::Answer;
use gatewright_domain::{Digest, EnvironmentName, ErrorName, ReleaseId, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::{RESEND_SECONDS, passed};
use std::collections::BTreeMap;

/// Which attempt at which stage a build belongs to, as its environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildKey {
    /// The release.
    pub release: ReleaseId,
    /// The stage's position.
    pub index: usize,
    /// The attempt.
    pub attempt: u32,
}

impl BuildKey {
    const RELEASE: &str = "GATEWRIGHT_RELEASE";
    const INDEX: &str = "GATEWRIGHT_STAGE_INDEX";
    const ATTEMPT: &str = "GATEWRIGHT_ATTEMPT";

    /// As environment variables of the build.
    pub fn to_env(&self) -> [(String, String); 3] {
        [
            (Self::RELEASE.to_owned(), self.release.to_string()),
            (Self::INDEX.to_owned(), self.index.to_string()),
            (Self::ATTEMPT.to_owned(), self.attempt.to_string()),
        ]
    }

    /// From a build's environment; `None` when the build is not one of ours.
    pub fn from_env(env: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            release: env.get(Self::RELEASE)?.parse().ok()?,
            index: env.get(Self::INDEX)?.parse().ok()?,
            attempt: env.get(Self::ATTEMPT)?.parse().ok()?,
        })
    }
}

/// What became of a build's event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The stage is judged and its task answered.
    Judged(StageStatus),
    /// It had been judged before; nothing changed.
    Already,
    /// The build still runs.
    StillRunning,
    /// The build is not one of ours, or not the one that its stage started.
    NotOurs(&'static str),
}

/// Judges the stage of a build that has ended, records it and answers the task.
/// Repeated, reordered and foreign events change nothing.
///
/// # Errors
/// When a service or the table fails; doing it again is safe.
pub async fn settle_build<T: Table, B: Builds, R: Outside>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    id: &str,
    now: Timestamp,
) -> Result<Settled, Failure> {
    let Some(seen) = builds.get(id).await? else {
        return Ok(Settled::NotOurs("CodeBuild knows no such build"));
    };
    let Some(key) = BuildKey::from_env(&seen.env) else {
        return Ok(Settled::NotOurs("no release started it"));
    };
    if !seen.status.is_over() {
        return Ok(Settled::StillRunning);
    }
    let (settled, freed) =
        until_settled(|| judge(store, builds, registry, &seen, &key, now)).await?;
    if let Some((pipeline, environment)) = freed {
        hand_on(store, registry, &pipeline, &environment, now).await?;
    }
    Ok(settled)
}

pub(crate) type Freed = Option<(gatewright_domain::PipelineId, EnvironmentName)>;

async fn judge<T: Table, B: Builds, R: Outside>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    seen: &BuildSeen,
    key: &BuildKey,
    now: Timestamp,
) -> Result<(Settled, Freed), Failure> {
    let Some(record) = store.stage(&key.release, key.index, key.attempt).await? else {
        return Ok((Settled::NotOurs("no stage started it"), None));
    };
    match &record.value.build {
        Some(id) if id != &seen.id => {
            return Ok((Settled::NotOurs("its stage started another build"), None));
        }
        // Its start is not recorded yet. Whoever retries finds it recorded, by
        // then, or finds that the start is being repeated.
        None => {
            return Err(Failure::new(
                ErrorName::Transient,
                "the build's start has not been recorded yet",
            ));
        }
        Some(_) => {}
    }
    if record.value.status != StageStatus::Running {
        return Ok((Settled::Already, None));
    }
    let running = Running::read(store, &key.release).await?;
    let stage = running
        .definition
        .stages
        .get(key.index)
        .ok_or_else(|| Failure::bug("a stage beyond the definition"))?;
    let evidence = observe(builds, registry, &running, stage, seen).await?;
    let verdict = judge_build(stage, &evidence);
    record_verdict(store, &running, stage, record, evidence, verdict, now).await
}

async fn record_verdict<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    record: Seen<StageRecord>,
    evidence: BuildEvidence,
    verdict: StageVerdict,
    now: Timestamp,
) -> Result<(Settled, Freed), Failure> {
    let mut after_build = record.value.clone();
    let mut commit = Commit::of(&running.head).fact(Fact::BuildJudged {
        stage: stage.name.clone(),
        attempt: record.value.attempt,
        build: evidence.build.clone(),
        evidence: Digest::of(&evidence)?,
        gates: verdict.gates().to_vec(),
    });
    if let Some(artifact) = &evidence.artifact {
        commit = commit
            .write(artifact_write(&record.value.release, artifact)?)
            .fact(Fact::ArtifactPinned {
                artifact: artifact.name.clone(),
                digest: artifact.digest.clone(),
                location: artifact.location.clone(),
            });
    }
    after_build.log = evidence.log.clone().or(after_build.log);
    after_build.gates = verdict.gates().to_vec();
    after_build.evidence = Some(evidence);
    let mut freed = None;
    let answer = match verdict {
        StageVerdict::Failed { error, why, .. } => {
            commit = fail(commit, &mut after_build, error, &why, now);
            Answer::failure(error, &why)
        }
        StageVerdict::Passed { .. } if stage.scan_gate().is_some() => {
            after_build.status = StageStatus::Scanning;
            passed()
        }
        StageVerdict::Passed { .. } => {
            let (next, lost) = pass(
                store,
                running,
                stage,
                &mut after_build,
                commit,
                &mut freed,
                now,
            )
            .await?;
            commit = next;
            match lost {
                None => passed(),
                Some((error, why)) => {
                    commit = fail(commit, &mut after_build, error, &why, now);
                    Answer::failure(error, &why)
                }
            }
        }
    };
    let status = after_build.status;
    commit = commit.write(stage_write(&after_build, When::Rev(record.rev))?);
    let key = WaitKey::build(&after_build.release, after_build.index, after_build.attempt);
    if let Some(wait) = store.wait(&key).await? {
        let mut answered = wait.value;
        answered.answer = Some(answer);
        answered.due = after(now, RESEND_SECONDS);
        commit = commit.write(wait_write(&answered, When::Rev(wait.rev))?);
    }
    store.commit(commit, now).await?;
    Ok((Settled::Judged(status), freed))
}

fn fail(
    commit: Commit,
    record: &mut StageRecord,
    error: ErrorName,
    why: &str,
    now: Timestamp,
) -> Commit {
    record.status = StageStatus::Failed;
    record.ended_at = Some(now);
    record.failure = Some((error, why.to_owned()));
    let cause = why.to_owned();
    commit.fact(Fact::StageFailed {
        stage: record.stage.clone(),
        error: error.to_string(),
        cause,
    })
}
