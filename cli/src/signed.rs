//! What is sent signed: decisions and orders, with the person's own credentials.

use crate::connect::Reach;
use crate::error::{Failed, http};
use crate::sign;
use aws_credential_types::Credentials;
use gatewright_aws::{Clock, SystemClock};
use gatewright_views::text::line;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// A function answers within its 30 s or not at all.
const PATIENCE: Duration = Duration::from_secs(35);

/// What is sent, for messages.
#[derive(Debug, Clone, Copy)]
pub struct What {
    /// `the decision`, `the order`.
    pub name: &'static str,
    /// What helps when it may or may not have arrived.
    pub again: &'static str,
}

/// Posts `body` to a signed path of the API; its answer.
///
/// # Errors
/// When it does not get there, or is refused: with the reason.
pub async fn post(
    reach: &Reach,
    credentials: &Credentials,
    path: &str,
    body: &impl Serialize,
    what: What,
) -> Result<Value, Failed> {
    let body = serde_json::to_vec(body).map_err(|e| Failed::usage(e.to_string()))?;
    let base = reach.connection.public_url.trim_end_matches('/');
    let url = format!("{base}{path}");
    let region = &reach.connection.region;
    let headers = sign::post(&url, &body, credentials, region, SystemClock.now())?;
    let failed = |error| http(&format!("{} could not be sent", what.name), error);
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .map_err(failed)?;
    let mut request = client
        .post(&url)
        .header("content-type", "application/json")
        .body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let reply = request.send().await.map_err(failed)?;
    let status = reply.status().as_u16();
    let text = reply.text().await.map_err(failed)?;
    understood(
        status,
        serde_json::from_str(&text).unwrap_or(Value::Null),
        what,
    )
}

fn understood(status: u16, answer: Value, what: What) -> Result<Value, Failed> {
    let said = answer["message"].as_str().or(answer["Message"].as_str());
    let said = line(said.unwrap_or("no reason was given"));
    match status {
        200..300 => Ok(answer),
        401 | 403 if answer["error"] != "Refused" => Err(Failed::unreachable(format!(
            "{} was not let in ({status}): {said}",
            what.name
        ))
        .help("the credentials need execute-api:Invoke, and their ARN must be among the person's aliases in approvers.yaml")),
        404 => Err(Failed::not_found(format!("{said} (404)"))),
        500.. => Err(Failed::unreachable(format!("{said} ({status})")).help(what.again)),
        _ => Err(Failed::refused(said)),
    }
}
