//! Artifacts, as written.

use super::fields::{self, Fields};
use super::language;
use super::sink::{Marked, Sink};
use super::tree::Node;
use super::values;
use gatewright_domain::pipeline::{Artifact, Form, From, Versioning};

/// Reads one entry of `artifacts`.
pub(crate) fn read(key: &Marked<String>, node: &Node, sink: &Sink) -> Option<Artifact> {
    let named = values::is_name(key, "an artifact", sink);
    let of = Fields::of(node, &key.at, &language::ARTIFACT, sink)?;
    let kind = of
        .required("type")
        .and_then(|n| fields::one_of(n, "an artifact's type", language::ARTIFACT_TYPES, sink));
    let keep = keep(&of, kind.as_ref().map(|kind| kind.value), sink);
    let version = of.get("version").map_or(Some(Versioning::Commit), |n| {
        let word = fields::one_of(n, "version", language::VERSIONS, sink)?;
        Some(match word.value {
            "semver" => Versioning::Semver,
            _ => Versioning::Commit,
        })
    });
    let from = of.entry("from").map(|(at, node)| {
        let of = Fields::of(node, at, &language::FROM, sink)?;
        let pipeline = of
            .required("pipeline")
            .and_then(|n| fields::id(n, "pipeline", sink));
        let artifact = of
            .required("artifact")
            .and_then(|n| fields::text(n, "artifact", sink));
        Some(From {
            pipeline: pipeline?.value,
            artifact: artifact?.value,
        })
    });
    let signed = signed(&of, kind.as_ref().map(|kind| kind.value), sink);
    // Without a type it cannot be said which keys are missing.
    let form = match kind {
        Some(kind) => form(&of, kind.value, sink),
        None => None,
    };
    let from = match from {
        Some(from) => Some(from?),
        None => None,
    };
    form.filter(|_| named).and_then(|form| {
        Some(Artifact {
            form,
            version: version?,
            keep: keep?,
            from,
            signed: signed?,
        })
    })
}

/// How many images a repository keeps; nothing else is counted.
fn keep(of: &Fields<'_>, kind: Option<&str>, sink: &Sink) -> Option<u32> {
    let Some((at, node)) = of.entry("keep") else {
        return Some(20);
    };
    let keep = fields::count(node, "keep", 1..=10_000, sink)?;
    match kind {
        Some(kind) if kind != "image" => {
            sink.error_help(
                at,
                format!(
                    "an artifact of type {kind} is not counted: all of them are kept, so keep means nothing"
                ),
                "remove this line; it says how many images an ECR repository keeps",
            );
            None
        }
        Some(_) | None => Some(keep),
    }
}

/// Whether it is signed; that is said of images only.
fn signed(of: &Fields<'_>, kind: Option<&str>, sink: &Sink) -> Option<bool> {
    let Some((at, node)) = of.entry("signed") else {
        return Some(false);
    };
    let signed = fields::flag(node, "signed", sink)?;
    match kind {
        Some(kind) if signed && kind != "image" => {
            sink.error_help(
                at,
                format!("an artifact of type {kind} is not signed: notation verifies images only"),
                "remove this line; what is deployed is checked against its SHA-256 anyway",
            );
            None
        }
        Some(_) | None => Some(signed),
    }
}

fn form(of: &Fields<'_>, kind: &str, sink: &Sink) -> Option<Form> {
    let (needs, others) = match kind {
        "image" => ("repository", ["path", "paths"]),
        "files" => ("paths", ["repository", "path"]),
        _ => ("path", ["repository", "paths"]),
    };
    for other in others {
        if let Some((at, _)) = of.entry(other) {
            sink.error_help(
                at,
                format!("an artifact of type {kind} has no {other:?}"),
                format!("where it is found is said by {needs:?}"),
            );
        }
    }
    let node = of.required(needs)?;
    match kind {
        "image" => repository(node, sink).map(|repository| Form::Image { repository }),
        "files" => paths(node, sink).map(|paths| Form::Files { paths }),
        _ => {
            let path = values::path(node, "path", sink)?.value;
            Some(match kind {
                "plan" => Form::Plan { path },
                _ => Form::Archive { path },
            })
        }
    }
}

fn paths(node: &Node, sink: &Sink) -> Option<Vec<String>> {
    let items = fields::list(node, "paths", sink)?;
    if items.is_empty() {
        sink.error(&node.at, "paths is empty: the artifact would be empty too");
        return None;
    }
    items
        .iter()
        .map(|n| values::path(n, "a path", sink).map(|path| path.value))
        .collect()
}

fn repository(node: &Node, sink: &Sink) -> Option<String> {
    let repository = fields::text(node, "repository", sink)?;
    // Amazon ECR API, CreateRepository: the pattern of repositoryName.
    let part = |part: &str| {
        part.split(['.', '_', '-']).all(|word| {
            !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
    };
    if !(2..=256).contains(&repository.value.len()) || !repository.value.split('/').all(part) {
        sink.error_help(
            &repository.at,
            format!("{:?} is not the name of an ECR repository", repository.value),
            "lower-case letters and digits, with single '-', '_', '.' or '/' between; no registry, no tag",
        );
        return None;
    }
    Some(repository.value)
}
