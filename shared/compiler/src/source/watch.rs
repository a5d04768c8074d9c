//! What is watched while a new version takes over, as written.

mod known;
mod series;

use super::fields::{self, Fields};
use super::language;
use super::sink::{Sink, Span};
use super::tree::{Node, Value};
use super::values;
use gatewright_domain::Decimal;
use gatewright_domain::pipeline::{Seconds, Series, Watch};
use gatewright_domain::text::spoken;

/// What is judged in every pause of a strategy.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    /// At least one thing.
    pub(crate) watch: Vec<Watch>,
    /// How much of a pause does not count.
    pub(crate) warm_up: Seconds,
    /// How long people have when the numbers do not tell.
    pub(crate) decide_within: Seconds,
}

impl Watched {
    /// What is judged while the new version has `percent` of the traffic: with all
    /// of it, the old version has no numbers of its own.
    pub(crate) fn at(&self, percent: u32) -> Vec<Watch> {
        let mut watch = self.watch.clone();
        if percent == 100 {
            for one in &mut watch {
                (one.old, one.at_most_times_old) = (None, None);
            }
        }
        watch
    }
}

const WARM_UP: Seconds = Seconds(60);
const DECIDE_WITHIN: Seconds = Seconds(3_600);
/// How much of a pause numbers need: two whole samples of a minute, whenever in a
/// minute it begins.
const LEAST: i64 = 3 * 60;

/// Reads what the strategy `of` watches in its `pauses`, where they could be read;
/// nothing when it watches nothing.
pub(crate) fn read(of: &Fields<'_>, pauses: Option<&[Seconds]>, sink: &Sink) -> Option<Watched> {
    let lasts = |key, default| {
        of.get(key).map_or(Some(default), |node| {
            values::duration(node, key, sink).map(|said| said.value)
        })
    };
    let (warm_up, within) = (
        lasts("warm-up", WARM_UP),
        lasts("decide-within", DECIDE_WITHIN),
    );
    let Some((at, node)) = of.entry("watch") else {
        for key in ["warm-up", "decide-within"] {
            if let Some((at, _)) = of.entry(key) {
                let message = format!("{key} means nothing here: the strategy watches nothing");
                sink.error_help(
                    at,
                    message,
                    "remove it, or say what to watch: `watch: [...]`",
                );
            }
        }
        return None;
    };
    let items = fields::list(node, "watch", sink)?;
    let share = Share::of(of, pauses);
    let read = |item| entry(item, share, sink);
    let watch: Vec<Watch> = items.iter().filter_map(read).collect();
    let (warm_up, decide_within) = (warm_up?, within?);
    if items.is_empty() {
        let help = "say what to watch, or leave `watch` out: then the pauses only pass";
        sink.error_help(at, "watch is an empty list", help);
    }
    if watch.len() < items.len() || items.is_empty() {
        return None;
    }
    if let Some(pauses) = pauses {
        long_enough(of, at, pauses, warm_up, &watch, sink);
    }
    Some(Watched {
        watch,
        warm_up,
        decide_within,
    })
}

/// With how much of the traffic the new version is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    /// With shares of it, beside the old version.
    Parts,
    /// With shares of it, and at last with all.
    PartsAndAll,
    /// With all of it: the old version has no numbers meanwhile.
    All,
}

impl Share {
    fn of(strategy: &Fields<'_>, pauses: Option<&[Seconds]>) -> Self {
        let parts = pauses.is_none_or(|pauses| pauses.len() > 1);
        match (strategy.entry("blue-green").is_some(), parts) {
            (false, _) => Self::Parts,
            (true, true) => Self::PartsAndAll,
            (true, false) => Self::All,
        }
    }
}

