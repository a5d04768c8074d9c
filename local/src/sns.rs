//! An e-mail inbox at the end of an SNS subscription.
//!
//! On AWS the topic mails people; on a laptop it posts to `/sns`, an HTTP
//! subscription, and the inbox page shows what the mail would have said. The
//! messages are those of *HTTP/HTTPS notification JSON formats* in the SNS
//! developer guide.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Host, Url};

use crate::{ids, sync::locked};

/// A notification, kept as the e-mail it stands for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mail {
    pub(crate) message_id: String,
    pub(crate) topic_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    pub(crate) message: String,
    pub(crate) message_attributes: Value,
    /// When it came, in seconds since 1970.
    pub(crate) at: f64,
}

/// Every mail since the stand-in was started.
pub(crate) struct SnsInbox {
    mails: Mutex<Vec<Mail>>,
    http: reqwest::Client,
}

impl SnsInbox {
    pub(crate) fn new(http: reqwest::Client) -> Self {
        Self {
            mails: Mutex::default(),
            http,
        }
    }

    /// Every mail, the oldest first.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        locked(&self.mails).clone()
    }

    /// The links a reader, or a scanner, of a mail could follow.
    pub(crate) fn links(&self, message_id: &str) -> Option<Vec<String>> {
        (locked(&self.mails).iter())
            .find(|mail| mail.message_id == message_id)
            .map(|mail| crate::slack::mrkdwn::plain_links(&mail.message))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Incoming {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    topic_arn: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    message_attributes: Value,
    #[serde(default, rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

/// The route `/sns`.
pub(crate) fn router(inbox: Arc<SnsInbox>) -> Router {
    Router::new().route("/sns", post(receive)).with_state(inbox)
}

async fn receive(State(inbox): State<Arc<SnsInbox>>, body: Bytes) -> (StatusCode, String) {
    let incoming: Incoming = match serde_json::from_slice(&body) {
        Ok(incoming) => incoming,
        Err(error) => {
            let text = format!("stand-in inbox: this is no SNS message: {error}\n");
            return (StatusCode::BAD_REQUEST, text);
        }
    };
    match incoming.kind.as_str() {
        "SubscriptionConfirmation" => inbox.confirm(incoming.subscribe_url.as_deref()).await,
        "Notification" => {
            inbox.keep(incoming);
            (StatusCode::OK, String::new())
        }
        "UnsubscribeConfirmation" => (StatusCode::OK, String::new()),
        other => (
            StatusCode::BAD_REQUEST,
            format!("stand-in inbox: SNS sends no messages of Type {other}\n"),
        ),
    }
}

impl SnsInbox {
    fn keep(&self, incoming: Incoming) {
        let mail = Mail {
            message_id: incoming.message_id,
            topic_arn: incoming.topic_arn,
            subject: incoming.subject,
            message: incoming.message,
            message_attributes: incoming.message_attributes,
            at: ids::now_epoch(),
        };
        let mut mails = locked(&self.mails);
        // SNS delivers at least once: the same message again is no second mail.
        let known = mails
            .iter()
            .any(|known| known.message_id == mail.message_id);
        if !known || mail.message_id.is_empty() {
            mails.push(mail);
        }
    }

    async fn confirm(&self, url: Option<&str>) -> (StatusCode, String) {
        let Some(url) = url.and_then(|url| Url::parse(url).ok()).filter(is_loopback) else {
            // Anybody can post here; following any address would make this
            // server fetch what a stranger says.
            let text = "stand-in inbox: the SubscribeURL is not on this machine; not followed\n";
            return (StatusCode::BAD_REQUEST, text.to_owned());
        };
        match self.http.get(url).send().await {
            Ok(answer) if answer.status().is_success() => (StatusCode::OK, String::new()),
            Ok(answer) => (
                StatusCode::BAD_GATEWAY,
                format!(
                    "stand-in inbox: the SubscribeURL answered {}\n",
                    answer.status()
                ),
            ),
            Err(error) => (
                StatusCode::BAD_GATEWAY,
                format!("stand-in inbox: the SubscribeURL did not answer: {error}\n"),
            ),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:4566/x", true),
            ("http://localhost:4566/x", true),
            ("http://[::1]/x", true),
            ("http://localhost.example.com/", false),
            ("http://169.254.169.254/latest", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
