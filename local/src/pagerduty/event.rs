//! An event as PagerDuty reads it: everything that is wrong with it, at once.

use jiff::Timestamp;
use serde_json::Value;

/// The longest summary and the longest key, in characters.
const SUMMARY_MOST: usize = 1_024;
const KEY_MOST: usize = 255;
/// Every routing key is that long.
const ROUTING_KEY: usize = 32;

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Trigger,
    Acknowledge,
    Resolve,
}

impl Action {
    fn of(word: &str) -> Option<Self> {
        match word {
            "trigger" => Some(Self::Trigger),
            "acknowledge" => Some(Self::Acknowledge),
            "resolve" => Some(Self::Resolve),
            _ => None,
        }
    }

    /// The state in which it leaves its incident.
    pub(super) fn leaves(self) -> &'static str {
        match self {
            Self::Trigger => "triggered",
            Self::Acknowledge => "acknowledged",
            Self::Resolve => "resolved",
        }
    }
}

/// An event that is right.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) routing_key: String,
    pub(super) action: Action,
    pub(super) dedup_key: Option<String>,
    pub(super) payload: Value,
    pub(super) links: Vec<Value>,
}

impl Event {
    pub(super) fn read(body: &[u8]) -> Result<Self, Vec<String>> {
        let Ok(event) = serde_json::from_slice::<Value>(body) else {
            return Err(vec!["the body is not JSON".to_owned()]);
        };
        let mut errors = Vec::new();
        let routing_key = event["routing_key"].as_str().unwrap_or_default();
        if routing_key.len() != ROUTING_KEY {
            errors.push(format!(
                "'routing_key' is missing or not of {ROUTING_KEY} characters"
            ));
        }
        let action = Action::of(event["event_action"].as_str().unwrap_or_default());
        if action.is_none() {
            errors.push(
                "'event_action' is missing or none of trigger, acknowledge, resolve".to_owned(),
            );
        }
        let dedup_key = event["dedup_key"].as_str().map(str::to_owned);
        match (&dedup_key, action) {
            (Some(key), _) if key.chars().count() > KEY_MOST => {
                errors.push(format!("'dedup_key' is longer than {KEY_MOST} characters"));
            }
            (None, Some(Action::Acknowledge | Action::Resolve)) => {
                errors.push("'dedup_key' is missing or blank".to_owned());
            }
            _ => {}
        }
        if action == Some(Action::Trigger) {
            errors.extend(wrong_payload(&event["payload"]));
        }
        let links = event["links"].as_array().cloned().unwrap_or_default();
        errors.extend(wrong_links(&links));
        match action.filter(|_| errors.is_empty()) {
            Some(action) => Ok(Self {
                routing_key: routing_key.to_owned(),
                action,
                dedup_key,
                payload: event["payload"].clone(),
                links,
            }),
            None => Err(errors),
        }
    }
}

fn wrong_payload(payload: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    for field in ["summary", "source", "severity"] {
        if payload[field].as_str().unwrap_or_default().is_empty() {
            errors.push(format!("'payload.{field}' is missing or blank"));
        }
    }
    let summary = payload["summary"].as_str().unwrap_or_default();
    if summary.chars().count() > SUMMARY_MOST {
        errors.push(format!(
            "'payload.summary' is longer than {SUMMARY_MOST} characters"
        ));
    }
    let severity = payload["severity"].as_str().unwrap_or_default();
    if !["critical", "error", "warning", "info", ""].contains(&severity) {
        errors.push("'payload.severity' is none of critical, error, warning, info".to_owned());
    }
    let timestamp = &payload["timestamp"];
    let readable = |text: &str| text.parse::<Timestamp>().is_ok();
    if !timestamp.is_null() && !timestamp.as_str().is_some_and(readable) {
        errors.push("'payload.timestamp' is no ISO 8601 time".to_owned());
    }
    errors
}

fn wrong_links(links: &[Value]) -> Vec<String> {
    let leads = |link: &&Value| {
        link["href"]
            .as_str()
            .is_some_and(|href| href.starts_with("http"))
    };
    let wrong = links.iter().any(|link| !leads(&link));
    wrong
        .then(|| "'links' has one without an 'href'".to_owned())
        .into_iter()
        .collect()
}
