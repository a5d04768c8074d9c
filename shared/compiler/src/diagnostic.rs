//! What is wrong with a file, where, and what to do about it.

use annotate_snippets::{AnnotationKind, Group, Level as Drawn, Renderer, Snippet};
use std::fmt;

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// The file is refused.
    Error,
    /// The file is taken, but somebody should look.
    Warning,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// How much it matters.
    pub level: Level,
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters the culprit is long; at least 1.
    pub width: usize,
    /// The line's text. What looks like a secret in it is blotted out, because
    /// diagnostics end up in logs.
    pub snippet: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// The diagnostic as text, with its place in the file drawn under it. In
    /// colour only when asked: whether anybody can see colour, the caller knows.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.level {
            Level::Error => Drawn::ERROR,
            Level::Warning => Drawn::WARNING,
        };
        let snippet = Snippet::source(self.snippet.as_str())
            .line_start(self.line)
            .path(self.file.as_str())
            .annotation(AnnotationKind::Primary.span(self.span()));
        let mut group: Group<'_> = level.primary_title(self.message.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Drawn::HELP.message(help.as_str()));
        }
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&[group])
    }

    /// The culprit's bytes within the snippet.
    fn span(&self) -> std::ops::Range<usize> {
        let byte = |chars: usize| {
            self.snippet
                .char_indices()
                .nth(chars)
                .map_or(self.snippet.len(), |(at, _)| at)
        };
        let first = self.column.saturating_sub(1);
        byte(first)..byte(first + self.width)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Everything that is wrong with a file, in the order of the file. Errors and
/// warnings; at least one error where it is returned as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// All of them as text, a blank line between two.
    pub fn render(&self, colour: bool) -> String {
        let rendered: Vec<String> = self.0.iter().map(|d| d.render(colour)).collect();
        rendered.join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(snippet: &str, column: usize, width: usize, help: Option<&str>) -> String {
        Diagnostic {
            level: Level::Error,
            file: "p.yaml".to_owned(),
            line: 12,
            column,
            width,
            snippet: snippet.to_owned(),
            message: "unknown key".to_owned(),
            help: help.map(str::to_owned),
        }
        .to_string()
    }

    #[test]
    fn a_diagnostic_is_drawn_under_its_place() {
        insta::assert_snapshot!(check("stagez: []", 1, 6, Some("did you mean \"stages\"?")), @r#"
error: unknown key
  --> p.yaml:12:1
   |
12 | stagez: []
   | ^^^^^^
   |
   = help: did you mean "stages"?
"#);
    }

    #[test]
    fn columns_count_characters_and_nothing_past_the_line_is_drawn() {
        insta::assert_snapshot!(check("ä: \"ü\" x", 4, 3, None), @r#"
error: unknown key
  --> p.yaml:12:4
   |
12 | ä: "ü" x
   |    ^^^
"#);
        insta::assert_snapshot!(check("", 1, 1, None), @r#"
error: unknown key
  --> p.yaml:12:1
   |
12 |
   | ^
"#);
        insta::assert_snapshot!(check("abc", 90, 4, None), @r#"
error: unknown key
  --> p.yaml:12:4
   |
12 | abc
   |    ^
"#);
    }

    #[test]
    fn colour_is_the_callers_choice() {
        let diagnostic = Diagnostic {
            level: Level::Warning,
            file: "p.yaml".to_owned(),
            line: 1,
            column: 1,
            width: 1,
            snippet: "x".to_owned(),
            message: "m".to_owned(),
            help: None,
        };
        assert!(diagnostic.render(true).contains('\u{1b}'));
        assert!(!diagnostic.render(false).contains('\u{1b}'));
    }
}
