//! What a build needs to run, as said by a stage or, for all of them, by
//! `defaults`.

use super::fields::{self, Fields};
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
    pub(crate) env: IndexMap<String, Variable>,
}

/// Their keys.
pub(crate) const KEYS: &[&str] = &[
    "project", "image", "compute", "timeout", "retries", "runtimes", "env",
];

/// CodeBuild's compute types for Linux containers, by our shorter names.
const COMPUTE: &[(&str, &str)] = &[
    ("small", "BUILD_GENERAL1_SMALL"),
    ("medium", "BUILD_GENERAL1_MEDIUM"),
    ("large", "BUILD_GENERAL1_LARGE"),
    ("xlarge", "BUILD_GENERAL1_XLARGE"),
    ("2xlarge", "BUILD_GENERAL1_2XLARGE"),
];

/// Variables that `start-build` sets for every build. CodeBuild prefers those to
/// a buildspec's, so a definition that set them would be silently ignored.
const TAKEN: &[&str] = &[
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "ECR_REGISTRY",
    "IMAGE_TAG",
    "IMAGE",
    "CLUSTER",
    "NAMESPACE",
];

/// Reads `defaults`.
pub(crate) fn defaults(node: &Node, at: &Span, sink: &Sink) -> Settings {
    Fields::of(node, at, "defaults", KEYS, sink)
        .map_or_else(Settings::default, |of| read(&of, sink))
}

/// Reads the settings among the keys of a stage.
pub(crate) fn read(of: &Fields<'_>, sink: &Sink) -> Settings {
    let compute: Vec<&str> = COMPUTE.iter().map(|(word, _)| *word).collect();
    let retries = of.get("retries");
    Settings {
        project: of.get("project").and_then(|n| project(n, sink)),
        image: of.get("image").and_then(|n| image(n, sink)),
        compute: of.get("compute").and_then(|n| {
            let word = fields::one_of(n, "compute", &compute, sink)?;
            COMPUTE
                .iter()
                .find(|(w, _)| *w == word.value)
                .map(|(_, theirs)| *theirs)
        }),
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
    }
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

fn image(node: &Node, sink: &Sink) -> Option<String> {
    let said = fields::text(node, "image", sink)?;
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

fn variables(node: &Node, sink: &Sink) -> IndexMap<String, Variable> {
    fields::entries(node, "env", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|(name, node)| {
            variable_name(name, sink);
            Some((name.value.clone(), variable(name, node, sink)?))
        })
        .collect()
}

fn variable_name(name: &Marked<String>, sink: &Sink) {
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
    } else if TAKEN.contains(&word) {
        sink.error_help(
            &name.at,
            format!("{word} is set by gatewright for every build"),
            "what is set here would be ignored; use another name",
        );
    }
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
    let of = Fields::of(node, &name.at, "a variable", &["secret", "parameter"], sink)?;
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
