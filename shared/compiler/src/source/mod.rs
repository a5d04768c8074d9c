//! The definition language, version 1: YAML in, a checked
//! [`Definition`] out, or everything that is wrong with it at once.
//!
//! `language` describes the language as data. `tree` keeps places, `fields` and
//! `values` read; `pipeline`, `triggers`, `environment`, `stages` and their
//! neighbours know what the words mean, and `matrix` fills in. `routes` says which
//! stages each trigger runs, `check` what must hold between all of it, and `lower`
//! writes out what short forms mean.

mod approval;
mod artifact;
mod build;
mod by_hand;
mod check;
mod codedeploy;
mod directory;
mod environment;
mod fields;
mod gates;
mod language;
mod lower;
mod matrix;
mod notify;
mod pipeline;
mod route;
mod routes;
mod secrets;
mod settings;
mod sink;
mod stage;
mod stages;
mod strategy;
mod syntax;
mod time;
mod tree;
mod triggers;
mod values;
mod watch;

pub use language::{reference, schema};

use crate::compile;
use crate::diagnostic::{Diagnostics, Level};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::{Definition, Seconds};
use gatewright_domain::text::spoken;
use sink::{Marked, Sink};

/// A definition that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The definition, every default filled in.
    pub definition: Definition,
    /// What somebody should look at; empty most of the time.
    pub warnings: Diagnostics,
}

/// Reads a pipeline's definition. `file_name` is only shown. With a `directory`,
/// groups are looked up and quorums are checked against their members.
///
/// # Errors
/// Everything that is wrong with the file, warnings included, in its order. Only
/// text that is not YAML at all, or another version of the language, is reported
/// by itself.
pub fn read(
    file_name: &str,
    text: &str,
    directory: Option<&Directory>,
) -> Result<Read, Diagnostics> {
    let sink = Sink::default();
    let definition = tree::parse(text, &sink).and_then(|root| {
        let raw = pipeline::read(&root, &sink)?;
        let routes = routes::routes(&raw, &sink);
        check::check(&raw, &routes, directory, &sink);
        let mut definition = lower::lower(&raw, &routes)?;
        check::check_lowered(&raw, &routes, &definition, &sink);
        let start = || Marked::new(enough(&definition), &(0..0));
        let budget = raw.budget.clone().unwrap_or_else(start);
        definition.budget = budget.value;
        check_budget(&definition, &budget, &sink);
        Some(definition)
    });
    let found = sink.into_diagnostics(file_name, text);
    let refused = found.0.iter().any(|d| d.level == Level::Error);
    match definition {
        Some(definition) if !refused => Ok(Read {
            definition,
            warnings: found,
        }),
        _ => Err(found),
    }
}

/// Reads the directory of approvers.
///
/// # Errors
/// Everything that is wrong with the file, in its order.
pub fn read_directory(file_name: &str, text: &str) -> Result<Directory, Diagnostics> {
    let sink = Sink::default();
    let directory = tree::parse(text, &sink).and_then(|root| directory::read(&root, &sink));
    let found = sink.into_diagnostics(file_name, text);
    match directory {
        Some(directory) if found.0.is_empty() => Ok(directory),
        _ => Err(found),
    }
}

/// The budget becomes the state machine's own time limit, which ends an
/// execution without passing Finish. So it must be more than all waits together:
/// then every wait ends by its own limit first, and the release ends as it
/// should.
fn check_budget(definition: &Definition, budget: &Marked<Seconds>, sink: &Sink) {
    let needed = compile::longest(definition);
    if i64::from(budget.value.0) > needed {
        return;
    }
    sink.error_help(
        &budget.at,
        format!(
            "the budget of {} is less than the {} that the stages may take one after the other",
            spoken(budget.value.get()),
            spoken(needed)
        ),
        format!(
            "every build with its queueing and retries, every approval, the waiting before each deploy: `budget: {}d` is enough, and so is none at all",
            whole_days(needed)
        ),
    );
}

/// The budget of a definition that says none: the usual one, or as many whole days
/// as all of its waits need.
fn enough(definition: &Definition) -> Seconds {
    let days = whole_days(compile::longest(definition));
    let needed = u32::try_from(days * 86_400).unwrap_or(u32::MAX);
    definition.budget.max(Seconds(needed)).min(Seconds::YEAR)
}

/// More whole days than these seconds are.
fn whole_days(seconds: i64) -> i64 {
    seconds / 86_400 + 1
}
