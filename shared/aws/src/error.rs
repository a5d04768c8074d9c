//! Service errors, classified once by what the caller does next.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatewright_domain::ErrorName;

/// What a caller can do about a service error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Try again: throttled, unreachable, or failing for the moment.
    Transient,
    /// Ask for a permission.
    Denied,
    /// The thing is not there.
    Missing,
    /// Somebody else changed it first, or it exists already.
    Conflict,
    /// Nothing sensible: the request was wrong.
    Other,
}

/// An error of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {message}")]
pub struct ServiceError {
    /// What was tried, such as `codebuild:StartBuild`.
    pub action: &'static str,
    /// What a caller can do about it.
    pub kind: Kind,
    /// The service's own code, such as `ThrottlingException`.
    pub code: Option<String>,
    /// What the service said.
    pub message: String,
}

impl ServiceError {
    /// An error of our own making about a service's answer.
    pub fn of(action: &'static str, kind: Kind, message: impl Into<String>) -> Self {
        Self {
            action,
            kind,
            code: None,
            message: message.into(),
        }
    }

    /// Whether the service's own code is this one.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Under which name it stops a release.
    pub fn name(&self) -> ErrorName {
        match self.kind {
            Kind::Transient => ErrorName::Transient,
            Kind::Denied => ErrorName::AccessDenied,
            Kind::Conflict => ErrorName::Conflict,
            // A project, repository or secret that is named but not there.
            Kind::Missing => ErrorName::BadInput,
            Kind::Other => ErrorName::Bug,
        }
    }
}

/// Classifies an error of the SDK.
pub fn classify<E, R>(action: &'static str, error: &SdkError<E, R>) -> ServiceError
where
    E: ProvideErrorMetadata + std::fmt::Debug,
    R: std::fmt::Debug,
{
    let (kind, code, message) = match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or_default().to_owned();
            let said = service.err().message().unwrap_or("no message");
            (
                kind_of(&code),
                Some(code.clone()),
                format!("{code}: {said}"),
            )
        }
        SdkError::TimeoutError(_) => (Kind::Transient, None, "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) => (
            Kind::Transient,
            None,
            format!("the service cannot be reached: {failure:?}"),
        ),
        SdkError::ResponseError(_) => (
            Kind::Transient,
            None,
            "the answer cannot be read".to_owned(),
        ),
        other => (Kind::Other, None, format!("{other:?}")),
    };
    let message = gatewright_domain::text::shortened(&message, 2_000);
    ServiceError {
        action,
        kind,
        code,
        message,
    }
}

fn kind_of(code: &str) -> Kind {
    match code {
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "ProvisionedThroughputExceededException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "InternalServerError"
        | "InternalFailure"
        | "InternalError"
        | "InternalServiceError"
        | "ServerException"
        | "LimitExceededException"
        | "AccountLimitExceededException"
        | "KMSThrottled"
        | "TransactionInProgressException" => Kind::Transient,
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "ExpiredTokenException" => Kind::Denied,
        "ResourceNotFoundException"
        | "NotFoundException"
        | "ImageNotFoundException"
        | "ScanNotFoundException"
        | "RepositoryNotFoundException"
        | "ExecutionDoesNotExist"
        | "StateMachineDoesNotExist" => Kind::Missing,
        "ConditionalCheckFailedException"
        | "TransactionConflictException"
        | "ExecutionAlreadyExists"
        | "ResourceAlreadyExistsException" => Kind::Conflict,
        _ => Kind::Other,
    }
}
