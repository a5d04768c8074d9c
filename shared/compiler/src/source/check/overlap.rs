//! Whether two patterns can match the same name, exactly: `*` stands for any
//! text, `?` for one character.

use std::collections::{HashSet, VecDeque};

/// A shortest name of a ref that both patterns match, if there is one.
pub(super) fn example(one: &str, other: &str) -> Option<String> {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut seen = HashSet::from([(0, 0, None)]);
    let mut queue = VecDeque::from([(0, 0, String::new())]);
    // Breadth first through how far each pattern has come: the first name that
    // brings both to their ends is a shortest one.
    while let Some((i, j, name)) = queue.pop_front() {
        let last = name.chars().last();
        if i == one.len() && j == other.len() && may_end(last) {
            return Some(name);
        }
        let (a, b) = (one.get(i), other.get(j));
        let mut put = |i: usize, j: usize, name: String| {
            if seen.insert((i, j, name.chars().last())) {
                queue.push_back((i, j, name));
            }
        };
        // A star may stand for nothing.
        if a == Some(&'*') {
            put(i + 1, j, name.clone());
        }
        if b == Some(&'*') {
            put(i, j + 1, name.clone());
        }
        let (Some(a), Some(b)) = (a, b) else { continue };
        let Some(next) = common(*a, *b).filter(|next| may_follow(last, *next)) else {
            continue;
        };
        let after = |at: usize, c: char| if c == '*' { at } else { at + 1 };
        put(after(i, *a), after(j, *b), format!("{name}{next}"));
    }
    None
}

/// Whether a ref's name can go on with `next` (git-check-ref-format).
fn may_follow(last: Option<char>, next: char) -> bool {
    match next {
        '.' => !matches!(last, None | Some('.' | '/')),
        '/' => !matches!(last, None | Some('/')),
        _ => true,
    }
}

/// Whether a ref's name can end like this.
fn may_end(last: Option<char>) -> bool {
    !matches!(last, None | Some('.' | '/'))
}

/// A character that both stand for; a letter where anything will do.
fn common(a: char, b: char) -> Option<char> {
    let wild = |c: char| c == '*' || c == '?';
    match (wild(a), wild(b)) {
        (true, true) => Some('x'),
        (true, false) => Some(b),
        (false, true) => Some(a),
        (false, false) => (a == b).then_some(a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_example_is_a_name_that_both_match() {
        let check = |one: &str, other: &str, expect: Option<&str>| {
            assert_eq!(example(one, other).as_deref(), expect, "{one} {other}");
            assert_eq!(example(other, one).as_deref(), expect, "{other} {one}");
        };
        check("main", "main", Some("main"));
        check("main", "develop", None);
        check("main", "*", Some("main"));
        check("*", "*", Some("x"));
        check("feature/*", "*/login", Some("feature/login"));
        check("feature/*", "release/*", None);
        check("v*.*.*", "v1.?", None);
        check("v*.*.*", "v1.?.*", Some("v1.x.x"));
        check("ma?n", "m*n", Some("maxn"));
        check("a*b", "b*a", None);
        check("?", "??", None);
    }

    /// Matching as it is done when a release starts, in the plainest way.
    fn matches(pattern: &[char], name: &[char]) -> bool {
        match pattern {
            [] => name.is_empty(),
            ['*', rest @ ..] => (0..=name.len()).any(|n| matches(rest, &name[n..])),
            [c, rest @ ..] => name
                .split_first()
                .is_some_and(|(first, others)| (*c == '?' || c == first) && matches(rest, others)),
        }
    }

    proptest! {
        #[test]
        fn there_is_an_example_exactly_when_both_match(
            one in "[ab?*]{0,5}",
            other in "[ab?*]{0,5}",
            name in "[abx]{1,6}",
        ) {
            let matched = |pattern: &str, name: &str| {
                let pattern: Vec<char> = pattern.chars().collect();
                matches(&pattern, &name.chars().collect::<Vec<_>>())
            };
            let found = example(&one, &other);
            if let Some(found) = &found {
                prop_assert!(matched(&one, found) && matched(&other, found), "{found}");
            }
            if matched(&one, &name) && matched(&other, &name) {
                prop_assert!(found.is_some_and(|found| found.len() <= name.len()));
            }
        }
    }
}
