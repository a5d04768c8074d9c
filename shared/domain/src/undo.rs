//! What was undone: versions that stay back, migrations that stand in the way,
//! and the history of rollbacks. What follows from them is in `decide::undo`.

use crate::Timestamp;
use crate::canonical::Digest;
use crate::ids::{CommitSha, EnvironmentName, PipelineId, ReleaseId, StageName};
use crate::pipeline::Migration;
use crate::release::Deployment;
use crate::trigger::Ref;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A version that was taken back from an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The environment.
    pub environment: EnvironmentName,
    /// What was taken back, in one digest.
    pub digest: Digest,
    /// The release whose version it is.
    pub release: ReleaseId,
    /// Its title.
    pub title: String,
    /// Its number.
    pub number: Option<u64>,
    /// Its commit.
    pub commit: CommitSha,
    /// The ref that it was released from.
    pub reference: String,
    /// Why it was taken back.
    pub why: String,
    /// Who asked for that; nobody when it was automatic.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Who allowed it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

impl TakenBack {
    /// Whether it still stays back.
    pub fn is_active(&self) -> bool {
        self.lifted.is_none()
    }

    /// `pl-gps-001#142 (commit 4f2a9c01)`.
    pub fn named(&self) -> String {
        format!("{} (commit {})", self.title, self.commit.short())
    }
}

/// That something taken back may run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A migration of an environment's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The stage that migrates.
    pub stage: StageName,
    /// Whether there is a way back.
    pub kind: Migration,
    /// The release.
    pub release: ReleaseId,
    /// Its title.
    pub title: String,
    /// When it passed; until then, when the stage began.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It began: it may have run, in part or as a whole.
    Began,
    /// It passed.
    Passed,
    /// Its build never began, so nothing was changed.
    NeverRan,
}

/// A version in the history of rollbacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The release whose version it is.
    pub release: ReleaseId,
    /// Its title.
    pub title: String,
    /// Its commit.
    pub commit: CommitSha,
    /// What it is, in one digest.
    pub digest: Digest,
}

/// One rollback that has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The release that undid: itself, or one of a rollback by hand.
    pub release: ReleaseId,
    /// Its title.
    pub title: String,
    /// Whether nobody had to ask for it.
    pub automatic: bool,
    /// What ran, or was half deployed.
    pub from: Ran,
    /// What runs again.
    pub to: Ran,
    /// Who asked for it; nobody when it was automatic.
    pub by: Option<String>,
    /// Why.
    pub why: String,
    /// When the failure was recorded, or the rollback was asked for.
    pub failed_at: Timestamp,
    /// When what ran before ran again.
    pub at: Timestamp,
    /// The seconds between the two.
    pub seconds: i64,
    /// What became of the reason, once somebody wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
}

/// What became of the reason for a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Who wrote it.
    pub by: String,
    /// What became of it.
    pub text: String,
    /// When it was written.
    pub at: Timestamp,
}

/// Something that people should know before they let a release through: as far
/// as its ref tells, it contains what was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// The environment that it was taken back from.
    pub environment: EnvironmentName,
    /// The title of the release that was taken back.
    pub title: String,
    /// Its commit.
    pub commit: CommitSha,
    /// Whether this release is of that very commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same: bool,
    /// Whether one of the two is of a tag, so that they may be of two branches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tagged: bool,
    /// Why it was taken back.
    pub why: String,
}

impl Flag {
    /// The flag in words; `why` is other people's text and not in it.
    pub fn told(&self) -> String {
        let Self {
            environment,
            title,
            commit,
            ..
        } = self;
        let commit = commit.short();
        if self.same {
            return format!("is of commit {commit}, taken back from {environment} as {title}");
        }
        let or = if self.tagged {
            " or is on another branch"
        } else {
            ""
        };
        format!(
            "contains {title} (commit {commit}), taken back from {environment}, unless it was reverted{or}"
        )
    }
}

/// All that is known of an environment's ways back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WaysBack {
    /// What runs.
    pub current: Option<Deployment>,
    /// What ran, newest first, with what runs.
    pub history: Vec<Deployment>,
    /// What was taken back, also what was lifted again.
    pub taken_back: Vec<TakenBack>,
    /// The migrations, newest first.
    pub migrations: Vec<Migrated>,
    /// The releases of which a stage failed there after their deploy.
    pub failed: BTreeSet<ReleaseId>,
    /// The releases that ended dirty there since anybody knew what it runs: then
    /// what is on record as running is what should run.
    pub doubted: Vec<ReleaseId>,
}

/// A version that an environment can go back to, or why it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The title of the release whose version it is.
    pub title: String,
    /// When it ran last; another release may have brought it back then.
    pub deployment: Deployment,
    /// Whether it was good.
    pub standing: Standing,
    /// The titles of the releases, newest first, whose forward-only migrations
    /// lie between it and what runs.
    pub across: Vec<String>,
}

/// How good a version was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Standing {
    /// It ran, and nothing failed there.
    Good,
    /// It is what runs, or the same by its digest.
    Runs,
    /// A stage of its release failed there.
    Failed,
    /// It was taken back.
    TakenBack {
        /// Why.
        why: String,
    },
}

/// How much the refs of two releases tell of whether the newer one contains the
/// older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// They are of one branch.
    Same,
    /// One is of a tag, which may be of any branch.
    Perhaps,
    /// Nothing says so.
    Other,
}

/// What the refs of two releases that went, or go, to one environment tell. What is
/// protected gets releases and not everybody's branches, so a tag and a branch that
/// both go there are likely of one line; elsewhere, most branches are not in a tag.
pub(crate) fn line(one: &str, other: &str, protected: bool) -> Line {
    let (Some(one), Some(other)) = (Ref::parse(one), Ref::parse(other)) else {
        return Line::Other;
    };
    match (one, other) {
        (Ref::Branch(one), Ref::Branch(other)) if one == other => Line::Same,
        (Ref::Tag(_), Ref::Tag(_)) => Line::Perhaps,
        (Ref::Tag(_), Ref::Branch(_)) | (Ref::Branch(_), Ref::Tag(_)) if protected => Line::Perhaps,
        (
            Ref::Branch(_) | Ref::Tag(_) | Ref::Pull(_),
            Ref::Branch(_) | Ref::Tag(_) | Ref::Pull(_),
        ) => Line::Other,
    }
}
