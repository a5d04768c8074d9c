//! Where people hear of releases, and what is expected of them.

use super::fields::{self, Fields};
use super::language;
use super::sink::{Marked, Sink};
use super::tree::{Node, Value};
use gatewright_domain::ids::PipelineId;
use gatewright_domain::pipeline::{Feature, Notify, NotifyEvent, NotifyRoute, Target};
use indexmap::IndexMap;

/// Reads `notify`.
pub(crate) fn notify(top: &Fields<'_>, sink: &Sink) -> Notify {
    let Some(of) = top
        .entry("notify")
        .and_then(|(at, node)| Fields::of(node, at, &language::NOTIFY, sink))
    else {
        return Notify::default();
    };
    let routes = of
        .get("routes")
        .and_then(|n| fields::list(n, "routes", sink))
        .unwrap_or_default();
    Notify {
        slack: of.get("slack").and_then(|n| channel(n, sink)),
        routes: routes.iter().filter_map(|item| route(item, sink)).collect(),
    }
}

fn channel(node: &Node, sink: &Sink) -> Option<String> {
    let channel = fields::text(node, "slack", sink)?;
    if !channel.value.starts_with('#') || channel.value.contains(char::is_whitespace) {
        sink.error_help(
            &channel.at,
            format!("{:?} is not a Slack channel", channel.value),
            "write its name with the #, in quotes: \"#releases\"",
        );
    }
    Some(channel.value)
}

fn route(node: &Node, sink: &Sink) -> Option<NotifyRoute> {
    let of = Fields::of(node, &node.at, &language::NOTIFY_ROUTE, sink)?;
    let on = of.required("on").and_then(|n| events(n, sink));
    let list = |key: &'static str| {
        of.get(key)
            .and_then(|n| fields::list(n, key, sink))
            .unwrap_or_default()
    };
    let slack = list("slack").iter().filter_map(|n| channel(n, sink));
    let email = list("email").iter().filter_map(|n| address(n, sink));
    let route = NotifyRoute {
        slack: slack.collect(),
        email: email.collect(),
        pagerduty: of
            .get("pagerduty")
            .and_then(|n| fields::text(n, "pagerduty", sink))
            .map(|said| said.value),
        on: on?,
    };
    let nobody = ["slack", "email", "pagerduty"]
        .iter()
        .all(|key| of.get(key).is_none());
    if nobody {
        sink.error_help(
            &node.at,
            "nobody hears of this",
            "say who: \"slack\", \"email\" or \"pagerduty\"",
        );
    }
    Some(route)
}

fn events(node: &Node, sink: &Sink) -> Option<Vec<NotifyEvent>> {
    let items = fields::list(node, "on", sink)?;
    if items.is_empty() {
        sink.error(&node.at, "on is empty: nobody would ever hear of anything");
    }
    items
        .iter()
        .map(|item| {
            let word = fields::one_of(item, "an event", language::EVENTS, sink)?;
            NotifyEvent::WORDS
                .iter()
                .find(|(w, _)| *w == word.value)
                .map(|(_, event)| *event)
        })
        .collect()
}

fn address(node: &Node, sink: &Sink) -> Option<String> {
    let said = fields::text(node, "email", sink)?;
    let valid = said
        .value
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if !valid || said.value.contains(char::is_whitespace) {
        sink.error(
            &said.at,
            format!("{:?} is not an e-mail address", said.value),
        );
        return None;
    }
    Some(said.value)
}

/// Reads `targets`.
pub(crate) fn targets(top: &Fields<'_>, sink: &Sink) -> IndexMap<String, Target> {
    top.get("targets")
        .and_then(|node| fields::entries(node, "targets", sink))
        .unwrap_or_default()
        .iter()
        .filter_map(|(metric, node)| target(metric, node, sink))
        .collect()
}

fn target(metric: &Marked<String>, node: &Node, sink: &Sink) -> Option<(String, Target)> {
    if !super::check::unknown(metric, "delivery metric", language::TARGETS, sink) {
        return None;
    }
    let of = Fields::of(node, &metric.at, &language::TARGET, sink)?;
    let target = of
        .required("target")
        .and_then(|n| fields::text(n, "target", sink));
    let alert = of.get("alert").and_then(|n| fields::text(n, "alert", sink));
    let target = Target {
        target: target?.value,
        alert: alert.map(|said| said.value),
    };
    Some((metric.value.clone(), target))
}

/// Reads `downstream`.
pub(crate) fn downstream(top: &Fields<'_>, sink: &Sink) -> Vec<Marked<PipelineId>> {
    let all: Vec<Marked<PipelineId>> = top
        .get("downstream")
        .and_then(|n| fields::list(n, "downstream", sink))
        .unwrap_or_default()
        .iter()
        .filter_map(|n| fields::id(n, "a pipeline", sink))
        .collect();
    for (index, pipeline) in all.iter().enumerate() {
        if all[..index].iter().any(|p| p.value == pipeline.value) {
            let message = format!("{:?} is here twice", pipeline.value.as_str());
            sink.error(&pipeline.at, message);
        }
    }
    all
}

/// Reads `accept-unenforced`.
pub(crate) fn accepts(top: &Fields<'_>, sink: &Sink) -> Vec<Marked<Feature>> {
    let Some(node) = top.get("accept-unenforced") else {
        return Vec::new();
    };
    let items = fields::list(node, "accept-unenforced", sink).unwrap_or_default();
    let mut all: Vec<Marked<Feature>> = Vec::new();
    for item in items {
        let Some(feature) = feature(item, sink) else {
            continue;
        };
        if all.iter().any(|f| f.value == feature.value) {
            sink.error(&feature.at, format!("{} is here twice", feature.value));
        } else {
            all.push(feature);
        }
    }
    all
}

fn feature(node: &Node, sink: &Sink) -> Option<Marked<Feature>> {
    if node.value == Value::Text(Feature::Watch.as_str().to_owned()) {
        sink.error_help(
            &node.at,
            "watch is enforced by now: there is nothing to accept",
            "remove it; each entry of a strategy's `watch` says where its numbers are",
        );
        return None;
    }
    let word = fields::one_of(node, "a feature", language::FEATURES, sink)?;
    let found = Feature::ALL.iter().find(|f| f.as_str() == word.value)?;
    Some(Marked::new(*found, &word.at))
}
