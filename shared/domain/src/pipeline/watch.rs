//! What is watched while a new version takes over.

use super::Seconds;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Time in which a new version is watched, and by what it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watching {
    /// How long.
    pub lasts: Seconds,
    /// How much of it, at its beginning, does not count.
    pub warm_up: Seconds,
    /// How long people have when the numbers do not tell.
    pub decide_within: Seconds,
    /// What is judged, at least one thing.
    pub watch: Vec<Watch>,
}

/// A number, or an alarm, that says whether a new version does well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// `error-rate` in percent, `latency-p90` or `latency-p99` in milliseconds,
    /// or `health`.
    pub metric: String,
    /// The most that passes, in the digits that were written; none for `health`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<String>,
    /// How many times the old version's number still passes, in the digits that
    /// were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most_times_old: Option<String>,
    /// Where the new version's number is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Series>,
    /// Where the old version's number is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Series>,
    /// The CloudWatch alarm that must be OK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}

impl Watch {
    /// What must hold, for people: `error-rate at most 1 %`.
    pub fn demand(&self) -> String {
        if let Some(alarm) = &self.alarm {
            return format!("{}: alarm {alarm} is OK", self.metric);
        }
        let unit = unit(&self.metric);
        let limit = self.at_most.iter().map(|most| format!("{most}{unit}"));
        let times = self.at_most_times_old.iter();
        let times = times.map(|times| format!("{times} times the old version's"));
        let limits: Vec<String> = limit.chain(times).collect();
        format!("{} at most {}", self.metric, limits.join(" and "))
    }
}

/// The unit of a metric, with the space before it.
pub fn unit(metric: &str) -> &'static str {
    match metric {
        "error-rate" => " %",
        "latency-p90" | "latency-p99" => " ms",
        _ => "",
    }
}

/// A metric of CloudWatch, or the share of one in another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Its namespace, such as `AWS/ApplicationELB`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// CloudWatch's statistic, such as `Average` or `p90`.
    pub statistic: String,
    /// Its dimensions, all of them: CloudWatch knows a metric by them.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub dimensions: IndexMap<String, String>,
    /// What it counts in, when that is not the unit of the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// What it is a part of, when both are counted: the number is then its share,
    /// in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Box<Series>>,
}

impl Series {
    /// The metrics of CloudWatch that it is made of: itself, and what it is a part
    /// of.
    pub fn metrics(&self) -> impl Iterator<Item = &Series> {
        std::iter::once(self).chain(self.per.as_deref())
    }
}

/// A unit that is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Of a latency, which is judged in milliseconds.
    Seconds,
}
