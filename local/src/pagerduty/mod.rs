//! A stand-in for PagerDuty: its Events API v2 (`POST /v2/enqueue`), with the
//! fields that it requires and its limits, and the incidents that come of it.
//! Nobody is woken up.

mod event;

use std::{collections::BTreeMap, sync::Arc, sync::Mutex};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{ids, sync::locked};
use event::{Action, Event};

/// The largest event, in bytes (*Events API v2*, "Size limits").
const EVENT_MOST: usize = 512 * 1024;

/// An incident: what a person would have been woken up for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Incident {
    /// The service whose routing key the event had.
    pub(crate) service: String,
    pub(crate) dedup_key: String,
    pub(crate) state: &'static str,
    /// How often it was triggered; the first one is what woke somebody up.
    pub(crate) alerts: u32,
    /// The newest event's.
    pub(crate) payload: Value,
    pub(crate) links: Vec<Value>,
    /// When it was opened, in seconds since 1970.
    pub(crate) at: f64,
}

#[derive(Debug, Default)]
struct Inner {
    incidents: Vec<Incident>,
    version: u64,
}

/// The stand-in.
#[derive(Debug)]
pub(crate) struct PagerDuty {
    /// Service by routing key.
    services: BTreeMap<String, String>,
    inner: Mutex<Inner>,
}

impl PagerDuty {
    /// With these services and their routing keys.
    pub(crate) fn new(keys: BTreeMap<String, String>) -> Self {
        Self {
            services: keys.into_iter().map(|(name, key)| (key, name)).collect(),
            inner: Mutex::default(),
        }
    }

    /// Every incident, the oldest first.
    pub(crate) fn incidents(&self) -> Vec<Incident> {
        locked(&self.inner).incidents.clone()
    }

    /// Changes with every change of the incidents.
    pub(crate) fn version(&self) -> u64 {
        locked(&self.inner).version
    }

    /// Does what an event says; the key of its incident.
    fn take(&self, service: &str, event: Event) -> String {
        let key = event.dedup_key.unwrap_or_else(ids::token);
        let mut inner = locked(&self.inner);
        inner.version += 1;
        // A resolved incident stays as it was; its key opens a new one.
        let open = inner.incidents.iter_mut().find(|incident| {
            incident.service == service
                && incident.dedup_key == key
                && incident.state != Action::Resolve.leaves()
        });
        match (open, event.action) {
            (Some(incident), Action::Trigger) => {
                incident.alerts += 1;
                incident.payload = event.payload;
                incident.links = event.links;
            }
            (Some(incident), Action::Acknowledge | Action::Resolve) => {
                incident.state = event.action.leaves();
            }
            (None, Action::Trigger) => inner.incidents.push(Incident {
                service: service.to_owned(),
                dedup_key: key.clone(),
                state: Action::Trigger.leaves(),
                alerts: 1,
                payload: event.payload,
                links: event.links,
                at: ids::now_epoch(),
            }),
            // PagerDuty takes these and does nothing.
            (None, Action::Acknowledge | Action::Resolve) => {}
        }
        key
    }
}

/// The routes under `/pagerduty`.
pub(crate) fn router(pagerduty: Arc<PagerDuty>) -> Router {
    Router::new()
        .route("/pagerduty/v2/enqueue", post(enqueue))
        .with_state(pagerduty)
}

async fn enqueue(State(pagerduty): State<Arc<PagerDuty>>, body: Bytes) -> Response {
    if body.len() > EVENT_MOST {
        return refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Event object is larger than 512 KB",
            &[],
        );
    }
    let event = match Event::read(&body) {
        Ok(event) => event,
        Err(errors) => return invalid(&errors),
    };
    let Some(service) = pagerduty.services.get(&event.routing_key) else {
        return invalid(&["Invalid routing key".to_owned()]);
    };
    let key = pagerduty.take(&service.clone(), event);
    let answer = json!({"status": "success", "message": "Event processed", "dedup_key": key});
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}

fn invalid(errors: &[String]) -> Response {
    refused(StatusCode::BAD_REQUEST, "Event object is invalid", errors)
}

fn refused(status: StatusCode, message: &str, errors: &[String]) -> Response {
    let answer = json!({"status": "invalid event", "message": message, "errors": errors});
    (status, Json(answer)).into_response()
}
