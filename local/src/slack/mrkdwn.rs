//! Slack's `mrkdwn`, as HTML and as a list of links.
//!
//! Follows *Formatting text for app surfaces*: `&`, `<` and `>` are escaped as
//! entities by the sender; `<…>` is a link or a mention; `*`, `_`, `~` and
//! backticks mark up. What is not well formed is shown as it was written.

use crate::config::SlackUser;

/// A piece of text, taken apart at its angle brackets.
enum Piece<'t> {
    Text(&'t str),
    Bracket(&'t str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let Some(length) = rest[start + 1..].find(['<', '>', '\n']) else {
            break;
        };
        let end = start + 1 + length;
        if rest.as_bytes()[end] == b'>' && length > 0 {
            pieces.push(Piece::Text(&rest[..start]));
            pieces.push(Piece::Bracket(&rest[start + 1..end]));
            rest = &rest[end + 1..];
        } else {
            pieces.push(Piece::Text(&rest[..end]));
            rest = &rest[end..];
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The web addresses a text links to, written as `<url>`, `<url|label>` or
/// plainly.
pub(crate) fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Bracket(inside) => found.extend(web_address(inside).map(|(url, _)| url)),
            Piece::Text(text) => found.extend(plain_links(text)),
        }
    }
    found
}

/// The web addresses in text without markup, such as an e-mail's.
pub(crate) fn plain_links(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || "<>\"'()".contains(c))
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .map(|word| unescape(word.trim_end_matches(['.', ',', ';', ':', '!', '?'])))
        .collect()
}

fn web_address(inside: &str) -> Option<(String, &str)> {
    let (url, label) = inside.split_once('|').unwrap_or((inside, inside));
    let known = ["http://", "https://", "mailto:"];
    (known.iter().any(|scheme| url.starts_with(scheme))).then(|| (unescape(url), label))
}

/// A `mrkdwn` text as HTML that is safe to put into a page.
pub(crate) fn to_html(text: &str, users: &[SlackUser]) -> String {
    let mut html = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => html.push_str(&marked_up(&escape(&unescape(text)))),
            Piece::Bracket(inside) => html.push_str(&bracket(inside, users)),
        }
    }
    html.replace('\n', "<br>")
}

/// Plain text as HTML that is safe to put into a page, its links working.
pub(crate) fn plain_to_html(text: &str) -> String {
    let mut html = escape(text);
    let mut links = plain_links(text);
    links.sort_unstable();
    links.dedup();
    for link in links {
        let link = escape(&link);
        html = html.replace(&link, &anchor(&link, &link));
    }
    html.replace('\n', "<br>")
}

fn anchor(url: &str, label: &str) -> String {
    format!(r#"<a href="{url}" target="_blank" rel="noreferrer">{label}</a>"#)
}

fn bracket(inside: &str, users: &[SlackUser]) -> String {
    if let Some((url, label)) = web_address(inside) {
        return anchor(&escape(&url), &escape(&unescape(label)));
    }
    let mention = |name: &str| format!(r#"<span class="mention">{}</span>"#, escape(name));
    let (target, label) = inside
        .split_once('|')
        .map_or((inside, None), |(t, l)| (t, Some(l)));
    if let Some(id) = target.strip_prefix('@') {
        let name = users
            .iter()
            .find(|user| user.id == id)
            .map_or(id, |user| &user.name);
        return mention(&format!("@{name}"));
    }
    if let Some(id) = target.strip_prefix('#') {
        return mention(&format!("#{}", label.unwrap_or(id)));
    }
    if let Some(special) = target.strip_prefix('!') {
        // A date shows its fallback text: the format is the reader's own.
        let shown = label.map_or_else(|| format!("@{special}"), str::to_owned);
        return mention(&shown);
    }
    escape(&format!("<{inside}>"))
}

/// Marks up already escaped text; code is left as it is inside.
fn marked_up(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 1 {
            html.push_str(&format!("<pre>{}</pre>", part.trim_matches('\n')));
            continue;
        }
        for (index, part) in part.split('`').enumerate() {
            if index % 2 == 1 {
                html.push_str(&format!("<code>{part}</code>"));
            } else {
                let bold = spans(part, '*', "strong");
                html.push_str(&spans(&spans(&bold, '_', "em"), '~', "s"));
            }
        }
    }
    html
}

/// Turns `*word*` into an element where the marks stand at word edges.
fn spans(text: &str, mark: char, element: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(mark) {
        let before_ok = rest[..start]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric());
        let after = &rest[start + 1..];
        let end = after.char_indices().find_map(|(at, c)| {
            let edge = after[at + c.len_utf8()..].chars().next();
            (c == mark && at > 0 && edge.is_none_or(|c| !c.is_alphanumeric())).then_some(at)
        });
        match end {
            Some(end) if before_ok && !after[..end].contains(['\n', '<']) => {
                html.push_str(&rest[..start]);
                html.push_str(&format!("<{element}>{}</{element}>", &after[..end]));
                rest = &after[end + 1..];
            }
            _ => {
                html.push_str(&rest[..=start]);
                rest = after;
            }
        }
    }
    html + rest
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_mentions_are_rendered_and_everything_else_is_text() {
        let users = [SlackUser {
            id: "U1".to_owned(),
            name: "Ada".to_owned(),
        }];
        let html = to_html(
            "Hi <@U1>: <https://x.test/?a=1&amp;b=2|look>, *2* &lt; 3",
            &users,
        );
        assert_eq!(
            html,
            "Hi <span class=\"mention\">@Ada</span>: \
             <a href=\"https://x.test/?a=1&amp;b=2\" target=\"_blank\" rel=\"noreferrer\">look</a>, \
             <strong>2</strong> &lt; 3"
        );
    }

    #[test]
    fn markup_never_becomes_active_html() {
        for hostile in [
            "<script>alert(1)</script>",
            "<javascript:alert(1)|x>",
            "a < b & c",
        ] {
            let html = to_html(hostile, &[]);
            assert!(
                !html.contains("<script") && !html.contains("href"),
                "{html}"
            );
        }
        let quoted = to_html("<https://x.test/\" onmouseover=\"x|y>", &[]);
        assert!(!quoted.contains("\" onmouseover"), "{quoted}");
    }

    #[test]
    fn links_are_found_with_their_real_address() {
        let text = "see <https://a.test/x?y=1&amp;z=2|here> and http://b.test/q.";
        assert_eq!(links(text), ["https://a.test/x?y=1&z=2", "http://b.test/q"]);
    }
}
