//! States `<stage>: clear to deploy` (they hold a token): may the deploy happen
//! now? Takes the environment's lock, queues for it, or refuses with all reasons.

use gatewright_aws::Clock;
use gatewright_aws::origins::Outside;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_handler::task::{TaskInput, answer_failure};
use gatewright_handler::{Failure, parse};
use gatewright_steps::{clear_stage, forget_when_cleared};
use serde_json::{Value, json};

/// Clears the stage's deploy.
///
/// # Errors
/// What the state's own retry may help; everything else becomes the task's
/// answer.
pub async fn handle<T, R, C>(
    store: &Store<T>,
    registry: &R,
    clock: &C,
    raw: Value,
) -> Result<Value, Failure>
where
    T: Table,
    R: Outside,
    C: Clock,
{
    let input: TaskInput = parse(raw)?;
    match clear_stage(store, registry, &input, clock.now()).await {
        Ok(()) => forget_when_cleared(store, registry, &input).await,
        Err(failure) => answer_failure(store, &input, failure, clock.now()).await?,
    }
    Ok(json!({}))
}
