//! Where a committed file parts from what a definition compiles to.

use crate::style::{BAD, GOOD, SOFT, paint};
use serde::Serialize;

/// How many lines of each side a difference shows.
const SHOWN: usize = 6;

/// Where two texts part, and what each says there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    line: usize,
    there: Vec<String>,
    compiled: Vec<String>,
}

/// The first place where two texts part, up to where they meet again at the end.
/// `None` when only the ends of lines differ, or nothing.
pub(super) fn difference(there: &str, compiled: &str) -> Option<Difference> {
    let (there, compiled): (Vec<&str>, Vec<&str>) =
        (there.lines().collect(), compiled.lines().collect());
    let same = |(one, two): &(&&str, &&str)| one == two;
    let before = there.iter().zip(&compiled).take_while(same).count();
    let (there, compiled) = (&there[before..], &compiled[before..]);
    let after = there
        .iter()
        .rev()
        .zip(compiled.iter().rev())
        .take_while(same)
        .count();
    let part = |lines: &[&str]| -> Vec<String> {
        let lines = &lines[..lines.len() - after];
        lines.iter().map(|line| (*line).to_owned()).collect()
    };
    let found = Difference {
        line: before + 1,
        there: part(there),
        compiled: part(compiled),
    };
    (!found.there.is_empty() || !found.compiled.is_empty()).then_some(found)
}

impl Difference {
    /// As lines for people.
    pub(super) fn drawn(&self) -> Vec<String> {
        let side = |style, sign: &str, lines: &[String]| -> Vec<String> {
            let shown = lines.iter().take(SHOWN);
            let mut drawn: Vec<String> = shown
                .map(|line| paint(style, format!("  {sign} {line}")))
                .collect();
            if lines.len() > SHOWN {
                drawn.push(paint(
                    SOFT,
                    format!("  {sign} … {} more", lines.len() - SHOWN),
                ));
            }
            drawn
        };
        let mut drawn = vec![format!("  line {}:", self.line)];
        drawn.extend(side(BAD, "-", &self.there));
        drawn.extend(side(GOOD, "+", &self.compiled));
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(there: &str, compiled: &str, expected: Option<(usize, &[&str], &[&str])>) {
        let expected = expected.map(|(line, there, compiled)| Difference {
            line,
            there: there.iter().map(|s| (*s).to_owned()).collect(),
            compiled: compiled.iter().map(|s| (*s).to_owned()).collect(),
        });
        assert_eq!(difference(there, compiled), expected);
    }

    #[test]
    fn a_difference_begins_where_the_texts_part_and_ends_where_they_meet() {
        check("a\nb\nc\n", "a\nx\nc\n", Some((2, &["b"], &["x"])));
        check("a\nc\n", "a\nb\nc\n", Some((2, &[], &["b"])));
        check("a\na\n", "a\n", Some((2, &["a"], &[])));
        check("", "a\n", Some((1, &[], &["a"])));
        check("a\n", "a\n", None);
        check("a", "a\n", None);
    }

    #[test]
    fn a_long_difference_is_cut() {
        let lines: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let found = difference("x\n", &lines.join("\n")).unwrap();
        assert_eq!(found.drawn().len(), 1 + 1 + SHOWN + 1);
    }
}
