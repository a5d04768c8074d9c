//! The table's stream, filtered to waits that have an answer: sends the answer
//! to Step Functions and deletes the wait.
//!
//! This is the one role that may `SendTask*`, and it decides nothing: answers are
//! written in the transaction that records why. Sending twice is harmless, and
//! what could not be sent is sent again by the stream and then by the sweep.

use aws_lambda_events::event::dynamodb::Event;
use gatewright_aws::store::{Seen, Store, wait_delete};
use gatewright_aws::table::{Table, TableError};
use gatewright_aws::tasks::Tasks;
use gatewright_domain::wait::Wait;
use gatewright_handler::{Failure, parse};
use serde_json::{Value, json};

/// Delivers the answers of a batch.
///
/// # Errors
/// When Step Functions or the table fails: the stream repeats the batch.
pub async fn handle<T: Table, S: Tasks>(
    store: &Store<T>,
    tasks: &S,
    raw: Value,
) -> Result<Value, Failure> {
    let event: Event = parse(raw)?;
    let mut sent = 0;
    for record in event.records {
        let Some(wait) = answered(record.change.new_image)? else {
            continue;
        };
        deliver(store, tasks, &wait).await?;
        sent += 1;
    }
    Ok(json!({ "sent": sent }))
}

fn answered(image: serde_dynamo::Item) -> Result<Option<Seen<Wait>>, Failure> {
    let image: Value = serde_dynamo::from_item(image).map_err(Failure::bug)?;
    let Some(rev) = image["rev"].as_u64() else {
        return Ok(None);
    };
    // Not one of our waits, or damaged: repeating the batch would not mend it.
    let Ok(wait) = serde_json::from_value::<Wait>(image["body"].clone()) else {
        tracing::error!(pk = %image["pk"], "an answered wait that does not read");
        return Ok(None);
    };
    Ok(wait.answer.is_some().then_some(Seen { value: wait, rev }))
}

async fn deliver<T: Table, S: Tasks>(
    store: &Store<T>,
    tasks: &S,
    wait: &Seen<Wait>,
) -> Result<(), Failure> {
    let Some(answer) = &wait.value.answer else {
        return Ok(());
    };
    if !tasks.answer(&wait.value.token, answer).await? {
        tracing::info!(release = %wait.value.release, stage = %wait.value.stage, "nobody waits for this answer any more");
    }
    match store
        .table()
        .write(vec![wait_delete(&wait.value, wait.rev)])
        .await
    {
        // It was touched meanwhile, and that change's own event follows.
        Ok(()) | Err(TableError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
