//! What a build needs to run, as said by a stage or, for all of them, by
//! `defaults`.

use super::fields::{self, Fields};
use super::language;
use super::secrets;
use super::sink::{Marked, Sink, Span};
use super::tree::{Node, Value};
use super::values;
use gatewright_domain::pipeline::{Seconds, Variable};
use indexmap::IndexMap;

/// The settings that `defaults` and stages share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) project: Option<Marked<String>>,
    pub(crate) image: Option<String>,
    pub(crate) compute: Option<&'static str>,
    pub(crate) timeout: Option<Seconds>,
    pub(crate) retries: Option<u32>,
    pub(crate) runtimes: IndexMap<String, String>,
    pub(crate) env: Vec<(Marked<String>, Variable)>,
    pub(crate) cache: Vec<String>,
    pub(crate) install: Vec<String>,
}

/// CodeBuild's compute types for Linux containers, in the order of our shorter
/// names.
const COMPUTE: &[&str] = &[
    "BUILD_GENERAL1_SMALL",
    "BUILD_GENERAL1_MEDIUM",
    "BUILD_GENERAL1_LARGE",
    "BUILD_GENERAL1_XLARGE",
    "BUILD_GENERAL1_2XLARGE",
];

/// Reads `defaults`.
pub(crate) fn defaults(node: &Node, at: &Span, sink: &Sink) -> Settings {
    Fields::of(node, at, &language::DEFAULTS, sink)
        .map_or_else(Settings::default, |of| read(&of, sink))
}

/// Reads the settings among the keys of a stage.
pub(crate) fn read(of: &Fields<'_>, sink: &Sink) -> Settings {
    let retries = of.get("retries");
    Settings {
        project: of.get("project").and_then(|n| project(n, sink)),
        image: of.get("image").and_then(|n| one_word(n, "image", sink)),
        compute: of.get("compute").and_then(|n| compute(n, sink)),
        timeout: of
            .get("timeout")
            .and_then(|n| values::build_timeout(n, sink))
            .map(|limit| limit.value),
        retries: retries.and_then(|n| fields::count(n, "retries", 0..=5, sink)),
        runtimes: of
            .get("runtimes")
            .map(|n| runtimes(n, sink))
            .unwrap_or_default(),
        env: of
            .get("env")
            .map(|n| variables(n, sink))
            .unwrap_or_default(),
        cache: commands(of, "cache", "a pattern of cache", sink),
        install: commands(of, "install", "a command of install", sink),
    }
}

/// A list of text, none of which holds a credential.
fn commands(of: &Fields<'_>, key: &'static str, item: &str, sink: &Sink) -> Vec<String> {
    let said = of
        .get(key)
        .map(|n| fields::texts(n, key, item, sink))
        .unwrap_or_default();
    said.iter().for_each(|text| refuse_secret(text, sink));
    said.into_iter().map(|text| text.value).collect()
}

fn compute(node: &Node, sink: &Sink) -> Option<&'static str> {
    let word = fields::one_of(node, "compute", language::COMPUTE, sink)?;
    let at = language::COMPUTE.iter().position(|w| *w == word.value)?;
    COMPUTE.get(at).copied()
}

fn project(node: &Node, sink: &Sink) -> Option<Marked<String>> {
    let said = fields::text(node, "project", sink)?;
    // CodeBuild API, CreateProject: the pattern of a project's name.
    let valid = (2..=150).contains(&said.value.len())
        && said.value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && said
            .value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !valid {
        let message = format!("{:?} is not the name of a CodeBuild project", said.value);
        sink.error_help(&said.at, message, "2 to 150 letters, digits, '-' or '_'");
    }
    valid.then_some(said)
}

/// An image's name.
pub(crate) fn one_word(node: &Node, what: &str, sink: &Sink) -> Option<String> {
    let said = fields::text(node, what, sink)?;
    if said.value.contains(char::is_whitespace) {
        sink.error(&said.at, "a build image is named in one word");
        return None;
    }
    Some(said.value)
}

fn runtimes(node: &Node, sink: &Sink) -> IndexMap<String, String> {
    fields::entries(node, "runtimes", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|(language, version)| {
            let version = fields::as_written(version, "a runtime's version", sink)?;
            Some((language.value.clone(), version.value))
        })
        .collect()
}

fn variables(node: &Node, sink: &Sink) -> Vec<(Marked<String>, Variable)> {
    fields::entries(node, "env", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|(name, node)| {
            variable_name(name, sink);
            Some((name.clone(), variable(name, node, sink)?))
        })
        .collect()
}

/// Whether `name` can name a variable of a build; reported where it cannot.
pub(crate) fn variable_name(name: &Marked<String>, sink: &Sink) -> bool {
    let word = name.value.as_str();
    let valid = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !valid {
        sink.error(
            &name.at,
            format!("{word:?} is not a variable's name: letters, digits and '_', not starting with a digit"),
        );
    } else if word.starts_with("CODEBUILD_") {
        sink.error(
            &name.at,
            format!("{word} is CodeBuild's own: it reserves CODEBUILD_"),
        );
        return false;
    }
    valid
}

fn variable(name: &Marked<String>, node: &Node, sink: &Sink) -> Option<Variable> {
    if matches!(node.value, Value::Map(_)) {
        return reference(name, node, sink);
    }
    let said = fields::as_written(node, "a variable", sink)?;
    refuse_secret(&said, sink);
    if ["PASSWORD", "SECRET", "TOKEN"]
        .iter()
        .any(|word| name.value.to_uppercase().ends_with(word))
    {
        sink.warn(
            &said.at,
            format!(
                "{} sounds like a secret, and everybody who reads this file reads it",
                name.value
            ),
            format!(
                "if it is one: `{}: {{ secret: ID }}`, from Secrets Manager",
                name.value
            ),
        );
    }
    Some(Variable::Plain { value: said.value })
}

fn reference(name: &Marked<String>, node: &Node, sink: &Sink) -> Option<Variable> {
    let of = Fields::of(node, &name.at, &language::VARIABLE, sink)?;
    let say = |key| {
        of.get(key)
            .and_then(|n| fields::text(n, key, sink))
            .map(|t| t.value)
    };
    match (of.get("secret"), of.get("parameter")) {
        (Some(_), None) => say("secret").map(|id| Variable::Secret { id }),
        (None, Some(_)) => say("parameter").map(|name| Variable::Parameter { name }),
        (None, None) | (Some(_), Some(_)) => {
            sink.error(
                &name.at,
                "a variable is text, or comes from one place: `{ secret: ID }` or `{ parameter: NAME }`",
            );
            None
        }
    }
}

/// Refuses text that looks like a credential, without repeating it.
pub(crate) fn refuse_secret(said: &Marked<String>, sink: &Sink) {
    if let Some(what) = secrets::kind(&said.value) {
        sink.error_help(
            &said.at,
            format!("this looks like {what}, and a definition is no place for one"),
            "put it into Secrets Manager and refer to it: `NAME: { secret: ID }`; then replace it, because it was written down here",
        );
    }
}
