//! What people do in an environment by hand, as written.

use super::fields::{self, Fields};
use super::settings::refuse_secret;
use super::sink::{Marked, Sink};
use super::tree::{Node, Value};
use indexmap::IndexMap;

/// The longest title that stays a heading on a terminal.
const TITLE_MOST: usize = 80;

/// Reads `manual` of an environment.
pub(super) fn read(of: &Fields<'_>, sink: &Sink) -> IndexMap<String, Vec<String>> {
    let Some(node) = of.get("manual") else {
        return IndexMap::new();
    };
    let entries = fields::entries(node, "manual", sink).unwrap_or_default();
    if entries.is_empty() && matches!(node.value, Value::Map(_)) {
        sink.error_help(
            &node.at,
            "manual is empty: nobody would know what to do by hand",
            "name what people do and its commands, or leave `manual` out",
        );
    }
    let procedures = entries.iter().map(|(title, node)| {
        check_title(title, sink);
        let commands = commands(of, title, node, sink);
        (title.value.clone(), commands)
    });
    procedures.collect()
}

fn check_title(title: &Marked<String>, sink: &Sink) {
    let text = title.value.as_str();
    let one_line = !text.chars().any(char::is_control);
    if text.trim().is_empty() || !one_line || text.chars().count() > TITLE_MOST {
        sink.error_help(
            &title.at,
            format!("a title of manual is one line of 1 to {TITLE_MOST} characters"),
            "say what the commands are for, such as \"Scale to zero\"",
        );
    }
}

fn commands(of: &Fields<'_>, title: &Marked<String>, node: &Node, sink: &Sink) -> Vec<String> {
    let what = format!("{:?} of manual", title.value);
    let items = fields::list(node, &what, sink).unwrap_or_default();
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        sink.error(
            &node.at,
            format!("{what} is empty: name its commands, or leave it out"),
        );
    }
    let read = items.iter().filter_map(|item| {
        let command = fields::text(item, &format!("a command of {what}"), sink)?;
        refuse_secret(&command, sink);
        filled_in(of, &command, sink);
        Some(command.value.trim_end().to_owned())
    });
    read.collect()
}

/// What a command says of the environment must be said by the environment: on the
/// day when somebody needs it, an empty `--namespace` means another one.
fn filled_in(of: &Fields<'_>, command: &Marked<String>, sink: &Sink) {
    let known = [
        ("CLUSTER", "cluster"),
        ("NAMESPACE", "namespace"),
        ("DEPLOY_ROLE", "role"),
        ("ENVIRONMENT_URL", "url"),
    ];
    for (variable, key) in known {
        if of.get(key).is_none() && uses(&command.value, variable) {
            sink.error_help(
                &command.at,
                format!("nothing sets ${variable} here: the environment has no {key:?}"),
                format!("add `{key}:` to the environment, or write it into the command"),
            );
        }
    }
}

/// Whether a command reads `$NAME` or `${NAME}`.
fn uses(command: &str, variable: &str) -> bool {
    let mut rest = command;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('{').unwrap_or(rest);
        let ends =
            |after: &str| !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if name.strip_prefix(variable).is_some_and(ends) {
            return true;
        }
    }
    false
}
