//! From what was written to what is meant: defaults filled in, names typed,
//! strategies and rollbacks written out as stages.

mod deploy;

use super::approval;
use super::pipeline::RawPipeline;
use super::routes::Route;
use super::settings::Settings;
use super::stage::{Kind, RawStage};
use super::stages::RawGroup;
use gatewright_domain::gate::Gate;
use gatewright_domain::ids::{EnvironmentName, PipelineId, StageName};
use gatewright_domain::pipeline::{
    Approval, Build, Definition, Deploy, Effect, Group, Purpose, Seconds, Stage, Trigger, Work,
};
use indexmap::IndexMap;

/// CodeBuild's current Amazon Linux 2023 image, for definitions that name none.
const IMAGE: &str = "aws/codebuild/amazonlinux-x86_64-standard:5.0";
const COMPUTE: &str = "BUILD_GENERAL1_SMALL";
pub(crate) const TIMEOUT: Seconds = Seconds(15 * 60);
/// A release may take a week, and longer where it may have to wait longer.
const BUDGET: Seconds = Seconds(7 * 86_400);
/// Of CodeBuild's own failures.
const RETRIES: u32 = 1;

/// The definition; `None` when some part of it could not be read, which is then
/// reported already.
pub(crate) fn lower(raw: &RawPipeline, routes: &[Route<'_>]) -> Option<Definition> {
    let id = raw.id.as_ref()?;
    let mut families = Vec::new();
    for stage in &raw.stages.stages {
        families.push(deploy::family(self::stage(raw, id, stage)?, raw, stage));
    }
    let triggers = routes
        .iter()
        .map(|route| trigger(route, &families))
        .collect::<Option<Vec<_>>>()?;
    let groups = raw
        .stages
        .groups
        .iter()
        .map(|group| self::group(group, &families))
        .collect::<Option<Vec<_>>>()?;
    Some(Definition {
        language: 1,
        purpose: Purpose::Release,
        id: id.clone(),
        name: raw.name.clone()?,
        description: raw.description.clone(),
        region: raw.region.clone()?,
        source: raw.source.clone()?,
        artifacts: raw
            .artifacts
            .iter()
            .map(|(name, artifact)| Some((name.value.clone(), artifact.clone()?)))
            .collect::<Option<_>>()?,
        environments: raw
            .environments
            .iter()
            .map(|(_, environment)| {
                let environment = environment.as_ref()?;
                Some((environment.name.clone(), environment.environment.clone()))
            })
            .collect::<Option<_>>()?,
        stages: deploy::with_rollbacks(families, raw, &triggers),
        triggers,
        groups,
        downstream: raw.downstream.iter().map(|p| p.value.clone()).collect(),
        notify: raw.notify.clone(),
        targets: raw.targets.clone(),
        accepts: raw.accepts.iter().map(|f| f.value).collect(),
        budget: raw.budget.as_ref().map_or(BUDGET, |said| said.value),
    })
}

fn trigger(route: &Route<'_>, families: &[Vec<Stage>]) -> Option<Trigger> {
    let trigger = route.trigger?;
    Some(Trigger {
        name: route.name.clone(),
        event: trigger.event.clone(),
        stages: route
            .stages
            .iter()
            .flat_map(|index| &families[*index])
            .map(|stage| stage.name.clone())
            .collect(),
        budget: trigger.budget.as_ref().map(|budget| budget.value),
    })
}

fn group(group: &RawGroup, families: &[Vec<Stage>]) -> Option<Group> {
    Some(Group {
        name: group.name.clone()?,
        kind: group.kind,
        stages: families
            .get(group.members.clone())?
            .iter()
            .flatten()
            .map(|stage| stage.name.clone())
            .collect(),
        fail_fast: group.fail_fast,
    })
}

fn stage(raw: &RawPipeline, id: &PipelineId, stage: &RawStage) -> Option<Stage> {
    let environment = match &stage.environment {
        Some(said) => Some(said.value.parse::<EnvironmentName>().ok()?),
        None => None,
    };
    let gates: Vec<Gate> = stage
        .build
        .gates
        .iter()
        .map(|gate| gate.value.clone())
        .collect();
    let build = || build(&raw.defaults, id, stage, environment.as_ref());
    let (work, gates) = match &stage.kind {
        Kind::Build => (Work::Build(build()?), gates),
        Kind::Deploy { artifacts } => {
            let deploy = Deploy {
                artifacts: artifacts.iter().map(|a| a.value.clone()).collect(),
                effect: Effect::Complete,
                build: build()?,
            };
            (Work::Deploy(deploy), gates)
        }
        Kind::Approval(asked) => {
            let work = Work::Approval(Approval {
                quorum: approval::lowered(&asked.quorum.value),
                checklist: asked.checklist.clone(),
                expires: asked.expires,
                remind: asked.remind,
            });
            (work, Vec::new())
        }
        Kind::Unclear => return None,
    };
    Some(Stage {
        name: stage.name.clone()?,
        description: stage.description.clone(),
        of: stage.of.clone(),
        environment,
        work,
        gates,
        migration: stage.migration.as_ref().map(|said| said.value),
        on_failure: None,
    })
}

fn build(
    defaults: &Settings,
    id: &PipelineId,
    stage: &RawStage,
    environment: Option<&EnvironmentName>,
) -> Option<Build> {
    let (own, written) = (&stage.settings, &stage.build);
    let services = written.services.iter();
    let reports = written.reports.iter();
    Some(Build {
        project: project(own, defaults, id, environment.map(EnvironmentName::as_str)),
        image: first(&own.image, &defaults.image).unwrap_or_else(|| IMAGE.to_owned()),
        compute: first(&own.compute, &defaults.compute)
            .unwrap_or(COMPUTE)
            .to_owned(),
        timeout: first(&own.timeout, &defaults.timeout).unwrap_or(TIMEOUT),
        retries: first(&own.retries, &defaults.retries).unwrap_or(RETRIES),
        runtimes: merged(&defaults.runtimes, &own.runtimes),
        services: services
            .map(|(name, service)| Some((name.value.clone(), service.clone()?)))
            .collect::<Option<_>>()?,
        cache: joined(&defaults.cache, &own.cache),
        install: [defaults.install.as_slice(), own.install.as_slice()].concat(),
        steps: written.steps.clone(),
        finally: written.finally.clone(),
        env: merged(&variables(defaults), &variables(own)),
        exports: written.exports.iter().map(|e| e.value.clone()).collect(),
        reports: reports
            .map(|(name, report)| Some((name.value.clone(), report.clone()?)))
            .collect::<Option<_>>()?,
        produces: written.produces.as_ref().map(|p| p.value.clone()),
    })
}

fn variables(settings: &Settings) -> IndexMap<String, gatewright_domain::pipeline::Variable> {
    settings
        .env
        .iter()
        .map(|(name, variable)| (name.value.clone(), variable.clone()))
        .collect()
}

fn first<T: Clone>(own: &Option<T>, default: &Option<T>) -> Option<T> {
    own.as_ref().or(default.as_ref()).cloned()
}

/// The stage's own entries over those of `defaults`, in the order of both.
fn merged<T: Clone>(
    defaults: &IndexMap<String, T>,
    own: &IndexMap<String, T>,
) -> IndexMap<String, T> {
    let mut all = defaults.clone();
    all.extend(
        own.iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    all
}

/// Those of `defaults` and the stage's own, each once.
fn joined(defaults: &[String], own: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in defaults.iter().chain(own) {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}

/// One project for everything of a pipeline that only builds; one an
/// environment, with that environment's rights and no other's, for everything
/// that works there.
pub(crate) fn own_project(id: &PipelineId, environment: Option<&str>) -> String {
    match environment {
        Some(environment) => format!("gatewright-{id}-{environment}"),
        None => format!("gatewright-{id}"),
    }
}

/// The project of a build: the stage's, that of `defaults`, or its own.
pub(crate) fn project(
    own: &Settings,
    defaults: &Settings,
    id: &PipelineId,
    environment: Option<&str>,
) -> String {
    match own.project.as_ref().or(defaults.project.as_ref()) {
        Some(project) => project.value.clone(),
        None => own_project(id, environment),
    }
}

/// A name made from a stage's. What is added is shorter than what a stage's own
/// name leaves of a state's 80 characters.
fn named(stage: &StageName, suffix: &str) -> StageName {
    StageName::try_from(format!("{stage}: {suffix}")).unwrap_or_else(|_| stage.clone())
}
