//! `${{ matrix.x }}`: filled in in the text of a stage, once a leg, before the
//! stage is read. So every reader sees plain text, and every mistake is found
//! once, at its place.

use super::fields;
use super::sink::{Marked, Sink, Span};
use super::tree::{Node, Value};
use gatewright_domain::text::nearest;

/// The most legs of a matrix: as many builds would start at once.
const MOST_LEGS: usize = 50;

/// The keys of a stage whose text is filled in.
const FILLED: &[&str] = &[
    "description",
    "image",
    "runtimes",
    "services",
    "cache",
    "env",
    "install",
    "steps",
    "finally",
    "exports",
    "reports",
    "produces",
    "gates",
];

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// One combination of a matrix's values.
#[derive(Debug, Clone)]
pub(crate) struct Leg {
    /// Variables and values, in the order of the matrix.
    values: Vec<(String, String)>,
}

impl Leg {
    /// What tells the leg from the others.
    pub(crate) fn label(&self) -> String {
        let values: Vec<&str> = self.values.iter().map(|(_, v)| v.as_str()).collect();
        values.join(", ")
    }
}

/// The legs of a matrix, the last variable changing fastest.
pub(crate) fn legs(at: &Span, node: &Node, sink: &Sink) -> Option<Vec<Leg>> {
    let variables = fields::entries(node, "matrix", sink)?;
    if variables.is_empty() {
        sink.error(at, "the matrix is empty: it has no build at all");
        return None;
    }
    let mut legs = vec![Leg { values: Vec::new() }];
    let mut complete = true;
    for (name, node) in variables {
        let Some(values) = values_of(name, node, sink) else {
            complete = false;
            continue;
        };
        if legs.len() * values.len() > MOST_LEGS {
            sink.error_help(
                at,
                format!(
                    "the matrix has {} combinations or more, at most {MOST_LEGS} are allowed",
                    legs.len() * values.len()
                ),
                "each is a build of its own, and all start at once; split the stage",
            );
            return None;
        }
        legs = legs
            .iter()
            .flat_map(|leg| {
                values.iter().map(|value| {
                    let mut leg = leg.clone();
                    leg.values.push((name.value.clone(), value.clone()));
                    leg
                })
            })
            .collect();
    }
    complete.then_some(legs)
}

fn values_of(name: &Marked<String>, node: &Node, sink: &Sink) -> Option<Vec<String>> {
    if ["include", "exclude"].contains(&name.value.as_str())
        && !matches!(node.value, Value::Map(_))
        && has_mappings(node)
    {
        sink.error_help(
            &name.at,
            format!(
                "a matrix has no {:?}: every combination is built",
                name.value
            ),
            "make what differs a stage of its own",
        );
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.value.is_empty() || !name.value.chars().all(plain) {
        sink.error(
            &name.at,
            format!(
                "{:?} is not the name of a matrix's variable: letters, digits, '-' and '_'",
                name.value
            ),
        );
        return None;
    }
    let items = fields::list(node, &format!("the matrix's {}", name.value), sink)?;
    if items.is_empty() {
        sink.error(
            &name.at,
            format!(
                "{} has no values, so the matrix has no build at all",
                name.value
            ),
        );
        return None;
    }
    let mut values: Vec<String> = Vec::new();
    for item in items {
        let value = fields::as_written(item, "a value of a matrix", sink)?;
        if value.value.trim().is_empty() || value.value.chars().any(char::is_control) {
            sink.error(&value.at, "a value of a matrix is one line of text");
            return None;
        }
        for (mark, why) in [("${", "CloudFormation"), ("{%", "Step Functions")] {
            if value.value.contains(mark) {
                sink.error(
                    &value.at,
                    format!("a value of a matrix cannot contain {mark}: it is part of a state's name, and {why} would fill it in"),
                );
                return None;
            }
        }
        if values.contains(&value.value) {
            sink.error(&value.at, format!("{:?} is here twice", value.value));
            return None;
        }
        values.push(value.value);
    }
    Some(values)
}

fn has_mappings(node: &Node) -> bool {
    matches!(&node.value, Value::List(items) if items.iter().any(|i| matches!(i.value, Value::Map(_))))
}

/// The stage of one leg: its text filled in. `None` when something in it cannot
/// be; that is reported.
pub(crate) fn filled(stage: &Node, leg: &Leg, sink: &Sink) -> Option<Node> {
    let Value::Map(entries) = &stage.value else {
        return None;
    };
    let mut complete = true;
    let entries = entries
        .iter()
        .map(|(key, node)| {
            let node = if FILLED.contains(&key.value.as_str()) {
                fill(node, leg, &mut complete, sink)
            } else {
                complete &= plain(node, Where::NotFilled, sink);
                node.clone()
            };
            (key.clone(), node)
        })
        .collect();
    complete.then(|| Node {
        value: Value::Map(entries),
        at: stage.at.clone(),
    })
}

fn fill(node: &Node, leg: &Leg, complete: &mut bool, sink: &Sink) -> Node {
    let value = match &node.value {
        Value::Text(text) if text.contains(OPEN) => match fill_text(text, leg, &node.at, sink) {
            Some(filled) => Value::Text(filled),
            None => {
                *complete = false;
                Value::Null
            }
        },
        Value::List(items) => Value::List(
            items
                .iter()
                .map(|item| fill(item, leg, complete, sink))
                .collect(),
        ),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, node)| (key.clone(), fill(node, leg, complete, sink)))
                .collect(),
        ),
        value => value.clone(),
    };
    Node {
        value,
        at: node.at.clone(),
    }
}

