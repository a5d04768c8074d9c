//! Why a function could not do it, under one of our names.

use gatewright_aws::ServiceError;
use gatewright_aws::config::ConfigError;
use gatewright_aws::links::LinkError;
use gatewright_aws::store::StoreError;
use gatewright_aws::table::TableError;
use gatewright_domain::ErrorName;
use lambda_runtime::Diagnostic;

/// Why a function could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Failure {
    /// Under which name Step Functions, people and records see it.
    pub name: ErrorName,
    /// What, where and what would be right.
    pub message: String,
}

impl Failure {
    /// A failure.
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self {
            name,
            message: message.into(),
        }
    }

    /// Input that is not what the contract says.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(ErrorName::BadInput, message)
    }

    /// Gatewright itself is wrong.
    pub fn bug(error: impl std::fmt::Display) -> Self {
        Self::new(ErrorName::Bug, error.to_string())
    }

    /// Whether deciding anew may help.
    pub fn is_conflict(&self) -> bool {
        self.name == ErrorName::Conflict
    }

    /// Whether the caller's own retry may help.
    pub fn may_pass(&self) -> bool {
        matches!(self.name, ErrorName::Conflict | ErrorName::Transient)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.name(), error.to_string())
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        StoreError::from(error).into()
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::new(error.name(), error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::bug(error)
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::new(ErrorName::BadInput, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::bug(error)
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Diagnostic {
            error_type: failure.name.as_str().to_owned(),
            error_message: failure.message,
        }
    }
}
