//! Migrations: of an environment's data, and none that promises a way back which
//! it takes away.

use super::on_route;
use crate::source::pipeline::RawPipeline;
use crate::source::routes::Route;
use crate::source::sink::{Marked, Sink};
use crate::source::stage::{Kind, RawStage};
use gatewright_domain::pipeline::Migration;

/// How a migration and a way back get along.
const WAYS_OUT: &str = "say `rollback: manual` of the environment, migrate in a stage of its own after the deploy, or write migrations that the version before can live with and call them `reversible`";

/// Checks every migration.
pub(super) fn check(raw: &RawPipeline, routes: &[Route<'_>], sink: &Sink) {
    for (index, stage) in raw.stages.stages.iter().enumerate() {
        if let Some(migration) = &stage.migration {
            one(raw, stage, migration, sink);
            alone(raw, index, stage, migration, sink);
            before_a_deploy(raw, routes, index, migration, sink);
        }
    }
}

/// A migration changes its environment, and so is cleared after all before it.
fn alone(
    raw: &RawPipeline,
    index: usize,
    stage: &RawStage,
    migration: &Marked<Migration>,
    sink: &Sink,
) {
    let mut groups = raw.stages.groups.iter();
    if groups.any(|group| group.members.contains(&index)) {
        sink.error_help(
            &migration.at,
            format!(
                "{} changes data while others run beside it: a migration runs alone, as a deploy does",
                stage.title()
            ),
            "make it a stage of its own, before or after those that run side by side",
        );
    }
}

/// What ran before a deploy is what its way back would have to put on newer data.
fn before_a_deploy(
    raw: &RawPipeline,
    routes: &[Route<'_>],
    index: usize,
    migration: &Marked<Migration>,
    sink: &Sink,
) {
    let all = &raw.stages.stages;
    let stage = &all[index];
    let Some(environment) = stage.environment.as_ref().map(|e| &e.value) else {
        return;
    };
    let known = raw.environment(environment);
    let undone = known.is_some_and(|e| e.environment.rollback.automatic);
    let forward = migration.value == Migration::ForwardOnly;
    if !(undone && forward && matches!(stage.kind, Kind::Build)) {
        return;
    }
    let deploys = |at: &usize| {
        let place = all[*at].environment.as_ref();
        *at > index && all[*at].is_deploy() && place.is_some_and(|e| &e.value == environment)
    };
    let later = routes.iter().filter(|route| route.runs(index));
    let mut later =
        later.filter_map(|route| Some((route, route.stages.iter().find(|at| deploys(at))?)));
    if let Some((route, deploy)) = later.next() {
        sink.error_help(
            &migration.at,
            format!(
                "{} only goes forward before {}{}, and a failed change of {environment} is to be undone by itself: that would be refused every time",
                stage.title(),
                all[*deploy].title(),
                on_route(route, routes)
            ),
            WAYS_OUT,
        );
    }
}

fn one(raw: &RawPipeline, stage: &RawStage, migration: &Marked<Migration>, sink: &Sink) {
    match (&stage.kind, &stage.environment) {
        (Kind::Approval(_), _) => sink.error_help(
            &migration.at,
            "an approval migrates nothing",
            "say it of the stage whose steps change the data",
        ),
        (Kind::Build, None) => sink.error_help(
            &migration.at,
            format!(
                "{} works in no environment, so there is no data that it could migrate",
                stage.title()
            ),
            "name the environment whose data it changes: `environment: …`",
        ),
        (Kind::Deploy { .. }, Some(environment)) if migration.value == Migration::ForwardOnly => {
            let known = raw.environment(&environment.value);
            if known.is_some_and(|e| e.environment.rollback.automatic) {
                sink.error_help(
                    &migration.at,
                    format!(
                        "{} only goes forward, but a failed change of {} is to be undone by itself: that would be refused every time",
                        stage.title(),
                        environment.value
                    ),
                    WAYS_OUT,
                );
            }
        }
        (Kind::Build | Kind::Deploy { .. } | Kind::Unclear, _) => {}
    }
}
