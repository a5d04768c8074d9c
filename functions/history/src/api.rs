//! The JSON API: `/api/releases/<id>` and `/api/pipelines/<id>/releases`.

use crate::{Story, tracing_error};
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::ledger;
use gatewright_domain::{PipelineId, ReleaseId};
use gatewright_handler::Failure;
use gatewright_handler::http::{Request, Response};
use serde_json::{Value, json};

/// How many releases a page of the list has unless `limit` says otherwise.
const PAGE: u32 = 20;
/// How many it can have.
const MOST: u32 = 100;

pub(crate) async fn answer<T: Table>(
    store: &Store<T>,
    request: &Request,
    path: &[&str],
) -> Response {
    if request.iam.is_none() {
        return told(401, "Unsigned", "sign the request with AWS credentials");
    }
    let answered = match path {
        ["releases", id] => release(store, id).await,
        ["pipelines", id, "releases"] => releases(store, id, request).await,
        _ => {
            return told(
                404,
                "NotFound",
                "there are /api/releases/<id> and /api/pipelines/<id>/releases",
            );
        }
    };
    match answered {
        Ok(Some(body)) => Response::json(200, &body),
        Ok(None) => told(404, "NotFound", "there is no such release"),
        Err(failure) if failure.may_pass() => {
            tracing_error(&failure);
            told(
                503,
                failure.name.as_str(),
                "the record cannot be read at the moment",
            )
        }
        Err(failure) => told(400, failure.name.as_str(), &failure.message),
    }
}

async fn release<T: Table>(store: &Store<T>, id: &str) -> Result<Option<Value>, Failure> {
    let id: ReleaseId = id.parse().map_err(|e| Failure::bad_input(format!("{e}")))?;
    let Some(story) = Story::read(store, &id).await? else {
        return Ok(None);
    };
    let last = (story.head.last_seq, story.head.last_hash.as_ref());
    let verified = ledger::verify(&id, &story.events, last);
    Ok(Some(json!({
        "release": story.head,
        "title": story.head.title(),
        "stages": story.records,
        "approvals": story.approvals.iter().map(|(r, d)| json!({ "request": r, "decisions": d })).collect::<Vec<_>>(),
        "ledger": story.events,
        "ledger_verified": verified.is_ok(),
        "ledger_broken": verified.err().map(|broken| broken.to_string()),
        "running": story.running,
        "halted": story.halted,
    })))
}

async fn releases<T: Table>(
    store: &Store<T>,
    id: &str,
    request: &Request,
) -> Result<Option<Value>, Failure> {
    let id: PipelineId = id.parse().map_err(|e| Failure::bad_input(format!("{e}")))?;
    let number = |name: &str| match request.query.get(name) {
        None => Ok(None),
        Some(text) => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| Failure::bad_input(format!("{name} must be a number, not {text:?}"))),
    };
    let limit = number("limit")?.map_or(PAGE, |n| u32::try_from(n).unwrap_or(MOST).clamp(1, MOST));
    let ids = store.releases_of(&id, number("below")?, limit).await?;
    let mut heads = Vec::new();
    for release in &ids {
        heads.extend(store.head(release).await?.map(|seen| seen.value));
    }
    let full = u32::try_from(heads.len()).unwrap_or(u32::MAX) == limit;
    let next = heads.last().and_then(|head| head.number).filter(|_| full);
    Ok(Some(
        json!({ "pipeline": id, "releases": heads, "next_below": next }),
    ))
}

fn told(status: u16, error: &str, message: &str) -> Response {
    Response::json(status, &json!({ "error": error, "message": message }))
}
