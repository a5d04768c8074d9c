//! The top of a definition: everything but its stages.

use super::fields::{self, Fields};
use super::secrets;
use super::settings::{self, Settings};
use super::sink::{Marked, Sink};
use super::stage::{self, RawStage};
use super::tree::{Node, Value};
use super::values;
use gatewright_domain::ids::{EnvironmentName, PipelineId};
use gatewright_domain::pipeline::{
    Artifact, Environment, Event, Form, Notify, Seconds, Source, Strategy, Undo, Versioning,
};

/// An environment under its checked name.
pub(crate) type NamedEnvironment = (EnvironmentName, Environment);

/// A definition as written: what could be read of it, with places.
#[derive(Debug)]
pub(crate) struct RawPipeline {
    pub(crate) id: Option<PipelineId>,
    pub(crate) name: Option<String>,
    pub(crate) description: String,
    pub(crate) region: Option<String>,
    pub(crate) source: Option<Source>,
    pub(crate) triggers: Vec<Event>,
    /// Names as written; the artifact where it could be read.
    pub(crate) artifacts: Vec<(Marked<String>, Option<Artifact>)>,
    /// Names as written; the environment where it could be read.
    pub(crate) environments: Vec<(Marked<String>, Option<NamedEnvironment>)>,
    pub(crate) defaults: Settings,
    pub(crate) stages: Vec<RawStage>,
    pub(crate) notify: Notify,
    pub(crate) budget: Marked<Seconds>,
}

const KEYS: &[&str] = &[
    "language",
    "id",
    "name",
    "description",
    "region",
    "source",
    "on",
    "artifacts",
    "environments",
    "defaults",
    "stages",
    "notify",
    "budget",
];

/// The language that this compiler reads.
const LANGUAGE: &str = "1";

/// A release may take a week unless its definition says otherwise.
const BUDGET: Seconds = Seconds(7 * 86_400);

/// After two hours without a sign of life a lock counts as abandoned: longer
/// than any deploy should take, shorter than a night.
const LEASE: Seconds = Seconds(2 * 3_600);

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
    let top = Fields::of(root, &start, "a pipeline", KEYS, sink)?;
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
        triggers: triggers(&top, sink),
        artifacts: named(&top, "artifacts", sink, |key, node| {
            artifact(key, node, sink)
        }),
        environments: named(&top, "environments", sink, |key, node| {
            environment(key, node, sink)
        }),
        defaults: top
            .entry("defaults")
            .map(|(at, node)| settings::defaults(node, at, sink))
            .unwrap_or_default(),
        stages: stages(&top, sink),
        notify: notify(&top, sink),
        budget: top
            .get("budget")
            .and_then(|node| values::duration(node, "budget", sink))
            .unwrap_or_else(|| Marked::new(BUDGET, &start)),
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

fn region(node: &Node, sink: &Sink) -> Option<String> {
    let said = fields::text(node, "region", sink)?;
    let parts: Vec<&str> = said.value.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    let valid = matches!(parts.as_slice(), [area @ .., number]
        if area.len() >= 2 && area.iter().all(letters) && number.parse::<u8>().is_ok());
    if !valid {
        let message = format!("{:?} is not an AWS region", said.value);
        sink.error_help(&said.at, message, "a region looks like ap-south-1");
        return None;
    }
    Some(said.value)
}

