//! The inbox: everything people would have got, in one page.
//!
//! `GET /inbox` is for people, `GET /inbox.json` for tests. The page asks
//! `/inbox/version` once a second and fetches `/inbox/feed` anew when something
//! has changed.

mod view;

use std::sync::Arc;

use askama::Template;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::SlackUser,
    pagerduty::PagerDuty,
    slack::{
        Slack,
        press::{Press, PressError},
        preview::message_links,
    },
    sns::SnsInbox,
};
use view::{Item, Part};

/// What the inbox shows.
#[derive(Clone)]
pub(crate) struct Inbox {
    pub(crate) slack: Arc<Slack>,
    pub(crate) sns: Arc<SnsInbox>,
    pub(crate) pagerduty: Arc<PagerDuty>,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct Page {
    users: Vec<SlackUser>,
    link_previews: bool,
    version: String,
    items: Vec<Item>,
}

#[derive(Template)]
#[template(path = "feed.html")]
struct Feed {
    items: Vec<Item>,
}

/// The routes under `/inbox`.
pub(crate) fn router(inbox: Inbox) -> Router {
    Router::new()
        .route("/inbox", get(page))
        .route("/inbox.json", get(content))
        .route("/inbox/feed", get(feed))
        .route("/inbox/version", get(version))
        .route("/inbox/press", post(press))
        .route("/inbox/fetch-links", post(fetch_links))
        .route("/inbox/link-previews", post(link_previews))
        .with_state(inbox)
}

impl Inbox {
    /// Changes with everything the page shows.
    fn version(&self) -> String {
        let (messages, mails) = (self.slack.workspace.version(), self.sns.mails().len());
        format!("{messages}.{mails}.{}", self.pagerduty.version())
    }

    fn items(&self) -> Vec<Item> {
        let users = &self.slack.workspace.users;
        let messages = self.slack.workspace.messages();
        let mails = self.sns.mails();
        let incidents = self.pagerduty.incidents();
        let mut items: Vec<(f64, Item)> = (messages.iter())
            .map(|message| (message.at, Item::message(message, users)))
            .chain(mails.iter().map(|mail| (mail.at, Item::mail(mail))))
            .chain((incidents.iter()).map(|incident| (incident.at, Item::incident(incident))))
            .collect();
        items.sort_by(|one, other| one.0.total_cmp(&other.0));
        items.into_iter().map(|(_, item)| item).collect()
    }
}

async fn page(State(inbox): State<Inbox>) -> Response {
    // The version first: a change in between is then fetched by the page.
    let version = inbox.version();
    html(&Page {
        users: inbox.slack.workspace.users.clone(),
        link_previews: inbox.slack.previews_on(),
        version,
        items: inbox.items(),
    })
}

async fn feed(State(inbox): State<Inbox>) -> Response {
    html(&Feed {
        items: inbox.items(),
    })
}

fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn version(State(inbox): State<Inbox>) -> String {
    inbox.version()
}

async fn content(State(inbox): State<Inbox>) -> Json<Value> {
    Json(json!({
        "standIn": "Slack, e-mail and PagerDuty",
        "version": inbox.version(),
        "linkPreviews": inbox.slack.previews_on(),
        "users": inbox.slack.workspace.users,
        "messages": inbox.slack.workspace.messages(),
        "mails": inbox.sns.mails(),
        "incidents": inbox.pagerduty.incidents(),
    }))
}

async fn press(State(inbox): State<Inbox>, Json(request): Json<Press>) -> Response {
    match inbox.slack.press(&request).await {
        Ok(pressed) => Json(pressed).into_response(),
        Err(error) => {
            let status = match error {
                PressError::Message { .. } | PressError::Button(_) => StatusCode::NOT_FOUND,
                PressError::User { .. } => StatusCode::BAD_REQUEST,
                PressError::Url => StatusCode::CONFLICT,
            };
            let body = json!({"ok": false, "shown": error.to_string()});
            (status, Json(body)).into_response()
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FetchLinks {
    Message { channel: String, ts: String },
    Mail { mail: String },
}

async fn fetch_links(State(inbox): State<Inbox>, Json(request): Json<FetchLinks>) -> Response {
    let links = match &request {
        FetchLinks::Message { channel, ts } => {
            let message = inbox.slack.workspace.message(channel, ts);
            message.map(|message| message_links(&message))
        }
        FetchLinks::Mail { mail } => inbox.sns.links(mail),
    };
    match links {
        Some(links) => Json(inbox.slack.fetch_links(&links).await).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such message").into_response(),
    }
}

#[derive(Deserialize)]
struct LinkPreviews {
    on: bool,
}

async fn link_previews(
    State(inbox): State<Inbox>,
    Json(LinkPreviews { on }): Json<LinkPreviews>,
) -> StatusCode {
    inbox.slack.set_link_previews(on);
    StatusCode::NO_CONTENT
}
