//! Names: none twice where it matters, and each refers to something.

use super::unknown;
use crate::compile;
use crate::source::pipeline::RawPipeline;
use crate::source::sink::{Sink, Span};
use crate::source::stage::RawStage;
use gatewright_domain::pipeline::GroupKind;

/// Checks the names of stages and groups, and what stages refer to.
pub(super) fn check(raw: &RawPipeline, sink: &Sink) {
    states(raw, sink);
    for stage in &raw.stages.stages {
        if let Some(environment) = &stage.environment {
            unknown(environment, "environment", &raw.environment_names(), sink);
        }
        if let Some(artifact) = &stage.build.produces {
            unknown(artifact, "artifact", &raw.artifact_names(), sink);
        }
    }
    let own = raw.id.as_ref();
    for pipeline in raw.downstream.iter().filter(|p| Some(&p.value) == own) {
        sink.error(
            &pipeline.at,
            "this pipeline would start itself, again and again",
        );
    }
}

/// What has a state's name, and what that name is for.
struct Named<'a> {
    at: &'a Span,
    name: &'a str,
    /// A word for it: `stage` or `group`.
    what: &'static str,
}

/// Stage names are state names: none twice, none that the compiler needs.
fn states(raw: &RawPipeline, sink: &Sink) {
    let named = named(raw);
    for (index, one) in named.iter().enumerate() {
        if let Some(other) = named[..index].iter().find(|other| other.name == one.name) {
            sink.error_help(
                one.at,
                format!(
                    "there is another {} {:?} before this one",
                    other.what, one.name
                ),
                "a stage's name is its state's name: each needs its own",
            );
        }
        if compile::GENERATED.contains(&one.name) {
            sink.error_help(
                one.at,
                format!(
                    "{:?} is the name of a state that every release has",
                    one.name
                ),
                format!(
                    "the names that are taken: {}",
                    compile::GENERATED.join(", ")
                ),
            );
        }
        for owner in &raw.stages.stages {
            let made = made_for(raw, owner);
            if let Some(title) = owner.name.as_ref()
                && made.iter().any(|name| name == one.name)
            {
                sink.error(
                    one.at,
                    format!(
                        "{:?} is the name of the state that is made for {:?}",
                        one.name,
                        title.as_str()
                    ),
                );
            }
        }
    }
}

/// Stages and groups in the order of the file. The legs of a matrix share its
/// place; a leg's name cannot be another leg's.
fn named(raw: &RawPipeline) -> Vec<Named<'_>> {
    let stages = raw.stages.stages.iter().filter_map(|stage| {
        Some(Named {
            at: &stage.at,
            name: stage.name.as_ref()?.as_str(),
            what: "stage",
        })
    });
    let groups = raw.stages.groups.iter().filter_map(|group| {
        Some(Named {
            at: &group.at,
            name: group.name.as_ref()?.as_str(),
            what: match group.kind {
                GroupKind::Matrix => "stage",
                GroupKind::Parallel => "group",
            },
        })
    });
    let mut all: Vec<Named<'_>> = stages.chain(groups).collect();
    all.sort_by_key(|named| named.at.start);
    all
}

/// The names of the states that are made for a stage beside its own.
fn made_for(raw: &RawPipeline, stage: &RawStage) -> Vec<String> {
    let Some(name) = stage.name.as_ref().map(|name| name.as_str()) else {
        return Vec::new();
    };
    let mut made = Vec::new();
    if stage.build.gates.iter().any(|gate| gate.value.is_scan()) {
        made.push(compile::scan_name(name));
    }
    if stage.is_deploy() || stage.migration.is_some() {
        made.push(compile::clear_name(name));
    }
    if !stage.is_deploy() {
        return made;
    }
    let environment = stage
        .environment
        .as_ref()
        .and_then(|e| raw.environment(&e.value));
    let Some(environment) = environment else {
        return made;
    };
    let mut put = |suffix: &str| made.push(format!("{name}: {suffix}"));
    put("smoke test");
    put("roll back");
    for percent in environment.takeover.iter().flat_map(|t| &t.percents) {
        put(&format!("{percent} %"));
        put(&format!("watch {percent} %"));
    }
    put("keep the old");
    put("retire the old");
    made
}
