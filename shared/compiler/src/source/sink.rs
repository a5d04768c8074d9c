//! Where the readers and checks put what they find, so that people hear of all
//! of it at once.

use super::secrets;
use crate::diagnostic::{Diagnostic, Diagnostics, Level};
use std::cell::RefCell;
use std::ops::Range;

/// A place in the text, in bytes.
pub(crate) type Span = Range<usize>;

/// A value and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked<T> {
    /// The value.
    pub(crate) value: T,
    /// Where.
    pub(crate) at: Span,
}

impl<T> Marked<T> {
    /// The value at that place.
    pub(crate) fn new(value: T, at: &Span) -> Self {
        Self {
            value,
            at: at.clone(),
        }
    }

    /// Another value, said at the same place.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Marked<U> {
        Marked {
            value: change(self.value),
            at: self.at,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    level: Level,
    at: Span,
    message: String,
    help: Option<String>,
}

/// Collects problems. Interior mutability keeps readers from handing `&mut`
/// through every call.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    found: RefCell<Vec<Problem>>,
}

impl Sink {
    /// Something that makes the file unusable.
    pub(crate) fn error(&self, at: &Span, message: impl Into<String>) {
        self.put(Level::Error, at, message.into(), None);
    }

    /// The same, with what to do about it.
    pub(crate) fn error_help(
        &self,
        at: &Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.put(Level::Error, at, message.into(), Some(help.into()));
    }

    /// Something that somebody should look at.
    pub(crate) fn warn(&self, at: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.put(Level::Warning, at, message.into(), Some(help.into()));
    }

    fn put(&self, level: Level, at: &Span, message: String, help: Option<String>) {
        let problem = Problem {
            level,
            at: at.clone(),
            message,
            help,
        };
        let mut found = self.found.borrow_mut();
        // An alias is read wherever it is used; its mistake is one mistake.
        if !found.contains(&problem) {
            found.push(problem);
        }
    }

    /// Everything found, in the order of the file.
    pub(crate) fn into_diagnostics(self, file: &str, text: &str) -> Diagnostics {
        let mut found = self.found.into_inner();
        found.sort_by_key(|problem| problem.at.start);
        let shown = secrets::blotted(text);
        Diagnostics(
            found
                .into_iter()
                .map(|problem| placed(problem, file, &shown))
                .collect(),
        )
    }
}

/// Gives a problem its line, column and line of text.
fn placed(problem: Problem, file: &str, text: &str) -> Diagnostic {
    let start = floor(text, problem.at.start);
    let end = floor(text, problem.at.end.max(problem.at.start));
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let snippet = text[line_start..line_end].trim_end();
    // A block mapping has no extent of its own: then the rest of its line.
    let end = if end <= start { line_end } else { end };
    let last = (line_start + snippet.len()).max(start);
    let width = text[start..end.clamp(start, last)]
        .trim_end()
        .chars()
        .count();
    Diagnostic {
        level: problem.level,
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        width: width.max(1),
        snippet: snippet.to_owned(),
        message: problem.message,
        help: problem.help,
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
