//! What starts a release, as written.

use super::fields::{self, Fields};
use super::language::{self, Object};
use super::route::{Deploys, RawRoute};
use super::sink::{Marked, Sink, Span};
use super::tree::{Node, Value};
use super::{route, time, values};
use gatewright_domain::ids::EnvironmentName;
use gatewright_domain::pipeline::{Event, Seconds};

/// What `on` says.
#[derive(Debug, Default)]
pub(crate) struct RawTriggers {
    pub(crate) triggers: Vec<RawTrigger>,
    /// Whether one could not be read; that is reported.
    pub(crate) unclear: bool,
}

/// A trigger as written; a manual one with a choice of environments is as many.
#[derive(Debug)]
pub(crate) struct RawTrigger {
    /// Where what it matches is said.
    pub(crate) at: Span,
    /// The name that it was given.
    pub(crate) name: Option<Marked<String>>,
    pub(crate) event: Event,
    pub(crate) route: RawRoute,
    pub(crate) budget: Option<Marked<Seconds>>,
}

const HELP: &str = "say for instance `on: {push: {branches: [main]}}` or `on: {manual: true}`";

/// Reads `on`.
pub(crate) fn read(top: &Fields<'_>, sink: &Sink) -> RawTriggers {
    let mut all = RawTriggers::default();
    let Some((at, node)) = top.entry("on") else {
        sink.error_help(
            &top.at,
            "nothing starts this pipeline: it needs \"on\"",
            HELP,
        );
        all.unclear = true;
        return all;
    };
    let Some(on) = Fields::of(node, at, &language::ON, sink) else {
        all.unclear = true;
        return all;
    };
    for key in on.keys() {
        // An unknown kind is reported, and may be the trigger that matters.
        if !language::ON.has(&key.value) {
            all.unclear = true;
            continue;
        }
        let Some((at, node)) = on.entry(&key.value) else {
            continue;
        };
        match (key.value.as_str(), &node.value) {
            ("manual", Value::Bool(asked)) => {
                if *asked {
                    all.triggers.push(anybody(at));
                }
            }
            ("manual", Value::Map(_) | Value::List(_)) => {
                each(node, at, &mut all, |node, at, all| {
                    manual(node, at, all, sink);
                });
            }
            ("manual", _) => {
                let wanted = "true, or a mapping that says which stages run";
                fields::wrong(node, "manual", wanted, sink);
                all.unclear = true;
            }
            (kind, _) => each(node, at, &mut all, |node, at, all| {
                match trigger(kind, node, at, sink) {
                    Some(trigger) => all.triggers.push(trigger),
                    None => all.unclear = true,
                }
            }),
        }
    }
    if all.triggers.is_empty() && !all.unclear {
        sink.error_help(at, "nothing starts this pipeline", HELP);
        all.unclear = true;
    }
    all
}

/// One mapping, or each of a list.
fn each(
    node: &Node,
    at: &Span,
    all: &mut RawTriggers,
    mut read: impl FnMut(&Node, &Span, &mut RawTriggers),
) {
    match &node.value {
        Value::List(items) => {
            for item in items {
                read(item, &item.at, all);
            }
        }
        _ => read(node, at, all),
    }
}

fn anybody(at: &Span) -> RawTrigger {
    RawTrigger {
        at: at.clone(),
        name: None,
        event: Event::Manual { environment: None },
        route: RawRoute {
            deploy: Deploys::All,
            stages: None,
            skip: Vec::new(),
        },
        budget: None,
    }
}

fn trigger(kind: &str, node: &Node, at: &Span, sink: &Sink) -> Option<RawTrigger> {
    let object = match kind {
        "push" => &language::PUSH,
        "pull-request" => &language::PULL_REQUEST,
        "tag" => &language::TAG,
        "schedule" => &language::SCHEDULE,
        _ => &language::UPSTREAM,
    };
    let of = Fields::of(node, at, object, sink)?;
    let route = route::read(&of, sink);
    let name = name(&of, object, sink);
    let budget = of
        .get("budget")
        .map(|n| values::duration(n, "budget", sink));
    let event = match kind {
        "push" => Event::Push {
            branches: patterns(&of, "branches", object, sink)?,
        },
        "pull-request" => Event::PullRequest {
            into: patterns(&of, "into", object, sink)?,
        },
        "tag" => Event::Tag {
            patterns: patterns(&of, "patterns", object, sink)?,
        },
        "schedule" => schedule(&of, sink)?,
        _ => upstream(&of, sink)?,
    };
    Some(RawTrigger {
        at: matched(&of, at),
        name,
        event,
        route: route?,
        budget: match budget {
            Some(budget) => Some(budget?),
            None => None,
        },
    })
}

/// Where what a trigger matches is said.
fn matched(of: &Fields<'_>, at: &Span) -> Span {
    of.keys()
        .find(|key| {
            [
                "branches",
                "into",
                "patterns",
                "cron",
                "pipeline",
                "environments",
            ]
            .contains(&key.value.as_str())
        })
        .and_then(|key| of.get(&key.value))
        .map_or_else(|| at.clone(), |node| node.at.clone())
}

fn patterns(
    of: &Fields<'_>,
    key: &'static str,
    object: &Object,
    sink: &Sink,
) -> Option<Vec<String>> {
    let node = of.required(key)?;
    let items = fields::list(node, key, sink)?;
    if items.is_empty() {
        sink.error(
            &node.at,
            format!(
                "{key} is empty: {} trigger must match something",
                object.what
            ),
        );
        return None;
    }
    items
        .iter()
        .map(|item| values::pattern(item, sink))
        // All of them are read, so that all mistakes are reported.
        .collect::<Vec<_>>()
        .into_iter()
        .collect()
}

