//! Does the new version do well? Judged by its own numbers and, where both are
//! named, against the old version's in the same window.
//!
//! A missing number is never a good one: what fewer than four of five samples
//! say, or all but the newest, is not known.

mod window;

pub use window::{Sample, Window};

use crate::evidence::{Measured, Numbers, WatchEvidence, WatchOutcome};
use crate::pipeline::{Watch, unit};
use crate::{Decimal, Timestamp};

/// How many samples it takes to say anything.
const LEAST: usize = 2;

/// What CloudWatch knows of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSeen {
    /// When the warm-up is over.
    pub from: Timestamp,
    /// Until when it was looked at.
    pub until: Timestamp,
    /// The whole samples between the two.
    pub window: Window,
    /// Whether the watch is over.
    pub over: bool,
    /// Why nothing could be read, when nothing could.
    pub unreadable: Option<String>,
    /// What there is of each thing that is watched, in the definition's order.
    pub samples: Vec<Samples>,
}

/// What there is of one thing that is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    /// The new version's numbers; those that are missing are not there.
    pub new: Vec<Sample>,
    /// The old version's.
    pub old: Vec<Sample>,
    /// The alarm's state in CloudWatch's word; `None` when there is no such alarm.
    pub alarm: Option<String>,
}

/// Judges a watch. What fails after the warm-up, fails at once: an alarm in
/// `ALARM`, two samples beyond the limit. Everything else is judged when the watch is over, and what
/// cannot be judged then is inconclusive.
pub fn judge_watch(watch: &[Watch], seen: &WatchSeen) -> WatchEvidence {
    let nothing = Samples::default();
    let measured: Vec<Measured> = watch
        .iter()
        .enumerate()
        .map(|(at, one)| {
            let samples = seen.samples.get(at).unwrap_or(&nothing);
            let mut measured = measure(one, samples, seen);
            if let Some(why) = &seen.unreadable {
                measured.because = format!("{}: it could not be read: {why}", one.metric);
            }
            measured
        })
        .collect();
    let any = |outcome| measured.iter().any(|m| m.outcome == outcome);
    let outcome = if any(WatchOutcome::Failed) {
        WatchOutcome::Failed
    } else if !seen.over {
        WatchOutcome::Going
    } else if any(WatchOutcome::Inconclusive) || measured.is_empty() {
        WatchOutcome::Inconclusive
    } else {
        WatchOutcome::Passed
    };
    WatchEvidence {
        from: seen.from,
        until: seen.until,
        outcome,
        measured,
    }
}

fn measure(watch: &Watch, samples: &Samples, seen: &WatchSeen) -> Measured {
    let (said, mut measured) = match &watch.alarm {
        Some(alarm) => by_alarm(watch, alarm, samples.alarm.as_deref()),
        None => by_numbers(watch, samples, seen),
    };
    // Only a failure is known before the end, and during the warm-up nothing is.
    let known = seen.over || (said == WatchOutcome::Failed && seen.until >= seen.from);
    measured.outcome = if known { said } else { WatchOutcome::Going };
    measured
}

fn by_alarm(watch: &Watch, alarm: &str, state: Option<&str>) -> (WatchOutcome, Measured) {
    let (outcome, told) = match state {
        Some("OK") => (WatchOutcome::Passed, "is OK".to_owned()),
        Some("ALARM") => (WatchOutcome::Failed, "is in ALARM".to_owned()),
        Some(word) => (
            WatchOutcome::Inconclusive,
            format!(
                "is in {}, which is not OK",
                crate::text::shortened(word, 60)
            ),
        ),
        None => (WatchOutcome::Inconclusive, "does not exist".to_owned()),
    };
    let mut measured = blank(watch, format!("{}: alarm {alarm} {told}", watch.metric));
    measured.alarm = Some((alarm.to_owned(), state.map(str::to_owned)));
    (outcome, measured)
}

/// A series summed up exactly, in millionths.
struct Sum {
    count: usize,
    total: i128,
    worst: Decimal,
}

impl Sum {
    fn of(samples: &[Sample]) -> Option<Self> {
        let values = samples.iter().map(|s| s.value);
        Some(Self {
            count: samples.len(),
            total: values.clone().map(|v| i128::from(v.millionths())).sum(),
            worst: values.max()?,
        })
    }

    fn count(&self) -> i128 {
        i128::try_from(self.count).unwrap_or(i128::MAX)
    }

    fn numbers(&self, window: &Window) -> Numbers {
        let mean = (self.total + self.total.signum() * self.count() / 2) / self.count();
        Numbers {
            count: u64::try_from(self.count).unwrap_or(u64::MAX),
            expected: u64::try_from(window.expected()).unwrap_or(u64::MAX),
            mean: Decimal::from_millionths(i64::try_from(mean).unwrap_or(i64::MAX)),
            worst: self.worst,
        }
    }

    /// Whether the mean is more than `limit`.
    fn is_beyond(&self, limit: Decimal) -> bool {
        self.total > i128::from(limit.millionths()) * self.count()
    }

