//! Going back: what is recorded when an environment runs what ran before, and
//! what people do about it afterwards.

use crate::{Running, known_definition};
use gatewright_aws::store::{Commit, Seen, Store, rolled_back_write, taken_back_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::control::Said;
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::Doubt;
use gatewright_domain::pipeline::{Purpose, Stage};
use gatewright_domain::release::{
    Deployment, Head, StageRecord, StageStatus, digest_of, evidence_before, last_attempts,
};
use gatewright_domain::undo::{Lifted, Migrated, Outcome, Ran, Resolution, RolledBack, TakenBack};
use gatewright_domain::{Digest, EnvironmentName, ErrorName, PipelineId, ReleaseId, Timestamp};
use gatewright_handler::Failure;

/// How many rollbacks back one is looked for that is resolved.
const ROLLBACKS: u32 = 200;

/// The migration that the stage is, if it is one.
#[must_use]
pub fn migrated(
    head: &Head,
    stage: &Stage,
    record: &StageRecord,
    outcome: Outcome,
    now: Timestamp,
) -> Option<Migrated> {
    Some(Migrated {
        pipeline: head.pipeline.clone(),
        environment: stage.works_in()?.clone(),
        stage: stage.name.clone(),
        kind: stage.migration?,
        release: head.release.clone(),
        title: head.title(),
        at: match outcome {
            Outcome::Passed => now,
            Outcome::Began | Outcome::NeverRan => record.started_at,
        },
        outcome,
    })
}

/// A version that a way back has replaced, and what is known of it.
pub(crate) struct Bad {
    pub head: Head,
    pub artifacts: Vec<ArtifactEvidence>,
}

impl Bad {
    /// As what it stays back when `deployment` runs again: as its artifacts. Where
    /// those run again, they are not to blame, but what else its commit brought is:
    /// its steps, its manifests. Then it stays back as that commit's. Nothing is left
    /// when the commit runs again as well.
    fn stays_back_as(&self, deployment: &Deployment) -> Option<Digest> {
        let digest = digest_of(&self.artifacts);
        if digest != deployment.digest() {
            return Some(digest);
        }
        let commit = &self.head.trigger.as_ref()?.commit;
        let of_commit = || Digest::of_bytes(format!("{digest} of {commit}").as_bytes());
        (commit != &deployment.commit).then(of_commit)
    }

    fn ran(&self) -> Option<Ran> {
        Some(Ran {
            release: self.head.release.clone(),
            title: self.head.title(),
            commit: self.head.trigger.as_ref()?.commit.clone(),
            digest: digest_of(&self.artifacts),
        })
    }
}

/// What an environment was like before a way back.
pub(crate) struct Was<'a> {
    /// What the record said that runs.
    pub before: Option<&'a Deployment>,
    /// The releases that left it unknown.
    pub doubts: &'a [Doubt],
}

/// Who wanted a way back, why, and since when something was wrong.
pub(crate) struct Wanted {
    pub automatic: bool,
    /// Whether what was replaced is to blame: not when people only stopped it.
    pub blames: bool,
    pub by: Option<String>,
    pub why: String,
    pub failed_at: Timestamp,
}

/// Records what a way back that has passed replaced: it stays back from now on,
/// and the rollback is history. `deployment` is what runs again.
pub(crate) async fn replaced<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    deployment: &Deployment,
    was: Was<'_>,
    commit: Commit,
) -> Result<Commit, Failure> {
    let head = &running.head.value;
    let records = store.stages(&head.release).await?;
    let (wanted, bad) = if stage.undoes() {
        let own = Bad {
            artifacts: own_artifacts(head, &records, stage),
            head: head.clone(),
        };
        (by_itself(head, &records, deployment.at), vec![own])
    } else {
        let wanted = by_hand(head, was.doubts);
        (wanted, bad_by_hand(store, deployment, was).await?)
    };
    undone(store, deployment, wanted, bad, commit).await
}

