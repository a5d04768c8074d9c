//! Protected environments are touched only after an approval, and only with the
//! rights that are theirs.

use super::artifacts::guard;
use crate::source::lower::own_project;
use crate::source::pipeline::RawPipeline;
use crate::source::routes::Route;
use crate::source::sink::Sink;
use crate::source::stage::{Kind, RawStage};

/// Checks every route.
pub(super) fn check(raw: &RawPipeline, routes: &[Route<'_>], sink: &Sink) {
    for (index, stage) in raw.stages.stages.iter().enumerate() {
        guarded(raw, routes, index, stage, sink);
    }
}

/// A protected environment is touched only after an approval for it.
fn guarded(raw: &RawPipeline, routes: &[Route<'_>], index: usize, stage: &RawStage, sink: &Sink) {
    let verb = match stage.kind {
        Kind::Deploy { .. } => "deploys to",
        Kind::Build => "works in",
        Kind::Approval(_) | Kind::Unclear => return,
    };
    let Some(said) = &stage.environment else {
        return;
    };
    let name = said.value.as_str();
    if !raw
        .environment(name)
        .is_some_and(|e| e.environment.protected)
    {
        return;
    }
    let approves = |s: &RawStage| {
        matches!(s.kind, Kind::Approval(_) | Kind::Unclear)
            && s.environment.as_ref().is_none_or(|e| e.value == name)
    };
    if !raw.stages.stages[..index].iter().any(approves) {
        sink.error_help(
            &said.at,
            format!("this stage {verb} {name}, which is protected, and no approval comes before it"),
            format!(
                "put a stage with `environment: {name}` and \"approval\" before it, or say `protected: false` in {name}"
            ),
        );
        return;
    }
    let unguarded = routes
        .iter()
        .filter(|route| route.runs(index) && !route.unclear)
        .find(|route| guard(raw, route, index, name).is_none());
    if let Some(route) = unguarded {
        sink.error_help(
            &said.at,
            format!(
                "this stage {verb} {name}, which is protected, and on the route {:?} no approval comes before it",
                route.name
            ),
            "run the approval on that route too, or leave this stage out of it",
        );
    }
}

/// A project carries the rights of its pipeline and its environment. A stage that
/// borrows another's by name would have those rights without lock and approval.
pub(super) fn projects(raw: &RawPipeline, stage: &RawStage, sink: &Sink) {
    let said = stage.settings.project.as_ref();
    let (Some(id), Some(project)) = (&raw.id, said.or(raw.defaults.project.as_ref())) else {
        return;
    };
    if matches!(stage.kind, Kind::Approval(_)) {
        return;
    }
    let name = project.value.as_str();
    if !name.starts_with("gatewright-") {
        return;
    }
    let environment = stage.environment.as_ref().map(|e| e.value.as_str());
    if name == own_project(id, environment) {
        return;
    }
    let owner = raw
        .environment_names()
        .into_iter()
        .find(|owner| name == own_project(id, Some(owner)));
    match owner {
        Some(owner) => sink.error_help(
            &project.at,
            format!("{name:?} may change {owner}, but this stage does not work in {owner}"),
            format!("say `environment: {owner}`, or use another project"),
        ),
        None => sink.error_help(
            &project.at,
            format!("{name:?} is not this stage's own project"),
            format!(
                "projects named gatewright-… are one pipeline's, with its rights; this stage's is {:?}, and needs no line",
                own_project(id, environment)
            ),
        ),
    }
}
