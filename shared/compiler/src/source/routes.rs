//! Which stages each trigger runs.

use super::check::unknown;
use super::language;
use super::pipeline::RawPipeline;
use super::route::Deploys;
use super::sink::{Marked, Sink};
use super::stage::RawStage;
use super::triggers::{RawTrigger, made_name, not_a_name};
use std::cell::Cell;

/// A trigger's route: the stages that it runs, by position, in order.
#[derive(Debug)]
pub(crate) struct Route<'a> {
    pub(crate) name: String,
    /// What it is a route of; none where no trigger could be read, and then
    /// everything runs.
    pub(crate) trigger: Option<&'a RawTrigger>,
    pub(crate) stages: Vec<usize>,
    /// Whether it names something that is not there, which is reported: a stage
    /// that it seems to leave out may be the one that is meant.
    pub(crate) unclear: bool,
}

impl Route<'_> {
    /// Whether it has the stage at this position.
    pub(crate) fn runs(&self, index: usize) -> bool {
        self.stages.contains(&index)
    }
}

/// The routes of all triggers.
pub(crate) fn routes<'a>(raw: &'a RawPipeline, sink: &Sink) -> Vec<Route<'a>> {
    let triggers = &raw.on.triggers;
    let named: Vec<(String, &RawTrigger)> = triggers
        .iter()
        .map(|trigger| (name(trigger, triggers, sink), trigger))
        .collect();
    distinct(&named, sink);
    known_triggers(raw, &named, sink);
    if named.is_empty() {
        return vec![Route {
            name: String::new(),
            trigger: None,
            stages: (0..raw.stages.stages.len()).collect(),
            unclear: raw.on.unclear,
        }];
    }
    named
        .into_iter()
        .map(|(name, trigger)| {
            let known = Known::default();
            Route {
                stages: stages(raw, &name, trigger, &known, sink),
                unclear: known.missing.get(),
                name,
                trigger: Some(trigger),
            }
        })
        .collect()
}

fn name(trigger: &RawTrigger, all: &[RawTrigger], sink: &Sink) -> String {
    if let Some(name) = &trigger.name {
        return name.value.clone();
    }
    let kind = trigger.event.kind();
    let alone = all.iter().filter(|t| t.event.kind() == kind).count() == 1;
    let name = made_name(&trigger.event, alone);
    if not_a_name(&name).is_some() {
        sink.error_help(
            &trigger.at,
            format!("a trigger's name is made from what it matches, and {name:?} is none"),
            "give it a name of 1 to 60 characters without quotes: `name: …`",
        );
    }
    name
}

fn distinct(named: &[(String, &RawTrigger)], sink: &Sink) {
    for (index, (name, trigger)) in named.iter().enumerate() {
        if named[..index].iter().any(|(other, _)| other == name) {
            let at = trigger.name.as_ref().map_or(&trigger.at, |name| &name.at);
            sink.error_help(
                at,
                format!("there is another trigger {name:?} before this one"),
                "give each its own name: `name: …`",
            );
        }
    }
}

/// `on` of the stages names triggers that exist.
fn known_triggers(raw: &RawPipeline, named: &[(String, &RawTrigger)], sink: &Sink) {
    if raw.on.unclear {
        return;
    }
    let mut known: Vec<&str> = Vec::new();
    for (name, trigger) in named {
        for word in [trigger.event.kind(), name.as_str()] {
            if !known.contains(&word) {
                known.push(word);
            }
        }
    }
    for on in raw.stages.stages.iter().flat_map(|stage| &stage.on) {
        for word in on {
            if language::ON.has(&word.value) && !known.contains(&word.value.as_str()) {
                sink.error_help(
                    &word.at,
                    format!("this pipeline has no {} trigger", word.value),
                    format!(
                        "add one to the pipeline's `on`; it has {}",
                        known.join(", ")
                    ),
                );
            } else {
                unknown(word, "trigger", &known, sink);
            }
        }
    }
}

/// Whether everything that a route names is there.
#[derive(Default)]
struct Known {
    missing: Cell<bool>,
}

fn stages(
    raw: &RawPipeline,
    name: &str,
    trigger: &RawTrigger,
    known: &Known,
    sink: &Sink,
) -> Vec<usize> {
    let all = &raw.stages.stages;
    let route = &trigger.route;
    if let Some(exactly) = &route.stages {
        let mut found: Vec<usize> = exactly
            .iter()
            .flat_map(|said| members(raw, said, known, sink))
            .collect();
        found.sort_unstable();
        found.dedup();
        return found;
    }
    let deployed = |stage: &RawStage| match (&route.deploy, &stage.environment) {
        (Deploys::All, _) | (_, None) => true,
        (Deploys::These(these), Some(environment)) => {
            these.iter().any(|e| e.value == environment.value)
        }
    };
    if let Deploys::These(these) = &route.deploy {
        let declared = raw.environment_names();
        for environment in these {
            if !unknown(environment, "environment", &declared, sink) {
                known.missing.set(true);
            }
        }
    }
    let asked = |stage: &RawStage| {
        stage.on.as_ref().is_none_or(|on| {
            on.iter()
                .any(|word| word.value == name || word.value == trigger.event.kind())
        })
    };
    let skipped: Vec<usize> = route
        .skip
        .iter()
        .flat_map(|said| members(raw, said, known, sink))
        .collect();
    (0..all.len())
        .filter(|index| !skipped.contains(index))
        .filter(|index| deployed(&all[*index]) && asked(&all[*index]))
        .collect()
}

/// The positions of what a name means: a stage, or all members of a group.
fn members(raw: &RawPipeline, said: &Marked<String>, known: &Known, sink: &Sink) -> Vec<usize> {
    let called = |name: &Option<gatewright_domain::StageName>| {
        name.as_ref()
            .is_some_and(|name| name.as_str() == said.value)
    };
    if let Some(group) = raw.stages.groups.iter().find(|g| called(&g.name)) {
        return group.members.clone().collect();
    }
    let found: Vec<usize> = raw
        .stages
        .stages
        .iter()
        .enumerate()
        .filter(|(_, stage)| called(&stage.name))
        .map(|(index, _)| index)
        .collect();
    if found.is_empty() {
        let stages = raw.stages.stages.iter().filter_map(|s| s.name.as_ref());
        let groups = raw.stages.groups.iter().filter_map(|g| g.name.as_ref());
        let names: Vec<&str> = groups.chain(stages).map(|name| name.as_str()).collect();
        unknown(said, "stage", &names, sink);
        known.missing.set(true);
    }
    found
}
