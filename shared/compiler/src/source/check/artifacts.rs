//! Artifacts: built once, before they are approved and deployed, on every route.

use super::{is_unclear, on_route, unknown};
use crate::source::pipeline::RawPipeline;
use crate::source::routes::Route;
use crate::source::sink::{Marked, Sink};
use crate::source::stage::{Kind, RawStage};
use gatewright_domain::pipeline::Event;

/// Checks who builds what, and what is deployed.
pub(super) fn check(raw: &RawPipeline, routes: &[Route<'_>], sink: &Sink) {
    for index in 0..raw.stages.stages.len() {
        produced_once(raw, index, sink);
    }
    for (index, stage) in raw.stages.stages.iter().enumerate() {
        for artifact in stage.deploys() {
            if unknown(artifact, "artifact", &raw.artifact_names(), sink)
                && !is_from_elsewhere(raw, artifact)
            {
                deployable(raw, routes, index, artifact, sink);
            }
        }
    }
    arriving(raw, sink);
}

fn is_from_elsewhere(raw: &RawPipeline, artifact: &Marked<String>) -> bool {
    raw.artifact(&artifact.value)
        .is_some_and(|a| a.from.is_some())
}

fn produced_once(raw: &RawPipeline, index: usize, sink: &Sink) {
    let stages = &raw.stages.stages;
    let Some(artifact) = &stages[index].build.produces else {
        return;
    };
    if let Some(from) = raw.artifact(&artifact.value).and_then(|a| a.from.as_ref()) {
        sink.error_help(
            &artifact.at,
            format!(
                "{:?} is built by the pipeline {}",
                artifact.value, from.pipeline
            ),
            "remove `produces` here, or `from` in the artifact",
        );
    }
    let earlier = stages[..index].iter().find(|s| {
        s.build
            .produces
            .as_ref()
            .is_some_and(|p| p.value == artifact.value)
    });
    if let Some(earlier) = earlier {
        sink.error_help(
            &artifact.at,
            format!(
                "{:?} is already produced by {}",
                artifact.value,
                earlier.title()
            ),
            "an artifact is built once; what is tested is then what is deployed",
        );
    }
}

/// What is deployed was built before on the same route, and approved only after
/// it was built.
fn deployable(
    raw: &RawPipeline,
    routes: &[Route<'_>],
    index: usize,
    artifact: &Marked<String>,
    sink: &Sink,
) {
    let stages = &raw.stages.stages;
    let by = |s: &RawStage| {
        s.build
            .produces
            .as_ref()
            .is_some_and(|p| p.value == artifact.value)
    };
    let Some(producer) = stages[..index].iter().position(by) else {
        never_built(raw, index, artifact, sink);
        return;
    };
    for route in routes.iter().filter(|route| route.runs(index)) {
        if !route.runs(producer) && route.unclear {
            continue;
        }
        if !route.runs(producer) {
            sink.error_help(
                &artifact.at,
                format!(
                    "{:?} is deployed on the route {:?}, which does not run {}, where it is built",
                    artifact.value,
                    route.name,
                    stages[producer].title()
                ),
                "run that stage on the route too, or do not deploy on it",
            );
            continue;
        }
        approved_after(raw, route, routes, producer, index, sink);
    }
}

fn never_built(raw: &RawPipeline, index: usize, artifact: &Marked<String>, sink: &Sink) {
    let stages = &raw.stages.stages;
    let is_it = |a: &Marked<String>| a.value == artifact.value;
    let said_before = stages[..index]
        .iter()
        .any(|s| s.deploys().iter().any(is_it));
    if said_before || is_unclear(raw) {
        return;
    }
    let late = stages
        .iter()
        .find(|s| s.build.produces.as_ref().is_some_and(is_it));
    let (message, help) = match late {
        Some(late) => (
            format!(
                "{:?} is deployed before {} produces it",
                artifact.value,
                late.title()
            ),
            "move this stage behind it".to_owned(),
        ),
        None => (
            format!("no stage produces {:?}", artifact.value),
            format!(
                "add `produces: {}` to the stage that builds it",
                artifact.value
            ),
        ),
    };
    sink.error_help(&artifact.at, message, help);
}

fn approved_after(
    raw: &RawPipeline,
    route: &Route<'_>,
    routes: &[Route<'_>],
    producer: usize,
    index: usize,
    sink: &Sink,
) {
    let stages = &raw.stages.stages;
    let environment = stages[index].environment.as_ref();
    let guard = guard(raw, route, index, environment.map_or("", |e| &e.value));
    if let Some(guard) = guard
        && guard < producer
        && matches!(stages[guard].kind, Kind::Approval(_))
    {
        sink.error_help(
            &stages[guard].at,
            format!(
                "this approval comes before {} builds what it approves{}",
                stages[producer].title(),
                on_route(route, routes)
            ),
            format!(
                "move it between {} and {}",
                stages[producer].title(),
                stages[index].title()
            ),
        );
    }
}

/// The position of the nearest approval for `environment` before `index` on the
/// route.
pub(super) fn guard(
    raw: &RawPipeline,
    route: &Route<'_>,
    index: usize,
    environment: &str,
) -> Option<usize> {
    route
        .stages
        .iter()
        .copied()
        .filter(|at| *at < index)
        .rfind(|at| {
            let stage = &raw.stages.stages[*at];
            // An approval with a mistake in it is reported as such, once.
            matches!(stage.kind, Kind::Approval(_) | Kind::Unclear)
                && stage
                    .environment
                    .as_ref()
                    .is_none_or(|e| e.value == environment)
        })
}

/// What another pipeline builds arrives with its releases.
fn arriving(raw: &RawPipeline, sink: &Sink) {
    for (name, artifact) in &raw.artifacts {
        let Some(from) = artifact.as_ref().and_then(|a| a.from.as_ref()) else {
            continue;
        };
        if Some(&from.pipeline) == raw.id.as_ref() {
            sink.error_help(
                &name.at,
                format!("{:?} would come from this pipeline itself", name.value),
                "remove `from`: what a stage produces is there for the stages after it",
            );
            continue;
        }
        let arrives = raw.on.triggers.iter().any(
            |t| matches!(&t.event, Event::Upstream { pipeline, .. } if *pipeline == from.pipeline),
        );
        if !arrives && !raw.on.unclear {
            sink.error_help(
                &name.at,
                format!(
                    "{:?} comes from {}, and no trigger brings it",
                    name.value, from.pipeline
                ),
                format!(
                    "add `upstream: {{ pipeline: {}, branch: main }}` to `on`",
                    from.pipeline
                ),
            );
        }
    }
    for trigger in &raw.on.triggers {
        if let Event::Upstream { pipeline, .. } = &trigger.event
            && Some(pipeline) == raw.id.as_ref()
        {
            sink.error(
                &trigger.at,
                "this pipeline would start itself, again and again",
            );
        }
    }
}
