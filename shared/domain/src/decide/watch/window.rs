//! Samples of CloudWatch, and how many of them a stretch of time should have.

use crate::pipeline::{Series, Unit};
use crate::{Decimal, Timestamp};
use std::collections::BTreeSet;

/// One number of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When the stretch of time that it is about begins.
    pub at: Timestamp,
    /// The number.
    pub value: Decimal,
}

impl Sample {
    /// The numbers that a series gives in the unit of its metric: its own
    /// samples, and those of what it is a part of. `None` is what CloudWatch could
    /// not give completely.
    ///
    /// A part is counted only when there is one, so that its absence is 0 wherever
    /// there are samples of the whole; where the whole is 0, nobody knows a share.
    pub fn of(series: &Series, own: Option<Vec<Self>>, whole: Option<Vec<Self>>) -> Vec<Self> {
        let Some(own) = own else {
            return Vec::new();
        };
        if series.per.is_some() {
            let part = |at: Timestamp| own.iter().find(|s| s.at == at).map(|s| s.value);
            let share = |of: &Self| {
                let value = share(part(of.at).unwrap_or_default(), of.value)?;
                Some(Self { at: of.at, value })
            };
            return whole.iter().flatten().filter_map(share).collect();
        }
        let times = match series.unit {
            Some(Unit::Seconds) => 1_000,
            None => 1,
        };
        let converted = |sample: Self| Self {
            value: Decimal::from_millionths(sample.value.millionths().saturating_mul(times)),
            ..sample
        };
        own.into_iter().map(converted).collect()
    }
}

/// How many percent `part` is of `whole`.
fn share(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let (part, whole) = (
        i128::from(part.millionths()),
        i128::from(whole.millionths()),
    );
    let percent = (whole > 0).then(|| part * 100_000_000 / whole)?;
    Some(Decimal::from_millionths(
        i64::try_from(percent).unwrap_or(i64::MAX),
    ))
}

/// A stretch of time, and how long the samples in it are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From when on, that moment included.
    pub from: Timestamp,
    /// Until when, that moment excluded.
    pub until: Timestamp,
    /// How many seconds a sample is about: 1, 5, 10, 30 or whole minutes.
    pub period: u32,
}

impl Window {
    /// The whole samples between two moments: a part of one has part of its
    /// requests.
    pub fn whole(from: Timestamp, until: Timestamp, period: u32) -> Self {
        let period = period.max(1);
        let down = |at: Timestamp, more: i64| {
            let second = at.as_second() + more;
            let begun = second - second.rem_euclid(i64::from(period));
            Timestamp::from_second(begun).unwrap_or(at)
        };
        Self {
            from: down(from, i64::from(period) - 1),
            until: down(until, 0),
            period,
        }
    }

    /// How many samples there should be.
    pub fn expected(&self) -> usize {
        let seconds = self.until.as_second() - self.from.as_second();
        usize::try_from(seconds / i64::from(self.period.max(1))).unwrap_or(0)
    }

    /// For which of them there is a number, counted from the first.
    fn filled(&self, samples: &[Sample]) -> BTreeSet<usize> {
        let place = |sample: &Sample| {
            let seconds = sample.at.as_second() - self.from.as_second();
            usize::try_from(seconds.div_euclid(i64::from(self.period.max(1)))).ok()
        };
        let places = samples.iter().filter_map(place);
        places.filter(|place| *place < self.expected()).collect()
    }

    /// What is missing of a version's numbers, if too much is: it takes four of
    /// five, two at least, and the newest, because a version that crashed falls
    /// silent.
    pub(super) fn gap(&self, samples: &[Sample], version: &str) -> Option<String> {
        let (filled, expected) = (self.filled(samples), self.expected());
        let least = (expected * 4).div_ceil(5).max(super::LEAST);
        if filled.is_empty() {
            return Some(format!("there are no numbers of the {version} version"));
        }
        if filled.len() < least {
            return Some(format!(
                "there are {} of {expected} samples of the {version} version, and it takes {least}",
                filled.len()
            ));
        }
        let newest = expected.saturating_sub(1);
        (!filled.contains(&newest))
            .then(|| format!("the newest sample of the {version} version is missing"))
    }
}
