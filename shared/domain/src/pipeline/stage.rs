//! The steps of a release, and which of them run side by side.

use super::Seconds;
use super::watch::Watching;
use crate::gate::Gate;
use crate::ids::{EnvironmentName, GroupName, StageName};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A step of a release: one state of the machine, under this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name, and the state's.
    pub name: StageName,
    /// What it is for.
    pub description: String,
    /// The stage of the definition's file that it was made from: a leg of a
    /// matrix, a shift of traffic, a pause, a way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<StageName>,
    /// The environment that it works in, if any.
    pub environment: Option<EnvironmentName>,
    /// What it does.
    pub work: Work,
    /// What must hold of its evidence.
    pub gates: Vec<Gate>,
    /// Whether it changes the environment's data, and whether that can be taken
    /// back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    /// The stage that undoes what was done when this one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<StageName>,
}

impl Stage {
    /// The environment that this stage uses while it runs. An approval is about
    /// an environment and does not use it.
    pub fn works_in(&self) -> Option<&EnvironmentName> {
        match self.work {
            Work::Build(_) | Work::Deploy(_) | Work::Watch(_) | Work::Pause(_) => {
                self.environment.as_ref()
            }
            Work::Approval(_) => None,
        }
    }

    /// The build that this stage runs, if it runs one.
    pub fn build(&self) -> Option<&Build> {
        match &self.work {
            Work::Build(build) => Some(build),
            Work::Deploy(deploy) => Some(&deploy.build),
            Work::Approval(_) | Work::Watch(_) | Work::Pause(_) => None,
        }
    }

    /// The deploy that this stage is, if it is one.
    pub fn deploy(&self) -> Option<&Deploy> {
        match &self.work {
            Work::Deploy(deploy) => Some(deploy),
            Work::Build(_) | Work::Approval(_) | Work::Watch(_) | Work::Pause(_) => None,
        }
    }

    /// Whether it undoes a change that failed: it runs when something fails, and
    /// never otherwise.
    pub fn undoes(&self) -> bool {
        self.of.is_some() && self.deploy().is_some_and(|d| d.effect == Effect::Undo)
    }

    /// The environment that this stage changes: by a deploy, or by a migration of
    /// its data.
    pub fn changes(&self) -> Option<&EnvironmentName> {
        let changes = self.deploy().is_some() || self.migration.is_some();
        self.works_in().filter(|_| changes)
    }

    /// Whether the environment is asked for before it: a stage of the definition's
    /// file that changes it, not the shifts that follow a deploy.
    pub fn is_cleared(&self) -> bool {
        self.of.is_none() && self.changes().is_some()
    }

    /// Whether it changes data in a way that no older version can be put upon.
    pub fn is_forward_only(&self) -> bool {
        self.migration == Some(Migration::ForwardOnly)
    }

    /// What it watches, if it watches.
    pub fn watching(&self) -> Option<&Watching> {
        match &self.work {
            Work::Watch(watching) => Some(watching),
            Work::Build(_) | Work::Deploy(_) | Work::Approval(_) | Work::Pause(_) => None,
        }
    }

    /// The scan gate of this stage, if it has one.
    pub fn scan_gate(&self) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.is_scan())
    }

    /// How long the stage may take in all.
    pub fn time_limit(&self) -> Seconds {
        match &self.work {
            Work::Build(build) => build.timeout,
            Work::Deploy(deploy) => deploy.build.timeout,
            Work::Approval(approval) => approval.expires,
            Work::Watch(watching) => watching.lasts,
            Work::Pause(pause) => pause.lasts,
        }
    }
}

/// What a migration of an environment's data allows afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Migration {
    /// There is no way back: an older version meets newer data.
    ForwardOnly,
    /// What ran before can be brought back; the way back takes the data with it
    /// or needs no change of it.
    Reversible,
}

impl Migration {
    /// The word in definitions and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForwardOnly => "forward-only",
            Self::Reversible => "reversible",
        }
    }
}

impl std::fmt::Display for Migration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Work {
    /// Run steps in CodeBuild.
    Build(Build),
    /// Change an environment, by running steps in CodeBuild under its lock.
    Deploy(Deploy),
    /// Ask people.
    Approval(Approval),
    /// Let time pass, and judge how the new version does.
    Watch(Watching),
    /// Let time pass.
    Pause(Pause),
}

