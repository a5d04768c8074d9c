//! States `<deploy>: watch 5 %` (they hold a token): records that the watch
//! begins and leaves a wait. The sweep looks at the metrics each minute, judges,
//! and answers; nothing waits here.

use gatewright_aws::Clock;
use gatewright_aws::config::Config;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_handler::task::{TaskInput, answer_failure};
use gatewright_handler::{Failure, parse};
use gatewright_steps::open_watch;
use serde_json::{Value, json};

/// Begins the stage's watch, or takes up one that has begun.
///
/// # Errors
/// What the state's own retry may help; everything else becomes the task's
/// answer.
pub async fn handle<T: Table, C: Clock>(
    store: &Store<T>,
    clock: &C,
    config: &Config,
    raw: Value,
) -> Result<Value, Failure> {
    let input: TaskInput = parse(raw)?;
    match open_watch(store, config.pace, &input, clock.now()).await {
        Ok(()) => {}
        Err(failure) => answer_failure(store, &input, failure, clock.now()).await?,
    }
    Ok(json!({}))
}
