//! What starts a release: the input of an execution, as CodePipeline's Step
//! Functions action, a schedule or the CLI sends it.

use crate::ids::{CommitSha, PipelineId};
use serde::{Deserialize, Serialize};

/// The input of an execution. Unknown members are refused, so that a misspelt
/// one cannot silently mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerInput {
    /// The pipeline that is meant; it must be the one that was started.
    pub pipeline: PipelineId,
    /// The full ref: `refs/heads/<branch>` or `refs/tags/<tag>`.
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
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Push => "push",
            Self::Tag => "tag",
            Self::Manual => "manual",
        })
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
}

impl<'a> Ref<'a> {
    /// Takes a full ref apart; `None` when it is neither a branch nor a tag.
    pub fn parse(full: &'a str) -> Option<Self> {
        let plain = |name: &&str| {
            !name.is_empty()
                && name.len() <= 250
                && !name.chars().any(|c| c.is_control() || c == ' ')
        };
        if let Some(branch) = full.strip_prefix("refs/heads/").filter(plain) {
            return Some(Self::Branch(branch));
        }
        full.strip_prefix("refs/tags/").filter(plain).map(Self::Tag)
    }
}

impl std::fmt::Display for Ref<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
        }
    }
}
