//! Migrations: of an environment's data, and none that promises a way back which
//! it takes away.

use crate::source::pipeline::RawPipeline;
use crate::source::sink::{Marked, Sink};
use crate::source::stage::{Kind, RawStage};
use gatewright_domain::pipeline::Migration;

/// Checks every migration.
pub(super) fn check(raw: &RawPipeline, sink: &Sink) {
    for (index, stage) in raw.stages.stages.iter().enumerate() {
        if let Some(migration) = &stage.migration {
            one(raw, stage, migration, sink);
            alone(raw, index, stage, migration, sink);
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
                    "say `rollback: manual` of the environment, migrate in a stage of its own after the deploy, or write migrations that the version before can live with and call them `reversible`",
                );
            }
        }
        (Kind::Build | Kind::Deploy { .. } | Kind::Unclear, _) => {}
    }
}
