//! From what was written to what is meant: defaults filled in, names typed.

use super::pipeline::RawPipeline;
use super::settings::Settings;
use super::stage::{Kind, RawStage};
use gatewright_domain::ids::EnvironmentName;
use gatewright_domain::pipeline::{
    Approval, Build, Definition, Deploy, Effect, Purpose, Quorum, Seconds, Stage, Trigger, Work,
};
use indexmap::IndexMap;

/// CodeBuild's current Amazon Linux 2023 image, for definitions that name none.
const IMAGE: &str = "aws/codebuild/amazonlinux-x86_64-standard:5.0";
const COMPUTE: &str = "BUILD_GENERAL1_SMALL";
const TIMEOUT: Seconds = Seconds(15 * 60);
/// Of CodeBuild's own failures.
const RETRIES: u32 = 1;

/// The definition; `None` when some part of it could not be read, which is then
/// reported already.
pub(crate) fn lower(raw: RawPipeline) -> Option<Definition> {
    let defaults = raw.defaults;
    let stages = raw
        .stages
        .into_iter()
        .map(|s| stage(s, &defaults))
        .collect::<Option<Vec<_>>>()?;
    Some(Definition {
        language: 1,
        purpose: Purpose::Release,
        id: raw.id?,
        name: raw.name?,
        description: raw.description,
        region: raw.region?,
        source: raw.source?,
        triggers: raw
            .triggers
            .into_iter()
            .map(|event| Trigger {
                name: event.kind().to_owned(),
                event,
                stages: stages.iter().map(|stage| stage.name.clone()).collect(),
                budget: None,
            })
            .collect(),
        artifacts: raw
            .artifacts
            .into_iter()
            .map(|(name, artifact)| Some((name.value, artifact?)))
            .collect::<Option<_>>()?,
        environments: raw
            .environments
            .into_iter()
            .map(|(_, environment)| environment)
            .collect::<Option<_>>()?,
        stages,
        groups: Vec::new(),
        downstream: Vec::new(),
        notify: raw.notify,
        targets: IndexMap::new(),
        accepts: Vec::new(),
        budget: raw.budget.value,
    })
}

fn stage(raw: RawStage, defaults: &Settings) -> Option<Stage> {
    let environment = match &raw.environment {
        Some(said) => Some(said.value.parse::<EnvironmentName>().ok()?),
        None => None,
    };
    let build = Build {
        project: project(&raw.settings, defaults, environment.as_ref()),
        image: first(&raw.settings.image, &defaults.image).unwrap_or_else(|| IMAGE.to_owned()),
        compute: first(&raw.settings.compute, &defaults.compute)
            .unwrap_or(COMPUTE)
            .to_owned(),
        timeout: first(&raw.settings.timeout, &defaults.timeout).unwrap_or(TIMEOUT),
        retries: first(&raw.settings.retries, &defaults.retries).unwrap_or(RETRIES),
        runtimes: merged(&defaults.runtimes, raw.settings.runtimes),
        services: IndexMap::new(),
        cache: Vec::new(),
        install: raw.install,
        steps: raw.steps,
        finally: Vec::new(),
        exports: Vec::new(),
        env: merged(&defaults.env, raw.settings.env),
        reports: raw
            .reports
            .into_iter()
            .map(|(name, report)| Some((name.value, report?)))
            .collect::<Option<_>>()?,
        produces: raw.produces.map(|p| p.value),
    };
    let (work, gates) = match raw.kind {
        Kind::Build => (Work::Build(build), raw.gates),
        Kind::Deploy { artifact } => {
            let artifact = artifact?.value;
            let deploy = Deploy {
                artifacts: vec![artifact],
                effect: Effect::Complete,
                build,
            };
            (Work::Deploy(deploy), raw.gates)
        }
        Kind::Approval(approval) => {
            let quorum = approval.quorum.value.into_iter();
            let work = Work::Approval(Approval {
                quorum: quorum
                    .map(|(group, count)| Quorum {
                        group: group.value,
                        count,
                    })
                    .collect(),
                checklist: approval.checklist,
                expires: approval.expires,
                remind: approval.remind,
            });
            (work, Vec::new())
        }
        Kind::Unclear => return None,
    };
    Some(Stage {
        name: raw.name?,
        description: raw.description,
        of: None,
        environment,
        work,
        gates: gates.into_iter().map(|gate| gate.value).collect(),
        on_failure: None,
    })
}

fn first<T: Clone>(own: &Option<T>, default: &Option<T>) -> Option<T> {
    own.as_ref().or(default.as_ref()).cloned()
}

/// The stage's own entries over those of `defaults`, in the order of both.
fn merged<T: Clone>(
    defaults: &IndexMap<String, T>,
    own: IndexMap<String, T>,
) -> IndexMap<String, T> {
    let mut all = defaults.clone();
    all.extend(own);
    all
}

/// One project for everything that only builds; one an environment, with that
/// environment's rights and no other's, for everything that works there.
fn project(own: &Settings, defaults: &Settings, environment: Option<&EnvironmentName>) -> String {
    let said = own.project.as_ref().or(defaults.project.as_ref());
    match (said, environment) {
        (Some(project), _) => project.value.clone(),
        (None, Some(environment)) => format!("gatewright-deploy-{environment}"),
        (None, None) => "gatewright-build".to_owned(),
    }
}
