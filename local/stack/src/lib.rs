//! The laptop stack as a whole: the emulator, the stand-ins, the very templates
//! that deploy to AWS, and the definitions applied to it.

mod connection;
mod deploy;
mod emulator;
mod people;
mod project;
mod settings;
mod up;

pub use connection::{Connection, ConnectionError, Credentials};
pub use emulator::Emulator;
pub use up::{Options, Stack};

/// Why the laptop stack does not come up.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Something that `make setup` installs or builds is not there.
    #[error("{what} is missing at {path}: run `make setup`")]
    NotSetUp {
        /// What.
        what: &'static str,
        /// Where it should be.
        path: String,
    },
    /// A process did not start or ended early.
    #[error("{what}: {why}")]
    Process {
        /// Which.
        what: &'static str,
        /// What it said.
        why: String,
    },
    /// The stand-ins did not start.
    #[error("the stand-ins did not start: {0}")]
    StandIns(#[from] gatewright_local::StartError),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A definition is wrong.
    #[error("{0}")]
    Definition(String),
    /// The emulator refused something.
    #[error("{0}")]
    Service(String),
}

impl StackError {
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        |source| Self::File { path, source }
    }
}
