//! Deployments through CodeDeploy: somewhere, and with time enough.

use crate::source::codedeploy::least;
use crate::source::pipeline::RawPipeline;
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
