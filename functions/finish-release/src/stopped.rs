//! The event of an execution that ended outside of its own states.

use gatewright_domain::ReleaseId;
use gatewright_domain::release::Failure as Why;
use gatewright_handler::Failure;
use serde_json::Value;

/// The release and the reason in the event of an execution that failed, timed
/// out or was stopped; nothing for events of other kinds.
pub(crate) fn stopped(event: &Value) -> Result<Option<(ReleaseId, Why)>, Failure> {
    let detail = &event["detail"];
    let word = match detail["status"].as_str() {
        Some("ABORTED") => "was stopped from outside",
        Some("TIMED_OUT") => "ran over its whole time budget",
        Some("FAILED") => "failed outside of its own states",
        _ => return Ok(None),
    };
    let name = detail["name"]
        .as_str()
        .ok_or_else(|| Failure::bad_input("the event names no execution"))?;
    let release = name
        .parse()
        .map_err(|e: gatewright_domain::ids::InvalidId| Failure::bad_input(e.to_string()))?;
    let cause = match detail["cause"].as_str() {
        Some(cause) if !cause.is_empty() => format!("the execution {word}: {cause}"),
        _ => format!("the execution {word}"),
    };
    let error = detail["error"]
        .as_str()
        .filter(|e| !e.is_empty())
        .unwrap_or("Stopped")
        .to_owned();
    Ok(Some((
        release,
        Why {
            stage: None,
            error,
            cause,
        },
    )))
}
