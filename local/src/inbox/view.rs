//! Messages and mails, ready for the page's template.

use serde_json::Value;

use crate::{
    config::SlackUser,
    ids,
    pagerduty::Incident,
    slack::{mrkdwn, store::Message},
    sns::Mail,
};

/// One entry of the feed. Every `…html` is escaped already.
pub(super) struct Item {
    /// `slack`, `mail` or `pagerduty`: its look.
    pub(super) kind: &'static str,
    /// Where it was posted, or its topic.
    pub(super) place: String,
    /// The conversation's id, for presses.
    pub(super) channel: String,
    /// The message's `ts`, the mail's id, or the incident's key.
    pub(super) id: String,
    pub(super) time: String,
    /// What else there is to say, such as "edited".
    pub(super) note: String,
    pub(super) parts: Vec<Part>,
}

/// A piece of an entry.
pub(super) enum Part {
    Html(String),
    Header(String),
    Context(String),
    Divider,
    Buttons(Vec<Button>),
}

/// A button.
pub(super) struct Button {
    pub(super) label: String,
    /// `primary`, `danger` or nothing.
    pub(super) style: String,
    pub(super) action_id: String,
    /// Where a link button leads.
    pub(super) url: Option<String>,
}

impl Item {
    pub(super) fn message(message: &Message, users: &[SlackUser]) -> Self {
        let mut notes = Vec::new();
        if message.edited {
            notes.push("edited".to_owned());
        }
        if message.thread_ts.is_some() {
            notes.push("in a thread".to_owned());
        }
        if let Some(user) = &message.only_for {
            notes.push(format!("only visible to {user}"));
        }
        let parts = if message.blocks.is_empty() {
            vec![Part::Html(mrkdwn::to_html(&message.text, users))]
        } else {
            (message.blocks.iter())
                .flat_map(|block| block_parts(block, users))
                .collect()
        };
        Self {
            kind: "slack",
            place: message.channel_name.clone(),
            channel: message.channel.clone(),
            id: message.ts.clone(),
            time: ids::event_time(message.at),
            note: notes.join(", "),
            parts,
        }
    }

    pub(super) fn mail(mail: &Mail) -> Self {
        let subject =
            (mail.subject.clone()).unwrap_or_else(|| "AWS Notification Message".to_owned());
        Self {
            kind: "mail",
            place: mail
                .topic_arn
                .rsplit(':')
                .next()
                .unwrap_or_default()
                .to_owned(),
            channel: String::new(),
            id: mail.message_id.clone(),
            time: ids::event_time(mail.at),
            note: "e-mail".to_owned(),
            parts: vec![
                Part::Header(subject),
                Part::Html(mrkdwn::plain_to_html(&mail.message)),
            ],
        }
    }

    pub(super) fn incident(incident: &Incident) -> Self {
        let payload = &incident.payload;
        let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
        let mut parts = vec![
            Part::Header(text("summary")),
            Part::Context(mrkdwn::plain_to_html(&format!(
                "{}, about {}",
                text("severity"),
                text("source")
            ))),
        ];
        for (heading, detail) in payload["custom_details"].as_object().into_iter().flatten() {
            let said = detail
                .as_str()
                .map_or_else(|| detail.to_string(), str::to_owned);
            parts.push(Part::Context(mrkdwn::plain_to_html(heading)));
            parts.push(Part::Html(mrkdwn::plain_to_html(&said)));
        }
        let links = incident.links.iter().map(|link| Button {
            label: link["text"].as_str().unwrap_or("link").to_owned(),
            style: String::new(),
            action_id: String::new(),
            url: link["href"].as_str().map(str::to_owned),
        });
        parts.push(Part::Buttons(links.collect()));
        Self {
            kind: "pagerduty",
            place: format!("PagerDuty: {}", incident.service),
            channel: String::new(),
            id: incident.dedup_key.clone(),
            time: ids::event_time(incident.at),
            note: format!(
                "stand-in, nobody was woken up; {}, sent {} time(s)",
                incident.state, incident.alerts
            ),
            parts,
        }
    }
}

fn block_parts(block: &Value, users: &[SlackUser]) -> Vec<Part> {
    match block["type"].as_str().unwrap_or_default() {
        "header" => vec![Part::Header(plain(&block["text"]))],
        "divider" => vec![Part::Divider],
        "actions" => vec![Part::Buttons(
            list(block, "elements").filter_map(button).collect(),
        )],
        "context" => vec![Part::Context(
            list(block, "elements")
                .map(|text| text_html(text, users))
                .collect::<Vec<_>>()
                .join(" "),
        )],
        "section" => {
            let fields = list(block, "fields").map(|text| text_html(text, users));
            let mut parts: Vec<Part> = (!block["text"].is_null())
                .then(|| text_html(&block["text"], users))
                .into_iter()
                .chain(fields)
                .map(Part::Html)
                .collect();
            parts.extend(button(&block["accessory"]).map(|button| Part::Buttons(vec![button])));
            parts
        }
        other => vec![Part::Context(format!(
            "(the laptop stand-in does not show {other} blocks)"
        ))],
    }
}

fn list<'b>(block: &'b Value, name: &str) -> impl Iterator<Item = &'b Value> {
    block[name].as_array().into_iter().flatten()
}

fn plain(text: &Value) -> String {
    text["text"].as_str().unwrap_or_default().to_owned()
}

fn text_html(text: &Value, users: &[SlackUser]) -> String {
    if text["type"] == "mrkdwn" {
        mrkdwn::to_html(&plain(text), users)
    } else {
        mrkdwn::plain_to_html(&plain(text))
    }
}

fn button(element: &Value) -> Option<Button> {
    (element["type"] == "button").then(|| Button {
        label: plain(&element["text"]),
        style: element["style"].as_str().unwrap_or_default().to_owned(),
        action_id: element["action_id"].as_str().unwrap_or_default().to_owned(),
        url: element["url"].as_str().map(str::to_owned),
    })
}
