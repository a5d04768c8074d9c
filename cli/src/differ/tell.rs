//! Changes in lines, place by place.

use super::{Change, weakened};
use crate::style::{BAD, HEAD, SOFT, paint};
use crate::words::count;
use gatewright_views::text::listed;

/// The changes under their places; what weakens is marked.
pub fn told(changes: &[Change], indent: usize) -> Vec<String> {
    let mut told = Vec::new();
    let mut place = None;
    for change in changes {
        if place != Some(&change.place) {
            told.push(format!("{:indent$}{}", "", paint(HEAD, &change.place)));
            place = Some(&change.place);
        }
        let line = if change.weakens.is_empty() {
            format!("  {}", change.what)
        } else {
            let weakens = format!("weakens {}", listed(&change.weakens));
            let mark = paint(BAD, "!");
            format!("{mark} {}  {}", change.what, paint(BAD, weakens))
        };
        told.push(format!("{:indent$}  {line}", ""));
    }
    told
}

/// `7 changes, 2 of which weaken production`.
pub fn summary(changes: &[Change]) -> String {
    let weaken = changes.iter().filter(|c| !c.weakens.is_empty()).count();
    let all = count(changes.len(), "change");
    if weaken == 0 {
        return paint(SOFT, format!("{all}; none weakens a protected environment"));
    }
    let names = listed(&weakened(changes));
    let verb = if weaken == 1 { "weakens" } else { "weaken" };
    paint(BAD, format!("{all}, {weaken} of which {verb} {names}"))
}
