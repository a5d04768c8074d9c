//! HTTP: the IAM-signed orders of the command line (`POST /api/orders`): halts,
//! holds, freezes, and what lifts them. API Gateway has verified the signature;
//! the order is given by the person to whom the caller's ARN belongs.

use gatewright_aws::Clock;
use gatewright_aws::origins::Outside;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::ErrorName;
use gatewright_domain::order::{Given, Order};
use gatewright_handler::http::{Request, Response};
use gatewright_handler::{Failure, parse};
use serde_json::{Value, json};

/// Answers one request.
///
/// # Errors
/// When the event is no HTTP request; everything else becomes a response.
pub async fn handle<T: Table, R: Outside, C: Clock>(
    store: &Store<T>,
    outside: &R,
    clock: &C,
    event: Value,
) -> Result<Value, Failure> {
    let request = Request::from_event(&event)?;
    let response = match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/api/orders") => answered(store, outside, clock, &request).await,
        (_, "/api/orders") => Response::empty(405),
        (_, _) => told(404, "NotFound", "there is nothing here"),
    };
    Ok(response.into_event())
}

async fn answered<T: Table, R: Outside, C: Clock>(
    store: &Store<T>,
    outside: &R,
    clock: &C,
    request: &Request,
) -> Response {
    let Some(arn) = &request.iam else {
        return told(401, "Unsigned", "sign the request with AWS credentials");
    };
    match given(store, outside, clock, arn, &request.body).await {
        Ok(given) => Response::json(
            200,
            &json!({ "number": given.seq, "by": given.by, "at": given.at, "order": given.order.to_string() }),
        ),
        Err(failure) => {
            let status = match failure.name {
                _ if failure.may_pass() => 503,
                ErrorName::AccessDenied => 403,
                ErrorName::Bug => 500,
                _ => 400,
            };
            let error = if status == 403 {
                "Refused"
            } else {
                failure.name.as_str()
            };
            told(status, error, &failure.message)
        }
    }
}

async fn given<T: Table, R: Outside, C: Clock>(
    store: &Store<T>,
    outside: &R,
    clock: &C,
    arn: &str,
    body: &[u8],
) -> Result<Given, Failure> {
    let raw: Value = serde_json::from_slice(body)
        .map_err(|e| Failure::bad_input(format!("the body is not JSON: {e}")))?;
    let order: Order = parse(raw)?;
    let directory = store.directory().await?.value;
    let Some(person) = directory.identified(arn) else {
        return Err(Failure::bad_input(format!(
            "{arn} is none of the people in approvers.yaml: add it to a person's aliases"
        )));
    };
    gatewright_steps::order(store, outside, person, order, clock.now()).await
}

fn told(status: u16, error: &str, message: &str) -> Response {
    Response::json(status, &json!({ "error": error, "message": message }))
}
