//! Slack: sending messages, and knowing that an interaction is Slack's.

use crate::error::{Kind, ServiceError};
use crate::secrets::Secret;
use backon::{ExponentialBuilder, Retryable};
use gatewright_domain::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;

/// What `notify` needs of Slack.
pub trait Chat: Send + Sync {
    /// Posts a message; gives its channel id and timestamp, by which it can be
    /// updated and answered in a thread.
    fn post(
        &self,
        message: &Message,
    ) -> impl Future<Output = Result<(String, String), ServiceError>> + Send;

    /// Replaces a message.
    fn update(
        &self,
        channel: &str,
        ts: &str,
        message: &Message,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// A channel's name or id, or a member's id for a direct message.
    pub channel: String,
    /// What notifications show.
    pub text: String,
    /// Its blocks.
    pub blocks: Vec<Value>,
    /// The message that it answers, for a thread.
    pub thread: Option<String>,
}

/// Escapes what comes from outside, as Slack asks for: `&`, `<` and `>`.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Slack's Web API.
#[derive(Debug, Clone)]
pub struct Slack {
    http: reqwest::Client,
    api: String,
    token: Secret,
}

impl Slack {
    /// Slack at `api` with a bot's token.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(api: &str, token: Secret) -> Result<Self, ServiceError> {
        crate::clients::install_crypto();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()
            .map_err(|e| ServiceError::of("slack", Kind::Other, e.to_string()))?;
        Ok(Self {
            http,
            api: api.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Calls a method, a few times when Slack asks to wait (about one message a
    /// second and channel): 4 s at most, well within a function's time. What
    /// lasts longer is left to the stream.
    async fn call(
        &self,
        action: &'static str,
        method: &str,
        body: &Value,
    ) -> Result<Value, ServiceError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(600))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(3);
        (|| self.once(action, method, body))
            .retry(pauses)
            .when(|error| error.kind == Kind::Transient)
            .await
    }

    async fn once(
        &self,
        action: &'static str,
        method: &str,
        body: &Value,
    ) -> Result<Value, ServiceError> {
        let error = |kind, message: String| ServiceError::of(action, kind, message);
        let sent = self
            .http
            .post(format!("{}/{method}", self.api))
            .bearer_auth(self.token.reveal())
            .json(body)
            .send()
            .await
            .map_err(|e| error(Kind::Transient, e.without_url().to_string()))?;
        if sent.status().as_u16() == 429 {
            let wait = sent
                .headers()
                .get("retry-after")
                .and_then(|v| v.to_str().ok())
                .unwrap_or("1");
            return Err(error(
                Kind::Transient,
                format!("rate limited, retry after {wait} s"),
            ));
        }
        if sent.status().is_server_error() {
            return Err(error(Kind::Transient, format!("HTTP {}", sent.status())));
        }
        let reply: Value = sent
            .json()
            .await
            .map_err(|e| error(Kind::Transient, e.without_url().to_string()))?;
        if reply["ok"] == json!(true) {
            return Ok(reply);
        }
        let code = reply["error"]
            .as_str()
            .unwrap_or("no error named")
            .to_owned();
        let kind = match code.as_str() {
            "ratelimited"
            | "internal_error"
            | "fatal_error"
            | "service_unavailable"
            | "request_timeout" => Kind::Transient,
            "invalid_auth" | "not_authed" | "token_revoked" | "missing_scope"
            | "not_in_channel" => Kind::Denied,
            "channel_not_found" | "message_not_found" | "user_not_found" => Kind::Missing,
            _ => Kind::Other,
        };
        Err(ServiceError {
            action,
            kind,
            code: Some(code.clone()),
            message: code,
        })
    }
}

impl Chat for Slack {
    async fn post(&self, message: &Message) -> Result<(String, String), ServiceError> {
        let action = "slack:chat.postMessage";
        let mut body = json!({
            "channel": message.channel, "text": message.text, "blocks": message.blocks,
            "unfurl_links": false, "unfurl_media": false,
        });
        if let Some(thread) = &message.thread {
            body["thread_ts"] = json!(thread);
        }
        let reply = self.call(action, "chat.postMessage", &body).await?;
        match (reply["channel"].as_str(), reply["ts"].as_str()) {
            (Some(channel), Some(ts)) => Ok((channel.to_owned(), ts.to_owned())),
            _ => Err(ServiceError::of(
                action,
                Kind::Other,
                "the answer names no channel and timestamp",
            )),
        }
    }

