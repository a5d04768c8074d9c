//! Text from outside made fit to be read: escaped for where it goes, cut to what
//! fits there, and without characters that make it look like something else.

use gatewright_domain::Timestamp;
use gatewright_domain::text::spoken;
use std::fmt::{self, Write};

/// What is shown in the place of `c`. Control characters and those that change
/// the direction of text or cannot be seen become `�`: they can make a reason or
/// a commit message read differently from what it says (CVE-2021-42574). The
/// joiners U+200C and U+200D stay, names in Indic scripts need them.
fn shown(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\r' => ' ',
        '\u{061C}'
        | '\u{200B}'
        | '\u{200E}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}' => '\u{FFFD}',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    }
}

/// `text` as one line of plain text: harmless in a mail and on a terminal.
pub fn line(text: &str) -> String {
    let seen: String = text.chars().map(shown).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As [`line()`], of at most `most` characters, with an ellipsis when something is
/// missing.
pub fn short_line(text: &str, most: usize) -> String {
    cut(&line(text), most)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// As [`line()`], escaped as Slack asks for (`&`, `<`, `>`), and of at most `most`
/// UTF-16 units *after* escaping: the largest way in which Slack could count,
/// and no entity is cut in two.
pub fn slack(text: &str, most: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    let (mut used, mut fitting) = (0, 0);
    for c in line(text).chars() {
        match entity(c) {
            Some(entity) => escaped.push_str(entity),
            None => escaped.push(c),
        }
        used += entity(c).map_or(c.len_utf16(), str::len);
        // One unit is kept for the ellipsis.
        if used < most {
            fitting = escaped.len();
        }
    }
    if used > most {
        escaped.truncate(fitting);
        escaped.push('…');
    }
    escaped
}

fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// `url` when it is safe to put behind a link: absolute and `http` or `https`,
/// or a path on the same host. A log's or a finding's address comes from outside
/// and could be `javascript:`; one with `|` or `>` would end a Slack link early.
pub fn safe_url(url: &str) -> Option<&str> {
    let known = url.starts_with("https://")
        || url.starts_with("http://")
        || (url.starts_with('/') && !url.starts_with("//"));
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '|' | '"' | '\\' | '`');
    (known && url.len() <= 2_000 && url.chars().all(plain)).then_some(url)
}

/// A point in time as all pages and messages write it: `2026-10-12 09:30 UTC`.
pub fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How far `at` is from `now`: `in 2 d 23 h`, `12 min ago`, `now`.
pub fn relative(now: Timestamp, at: Timestamp) -> String {
    match at.as_second().saturating_sub(now.as_second()) {
        0 => "now".to_owned(),
        ahead if ahead > 0 => format!("in {}", spoken(ahead)),
        past => format!("{} ago", spoken(past.saturating_neg())),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn listed<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// The escaper of all pages (`askama.toml`): what HTML asks for in text and in
/// quoted attributes, and the characters that no reader could see or trust.
#[derive(Debug, Clone, Copy, Default)]
pub struct Page;

impl askama::filters::Escaper for Page {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        for c in string.chars() {
            match c {
                '&' => dest.write_str("&amp;")?,
                '<' => dest.write_str("&lt;")?,
                '>' => dest.write_str("&gt;")?,
                '"' => dest.write_str("&quot;")?,
                '\'' => dest.write_str("&#39;")?,
                c => dest.write_char(shown(c))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright_domain::after;
    use proptest::prelude::*;

    #[test]
    fn what_turns_text_around_is_made_visible() {
        assert_eq!(line("safe\u{202E}gnp.exe\u{200B}!"), "safe�gnp.exe�!");
        assert_eq!(line("one\r\n two\u{1b}[31m"), "one two�[31m");
        assert_eq!(line("क्\u{200D}ष"), "क्\u{200D}ष", "names keep their joiners");
    }

    #[test]
    fn slack_text_is_escaped_and_cut_between_characters() {
        assert_eq!(slack("<!channel> a & b", 99), "&lt;!channel&gt; a &amp; b");
        assert_eq!(slack("a&b", 7), "a&amp;b");
        assert_eq!(slack("a&b", 6), "a…");
        assert_eq!(slack("abc", 3), "abc");
        assert_eq!(slack("abcd", 3), "ab…");
    }

    #[test]
    fn only_plain_web_addresses_become_links() {
        for good in [
            "https://a.example/x?y=1#z",
            "http://127.0.0.1:8080/",
            "/releases/cp-1",
        ] {
            assert_eq!(safe_url(good), Some(good));
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "//evil.example",
            "https://a|b",
            "https://a/<b>",
            "https://a/\"b",
            "https://a b",
            "data:text/html,x",
            "https://a\u{202E}b",
        ] {
            assert_eq!(safe_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_are_spoken_from_now() {
        let now: Timestamp = "2026-10-12T09:30:59Z".parse().unwrap();
        assert_eq!(utc(now), "2026-10-12 09:30 UTC");
        assert_eq!(relative(now, after(now, 71 * 3600)), "in 2 d 23 h");
        assert_eq!(relative(now, after(now, -720)), "12 min ago");
        assert_eq!(relative(now, now), "now");
        assert!(!relative(Timestamp::MAX, Timestamp::MIN).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_whatever_breaks_out_of_a_slack_text(text in any::<String>(), most in 1usize..80) {
            let out = slack(&text, most);
            prop_assert!(out.encode_utf16().count() <= most);
            prop_assert!(!out.contains(['<', '>', '\n']));
            let bare = out.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            prop_assert!(!bare.contains('&'), "{}", out);
        }

        #[test]
        fn a_short_line_is_short(text in any::<String>(), most in 1usize..80) {
            prop_assert!(short_line(&text, most).chars().count() <= most);
        }
    }
}