/// Steps that run in one CodeBuild build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The CodeBuild project.
    pub project: String,
    /// The build image.
    pub image: String,
    /// CodeBuild's compute type, such as `BUILD_GENERAL1_SMALL`.
    pub compute: String,
    /// How long the steps may take.
    pub timeout: Seconds,
    /// How often a build is started anew when CodeBuild's own infrastructure
    /// failed. A red test is never retried.
    pub retries: u32,
    /// Language runtimes, such as `python: 3.11`.
    pub runtimes: IndexMap<String, String>,
    /// Servers that run beside the steps, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub services: IndexMap<String, Service>,
    /// Patterns of files that are kept from build to build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache: Vec<String>,
    /// Commands that prepare the machine.
    pub install: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What runs last, whatever happened before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finally: Vec<Step>,
    /// Environment variables.
    pub env: IndexMap<String, Variable>,
    /// Variables of the build that later stages get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<String>,
    /// Reports to collect, by name.
    pub reports: IndexMap<String, Report>,
    /// The artifact that the steps produce, by name.
    pub produces: Option<String>,
}

/// A server that runs beside a build's steps, in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The image.
    pub image: String,
    /// Its environment. Never a secret: it lives as long as the build.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, String>,
    /// The ports that the steps find on localhost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// A command in the container that succeeds once the server is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// One named command of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The commands, one a line, run one after the other.
    pub run: String,
    /// What the commands deploy through CodeDeploy, when they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codedeploy: Option<CodeDeploy>,
}

/// What a step deploys through AWS CodeDeploy: the rights of its build are made of
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeDeploy {
    /// The application.
    pub application: String,
    /// The deployment group.
    pub group: String,
    /// The deployment configuration, when it is not the group's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Variable {
    /// Text in the definition. Never a secret.
    Plain {
        /// The text.
        value: String,
    },
    /// A Secrets Manager reference, resolved by CodeBuild where it is used.
    Secret {
        /// The secret's name or ARN, `:json-key` may follow.
        id: String,
    },
    /// A Systems Manager parameter, resolved by CodeBuild where it is used.
    Parameter {
        /// The parameter's name.
        name: String,
    },
}

/// A report that a build leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Files, relative to the source path.
    pub files: Vec<String>,
    /// Their format.
    pub format: ReportFormat,
}

/// The formats of reports that Gatewright reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportFormat {
    /// JUnit XML test results.
    Junit,
    /// Cobertura XML coverage.
    Cobertura,
    /// SARIF 2.1.0: findings of a scanner. `CodeBuild` knows no such report, so
    /// the build counts them itself and says so in an exported variable.
    Sarif,
}

impl ReportFormat {
    /// The word for it, as in a definition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Junit => "junit",
            Self::Cobertura => "cobertura",
            Self::Sarif => "sarif",
        }
    }

    /// CodeBuild's own word for it in a buildspec's `file-format`; `None` for
    /// what CodeBuild does not read.
    pub fn in_buildspec(self) -> Option<&'static str> {
        match self {
            Self::Junit => Some("JUNITXML"),
            Self::Cobertura => Some("COBERTURAXML"),
            Self::Sarif => None,
        }
    }
}

/// A change to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The artifacts that are deployed, by name; what is deployed is their
    /// digests. At least one.
    pub artifacts: Vec<String>,
    /// What it makes of the environment.
    #[serde(default, skip_serializing_if = "Effect::is_complete")]
    pub effect: Effect,
    /// The steps that do it and verify it.
    pub build: Build,
}

/// What a deploy makes of its environment when it passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It runs the new version, and the record says so.
    #[default]
    Complete,
    /// It has changed, and the new version does not have it yet, or has it
    /// already: a new version beside the old, a share of the traffic, the old
    /// one scaled down.
    Partial,
    /// It runs what ran before.
    Undo,
}

impl Effect {
    fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

/// Time that passes and nothing is judged by: an old version is kept, or a
/// share of the traffic is left for a while. People's orders end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// How long.
    pub lasts: Seconds,
}

/// A request to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who has to agree: every line of it, with different people.
    pub quorum: Vec<Quorum>,
    /// What an approver confirms by approving.
    pub checklist: Vec<String>,
    /// After how long without a quorum the request expires.
    pub expires: Seconds,
    /// After how long those who have not answered are reminded.
    pub remind: Seconds,
}

/// So many people of this group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// The group.
    pub group: GroupName,
    /// How many of its people.
    pub count: u32,
}

/// Stages that run side by side: neighbours in the definition's order, none of
/// which deploys or asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name, and the state's.
    pub name: StageName,
    /// What made it.
    pub kind: GroupKind,
    /// Its stages, in order.
    pub stages: Vec<StageName>,
    /// Whether the first failure stops the others.
    pub fail_fast: bool,
}

/// What makes stages a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// One stage for each combination of values: a Map.
    Matrix,
    /// Stages that somebody put side by side: a Parallel.
    Parallel,
}
