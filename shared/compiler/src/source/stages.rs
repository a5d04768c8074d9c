//! The list of stages: matrices written out, groups taken apart.

use super::fields::{self, Fields};
use super::language;
use super::matrix::{self, Where};
use super::sink::{Marked, Sink, Span};
use super::stage::{self, RawStage};
use super::tree::{Node, Value};
use gatewright_domain::ids::StageName;
use gatewright_domain::pipeline::GroupKind;
use std::ops::Range;

/// The stages as a flat list, and which of them run side by side.
#[derive(Debug, Default)]
pub(crate) struct RawStages {
    pub(crate) stages: Vec<RawStage>,
    pub(crate) groups: Vec<RawGroup>,
}

/// Stages that run side by side, as written.
#[derive(Debug)]
pub(crate) struct RawGroup {
    /// Where its name is.
    pub(crate) at: Span,
    pub(crate) name: Option<StageName>,
    pub(crate) kind: GroupKind,
    /// The positions of its stages.
    pub(crate) members: Range<usize>,
    pub(crate) fail_fast: bool,
}

/// Reads `stages`.
pub(crate) fn read(top: &Fields<'_>, sink: &Sink) -> RawStages {
    let mut all = RawStages::default();
    let Some(node) = top.required("stages") else {
        return all;
    };
    let Some(items) = fields::list(node, "stages", sink) else {
        return all;
    };
    if items.is_empty() {
        sink.error(&node.at, "a pipeline needs at least one stage");
    }
    for item in items {
        let has = |key: &str| entry(item, key).is_some();
        if has("parallel") {
            parallel(item, &mut all, sink);
        } else if let Some((at, node)) = entry(item, "matrix") {
            of_matrix(item, &at.at, node, &mut all, sink);
        } else {
            matrix::plain(item, Where::NoMatrix, sink);
            all.stages.extend(stage::read(item, None, sink));
        }
    }
    all
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<(&'a Marked<String>, &'a Node)> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .find(|(name, _)| name.value == key)
            .map(|(name, node)| (name, node)),
        _ => None,
    }
}

/// One stage a leg. A stage that cannot be written out stays as a name, so that
/// nothing is said to be missing that is only misspelt.
fn of_matrix(item: &Node, at: &Span, node: &Node, all: &mut RawStages, sink: &Sink) {
    let Some(of) = Fields::of(item, &item.at, &language::STAGE, sink) else {
        return;
    };
    let first = all.stages.len();
    let name = stage::name(&of, sink);
    let place = name.as_ref().map_or(&item.at, |n| &n.at).clone();
    let name = name.and_then(|name| stage::stage_name(&name, sink));
    let builds = only_builds(&of, sink);
    let legs = matrix::legs(at, node, sink).filter(|_| builds);
    let read: Option<Vec<RawStage>> = legs.and_then(|legs| {
        legs.iter()
            .map(|leg| stage::read(&matrix::filled(item, leg, sink)?, Some(leg), sink))
            .collect()
    });
    match read {
        Some(legs) => all.stages.extend(legs),
        None => all.stages.push(RawStage::unclear(&place, None)),
    }
    all.groups.push(RawGroup {
        at: place,
        name,
        kind: GroupKind::Matrix,
        members: first..all.stages.len(),
        fail_fast: fail_fast(&of, sink),
    });
}

fn only_builds(of: &Fields<'_>, sink: &Sink) -> bool {
    let mut builds = true;
    for (key, help) in [
        (
            "deploy",
            "deploy them together: `deploy: { artifacts: [a, b], environment: … }`",
        ),
        ("approval", "ask once: make the approval a stage of its own"),
    ] {
        if let Some((at, _)) = of.entry(key) {
            builds = false;
            sink.error_help(
                at,
                format!("a matrix is for builds: it has no {key:?}"),
                help,
            );
        }
    }
    builds
}

fn fail_fast(of: &Fields<'_>, sink: &Sink) -> bool {
    of.get("fail-fast")
        .and_then(|n| fields::flag(n, "fail-fast", sink))
        .unwrap_or(true)
}

/// What may stand beside `parallel`.
const OF_A_GROUP: &[&str] = &["name", "description", "on", "parallel", "fail-fast"];

fn parallel(item: &Node, all: &mut RawStages, sink: &Sink) {
    matrix::plain(item, Where::NoMatrix, sink);
    let Some(of) = Fields::of(item, &item.at, &language::STAGE, sink) else {
        return;
    };
    let first = all.stages.len();
    let name = stage::name(&of, sink);
    let place = name.as_ref().map_or(&item.at, |n| &n.at).clone();
    let name = name.and_then(|name| stage::stage_name(&name, sink));
    for key in of.keys() {
        let known = language::STAGE.has(&key.value);
        if known && !OF_A_GROUP.contains(&key.value.as_str()) {
            sink.error_help(
                &key.at,
                format!("{:?} means nothing beside `parallel`", key.value),
                "say it in the stages of the group, or for all builds in `defaults`",
            );
        }
    }
    let on = stage::on(&of, sink);
    let items = of
        .get("parallel")
        .and_then(|n| fields::list(n, "parallel", sink))
        .unwrap_or_default();
    if items.len() < 2 {
        let at = of.entry("parallel").map_or(&item.at, |(at, _)| at);
        sink.error_help(
            at,
            "fewer than two stages are not side by side",
            "name at least two, or make the one a stage of its own",
        );
    }
    for member in items {
        let Some(mut member) = stage::member(member, sink) else {
            continue;
        };
        if member.on.is_none() {
            member.on.clone_from(&on);
        }
        all.stages.push(member);
    }
    all.groups.push(RawGroup {
        at: place,
        name,
        kind: GroupKind::Parallel,
        members: first..all.stages.len(),
        fail_fast: fail_fast(&of, sink),
    });
}
