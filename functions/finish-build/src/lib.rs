//! CodeBuild's `CodeBuild Build State Change` event: reads the build and its
//! reports at their source, judges the stage and answers its task. The event
//! itself is only a hint: what it says is never believed.

use gatewright_aws::Clock;
use gatewright_aws::builds::Builds;
use gatewright_aws::origins::Outside;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::ErrorName;
use gatewright_handler::Failure;
use gatewright_steps::{Settled, settle_build};
use serde_json::{Value, json};

/// Settles the build that the event names. Repeated and reordered events change
/// nothing.
///
/// # Errors
/// When the event names no build, or a service or the table fails: Lambda tries
/// again, and in the end the sweep does.
pub async fn handle<T, B, R, C>(
    store: &Store<T>,
    builds: &B,
    registry: &R,
    clock: &C,
    event: Value,
) -> Result<Value, Failure>
where
    T: Table,
    B: Builds,
    R: Outside,
    C: Clock,
{
    let named = event["detail"]["build-id"].as_str();
    let named = named.ok_or_else(|| {
        Failure::bad_input("the event names no build: detail.build-id is missing")
    })?;
    // The event has the ARN, `arn:aws:codebuild:<region>:<account>:build/<project>:<uuid>`.
    let id = named.rsplit_once("build/").map_or(named, |(_, id)| id);
    match settle_build(store, builds, registry, id, clock.now()).await {
        Ok(settled) => {
            if let Settled::NotOurs(why) = settled {
                tracing::info!(build = id, "ignored: {why}");
            }
            Ok(json!({ "build": id, "settled": format!("{settled:?}") }))
        }
        // The release has ended (aborted, timed out): its builds concern nobody.
        Err(failure) if failure.name == ErrorName::ReleaseEnded => {
            Ok(json!({ "build": id, "settled": "ended" }))
        }
        Err(failure) => Err(failure),
    }
}
