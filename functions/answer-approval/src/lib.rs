//! HTTP: the page behind a personal link (GET shows, POST decides), Slack's
//! interactions, and the IAM-signed decisions of the command line.
//!
//! Every way in ends in `vote::record`, which decides in one guarded
//! transaction. A GET or HEAD changes nothing, whoever makes it.

mod api;
mod page;
mod slack;
mod vote;

use gatewright_aws::Clock;
use gatewright_aws::config::Config;
use gatewright_aws::links::Links;
use gatewright_aws::secrets::Secret;
use gatewright_aws::slack::Respond;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_handler::Failure;
use gatewright_handler::http::{Request, Response};
use gatewright_views::pages;
use serde_json::Value;

/// What all ways in need.
#[derive(Debug)]
pub struct Desk<'a, T, C, R> {
    /// The record.
    pub store: &'a Store<T>,
    /// Issues and checks links.
    pub links: &'a Links,
    /// What Slack signs interactions with.
    pub signing_secret: &'a Secret,
    /// Answers Slack.
    pub respond: &'a R,
    /// The clock.
    pub clock: &'a C,
    /// Where everything is.
    pub config: &'a Config,
}

/// Answers one request.
///
/// # Errors
/// When the event is no HTTP request; everything else becomes a response.
pub async fn handle<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    event: Value,
) -> Result<Value, Failure> {
    let request = Request::from_event(&event)?;
    let response = match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/approve") => page::show(desk, &request).await,
        ("POST", "/approve") => page::decide(desk, &request).await,
        ("POST", "/slack/interactions") => slack::interaction(desk, &request).await,
        ("POST", "/api/decisions") => api::decide(desk, &request).await,
        (_, "/approve" | "/slack/interactions" | "/api/decisions") => Response::empty(405),
        (_, _) => not_found(),
    };
    Ok(response.into_event())
}

fn not_found() -> Response {
    let body = pages::refused(
        "There is nothing here",
        "This address belongs to no page.",
        "Use the link from the message.",
    );
    Response::html(404, body, pages::SECURITY_HEADERS)
}

/// What a person sees when we could not know: nothing was changed.
fn unavailable(failure: &Failure) -> Response {
    tracing::error!(error = %failure.name, "{}", failure.message);
    let body = pages::refused(
        "This did not work",
        "Your decision was not recorded.",
        "Try again in a moment; if it goes on, tell whoever operates Gatewright.",
    );
    Response::html(503, body, pages::SECURITY_HEADERS)
}
