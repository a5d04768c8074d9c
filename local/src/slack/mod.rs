//! A stand-in for Slack: the Web API methods the project uses, with Slack's
//! limits and errors, and people who press buttons.

mod api;
mod limits;
pub(crate) mod mrkdwn;
pub(crate) mod press;
pub(crate) mod preview;
mod rate;
pub(crate) mod store;

use std::sync::{Arc, Mutex};

use axum::Router;
use url::Url;

use crate::{config::SlackConfig, sync::locked, tasks::Tasks};

/// Who the workspace and the app are; fixed, since nothing depends on them.
const TEAM_ID: &str = "T0STANDIN";
const APP_ID: &str = "A0GATEWRIGHT";
const BOT_ID: &str = "B0GATEWRIGHT";
const BOT_USER_ID: &str = "U0GATEWRIGHT";

/// The stand-in.
pub(crate) struct Slack {
    pub(crate) workspace: store::Workspace,
    signing_secret: String,
    bot_token: String,
    interactivity_url: Mutex<Option<Url>>,
    link_previews: Mutex<bool>,
    rate: rate::RateLimit,
    /// This server's address, ending in a slash.
    url: Url,
    http: reqwest::Client,
    tasks: Tasks,
}

impl Slack {
    pub(crate) fn new(config: SlackConfig, url: Url, http: reqwest::Client) -> Self {
        Self {
            workspace: store::Workspace::new(config.users, config.channels),
            signing_secret: config.signing_secret,
            bot_token: config.bot_token,
            interactivity_url: Mutex::new(config.interactivity_url),
            link_previews: Mutex::new(false),
            rate: rate::RateLimit::default(),
            url,
            http,
            tasks: Tasks::default(),
        }
    }

    /// Where presses are sent from now on.
    pub(crate) fn set_interactivity_url(&self, url: Url) {
        *locked(&self.interactivity_url) = Some(url);
    }

    /// Whether links in posted messages are fetched from now on.
    pub(crate) fn set_link_previews(&self, on: bool) {
        *locked(&self.link_previews) = on;
    }

    /// Waits for link previews under way.
    pub(crate) async fn shutdown(&self) {
        self.tasks.finish().await;
    }
}

/// The routes under `/slack`.
pub(crate) fn router(slack: Arc<Slack>) -> Router {
    api::router().with_state(slack)
}
