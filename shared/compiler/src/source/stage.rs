//! One stage of a definition, as written.

use super::approval::{self, RawApproval};
use super::build::{self, RawBuild};
use super::fields::{self, Fields};
use super::language;
use super::pipeline::described;
use super::settings::{self, Settings};
use super::sink::{Marked, Sink, Span};
use super::tree::Node;
use super::values;
use gatewright_domain::ids::StageName;
use gatewright_domain::pipeline::Migration;

/// A stage as written: what could be read of it, with places. A matrix has one
/// for each of its legs.
#[derive(Debug)]
pub(crate) struct RawStage {
    /// Where to report what concerns the stage as a whole: its name.
    pub(crate) at: Span,
    pub(crate) name: Option<StageName>,
    /// The written stage that it is a leg of.
    pub(crate) of: Option<StageName>,
    pub(crate) description: String,
    /// The triggers that run it, by kind or name; all when it says none.
    pub(crate) on: Option<Vec<Marked<String>>>,
    pub(crate) environment: Option<Marked<String>>,
    pub(crate) settings: Settings,
    pub(crate) build: RawBuild,
    pub(crate) migration: Option<Marked<Migration>>,
    pub(crate) kind: Kind,
}

impl RawStage {
    /// What it is called in messages.
    pub(crate) fn title(&self) -> String {
        self.name.as_ref().map_or_else(
            || "an unnamed stage".to_owned(),
            |name| format!("{:?}", name.as_str()),
        )
    }

    /// A stage of which no more than the name could be read.
    pub(crate) fn unclear(at: &Span, name: Option<StageName>) -> Self {
        Self {
            at: at.clone(),
            name,
            of: None,
            description: String::new(),
            on: None,
            environment: None,
            settings: Settings::default(),
            build: RawBuild::default(),
            migration: None,
            kind: Kind::Unclear,
        }
    }

    /// The artifacts that it deploys, as far as they could be read.
    pub(crate) fn deploys(&self) -> &[Marked<String>] {
        match &self.kind {
            Kind::Deploy { artifacts } => artifacts,
            Kind::Build | Kind::Approval(_) | Kind::Unclear => &[],
        }
    }

    /// Whether it changes an environment.
    pub(crate) fn is_deploy(&self) -> bool {
        matches!(self.kind, Kind::Deploy { .. })
    }
}

/// What a stage does.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Run steps.
    Build,
    /// Deploy these artifacts; the environment is the stage's.
    Deploy { artifacts: Vec<Marked<String>> },
    /// Ask people.
    Approval(RawApproval),
    /// It does not say one thing; that is reported.
    Unclear,
}

/// What a stage in a group cannot do, and why.
const NOT_IN_A_GROUP: &[(&str, &str)] = &[
    (
        "deploy",
        "a deploy is alone in its environment; make it a stage of its own, after the group",
    ),
    (
        "approval",
        "people are asked one question at a time; make it a stage of its own",
    ),
    (
        "matrix",
        "make the matrix a stage of its own: its legs run side by side already",
    ),
    (
        "parallel",
        "put all stages that run side by side into one list",
    ),
    (
        "fail-fast",
        "say it beside `parallel`: it is about all stages of the group",
    ),
];

/// Reads a stage that is no group, as a leg of a matrix or as it is written.
pub(crate) fn read(node: &Node, leg: Option<&super::matrix::Leg>, sink: &Sink) -> Option<RawStage> {
    let of = Fields::of(node, &node.at, &language::STAGE, sink)?;
    let name = name(&of, sink);
    let at = name.as_ref().map_or(&node.at, |name| &name.at).clone();
    let written = name.and_then(|name| stage_name(&name, sink));
    let description = described(&of, sink);
    if let Some(description) = &description {
        values::inert(description, "a stage's description", sink);
    }
    let (kind, deploys_to) = kind(&of, &at, sink);
    let (name, of_stage) = match (leg, written) {
        (Some(leg), Some(written)) => (leg_name(&written, leg, &at, sink), Some(written)),
        (_, written) => (written, None),
    };
    Some(RawStage {
        name,
        of: of_stage,
        description: description.map_or_else(String::new, |d| d.value),
        on: on(&of, sink),
        environment: deploys_to.or_else(|| {
            of.get("environment")
                .and_then(|n| fields::text(n, "environment", sink))
        }),
        settings: settings::read(&of, sink),
        build: build::read(&of, sink),
        migration: migration(&of, sink),
        kind,
        at,
    })
}

/// What the stage makes of its environment's data.
fn migration(of: &Fields<'_>, sink: &Sink) -> Option<Marked<Migration>> {
    let node = of.get("migration")?;
    let said = fields::one_of(node, "migration", language::MIGRATIONS, sink)?;
    let kind = match said.value {
        "reversible" => Migration::Reversible,
        _ => Migration::ForwardOnly,
    };
    Some(Marked::new(kind, &said.at))
}

/// Reads a stage of a group.
pub(crate) fn member(node: &Node, sink: &Sink) -> Option<RawStage> {
    let of = Fields::of(node, &node.at, &language::STAGE, sink)?;
    let mut wrong = false;
    for (key, why) in NOT_IN_A_GROUP {
        if let Some((at, _)) = of.entry(key) {
            wrong = true;
            sink.error_help(
                at,
                format!("a stage in `parallel` is a build: it has no {key:?}"),
                *why,
            );
        }
    }
    if wrong {
        let name = name(&of, sink);
        let at = name.as_ref().map_or(&node.at, |name| &name.at).clone();
        let name = name.and_then(|name| stage_name(&name, sink));
        return Some(RawStage::unclear(&at, name));
    }
    read(node, None, sink)
}

