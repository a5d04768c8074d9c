//! What must not be in a machine of ours.

use std::fmt;

/// Something that must not be in a machine of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// The JSON is no state machine that this reader understands.
    Malformed {
        /// Where and why.
        why: String,
    },
    /// A path ends in a state that is neither Succeed nor Fail.
    NoTerminalState {
        /// The last state.
        state: String,
    },
    /// A path reaches its end without passing Finish.
    FinishSkipped {
        /// The path.
        path: Vec<String>,
    },
    /// A Task without a time limit in literal seconds.
    NoTimeLimit {
        /// The state.
        state: String,
    },
    /// A Task that does not end its Catch with `States.ALL` alone.
    NotEverythingCaught {
        /// The state.
        state: String,
    },
    /// A state that leads to one that is not there.
    UnknownNext {
        /// The state.
        state: String,
        /// The name that it leads to.
        next: String,
    },
    /// A state that no path reaches.
    Unreachable {
        /// The state.
        state: String,
    },
    /// A path that comes back to a state.
    Cycle {
        /// The path, up to the state that it has seen before.
        path: Vec<String>,
    },
    /// An error name in a Catch that nobody raises.
    UnknownErrorName {
        /// The state.
        state: String,
        /// The name.
        name: String,
    },
    /// A Choice that may find no branch.
    NoDefault {
        /// The state.
        state: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { why } => write!(f, "not a state machine: {why}"),
            Self::NoTerminalState { state } => {
                write!(
                    f,
                    "a path ends in {state:?}, which is neither Succeed nor Fail"
                )
            }
            Self::FinishSkipped { path } => {
                write!(f, "a path ends without Finish: {}", path.join(" > "))
            }
            Self::NoTimeLimit { state } => {
                write!(f, "{state:?} has no TimeoutSeconds in literal seconds")
            }
            Self::NotEverythingCaught { state } => {
                write!(f, "{state:?} does not catch States.ALL, alone and last")
            }
            Self::UnknownNext { state, next } => {
                write!(f, "{state:?} leads to {next:?}, which is not there")
            }
            Self::Unreachable { state } => write!(f, "no path reaches {state:?}"),
            Self::Cycle { path } => write!(f, "a path comes back: {}", path.join(" > ")),
            Self::UnknownErrorName { state, name } => {
                write!(f, "{state:?} catches {name:?}, which nobody raises")
            }
            Self::NoDefault { state } => write!(f, "{state:?} has no Default"),
        }
    }
}
