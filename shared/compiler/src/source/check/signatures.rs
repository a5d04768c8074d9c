//! Signatures: verified after an image is built and before it is deployed, on
//! every route.

use super::{is_unclear, on_route, unknown};
use crate::source::pipeline::RawPipeline;
use crate::source::routes::Route;
use crate::source::sink::{Marked, Sink};
use crate::source::stage::{Kind, RawStage};
use gatewright_domain::pipeline::Form;

/// Checks every signature gate, and that no signed artifact is deployed without
/// one before it.
pub(super) fn check(raw: &RawPipeline, routes: &[Route<'_>], sink: &Sink) {
    for (index, stage) in raw.stages.stages.iter().enumerate() {
        for gate in &stage.build.gates {
            if let Some(name) = gate.value.verifies() {
                let artifact = Marked::new(name.to_owned(), &gate.at);
                if is_signed(raw, &artifact, sink) {
                    at_hand(raw, routes, index, &artifact, sink);
                }
            }
        }
        for artifact in stage.deploys() {
            let declared = raw.artifact(&artifact.value);
            if declared.is_some_and(|a| a.signed && matches!(a.form, Form::Image { .. })) {
                verified_before(raw, routes, index, artifact, sink);
            }
        }
    }
}

/// Whether the gate names an image that is declared to be signed.
fn is_signed(raw: &RawPipeline, artifact: &Marked<String>, sink: &Sink) -> bool {
    let name = &artifact.value;
    if !unknown(artifact, "artifact", &raw.artifact_names(), sink) {
        return false;
    }
    let Some(declared) = raw.artifact(name) else {
        return false;
    };
    if !matches!(declared.form, Form::Image { .. }) {
        sink.error_help(
            &artifact.at,
            format!(
                "{name:?} is of type {}, and notation verifies images only",
                declared.form.kind()
            ),
            "verify it in the steps; what is deployed is checked against its SHA-256 anyway",
        );
        return false;
    }
    if !declared.signed {
        sink.error_help(
            &artifact.at,
            format!("this gate verifies the signature of {name:?}, which does not say that it is signed"),
            format!("say `signed: true` in the artifact {name:?}; then it is deployed only when this gate has passed"),
        );
    }
    declared.signed
}

/// What is verified is there by its digest when the gate's build begins.
fn at_hand(
    raw: &RawPipeline,
    routes: &[Route<'_>],
    index: usize,
    artifact: &Marked<String>,
    sink: &Sink,
) {
    let stages = &raw.stages.stages;
    let (stage, name) = (&stages[index], &artifact.value);
    if stage.is_deploy() && !stage.deploys().iter().any(|a| a.value == *name) {
        sink.error_help(
            &artifact.at,
            format!("this stage does not deploy {name:?}, so it has no digest of it to verify"),
            "put the gate on a stage before it that runs no deploy, or on the one that deploys it",
        );
        return;
    }
    if is_unclear(raw) || raw.artifact(name).is_some_and(|a| a.from.is_some()) {
        return;
    }
    let Some(producer) = stages.iter().position(|s| produces(s, name)) else {
        let help = format!("say which stage builds it: `produces: {name}`");
        sink.error_help(&artifact.at, format!("no stage produces {name:?}"), help);
        return;
    };
    let beside = raw
        .stages
        .groups
        .iter()
        .any(|group| group.members.contains(&producer) && group.members.contains(&index));
    if producer >= index || beside {
        let builder = stages[producer].title();
        let when = match () {
            () if producer == index => "in the stage that builds it".to_owned(),
            () if beside => format!("beside {builder}, which builds it"),
            () => format!("before {builder} builds it"),
        };
        sink.error_help(
            &artifact.at,
            format!("the signature of {name:?} is verified {when}"),
            "put the gate on a stage of its own after that: an image is known by its digest once its build has ended",
        );
        return;
    }
    let without = routes
        .iter()
        .find(|route| route.runs(index) && !route.runs(producer) && !route.unclear);
    if let Some(route) = without {
        sink.error_help(
            &artifact.at,
            format!(
                "the signature of {name:?} is verified on the route {:?}, which does not run {}, where it is built",
                route.name,
                stages[producer].title()
            ),
            "run that stage on the route too, or leave this stage out of it",
        );
    }
}

/// A stage before the deploy has the gate, on every route that deploys.
fn verified_before(
    raw: &RawPipeline,
    routes: &[Route<'_>],
    index: usize,
    artifact: &Marked<String>,
    sink: &Sink,
) {
    let stages = &raw.stages.stages;
    let verifies = |at: &usize| {
        let stage = &stages[*at];
        let mut gates = stage.build.gates.iter();
        matches!(stage.kind, Kind::Unclear)
            || gates.any(|gate| gate.value.verifies() == Some(artifact.value.as_str()))
    };
    let unverified = routes
        .iter()
        .filter(|route| route.runs(index) && !route.unclear)
        .find(|route| !route.stages.iter().filter(|at| **at < index).any(verifies));
    if let Some(route) = unverified {
        let name = &artifact.value;
        sink.error_help(
            &artifact.at,
            format!(
                "{name:?} is signed, and no stage before this one verifies its signature{}",
                on_route(route, routes)
            ),
            format!(
                "put a stage with `gates: [{{ signature: {name} }}]` between the one that builds it and this one, on every route that deploys it"
            ),
        );
    }
}

fn produces(stage: &RawStage, artifact: &str) -> bool {
    let produces = stage.build.produces.as_ref();
    produces.is_some_and(|p| p.value == artifact)
}
