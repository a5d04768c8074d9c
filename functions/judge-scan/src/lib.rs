//! States `<stage>: scan` (they hold a token), and the events `ECR Image Scan`
//! and `Inspector2 Scan`: reads ECR's findings for the pinned digest, every page,
//! until they are settled, and judges the stage's scan gate.

use gatewright_aws::Clock;
use gatewright_aws::registry::Registry;
use gatewright_aws::store::{Store, WaitKey};
use gatewright_aws::table::Table;
use gatewright_domain::{Digest, ErrorName};
use gatewright_handler::task::{TaskInput, answer_failure};
use gatewright_handler::{Failure, parse};
use gatewright_steps::{open_scan, settle_scan};
use serde_json::{Value, json};

/// Opens the stage's scan, or looks at the scans that an event is about.
///
/// # Errors
/// What a retry may help; for a state everything else becomes the task's answer.
pub async fn handle<T, R, C>(
    store: &Store<T>,
    registry: &R,
    clock: &C,
    raw: Value,
) -> Result<Value, Failure>
where
    T: Table,
    R: Registry,
    C: Clock,
{
    if raw.get("detail-type").is_some() {
        return scanned(store, registry, clock, &raw).await;
    }
    let input: TaskInput = parse(raw)?;
    match open_scan(store, registry, &input, clock.now()).await {
        Ok(()) => {}
        Err(failure) => answer_failure(store, &input, failure, clock.now()).await?,
    }
    Ok(json!({}))
}

async fn scanned<T: Table, R: Registry, C: Clock>(
    store: &Store<T>,
    registry: &R,
    clock: &C,
    event: &Value,
) -> Result<Value, Failure> {
    let detail = &event["detail"];
    // ECR names the digest `image-digest`, Inspector `image-digest` inside
    // `resources`' ARN as `.../sha256:<hex>`.
    let named = detail["image-digest"].as_str().or_else(|| {
        let arn = event["resources"][0].as_str()?;
        arn.rsplit_once('/').map(|(_, digest)| digest)
    });
    let digest: Digest = named.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Failure::bad_input("the event names no image: detail.image-digest is missing")
    })?;
    let waits = store.waits_for_scan(&digest).await?;
    for wait in &waits {
        match settle_scan(store, registry, &WaitKey::of(&wait.value), clock.now()).await {
            Err(failure) if failure.name == ErrorName::ReleaseEnded => {
                tracing::info!(release = %wait.value.release, "a scan for a release that has ended");
            }
            other => other?,
        }
    }
    Ok(json!({ "image": digest, "waiting": waits.len() }))
}
