//! How a command ends: an exit code, or what went wrong and what would be right.

use gatewright_aws::error::{Kind, ServiceError};
use gatewright_aws::store::StoreError;
use gatewright_aws::table::TableError;
use gatewright_domain::release::Status;
use gatewright_stack::{ConnectionError, StackError};
use gatewright_views::text::short_line;

/// The exit codes; `gatewright --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done, admitted, succeeded.
    Done = 0,
    /// Refused, ended clean but early, invalid, different.
    Refused = 1,
    /// Wrong arguments. clap ends with the same number.
    Usage = 2,
    /// No such thing.
    NotFound = 3,
    /// The service cannot be reached or denies it.
    Unreachable = 4,
    /// The release ended and a human must look.
    Dirty = 5,
    /// It still runs.
    Running = 6,
    /// Ended by a second Ctrl-C, as shells say it: 128 and SIGINT's number.
    Interrupted = 130,
}

impl From<Status> for Code {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Succeeded => Self::Done,
            Status::FailedClean => Self::Refused,
            Status::FailedDirty => Self::Dirty,
        }
    }
}

/// Why a command did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// With which exit code it ends.
    pub code: Code,
    /// What went wrong.
    pub what: String,
    /// What would be right.
    pub help: Option<String>,
    /// Whether `what` is drawn already and needs no `error:` before it.
    pub drawn: bool,
}

impl Failed {
    fn of(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            help: None,
            drawn: false,
        }
    }

    /// Refused, invalid or different.
    pub fn refused(what: impl Into<String>) -> Self {
        Self::of(Code::Refused, what)
    }

    /// Wrong arguments.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::of(Code::Usage, what)
    }

    /// No such thing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::of(Code::NotFound, what)
    }

    /// The service cannot be reached or denies it.
    pub fn unreachable(what: impl Into<String>) -> Self {
        Self::of(Code::Unreachable, what)
    }

    /// Diagnostics, drawn under their places.
    pub fn drawn(what: impl Into<String>) -> Self {
        Self {
            drawn: true,
            ..Self::of(Code::Refused, what)
        }
    }

    /// With what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<ServiceError> for Failed {
    fn from(error: ServiceError) -> Self {
        // The SDK's own words about a connection are a page long.
        let what = short_line(&error.to_string(), 400);
        match error.kind {
            Kind::Transient => Self::unreachable(what).help(
                "look whether the stack of this connection is up and whether `aws sts get-caller-identity` answers",
            ),
            Kind::Denied => Self::unreachable(what).help(
                "these credentials lack the permission, or have expired: look at `aws sts get-caller-identity`",
            ),
            Kind::Missing => Self::not_found(what)
                .help("the connection file and what is deployed do not belong together"),
            Kind::Conflict => Self::refused(what),
            Kind::Other => Self::unreachable(what),
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Table(TableError::Service(service)) => service.into(),
            StoreError::Table(conflict @ TableError::Conflict(_)) => {
                Self::refused(conflict.to_string()).help("look at what changed and try again")
            }
            StoreError::Missing(what) => Self::not_found(what),
            damaged @ StoreError::Damaged { .. } => Self::unreachable(damaged.to_string())
                .help("the record may be of a newer Gatewright than this command"),
        }
    }
}

impl From<ConnectionError> for Failed {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Missing { path } => {
                Self::not_found(format!("{path} does not exist")).help(
                    "start the laptop stack with `gatewright local up`, deploy with `make deploy`, or name another file with --connection",
                )
            }
            ConnectionError::Unreadable { path, why } => {
                Self::usage(format!("{path} is no connection file: {why}"))
            }
        }
    }
}

impl From<StackError> for Failed {
    fn from(error: StackError) -> Self {
        match error {
            StackError::NotSetUp { what, path } => {
                Self::not_found(format!("{what} is missing at {path}"))
                    .help("`make setup` installs and builds what the laptop stack needs")
            }
            StackError::Definition(rendered) => Self::drawn(rendered),
            other => Self::unreachable(other.to_string()),
        }
    }
}

/// A file that could not be read or written.
pub fn file(path: &std::path::Path, error: &std::io::Error) -> Failed {
    let what = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::NotFound => Failed::not_found(what),
        _ => Failed::unreachable(what),
    }
}

/// What happened to a request over HTTP, without its address: links are secrets.
pub fn http(what: &str, error: reqwest::Error) -> Failed {
    let error = error.without_url();
    let mut said = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(deeper) = source {
        said = format!("{said}: {deeper}");
        source = deeper.source();
    }
    Failed::unreachable(format!("{what}: {}", short_line(&said, 400)))
}
