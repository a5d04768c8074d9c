//! AWS JSON 1.1: the protocol of CodeBuild and ECR.
//!
//! A request names its operation in `X-Amz-Target: <service>.<operation>`; an
//! error is an object whose `__type` is the error's name.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The content type of requests and answers.
pub(crate) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// An error as the service's API names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub(crate) struct AwsError {
    kind: &'static str,
    message: String,
    status: StatusCode,
}

impl AwsError {
    /// An error that is the caller's doing (HTTP 400, as every modelled error
    /// of both services).
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            status: StatusCode::BAD_REQUEST,
        }
    }

    /// An error that is the stand-in's own doing (HTTP 500).
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self {
            kind: "InternalServiceException",
            message: format!("laptop stand-in: {}", message.into()),
            status: StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for AwsError {
    fn into_response(self) -> Response {
        let body = json!({"__type": self.kind, "message": self.message});
        let mut response = respond(self.status, &body);
        (response.headers_mut()).insert("x-amzn-errortype", HeaderValue::from_static(self.kind));
        response
    }
}

/// Turns an operation's outcome into the HTTP answer.
pub(crate) fn answer(outcome: Result<Value, AwsError>) -> Response {
    match outcome {
        Ok(body) => respond(StatusCode::OK, &body),
        Err(error) => error.into_response(),
    }
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE.as_str(), CONTENT_TYPE.to_owned()),
        ("x-amzn-requestid", crate::ids::uuid()),
    ];
    (status, headers, body.to_string()).into_response()
}

/// The operation a request asks for, when it is of the service `prefix`.
pub(crate) fn operation<'h>(headers: &'h HeaderMap, prefix: &str) -> Option<&'h str> {
    (headers.get("x-amz-target")?.to_str().ok()?)
        .strip_prefix(prefix)?
        .strip_prefix('.')
}

/// Reads an operation's parameters.
///
/// # Errors
/// `SerializationException`, as the real services answer, naming the place.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| AwsError::new("SerializationException", error.to_string()))
}
