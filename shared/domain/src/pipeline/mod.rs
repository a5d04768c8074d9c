//! A pipeline's definition as the rest of Gatewright knows it: already checked,
//! every default filled in, every short form written out. The YAML that people
//! write is read by `gatewright-compiler`, which is the only place that builds
//! these.
//!
//! *Written out* means: a matrix is one [`Stage`] a leg, a canary one stage a
//! shift and one a pause, an automatic rollback a stage of its own; [`Group`]s
//! say which of them run side by side. So everything that runs a release knows
//! one kind of thing, a stage with a position, and only the compiler knows how
//! stages are arranged.
//!
//! A definition's *version* is the SHA-256 of its canonical JSON. Running
//! releases carry the version they started with and never see another.

mod artifact;
mod environment;
mod report;
mod rollback;
mod route;
mod stage;
mod watch;

pub use artifact::{Artifact, Form, From, Versioning};
pub use environment::{Environment, Queue, Strategy, StrategyKind, Undo, Window};
pub use report::{Event as NotifyEvent, Feature, Notify, NotifyRoute, Target, Unenforced};
pub use route::{Event, Trigger};
pub use stage::{
    Approval, Build, CodeDeploy, Deploy, Effect, Group, GroupKind, Migration, Pause, Quorum,
    Report, ReportFormat, Service, Stage, Step, Variable, Work,
};
pub use watch::{Series, Unit, Watch, Watching, unit};

use crate::canonical::Digest;
use crate::evidence::Severity;
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

/// What a machine is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To release.
    #[default]
    Release,
    /// To bring an environment back to what ran before.
    Rollback,
}

impl Purpose {
    fn is_release(&self) -> bool {
        matches!(self, Self::Release)
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
    /// What its machine is for.
    #[serde(default, skip_serializing_if = "Purpose::is_release")]
    pub purpose: Purpose,
    /// Its name for people.
    pub name: String,
    /// What it releases, in a sentence.
    pub description: String,
    /// The AWS region that it builds and deploys in.
    pub region: String,
    /// Where the source comes from.
    pub source: Source,
    /// What starts it, and which stages each trigger runs.
    pub triggers: Vec<Trigger>,
    /// What it produces, by name.
    pub artifacts: IndexMap<String, Artifact>,
    /// Where it deploys to, by name, in the order of promotion.
    pub environments: IndexMap<EnvironmentName, Environment>,
    /// Its stages, in order; those that undo a failed deploy come last.
    pub stages: Vec<Stage>,
    /// Which of its stages run side by side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// The pipelines that its successful releases start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downstream: Vec<PipelineId>,
    /// Where people hear about it.
    pub notify: Notify,
    /// What its delivery metrics should be, by metric.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub targets: IndexMap<String, Target>,
    /// The features that it relies on although nothing enforces them yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepts: Vec<Feature>,
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

    /// The trigger of that name.
    pub fn trigger(&self, name: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.name == name)
    }

    /// The stages that a release on this route runs when nothing fails, in
    /// order, with their positions. Without a route, all of them.
    pub fn path<'a, 'r>(
        &'a self,
        route: Option<&'r Trigger>,
    ) -> impl DoubleEndedIterator<Item = (usize, &'a Stage)> + use<'a, 'r> {
        self.stages.iter().enumerate().filter(move |(_, stage)| {
            !stage.undoes() && route.is_none_or(|route| route.runs(&stage.name))
        })
    }

