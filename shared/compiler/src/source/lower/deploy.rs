//! A deploy, written out: the shifts and pauses of its environment's strategy,
//! its smoke test, and its way back.

use super::named;
use crate::source::environment::RawEnvironment;
use crate::source::pipeline::RawPipeline;
use crate::source::stage::RawStage;
use crate::source::strategy::Takeover;
use gatewright_domain::gate::Gate;
use gatewright_domain::ids::StageName;
use gatewright_domain::pipeline::{
    Build, Deploy, Effect, Migration, Pause, Seconds, Stage, Step, Trigger, Variable, Watching,
    Work,
};

/// What one written stage becomes: itself and, for a deploy, what follows from
/// how its environment takes new versions.
pub(super) fn family(stage: Stage, raw: &RawPipeline, written: &RawStage) -> Vec<Stage> {
    let environment = written
        .environment
        .as_ref()
        .and_then(|e| raw.environment(&e.value));
    match (stage.deploy().cloned(), environment) {
        (Some(deploy), Some(environment)) => Family {
            base: stage,
            deploy,
            environment,
        }
        .stages(),
        _ => vec![stage],
    }
}

struct Family<'a> {
    base: Stage,
    deploy: Deploy,
    environment: &'a RawEnvironment,
}

impl Family<'_> {
    fn stages(mut self) -> Vec<Stage> {
        if let Some(takeover) = &self.environment.takeover {
            self.deploy.effect = Effect::Partial;
            for (name, service) in services(takeover) {
                let value = service.clone();
                self.deploy
                    .build
                    .env
                    .insert(name.to_owned(), Variable::Plain { value });
            }
        }
        let mut main = self.base.clone();
        let mut deploy = self.deploy.clone();
        deploy
            .build
            .steps
            .extend_from_slice(self.environment.verify.steps());
        main.work = Work::Deploy(deploy);
        let mut all = vec![main];
        if !self.environment.smoke.is_empty() {
            let build = self.build(&self.environment.smoke);
            all.push(self.made(
                "smoke test",
                "Does what was deployed work?",
                Work::Build(build),
            ));
        }
        if let Some(takeover) = &self.environment.takeover {
            self.shifts(takeover, &mut all);
        }
        all
    }

    /// The new version gets the traffic, step by step; then the old one goes.
    fn shifts(&self, takeover: &Takeover, all: &mut Vec<Stage>) {
        for percent in &takeover.percents {
            let last = *percent == 100;
            let mut build = self.build(&takeover.shift);
            let value = percent.to_string();
            build
                .env
                .insert("WEIGHT".to_owned(), Variable::Plain { value });
            let effect = if last {
                Effect::Complete
            } else {
                Effect::Partial
            };
            let description = format!("The new version gets {percent} % of the traffic.");
            let shift = self.changes(effect, build);
            all.push(self.made(&format!("{percent} %"), &description, shift));
            if !last {
                all.push(self.watches(takeover, *percent, takeover.pause));
            }
        }
        if let Some(blue_green) = &takeover.blue_green {
            all.push(self.watches(takeover, 100, blue_green.watch));
            let lasts = blue_green.keep;
            let keep = Work::Pause(Pause { lasts });
            all.push(self.made(
                "keep the old",
                "The old version stays, to go back to.",
                keep,
            ));
            if !takeover.retire.is_empty() {
                let retire = self.changes(Effect::Partial, self.build(&takeover.retire));
                all.push(self.made("retire the old", "The old version goes.", retire));
            }
        }
    }

    fn watches(&self, takeover: &Takeover, percent: u32, lasts: Seconds) -> Stage {
        let description = format!("The new version is watched with {percent} % of the traffic.");
        let work = match &takeover.watched {
            None => Work::Pause(Pause { lasts }),
            Some(watched) => Work::Watch(Watching {
                lasts,
                warm_up: watched.warm_up,
                decide_within: watched.decide_within,
                watch: watched.at(percent),
            }),
        };
        self.made(&format!("watch {percent} %"), &description, work)
    }

    fn changes(&self, effect: Effect, build: Build) -> Work {
        Work::Deploy(Deploy {
            artifacts: self.deploy.artifacts.clone(),
            effect,
            build,
        })
    }

    /// The deploy's build with other steps: what it prepares stays, what it
    /// leaves behind does not.
    fn build(&self, steps: &[Step]) -> Build {
        let mut build = self.deploy.build.clone();
        build.steps = steps.to_vec();
        build.finally.clear();
        build.exports.clear();
        build.reports.clear();
        build
    }

    fn made(&self, suffix: &str, description: &str, work: Work) -> Stage {
        let gates = match work {
            Work::Watch(_) | Work::Pause(_) => Vec::new(),
            Work::Build(_) | Work::Deploy(_) | Work::Approval(_) => vec![Gate::Steps],
        };
        Stage {
            name: named(&self.base.name, suffix),
            description: description.to_owned(),
            of: Some(self.base.name.clone()),
            environment: self.base.environment.clone(),
            work,
            gates,
            migration: None,
            on_failure: None,
        }
    }
}

