//! The contract between the Lambda runtime and our functions: input that does
//! not parse, errors and panics all reach Step Functions under *our* names.
//!
//! Without this, `Diagnostic.error_type` would be a Rust type name, and a
//! `Catch` by our names would never match.

pub mod failure;
pub mod http;
pub mod task;

pub use failure::Failure;

use futures_util::FutureExt;
use gatewright_domain::ErrorName;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::panic::AssertUnwindSafe;

/// Reads a function's input; what is wrong with it becomes `BadInput`, with the
/// nearest right key for a misspelt one.
///
/// # Errors
/// `BadInput` with what is wrong and what would be right.
pub fn parse<T: DeserializeOwned>(raw: Value) -> Result<T, Failure> {
    serde_json::from_value(raw).map_err(|error| {
        Failure::new(
            ErrorName::BadInput,
            gatewright_domain::text::helpful(&error.to_string()),
        )
    })
}

/// Serves a function until the sandbox ends. `handle` is called once an event;
/// a panic in it becomes `Bug` and the function lives on.
///
/// # Errors
/// When the Lambda Runtime API cannot be reached.
pub async fn serve<F, R>(name: &'static str, handle: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Value) -> R,
    R: Future<Output = Result<Value, Failure>>,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let outcome = AssertUnwindSafe(handle(event.payload)).catch_unwind().await;
        let reply = outcome.unwrap_or_else(|panic| Err(Failure::new(ErrorName::Bug, said(&panic))));
        // Logged once, here, with the request's id; never the payload, which can
        // hold a task token.
        if let Err(failure) = &reply {
            tracing::error!(function = name, request = %event.context.request_id, error = %failure.name, "{}", failure.message);
        }
        reply.map_err(Diagnostic::from)
    }))
    .await
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "a panic: {}",
        text.unwrap_or_else(|| "without a message".to_owned())
    )
}

/// Structured logs on standard error, where Lambda takes them to CloudWatch; how much is said by
/// `GATEWRIGHT_LOG` (default `info`).
pub fn start_logging(level: Option<String>) {
    let filter = tracing_subscriber::EnvFilter::new(level.unwrap_or_else(|| "info".to_owned()));
    let _ = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .try_init();
}
