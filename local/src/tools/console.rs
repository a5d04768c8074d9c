//! What tools print, and how they fail.

use std::io::{self, Write};

/// Why a tool ends with an exit code other than 0.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// A command line the stand-in does not know.
    #[error("the laptop stand-in for {tool} does not know this: {tool} {line}\n{why}")]
    Unknown {
        /// The tool.
        tool: String,
        /// Its arguments.
        line: String,
        /// What is not known, and what is.
        why: String,
    },
    /// The command failed as the real one would.
    #[error("{0}")]
    Failed(String),
    /// An AWS service refused, as the AWS CLI reports it.
    #[error("An error occurred ({kind}) when calling the {operation} operation: {message}")]
    Aws {
        /// The error's name.
        kind: String,
        /// The operation.
        operation: String,
        /// What the service says.
        message: String,
    },
    /// Another program's exit code, handed on; that program has said why.
    #[error("{message}")]
    Code {
        /// The exit code.
        code: u8,
        /// What the stand-in adds.
        message: String,
    },
}

impl ToolError {
    /// A command line that parses and is not played.
    pub(crate) fn unknown(tool: &str, line: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unknown {
            tool: tool.to_owned(),
            line: line.into(),
            why: why.into(),
        }
    }

    /// The exit code: 2 for what is not known, 254 for an AWS error (as the AWS
    /// CLI has it), else the tool's own.
    pub fn code(&self) -> u8 {
        match self {
            Self::Unknown { .. } => 2,
            Self::Failed(_) => 1,
            Self::Aws { .. } => 254,
            Self::Code { code, .. } => *code,
        }
    }
}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Where a tool prints to.
pub struct Console {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
}

impl Console {
    /// Standard output and standard error.
    pub fn standard() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
        }
    }

    /// One that prints nothing.
    pub(crate) fn silent() -> Self {
        Self {
            out: Box::new(io::sink()),
            err: Box::new(io::sink()),
        }
    }

    /// A line for whoever reads the tool's output.
    pub(crate) fn line(&mut self, text: &str) {
        // A closed pipe ends the reader's interest, not the command.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    /// What another program has printed to each of the two.
    pub(crate) fn pass_on(&mut self, out: &[u8], err: &[u8]) {
        let _ = self.out.write_all(out).and_then(|()| self.out.flush());
        let _ = self.err.write_all(err).and_then(|()| self.err.flush());
    }

    /// A line from the stand-in about itself, on standard error.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "[laptop stand-in] {text}").and_then(|()| self.err.flush());
    }
}