/// Whether there is time to measure anything.
fn long_enough(
    of: &Fields<'_>,
    at: &Span,
    pauses: &[Seconds],
    warm_up: Seconds,
    watch: &[Watch],
    sink: &Sink,
) {
    let Some(shortest) = pauses.iter().min() else {
        sink.error_help(
            at,
            "watch means nothing here: all traffic moves at once, and nothing is left for a while",
            "remove it, or let the traffic move in steps: `canary: { steps: [10, 100] }`",
        );
        return;
    };
    let numbers = watch.iter().any(|w| w.new.is_some());
    let least = warm_up.get() + if numbers { LEAST } else { 60 };
    if shortest.get() < least {
        let place = of.entry("warm-up").map_or(at, |(at, _)| at);
        sink.error_help(
            place,
            format!(
                "a pause of {} is too short to be watched with a warm-up of {}: {} must remain, for {}",
                spoken(shortest.get()),
                spoken(warm_up.get()),
                spoken(least - warm_up.get()),
                if numbers { "two whole samples of a minute each" } else { "the alarms to notice anything" }
            ),
            format!("make every pause at least {}, or the warm-up shorter", spoken(least)),
        );
    }
}

fn entry(node: &Node, share: Share, sink: &Sink) -> Option<Watch> {
    let of = Fields::of(node, &node.at, &language::WATCH, sink)?;
    let metric = of
        .required("metric")
        .and_then(|n| fields::one_of(n, "a metric", language::METRICS, sink))?;
    let number = |key| of.get(key).map(|node| limit(node, key, sink));
    let (at_most, times) = (number("at-most"), number("at-most-times-old"));
    let place = |key| {
        of.get(key)
            .map(|node| series::number(node, metric.value, sink))
    };
    let (new, old) = (place("new"), place("old"));
    let alarm = of.get("alarm").map(|n| alarm(n, sink));
    let whole = if alarm.is_some() {
        alone(&of, metric.value, sink)
    } else if metric.value == "health" {
        let help = "write `{ metric: health, alarm: NAME }`";
        sink.error_help(
            &metric.at,
            "health needs \"alarm\": the CloudWatch alarm that must be OK",
            help,
        );
        false
    } else {
        measured(&of, &metric.at, metric.value, share, sink)
            & within(&of, metric.value, at_most.as_ref(), sink)
            & apart(&of, new.as_ref(), old.as_ref(), sink)
    };
    // What was written and does not read has been reported.
    let watch = Watch {
        metric: metric.value.to_owned(),
        at_most: read_or(at_most)?,
        at_most_times_old: read_or(times)?,
        new: read_or(new)?,
        old: read_or(old)?,
        alarm: read_or(alarm)?,
    };
    whole.then_some(watch)
}

