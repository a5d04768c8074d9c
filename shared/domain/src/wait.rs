//! Waits: what a release is waiting for, under a key that the awaited event can
//! be turned into, with the task token that resumes it and a deadline.

use crate::Timestamp;
use crate::error_name::ErrorName;
use crate::ids::{EnvironmentName, ReleaseId, StageName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A Step Functions task token. Whoever holds it can answer for the task, so it
/// leaves the table for `SendTask*` only: it has no `Display`, and its `Debug`
/// shows nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskToken(String);

impl TaskToken {
    /// Wraps a token.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// The token, for `SendTask*`.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskToken(…)")
    }
}

/// What is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum Awaited {
    /// A build's end.
    Build {
        /// Which attempt of the stage.
        attempt: u32,
        /// CodeBuild's id of it, once known.
        build: Option<String>,
    },
    /// A scan's end.
    Scan {
        /// The ECR repository.
        repository: String,
        /// The image's digest.
        digest: crate::Digest,
    },
    /// A quorum.
    Approval,
    /// The end of a watch.
    Watch {
        /// When the warm-up is over and numbers count.
        from: Timestamp,
        /// When the watch is over.
        until: Timestamp,
        /// How many seconds a sample is about.
        period: u32,
    },
    /// An environment.
    Lock {
        /// The environment.
        environment: EnvironmentName,
        /// What stood in the way when it was last looked at.
        #[serde(default)]
        because: Vec<crate::decide::Obstacle>,
    },
    /// Nothing any more: the answer was known at once and is on its way.
    Nothing,
}

impl Awaited {
    /// A word for keys and messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Build { .. } => "build",
            Self::Scan { .. } => "scan",
            Self::Approval => "approval",
            Self::Watch { .. } => "watch",
            Self::Lock { .. } => "lock",
            Self::Nothing => "nothing",
        }
    }
}

/// A task that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The release.
    pub release: ReleaseId,
    /// The stage's position in the definition.
    pub index: usize,
    /// The stage.
    pub stage: StageName,
    /// What it waits for.
    pub awaited: Awaited,
    /// What resumes it.
    pub token: TaskToken,
    /// Since when.
    pub since: Timestamp,
    /// When it is given up.
    pub deadline: Timestamp,
    /// When the sweep next looks at its source.
    pub due: Timestamp,
    /// The answer, once there is one: written in the transaction that records
    /// why, sent afterwards by `answer-task`, as often as it takes.
    pub answer: Option<Answer>,
}

/// What a waiting task is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Answer {
    /// Go on.
    Success {
        /// The task's output: ids and verdicts, never documents.
        output: serde_json::Value,
    },
    /// Stop.
    Failure {
        /// The error's name.
        error: ErrorName,
        /// The reason, at most 32,768 bytes (the limit of `SendTaskFailure`).
        cause: String,
    },
}

impl Answer {
    /// A refusal; the cause is cut to what `SendTaskFailure` accepts.
    pub fn failure(error: ErrorName, cause: &str) -> Self {
        Self::Failure {
            error,
            cause: crate::text::shortened(cause, 32_000),
        }
    }
}
