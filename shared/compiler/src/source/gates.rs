//! Gates and the reports that they judge.

use super::fields::{self, Fields};
use super::language::{self, Object};
use super::sink::{Marked, Sink};
use super::tree::{Node, Value};
use super::values;
use gatewright_domain::evidence::Severity;
use gatewright_domain::gate::{Gate, Leniency};
use gatewright_domain::ids::GroupName;
use gatewright_domain::pipeline::{Report, ReportFormat};
use gatewright_domain::text;

const KINDS: &[&str] = &[
    "steps",
    "tests",
    "coverage",
    "scan",
    "findings",
    "signature",
];

/// The gates of a stage. A stage that names none has the one that everybody
/// expects: its steps succeed.
pub(crate) fn read(of: &Fields<'_>, sink: &Sink) -> Vec<Marked<Gate>> {
    let Some(node) = of.get("gates") else {
        return vec![Marked::new(Gate::Steps, &of.at)];
    };
    let items = fields::list(node, "gates", sink).unwrap_or_default();
    let mut gates: Vec<Marked<Gate>> = Vec::new();
    for gate in items.iter().filter_map(|item| gate(item, sink)) {
        if gates.iter().any(|g| g.value == gate.value) {
            sink.error(&gate.at, "this gate is here twice");
        } else {
            gates.push(gate);
        }
    }
    gates
}

/// Whether one of a stage's gates brings a command of its own, so that there need
/// be no other steps.
pub(crate) fn bring_commands(of: &Fields<'_>) -> bool {
    let is_signature = |item: &Node| match &item.value {
        Value::Map(entries) => entries.iter().any(|(key, _)| key.value == "signature"),
        _ => false,
    };
    match of.get("gates").map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().any(is_signature),
        _ => false,
    }
}

fn gate(node: &Node, sink: &Sink) -> Option<Marked<Gate>> {
    if let Value::Text(word) = &node.value {
        if word == "steps" {
            return Some(Marked::new(Gate::Steps, &node.at));
        }
        let message = format!("{word:?} is not a gate");
        let help = match KINDS.iter().find(|kind| *kind == word) {
            Some(kind) => format!("a {kind} gate says of what: `{kind}: …`"),
            None => match text::nearest(word, KINDS.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("the gates are {}", KINDS.join(", ")),
            },
        };
        sink.error_help(&node.at, message, help);
        return None;
    }
    if let Value::Map(entries) = &node.value
        && let Some((key, _)) = entries.iter().find(|(key, _)| key.value == "steps")
    {
        sink.error_help(&key.at, "the steps gate has no settings", "write `- steps`");
        return None;
    }
    let of = Fields::of(node, &node.at, &language::GATE, sink)?;
    let mut kinds = of.keys().filter(|key| KINDS.contains(&key.value.as_str()));
    let (kind, another) = (kinds.next()?, kinds.next());
    if let Some(another) = another {
        sink.error_help(
            &another.at,
            "one gate judges one thing",
            "start another gate with `- `",
        );
        return None;
    }
    let (at, inner) = of.entry(&kind.value)?;
    let gate = match kind.value.as_str() {
        "tests" => Gate::Tests {
            report: fields::text(inner, "tests", sink)?.value,
        },
        "coverage" => coverage(inner, at, sink)?,
        "signature" => Gate::Signature {
            artifact: fields::text(inner, "signature", sink)?.value,
        },
        "scan" => {
            let (artifact, none_of, but) = forbids(inner, at, &language::SCAN, "artifact", sink)?;
            Gate::Scan {
                artifact,
                none_of,
                but,
            }
        }
        _ => {
            let (report, none_of, but) = forbids(inner, at, &language::FINDINGS, "report", sink)?;
            Gate::Findings {
                report,
                none_of,
                but,
            }
        }
    };
    Some(Marked::new(gate, at))
}

fn coverage(node: &Node, at: &super::sink::Span, sink: &Sink) -> Option<Gate> {
    let of = Fields::of(node, at, &language::COVERAGE, sink)?;
    let report = of
        .required("report")
        .and_then(|n| fields::text(n, "report", sink));
    let at_least = of
        .required("at-least")
        .and_then(|n| values::percent(n, "at-least", sink));
    Some(Gate::Coverage {
        report: report?.value,
        at_least: at_least?,
    })
}

