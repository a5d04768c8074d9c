//! Text that looks like a credential: refused in definitions, blotted out of
//! diagnostics. Only forms that their issuers document, so that nothing harmless
//! is refused.

use std::ops::Range;

/// How a kind of credential begins and goes on.
struct Form {
    what: &'static str,
    prefix: &'static str,
    /// How many characters of `alphabet` follow at least.
    least: usize,
    alphabet: fn(char) -> bool,
}

fn upper(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn anything(c: char) -> bool {
    !c.is_control()
}

const fn form(
    what: &'static str,
    prefix: &'static str,
    least: usize,
    alphabet: fn(char) -> bool,
) -> Form {
    Form {
        what,
        prefix,
        least,
        alphabet,
    }
}

/// AWS: "IAM identifiers", unique id prefixes. Slack: "Token types". GitHub:
/// "About authentication", token formats. PEM: RFC 7468.
const FORMS: &[Form] = &[
    form("an AWS access key id", "AKIA", 16, upper),
    form("a temporary AWS access key id", "ASIA", 16, upper),
    form("a private key or certificate", "-----BEGIN", 1, anything),
    form("a Slack bot token", "xoxb-", 6, word),
    form("a Slack user token", "xoxp-", 6, word),
    form("a Slack app token", "xapp-", 6, word),
    form("a GitHub token", "ghp_", 20, word),
    form("a GitHub token", "ghs_", 20, word),
    form("a GitHub token", "github_pat_", 20, word),
    form("a GitLab token", "glpat-", 16, word),
];

/// What kind of credential `text` contains, if any.
pub(crate) fn kind(text: &str) -> Option<&'static str> {
    find(text, 0).map(|(what, _)| what)
}

/// `text` with credentials replaced by as many asterisks, so that columns stay.
pub(crate) fn blotted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    while let Some((_, at)) = find(text, from) {
        shown.push_str(&text[from..at.start]);
        // One asterisk a byte keeps byte offsets as they are.
        shown.push_str(&"*".repeat(at.len()));
        from = at.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// The first credential in `text` from `from`, and where it is.
fn find(text: &str, from: usize) -> Option<(&'static str, Range<usize>)> {
    let formed = find_formed(text, from);
    let url = find_password(text, from).map(|at| ("a password in a URL", at));
    formed.into_iter().chain(url).min_by_key(|(_, at)| at.start)
}

/// The password of the first `scheme://user:password@` from `from`.
fn find_password(text: &str, from: usize) -> Option<Range<usize>> {
    let mut search = from;
    loop {
        let start = search + text[search..].find("://")? + "://".len();
        let ends = |c: char| c.is_whitespace() || "/@\"'`<>{}$".contains(c);
        let length = text[start..].find(ends).unwrap_or(text.len() - start);
        let authority = &text[start..start + length];
        if text[start + length..].starts_with('@')
            && let Some((user, password)) = authority.split_once(':')
            && !password.is_empty()
        {
            return Some(start + user.len() + 1..start + length);
        }
        search = start;
    }
}

fn find_formed(text: &str, from: usize) -> Option<(&'static str, Range<usize>)> {
    FORMS
        .iter()
        .filter_map(|form| {
            let mut search = from;
            loop {
                let start = search + text[search..].find(form.prefix)?;
                let after = start + form.prefix.len();
                let run: usize = text[after..]
                    .chars()
                    .take_while(|c| (form.alphabet)(*c))
                    .map(char::len_utf8)
                    .sum();
                let whole = !text[..start].ends_with(|c: char| c.is_ascii_alphanumeric());
                if whole && run >= form.least {
                    return Some((form.what, start..after + run));
                }
                search = after;
            }
        })
        .min_by_key(|(_, at)| at.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_their_documented_forms() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(kind(text), expect, "{text}");
        check("id AKIAIOSFODNN7EXAMPLE.", Some("an AWS access key id"));
        check(
            "-----BEGIN RSA PRIVATE KEY-----",
            Some("a private key or certificate"),
        );
        check("xoxb-123456-abc", Some("a Slack bot token"));
        check("xoxp-123456-abc", Some("a Slack user token"));
        check("AKIA", None);
        check("SLOVAKIAN0123456789ABCDEFG", None);
        check(
            "AKIA is a prefix, AKIAIOSFODNN7EXAMPLE a key",
            Some("an AWS access key id"),
        );
        check("postgres://app:hunter2@db/x", Some("a password in a URL"));
        check("https://example.com:8080/@x", None);
        check("https://git@example.com/x", None);
        check("https://app:$PASSWORD@db", None);
        check("xoxo", None);
        check("gps-ingestion-service", None);
    }

    #[test]
    fn blotting_keeps_every_offset() {
        let text = "ä: AKIAIOSFODNN7EXAMPLE, b: xoxb-123456\n";
        let shown = blotted(text);
        assert_eq!(shown, "ä: ********************, b: ***********\n");
        assert_eq!(shown.len(), text.len());
    }
}
