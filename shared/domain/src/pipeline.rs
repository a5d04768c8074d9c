//! A pipeline's definition as the rest of Gatewright knows it: already checked,
//! every default filled in. The YAML that people write is read by
//! `gatewright-compiler`, which is the only place that builds these.
//!
//! A definition's *version* is the SHA-256 of its canonical JSON. Running
//! releases carry the version they started with and never see another.

use crate::canonical::Digest;
use crate::evidence::Severity;
use crate::gate::Gate;
use crate::ids::{EnvironmentName, GroupName, PipelineId, StageName};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A duration in whole seconds, at most a year (the longest a Standard
/// execution may live, AWS Step Functions quotas).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Seconds {
    /// One year, in seconds.
    pub const YEAR: Self = Self(31_536_000);

    /// As `i64`, for arithmetic on timestamps.
    pub fn get(self) -> i64 {
        i64::from(self.0)
    }
}

/// What one pipeline does, complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The version of the definition language: 1.
    pub language: u32,
    /// The pipeline's id.
    pub id: PipelineId,
    /// Its name for people.
    pub name: String,
    /// What it releases, in a sentence.
    pub description: String,
    /// The AWS region that it builds and deploys in.
    pub region: String,
    /// Where the source comes from.
    pub source: Source,
    /// What starts it.
    pub triggers: Vec<Trigger>,
    /// What it produces, by name.
    pub artifacts: IndexMap<String, Artifact>,
    /// Where it deploys to, by name, in the order of promotion.
    pub environments: IndexMap<EnvironmentName, Environment>,
    /// Its stages, in order.
    pub stages: Vec<Stage>,
    /// Where people hear about it.
    pub notify: Notify,
    /// How long a whole release may take.
    pub budget: Seconds,
}

impl Definition {
    /// The version: SHA-256 of the canonical form.
    ///
    /// # Errors
    /// Never for a definition that was read from a file; the signature is
    /// serde's.
    pub fn version(&self) -> Result<Digest, serde_json::Error> {
        Digest::of(self)
    }

    /// The stage of that name and its position.
    pub fn stage(&self, name: &StageName) -> Option<(usize, &Stage)> {
        self.stages
            .iter()
            .enumerate()
            .find(|(_, stage)| &stage.name == name)
    }

    /// The position of the last stage that works in `environment`: when it is
    /// over, the environment's lock is handed on.
    pub fn last_stage_in(&self, environment: &EnvironmentName) -> Option<usize> {
        self.stages
            .iter()
            .rposition(|s| s.works_in() == Some(environment))
    }

    /// The approval that guards the deploy at `index`: the nearest approval
    /// stage before it for the same environment.
    pub fn approval_before(&self, index: usize) -> Option<(usize, &Approval)> {
        let environment = self.stages.get(index)?.environment.as_ref()?;
        self.stages[..index]
            .iter()
            .enumerate()
            .rev()
            .find_map(|(at, stage)| match &stage.work {
                Work::Approval(approval) if stage.environment.as_ref() == Some(environment) => {
                    Some((at, approval))
                }
                Work::Approval(_) | Work::Build(_) | Work::Deploy(_) => None,
            })
    }
}

/// Where the source comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The repository's URL.
    pub repository: String,
    /// The folder inside it that this pipeline releases; `.` for all of it.
    pub path: String,
}

/// What starts a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// A push to a branch that one of the patterns matches.
    Push {
        /// Patterns with `*` and `?`, matched against the whole branch name.
        branches: Vec<String>,
    },
    /// A tag that one of the patterns matches.
    Tag {
        /// Patterns with `*` and `?`, matched against the whole tag name.
        patterns: Vec<String>,
    },
    /// A person, on any branch or tag.
    Manual,
}

/// Something a stage produces, known by its digest from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Artifact {
    /// A container image in Amazon ECR.
    Image {
        /// The ECR repository's name.
        repository: String,
        /// How many images are kept.
        keep: u32,
    },
}

/// Where artifacts are deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The cluster's name.
    pub cluster: String,
    /// The namespace in it.
    pub namespace: String,
    /// Whether changing it needs an approval. A deploy into a protected
    /// environment that no approval guards does not compile.
    pub protected: bool,
    /// How long a release may hold the environment before its lock counts as
    /// abandoned and the sweep looks after its holder.
    pub lease: Seconds,
}

/// A step of a release: one state of the machine, under this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name, and the state's.
    pub name: StageName,
    /// What it is for.
    pub description: String,
    /// The environment that it works in, if any.
    pub environment: Option<EnvironmentName>,
    /// What it does.
    pub work: Work,
    /// What must hold of its evidence.
    pub gates: Vec<Gate>,
}

impl Stage {
    /// The environment that this stage uses while it runs. An approval is about
    /// an environment and does not use it.
    pub fn works_in(&self) -> Option<&EnvironmentName> {
        match self.work {
            Work::Build(_) | Work::Deploy(_) => self.environment.as_ref(),
            Work::Approval(_) => None,
        }
    }

    /// The build that this stage runs, if it runs one.
    pub fn build(&self) -> Option<&Build> {
        match &self.work {
            Work::Build(build) => Some(build),
            Work::Deploy(deploy) => Some(&deploy.build),
            Work::Approval(_) => None,
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
        }
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
    /// Commands that prepare the machine.
    pub install: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Environment variables.
    pub env: IndexMap<String, Variable>,
    /// Test and coverage reports to collect, by name.
    pub reports: IndexMap<String, Report>,
    /// The artifact that the steps produce, by name.
    pub produces: Option<String>,
}

/// One named command of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The commands, one a line, run one after the other.
    pub run: String,
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

/// The formats of CodeBuild reports that Gatewright reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportFormat {
    /// JUnit XML test results.
    Junit,
    /// Cobertura XML coverage.
    Cobertura,
}

impl ReportFormat {
    /// CodeBuild's own word for it in a buildspec's `file-format`.
    pub fn in_buildspec(self) -> &'static str {
        match self {
            Self::Junit => "JUNITXML",
            Self::Cobertura => "COBERTURAXML",
        }
    }
}

/// A change to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The artifact that is deployed, by its digest.
    pub artifact: String,
    /// The steps that do it and verify it.
    pub build: Build,
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

/// Where people hear about the pipeline's releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// The Slack channel, with its `#`.
    pub slack: Option<String>,
}

/// The severities from CRITICAL down to `least`, as a gate forbids them.
pub fn severities_from(least: Severity) -> Vec<Severity> {
    Severity::ORDER
        .iter()
        .copied()
        .take_while(|s| *s >= least)
        .collect()
}
