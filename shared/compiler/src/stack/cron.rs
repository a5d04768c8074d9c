//! From crontab's five fields to the expressions of EventBridge Scheduler.
//!
//! They differ in four ways, and each would start a release at another time
//! without saying so. AWS counts the days of the week from 1, a Sunday; it has a
//! sixth field, the year; one of the two fields for days must be `?`, because it
//! has no *or*; and its steps begin where the range begins only for some fields.
//! So every field is worked out and written as a list, the days of the week by
//! name.

use std::collections::BTreeSet;

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// What a crontab line is in EventBridge Scheduler: one expression, or two when
/// it names days of the month and days of the week, of which crontab takes
/// either. On a day that is both, both start the same release, which is one.
///
/// A line that does not read becomes an expression that AWS refuses: better no
/// deployment than a schedule that nobody wrote.
pub(super) fn expressions(crontab: &str) -> Vec<String> {
    read(crontab).unwrap_or_else(|| vec![format!("cron({crontab})")])
}

fn read(crontab: &str) -> Option<Vec<String>> {
    let fields: Vec<&str> = crontab.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return None;
    };
    let minute = numbers(minute, 0, 59, &[])?;
    let hour = numbers(hour, 0, 23, &[])?;
    let days = numbers(day, 1, 31, &[])?;
    let month = numbers(month, 1, 12, &MONTHS)?;
    let weekdays = weekdays(weekday)?;
    let made =
        |day: &str, weekday: &str| format!("cron({minute} {hour} {day} {month} {weekday} *)");
    Some(match (days.as_str(), weekdays.as_str()) {
        (days, "*") => vec![made(days, "?")],
        ("*", weekdays) => vec![made("?", weekdays)],
        (days, weekdays) => vec![made(days, "?"), made("?", weekdays)],
    })
}

/// A field as a list of numbers, or `*` for all of them.
fn numbers(field: &str, least: u32, most: u32, names: &[&str]) -> Option<String> {
    let found = values(field, least, most, names)?;
    if found.len() == (most - least + 1) as usize {
        return Some("*".to_owned());
    }
    let found: Vec<String> = found.iter().map(u32::to_string).collect();
    Some(found.join(","))
}

/// The days of the week by name; crontab's Sunday is 0 and 7.
fn weekdays(field: &str) -> Option<String> {
    let found: BTreeSet<u32> = values(field, 0, 7, &DAYS)?
        .iter()
        .map(|day| day % 7)
        .collect();
    if found.len() == DAYS.len() {
        return Some("*".to_owned());
    }
    let names: Option<Vec<&str>> = found
        .iter()
        .map(|day| DAYS.get(*day as usize).copied())
        .collect();
    Some(names?.join(","))
}

/// What a field matches: lists of `*`, numbers, ranges, each with a step.
fn values(field: &str, least: u32, most: u32, names: &[&str]) -> Option<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let number = |text: &str| number(text, least, names);
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            // A number with a step goes on to the end of the field.
            (one, None) if step.is_some() => (number(one)?, most),
            (one, None) => (number(one)?, number(one)?),
        };
        if from < least || to > most || from > to {
            return None;
        }
        found.extend((from..=to).step_by(step.unwrap_or(1)));
    }
    Some(found)
}

fn number(text: &str, least: u32, names: &[&str]) -> Option<u32> {
    let named = names.iter().position(|n| n.eq_ignore_ascii_case(text));
    match named {
        Some(place) => Some(u32::try_from(place).ok()? + least),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(crontab: &str, expected: &[&str]) {
        assert_eq!(expressions(crontab), expected, "{crontab}");
    }

    #[test]
    fn a_crontab_line_keeps_its_meaning() {
        check("0 0 * * *", &["cron(0 0 * * ? *)"]);
        check("30 6 * * 0", &["cron(30 6 ? * SUN *)"]);
        check("30 6 * * 7", &["cron(30 6 ? * SUN *)"]);
        check("0 2 * * 1-5", &["cron(0 2 ? * MON,TUE,WED,THU,FRI *)"]);
        check("0 2 * * fri-6", &["cron(0 2 ? * FRI,SAT *)"]);
        check("0 2 1 * *", &["cron(0 2 1 * ? *)"]);
        check("0 2 1 jan,Jul *", &["cron(0 2 1 1,7 ? *)"]);
        check("*/15 8-17/4 * * *", &["cron(0,15,30,45 8,12,16 * * ? *)"]);
        check("5/20 * * * 0-6", &["cron(5,25,45 * * * ? *)"]);
    }

    #[test]
    fn days_of_the_month_or_of_the_week_are_two_schedules() {
        check(
            "0 3 1,15 * mon",
            &["cron(0 3 1,15 * ? *)", "cron(0 3 ? * MON *)"],
        );
    }

    #[test]
    fn what_does_not_read_is_left_for_aws_to_refuse() {
        for wrong in [
            "",
            "@daily",
            "60 0 * * *",
            "0 0 * *",
            "0 5-2 * * *",
            "*/0 * * * *",
            "0 0 * foo *",
        ] {
            check(wrong, &[&format!("cron({wrong})")]);
        }
    }
}
