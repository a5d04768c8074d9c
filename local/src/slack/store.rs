//! What has been posted, and the conversations it was posted to.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    config::{SlackChannel, SlackUser},
    ids,
    sync::locked,
};

/// How long and how often a response URL works (*Handling user interaction*,
/// "Message responses").
const RESPONSE_URL_LIFE: Duration = Duration::from_secs(30 * 60);
const RESPONSE_URL_USES: u32 = 5;

/// One message as the workspace shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Message {
    /// The conversation's id.
    pub(crate) channel: String,
    /// The conversation's name, for people.
    pub(crate) channel_name: String,
    /// The message's id in the conversation.
    pub(crate) ts: String,
    /// The thread it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thread_ts: Option<String>,
    pub(crate) text: String,
    pub(crate) blocks: Vec<Value>,
    /// Whether it was changed after it was posted.
    pub(crate) edited: bool,
    /// The one user who sees it, for an ephemeral message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) only_for: Option<String>,
    /// When it was posted, in seconds since 1970.
    pub(crate) at: f64,
}

/// A new message's or an update's content.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) text: String,
    pub(crate) blocks: Vec<Value>,
}

/// Where a response URL leads.
#[derive(Debug, Clone)]
pub(crate) struct ResponseTarget {
    pub(crate) channel: String,
    pub(crate) ts: String,
    pub(crate) user: String,
    since: Instant,
    uses: u32,
}

#[derive(Debug, Default)]
struct Inner {
    messages: Vec<Message>,
    /// Direct-message channels: user id to channel id.
    direct: BTreeMap<String, String>,
    response_urls: BTreeMap<String, ResponseTarget>,
    last_ts: i64,
    version: u64,
}

/// The workspace's content.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) users: Vec<SlackUser>,
    pub(crate) channels: Vec<SlackChannel>,
    inner: Mutex<Inner>,
}

impl Workspace {
    pub(crate) fn new(users: Vec<SlackUser>, channels: Vec<SlackChannel>) -> Self {
        Self {
            users,
            channels,
            inner: Mutex::default(),
        }
    }

    /// The user of this id.
    pub(crate) fn user(&self, id: &str) -> Option<&SlackUser> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The direct-message channel with a user, opened when it is not yet.
    pub(crate) fn open_direct(&self, user: &SlackUser) -> String {
        let mut inner = locked(&self.inner);
        (inner.direct.entry(user.id.clone()))
            .or_insert_with(|| format!("D{}", ids::token()[..10].to_uppercase()))
            .clone()
    }

    /// A conversation's id and name, from what `channel` may hold: an id, a
    /// `#name`, or a user's id for a direct message.
    pub(crate) fn conversation(&self, channel: &str) -> Option<(String, String)> {
        let name = channel.trim_start_matches('#');
        let found = (self.channels.iter()).find(|known| known.id == channel || known.name == name);
        if let Some(known) = found {
            return Some((known.id.clone(), format!("#{}", known.name)));
        }
        if let Some(user) = self.user(channel) {
            return Some((self.open_direct(user), format!("@{}", user.name)));
        }
        let inner = locked(&self.inner);
        let (user, _) = inner.direct.iter().find(|(_, direct)| *direct == channel)?;
        let name = self.user(user).map_or(user, |user| &user.name);
        Some((channel.to_owned(), format!("@{name}")))
    }

    /// Adds a message and returns it with its `ts`.
    pub(crate) fn post(
        &self,
        (channel, channel_name): (String, String),
        content: Content,
        thread_ts: Option<String>,
        only_for: Option<String>,
    ) -> Message {
        let mut inner = locked(&self.inner);
        // `ts` identifies a message in its channel: never the same twice.
        let micros = ids::now().as_microsecond().max(inner.last_ts + 1);
        inner.last_ts = micros;
        inner.version += 1;
        let message = Message {
            channel,
            channel_name,
            ts: format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
            thread_ts,
            text: content.text,
            blocks: with_ids(content.blocks),
            edited: false,
            only_for,
            at: ids::now_epoch(),
        };
        inner.messages.push(message.clone());
        message
    }

