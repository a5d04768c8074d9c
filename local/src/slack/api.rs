//! The methods of Slack's Web API that are played, and response URLs.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{
    Slack,
    limits::{self, Refusal},
    store::Content,
};
use crate::sync::locked;

/// Why a method was not carried out.
enum Problem {
    Refused(Refusal),
    RateLimited(u64),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn refuse(error: &'static str) -> Problem {
    Problem::Refused(Refusal::plain(error))
}

/// The routes under `/slack`.
pub(super) fn router() -> Router<Arc<Slack>> {
    Router::new()
        .route("/slack/api/{method}", post(call))
        .route("/slack/response/{token}", post(respond))
}

async fn call(
    State(slack): State<Arc<Slack>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let outcome = match slack.authorized(&headers) {
        Err(error) => Err(refuse(error)),
        Ok(()) => slack.method(&method, &headers, &body).await,
    };
    match outcome {
        Ok(mut answer) => {
            answer["ok"] = true.into();
            Json(answer).into_response()
        }
        Err(Problem::RateLimited(seconds)) => (
            StatusCode::TOO_MANY_REQUESTS,
            [(header::RETRY_AFTER, seconds.to_string())],
            Json(json!({"ok": false, "error": "ratelimited"})),
        )
            .into_response(),
        Err(Problem::Refused(refusal)) => {
            let mut answer = json!({"ok": false, "error": refusal.error});
            if let Some(message) = refusal.message {
                answer["errors"] = json!([message]);
                answer["response_metadata"] = json!({"messages": [message]});
            }
            Json(answer).into_response()
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageRequest {
    channel: Option<String>,
    ts: Option<String>,
    thread_ts: Option<String>,
    text: Option<String>,
    blocks: Option<Value>,
    unfurl_links: Option<bool>,
}

impl MessageRequest {
    fn content(&self) -> Result<Content, Refusal> {
        limits::check(self.text.as_deref(), self.blocks.as_ref())?;
        Ok(Content {
            text: self.text.clone().unwrap_or_default(),
            blocks: (self.blocks.as_ref().and_then(Value::as_array).cloned()).unwrap_or_default(),
        })
    }
}

#[derive(Deserialize)]
struct OpenRequest {
    #[serde(default)]
    users: String,
}

impl Slack {
    fn authorized(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let given = (headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()))
        .ok_or("not_authed")?
        .strip_prefix("Bearer ")
        .ok_or("invalid_auth")?;
        if bool::from(given.as_bytes().ct_eq(self.bot_token.as_bytes())) {
            Ok(())
        } else {
            Err("invalid_auth")
        }
    }

    async fn method(
        self: &Arc<Self>,
        method: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Value, Problem> {
        match method {
            "auth.test" => Ok(json!({
                "url": self.url.as_str(),
                "team": "Laptop stand-in for Slack",
                "team_id": super::TEAM_ID,
                "user": "gatewright",
                "user_id": super::BOT_USER_ID,
                "bot_id": super::BOT_ID,
            })),
            "chat.postMessage" => self.post_message(&json_body(headers, body)?),
            "chat.update" => self.update_message(&json_body(headers, body)?),
            "conversations.open" => self.open(&json_body(headers, body)?),
            _ => Err(refuse("unknown_method")),
        }
    }

    fn post_message(self: &Arc<Self>, request: &MessageRequest) -> Result<Value, Problem> {
        let channel = request.channel.as_deref().unwrap_or_default();
        let conversation =
            (self.workspace.conversation(channel)).ok_or_else(|| refuse("channel_not_found"))?;
        let content = request.content()?;
        (self.rate.take(&conversation.0, Instant::now())).map_err(Problem::RateLimited)?;
        let message = (self.workspace).post(conversation, content, request.thread_ts.clone(), None);
        if self.previews_on() && request.unfurl_links != Some(false) {
            self.preview_later(message.clone());
        }
        Ok(
            json!({"channel": message.channel, "ts": message.ts, "message": {
                "type": "message",
                "bot_id": super::BOT_ID,
                "user": super::BOT_USER_ID,
                "ts": message.ts,
                "text": message.text,
                "blocks": message.blocks,
            }}),
        )
    }

    fn update_message(&self, request: &MessageRequest) -> Result<Value, Problem> {
        let channel = request.channel.as_deref().unwrap_or_default();
        let (channel, _) =
            (self.workspace.conversation(channel)).ok_or_else(|| refuse("channel_not_found"))?;
        let ts = request.ts.as_deref().unwrap_or_default();
        let content = request.content()?;
        let message = (self.workspace.update(&channel, ts, content))
            .ok_or_else(|| refuse("message_not_found"))?;
        Ok(
            json!({"channel": channel, "ts": ts, "text": message.text, "message": {
                "type": "message",
                "user": super::BOT_USER_ID,
                "text": message.text,
                "blocks": message.blocks,
            }}),
        )
    }

    fn open(&self, request: &OpenRequest) -> Result<Value, Problem> {
        if request.users.is_empty() {
            return Err(refuse("users_list_not_supplied"));
        }
        let user = (self.workspace.user(&request.users)).ok_or_else(|| refuse("user_not_found"))?;
        Ok(json!({"channel": {"id": self.workspace.open_direct(user)}}))
    }

    /// Whether posted links are fetched.
    pub(crate) fn previews_on(&self) -> bool {
        *locked(&self.link_previews)
    }
}

fn json_body<T: serde::de::DeserializeOwned>(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<T, Problem> {
    let is_json = (headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()))
    .is_some_and(|kind| kind.starts_with("application/json"));
    if !is_json {
        // Slack takes forms too; this stand-in plays what the project uses.
        return Err(refuse("invalid_post_type"));
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| refuse("invalid_json"))?;
    serde_json::from_value(value).map_err(|_| refuse("invalid_arguments"))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseRequest {
    text: Option<String>,
    blocks: Option<Value>,
    replace_original: bool,
    delete_original: bool,
    response_type: Option<String>,
    thread_ts: Option<String>,
}

/// What a posted response does: replace the message, take it away, or add one,
/// by default for the pressing user only (*Handling user interaction*).
async fn respond(
    State(slack): State<Arc<Slack>>,
    Path(token): Path<String>,
    Json(request): Json<ResponseRequest>,
) -> Response {
    let error = |error: &str| {
        let body = Json(json!({"ok": false, "error": error}));
        (StatusCode::NOT_FOUND, body).into_response()
    };
    let target = match slack.workspace.use_response_token(&token) {
        Ok(target) => target,
        Err(reason) => return error(reason),
    };
    let done = || Json(json!({"ok": true})).into_response();
    if request.delete_original {
        slack.workspace.delete(&target.channel, &target.ts);
        return done();
    }
    if let Err(refusal) = limits::check(request.text.as_deref(), request.blocks.as_ref()) {
        return error(refusal.error);
    }
    let content = Content {
        text: request.text.unwrap_or_default(),
        blocks: (request.blocks.as_ref().and_then(Value::as_array).cloned()).unwrap_or_default(),
    };
    if request.replace_original {
        return match slack.workspace.update(&target.channel, &target.ts, content) {
            Some(_) => done(),
            None => error("message_not_found"),
        };
    }
    let Some(conversation) = slack.workspace.conversation(&target.channel) else {
        return error("channel_not_found");
    };
    let only_for = (request.response_type.as_deref() != Some("in_channel")).then_some(target.user);
    (slack.workspace).post(conversation, content, request.thread_ts, only_for);
    done()
}
