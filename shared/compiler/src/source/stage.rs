//! One stage of a definition, as written.

use super::fields::{self, Fields};
use super::gates;
use super::pipeline::described;
use super::settings::{self, Settings, refuse_secret};
use super::sink::{Marked, Sink, Span};
use super::tree::{Node, Value};
use super::values;
use gatewright_domain::gate::Gate;
use gatewright_domain::ids::{GroupName, StageName};
use gatewright_domain::pipeline::{Report, Seconds, Step};
use gatewright_domain::text;

/// A stage as written: what could be read of it, with places.
#[derive(Debug)]
pub(crate) struct RawStage {
    /// Where to report what concerns the stage as a whole: its name.
    pub(crate) at: Span,
    pub(crate) name: Option<StageName>,
    pub(crate) description: String,
    pub(crate) environment: Option<Marked<String>>,
    pub(crate) settings: Settings,
    pub(crate) install: Vec<String>,
    pub(crate) steps: Vec<Step>,
    /// Names as written; the report where it could be read.
    pub(crate) reports: Vec<(Marked<String>, Option<Report>)>,
    pub(crate) produces: Option<Marked<String>>,
    pub(crate) gates: Vec<Marked<Gate>>,
    pub(crate) kind: Kind,
}

/// What a stage does.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Run steps.
    Build,
    /// Deploy this artifact; the environment is the stage's.
    Deploy { artifact: Option<Marked<String>> },
    /// Ask people.
    Approval(RawApproval),
    /// It does not say one thing; that is reported.
    Unclear,
}

/// So many people of a group.
pub(crate) type Line = (Marked<GroupName>, u32);

/// An approval as written.
#[derive(Debug)]
pub(crate) struct RawApproval {
    /// The lines of the quorum, at the place of all of it.
    pub(crate) quorum: Marked<Vec<Line>>,
    pub(crate) checklist: Vec<String>,
    pub(crate) expires: Seconds,
    pub(crate) remind: Seconds,
}

/// What only stages with a build have.
const BUILD_KEYS: &[&str] = &["install", "steps", "reports", "produces", "gates"];
const KEYS: &[&str] = &[
    "name",
    "description",
    "environment",
    "deploy",
    "approval",
    "install",
    "steps",
    "reports",
    "produces",
    "gates",
    "project",
    "image",
    "compute",
    "timeout",
    "retries",
    "runtimes",
    "env",
];

/// Nobody should have to answer on a Sunday; after three days the question is
/// stale.
const EXPIRES: Seconds = Seconds(3 * 86_400);
/// Half a working day.
const REMIND: Seconds = Seconds(4 * 3_600);

/// Reads one item of `stages`.
pub(crate) fn read(node: &Node, sink: &Sink) -> Option<RawStage> {
    let of = Fields::of(node, &node.at, "a stage", KEYS, sink)?;
    let said = of
        .required("name")
        .and_then(|n| fields::text(n, "name", sink));
    let at = said.as_ref().map_or(&node.at, |name| &name.at).clone();
    if let Some(name) = &said {
        values::inert(name, "a stage's name", sink);
    }
    let description = described(&of, sink);
    if let Some(description) = &description {
        values::inert(description, "a stage's description", sink);
    }
    let (kind, deploys_to) = kind(&of, &at, sink);
    let texts = |key: &'static str, item| {
        let said = of
            .get(key)
            .map(|n| fields::texts(n, key, item, sink))
            .unwrap_or_default();
        said.iter().for_each(|text| refuse_secret(text, sink));
        said.into_iter().map(|text| text.value).collect()
    };
    Some(RawStage {
        name: said.and_then(|name| stage_name(&name, sink)),
        description: description.map_or_else(String::new, |d| d.value),
        environment: deploys_to.or_else(|| {
            of.get("environment")
                .and_then(|n| fields::text(n, "environment", sink))
        }),
        settings: settings::read(&of, sink),
        install: texts("install", "a command of install"),
        steps: of.get("steps").map(|n| steps(n, sink)).unwrap_or_default(),
        reports: of
            .get("reports")
            .map(|n| gates::reports(n, sink))
            .unwrap_or_default(),
        produces: of
            .get("produces")
            .and_then(|n| fields::text(n, "produces", sink)),
        gates: gates::read(&of, sink),
        kind,
        at,
    })
}

/// The most characters of a stage's name: Step Functions takes 80 for a state,
/// and the states around a stage have a suffix.
const LONGEST_NAME: usize = 60;