/// Writes what was undone: `bad` stays back, and that `deployment` runs instead is
/// history.
pub(crate) async fn undone<T: Table>(
    store: &Store<T>,
    deployment: &Deployment,
    wanted: Wanted,
    bad: Vec<Bad>,
    mut commit: Commit,
) -> Result<Commit, Failure> {
    // Two releases of the same artifacts are one version.
    let mut met = Vec::new();
    let blamed = bad.iter().filter(|_| wanted.blames);
    for one in blamed.filter(|b| !b.artifacts.is_empty()) {
        let Some(digest) = one.stays_back_as(deployment) else {
            continue;
        };
        if !met.contains(&digest) {
            let back = (one, digest.clone());
            commit = stays_back(store, back, deployment, &wanted, commit).await?;
            met.push(digest);
        }
    }
    let to = match store.head(deployment.version_of()).await? {
        Some(seen) => seen.value.title(),
        None => deployment.version_of().to_string(),
    };
    let to = Ran {
        release: deployment.version_of().clone(),
        title: to,
        commit: deployment.commit.clone(),
        digest: deployment.digest(),
    };
    let rolled = RolledBack {
        pipeline: deployment.pipeline.clone(),
        environment: deployment.environment.clone(),
        release: deployment.release.clone(),
        title: deployment.title.clone(),
        automatic: wanted.automatic,
        from: bad.first().and_then(Bad::ran).unwrap_or_else(|| to.clone()),
        to,
        by: wanted.by,
        why: wanted.why,
        failed_at: wanted.failed_at,
        at: deployment.at,
        seconds: (deployment.at.as_second() - wanted.failed_at.as_second()).max(0),
        resolution: None,
    };
    Ok(commit.write(rolled_back_write(&rolled, When::Absent)?))
}

/// What the release itself deploys there.
fn own_artifacts(head: &Head, records: &[StageRecord], stage: &Stage) -> Vec<ArtifactEvidence> {
    let evidence = evidence_before(head, records, usize::MAX);
    let names = stage.deploy().map_or(&[][..], |deploy| &deploy.artifacts);
    let known = names.iter().filter_map(|name| {
        let evidence = evidence.as_ref()?;
        evidence.artifact(name).cloned()
    });
    known.collect()
}

/// Nobody asked: the failure that led there did.
fn by_itself(head: &Head, records: &[StageRecord], now: Timestamp) -> Wanted {
    let failed = last_attempts(records)
        .into_iter()
        .filter(|r| r.status == StageStatus::Failed && r.failure.is_some())
        .max_by_key(|r| r.ended_at);
    let told = failed.and_then(|record| {
        let (error, cause) = record.failure.as_ref()?;
        Some(format!(
            "{:?} failed with {error}: {cause}",
            record.stage.as_str()
        ))
    });
    let ordered = |record: &StageRecord| {
        let error = record.failure.as_ref().map(|(error, _)| *error);
        matches!(error, Some(ErrorName::Halted | ErrorName::Frozen))
    };
    Wanted {
        automatic: true,
        blames: !failed.is_some_and(ordered),
        by: None,
        why: told.unwrap_or_else(|| format!("{} failed", head.title())),
        failed_at: failed.and_then(|r| r.ended_at).unwrap_or(now),
    }
}

/// Somebody asked; what was wrong began when a release left the environment unknown,
/// or else when it was asked for.
fn by_hand(head: &Head, doubts: &[Doubt]) -> Wanted {
    let trigger = head.trigger.as_ref();
    Wanted {
        automatic: false,
        blames: true,
        by: trigger.and_then(|t| t.requester.clone()),
        why: trigger.and_then(|t| t.reason.clone()).unwrap_or_default(),
        failed_at: doubts.first().map_or(head.started_at, |doubt| doubt.since),
    }
}

/// What a rollback by hand replaces: what releases left half deployed, and what the
/// record said that runs.
pub(crate) async fn bad_by_hand<T: Table>(
    store: &Store<T>,
    deployment: &Deployment,
    was: Was<'_>,
) -> Result<Vec<Bad>, Failure> {
    let mut bad = Vec::new();
    for doubt in was.doubts.iter().rev() {
        bad.extend(left_by(store, &doubt.release, &deployment.environment).await?);
    }
    if let Some(before) = was.before
        && let Some(seen) = store.head(before.version_of()).await?
    {
        bad.push(Bad {
            head: seen.value,
            artifacts: before.artifacts.clone(),
        });
    }
    bad.retain(|bad| &bad.head.release != deployment.version_of());
    Ok(bad)
}

/// What a release that ended dirty may have left in an environment: its own
/// version, when it had begun to deploy it; nothing but its name, when it had only
/// begun to migrate. A rollback's is not its own, and was good once.
pub(crate) async fn left_by<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    environment: &EnvironmentName,
) -> Result<Option<Bad>, Failure> {
    let Some(head) = store.head(release).await?.map(|seen| seen.value) else {
        return Ok(None);
    };
    let definition = known_definition(store, &head).await?;
    if definition.purpose == Purpose::Rollback {
        return Ok(None);
    }
    let records = store.stages(release).await?;
    let last = last_attempts(&records);
    let changes = last
        .iter()
        .filter(|r| r.changes() == Some(environment) && r.build_may_have_run());
    let there = changes.max_by_key(|record| record.deploys);
    let stage = there.and_then(|record| definition.stages.get(record.index));
    let artifacts = stage.map(|stage| own_artifacts(&head, &records, stage));
    Ok(artifacts.map(|artifacts| Bad { head, artifacts }))
}

