//! Going back by hand: a pipeline of its own, made from the first.

use super::{
    Approval, Artifact, Build, Definition, Deploy, Effect, Environment, Event, Purpose, Seconds,
    Stage, Trigger, Work,
};
use crate::gate::Gate;
use crate::ids::{EnvironmentName, GroupName, StageName};

/// How long people have to agree to a rollback: somebody waits for it.
const EXPIRES: Seconds = Seconds(3_600);
const REMIND: Seconds = Seconds(600);

impl Deploy {
    /// The build that brings back what ran before: the environment's own
    /// commands for it, otherwise the deploy's.
    pub fn undone_by(&self, environment: &Environment) -> Build {
        let mut build = self.build.clone();
        if !environment.rollback.steps.is_empty() {
            build.steps.clone_from(&environment.rollback.steps);
        }
        build.exports.clear();
        build.reports.clear();
        build
    }

    /// What judges a build that brings back what ran before: `gates`, and for each
    /// signed artifact that its signature is verified, before anything is changed.
    /// `artifact` finds a declaration by its name.
    pub fn undone_under<'a>(
        &self,
        mut gates: Vec<Gate>,
        artifact: impl Fn(&str) -> Option<&'a Artifact>,
    ) -> Vec<Gate> {
        for name in &self.artifacts {
            let gate = Gate::Signature {
                artifact: name.clone(),
            };
            if artifact(name).is_some_and(|a| a.signed) && !gates.contains(&gate) {
                gates.push(gate);
            }
        }
        gates
    }
}

impl Definition {
    /// The definition of this pipeline's rollbacks: for each environment a route
    /// that asks the reduced quorum where there is one, deploys what ran before
    /// and tests it. `None` when the pipeline deploys nowhere.
    pub fn rollback(&self) -> Option<Self> {
        let mut stages = Vec::new();
        let mut triggers = Vec::new();
        for (name, environment) in &self.environments {
            let Some(way_back) = self.way_back(name, environment) else {
                continue;
            };
            triggers.push(Trigger {
                name: format!("rollback of {name}"),
                event: Event::Rollback {
                    environment: name.clone(),
                },
                stages: way_back.iter().map(|stage| stage.name.clone()).collect(),
                budget: None,
            });
            stages.extend(way_back);
        }
        let mut environments = self.environments.clone();
        for (name, environment) in &mut environments {
            if environment.rollback.by.is_empty() {
                environment.rollback.by = self.approvers_of(Some(name));
            }
        }
        (!stages.is_empty()).then(|| Self {
            purpose: Purpose::Rollback,
            environments,
            description: format!("Brings an environment of {} back.", self.name),
            triggers,
            stages,
            groups: Vec::new(),
            downstream: Vec::new(),
            ..self.clone()
        })
    }

    /// The groups that are asked about changes of an environment, or of any.
    pub fn approvers_of(&self, environment: Option<&EnvironmentName>) -> Vec<GroupName> {
        let mut groups: Vec<GroupName> = Vec::new();
        for stage in &self.stages {
            let here = environment.is_none() || stage.environment.as_ref() == environment;
            if let Work::Approval(approval) = &stage.work
                && here
            {
                groups.extend(approval.quorum.iter().map(|q| q.group.clone()));
            }
        }
        groups.sort();
        groups.dedup();
        groups
    }

    /// The stages that bring `name` back, in order.
    fn way_back(&self, name: &EnvironmentName, environment: &Environment) -> Option<Vec<Stage>> {
        let (index, stage, deploy) = self.stages.iter().enumerate().rev().find_map(|(at, s)| {
            let here = s.environment.as_ref() == Some(name) && s.is_cleared();
            Some((at, s, s.deploy().filter(|_| here)?))
        })?;
        let named = |suffix: &str| {
            StageName::try_from(format!("Roll back {name}{suffix}"))
                .unwrap_or_else(|_| stage.name.clone())
        };
        let made = |suffix: &str, description: String, work: Work| Stage {
            name: named(suffix),
            description,
            of: None,
            environment: Some(name.clone()),
            work,
            gates: stage.gates.clone(),
            migration: None,
            on_failure: None,
        };
        let mut way = Vec::new();
        if !environment.rollback.quorum.is_empty() {
            let work = Work::Approval(Approval {
                quorum: environment.rollback.quorum.clone(),
                checklist: Vec::new(),
                expires: EXPIRES,
                remind: REMIND,
            });
            let mut asks = made(": approval", format!("May {name} be brought back?"), work);
            asks.gates.clear();
            way.push(asks);
        }
        let work = Work::Deploy(Deploy {
            artifacts: deploy.artifacts.clone(),
            effect: Effect::Undo,
            build: deploy.undone_by(environment),
        });
        let mut goes_back = made("", format!("Brings {name} back to what ran before."), work);
        goes_back.gates = deploy.undone_under(goes_back.gates, |name| self.artifacts.get(name));
        way.push(goes_back);
        // Before the traffic moves, the smoke test is of the version beside: the one
        // that is gone now.
        let smoke = self.stages[index..].iter().find(|s| {
            let after = deploy.effect == Effect::Complete;
            after && s.of.as_ref() == Some(&stage.name) && matches!(s.work, Work::Build(_))
        });
        if let Some(smoke) = smoke {
            way.push(Stage {
                name: named(": smoke test"),
                of: Some(named("")),
                migration: None,
                on_failure: None,
                ..smoke.clone()
            });
        }
        Some(way)
    }
}
