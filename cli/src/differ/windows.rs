//! Whether windows are open at times at which they were closed.

use gatewright_domain::pipeline::Window;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: usize = 24 * 60;
const WEEK: usize = 7 * DAY;

/// Whether `after` opens at a time at which `before` was closed. No windows at
/// all are open always. Different time zones cannot be compared: then it does.
pub fn open_wider(before: &[Window], after: &[Window]) -> bool {
    match (before, after) {
        ([], _) => false,
        (_, []) => true,
        ([first, ..], _) => {
            let mut zones = before.iter().chain(after).map(|w| &w.time_zone);
            if !zones.all(|zone| zone == &first.time_zone) {
                return before != after;
            }
            let (before, after) = (minutes(before), minutes(after));
            after.iter().zip(before).any(|(now, then)| *now && !then)
        }
    }
}

/// Every minute of the week, whether it is inside a window.
fn minutes(windows: &[Window]) -> Vec<bool> {
    let mut open = vec![false; WEEK];
    for window in windows {
        let (Some(from), Some(to)) = (minute(&window.from), minute(&window.to)) else {
            continue;
        };
        let lasts = if to > from {
            to - from
        } else {
            to + DAY - from
        };
        for day in &window.days {
            let Some(day) = DAYS.iter().position(|known| known == day) else {
                continue;
            };
            for at in 0..lasts {
                open[(day * DAY + from + at) % WEEK] = true;
            }
        }
    }
    open
}

fn minute(text: &str) -> Option<usize> {
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<usize>().ok()? * 60 + minutes.parse::<usize>().ok()?)
}