async fn stays_back<T: Table>(
    store: &Store<T>,
    (bad, digest): (&Bad, Digest),
    deployment: &Deployment,
    wanted: &Wanted,
    commit: Commit,
) -> Result<Commit, Failure> {
    let Some(trigger) = bad.head.trigger.as_ref() else {
        return Ok(commit);
    };
    let (pipeline, environment) = (&deployment.pipeline, &deployment.environment);
    let known = store.taken_back(pipeline, environment, &digest).await?;
    let back = TakenBack {
        pipeline: pipeline.clone(),
        environment: environment.clone(),
        digest: digest.clone(),
        release: bad.head.release.clone(),
        title: bad.head.title(),
        number: bad.head.number,
        commit: trigger.commit.clone(),
        reference: trigger.reference.clone(),
        why: wanted.why.clone(),
        by: wanted.by.clone(),
        at: deployment.at,
        lifted: None,
    };
    let when = When::still(known.map(|seen| seen.rev));
    let fact = Fact::TakenBack {
        environment: back.environment.clone(),
        title: back.title.clone(),
        digest,
        why: back.why.clone(),
    };
    Ok(commit.write(taken_back_write(&back, when)?).fact(fact))
}

/// Allows again what was taken back from an environment: the version of
/// `release`. It is recorded in that release's ledger.
///
/// # Errors
/// `BadInput` when nothing of that release was taken back there, or it was
/// lifted before.
pub(crate) async fn lifting<T: Table>(
    store: &Store<T>,
    (pipeline, environment): (&PipelineId, &EnvironmentName),
    release: &ReleaseId,
    said: Said,
) -> Result<Commit, Failure> {
    let all = store.all_taken_back(pipeline, environment).await?;
    let of = all
        .into_iter()
        .filter(|seen| &seen.value.release == release);
    // What stays back still, before what was allowed again.
    let Some(mut seen) = of.max_by_key(|seen| seen.value.is_active()) else {
        let why = format!("nothing of {release} was taken back from {pipeline}/{environment}");
        return Err(Failure::bad_input(why));
    };
    if let Some(known) = &seen.value.lifted {
        let why = format!("{} lifted it already: {}", known.by, known.reason);
        return Err(Failure::bad_input(why));
    }
    seen.value.lifted = Some(Lifted {
        by: said.by.to_string(),
        reason: said.reason.clone(),
        at: said.at,
    });
    let fact = Fact::Lifted {
        environment: environment.clone(),
        by: said.by.to_string(),
        reason: said.reason,
        digest: seen.value.digest.clone(),
    };
    let head = store.known_head(release).await?;
    let write = taken_back_write(&seen.value, When::Rev(seen.rev))?;
    Ok(Commit::of(&head).write(write).fact(fact))
}

/// Writes down what became of the reason for a rollback; again, when more is
/// known. `release` is the one that undid, or the one that was undone; it is
/// recorded in the ledger of the first.
///
/// # Errors
/// `BadInput` when the release neither undid nor was undone.
pub(crate) async fn resolving<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    said: Said,
) -> Result<Commit, Failure> {
    let mut seen = rollback_of(store, release).await?;
    let fact = Fact::RollbackResolved {
        environment: seen.value.environment.clone(),
        by: said.by.to_string(),
        text: said.reason.clone(),
    };
    seen.value.resolution = Some(Resolution {
        by: said.by.to_string(),
        text: said.reason,
        at: said.at,
    });
    let head = store.known_head(&seen.value.release).await?;
    let write = rolled_back_write(&seen.value, When::Rev(seen.rev))?;
    Ok(Commit::of(&head).write(write).fact(fact))
}

/// The newest rollback that the release did or suffered.
async fn rollback_of<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
) -> Result<Seen<RolledBack>, Failure> {
    let head = store.known_head(release).await?.value;
    let definition = known_definition(store, &head).await?;
    let mut found: Option<Seen<RolledBack>> = None;
    for environment in definition.environments.keys() {
        let all = store
            .rollbacks(&head.pipeline, environment, ROLLBACKS)
            .await?;
        let of = |seen: &Seen<RolledBack>| {
            &seen.value.release == release || &seen.value.from.release == release
        };
        for seen in all.into_iter().filter(of) {
            if found.as_ref().is_none_or(|f| f.value.at < seen.value.at) {
                found = Some(seen);
            }
        }
    }
    found.ok_or_else(|| {
        let why = format!("{} neither undid a change nor was undone", head.title());
        Failure::new(ErrorName::BadInput, why)
    })
}

#[cfg(test)]
mod tests;
