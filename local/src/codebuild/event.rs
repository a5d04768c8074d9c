//! `CodeBuild Build State Change`, as CodeBuild sends it.
//!
//! The fields are those of the *Build notifications input format reference* in
//! the CodeBuild user guide: kebab-case names, times in words, contexts as
//! text.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::{
    faults::BuildFaults,
    model::{Build, Phase, Status, api_name},
};
use crate::{
    events::{Event, Outbox},
    ids,
    sync::locked,
};

/// Sends a build's events, with the faults the build has drawn.
#[derive(Debug)]
pub(crate) struct Announcer {
    faults: BuildFaults,
    held_back: Mutex<Option<Event>>,
}

impl Announcer {
    pub(crate) fn new(faults: BuildFaults) -> Self {
        Self {
            faults,
            held_back: Mutex::new(None),
        }
    }

    /// Tells the event bus how the build stands.
    pub(crate) fn announce(&self, outbox: &Outbox, build: &Build) {
        let event = state_change(build);
        if build.build_status == Status::InProgress && self.faults.reorder_events {
            *locked(&self.held_back) = Some(event);
            return;
        }
        if !(build.build_complete && self.faults.drop_events) {
            self.send(outbox, event);
        }
        if let Some(late) = locked(&self.held_back).take() {
            self.send(outbox, late);
        }
    }

    fn send(&self, outbox: &Outbox, event: Event) {
        if self.faults.duplicate_events {
            outbox.send(event.clone());
        }
        outbox.send(event);
    }
}

fn state_change(build: &Build) -> Event {
    Event {
        source: "aws.codebuild".to_owned(),
        detail_type: "CodeBuild Build State Change".to_owned(),
        resources: vec![build.arn.clone()],
        detail: json!({
            "build-status": build.build_status,
            "project-name": build.project_name,
            "build-id": build.arn,
            "additional-information": additional_information(build),
            "current-phase": build.current_phase,
            "current-phase-context": contexts_text(build.phases.last()),
            "version": "1",
        }),
    }
}

fn additional_information(build: &Build) -> Value {
    let variables: Vec<Value> = (build.environment.environment_variables.iter())
        .map(|variable| json!({"name": variable.name, "type": variable.kind, "value": variable.value}))
        .collect();
    let mut information = json!({
        "build-complete": build.build_complete,
        "build-number": build.build_number,
        "build-start-time": ids::event_time(build.start_time),
        "environment": {
            "image": build.environment.image,
            "compute-type": build.environment.compute_type,
            "type": build.environment.kind,
            "privileged-mode": build.environment.privileged_mode,
            "image-pull-credentials-type": build.environment.image_pull_credentials_type,
            "environment-variables": variables,
        },
        "timeout-in-minutes": build.timeout_in_minutes,
        "queued-timeout-in-minutes": build.queued_timeout_in_minutes,
        "initiator": build.initiator,
        "source": build.source,
        "logs": {
            "group-name": build.logs.group_name,
            "stream-name": build.logs.stream_name,
            "deep-link": build.logs.deep_link,
        },
        "phases": build.phases.iter().map(phase).collect::<Vec<_>>(),
    });
    if let Some(version) = &build.source_version {
        information["source-version"] = version.as_str().into();
    }
    information
}

fn phase(phase: &Phase) -> Value {
    let mut written = json!({
        "phase-type": phase.phase_type,
        "start-time": ids::event_time(phase.start_time),
    });
    if let (Some(end), Some(status)) = (phase.end_time, phase.phase_status) {
        written["end-time"] = ids::event_time(end).into();
        written["duration-in-seconds"] = phase.duration_in_seconds.into();
        written["phase-status"] = api_name(&status).into();
        written["phase-context"] = contexts(phase).into();
    }
    written
}

fn contexts(phase: &Phase) -> Vec<String> {
    if phase.contexts.is_empty() {
        // What CodeBuild writes for a phase without anything to say.
        return vec![": ".to_owned()];
    }
    (phase.contexts.iter())
        .map(|context| format!("{}: {}", context.status_code, context.message))
        .collect()
}

fn contexts_text(phase: Option<&Phase>) -> String {
    let contexts = phase.map(contexts).unwrap_or_default();
    format!("[{}]", contexts.join(", "))
}
