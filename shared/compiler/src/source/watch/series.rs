//! Where a number is, as written.

use super::{known, read_or};
use crate::source::fields::{self, Fields};
use crate::source::language;
use crate::source::sink::{Marked, Sink};
use crate::source::tree::{Node, Value};
use gatewright_domain::pipeline::{Series, Unit};
use indexmap::IndexMap;

/// A series, or the rate of two.
pub(super) fn number(node: &Node, metric: &str, sink: &Sink) -> Option<Series> {
    let is_rate = match &node.value {
        Value::Map(entries) => entries
            .iter()
            .any(|(key, _)| ["of", "per"].contains(&key.value.as_str())),
        Value::Text(_) | Value::Number(_) | Value::Bool(_) | Value::Null | Value::List(_) => false,
    };
    if is_rate {
        return rate(node, metric, sink);
    }
    let series = series(node, metric_statistic(metric), sink)?;
    known::fits(metric, &series, &node.at, sink).then_some(series)
}

/// The statistic that a metric is, when nothing is said.
fn metric_statistic(metric: &str) -> &'static str {
    match metric {
        "latency-p90" => "p90",
        "latency-p99" => "p99",
        _ => "Average",
    }
}

fn rate(node: &Node, metric: &str, sink: &Sink) -> Option<Series> {
    let of = Fields::of(node, &node.at, &language::RATE, sink)?;
    if metric != "error-rate" {
        sink.error_help(
            &node.at,
            format!("{metric} is no rate: \"of\" and \"per\" mean nothing"),
            "write `{ namespace: NAMESPACE, name: METRIC, dimensions: { NAME: VALUE } }`",
        );
        return None;
    }
    let counted = |key| {
        let node = of.required(key)?;
        let counted = series(node, "Sum", sink)?;
        known::is_counted(&counted, &node.at, sink).then_some(counted)
    };
    let (part, whole) = (counted("of"), counted("per"));
    let whole = whole?;
    Some(Series {
        per: Some(Box::new(whole)),
        ..part?
    })
}

fn series(node: &Node, otherwise: &str, sink: &Sink) -> Option<Series> {
    let of = Fields::of(node, &node.at, &language::SERIES, sink)?;
    let text = |key| of.required(key).and_then(|n| fields::text(n, key, sink));
    let (namespace, name) = (text("namespace"), text("name"));
    let statistic = match of.get("statistic") {
        Some(node) => statistic(node, sink),
        None => Some(otherwise.to_owned()),
    };
    let dimensions = of.get("dimensions").map(|node| dimensions(node, sink));
    let unit = of
        .get("unit")
        .map(|node| fields::one_of(node, "a unit", language::UNITS, sink).map(|_| Unit::Seconds));
    Some(Series {
        namespace: namespace?.value,
        name: name?.value,
        statistic: statistic?,
        dimensions: read_or(dimensions)?.unwrap_or_default(),
        unit: read_or(unit)?,
        per: None,
    })
}

fn statistic(node: &Node, sink: &Sink) -> Option<String> {
    const WORDS: [&str; 5] = ["Average", "Minimum", "Maximum", "Sum", "SampleCount"];
    let said = fields::text(node, "statistic", sink)?;
    let percentile = said.value.strip_prefix('p').is_some_and(|digits| {
        let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
        let short =
            |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        short(whole) && short(rest)
    });
    if percentile || WORDS.contains(&said.value.as_str()) {
        return Some(said.value);
    }
    sink.error_help(
        &said.at,
        format!("CloudWatch has no statistic {:?}", said.value),
        format!(
            "it is one of {}, or a percentile such as p90",
            WORDS.join(", ")
        ),
    );
    None
}

fn dimensions(node: &Node, sink: &Sink) -> Option<IndexMap<String, String>> {
    /// As many as a metric can have (CloudWatch quotas).
    const MOST: usize = 30;
    let entries = fields::entries(node, "dimensions", sink)?;
    if entries.len() > MOST {
        sink.error(&node.at, format!("a metric has at most {MOST} dimensions"));
        return None;
    }
    let read = |(name, value): &(Marked<String>, Node)| {
        let value = fields::as_written(value, &name.value, sink)?;
        Some((name.value.clone(), value.value))
    };
    let all: IndexMap<String, String> = entries.iter().filter_map(read).collect();
    (all.len() == entries.len()).then_some(all)
}
