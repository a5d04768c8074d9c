//! Small helpers for messages that people read.

/// The candidate nearest to `wrong`, when one is near enough that a person
/// would say "of course, that is what I meant".
pub fn nearest<'a, I>(wrong: &str, candidates: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str>,
{
    candidates
        .into_iter()
        .map(|name| {
            (
                strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase()),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `; did you mean "x"?` or nothing.
pub fn did_you_mean<'a, I>(wrong: &str, candidates: I) -> String
where
    I: IntoIterator<Item = &'a str>,
{
    nearest(wrong, candidates).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

/// serde's message about a document, with the nearest right name where it
/// complains about a wrong one.
pub fn helpful(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let wrong_name = message.starts_with("unknown field") || message.starts_with("unknown variant");
    match quoted.split_first() {
        Some((wrong, right)) if wrong_name => {
            format!("{message}{}", did_you_mean(wrong, right.iter().copied()))
        }
        Some(_) | None => message.to_owned(),
    }
}

/// Seconds of a time as people write it: whole digits and one of `s`, `m`, `h`,
/// `d`, such as `90s` or `3d`. Nothing else, so that no `10M` is ten months.
pub fn duration(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    let whole = digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| whole)?;
    number.checked_mul(seconds)
}

/// Seconds as people say them: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`.
pub fn spoken(seconds: i64) -> String {
    let s = seconds.max(0);
    let (days, hours, minutes) = (s / 86_400, s % 86_400 / 3_600, s % 3_600 / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) if m < 10 && s % 60 != 0 => format!("{m} min {} s", s % 60),
        (0, 0, m) => format!("{m} min"),
        (0, h, 0) => format!("{h} h"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, 0, _) => format!("{d} d"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

/// `text` cut to at most `most` bytes at a character boundary, with an ellipsis
/// when something is missing.
pub fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        assert_eq!(
            nearest("stagez", ["stages", "source", "on"]),
            Some("stages")
        );
        assert_eq!(nearest("xyzzy", ["stages", "source", "on"]), None);
    }

    #[test]
    fn a_misspelt_field_is_shown_with_the_right_one() {
        let said = helpful("unknown field `comit`, expected one of `pipeline`, `ref`, `commit`");
        assert!(said.ends_with("; did you mean \"commit\"?"), "{said}");
        assert_eq!(helpful("missing field `ref`"), "missing field `ref`");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        for (seconds, said) in [
            (-3, "0 s"),
            (45, "45 s"),
            (95, "1 min 35 s"),
            (720, "12 min"),
            (12_000, "3 h 20 min"),
            (187_200, "2 d 4 h"),
        ] {
            assert_eq!(spoken(seconds), said);
        }
    }

    #[test]
    fn shortening_never_splits_a_character() {
        assert_eq!(shortened("äöü", 100), "äöü");
        assert_eq!(shortened("äöüäöü", 8), "äö…");
    }
}
