//! The one place that prints. Whoever reads the other end of a pipe may go; then
//! the rest is not said, and nothing is made of it.

use crate::error::Failed;
use crate::style::{BAD, COPY, paint};
use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use serde_json::json;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` or `TERM=dumb` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl From<Colour> for ColorChoice {
    fn from(colour: Colour) -> Self {
        match colour {
            Colour::Auto => Self::Auto,
            Colour::Always => Self::Always,
            Colour::Never => Self::Never,
        }
    }
}

/// Where everything is printed.
#[derive(Debug)]
pub struct Out {
    /// Whether the reader is a program.
    pub json: bool,
    /// Whether the reader sees colours.
    pub colour: bool,
    /// Whether lines can be drawn over.
    pub terminal: bool,
    closed: AtomicBool,
}

impl Out {
    /// Prints as asked.
    pub fn new(json: bool, colour: Colour) -> Self {
        ColorChoice::from(colour).write_global();
        let stdout = io::stdout();
        Self {
            json,
            colour: AutoStream::choice(&stdout) != ColorChoice::Never,
            terminal: stdout.is_terminal(),
            closed: AtomicBool::new(false),
        }
    }

    /// A line for people, on standard output; styles are taken out where nobody
    /// sees them.
    pub fn line(&self, text: impl std::fmt::Display) {
        if !self.is_closed() {
            self.note_end(writeln!(anstream::stdout(), "{text}"));
        }
    }

    /// Bytes as they are.
    pub fn raw(&self, text: &str) {
        if !self.is_closed() {
            let mut stdout = io::stdout().lock();
            self.note_end(
                stdout
                    .write_all(text.as_bytes())
                    .and_then(|()| stdout.flush()),
            );
        }
    }

    /// A document for programs.
    pub fn json<V: Serialize>(&self, value: &V) {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        self.raw(&format!("{text}\n"));
    }

    /// A document for programs on a line of its own, one of many.
    pub fn json_line<V: Serialize>(&self, value: &V) {
        let text = serde_json::to_string(value).unwrap_or_default();
        self.raw(&format!("{text}\n"));
    }

    /// A remark beside the answer, on standard error; nothing for programs.
    pub fn aside(&self, text: impl std::fmt::Display) {
        if !self.json {
            // Nobody to tell when standard error is gone.
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Says what went wrong: `error:` and `help:` on standard error, or a JSON
    /// document `{"error", "help", "exit_code"}` on standard output.
    pub fn failed(&self, failed: &Failed) {
        if self.json {
            let plain = anstream::adapter::strip_str(&failed.what).to_string();
            self.json_line(
                &json!({ "error": plain, "help": failed.help, "exit_code": failed.code as u8 }),
            );
            return;
        }
        let mut stderr = anstream::stderr().lock();
        let _ = if failed.drawn {
            writeln!(stderr, "{}", failed.what)
        } else {
            writeln!(stderr, "{} {}", paint(BAD, "error:"), failed.what)
        };
        if let Some(help) = &failed.help {
            let _ = writeln!(stderr, "{} {help}", paint(COPY, "help:"));
        }
    }

    /// Whether whoever read has gone.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Asks a person, who must be there to be asked.
    ///
    /// # Errors
    /// When nobody is there and `yes` was not said beforehand.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<bool, Failed> {
        if yes {
            return Ok(true);
        }
        if self.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failed::usage("nobody is there to be asked")
                .help("look at what it would do, then say it again with --yes"));
        }
        let _ = write!(anstream::stderr(), "{question} [y/N] ");
        let _ = io::stderr().flush();
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        Ok(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
    }

    /// Has a person type something; nothing when nobody is there.
    pub fn typed(&self, question: &str) -> Option<String> {
        if self.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let _ = write!(anstream::stderr(), "{question} ");
        let _ = io::stderr().flush();
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned())
    }

    fn note_end(&self, written: io::Result<()>) {
        // A closed pipe and a full disk end the same way: nobody reads the rest.
        if written.is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }
}
