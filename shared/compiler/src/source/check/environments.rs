//! Environments: what is deployed is looked at, what went wrong can go back, and
//! nobody relies on what nothing enforces without knowing.

use crate::source::environment::{RawEnvironment, Verify};
use crate::source::pipeline::RawPipeline;
use crate::source::routes::Route;
use crate::source::sink::{Marked, Sink, Span};
use crate::source::stage::{Kind, RawStage};
use gatewright_domain::pipeline::{Definition, Step};

/// Checks every environment.
pub(super) fn check(raw: &RawPipeline, routes: &[Route<'_>], sink: &Sink) {
    if let Some((name, Some(first))) = raw.environments.first()
        && let Some(at) = &first.soak_at
    {
        sink.error_help(
            at,
            format!("{} is the first environment: there is none before it to soak in", name.value),
            "the order of the environments is the order of promotion; move it down, or remove `soak`",
        );
    }
    for (name, environment) in &raw.environments {
        let Some(environment) = environment else {
            continue;
        };
        verified(raw, routes, name, environment, sink);
        way_back(name, environment, sink);
    }
    for ((before, _), (name, environment)) in
        raw.environments.iter().zip(raw.environments.iter().skip(1))
    {
        if let Some(at) = environment.as_ref().and_then(|e| e.soak_at.as_ref()) {
            soaks(raw, routes, (before, name), at, sink);
        }
    }
}

/// What is to soak comes to the environment before at all; otherwise no release
/// could ever pass.
fn soaks(
    raw: &RawPipeline,
    routes: &[Route<'_>],
    (before, name): (&Marked<String>, &Marked<String>),
    at: &Span,
    sink: &Sink,
) {
    let stages = || raw.stages.stages.iter().enumerate();
    let into = |stage: &RawStage, place: &Marked<String>| {
        let here = stage.environment.as_ref();
        stage.is_deploy() && here.is_some_and(|e| e.value == place.value)
    };
    let runs = |index: usize| routes.iter().any(|route| route.runs(index));
    for (_, deploy) in stages().filter(|(_, stage)| into(stage, name)) {
        let comes = stages().any(|(index, earlier)| {
            let has = |wanted: &Marked<String>| {
                let mut known = earlier.deploys().iter();
                known.any(|artifact| artifact.value == wanted.value)
            };
            into(earlier, before) && runs(index) && deploy.deploys().iter().all(has)
        });
        if !comes {
            let (place, what) = (&before.value, deploy.title());
            sink.error_help(
                at,
                format!(
                    "nothing ever deploys to {place} what {what} deploys: it has nowhere to soak"
                ),
                format!(
                    "deploy the same artifacts to {place} on one of the routes, or remove `soak`"
                ),
            );
        }
    }
}

/// Every deploy is looked at: by the environment, by itself, or by a later stage.
fn verified(
    raw: &RawPipeline,
    routes: &[Route<'_>],
    name: &Marked<String>,
    environment: &RawEnvironment,
    sink: &Sink,
) {
    if environment.verify != Verify::Unsaid || !environment.smoke.is_empty() {
        return;
    }
    let stages = &raw.stages.stages;
    let here = |s: &RawStage| {
        s.environment
            .as_ref()
            .is_some_and(|e| e.value == name.value)
    };
    let looked_at_later = |index: usize| {
        let mut later = stages.iter().enumerate().skip(index + 1);
        later.any(|(at, s)| {
            let looks = matches!(s.kind, Kind::Build | Kind::Unclear) && here(s);
            looks && routes.iter().any(|r| r.runs(index) && r.runs(at))
        })
    };
    let blind = stages
        .iter()
        .enumerate()
        .filter(|(_, s)| s.is_deploy() && here(s))
        .find(|(index, s)| !looks_itself(&s.build.steps) && !looked_at_later(*index));
    if let Some((_, deploy)) = blind {
        sink.error_help(
            &name.at,
            format!(
                "nothing looks whether {} did what it should in {}",
                deploy.title(),
                name.value
            ),
            format!(
                "give {} steps in `verify` or `smoke`, test it in a later stage, or say `verify: none`",
                name.value
            ),
        );
    }
}

/// Whether a deploy's own steps look at what they did: more than one of them, or
/// one that waits or says that it verifies.
fn looks_itself(steps: &[Step]) -> bool {
    const WORDS: &[&str] = &["rollout status", "--wait", "verif", "health", "smoke"];
    let looks = |step: &Step| {
        let said = format!("{} {}", step.name, step.run).to_lowercase();
        WORDS.iter().any(|word| said.contains(word))
    };
    // CodeDeploy's own step waits until the deployment has succeeded. One that could
    // not be read is reported, and may be the one.
    steps.len() != 1
        || steps
            .iter()
            .any(|step| step.codedeploy.is_some() || looks(step))
}

/// Beside the version with the traffic a deploy's own steps bring nothing back, and
/// what looks at them looks at a version that is gone.
fn way_back(name: &Marked<String>, environment: &RawEnvironment, sink: &Sink) {
    if environment.takeover.is_none() {
        return;
    }
    let at = environment.rollback_at.as_ref().unwrap_or(&name.at);
    let steps = &environment.environment.rollback.steps;
    if steps.is_empty() {
        sink.error_help(
            at,
            format!(
                "a rollback of {} needs \"steps\": the deploy's own put a version beside the one with the traffic, and move none",
                name.value
            ),
            "for instance `rollback: { automatic: true, steps: [COMMAND that puts \"$IMAGE\" there again, COMMAND that moves the traffic to it] }`: by hand, days later, the old version is not there any more",
        );
    } else if environment.verify_back == Verify::Unsaid && !looks_itself(steps) {
        sink.warn(
            at,
            format!(
                "nothing looks whether {} went back: its `verify` and `smoke` look at the version beside, which is gone then",
                name.value
            ),
            "say `verify: [COMMAND]` in `rollback`, or `verify: none`",
        );
    }
}

/// What is accepted is there.
pub(super) fn accepted(raw: &RawPipeline, definition: &Definition, sink: &Sink) {
    let used = definition.unenforced();
    for feature in &raw.accepts {
        if used.iter().all(|u| u.feature != feature.value) {
            sink.warn(
                &feature.at,
                format!("nothing in this definition relies on \"{}\"", feature.value),
                "remove it, so that a later use is noticed",
            );
        }
    }
}
