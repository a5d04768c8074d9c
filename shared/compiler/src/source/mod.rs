//! The definition language, version 1: YAML in, a checked
//! [`Definition`] out, or everything that is wrong with it at once.
//!
//! `tree` keeps places, `fields` and `values` read, `pipeline`, `stage`,
//! `settings` and `gates` know the language's words, `check` and `quorum` what
//! must hold between them, `lower` fills in the defaults.

mod check;
mod directory;
mod fields;
mod gates;
mod lower;
mod pipeline;
mod quorum;
mod secrets;
mod settings;
mod sink;
mod stage;
mod syntax;
mod tree;
mod values;

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
        check::check(&raw, &sink);
        quorum::check(&raw, directory, &sink);
        let budget = raw.budget.clone();
        let definition = lower::lower(raw)?;
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
    let days = needed / 86_400 + 1;
    sink.error_help(
        &budget.at,
        format!(
            "the budget of {} is less than the {} that the stages may take one after the other",
            spoken(budget.value.get()),
            spoken(needed)
        ),
        format!(
            "every build with its queueing and retries, every approval, a day of waiting before each deploy: `budget: {days}d` is enough"
        ),
    );
}
