//! Which stages stand between a trigger and a change of an environment.

use gatewright_domain::pipeline::{Definition, Effect, Stage, Trigger};
use gatewright_domain::{EnvironmentName, StageName};
use std::collections::{BTreeMap, BTreeSet};

/// Of each environment, the stages that a release passes.
#[derive(Debug, Default)]
pub struct Guards {
    environments: BTreeMap<EnvironmentName, Passed>,
}

/// The stages that a release passes on its way into an environment, and in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// On every route, before the environment is changed.
    pub always: BTreeSet<StageName>,
    /// On every route, after it was changed and while it is worked in.
    pub afterwards: BTreeSet<StageName>,
    /// On some route.
    pub ever: BTreeSet<StageName>,
}

impl Guards {
    /// Looks at every route.
    pub fn of(definition: &Definition) -> Self {
        let mut guards = Self::default();
        for name in definition.environments.keys() {
            if let Some(passed) = passed(definition, name) {
                guards.environments.insert(name.clone(), passed);
            }
        }
        guards
    }

    /// What a release passes on its way into this environment; `None` when no
    /// route changes it.
    pub fn ways_into(&self, environment: &EnvironmentName) -> Option<&Passed> {
        self.environments.get(environment)
    }

    /// The environments that a stage guards on some route.
    pub fn guarded_by(&self, stage: &StageName) -> Vec<EnvironmentName> {
        let all = self.environments.iter();
        all.filter(|(_, passed)| passed.ever.contains(stage))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// The stages of a route before it changes the environment, and those after that
/// still work in it; `None` when it does not change it.
pub fn split(
    definition: &Definition,
    route: &Trigger,
    environment: &EnvironmentName,
) -> Option<(Vec<StageName>, Vec<StageName>)> {
    let path: Vec<&Stage> = definition.path(Some(route)).map(|(_, s)| s).collect();
    let changes = |stage: &&Stage| stage.deploy().is_some() && is_in(stage, environment);
    let first = path.iter().position(changes)?;
    let last = path.iter().rposition(|stage| is_in(stage, environment))?;
    let names = |stages: &[&Stage]| stages.iter().map(|s| s.name.clone()).collect();
    let checks: Vec<&Stage> = path[first..=last]
        .iter()
        .copied()
        .filter(|stage| stage.deploy().is_none_or(|d| d.effect != Effect::Complete))
        .collect();
    Some((names(&path[..first]), names(&checks)))
}

fn is_in(stage: &Stage, environment: &EnvironmentName) -> bool {
    stage.works_in() == Some(environment)
}

fn passed(definition: &Definition, environment: &EnvironmentName) -> Option<Passed> {
    let mut all: Option<Passed> = None;
    for route in &definition.triggers {
        let Some((before, after)) = split(definition, route, environment) else {
            continue;
        };
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (before.into_iter().collect(), after.into_iter().collect());
        all = Some(match all {
            None => Passed {
                ever: before.union(&after).cloned().collect(),
                always: before,
                afterwards: after,
            },
            Some(known) => Passed {
                ever: known
                    .ever
                    .union(&before.union(&after).cloned().collect())
                    .cloned()
                    .collect(),
                always: known.always.intersection(&before).cloned().collect(),
                afterwards: known.afterwards.intersection(&after).cloned().collect(),
            },
        });
    }
    all
}
