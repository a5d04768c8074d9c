//! What is sent signed: decisions and orders, with the person's own credentials.

use crate::connect::Reach;
use crate::error::{Failed, http};
use crate::sign;
use aws_credential_types::Credentials;
use backon::{BackoffBuilder, ExponentialBuilder};
use gatewright_aws::{Clock, SystemClock};
use gatewright_views::text::line;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// A function answers within its 30 s or not at all.
const PATIENCE: Duration = Duration::from_secs(35);

/// API Gateway turned it away, before any of ours saw it.
const TOO_MANY: u16 = 429;
/// How often that is tried again: for a quarter of a minute in all.
const TRIED_AGAIN: usize = 5;

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
    let delays = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_times(TRIED_AGAIN)
        .build();
    let once = async || send(reach, credentials, path, body.clone(), what).await;
    tried(delays, once, what).await
}

/// Sends until it is taken up, as long as there are delays.
async fn tried(
    mut delays: impl Iterator<Item = Duration>,
    once: impl AsyncFn() -> Result<(u16, Value), Failed>,
    what: What,
) -> Result<Value, Failed> {
    loop {
        let (status, answer) = once().await?;
        match delays.next().filter(|_| status == TOO_MANY) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return understood(status, answer, what),
        }
    }
}

/// Sends it once, signed now: status and answer.
async fn send(
    reach: &Reach,
    credentials: &Credentials,
    path: &str,
    body: Vec<u8>,
    what: What,
) -> Result<(u16, Value), Failed> {
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
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
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
        TOO_MANY => Err(Failed::unreachable(format!(
            "{} was not taken up: too many come at once ({status})",
            what.name
        ))
        .help("nothing was done: try again")),
        404 => Err(Failed::not_found(format!("{said} (404)"))),
        500.. => Err(Failed::unreachable(format!("{said} ({status})")).help(what.again)),
        _ => Err(Failed::refused(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// An order that is turned away this often before it is taken.
    async fn turned_away(times: usize) -> (Result<Value, Failed>, usize) {
        let sent = AtomicUsize::new(0);
        let once = async || {
            let before = sent.fetch_add(1, Ordering::Relaxed);
            let busy = (
                TOO_MANY,
                serde_json::json!({ "message": "Too Many Requests" }),
            );
            let taken = (200, serde_json::json!({ "number": 7 }));
            Ok(if before < times { busy } else { taken })
        };
        let what = What {
            name: "the order",
            again: "look",
        };
        let delays = std::iter::repeat_n(Duration::ZERO, TRIED_AGAIN);
        let answer = tried(delays, once, what).await;
        (answer, sent.into_inner())
    }

    #[tokio::test]
    async fn what_comes_with_too_many_others_is_sent_again() {
        let (answer, sent) = turned_away(3).await;
        assert_eq!((answer.unwrap()["number"].as_u64(), sent), (Some(7), 4));
        let (answer, sent) = turned_away(9).await;
        let failed = answer.unwrap_err();
        assert_eq!(sent, 1 + TRIED_AGAIN);
        assert_eq!(failed.code, Code::Unreachable);
        assert_eq!(failed.help.as_deref(), Some("nothing was done: try again"));
    }
}