    /// The stages of a release as people want to see them, with their positions:
    /// those of its route, and a way back only when it `began`.
    pub fn shown<'a>(
        &'a self,
        route: Option<&'a str>,
        began: impl Fn(usize) -> bool + 'a,
    ) -> impl Iterator<Item = (usize, &'a Stage)> {
        let route = route.and_then(|name| self.trigger(name));
        self.stages
            .iter()
            .enumerate()
            .filter(move |(index, stage)| {
                let ahead = !stage.undoes() && route.is_none_or(|route| route.runs(&stage.name));
                began(*index) || ahead
            })
    }

    /// The positions of the stages on the route that work in `environment`: when
    /// all of them have passed, its lock is handed on.
    pub fn stages_in<'a>(
        &'a self,
        route: Option<&Trigger>,
        environment: &'a EnvironmentName,
    ) -> impl Iterator<Item = usize> {
        self.path(route)
            .filter(move |(_, stage)| stage.works_in() == Some(environment))
            .map(|(index, _)| index)
    }

    /// The deploy that the stage at `index` is cleared for: itself, or the one that
    /// follows a migration into the same environment on the route.
    pub fn deploy_from(&self, route: Option<&Trigger>, index: usize) -> Option<&Deploy> {
        let environment = self.stages.get(index)?.works_in()?;
        self.path(route)
            .filter(|(at, stage)| *at >= index && stage.works_in() == Some(environment))
            .find_map(|(_, stage)| stage.deploy())
    }

    /// The approval that guards the stage at `index`: the nearest approval stage
    /// before it on the route for the same environment.
    pub fn approval_before(
        &self,
        route: Option<&Trigger>,
        index: usize,
    ) -> Option<(usize, &Approval)> {
        let environment = self.stages.get(index)?.environment.as_ref()?;
        self.path(route)
            .filter(|(at, _)| *at < index)
            .rev()
            .find_map(|(at, stage)| match &stage.work {
                Work::Approval(approval) if stage.environment.as_ref() == Some(environment) => {
                    Some((at, approval))
                }
                Work::Approval(_)
                | Work::Build(_)
                | Work::Deploy(_)
                | Work::Watch(_)
                | Work::Pause(_) => None,
            })
    }

    /// Who is asked when a watch at `index` does not tell: one of each group that
    /// approves changes of its environment on the route; where no approval comes
    /// before it, of those that may bring the environment back. It may be nobody.
    pub fn asked_about(&self, route: Option<&Trigger>, index: usize) -> Vec<Quorum> {
        let of = |groups: Vec<&GroupName>| {
            let mut groups: Vec<&GroupName> = groups;
            groups.sort();
            groups.dedup();
            let one = |group: &GroupName| Quorum {
                group: group.clone(),
                count: 1,
            };
            groups.into_iter().map(one).collect()
        };
        if let Some((_, approval)) = self.approval_before(route, index) {
            return of(approval.quorum.iter().map(|line| &line.group).collect());
        }
        let environment = self.stages.get(index).and_then(|s| s.environment.as_ref());
        let environment = environment.and_then(|name| self.environments.get(name));
        of(environment.map_or_else(Vec::new, |e| e.rollback.by.iter().collect()))
    }

    /// What it says and nothing enforces yet, each with its place.
    pub fn unenforced(&self) -> Vec<Unenforced> {
        let mut found = Vec::new();
        let mut put = |feature, place: &str, protected| {
            found.push(Unenforced {
                feature,
                place: place.to_owned(),
                protected,
            });
        };
        for stage in &self.stages {
            for but in stage.gates.iter().filter_map(|gate| gate.leniency()) {
                let said = [
                    (Feature::OnlyNew, but.known),
                    (Feature::Waiver, but.waiver),
                    (Feature::SignOff, but.sign_off.is_some()),
                ];
                for (feature, _) in said.into_iter().filter(|(_, said)| *said) {
                    put(feature, stage.name.as_str(), false);
                }
            }
        }
        if !self.notify.routes.iter().all(NotifyRoute::is_enforced) {
            put(Feature::NotifyRoutes, self.id.as_str(), false);
        }
        if !self.targets.is_empty() {
            put(Feature::Targets, self.id.as_str(), false);
        }
        found
    }

    /// The environment before this one, in the order of promotion.
    pub fn environment_before(&self, environment: &EnvironmentName) -> Option<&EnvironmentName> {
        let at = self.environments.get_index_of(environment)?;
        let (before, _) = self.environments.get_index(at.checked_sub(1)?)?;
        Some(before)
    }

    /// The group that a stage belongs to.
    pub fn group_of(&self, stage: &StageName) -> Option<&Group> {
        self.groups
            .iter()
            .find(|group| group.stages.contains(stage))
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

/// The severities from CRITICAL down to `least`, as a gate forbids them.
pub fn severities_from(least: Severity) -> Vec<Severity> {
    Severity::ORDER
        .iter()
        .copied()
        .take_while(|s| *s >= least)
        .collect()
}