fn services(takeover: &Takeover) -> impl Iterator<Item = (&'static str, &String)> {
    let said = takeover.blue_green.iter();
    said.flat_map(|said| [("PREVIEW", &said.preview), ("ACTIVE", &said.active)])
        .filter_map(|(name, service)| Some((name, service.as_ref()?)))
}

/// All stages in order, those that undo a failed deploy at the end; and on every
/// stage that one of them answers for, its name.
pub(super) fn with_rollbacks(
    families: Vec<Vec<Stage>>,
    raw: &RawPipeline,
    triggers: &[Trigger],
) -> Vec<Stage> {
    let mut stages: Vec<Stage> = families.into_iter().flatten().collect();
    let mut undoing = Vec::new();
    for index in 0..stages.len() {
        let Some(undo) = undo(&stages[index], raw) else {
            continue;
        };
        for stage in answered_for(&mut stages[index..]) {
            stage.on_failure = Some(undo.name.clone());
        }
        for at in migrations_before(&stages, index, triggers) {
            stages[at].on_failure = Some(undo.name.clone());
        }
        undoing.push(undo);
    }
    stages.extend(undoing);
    stages
}

/// The stage that undoes this one, where its environment wants that.
fn undo(stage: &Stage, raw: &RawPipeline) -> Option<Stage> {
    let deploy = stage.deploy().filter(|_| stage.is_cleared())?;
    let environment = raw.environment(stage.environment.as_ref()?.as_str())?;
    if !environment.environment.rollback.automatic {
        return None;
    }
    let mut build = deploy.undone_by(&environment.environment);
    build.finally.clear();
    let gates = deploy.undone_under(vec![Gate::Steps], |name| raw.artifact(name));
    Some(Stage {
        name: named(&stage.name, "roll back"),
        description: "Brings back what ran before.".to_owned(),
        of: Some(stage.name.clone()),
        environment: stage.environment.clone(),
        work: Work::Deploy(Deploy {
            artifacts: deploy.artifacts.clone(),
            effect: Effect::Undo,
            build,
        }),
        gates,
        migration: None,
        on_failure: None,
    })
}

/// Where the stages are that migrate ahead of the deploy at `index`, in its
/// environment, so that what ran before can live with the data: those whose routes
/// all change the version there with this deploy first.
fn migrations_before(stages: &[Stage], index: usize, triggers: &[Trigger]) -> Vec<usize> {
    let environment = &stages[index].environment;
    let deploys_first = |name: &StageName| {
        let mut routes = triggers.iter().filter(|route| route.runs(name));
        routes.all(|route| {
            let deploys = |s: &&Stage| s.deploy().is_some() && &s.environment == environment;
            let first = stages.iter().filter(deploys).find(|s| route.runs(&s.name));
            first.is_some_and(|first| first.name == stages[index].name)
        })
    };
    let ahead = stages[..index].iter().enumerate();
    let ahead = ahead.filter(|(_, stage)| {
        let build = matches!(stage.work, Work::Build(_)) && &stage.environment == environment;
        build && stage.migration == Some(Migration::Reversible) && deploys_first(&stage.name)
    });
    ahead.map(|(at, _)| at).collect()
}

/// Of the stages from a deploy on: itself, what was made from it, and the builds
/// that look at the environment until the release works somewhere else. Not what
/// retires the old version: by then the new one has proved itself.
fn answered_for(stages: &mut [Stage]) -> impl Iterator<Item = &mut Stage> {
    let deploy = stages
        .first()
        .map(|s| (s.name.clone(), s.environment.clone()));
    let (name, environment) = deploy.unzip();
    let environment = environment.flatten();
    let elsewhere = stages
        .iter()
        .position(|s| s.environment.is_some() && s.environment != environment);
    let until = elsewhere.unwrap_or(stages.len());
    let mut whole = false;
    stages[..until].iter_mut().filter(move |stage| {
        let made = Some(&stage.name) == name.as_ref() || stage.of == name;
        let looks = matches!(stage.work, Work::Build(_)) && stage.environment == environment;
        let effect = stage.deploy().filter(|_| made).map(|deploy| deploy.effect);
        let retires = whole && effect == Some(Effect::Partial);
        whole |= effect == Some(Effect::Complete);
        (made || looks) && !retires
    })
}
