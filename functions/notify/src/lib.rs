//! The table's stream, filtered to ledger events: one Slack message a release
//! that is updated as it moves, details in its thread, a personal link to each
//! approver, mails through SNS, and a page through PagerDuty when a release left
//! an environment in doubt.
//!
//! Telling never decides: whatever fails here delays a message and nothing else.
//! What may pass is tried again by the stream; what cannot work (a channel that
//! is not there, a token that was revoked) is logged and left, or it would hold
//! up every message behind it.

mod page;
mod tell;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use gatewright_aws::config::Config;
use gatewright_aws::links::Links;
use gatewright_aws::pagerduty::Pager;
use gatewright_aws::slack::Chat;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_aws::topics::Topics;
use gatewright_aws::{Clock, Patience};
use gatewright_domain::ErrorName;
use gatewright_domain::ledger::Event;
use gatewright_handler::{Failure, parse};
use serde_json::{Value, json};

/// What telling needs.
#[derive(Debug)]
pub struct Desk<'a, T, H, P, N, C> {
    /// The record.
    pub store: &'a Store<T>,
    /// Slack.
    pub chat: &'a H,
    /// PagerDuty.
    pub pager: &'a P,
    /// The topic.
    pub topic: &'a N,
    /// Issues links.
    pub links: &'a Links,
    /// The clock.
    pub clock: &'a C,
    /// Where everything is.
    pub config: &'a Config,
}

/// How long one batch pages at most, so that Slack is told within the function's
/// 30 s whatever PagerDuty does.
const PAGING_SECONDS: u32 = 10;

/// Tells of the events of a batch, in order; names those that must be repeated.
///
/// # Errors
/// When the first event that must be repeated cannot be named: the stream
/// repeats the batch.
pub async fn handle<T, H, P, N, C>(
    desk: &Desk<'_, T, H, P, N, C>,
    raw: Value,
) -> Result<Value, Failure>
where
    T: Table,
    H: Chat,
    P: Pager,
    N: Topics,
    C: Clock + Patience,
{
    let batch: StreamEvent = parse(raw)?;
    let mut events = Vec::new();
    for record in batch.records {
        if let Some(event) = read(record.change.new_image)? {
            events.push((record.change.sequence_number, event));
        }
    }
    // Before anything that could hold it up: a Slack that is down must not let
    // anybody sleep.
    let mut paged = Vec::new();
    let paging = async {
        for (_, event) in &events {
            paged.push(page::page(desk, event).await);
        }
    };
    if desk
        .clock
        .within(PAGING_SECONDS, Box::pin(paging))
        .await
        .is_none()
    {
        let late = || Failure::new(ErrorName::Transient, "PagerDuty does not answer in time");
        paged.resize_with(events.len(), || Err(late()));
    }
    for ((number, event), paged) in events.into_iter().zip(paged) {
        // And a PagerDuty that is down must not silence Slack: what it is tried
        // again for is told twice.
        let told = match (tell::tell(desk, &event).await, paged) {
            // What cannot be told must not take the page with it.
            (Err(never), Err(page)) if !never.may_pass() => {
                never_told(&event, &never);
                Err(page)
            }
            (told, paged) => told.and(paged),
        };
        match told {
            Ok(()) => {}
            Err(failure) if failure.may_pass() => {
                tracing::warn!(release = %event.release, seq = event.seq, "told later: {}", failure.message);
                let Some(number) = number else {
                    return Err(failure);
                };
                // From here on, in order, once more.
                return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": number }] }));
            }
            Err(failure) => never_told(&event, &failure),
        }
    }
    Ok(json!({ "batchItemFailures": [] }))
}

fn never_told(event: &Event, failure: &Failure) {
    tracing::error!(release = %event.release, seq = event.seq, error = %failure.name, "never told: {}", failure.message);
}

fn read(image: serde_dynamo::Item) -> Result<Option<Event>, Failure> {
    let image: Value = serde_dynamo::from_item(image).map_err(Failure::bug)?;
    match serde_json::from_value(image["body"].clone()) {
        Ok(event) => Ok(Some(event)),
        // Repeating would not mend it.
        Err(error) => {
            tracing::error!(pk = %image["pk"], sk = %image["sk"], "an event that does not read: {error}");
            Ok(None)
        }
    }
}