    /// Whether the mean is more than `times` the mean of `old`. Every factor is
    /// below 2^50 and there are at most some thousand samples.
    fn is_beyond_times(&self, times: Decimal, old: &Self) -> bool {
        let mine = self.total.saturating_mul(old.count());
        let theirs = old.total.saturating_mul(self.count());
        mine.saturating_mul(1_000_000) > theirs.saturating_mul(i128::from(times.millionths()))
    }
}

fn by_numbers(watch: &Watch, samples: &Samples, seen: &WatchSeen) -> (WatchOutcome, Measured) {
    let limit = watch.at_most.as_deref().map(str::parse::<Decimal>);
    let times = watch
        .at_most_times_old
        .as_deref()
        .map(str::parse::<Decimal>);
    let (new, old) = (Sum::of(&samples.new), Sum::of(&samples.old));
    let mut measured = blank(watch, String::new());
    measured.new = new.as_ref().map(|sum| sum.numbers(&seen.window));
    measured.old = old.as_ref().map(|sum| sum.numbers(&seen.window));
    let (limit, times) = match (limit.transpose(), times.transpose()) {
        (Ok(limit), Ok(times)) => (limit, times),
        (Err(why), _) | (_, Err(why)) => {
            measured.because = format!("{}: its limit does not read: {why}", watch.metric);
            return (WatchOutcome::Inconclusive, measured);
        }
    };
    (measured.at_most, measured.at_most_times_old) = (limit, times);
    // A part of the numbers has no mean.
    let gap = |samples: &[Sample], version| seen.window.gap(samples, version);
    let (gap, old_gap) = (gap(&samples.new, "new"), gap(&samples.old, "old"));
    let new = new.filter(|_| gap.is_none());
    let old = old.filter(|_| old_gap.is_none());
    let failed = beyond(
        new.as_ref(),
        samples,
        (limit, times),
        old.as_ref(),
        seen.over,
    );
    let (outcome, why) = match (failed, new, gap.or(old_gap.filter(|_| times.is_some()))) {
        (Some(why), _, _) => (WatchOutcome::Failed, why),
        (None, Some(new), None) => undisputed(&new, limit.is_some(), times.and(old)),
        (None, _, gap) => (WatchOutcome::Inconclusive, gap.unwrap_or_default()),
    };
    let separator = if why.is_empty() { "" } else { "; " };
    measured.because = format!("{}{separator}{why}", told(watch, &measured));
    (outcome, measured)
}

/// What numbers say that are all there and beyond nothing.
fn undisputed(new: &Sum, limited: bool, old: Option<Sum>) -> (WatchOutcome, String) {
    let none_times = old.as_ref().is_some_and(|old| old.total <= 0) && new.total > 0;
    match (limited, &old) {
        (false, None) => (WatchOutcome::Inconclusive, "it has no limit".to_owned()),
        (false, Some(_)) if none_times => (
            WatchOutcome::Inconclusive,
            "the old version's is 0, with which nothing can be compared, and there is no limit"
                .to_owned(),
        ),
        (true, Some(_)) if none_times => (
            WatchOutcome::Passed,
            "the old version's is 0, so the limit alone decides".to_owned(),
        ),
        (true | false, Some(_)) | (true, None) => (WatchOutcome::Passed, String::new()),
    }
}

/// Why the numbers fail, if they do: all of it. Of a version whose numbers are not
/// all there, no mean is known.
fn beyond(
    new: Option<&Sum>,
    samples: &Samples,
    (limit, times): (Option<Decimal>, Option<Decimal>),
    old: Option<&Sum>,
    over: bool,
) -> Option<String> {
    let mut why = Vec::new();
    if let Some(limit) = limit {
        let beyond = samples.new.iter().filter(|n| n.value > limit).count();
        if beyond >= LEAST {
            why.push(format!("{beyond} samples are beyond the limit"));
        }
        if over && new.is_some_and(|new| new.is_beyond(limit)) {
            why.push("the mean is beyond the limit".to_owned());
        }
    }
    if let (Some(times), Some(new), Some(old), true) = (times, new, old, over)
        && old.total > 0
        && new.is_beyond_times(times, old)
    {
        why.push(format!(
            "the mean is more than {times} times the old version's"
        ));
    }
    (!why.is_empty()).then(|| why.join("; "))
}

/// The numbers in words.
fn told(watch: &Watch, measured: &Measured) -> String {
    let unit = unit(&watch.metric);
    let mut told = watch.metric.clone();
    if let Some(new) = measured.new {
        told.push_str(&format!(
            ": mean {}{unit}, worst {}{unit} in {} of {} samples",
            new.mean, new.worst, new.count, new.expected
        ));
    }
    if let Some(limit) = measured.at_most {
        told.push_str(&format!(", at most {limit}{unit}"));
    }
    if let (Some(old), true) = (measured.old, watch.at_most_times_old.is_some()) {
        told.push_str(&format!(", the old version's mean {}{unit}", old.mean));
    }
    told
}

fn blank(watch: &Watch, because: String) -> Measured {
    Measured {
        metric: watch.metric.clone(),
        outcome: WatchOutcome::Inconclusive,
        because,
        at_most: None,
        at_most_times_old: None,
        new: None,
        old: None,
        alarm: None,
    }
}

#[cfg(test)]
mod tests;