fn schedule(of: &Fields<'_>, sink: &Sink) -> Option<Event> {
    of.required("name");
    let cron = of.required("cron").and_then(|n| time::cron(n, sink));
    let time_zone = time::zone(of, sink);
    let branch = branch(of, sink);
    Some(Event::Schedule {
        cron: cron?.value,
        time_zone: time_zone?,
        branch: branch?,
    })
}

fn upstream(of: &Fields<'_>, sink: &Sink) -> Option<Event> {
    let pipeline = of
        .required("pipeline")
        .and_then(|n| fields::id(n, "pipeline", sink));
    let branch = branch(of, sink);
    Some(Event::Upstream {
        pipeline: pipeline?.value,
        branch: branch?,
    })
}

/// A branch, which is a name and no pattern.
fn branch(of: &Fields<'_>, sink: &Sink) -> Option<String> {
    let said = of
        .required("branch")
        .and_then(|n| values::pattern(n, sink).map(|name| Marked::new(name, &n.at)))?;
    if said.value.contains(['*', '?']) {
        sink.error_help(
            &said.at,
            format!("{:?} is a pattern, and one branch is meant", said.value),
            "write the branch's name",
        );
        return None;
    }
    Some(said.value)
}

fn manual(node: &Node, at: &Span, all: &mut RawTriggers, sink: &Sink) {
    let Some(trigger) = manual_triggers(node, at, sink) else {
        all.unclear = true;
        return;
    };
    all.triggers.extend(trigger);
}

fn manual_triggers(node: &Node, at: &Span, sink: &Sink) -> Option<Vec<RawTrigger>> {
    let of = Fields::of(node, at, &language::MANUAL, sink)?;
    let route = route::read(&of, sink);
    let name = name(&of, &language::MANUAL, sink);
    let budget = match of.get("budget") {
        Some(n) => Some(values::duration(n, "budget", sink)?),
        None => None,
    };
    let Some((key, node)) = of.entry("environments") else {
        return Some(vec![RawTrigger {
            name,
            budget,
            route: route?,
            ..anybody(at)
        }]);
    };
    for other in ["deploy", "stages"] {
        if let Some((at, _)) = of.entry(other) {
            sink.error_help(
                at,
                format!("{other:?} means nothing beside \"environments\": the choice says which stages run"),
                "keep one of them",
            );
            return None;
        }
    }
    let environments = fields::texts(node, "environments", "an environment", sink);
    if environments.is_empty() {
        sink.error(key, "environments is empty: there is nothing to choose");
        return None;
    }
    let route = route?;
    let several = environments.len() > 1;
    environments
        .into_iter()
        .map(|environment| {
            let chosen = fields::parsed::<EnvironmentName>(&environment, sink)?;
            let name = name.clone().map(|name| {
                name.map(|name| match several {
                    true => format!("{name} to {}", chosen.value),
                    false => name,
                })
            });
            Some(RawTrigger {
                at: environment.at.clone(),
                name,
                event: Event::Manual {
                    environment: Some(chosen.value),
                },
                route: RawRoute {
                    deploy: Deploys::These(vec![environment]),
                    ..route.clone()
                },
                budget: budget.clone(),
            })
        })
        .collect()
}

/// The name that a trigger is given.
fn name(of: &Fields<'_>, object: &Object, sink: &Sink) -> Option<Marked<String>> {
    let said = fields::text(of.get("name")?, "name", sink)?;
    values::inert(&said, "a trigger's name", sink);
    let scheduled = object.name == "schedule";
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if scheduled && !said.value.chars().all(plain) {
        sink.error_help(
            &said.at,
            format!("{:?} cannot name a schedule", said.value),
            "letters, digits, '-', '_' and '.': the schedule in AWS has this name too",
        );
        return None;
    }
    if let Some(rule) = not_a_name(&said.value) {
        sink.error(&said.at, format!("a trigger's name must {rule}"));
        return None;
    }
    let kinds = language::ON.names();
    if language::ON.has(&said.value) && said.value != object.name {
        sink.error_help(
            &said.at,
            format!("{:?} is the word for another kind of trigger", said.value),
            format!("the kinds are {}", kinds.collect::<Vec<_>>().join(", ")),
        );
        return None;
    }
    Some(said)
}

/// What a trigger's name must be and `name` is not. It stands in quotes in the
/// expressions of a state machine.
pub(crate) fn not_a_name(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.chars().count() > 60 {
        Some("have 1 to 60 characters")
    } else if name.contains(['\'', '"', '`', '\\', '{', '}']) {
        Some("contain no quotes, braces and backslashes")
    } else if name.chars().any(char::is_control) {
        Some("be one line of text")
    } else if name.trim() != name {
        Some("not start or end with a space")
    } else {
        None
    }
}

/// The name made from what a trigger matches, when it is the only one of its
/// kind or not.
pub(crate) fn made_name(event: &Event, alone: bool) -> String {
    let kind = event.kind();
    if alone {
        return kind.to_owned();
    }
    let what = match event {
        Event::Push { branches } => branches.join(" or "),
        Event::PullRequest { into } => format!("into {}", into.join(" or ")),
        Event::Tag { patterns } => patterns.join(" or "),
        Event::Manual {
            environment: Some(environment),
        } => format!("to {environment}"),
        Event::Upstream { pipeline, .. } => pipeline.to_string(),
        Event::Manual { environment: None } | Event::Schedule { .. } | Event::Rollback { .. } => {
            return kind.to_owned();
        }
    };
    format!("{kind} {what}")
}