    async fn update(&self, channel: &str, ts: &str, message: &Message) -> Result<(), ServiceError> {
        let body =
            json!({ "channel": channel, "ts": ts, "text": message.text, "blocks": message.blocks });
        self.call("slack:chat.update", "chat.update", &body)
            .await
            .map(|_| ())
    }
}

/// What `answer-approval` needs of Slack.
pub trait Respond: Send + Sync {
    /// Tells the member who pressed a button, and nobody else, what came of it.
    fn respond(
        &self,
        url: &str,
        text: &str,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

impl Respond for Slack {
    async fn respond(&self, url: &str, text: &str) -> Result<(), ServiceError> {
        let body = json!({ "response_type": "ephemeral", "replace_original": false, "text": text });
        let sent = self.http.post(url).json(&body).send().await;
        let sent = sent.and_then(reqwest::Response::error_for_status);
        sent.map(|_| ()).map_err(|e| {
            ServiceError::of(
                "slack:response_url",
                Kind::Other,
                e.without_url().to_string(),
            )
        })
    }
}

/// Why an interaction is not believed to be Slack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing or unreadable.
    #[error("the request is not signed")]
    Missing,
    /// It is more than five minutes old or from the future.
    #[error("the request is older than five minutes")]
    Stale,
    /// The signature is not Slack's.
    #[error("the signature is wrong")]
    Wrong,
}

/// Checks Slack's signature: `v0=` HMAC-SHA256 over `v0:timestamp:raw body`, not
/// older than five minutes, compared in constant time (Slack, "Verifying
/// requests from Slack"). It does not prove that the request is new: what it
/// asks for must be harmless when asked twice.
///
/// # Errors
/// Why the request is not believed.
pub fn verify_signature(
    secret: &Secret,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let (timestamp, signature) = timestamp.zip(signature).ok_or(SignatureError::Missing)?;
    let at: i64 = timestamp.parse().map_err(|_| SignatureError::Missing)?;
    if now.as_second().abs_diff(at) > 300 {
        return Err(SignatureError::Stale);
    }
    let given = signature
        .strip_prefix("v0=")
        .and_then(|s| hex::decode(s).ok())
        .ok_or(SignatureError::Wrong)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes())
        .map_err(|_| SignatureError::Wrong)?;
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    mac.verify_slice(&given).map_err(|_| SignatureError::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's documentation.
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const AT: i64 = 1_531_420_618;

    fn check(
        timestamp: Option<&str>,
        signature: Option<&str>,
        body: &str,
        late: i64,
    ) -> Result<(), SignatureError> {
        let secret = Secret::new("8f742231b10e8888abcd99yyyzzz85a5");
        let now = Timestamp::from_second(AT + late).unwrap();
        verify_signature(&secret, timestamp, signature, body.as_bytes(), now)
    }

    #[test]
    fn the_documented_example_is_believed_for_five_minutes() {
        let at = AT.to_string();
        assert_eq!(check(Some(&at), Some(SIGNATURE), BODY, 0), Ok(()));
        assert_eq!(check(Some(&at), Some(SIGNATURE), BODY, 300), Ok(()));
        assert_eq!(
            check(Some(&at), Some(SIGNATURE), BODY, 301),
            Err(SignatureError::Stale)
        );
        assert_eq!(
            check(Some(&at), Some(SIGNATURE), BODY, -301),
            Err(SignatureError::Stale)
        );
    }

    #[test]
    fn anything_altered_or_missing_is_not_believed() {
        let at = AT.to_string();
        assert_eq!(
            check(None, Some(SIGNATURE), BODY, 0),
            Err(SignatureError::Missing)
        );
        assert_eq!(
            check(Some(&at), None, BODY, 0),
            Err(SignatureError::Missing)
        );
        assert_eq!(
            check(Some("soon"), Some(SIGNATURE), BODY, 0),
            Err(SignatureError::Missing)
        );
        assert_eq!(
            check(Some(&at), Some("v0="), BODY, 0),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            check(Some(&at), Some(&SIGNATURE[..40]), BODY, 0),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            check(
                Some(&at),
                Some(SIGNATURE),
                &BODY.replace("foobar", "foobaz"),
                0
            ),
            Err(SignatureError::Wrong)
        );
        let later = (AT + 1).to_string();
        assert_eq!(
            check(Some(&later), Some(SIGNATURE), BODY, 0),
            Err(SignatureError::Wrong)
        );
    }
}
