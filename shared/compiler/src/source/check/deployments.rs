//! Deployments: one for each environment on a route; those through CodeDeploy
//! somewhere, and with time enough.

use crate::source::codedeploy::least;
use crate::source::pipeline::RawPipeline;
use crate::source::routes::Route;
use crate::source::sink::Sink;
use crate::source::stage::RawStage;
use gatewright_domain::pipeline::{Definition, Seconds};
use gatewright_domain::text::spoken;

/// A step stops its deployment so long before the build's time is over.
const BEFORE_THE_END: Seconds = Seconds(60);

/// CodeDeploy changes an environment: under its lock, and with its rights.
pub(super) fn check(raw: &RawPipeline, sink: &Sink) {
    let nowhere = |stage: &&RawStage| stage.environment.is_none();
    for stage in raw.stages.stages.iter().filter(nowhere) {
        let mut steps = stage.build.steps.iter().chain(&stage.build.finally);
        if let Some(deploy) = steps.find_map(|step| step.codedeploy.as_ref()) {
            sink.error_help(
                &stage.at,
                format!(
                    "{} deploys {} through CodeDeploy and works in no environment",
                    stage.title(),
                    deploy.application
                ),
                "give it `deploy: { artifact: NAME, environment: NAME }`: who deploys holds the environment and has its rights",
            );
        }
    }
}

/// What runs in an environment is what one deploy put there: that is what is
/// promoted, and what ways back return to. Of a second deploy they would not know.
pub(super) fn one_each(raw: &RawPipeline, routes: &[Route<'_>], sink: &Sink) {
    for route in routes {
        let mut earlier: Vec<&RawStage> = Vec::new();
        for index in &route.stages {
            let stage = &raw.stages.stages[*index];
            let Some(environment) = stage.environment.as_ref().filter(|_| stage.is_deploy()) else {
                continue;
            };
            let here = |other: &&&RawStage| {
                let place = other.environment.as_ref();
                place.is_some_and(|place| place.value == environment.value)
            };
            let Some(first) = earlier.iter().find(here) else {
                earlier.push(stage);
                continue;
            };
            sink.error_help(
                &stage.at,
                format!(
                    "{} deploys into {} after {} on the same route: a release puts one version into an environment, and goes back to one",
                    stage.title(),
                    environment.value,
                    first.title()
                ),
                together(first, stage),
            );
        }
    }
}

/// How two deploys are one.
fn together(first: &RawStage, second: &RawStage) -> String {
    let mut artifacts: Vec<&str> = Vec::new();
    for artifact in first.deploys().iter().chain(second.deploys()) {
        if !artifacts.contains(&artifact.value.as_str()) {
            artifacts.push(&artifact.value);
        }
    }
    format!(
        "deploy them together: one deploy with `artifacts: [{}]` and the steps of both",
        artifacts.join(", ")
    )
}

/// A configuration that moves the traffic for longer than the build may take could
/// never succeed.
pub(super) fn fit(raw: &RawPipeline, definition: &Definition, sink: &Sink) {
    for stage in &definition.stages {
        let Some(build) = stage.build() else { continue };
        let needed = least(&build.steps).get();
        if needed == 0 || needed + BEFORE_THE_END.get() < build.timeout.get() {
            continue;
        }
        let written = stage.of.as_ref().unwrap_or(&stage.name);
        let mut stages = raw.stages.stages.iter();
        if let Some(place) = stages.find(|raw| raw.name.as_ref() == Some(written)) {
            sink.error_help(
                &place.at,
                format!(
                    "CodeDeploy moves the traffic of {:?} for {} and more, and the build may take {}",
                    stage.name.as_str(),
                    spoken(needed),
                    spoken(build.timeout.get())
                ),
                "raise its `timeout`, or take a configuration that is faster",
            );
        }
    }
}