/// What a scan gate and a findings gate have in common: of what, which
/// severities, and what may let them through.
fn forbids(
    node: &Node,
    at: &super::sink::Span,
    object: &'static Object,
    key: &str,
    sink: &Sink,
) -> Option<(String, Vec<Severity>, Leniency)> {
    let of = Fields::of(node, at, object, sink)?;
    let judged = of.required(key).and_then(|n| fields::text(n, key, sink));
    let but = leniency(&of, sink);
    let listed = fields::list(of.required("none-of")?, "none-of", sink)?;
    let none_of: Vec<Marked<Severity>> = listed
        .iter()
        .filter_map(|n| values::severity(n, sink))
        .collect();
    if listed.is_empty() {
        sink.error(
            at,
            "none-of is empty: the gate would let everything through",
        );
    }
    let mut severities: Vec<Severity> = Vec::new();
    for severity in &none_of {
        if severities.contains(&severity.value) {
            sink.error(&severity.at, format!("{} is here twice", severity.value));
        } else {
            severities.push(severity.value);
        }
    }
    // A scanner in the steps rates everything that it reports.
    if none_of.len() == listed.len() && key == "artifact" {
        warn_of_holes(&none_of, sink);
    }
    Some((judged?.value, severities, but?))
}

fn leniency(of: &Fields<'_>, sink: &Sink) -> Option<Leniency> {
    let known = of
        .get("only-new")
        .map_or(Some(false), |n| fields::flag(n, "only-new", sink));
    let mut but = Leniency {
        known: known?,
        ..Leniency::default()
    };
    let Some((at, node)) = of.entry("unless") else {
        return Some(but);
    };
    if matches!(node.value, Value::Map(_)) {
        let unless = Fields::of(node, at, &language::SIGN_OFF, sink)?;
        let group = fields::id::<GroupName>(unless.required("sign-off")?, "sign-off", sink)?;
        but.sign_off = Some(group.value);
    } else {
        let words = ["waiver"];
        fields::one_of(node, "unless", &words, sink)?;
        but.waiver = true;
    }
    Some(but)
}

/// A gate that forbids something and lets worse through is rarely meant.
fn warn_of_holes(none_of: &[Marked<Severity>], sink: &Sink) {
    let Some(mildest) = none_of.iter().min_by_key(|s| s.value) else {
        return;
    };
    let missing: Vec<&str> = language::SEVERITIES
        .iter()
        .map(|word| Severity::from_api(word))
        .filter(|s| *s > mildest.value && none_of.iter().all(|n| n.value != *s))
        .map(Severity::as_str)
        .collect();
    if !missing.is_empty() {
        sink.warn(
            &mildest.at,
            format!(
                "this gate forbids {} and lets {} through",
                mildest.value,
                missing.join(" and ")
            ),
            "what nobody has rated yet counts as worse than HIGH; list it too if that is not meant",
        );
    }
}

/// The reports of a stage.
pub(crate) fn reports(node: &Node, sink: &Sink) -> Vec<(Marked<String>, Option<Report>)> {
    fields::entries(node, "reports", sink)
        .unwrap_or_default()
        .iter()
        .map(|(name, node)| (name.clone(), report(name, node, sink)))
        .collect()
}

fn report(name: &Marked<String>, node: &Node, sink: &Sink) -> Option<Report> {
    let named = values::is_name(name, "a report", sink);
    let of = Fields::of(node, &name.at, &language::REPORT, sink)?;
    let format = of
        .required("format")
        .and_then(|n| fields::one_of(n, "a report's format", language::FORMATS, sink));
    let listed = fields::list(of.required("files")?, "files", sink)?;
    if listed.is_empty() {
        sink.error(
            &name.at,
            "files is empty: the report would always be missing",
        );
    }
    let files = listed
        .iter()
        .filter_map(|n| Some(values::path(n, "a report's file", sink)?.value))
        .collect();
    Some(Report {
        files,
        format: match format.filter(|_| named)?.value {
            "junit" => ReportFormat::Junit,
            "cobertura" => ReportFormat::Cobertura,
            _ => ReportFormat::Sarif,
        },
    })
}
