//! HTTP, reading only: the release pages behind read links, and the JSON API for
//! callers whom IAM has authenticated.

mod api;

use gatewright_aws::Clock;
use gatewright_aws::links::{LinkError, Links, ReadLink};
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::approval::{Decision, Request as Approval};
use gatewright_domain::control::Halted;
use gatewright_domain::decide::halt_in_force;
use gatewright_domain::ledger::Event;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Deployment, Head, StageRecord};
use gatewright_domain::{ReleaseId, Timestamp};
use gatewright_handler::Failure;
use gatewright_handler::http::{Request, Response};
use gatewright_views::pages;
use serde_json::Value;

/// Answers one request.
///
/// # Errors
/// When the event is no HTTP request; everything else becomes a response.
pub async fn handle<T: Table, C: Clock>(
    store: &Store<T>,
    links: &Links,
    clock: &C,
    event: Value,
) -> Result<Value, Failure> {
    let request = Request::from_event(&event)?;
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Ok(Response::empty(405).into_event());
    }
    let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let response = match path.as_slice() {
        ["releases", id] => page(store, links, &request, id, clock.now()).await,
        ["api", rest @ ..] => api::answer(store, &request, rest).await,
        _ => refused(
            404,
            "There is nothing here",
            "This address belongs to no page.",
        ),
    };
    Ok(response.into_event())
}

/// Everything about one release.
#[derive(Debug)]
pub(crate) struct Story {
    pub head: Head,
    pub definition: Option<Definition>,
    pub records: Vec<StageRecord>,
    pub approvals: Vec<(Approval, Vec<Decision>)>,
    pub events: Vec<Event>,
    pub running: Vec<Deployment>,
    pub halted: Option<Halted>,
}

impl Story {
    pub async fn read<T: Table>(
        store: &Store<T>,
        release: &ReleaseId,
    ) -> Result<Option<Self>, Failure> {
        let Some((head, events)) = store.head_with_ledger(release).await? else {
            return Ok(None);
        };
        let definition = store.definition(&head.pipeline, &head.version).await?;
        let mut approvals = Vec::new();
        for request in store.approvals(release).await? {
            let decisions = store.decisions(release, request.index).await?;
            approvals.push((request, decisions));
        }
        let mut running = Vec::new();
        for environment in definition.iter().flat_map(|d| d.environments.keys()) {
            running.extend(store.current(&head.pipeline, environment).await?);
        }
        let records = store.stages(release).await?;
        let controls = store.controls().await?.controls;
        Ok(Some(Self {
            halted: halt_in_force(&head, &controls),
            head,
            definition,
            records,
            approvals,
            events,
            running,
        }))
    }
}

async fn page<T: Table>(
    store: &Store<T>,
    links: &Links,
    request: &Request,
    id: &str,
    now: Timestamp,
) -> Response {
    let token = request.query.get("t").map_or("", String::as_str);
    let link: ReadLink = match links.open(token, now) {
        Ok(link) => link,
        Err(LinkError::Expired) => {
            return refused(
                410,
                "This link has expired",
                "A newer message has a newer link.",
            );
        }
        Err(error) => return refused(403, "This link cannot be used", &error.to_string()),
    };
    if link.release.as_str() != id {
        return refused(
            403,
            "This link cannot be used",
            "It was issued for another release.",
        );
    }
    match shown(store, &link.release, now).await {
        Ok(Some(body)) => {
            let body = if request.method == "HEAD" {
                String::new()
            } else {
                body
            };
            Response::html(200, body, pages::SECURITY_HEADERS)
        }
        Ok(None) => refused(
            404,
            "There is no such release",
            "Its record cannot be found.",
        ),
        Err(failure) => {
            tracing_error(&failure);
            refused(
                503,
                "This did not work",
                "The record cannot be read at the moment.",
            )
        }
    }
}

async fn shown<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    now: Timestamp,
) -> Result<Option<String>, Failure> {
    let Some(story) = Story::read(store, release).await? else {
        return Ok(None);
    };
    let directory = store.directory().await?.value;
    Ok(Some(pages::release(&pages::ReleaseView {
        head: &story.head,
        definition: story.definition.as_ref(),
        records: &story.records,
        approvals: &story.approvals,
        events: &story.events,
        running: &story.running,
        halted: story.halted.as_ref(),
        directory: &directory,
        now,
    })))
}

pub(crate) fn tracing_error(failure: &Failure) {
    tracing::error!(error = %failure.name, "{}", failure.message);
}

fn refused(status: u16, title: &str, what: &str) -> Response {
    let body = pages::refused(
        title,
        what,
        "Use the newest link from the release's messages.",
    );
    Response::html(status, body, pages::SECURITY_HEADERS)
}
