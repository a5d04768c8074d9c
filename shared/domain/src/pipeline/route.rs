//! What starts a release, and which of the stages it then runs.

use super::Seconds;
use crate::ids::{EnvironmentName, PipelineId, StageName};
use serde::{Deserialize, Serialize};

/// Something that starts a release, with its *route*: the stages that a release
/// started by it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Its name, unique in the pipeline: given, or made from what it matches.
    /// State machines, records and people know the route by it.
    pub name: String,
    /// What happens.
    pub event: Event,
    /// The stages of the route, by name.
    pub stages: Vec<StageName>,
    /// How long the whole route may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Seconds>,
}

impl Trigger {
    /// Whether the route has this stage.
    pub fn runs(&self, stage: &StageName) -> bool {
        self.stages.contains(stage)
    }
}

/// What happens that starts a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A push to a branch that one of the patterns matches.
    Push {
        /// Patterns with `*` and `?`, matched against the whole branch name.
        branches: Vec<String>,
    },
    /// A pull request into a branch that one of the patterns matches.
    PullRequest {
        /// Patterns with `*` and `?`, matched against the base branch's name.
        into: Vec<String>,
    },
    /// A tag that one of the patterns matches.
    Tag {
        /// Patterns with `*` and `?`, matched against the whole tag name.
        patterns: Vec<String>,
    },
    /// A person, on any branch or tag.
    Manual {
        /// The environment that the person chose, where the definition asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<EnvironmentName>,
    },
    /// A clock.
    Schedule {
        /// Five fields as in crontab: minute, hour, day of month, month, day of
        /// week.
        cron: String,
        /// The IANA time zone that the fields are in.
        time_zone: String,
        /// The branch whose last released commit is used.
        branch: String,
    },
    /// A successful release of another pipeline.
    Upstream {
        /// The other pipeline.
        pipeline: PipelineId,
        /// The branch of this pipeline whose last released commit is used.
        branch: String,
    },
    /// A person who wants back what ran before (machines for rollbacks only).
    Rollback {
        /// The environment.
        environment: EnvironmentName,
    },
}

impl Event {
    /// The word for the kind of it, as in a definition.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Push { .. } => "push",
            Self::PullRequest { .. } => "pull-request",
            Self::Tag { .. } => "tag",
            Self::Manual { .. } => "manual",
            Self::Schedule { .. } => "schedule",
            Self::Upstream { .. } => "upstream",
            Self::Rollback { .. } => "rollback",
        }
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Push { branches } => write!(f, "push to {}", branches.join(" or ")),
            Self::PullRequest { into } => write!(f, "pull request into {}", into.join(" or ")),
            Self::Tag { patterns } => write!(f, "tag {}", patterns.join(" or ")),
            Self::Manual { environment: None } => f.write_str("manual"),
            Self::Manual {
                environment: Some(environment),
            } => write!(f, "manual to {environment}"),
            Self::Schedule {
                cron,
                time_zone,
                branch,
            } => write!(f, "schedule {cron} ({time_zone}) on {branch}"),
            Self::Upstream { pipeline, .. } => write!(f, "release of {pipeline}"),
            Self::Rollback { environment } => write!(f, "rollback of {environment}"),
        }
    }
}