/// The name as written, checked for what would be filled in.
pub(crate) fn name(of: &Fields<'_>, sink: &Sink) -> Option<Marked<String>> {
    let said = of
        .required("name")
        .and_then(|n| fields::text(n, "name", sink))?;
    values::inert(&said, "a stage's name", sink);
    Some(said)
}

/// The triggers that run it.
pub(crate) fn on(of: &Fields<'_>, sink: &Sink) -> Option<Vec<Marked<String>>> {
    let node = of.get("on")?;
    let on = fields::texts(node, "on", "a trigger", sink);
    if let super::tree::Value::List(items) = &node.value
        && items.is_empty()
    {
        sink.error_help(
            &node.at,
            "on is empty: nothing would ever run this stage",
            "name its triggers by kind or by name, or leave `on` out: then every trigger runs it",
        );
    }
    Some(on)
}

/// The most characters of a stage's name: Step Functions takes 80 for a state,
/// and the states around a stage have a suffix.
const LONGEST_NAME: usize = 60;

pub(crate) fn stage_name(said: &Marked<String>, sink: &Sink) -> Option<StageName> {
    let characters = said.value.chars().count();
    if characters > LONGEST_NAME {
        sink.error_help(
            &said.at,
            format!(
                "this stage's name has {characters} characters, at most {LONGEST_NAME} are allowed"
            ),
            "it becomes a state's name; what it is for can go into \"description\"",
        );
        return None;
    }
    Some(fields::parsed(said, sink)?.value)
}

/// The most characters of a state's name, less those of `: scan`.
const LONGEST_LEG: usize = 80 - 6;

fn leg_name(
    written: &StageName,
    leg: &super::matrix::Leg,
    at: &Span,
    sink: &Sink,
) -> Option<StageName> {
    let name = format!("{written} ({})", leg.label());
    let characters = name.chars().count();
    if characters > LONGEST_LEG {
        sink.error_help(
            at,
            format!(
                "a leg of this matrix is called {name:?}, {characters} characters, at most {LONGEST_LEG} are allowed"
            ),
            "shorten the stage's name or the values",
        );
        return None;
    }
    StageName::try_from(name).ok()
}

/// What the stage does and, for a deploy, where.
fn kind(of: &Fields<'_>, at: &Span, sink: &Sink) -> (Kind, Option<Marked<String>>) {
    let (steps, deploy, approval) = (of.get("steps"), of.entry("deploy"), of.entry("approval"));
    if let Some((at, _)) = of.entry("fail-fast")
        && of.get("matrix").is_none()
    {
        sink.error_help(
            at,
            "fail-fast means nothing here: this stage runs alone",
            "it says of a `matrix` or of stages in `parallel` whether the first failure stops the others",
        );
    }
    match (steps, deploy, approval) {
        (Some(_), None, None) => (Kind::Build, None),
        (_, Some((key, node)), None) => self::deploy(of, key, node, sink),
        (None, None, Some((key, node))) => {
            let kind = approval::read(of, key, node, sink).map_or(Kind::Unclear, Kind::Approval);
            (kind, None)
        }
        (None, None, None) if super::gates::bring_commands(of) => (Kind::Build, None),
        (None, None, None) => {
            sink.error_help(
                at,
                "this stage does nothing",
                "it runs \"steps\", deploys with \"deploy\" and \"steps\", or asks people with \"approval\"",
            );
            (Kind::Unclear, None)
        }
        (_, _, Some((key, _))) => {
            sink.error_help(
                key,
                "a stage that asks people does nothing else",
                "make the approval a stage of its own, before the stage that it allows",
            );
            (Kind::Unclear, None)
        }
    }
}

fn deploy(of: &Fields<'_>, key: &Span, node: &Node, sink: &Sink) -> (Kind, Option<Marked<String>>) {
    if of.get("steps").is_none() {
        sink.error(
            key,
            "a deploy needs \"steps\": the commands that do it and verify it",
        );
    }
    if let Some((at, _)) = of.entry("produces") {
        sink.error_help(
            at,
            "a deploy produces nothing: it deploys what was built, scanned and approved before",
            "produce it in a stage before this one",
        );
    }
    if let Some((at, _)) = of.entry("environment") {
        sink.error_help(
            at,
            "the environment of a deploy is named once, in \"deploy\"",
            "remove this line",
        );
    }
    let Some(deploy) = Fields::of(node, key, &language::DEPLOY, sink) else {
        return (Kind::Unclear, None);
    };
    let environment = deploy
        .required("environment")
        .and_then(|n| fields::text(n, "environment", sink));
    match artifacts(&deploy, sink) {
        Some(artifacts) if !artifacts.is_empty() => (Kind::Deploy { artifacts }, environment),
        _ => (Kind::Unclear, environment),
    }
}

fn artifacts(deploy: &Fields<'_>, sink: &Sink) -> Option<Vec<Marked<String>>> {
    match (deploy.get("artifact"), deploy.entry("artifacts")) {
        (Some(_), Some((at, _))) => {
            sink.error_help(
                at,
                "what is deployed is said twice",
                "keep \"artifact\" for one, \"artifacts\" for several",
            );
            None
        }
        (_, None) => {
            let one = deploy.required("artifact")?;
            Some(vec![fields::text(one, "artifact", sink)?])
        }
        (None, Some((at, node))) => {
            let all = fields::texts(node, "artifacts", "an artifact", sink);
            if all.is_empty() {
                sink.error(at, "artifacts is empty: nothing would be deployed");
            }
            for (index, artifact) in all.iter().enumerate() {
                if all[..index].iter().any(|a| a.value == artifact.value) {
                    sink.error(&artifact.at, format!("{:?} is here twice", artifact.value));
                }
            }
            Some(all)
        }
    }
}
