//! Link previews: fetching what a message links to, before anybody clicks.
//!
//! Slack does this to every posted link, and mail scanners do it to links in
//! e-mails. A link that acts on a plain GET would be followed by both.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;

use super::{Slack, mrkdwn, store::Message};

/// How Slack's link expander names itself (*Slack's robots*).
const AGENT: &str = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)";

/// How long one fetch may take.
const FETCH_WITHIN: Duration = Duration::from_secs(3);

/// One fetch and what it got.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fetched {
    method: &'static str,
    url: String,
    /// The HTTP status, or why there is none.
    result: String,
}

impl Slack {
    /// Fetches a posted message's links in the background.
    pub(super) fn preview_later(self: &Arc<Self>, message: Message) {
        let slack = Arc::clone(self);
        self.tasks.spawn(async move {
            slack.fetch_links(&message_links(&message)).await;
        });
    }

    /// Fetches each link with HEAD and with GET, as a link expander would.
    pub(crate) async fn fetch_links(&self, links: &[String]) -> Vec<Fetched> {
        let mut fetched = Vec::new();
        for url in links {
            for method in [reqwest::Method::HEAD, reqwest::Method::GET] {
                let name = if method == reqwest::Method::HEAD {
                    "HEAD"
                } else {
                    "GET"
                };
                let answer = (self.http.request(method, url))
                    .header("user-agent", AGENT)
                    .timeout(FETCH_WITHIN)
                    .send()
                    .await;
                fetched.push(Fetched {
                    method: name,
                    url: url.clone(),
                    result: match answer {
                        Ok(answer) => answer.status().to_string(),
                        Err(error) => error.to_string(),
                    },
                });
            }
        }
        fetched
    }
}

/// The links in a message's text and in its blocks' texts; a button's address
/// is not expanded.
pub(crate) fn message_links(message: &Message) -> Vec<String> {
    let mut links = mrkdwn::links(&message.text);
    message
        .blocks
        .iter()
        .for_each(|block| collect(block, &mut links));
    links.sort_unstable();
    links.dedup();
    links
}

fn collect(value: &Value, links: &mut Vec<String>) {
    match value {
        Value::Object(members) if members.get("type").is_some_and(|kind| kind == "mrkdwn") => {
            let text = members.get("text").and_then(Value::as_str);
            links.extend(mrkdwn::links(text.unwrap_or_default()));
        }
        Value::Object(members) => members.values().for_each(|member| collect(member, links)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, links)),
        _ => {}
    }
}
