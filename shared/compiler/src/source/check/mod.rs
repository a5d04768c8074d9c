//! What must hold between the parts of a definition: every name refers to
//! something, artifacts exist before they are deployed, protected environments
//! are guarded, no two triggers want the same ref.

mod artifacts;
mod deployments;
mod environments;
mod gates;
mod guards;
mod limits;
mod migrations;
mod names;
mod overlap;
mod quorum;
mod routes;
mod signatures;
mod variables;

use super::pipeline::RawPipeline;
use super::routes::Route;
use super::sink::{Marked, Sink};
use super::stage::Kind;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::text::nearest;

/// Checks all of it.
pub(crate) fn check(
    raw: &RawPipeline,
    routes: &[Route<'_>],
    directory: Option<&Directory>,
    sink: &Sink,
) {
    names::check(raw, sink);
    variables::check(raw, sink);
    for stage in &raw.stages.stages {
        gates::check(raw, stage, sink);
        guards::projects(raw, stage, sink);
    }
    artifacts::check(raw, routes, sink);
    signatures::check(raw, routes, sink);
    guards::check(raw, routes, sink);
    self::routes::check(raw, routes, sink);
    environments::check(raw, routes, sink);
    deployments::check(raw, sink);
    deployments::one_each(raw, routes, sink);
    migrations::check(raw, routes, sink);
    limits::check(raw, sink);
    quorum::check(raw, directory, sink);
}

/// Checks what can only be said of the definition that was made of it.
pub(crate) fn check_lowered(
    raw: &RawPipeline,
    routes: &[Route<'_>],
    definition: &Definition,
    sink: &Sink,
) {
    self::routes::budgets(definition, routes, sink);
    deployments::fit(raw, definition, sink);
    environments::accepted(raw, definition, sink);
}

/// Reports `said` unless it is one of `known`; whether it was known.
pub(super) fn unknown(said: &Marked<String>, what: &str, known: &[&str], sink: &Sink) -> bool {
    if known.contains(&said.value.as_str()) {
        return true;
    }
    let help = match nearest(&said.value, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => format!("there is no {what} at all; declare it first"),
        None => format!("known: {}", known.join(", ")),
    };
    sink.error_help(
        &said.at,
        format!("there is no {what} {:?}", said.value),
        help,
    );
    false
}

/// Whether some stage has a mistake, reported already, that may be the reason why
/// something seems to be missing.
fn is_unclear(raw: &RawPipeline) -> bool {
    let known = raw.artifact_names();
    raw.stages.stages.iter().any(|stage| {
        let misnamed = stage
            .build
            .produces
            .as_ref()
            .is_some_and(|p| !known.contains(&p.value.as_str()));
        misnamed || matches!(stage.kind, Kind::Unclear)
    })
}

/// ` on the route "x"`, or nothing where the pipeline has only one.
fn on_route(route: &Route<'_>, routes: &[Route<'_>]) -> String {
    match routes {
        [_] => String::new(),
        _ => format!(" on the route {:?}", route.name),
    }
}
