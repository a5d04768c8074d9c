//! What a YAML parser says, in words for people who write YAML twice a year.

use super::sink::{Sink, Span};
use super::tree;

/// Puts a parser's error into the sink.
pub(super) fn report(error: &serde_saphyr::Error, text: &str, sink: &Sink) {
    let error = error.without_snippet();
    let at = error.location().map_or(0..0, |l| tree::span(&l, text));
    if let Some(tab) = tab_in_indentation(text, at.start) {
        sink.error_help(
            &tab,
            "YAML allows no tab in indentation",
            "indent with spaces; most editors can convert tabs",
        );
        return;
    }
    let said = error.to_string();
    let said = said
        .rfind(" at line ")
        .map_or(said.as_str(), |end| &said[..end]);
    let (message, help) = explained(said);
    match help {
        Some(help) => sink.error_help(&at, message, help),
        None => sink.error(&at, message),
    }
}

/// The parser's message, made plainer where we know it, and what to do.
fn explained(said: &str) -> (String, Option<&'static str>) {
    let known: &[(&str, &str, Option<&str>)] = &[
        (
            "multiple YAML documents",
            "a second document starts here, but a file holds one",
            Some("remove the `---`, or move what follows into a file of its own"),
        ),
        (
            "unknown anchor",
            "no anchor of this name comes before this alias",
            Some("an alias `*name` repeats what `&name` marked further up"),
        ),
        (
            "illegal placement of ':'",
            "a bracket that was opened above is not closed",
            None,
        ),
        (
            "did not find expected '-' indicator",
            "the indentation does not match any line above",
            Some("items of one list start in the same column, and so do the keys of one mapping"),
        ),
        (
            "mapping values are not allowed",
            "a second `: ` in one line",
            Some("put the text in quotes, or write it on the lines below after `|`"),
        ),
        (
            "did not find expected key",
            "the indentation does not match any line above",
            Some("keys of one mapping start in the same column"),
        ),
        (
            "invalid indentation in multiline quoted scalar",
            "a quote that was opened above is not closed",
            None,
        ),
        (
            "null into string",
            "a key must be text",
            Some("put it in quotes"),
        ),
        (
            "expected string scalar",
            "a key must be text",
            Some("a value that starts with `{`, `[`, `*` or `&` needs quotes"),
        ),
        (
            "weak recursion types",
            "this alias repeats the value that it stands in, without end",
            None,
        ),
        (
            "unexpected character",
            "a value cannot start with this character",
            Some("put the value in quotes"),
        ),
    ];
    known
        .iter()
        .find(|(pattern, _, _)| said.contains(pattern))
        .map_or_else(
            || (format!("this is not YAML: {said}"), None),
            |(_, message, help)| ((*message).to_owned(), *help),
        )
}

/// The first tab in the indentation of the line at `near`, or of the one after
/// it (a parser often notices at the end of the line before).
fn tab_in_indentation(text: &str, near: usize) -> Option<Span> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..blank].find('\t')
            && end >= near
            && !line.trim().is_empty()
        {
            return Some(start + tab..start + tab + 1);
        }
        if start > near {
            return None;
        }
        start = end;
    }
    None
}
