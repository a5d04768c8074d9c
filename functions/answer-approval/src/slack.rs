//! Slack's interactions: a button that a member pressed.
//!
//! The signature proves that Slack sent it and who pressed; it does not prove
//! that it is new, and need not: a decision counts once.

use crate::Desk;
use crate::vote::{self, NotRecorded};
use gatewright_aws::Clock;
use gatewright_aws::slack::{Respond, verify_signature};
use gatewright_aws::table::Table;
use gatewright_domain::approval::{Choice, Decision, Via};
use gatewright_domain::decide::Outcome;
use gatewright_domain::{Digest, ReleaseId};
use gatewright_handler::Failure;
use gatewright_handler::http::{Request, Response};
use serde::Deserialize;
use serde_json::Value;

/// What the buttons of the release's message carry.
#[derive(Debug, Deserialize)]
struct Asked {
    release: ReleaseId,
    index: usize,
    evidence: Digest,
}

/// Decides what a pressed button says, and tells the member what came of it.
pub(crate) async fn interaction<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    request: &Request,
) -> Response {
    let now = desk.clock.now();
    let (timestamp, signature) = (
        request.header("x-slack-request-timestamp"),
        request.header("x-slack-signature"),
    );
    if let Err(error) = verify_signature(
        desk.signing_secret,
        timestamp,
        signature,
        &request.body,
        now,
    ) {
        tracing::warn!("an interaction that is not Slack's: {error}");
        return Response::empty(401);
    }
    let payload = request
        .form()
        .get("payload")
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(payload) = payload else {
        return Response::empty(400);
    };
    let said = match pressed(desk, &payload).await {
        Ok(Some(said)) => said,
        // A button that only opens a link.
        Ok(None) => return Response::empty(200),
        Err(NotRecorded::Refused(refusal)) => format!("Your decision was not recorded: {refusal}."),
        Err(NotRecorded::Failed(failure)) => {
            tracing::error!(error = %failure.name, "{}", failure.message);
            "Your decision was not recorded. Try again in a moment.".to_owned()
        }
    };
    if let Some(url) = payload["response_url"].as_str() {
        // The decision stands, whether or not the member can be told here.
        if let Err(error) = desk.respond.respond(url, &said).await {
            tracing::warn!("the member could not be told: {error}");
        }
    }
    Response::empty(200)
}

async fn pressed<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    payload: &Value,
) -> Result<Option<String>, NotRecorded> {
    let action = &payload["actions"][0];
    let Some(choice) = action["action_id"].as_str().and_then(vote::choice) else {
        return Ok(None);
    };
    let asked: Asked = serde_json::from_str(action["value"].as_str().unwrap_or_default())
        .map_err(|_| Failure::bad_input("the button carries no request"))?;
    let member = payload["user"]["id"].as_str().unwrap_or_default();
    let directory = desk.store.directory().await?;
    let Some(person) = directory
        .value
        .people
        .iter()
        .find(|p| p.slack.as_deref() == Some(member))
    else {
        return Ok(Some(
            "You are not among the approvers that Gatewright knows.".to_owned(),
        ));
    };
    let now = desk.clock.now();
    let decision = Decision {
        person: person.id.clone(),
        choice,
        reason: if choice == Choice::Reject {
            "rejected with the button in Slack".to_owned()
        } else {
            String::new()
        },
        at: now,
        via: Via::Slack,
        evidence: asked.evidence,
    };
    let (case, outcome) =
        vote::record(desk.store, &asked.release, asked.index, &decision, now).await?;
    let title = case.head.value.title();
    Ok(Some(match outcome {
        Outcome::Approved(_) => format!("You approved {title}. Everybody has agreed; it goes on."),
        Outcome::Open(standing) => {
            let missing: Vec<String> = standing
                .missing
                .iter()
                .map(|(group, n)| format!("{n} of {group}"))
                .collect();
            format!(
                "You approved {title}. Still missing: {}.",
                missing.join(", ")
            )
        }
        Outcome::Rejected => format!("You rejected {title}. It ends here."),
    }))
}
