//! What differs between two definitions, in words, and what of it protects an
//! environment less.
//!
//! An environment that is protected before *and* still there afterwards is
//! weakened by a change after which something gets into it that did not before:
//! with fewer people, past fewer checks, at more times. Whether a change of a
//! stage matters is a question of routes: a stage guards an environment when a
//! release passes it on its way there ([`guards`]).

mod build;
mod environment;
mod gates;
mod guards;
mod people;
mod pipeline;
mod rename;
mod stage;
pub mod tell;
mod windows;

#[cfg(test)]
mod tests;

use gatewright_domain::EnvironmentName;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_views::text::line;
use guards::Guards;
use serde::Serialize;

/// Something that differs. Its JSON is described in `args::help`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: `stage Unit Tests`, `environment production`.
    pub place: String,
    /// What, in words.
    pub what: String,
    /// The protected environments that it weakens.
    pub weakens: Vec<String>,
}

/// Everything that differs, in the order of the definition. Who is who decides
/// whether other people than before can let a release through.
pub fn compare(before: &Definition, after: &Definition, directory: &Directory) -> Vec<Change> {
    let (before, renamed) = rename::aligned(before, after);
    let mut differ = Differ {
        guards: Guards::of(&before),
        before: &before,
        after,
        directory,
        changes: Vec::new(),
    };
    differ.pipeline();
    differ.artifacts();
    differ.environments();
    differ.triggers();
    for (old, new) in renamed {
        differ.say(&format!("stage {new}"), format!("was called {old}"));
    }
    differ.stages();
    if differ.changes.is_empty() && differ.before != after {
        let what = "differs in something that has no words here: compare the files";
        differ.say("pipeline", what.to_owned());
    }
    differ.changes
}

/// The environments that the changes weaken, each once.
pub fn weakened(changes: &[Change]) -> Vec<String> {
    let mut all: Vec<String> = changes.iter().flat_map(|c| c.weakens.clone()).collect();
    all.sort();
    all.dedup();
    all
}

/// Two definitions and what was found so far.
struct Differ<'a> {
    before: &'a Definition,
    after: &'a Definition,
    directory: &'a Directory,
    guards: Guards,
    changes: Vec<Change>,
}

impl Differ<'_> {
    /// Something that weakens nothing.
    fn say(&mut self, place: &str, what: String) {
        self.weaken(place, what, &[]);
    }

    /// Something that weakens these environments, if they count.
    fn weaken(&mut self, place: &str, what: String, environments: &[EnvironmentName]) {
        let counts = |name: &&EnvironmentName| {
            let before = self.before.environments.get(*name);
            before.is_some_and(|e| e.protected) && self.after.environments.contains_key(*name)
        };
        let mut weakens: Vec<String> = environments
            .iter()
            .filter(counts)
            .map(ToString::to_string)
            .collect();
        weakens.dedup();
        self.changes.push(Change {
            place: line(place),
            what: line(&what),
            weakens,
        });
    }

    /// That something is another now, if it is.
    fn changed<V: PartialEq>(
        &mut self,
        place: &str,
        (before, after): (&V, &V),
        what: impl Fn(&V, &V) -> String,
    ) {
        if before != after {
            self.say(place, what(before, after));
        }
    }
}

/// `the region is x instead of y`.
fn instead(what: &str, before: impl std::fmt::Display, after: impl std::fmt::Display) -> String {
    format!("{what} is {after} instead of {before}")
}

/// `X`, or `nothing`.
fn or_nothing<V: ToString>(value: Option<&V>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
