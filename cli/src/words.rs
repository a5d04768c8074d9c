//! Words that several commands say the same way.

use gatewright_domain::pipeline::{Quorum, Window};
use gatewright_views::text::line;

/// `sat and sun 22:00 to 02:00 (Asia/Dhaka)`.
pub fn window(window: &Window) -> String {
    let days = gatewright_views::text::listed(&window.days);
    let (from, to, zone) = (&window.from, &window.to, &window.time_zone);
    let too = if window.rollbacks {
        ", rollbacks too"
    } else {
        ""
    };
    line(&format!("{days} {from} to {to} ({zone}{too})"))
}

/// `1 of project-lead and 2 of cab`; `nobody`.
pub fn quorum(lines: &[Quorum]) -> String {
    if lines.is_empty() {
        return "nobody".to_owned();
    }
    let each: Vec<String> = lines
        .iter()
        .map(|line| format!("{} of {}", line.count, line.group))
        .collect();
    gatewright_views::text::listed(&each)
}

/// `1 stage`, `2 stages`.
pub fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    }
}
