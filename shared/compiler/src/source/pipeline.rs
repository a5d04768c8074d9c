//! The top of a definition: everything but its stages.

use super::artifact;
use super::environment::{self, RawEnvironment};
use super::fields::{self, Fields};
use super::language;
use super::matrix::{self, Where};
use super::notify;
use super::secrets;
use super::settings::{self, Settings};
use super::sink::{Marked, Sink};
use super::stages::{self, RawStages};
use super::tree::{Node, Value};
use super::triggers::{self, RawTriggers};
use super::values;
use gatewright_domain::ids::PipelineId;
use gatewright_domain::pipeline::{Artifact, Feature, Notify, Seconds, Source, Target};
use gatewright_domain::text::nearest;
use indexmap::IndexMap;

/// A definition as written: what could be read of it, with places.
#[derive(Debug)]
pub(crate) struct RawPipeline {
    pub(crate) id: Option<PipelineId>,
    pub(crate) name: Option<String>,
    pub(crate) description: String,
    pub(crate) region: Option<String>,
    pub(crate) source: Option<Source>,
    pub(crate) on: RawTriggers,
    /// Names as written; the artifact where it could be read.
    pub(crate) artifacts: Vec<(Marked<String>, Option<Artifact>)>,
    /// Names as written; the environment where it could be read.
    pub(crate) environments: Vec<(Marked<String>, Option<RawEnvironment>)>,
    pub(crate) defaults: Settings,
    pub(crate) stages: RawStages,
    pub(crate) downstream: Vec<Marked<PipelineId>>,
    pub(crate) notify: Notify,
    pub(crate) targets: IndexMap<String, Target>,
    pub(crate) accepts: Vec<Marked<Feature>>,
    pub(crate) budget: Option<Marked<Seconds>>,
}

impl RawPipeline {
    /// The environment of that name, where it could be read.
    pub(crate) fn environment(&self, name: &str) -> Option<&RawEnvironment> {
        self.environments
            .iter()
            .find(|(n, _)| n.value == name)
            .and_then(|(_, environment)| environment.as_ref())
    }

    /// The artifact of that name, where it could be read.
    pub(crate) fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts
            .iter()
            .find(|(n, _)| n.value == name)
            .and_then(|(_, artifact)| artifact.as_ref())
    }

    /// The names of its environments.
    pub(crate) fn environment_names(&self) -> Vec<&str> {
        self.environments
            .iter()
            .map(|(n, _)| n.value.as_str())
            .collect()
    }

    /// The names of its artifacts.
    pub(crate) fn artifact_names(&self) -> Vec<&str> {
        self.artifacts
            .iter()
            .map(|(n, _)| n.value.as_str())
            .collect()
    }
}

/// The language that this compiler reads.
const LANGUAGE: &str = "1";

/// Reads the root of a definition.
pub(crate) fn read(root: &Node, sink: &Sink) -> Option<RawPipeline> {
    let start = root.at.start..root.at.start;
    if root.value == Value::Null {
        sink.error_help(
            &(0..0),
            "the file is empty",
            "a pipeline has at least language, id, name, region, source, on and stages",
        );
        return None;
    }
    if !speaks_our_language(root, sink) {
        return None;
    }
    let top = Fields::of(root, &start, &language::PIPELINE, sink)?;
    outside_the_stages(root, sink);
    let say = |key| {
        top.required(key)
            .and_then(|node| fields::text(node, key, sink))
    };
    let name = say("name");
    if let Some(name) = &name {
        values::inert(name, "a pipeline's name", sink);
    }
    Some(RawPipeline {
        id: top
            .required("id")
            .and_then(|n| fields::id(n, "id", sink))
            .map(|id| id.value),
        name: name.map(|name| name.value),
        description: described(&top, sink).map_or_else(String::new, |d| d.value),
        region: top.required("region").and_then(|n| region(n, sink)),
        source: top.entry("source").map_or_else(
            || {
                top.required("source");
                None
            },
            |(at, node)| source(node, at, sink),
        ),
        on: triggers::read(&top, sink),
        artifacts: named(&top, "artifacts", sink, |key, node| {
            artifact::read(key, node, sink)
        }),
        environments: named(&top, "environments", sink, |key, node| {
            environment::read(key, node, sink)
        }),
        defaults: top
            .entry("defaults")
            .map(|(at, node)| settings::defaults(node, at, sink))
            .unwrap_or_default(),
        stages: stages::read(&top, sink),
        downstream: notify::downstream(&top, sink),
        notify: notify::notify(&top, sink),
        targets: notify::targets(&top, sink),
        accepts: notify::accepts(&top, sink),
        budget: top
            .get("budget")
            .and_then(|node| values::duration(node, "budget", sink)),
    })
}