    /// Replaces a message's content; `None` when there is no such message.
    pub(crate) fn update(&self, channel: &str, ts: &str, content: Content) -> Option<Message> {
        let mut inner = locked(&self.inner);
        let message = (inner.messages.iter_mut())
            .find(|message| message.channel == channel && message.ts == ts)?;
        message.text = content.text;
        message.blocks = with_ids(content.blocks);
        message.edited = true;
        let message = message.clone();
        inner.version += 1;
        Some(message)
    }

    /// Takes a message away; `false` when there is no such message.
    pub(crate) fn delete(&self, channel: &str, ts: &str) -> bool {
        let mut inner = locked(&self.inner);
        let before = inner.messages.len();
        inner
            .messages
            .retain(|message| !(message.channel == channel && message.ts == ts));
        inner.version += 1;
        inner.messages.len() < before
    }

    /// A message.
    pub(crate) fn message(&self, channel: &str, ts: &str) -> Option<Message> {
        (locked(&self.inner).messages.iter())
            .find(|message| message.channel == channel && message.ts == ts)
            .cloned()
    }

    /// Every message, the oldest first.
    pub(crate) fn messages(&self) -> Vec<Message> {
        locked(&self.inner).messages.clone()
    }

    /// Changes with every change of the content.
    pub(crate) fn version(&self) -> u64 {
        locked(&self.inner).version
    }

    /// A new response URL's token, leading to a message and the user who
    /// pressed.
    pub(crate) fn response_token(&self, message: &Message, user: &str) -> String {
        let token = ids::token();
        let target = ResponseTarget {
            channel: message.channel.clone(),
            ts: message.ts.clone(),
            user: user.to_owned(),
            since: Instant::now(),
            uses: 0,
        };
        locked(&self.inner)
            .response_urls
            .insert(token.clone(), target);
        token
    }

    /// Uses a response URL once.
    ///
    /// # Errors
    /// Slack's name for why it cannot be used.
    pub(crate) fn use_response_token(&self, token: &str) -> Result<ResponseTarget, &'static str> {
        let mut inner = locked(&self.inner);
        let target = inner.response_urls.get_mut(token).ok_or("invalid_url")?;
        if target.since.elapsed() > RESPONSE_URL_LIFE {
            return Err("expired_url");
        }
        if target.uses >= RESPONSE_URL_USES {
            return Err("used_url");
        }
        target.uses += 1;
        Ok(target.clone())
    }
}

/// Gives every block a `block_id` and every button an `action_id` that has
/// none, as Slack does.
fn with_ids(mut blocks: Vec<Value>) -> Vec<Value> {
    let id = || Value::from(&ids::token()[..5]);
    for block in &mut blocks {
        if block["block_id"].is_null() {
            block["block_id"] = id();
        }
        let elements = block.get_mut("elements").and_then(Value::as_array_mut);
        for element in elements.into_iter().flatten() {
            if element["type"] == "button" && element["action_id"].is_null() {
                element["action_id"] = id();
            }
        }
        if block["accessory"]["type"] == "button" && block["accessory"]["action_id"].is_null() {
            block["accessory"]["action_id"] = id();
        }
    }
    blocks
}

/// The button of a message with this action id: its block's id and itself.
pub(crate) fn find_button(message: &Message, action_id: &str) -> Option<(Value, Value)> {
    (message.blocks.iter()).find_map(|block| {
        let elements = block["elements"].as_array().map_or(&[][..], Vec::as_slice);
        (elements.iter().chain([&block["accessory"]]))
            .find(|element| element["type"] == "button" && element["action_id"] == action_id)
            .map(|button| (json!(block["block_id"]), button.clone()))
    })
}
