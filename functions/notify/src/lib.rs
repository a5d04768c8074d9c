//! The table's stream, filtered to ledger events: one Slack message a release
//! that is updated as it moves, details in its thread, a personal link to each
//! approver, mails through SNS.
//!
//! Telling never decides: whatever fails here delays a message and nothing else.
//! What may pass is tried again by the stream; what cannot work (a channel that
//! is not there, a token that was revoked) is logged and left, or it would hold
//! up every message behind it.

mod tell;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use gatewright_aws::Clock;
use gatewright_aws::config::Config;
use gatewright_aws::links::Links;
use gatewright_aws::slack::Chat;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_aws::topics::Topics;
use gatewright_domain::ledger::Event;
use gatewright_handler::{Failure, parse};
use serde_json::{Value, json};

/// What telling needs.
#[derive(Debug)]
pub struct Desk<'a, T, H, N, C> {
    /// The record.
    pub store: &'a Store<T>,
    /// Slack.
    pub chat: &'a H,
    /// The topic.
    pub topic: &'a N,
    /// Issues links.
    pub links: &'a Links,
    /// The clock.
    pub clock: &'a C,
    /// Where everything is.
    pub config: &'a Config,
}

/// Tells of the events of a batch, in order; names those that must be repeated.
///
/// # Errors
/// When the first event that must be repeated cannot be named: the stream
/// repeats the batch.
pub async fn handle<T, H, N, C>(desk: &Desk<'_, T, H, N, C>, raw: Value) -> Result<Value, Failure>
where
    T: Table,
    H: Chat,
    N: Topics,
    C: Clock,
{
    let batch: StreamEvent = parse(raw)?;
    for record in batch.records {
        let Some(event) = read(record.change.new_image)? else {
            continue;
        };
        match tell::tell(desk, &event).await {
            Ok(()) => {}
            Err(failure) if failure.may_pass() => {
                tracing::warn!(release = %event.release, seq = event.seq, "told later: {}", failure.message);
                let Some(number) = record.change.sequence_number else {
                    return Err(failure);
                };
                // From here on, in order, once more.
                return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": number }] }));
            }
            Err(failure) => {
                tracing::error!(release = %event.release, seq = event.seq, error = %failure.name, "never told: {}", failure.message);
            }
        }
    }
    Ok(json!({ "batchItemFailures": [] }))
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