/// Nothing where nothing is written, and nothing at all where it does not read.
#[expect(clippy::option_option, reason = "written and read are two things")]
fn read_or<T>(said: Option<Option<T>>) -> Option<Option<T>> {
    match said {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

/// An alarm has a state and no number.
fn alone(of: &Fields<'_>, metric: &str, sink: &Sink) -> bool {
    let mut whole = true;
    for key in ["at-most", "new", "old", "at-most-times-old"] {
        if let Some((at, _)) = of.entry(key) {
            whole = false;
            let message = match metric {
                "health" => "health has no number: it is good or it is not".to_owned(),
                _ => format!("an alarm has a state and no number, so {key:?} means nothing"),
            };
            sink.error_help(at, message, format!("remove `{key}`, or make two entries"));
        }
    }
    whole
}

/// Numbers have a place and a limit.
fn measured(of: &Fields<'_>, at: &Span, metric: &str, share: Share, sink: &Sink) -> bool {
    let has = |key| of.entry(key).is_some();
    let mut whole = true;
    let mut wrong = |at: &Span, message: String, help: &str| {
        whole = false;
        sink.error_help(at, message, help);
    };
    if !has("new") {
        wrong(
            at,
            format!(
                "{metric} needs \"new\" or \"alarm\": where CloudWatch has the new version's number"
            ),
            "write `new: { namespace: NAMESPACE, name: METRIC, dimensions: { NAME: VALUE } }`, or `alarm: NAME`",
        );
    }
    if !has("at-most") && !has("at-most-times-old") {
        wrong(
            at,
            format!("{metric} needs \"at-most\": the number that still passes"),
            "in percent for error-rate, in milliseconds for a latency",
        );
    }
    match (of.entry("old"), of.entry("at-most-times-old")) {
        (Some((at, _)), _) | (None, Some((at, _))) if share == Share::All => wrong(
            at,
            format!(
                "{metric} is compared with nothing: it is watched after the switch, when the old version has no traffic"
            ),
            "remove `old` and `at-most-times-old`, and judge by `at-most` alone; or let the new version have a share first: `canary: { steps: [10, 100] }`",
        ),
        (Some((at, _)), None) => wrong(
            at,
            "old is compared with nothing: \"at-most-times-old\" is missing".to_owned(),
            "for instance `at-most-times-old: 1.5`",
        ),
        (None, Some((at, _))) => wrong(
            at,
            "at-most-times-old needs \"old\": where CloudWatch has the old version's number"
                .to_owned(),
            "write `old: { namespace: NAMESPACE, name: METRIC, dimensions: { NAME: VALUE } }`",
        ),
        (Some(_), Some((at, _))) if share == Share::PartsAndAll && !has("at-most") => wrong(
            at,
            format!(
                "{metric} needs \"at-most\" too: after the switch the old version has no traffic, and nothing is left to compare with"
            ),
            "the watch after a blue-green switch judges by `at-most` alone",
        ),
        (Some(_), Some(_)) | (None, None) => {}
    }
    whole
}

/// An alarm's name, by which CloudWatch is asked.
fn alarm(node: &Node, sink: &Sink) -> Option<String> {
    let said = fields::text(node, "alarm", sink)?;
    let Some((_, name)) = said.value.split_once(":alarm:") else {
        return Some(said.value);
    };
    sink.error_help(
        &said.at,
        "alarm is a name, not an ARN: an alarm of this name does not exist",
        format!("write `alarm: {name}`"),
    );
    None
}

/// Percent are at most 100.
fn within(of: &Fields<'_>, metric: &str, at_most: Option<&Option<String>>, sink: &Sink) -> bool {
    let limit: Option<Decimal> = at_most.and_then(|said| said.as_ref()?.parse().ok());
    let most = Decimal::from_millionths(100_000_000);
    match (of.entry("at-most"), limit) {
        (Some((at, _)), Some(limit)) if metric == "error-rate" && limit > most => {
            sink.error_help(
                at,
                format!("error-rate is in percent: at-most {limit} is always kept"),
                "for instance `at-most: 1`, one error in a hundred",
            );
            false
        }
        (Some(_) | None, Some(_) | None) => true,
    }
}

/// Two versions are compared in two places, by the same measure.
fn apart(
    of: &Fields<'_>,
    new: Option<&Option<Series>>,
    old: Option<&Option<Series>>,
    sink: &Sink,
) -> bool {
    let (Some((at, _)), Some(Some(new)), Some(Some(old))) = (of.entry("old"), new, old) else {
        return true;
    };
    let (message, help) = if new == old {
        (
            "new and old are the same series, which is never worse than itself".to_owned(),
            "say by its dimensions where each version's numbers are",
        )
    } else if new.statistic != old.statistic {
        (
            format!(
                "new is {} and old is {}, which cannot be compared",
                new.statistic, old.statistic
            ),
            "give both the same statistic",
        )
    } else {
        return true;
    };
    sink.error_help(at, message, help);
    false
}

/// What a limit can be.
const LIMIT: &str = "a number that is not negative, with at most six decimals";

/// A limit, in the digits that were written.
fn limit(node: &Node, what: &str, sink: &Sink) -> Option<String> {
    match &node.value {
        Value::Number(digits) if digits.parse::<Decimal>().is_ok_and(|n| !n.is_negative()) => {
            Some(digits.clone())
        }
        Value::Number(digits) => {
            let message = format!("{what} must be {LIMIT}, not {digits}");
            sink.error(&node.at, message);
            None
        }
        Value::Text(_) | Value::Bool(_) | Value::Null | Value::List(_) | Value::Map(_) => {
            fields::wrong(node, what, LIMIT, sink);
            None
        }
    }
}
