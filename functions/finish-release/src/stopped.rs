//! The event of an execution that ended outside of its own states.

use gatewright_domain::ReleaseId;
use gatewright_domain::release::Failure as Why;
use gatewright_handler::Failure;
use serde_json::Value;

/// An execution that ended outside of its own states.
pub(crate) struct Stopped {
    /// Its name: the release that it was, or was refused to be.
    pub(crate) release: ReleaseId,
    /// Its ARN.
    pub(crate) execution: String,
    /// Why.
    pub(crate) why: Why,
}

/// The execution and the reason in the event of one that failed, timed out or was
/// stopped; nothing for events of other kinds.
pub(crate) fn stopped(event: &Value) -> Result<Option<Stopped>, Failure> {
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
    let execution = detail["executionArn"].as_str();
    let execution = execution.ok_or_else(|| Failure::bad_input("the event has no executionArn"))?;
    Ok(Some(Stopped {
        release,
        execution: execution.to_owned(),
        why: Why {
            stage: None,
            error,
            cause,
        },
    }))
}