fn source(node: &Node, at: &super::sink::Span, sink: &Sink) -> Option<Source> {
    let of = Fields::of(node, at, "a source", &["repository", "path"], sink)?;
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

fn triggers(top: &Fields<'_>, sink: &Sink) -> Vec<Event> {
    const HELP: &str = "say for instance `on: {push: {branches: [main]}}` or `on: {manual: true}`";
    let Some((at, node)) = top.entry("on") else {
        sink.error_help(
            &top.at,
            "nothing starts this pipeline: it needs \"on\"",
            HELP,
        );
        return Vec::new();
    };
    let Some(on) = Fields::of(node, at, "on", &["push", "tag", "manual"], sink) else {
        return Vec::new();
    };
    let patterns = |kind: &str, key: &'static str, what: &'static str| -> Option<Vec<String>> {
        let (at, node) = on.entry(kind)?;
        let known = [key];
        let of = Fields::of(node, at, what, &known, sink)?;
        let node = of.required(key)?;
        let items = fields::list(node, key, sink)?;
        if items.is_empty() {
            sink.error(
                &node.at,
                format!("{key} is empty: {what} trigger must match something"),
            );
        }
        Some(
            items
                .iter()
                .filter_map(|item| values::pattern(item, sink))
                .collect(),
        )
    };
    let mut triggers = Vec::new();
    if let Some(branches) = patterns("push", "branches", "a push") {
        triggers.push(Event::Push { branches });
    }
    if let Some(patterns) = patterns("tag", "patterns", "a tag") {
        triggers.push(Event::Tag { patterns });
    }
    if on
        .get("manual")
        .and_then(|n| fields::flag(n, "manual", sink))
        == Some(true)
    {
        triggers.push(Event::Manual { environment: None });
    }
    let tried = ["push", "tag"].iter().any(|kind| on.get(kind).is_some());
    if triggers.is_empty() && !tried {
        sink.error_help(at, "nothing starts this pipeline", HELP);
    }
    triggers
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

fn artifact(key: &Marked<String>, node: &Node, sink: &Sink) -> Option<Artifact> {
    let named = values::is_name(key, "an artifact", sink);
    let of = Fields::of(
        node,
        &key.at,
        "an artifact",
        &["type", "repository", "keep"],
        sink,
    )?;
    let kind = of
        .required("type")
        .and_then(|n| fields::one_of(n, "an artifact's type", &["image"], sink));
    let keep = of
        .get("keep")
        .map_or(Some(20), |n| fields::count(n, "keep", 1..=10_000, sink));
    let repository = fields::text(of.required("repository")?, "repository", sink)?;
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
    kind.filter(|_| named)?;
    Some(Artifact {
        form: Form::Image {
            repository: repository.value,
        },
        version: Versioning::Commit,
        keep: keep?,
        from: None,
    })
}

fn environment(key: &Marked<String>, node: &Node, sink: &Sink) -> Option<NamedEnvironment> {
    const KEYS: &[&str] = &["cluster", "namespace", "protected", "lease"];
    let name = fields::parsed::<EnvironmentName>(key, sink);
    let of = Fields::of(node, &key.at, "an environment", KEYS, sink)?;
    let say = |key| of.required(key).and_then(|n| fields::text(n, key, sink));
    let (cluster, namespace) = (say("cluster"), say("namespace"));
    let protected = of.get("protected").map_or_else(
        || Some(sounds_like_production(&key.value)),
        |node| fields::flag(node, "protected", sink),
    );
    let lease = of.get("lease").map_or(Some(LEASE), |n| {
        Some(values::duration(n, "lease", sink)?.value)
    });
    Some((
        name?.value,
        Environment {
            description: String::new(),
            cluster: Some(cluster?.value),
            namespace: Some(namespace?.value),
            role: None,
            url: None,
            data: None,
            access: Vec::new(),
            protected: protected?,
            lease: lease?,
            strategy: Strategy::default(),
            rollback: Undo::default(),
            windows: Vec::new(),
            soak: None,
        },
    ))
}

/// Whether a name means production. `pre-production` does too: somebody who
/// means otherwise says `protected: false`.
fn sounds_like_production(name: &str) -> bool {
    name.split('-')
        .any(|part| ["prod", "production", "prd", "live"].contains(&part))
}

fn stages(top: &Fields<'_>, sink: &Sink) -> Vec<RawStage> {
    let Some(node) = top.required("stages") else {
        return Vec::new();
    };
    let Some(items) = fields::list(node, "stages", sink) else {
        return Vec::new();
    };
    if items.is_empty() {
        sink.error(&node.at, "a pipeline needs at least one stage");
    }
    items
        .iter()
        .filter_map(|item| stage::read(item, sink))
        .collect()
}

fn notify(top: &Fields<'_>, sink: &Sink) -> Notify {
    let slack = top.entry("notify").and_then(|(at, node)| {
        let of = Fields::of(node, at, "notify", &["slack"], sink)?;
        let channel = fields::text(of.get("slack")?, "slack", sink)?;
        if !channel.value.starts_with('#') || channel.value.contains(char::is_whitespace) {
            sink.error_help(
                &channel.at,
                format!("{:?} is not a Slack channel", channel.value),
                "write its name with the #, in quotes: \"#releases\"",
            );
        }
        Some(channel.value)
    });
    Notify {
        slack,
        routes: Vec::new(),
    }
}
