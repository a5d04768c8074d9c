//! PagerDuty: waking somebody up, through its Events API v2.
//!
//! An incident is known by its `dedup_key`: the same page sent twice is one
//! incident, so whoever is not sure whether a page went out sends it again.

use crate::error::{Kind, ServiceError};
use crate::secrets::Secret;
use backon::{ExponentialBuilder, Retryable};
use gatewright_domain::Timestamp;
use gatewright_domain::text::shortened;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is tried, as errors name it.
const TRIGGER: &str = "pagerduty:trigger";
/// The longest summary that PagerDuty takes, in characters.
pub const SUMMARY_MOST: usize = 1_024;
/// The longest `dedup_key`, in characters.
const KEY_MOST: usize = 255;
/// The longest event, in bytes; what is longer is refused whole.
const EVENT_MOST: usize = 512 * 1_024;
/// How much of one detail is sent when all of them together are too long.
const DETAIL_LEAST: usize = 2_000;

/// What somebody is woken up with.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// What makes it one incident, however often it is sent.
    pub key: String,
    /// What a phone shows.
    pub summary: String,
    /// What it is about: pipeline and environment.
    pub source: String,
    /// When it happened.
    pub at: Timestamp,
    /// What is broken: the environment.
    pub component: String,
    /// What it belongs to: the pipeline.
    pub group: String,
    /// What kind of thing happened.
    pub class: String,
    /// What the one on call should know, by heading.
    pub details: Vec<(&'static str, String)>,
    /// Where the whole story is: its address, and the words for it.
    pub link: Option<(String, String)>,
}

/// What `notify` needs of PagerDuty.
pub trait Pager: Send + Sync {
    /// Whether there is a routing key for this service.
    fn knows(&self, service: &str) -> bool;

    /// Opens an incident at a service, or adds to the one that is open under the
    /// same key.
    fn trigger(
        &self,
        service: &str,
        page: &Page,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// Routing keys by the name of the service, as the secret has them.
pub type RoutingKeys = BTreeMap<String, Secret>;

/// PagerDuty's Events API v2.
#[derive(Debug, Clone)]
pub struct PagerDuty {
    http: reqwest::Client,
    api: String,
    keys: RoutingKeys,
}

impl PagerDuty {
    /// PagerDuty at `api`, such as `https://events.pagerduty.com`. Services whose
    /// routing key is empty are not known.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(api: &str, mut keys: RoutingKeys) -> Result<Self, ServiceError> {
        crate::clients::install_crypto();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()
            .map_err(|e| ServiceError::of("pagerduty", Kind::Other, e.to_string()))?;
        keys.retain(|_, key| !key.reveal().trim().is_empty());
        Ok(Self {
            http,
            api: api.trim_end_matches('/').to_owned(),
            keys,
        })
    }

    /// The services that somebody can be paged through, by name.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Sends an event, a few times when PagerDuty asks to wait: 4 s at most, well
    /// within a function's time. What lasts longer is left to the stream.
    async fn enqueue(&self, service: &str, mut event: Value) -> Result<(), ServiceError> {
        let key = self.keys.get(service).ok_or_else(|| {
            let why = format!("the secret has no routing key for the service {service:?}");
            ServiceError::of(TRIGGER, Kind::Missing, why)
        })?;
        event["routing_key"] = json!(key.reveal().trim());
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(600))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(3);
        (|| self.once(&event))
            .retry(pauses)
            .when(|error| error.kind == Kind::Transient)
            .await
    }

    async fn once(&self, event: &Value) -> Result<(), ServiceError> {
        let error = |kind, message: String| ServiceError::of(TRIGGER, kind, message);
        let sent = self
            .http
            .post(format!("{}/v2/enqueue", self.api))
            .json(event)
            .send()
            .await
            .map_err(|e| error(Kind::Transient, e.without_url().to_string()))?;
        let status = sent.status();
        if status.as_u16() == 202 {
            return Ok(());
        }
        let kind = match status.as_u16() {
            408 | 429 => Kind::Transient,
            401 | 403 => Kind::Denied,
            _ if status.is_server_error() => Kind::Transient,
            _ => Kind::Other,
        };
        let said = sent.text().await.unwrap_or_default();
        Err(error(
            kind,
            format!("HTTP {status}: {}", shortened(said.trim(), 500)),
        ))
    }
}