fn fill_text(text: &str, leg: &Leg, at: &Span, sink: &Sink) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(open) = rest.find(OPEN) {
        filled.push_str(&rest[..open]);
        let Some(length) = rest[open..].find(CLOSE) else {
            sink.error(at, "a ${{ is not closed with }}");
            return None;
        };
        let expression = rest[open + OPEN.len()..open + length].trim();
        let Some(variable) = expression.strip_prefix("matrix.") else {
            explain(expression, Where::Filled, at, sink);
            return None;
        };
        let Some((_, value)) = leg.values.iter().find(|(name, _)| name == variable) else {
            let known: Vec<&str> = leg.values.iter().map(|(name, _)| name.as_str()).collect();
            let help = match nearest(variable, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known: {}", known.join(", ")),
            };
            sink.error_help(at, format!("the matrix has no variable {variable:?}"), help);
            return None;
        };
        filled.push_str(value);
        rest = &rest[open + length + CLOSE.len()..];
    }
    filled.push_str(rest);
    Some(filled)
}

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// In a text that a matrix fills in.
    Filled,
    /// In a stage with a matrix, in a text that is not filled in.
    NotFilled,
    /// In a stage without a matrix.
    NoMatrix,
    /// Outside the stages.
    Outside,
}

/// Whether nothing in `node` wants to be filled in; reported where it does.
pub(crate) fn plain(node: &Node, place: Where, sink: &Sink) -> bool {
    match &node.value {
        Value::Text(text) => {
            let Some(open) = text.find(OPEN) else {
                return true;
            };
            let rest = &text[open + OPEN.len()..];
            let expression = rest.split(CLOSE).next().unwrap_or(rest).trim();
            explain(expression, place, &node.at, sink);
            false
        }
        // All of it is looked at, so that all mistakes are reported.
        Value::List(items) => {
            let wrong = items.iter().filter(|item| !plain(item, place, sink));
            wrong.count() == 0
        }
        Value::Map(entries) => {
            let values = entries.iter().map(|(_, node)| node);
            let wrong = values.filter(|node| !plain(node, place, sink));
            wrong.count() == 0
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

fn explain(expression: &str, place: Where, at: &Span, sink: &Sink) {
    let said = format!("${{{{ {expression} }}}}");
    if expression.starts_with("matrix.") {
        let (message, help) = match place {
            Where::NoMatrix => (
                format!("{said}: this stage has no matrix"),
                "add one to the stage: `matrix: { service: [a, b] }`",
            ),
            Where::Outside => (
                format!("{said} stands outside a stage with a matrix"),
                "only text in a stage with a `matrix` is filled in",
            ),
            Where::NotFilled | Where::Filled => (
                format!("{said} is not filled in here"),
                "it is in commands, env, runtimes, images, reports, gates, exports and produces",
            ),
        };
        sink.error_help(at, message, help);
        return;
    }
    sink.error_help(
        at,
        format!("{said} is not known: only matrix variables are filled in"),
        instead_of(expression),
    );
}

/// What to write instead of an expression of GitHub's.
fn instead_of(expression: &str) -> String {
    let variable = match expression {
        "github.sha" => Some("$COMMIT_SHA"),
        "github.ref" => Some("$REF"),
        "github.ref_name" | "github.head_ref" => Some("$BRANCH_OR_TAG"),
        "github.run_id" | "github.run_number" => Some("$GATEWRIGHT_RELEASE"),
        "github.workspace" => Some("$CODEBUILD_SRC_DIR"),
        _ => None,
    };
    if let Some(variable) = variable {
        return format!("the build has it as {variable}");
    }
    let word = |rest: &str| -> String {
        let valid = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        rest.chars().take_while(valid).collect()
    };
    if let Some(name) = expression.strip_prefix("secrets.").map(word) {
        return format!("name the secret in env, `{name}: {{ secret: ID }}`, and use ${name}");
    }
    if let Some(name) = expression.strip_prefix("vars.").map(word) {
        return format!(
            "name the parameter in env, `{name}: {{ parameter: NAME }}`, and use ${name}"
        );
    }
    if let Some(name) = expression.strip_prefix("env.").map(word) {
        return format!("use the variable itself: ${name}");
    }
    if ["steps.", "needs.", "jobs."]
        .iter()
        .any(|p| expression.starts_with(p))
    {
        return "let the earlier stage export a variable: `exports: [NAME]`, and use $NAME"
            .to_owned();
    }
    "steps use the build's variables, such as $COMMIT_SHA and $BRANCH_OR_TAG; to run a stage only on some triggers, use `on`".to_owned()
}
