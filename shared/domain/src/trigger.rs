//! What starts a release: the input of an execution, as CodePipeline's Step
//! Functions action, a schedule or the CLI sends it.

use crate::ids::{CommitSha, EnvironmentName, PipelineId, ReleaseId};
use serde::{Deserialize, Serialize};

/// The input of an execution. Unknown members are refused, so that a misspelt
/// one cannot silently mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerInput {
    /// The pipeline that is meant; it must be the one that was started.
    pub pipeline: PipelineId,
    /// The full ref: `refs/heads/<branch>`, `refs/tags/<tag>`, or
    /// `refs/pull/<number>/head` of a pull request.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit.
    pub commit: CommitSha,
    /// Why it starts; when absent, the ref says: a branch is a push, a tag a tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Who authored the commit: an address or a login. Never counts towards the
    /// quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Who asked for the release; needed when the cause is `manual`. Never
    /// counts towards the quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// The commit's message, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The CodePipeline execution that started us, when one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codepipeline: Option<CodePipelineOrigin>,
    /// The environment that the requester chose, where the definition asks for
    /// one; what a rollback brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The branch that a pull request wants to change; needed when the cause is
    /// `pull-request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// The name of the schedule's trigger; needed when the cause is `schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The release of another pipeline that started this one; needed when the
    /// cause is `upstream`. What it built is read from its record, not from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamOrigin>,
    /// Why what ran before is wanted back; needed when the cause is `rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The release to go back to; without it, the one before what runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ReleaseId>,
    /// The release whose version whoever asks for a rollback saw running. When
    /// another one runs by then, nothing is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<ReleaseId>,
    /// The title of the newest release whose forward-only migration a rollback
    /// leads across, typed by whoever accepts that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<String>,
}

impl TriggerInput {
    /// Whether its commit is from now on the last one of its branch: a push, or a
    /// person's request. Pull requests, schedules and other pipelines bring
    /// nothing new.
    pub fn moves_its_branch(&self) -> bool {
        let branch = matches!(Ref::parse(&self.reference), Some(Ref::Branch(_)));
        branch && matches!(self.cause, None | Some(Cause::Push | Cause::Manual))
    }

    /// A trigger that says no more than it must.
    pub fn new(pipeline: PipelineId, reference: String, commit: CommitSha) -> Self {
        Self {
            pipeline,
            reference,
            commit,
            cause: None,
            author: None,
            requester: None,
            message: None,
            codepipeline: None,
            environment: None,
            into: None,
            schedule: None,
            upstream: None,
            reason: None,
            to: None,
            instead_of: None,
            acknowledge: None,
        }
    }
}

/// A release of another pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamOrigin {
    /// The other pipeline.
    pub pipeline: PipelineId,
    /// Its release.
    pub release: ReleaseId,
}

/// Why a release starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A push to a branch.
    Push,
    /// A tag.
    Tag,
    /// A person's request.
    Manual,
    /// A pull request.
    PullRequest,
    /// A clock.
    Schedule,
    /// A release of another pipeline.
    Upstream,
    /// A person who wants back what ran before.
    Rollback,
}

impl Cause {
    /// The word in inputs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Tag => "tag",
            Self::Manual => "manual",
            Self::PullRequest => "pull-request",
            Self::Schedule => "schedule",
            Self::Upstream => "upstream",
            Self::Rollback => "rollback",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The CodePipeline execution that started a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodePipelineOrigin {
    /// The CodePipeline pipeline's name.
    pub pipeline: String,
    /// Its execution id.
    pub execution: String,
}

/// A ref, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ref<'a> {
    /// A branch's name.
    Branch(&'a str),
    /// A tag's name.
    Tag(&'a str),
    /// A pull request's number.
    Pull(&'a str),
}

impl<'a> Ref<'a> {
    /// Takes a full ref apart; `None` when it is neither a branch nor a tag nor
    /// the head of a pull request.
    pub fn parse(full: &'a str) -> Option<Self> {
        let plain = |name: &&str| {
            !name.is_empty()
                && name.len() <= 250
                && !name.chars().any(|c| c.is_control() || c == ' ')
        };
        if let Some(branch) = full.strip_prefix("refs/heads/").filter(plain) {
            return Some(Self::Branch(branch));
        }
        if let Some(tag) = full.strip_prefix("refs/tags/").filter(plain) {
            return Some(Self::Tag(tag));
        }
        full.strip_prefix("refs/pull/")?
            .strip_suffix("/head")
            .filter(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
            .map(Self::Pull)
    }
}

impl std::fmt::Display for Ref<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Pull(number) => write!(f, "pull request {number}"),
        }
    }
}

/// The semantic version that a tag such as `refs/tags/v1.2.3` names; `None` for
/// any other ref, and for a tag that names none.
pub fn version_of_tag(reference: &str) -> Option<String> {
    let tag = reference.strip_prefix("refs/tags/")?;
    let version = tag.strip_prefix('v').unwrap_or(tag);
    semver::Version::parse(version)
        .is_ok()
        .then(|| version.to_owned())
}