impl Pager for PagerDuty {
    fn knows(&self, service: &str) -> bool {
        self.keys.contains_key(service)
    }

    async fn trigger(&self, service: &str, page: &Page) -> Result<(), ServiceError> {
        self.enqueue(service, triggering(page)).await
    }
}

/// The event without its routing key, within PagerDuty's limits: a page that is
/// shorter than it could be wakes somebody up, one that is refused does not.
fn triggering(page: &Page) -> Value {
    let event = with_details(page, |text| text.to_owned());
    // The routing key, 32 characters, comes on top.
    if event.to_string().len() + 256 <= EVENT_MOST {
        return event;
    }
    with_details(page, |text| shortened(text, DETAIL_LEAST))
}

fn with_details(page: &Page, told: impl Fn(&str) -> String) -> Value {
    let details: Map<String, Value> = page
        .details
        .iter()
        .map(|(heading, text)| ((*heading).to_owned(), json!(told(text))))
        .collect();
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": cut(&page.key, KEY_MOST),
        "client": "Gatewright",
        "payload": {
            "summary": cut(&page.summary, SUMMARY_MOST),
            "source": page.source,
            "severity": "critical",
            "timestamp": page.at.to_string(),
            "component": page.component,
            "group": page.group,
            "class": page.class,
            "custom_details": details,
        },
    });
    if let Some((href, text)) = &page.link {
        event["client_url"] = json!(href);
        event["links"] = json!([{ "href": href, "text": text }]);
    }
    event
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            key: "cp-7f0c".to_owned(),
            summary: "pl-gps-001#1: nobody knows what production runs".to_owned(),
            source: "pl-gps-001/production".to_owned(),
            at: "2026-10-12T09:30:59Z".parse().unwrap(),
            component: "production".to_owned(),
            group: "pl-gps-001".to_owned(),
            class: "recovery-needed".to_owned(),
            details: vec![("why", "the rollout timed out".to_owned())],
            link: Some((
                "https://r.example/releases/cp-7f0c".to_owned(),
                "The release".to_owned(),
            )),
        }
    }

    #[test]
    fn a_page_has_the_shape_of_the_events_api() {
        let event = triggering(&page());
        assert_eq!(event["event_action"], "trigger");
        assert_eq!(event["dedup_key"], "cp-7f0c");
        assert_eq!(event["payload"]["severity"], "critical");
        assert_eq!(event["payload"]["timestamp"], "2026-10-12T09:30:59Z");
        assert_eq!(
            event["payload"]["custom_details"],
            json!({ "why": "the rollout timed out" })
        );
        assert_eq!(
            event["links"],
            json!([{ "href": "https://r.example/releases/cp-7f0c", "text": "The release" }])
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_not_refused() {
        let long = Page {
            key: "k".repeat(400),
            summary: "ä".repeat(3_000),
            details: vec![("why", "x".repeat(700_000))],
            link: None,
            ..page()
        };
        let event = triggering(&long);
        let chars = |value: &Value| value.as_str().unwrap().chars().count();
        assert_eq!(chars(&event["payload"]["summary"]), SUMMARY_MOST);
        assert_eq!(chars(&event["dedup_key"]), KEY_MOST);
        assert!(event.to_string().len() < EVENT_MOST);
        assert_eq!(event["links"], Value::Null);
    }

    #[test]
    fn a_service_with_an_empty_key_is_not_known() {
        let keys = [("default", " "), ("on-call", "R0")]
            .map(|(service, key)| (service.to_owned(), Secret::new(key)));
        let pager = PagerDuty::new("https://events.example/", keys.into()).unwrap();
        assert!(pager.knows("on-call") && !pager.knows("default"));
        assert_eq!(pager.services().collect::<Vec<_>>(), ["on-call"]);
    }
}
