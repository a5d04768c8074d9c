//! The scalars of the definition language: durations, percentages, patterns,
//! paths. Each reader refuses what would fail, or mean nothing, later.

use super::fields::{self, text};
use super::language::SEVERITIES;
use super::sink::{Marked, Sink};
use super::tree::{Node, Value};
use gatewright_domain::evidence::{Percent, Severity};
use gatewright_domain::pipeline::Seconds;
use gatewright_domain::text::duration as written;

/// The shortest and the longest build that CodeBuild allows, in seconds
/// (CodeBuild quotas: "Build timeout", 5 minutes to 36 hours).
const BUILD_TIMEOUT: std::ops::RangeInclusive<u32> = 300..=129_600;

/// `node` as a duration such as `90s`, `10m`, `4h` or `3d`.
pub(crate) fn duration(node: &Node, what: &str, sink: &Sink) -> Option<Marked<Seconds>> {
    let read = perhaps_none(node, what, sink)?;
    if read.value == Seconds(0) {
        let message = format!("{what} must be more than nothing and at most a year");
        sink.error(&read.at, message);
        return None;
    }
    Some(read)
}

/// `node` as a duration that may be `0s`.
pub(crate) fn perhaps_none(node: &Node, what: &str, sink: &Sink) -> Option<Marked<Seconds>> {
    const UNITS: &str = "write a number and its unit: 90s, 10m, 4h or 3d";
    if let Value::Number(digits) = &node.value {
        let message = format!("{what}: {digits} of what?");
        sink.error_help(&node.at, message, UNITS);
        return None;
    }
    let said = text(node, what, sink)?;
    let Some(read) = written(&said.value) else {
        let message = format!("{what}: {:?} is not a duration", said.value);
        sink.error_help(&said.at, message, UNITS);
        return None;
    };
    let seconds = u32::try_from(read).ok().map(Seconds);
    let seconds = seconds.filter(|s| *s <= Seconds::YEAR);
    if seconds.is_none() {
        let message = format!("{what} must be more than nothing and at most a year");
        sink.error(&said.at, message);
    }
    Some(Marked::new(seconds?, &said.at))
}

/// `node` as the time limit of a build.
pub(crate) fn build_timeout(node: &Node, sink: &Sink) -> Option<Marked<Seconds>> {
    let limit = duration(node, "timeout", sink)?;
    if !BUILD_TIMEOUT.contains(&limit.value.0) {
        let help = if limit.value < Seconds(*BUILD_TIMEOUT.start()) {
            "write 5m: a build that needs less still ends as soon as it is done"
        } else {
            "split the stage"
        };
        let message = "CodeBuild takes time limits from 5 minutes to 36 hours";
        sink.error_help(&limit.at, message, help);
        return None;
    }
    if limit.value.0 % 60 != 0 {
        let help = format!("write {}m", limit.value.0 / 60 + 1);
        let message = "CodeBuild counts a time limit in whole minutes";
        sink.error_help(&limit.at, message, help);
        return None;
    }
    Some(limit)
}

/// `node` as a percentage that a measurement must reach.
pub(crate) fn percent(node: &Node, what: &str, sink: &Sink) -> Option<Percent> {
    let Value::Number(digits) = &node.value else {
        fields::wrong(node, what, "a number such as 80 or 87.5, without %", sink);
        return None;
    };
    let decimals = digits.split_once('.').map_or(0, |(_, d)| d.len());
    let percent = digits
        .parse()
        .ok()
        .and_then(Percent::from_f64)
        .filter(|p| *p > Percent(0) && decimals <= 2);
    if percent.is_none() {
        sink.error(
            &node.at,
            format!(
                "{what} must be more than 0, at most 100, and have at most two decimals, not {digits}"
            ),
        );
    }
    percent
}

/// `node` as a severity: one of the API's words, without the one that stands for
/// words nobody knows, which always denies.
pub(crate) fn severity(node: &Node, sink: &Sink) -> Option<Marked<Severity>> {
    let word = fields::one_of(node, "a severity", SEVERITIES, sink)?;
    Some(word.map(Severity::from_api))
}

/// `node` as a pattern for the names of branches or tags.
pub(crate) fn pattern(node: &Node, sink: &Sink) -> Option<String> {
    let said = text(node, "a pattern", sink)?;
    let pattern = said.value.as_str();
    if let Some(name) = ["refs/heads/", "refs/tags/"]
        .iter()
        .find_map(|prefix| pattern.strip_prefix(prefix))
    {
        sink.error_help(
            &said.at,
            "a pattern is matched against the name alone, without refs/",
            format!("write {name:?}"),
        );
        return None;
    }
    // What no ref can contain (git-check-ref-format) can never match.
    let never = |c: char| c.is_control() || c.is_whitespace() || "~^:[]\\{}()|+$".contains(c);
    let impossible = pattern
        .chars()
        .find(|c| never(*c))
        .map(|c| c.to_string())
        .or_else(|| {
            ["..", "@{", "//"]
                .iter()
                .find(|s| pattern.contains(**s))
                .map(|s| (*s).to_owned())
        })
        .or_else(|| {
            pattern
                .starts_with('/')
                .then(|| "/ at its start".to_owned())
        });
    if let Some(culprit) = impossible {
        sink.error_help(
            &said.at,
            format!("the pattern {pattern:?} can match nothing: no ref contains {culprit}"),
            "a pattern is a name in which * stands for any text and ? for one character",
        );
        return None;
    }
    Some(said.value)
}

/// `node` as a path inside the source: relative, without `..`.
pub(crate) fn path(node: &Node, what: &str, sink: &Sink) -> Option<Marked<String>> {
    let said = text(node, what, sink)?;
    let wrong = if said.value.starts_with('/') {
        Some("start at the source's own folder, not at /")
    } else if said.value.split('/').any(|part| part == "..") {
        Some("stay inside the source: no ..")
    } else if said.value.contains('\\') {
        Some("separate folders with /")
    } else if said.value.chars().any(char::is_control) {
        Some("be one line of text")
    } else if said.value.len() > 1 && (said.value.ends_with('/') || said.value.starts_with("./")) {
        Some("be written without ./ at its start or / at its end")
    } else {
        None
    };
    if let Some(rule) = wrong {
        sink.error(&said.at, format!("{what} must {rule}"));
        return None;
    }
    Some(said)
}

/// `said` as a name of the author's choosing, used in records and report groups.
pub(crate) fn is_name(said: &Marked<String>, what: &str, sink: &Sink) -> bool {
    let valid = (1..=60).contains(&said.value.len())
        && said.value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && said
            .value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !valid {
        sink.error(
            &said.at,
            format!(
                "{:?} is not {what}'s name: 1 to 60 letters, digits, '-' or '_', starting with a letter or digit",
                said.value
            ),
        );
    }
    valid
}

/// Refuses text that ends up in a state machine and would mean something there:
/// `${…}` is filled in by CloudFormation, `{%` starts a JSONata expression.
pub(crate) fn inert(said: &Marked<String>, what: &str, sink: &Sink) {
    for (mark, why) in [
        ("${", "CloudFormation would fill it in"),
        ("{%", "Step Functions would evaluate it"),
    ] {
        // An expression of a matrix's is reported as such.
        if said.value.contains(mark) && !said.value.contains("${{") {
            sink.error(&said.at, format!("{what} cannot contain {mark}: {why}"));
        }
    }
}
