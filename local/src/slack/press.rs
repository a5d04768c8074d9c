//! Pressing a button: what Slack sends, and how it takes the answer.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    Slack,
    store::{Message, find_button},
};
use crate::{config::SlackUser, ids, sync::locked};

/// How long Slack waits for the answer (*Handling user interaction*,
/// "Acknowledgment response").
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Which button is pressed by whom.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Press {
    pub(crate) channel: String,
    pub(crate) ts: String,
    pub(crate) action_id: String,
    pub(crate) user: String,
}

/// What came of a press.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Pressed {
    /// Whether the app acknowledged in time.
    pub(crate) ok: bool,
    /// The app's HTTP status, when it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// What Slack would show.
    pub(crate) shown: String,
}

/// Why nothing could be pressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PressError {
    /// No such message.
    #[error("there is no message {ts} in {channel}")]
    Message {
        /// The channel asked for.
        channel: String,
        /// The message asked for.
        ts: String,
    },
    /// The message has no such button, any more.
    #[error("the message has no button {0} (any more)")]
    Button(String),
    /// Not somebody of this workspace.
    #[error("{given} is no user of this workspace; its users are {known}")]
    User {
        /// Who was to press.
        given: String,
        /// Who could.
        known: String,
    },
    /// Nobody said where to.
    #[error("no interactivity URL is set: there is nowhere to send the press to")]
    Url,
}

impl Slack {
    /// Presses a button and waits for the app's answer.
    ///
    /// # Errors
    /// [`PressError`], when there is nothing to press or nobody to press it.
    pub(crate) async fn press(&self, press: &Press) -> Result<Pressed, PressError> {
        let message = (self.workspace.message(&press.channel, &press.ts)).ok_or_else(|| {
            PressError::Message {
                channel: press.channel.clone(),
                ts: press.ts.clone(),
            }
        })?;
        let (block_id, button) = find_button(&message, &press.action_id)
            .ok_or_else(|| PressError::Button(press.action_id.clone()))?;
        let user = self
            .workspace
            .user(&press.user)
            .ok_or_else(|| PressError::User {
                given: press.user.clone(),
                known: (self.workspace.users.iter().map(|user| user.id.as_str()))
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
        let url = locked(&self.interactivity_url)
            .clone()
            .ok_or(PressError::Url)?;
        let payload = self.payload(&message, user, &block_id, &button);
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        let timestamp = ids::now().as_second().to_string();
        let sent = (self.http.post(url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
            .header(
                "x-slack-signature",
                sign(&self.signing_secret, &timestamp, &body),
            )
            .header("x-slack-request-timestamp", timestamp)
            .timeout(ANSWER_WITHIN)
            .body(body)
            .send()
            .await;
        Ok(outcome(sent))
    }

    fn payload(
        &self,
        message: &Message,
        user: &SlackUser,
        block_id: &Value,
        button: &Value,
    ) -> Value {
        let token = self.workspace.response_token(message, &user.id);
        let mut action = json!({
            "type": "button",
            "action_id": button["action_id"],
            "block_id": block_id,
            "text": button["text"],
            "action_ts": format!("{:.6}", ids::now_epoch()),
        });
        for optional in ["value", "style", "url"] {
            if !button[optional].is_null() {
                action[optional] = button[optional].clone();
            }
        }
        json!({
            "type": "block_actions",
            "user": {
                "id": user.id,
                "username": user.name,
                "name": user.name,
                "team_id": super::TEAM_ID,
            },
            "api_app_id": super::APP_ID,
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                "is_ephemeral": message.only_for.is_some(),
            },
            "trigger_id": format!("{}.{}", ids::now().as_millisecond(), ids::token()),
            "team": {"id": super::TEAM_ID, "domain": "laptop-stand-in"},
            "channel": {
                "id": message.channel,
                "name": message.channel_name.trim_start_matches(['#', '@']),
            },
            "message": {
                "type": "message",
                "user": super::BOT_USER_ID,
                "bot_id": super::BOT_ID,
                "ts": message.ts,
                "text": message.text,
                "blocks": message.blocks,
            },
            "response_url": format!("{}slack/response/{token}", self.url),
            "actions": [action],
        })
    }
}

fn outcome(sent: Result<reqwest::Response, reqwest::Error>) -> Pressed {
    match sent {
        Ok(answer) => {
            let (ok, status) = (answer.status().is_success(), answer.status());
            let shown = if ok {
                "acknowledged".to_owned()
            } else {
                format!("This app responded with status code {}.", status.as_u16())
            };
            Pressed {
                ok,
                status: Some(status.as_u16()),
                shown,
            }
        }
        Err(error) => Pressed {
            ok: false,
            status: None,
            shown: if error.is_timeout() {
                "operation_timeout: this app did not respond within 3 seconds.".to_owned()
            } else {
                format!("We had some trouble connecting. Try again? ({error})")
            },
        },
    }
}

/// `X-Slack-Signature`: `v0=` and the HMAC-SHA256 of `v0:<timestamp>:<body>`
/// (*Verifying requests from Slack*).
pub(crate) fn sign(secret: &str, timestamp: &str, body: &str) -> String {
    let key = secret.as_bytes();
    // HMAC takes a key of any length; the error is that of other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(format!("v0:{timestamp}:{body}").as_bytes());
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_slacks_own_example() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        assert_eq!(
            sign("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", body),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }
}