fn stage_name(said: &Marked<String>, sink: &Sink) -> Option<StageName> {
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

/// What the stage does and, for a deploy, where.
fn kind(of: &Fields<'_>, at: &Span, sink: &Sink) -> (Kind, Option<Marked<String>>) {
    let (steps, deploy, approval) = (of.get("steps"), of.entry("deploy"), of.entry("approval"));
    match (steps, deploy, approval) {
        (Some(_), None, None) => (Kind::Build, None),
        (_, Some((key, node)), None) => self::deploy(of, key, node, sink),
        (None, None, Some((key, node))) => {
            let kind = self::approval(of, key, node, sink).map_or(Kind::Unclear, Kind::Approval);
            (kind, None)
        }
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
    let Some(deploy) = Fields::of(node, key, "a deploy", &["artifact", "environment"], sink) else {
        return (Kind::Unclear, None);
    };
    let say = |key| {
        deploy
            .required(key)
            .and_then(|n| fields::text(n, key, sink))
    };
    let (artifact, environment) = (say("artifact"), say("environment"));
    (Kind::Deploy { artifact }, environment)
}

fn approval(of: &Fields<'_>, key: &Span, node: &Node, sink: &Sink) -> Option<RawApproval> {
    for name in of.keys() {
        let word = name.value.as_str();
        if BUILD_KEYS.contains(&word) || settings::KEYS.contains(&word) {
            sink.error(
                &name.at,
                format!("{word:?} means nothing here: a stage that asks people runs no build"),
            );
        }
    }
    if of.get("environment").is_none() {
        sink.error_help(
            key,
            "an approval needs an \"environment\": what it lets the release change",
            "add it to the stage, beside \"approval\"",
        );
    }
    const KEYS: &[&str] = &["quorum", "checklist", "expires", "remind"];
    let approval = Fields::of(node, key, "an approval", KEYS, sink)?;
    let lasts = |key: &'static str, default| {
        approval.get(key).map_or(Some(default), |n| {
            Some(values::duration(n, key, sink)?.value)
        })
    };
    let (expires, remind) = (lasts("expires", EXPIRES), lasts("remind", REMIND));
    let checklist = approval
        .get("checklist")
        .map(|n| fields::texts(n, "checklist", "a point of the checklist", sink));
    let quorum = quorum(&approval, sink)?;
    if let (Some((at, _)), Some(expires), Some(remind)) =
        (approval.entry("remind"), expires, remind)
        && remind >= expires
    {
        sink.warn(
            at,
            "nobody is reminded: the request expires before",
            "remind earlier than it expires",
        );
    }
    Some(RawApproval {
        quorum,
        checklist: checklist
            .unwrap_or_default()
            .into_iter()
            .map(|c| c.value)
            .collect(),
        expires: expires?,
        remind: remind?,
    })
}

fn quorum(approval: &Fields<'_>, sink: &Sink) -> Option<Marked<Vec<Line>>> {
    approval.required("quorum")?;
    let (at, node) = approval.entry("quorum")?;
    let items = fields::list(node, "quorum", sink)?;
    if items.is_empty() {
        sink.error_help(
            at,
            "the quorum is empty: nobody would have to agree",
            "name who must: `quorum: [{ group: NAME, count: 1 }]`",
        );
    }
    let lines = items.iter().filter_map(|item| {
        let line = Fields::of(
            item,
            &item.at,
            "a line of a quorum",
            &["group", "count"],
            sink,
        )?;
        let group = line
            .required("group")
            .and_then(|n| fields::id(n, "group", sink));
        let count = line
            .get("count")
            .map_or(Some(1), |n| fields::count(n, "count", 1..=50, sink));
        Some((group?, count?))
    });
    Some(Marked::new(lines.collect(), at))
}

fn steps(node: &Node, sink: &Sink) -> Vec<Step> {
    let items = fields::list(node, "steps", sink).unwrap_or_default();
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        sink.error(
            &node.at,
            "steps is empty: a stage that runs nothing would always pass",
        );
    }
    items.iter().filter_map(|item| step(item, sink)).collect()
}

/// A step: its command alone, or a name and a command.
fn step(node: &Node, sink: &Sink) -> Option<Step> {
    if !matches!(node.value, Value::Map(_)) {
        let run = fields::text(node, "a step", sink)?;
        refuse_secret(&run, sink);
        let name = text::shortened(run.value.trim().lines().next().unwrap_or_default(), 80);
        return Some(Step {
            name,
            run: run.value,
        });
    }
    let of = Fields::of(node, &node.at, "a step", &["name", "run"], sink)?;
    let name = of
        .required("name")
        .and_then(|n| fields::text(n, "name", sink));
    let run = of
        .required("run")
        .and_then(|n| fields::text(n, "run", sink));
    if let Some(run) = &run {
        refuse_secret(run, sink);
    }
    if let Some(name) = name
        .as_ref()
        .filter(|n| n.value.chars().any(char::is_control))
    {
        sink.error(&name.at, "a step's name is one line of text");
    }
    Some(Step {
        name: name?.value,
        run: run?.value,
    })
}
