//! What AWS's own metrics are in. A count is no percentage and a second no
//! millisecond, and either would pass every limit.

use crate::source::sink::{Sink, Span};
use gatewright_domain::pipeline::Series;

/// What counts errors, and what counts everything.
const COUNTED: &[(&str, &str, &str)] = &[
    ("AWS/Lambda", "Errors", "Invocations"),
    ("AWS/Lambda", "Throttles", "Invocations"),
    (
        "AWS/ApplicationELB",
        "HTTPCode_Target_5XX_Count",
        "RequestCount",
    ),
    (
        "AWS/ApplicationELB",
        "HTTPCode_Target_4XX_Count",
        "RequestCount",
    ),
    (
        "AWS/ApplicationELB",
        "HTTPCode_ELB_5XX_Count",
        "RequestCount",
    ),
    (
        "AWS/ApplicationELB",
        "HTTPCode_ELB_4XX_Count",
        "RequestCount",
    ),
    ("AWS/ELB", "HTTPCode_Backend_5XX", "RequestCount"),
    ("AWS/ELB", "HTTPCode_ELB_5XX", "RequestCount"),
    ("AWS/ApiGateway", "5XXError", "Count"),
    ("AWS/ApiGateway", "4XXError", "Count"),
    ("AWS/ApiGateway", "5xx", "Count"),
    ("AWS/ApiGateway", "4xx", "Count"),
];

/// What is measured in seconds.
const IN_SECONDS: &[(&str, &str)] = &[
    ("AWS/ApplicationELB", "TargetResponseTime"),
    ("AWS/ELB", "Latency"),
];

/// Whether the series is what a metric is judged in: percent, or that percentile
/// in milliseconds.
pub(super) fn fits(metric: &str, series: &Series, at: &Span, sink: &Sink) -> bool {
    let Series {
        namespace, name, ..
    } = series;
    let wrong = |message: String, help: String| {
        sink.error_help(at, message, help);
        false
    };
    if metric == "error-rate" {
        let counted = COUNTED.iter().find(|(n, m, _)| n == namespace && m == name);
        return match (counted, series.unit) {
            (Some((_, _, per)), _) => wrong(
                format!("{namespace} {name} is a count, and error-rate is in percent"),
                format!(
                    "write `{{ of: {{ namespace: {namespace}, name: {name}, dimensions: … }}, per: {{ namespace: {namespace}, name: {per}, dimensions: … }} }}`"
                ),
            ),
            (None, Some(_)) => wrong(
                "unit means nothing here: error-rate is in percent".to_owned(),
                "remove it; what is counted is `{ of: SERIES, per: SERIES }`".to_owned(),
            ),
            (None, None) => true,
        };
    }
    let percentile = metric.strip_prefix("latency-");
    if let Some(percentile) = percentile.filter(|p| *p != series.statistic) {
        return wrong(
            format!(
                "{metric} is the {percentile}, and its statistic is {}",
                series.statistic
            ),
            format!("write `statistic: {percentile}`, or leave it out"),
        );
    }
    let seconds = IN_SECONDS.iter().any(|(n, m)| n == namespace && m == name);
    if seconds && series.unit.is_none() {
        return wrong(
            format!("{namespace} {name} is in seconds, and {metric} in milliseconds"),
            "add `unit: seconds`: it is converted".to_owned(),
        );
    }
    true
}

/// Whether a part of a rate is a count.
pub(super) fn is_counted(series: &Series, at: &Span, sink: &Sink) -> bool {
    if series.unit.is_none() && ["Sum", "SampleCount"].contains(&series.statistic.as_str()) {
        return true;
    }
    sink.error_help(
        at,
        format!(
            "a rate is of two counts, and this is no count: {} {}",
            series.namespace, series.name
        ),
        "leave `statistic` and `unit` out: it is then the Sum",
    );
    false
}