/// A definition in another version of the language is not read any further:
/// whatever else we would say of it could be wrong.
fn speaks_our_language(root: &Node, sink: &Sink) -> bool {
    let Value::Map(entries) = &root.value else {
        return true;
    };
    let Some((_, said)) = entries.iter().find(|(key, _)| key.value == "language") else {
        sink.error_help(
            &(root.at.start..root.at.start),
            "a pipeline needs \"language\": which version of this language it is written in",
            "start the file with `language: 1`",
        );
        return true;
    };
    match &said.value {
        Value::Number(version) if version == LANGUAGE => true,
        Value::Number(version) => {
            sink.error_help(
                &said.at,
                format!("language {version} is not known to this version of gatewright"),
                "language 1 is; a newer language needs a newer gatewright",
            );
            false
        }
        _ => {
            fields::wrong(said, "language", "the number 1", sink);
            false
        }
    }
}

/// The description, if there is one.
pub(super) fn described(of: &Fields<'_>, sink: &Sink) -> Option<Marked<String>> {
    of.get("description")
        .and_then(|node| fields::text(node, "description", sink))
}

/// The regions that AWS is known to have.
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

fn region(node: &Node, sink: &Sink) -> Option<String> {
    let said = fields::text(node, "region", sink)?;
    if REGIONS.contains(&said.value.as_str()) {
        return Some(said.value);
    }
    let near = nearest(&said.value, REGIONS.iter().copied());
    let help = match near {
        Some(near) => format!("did you mean {near}?"),
        None => "a region looks like ap-south-1".to_owned(),
    };
    let parts: Vec<&str> = said.value.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    let formed = matches!(parts.as_slice(), [area @ .., number]
        if area.len() >= 2 && area.iter().all(letters) && number.parse::<u8>().is_ok());
    if !formed {
        let message = format!("{:?} is not an AWS region", said.value);
        sink.error_help(&said.at, message, help);
        return None;
    }
    // AWS opens new ones.
    let message = format!("AWS is not known to have the region {:?}", said.value);
    sink.warn(&said.at, message, help);
    Some(said.value)
}

fn source(node: &Node, at: &super::sink::Span, sink: &Sink) -> Option<Source> {
    let of = Fields::of(node, at, &language::SOURCE, sink)?;
    let path = of.get("path").map_or_else(
        || Some(".".to_owned()),
        |n| Some(values::path(n, "path", sink)?.value),
    );
    let said = fields::text(of.required("repository")?, "repository", sink)?;
    if secrets::kind(&said.value).is_some() {
        sink.error_help(
            &said.at,
            "a repository's URL must not carry a password",
            "CodeBuild has its own connection to the source",
        );
        return None;
    }
    Some(Source {
        repository: said.value,
        path: path?,
    })
}

/// A mapping from names to things of one kind.
fn named<T>(
    top: &Fields<'_>,
    key: &str,
    sink: &Sink,
    read: impl Fn(&Marked<String>, &Node) -> Option<T>,
) -> Vec<(Marked<String>, Option<T>)> {
    top.get(key)
        .and_then(|node| fields::entries(node, key, sink))
        .unwrap_or_default()
        .iter()
        .map(|(key, node)| (key.clone(), read(key, node)))
        .collect()
}

/// Only stages with a matrix are filled in.
fn outside_the_stages(root: &Node, sink: &Sink) {
    if let Value::Map(entries) = &root.value {
        for (_, node) in entries.iter().filter(|(key, _)| key.value != "stages") {
            matrix::plain(node, Where::Outside, sink);
        }
    }
}
