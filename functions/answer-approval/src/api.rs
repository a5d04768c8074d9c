//! Decisions of the command line: signed with the person's own AWS credentials,
//! which API Gateway has verified before we are called.

use crate::Desk;
use crate::vote::{self, NotRecorded};
use gatewright_aws::Clock;
use gatewright_aws::slack::Respond;
use gatewright_aws::table::Table;
use gatewright_domain::approval::{Decision, State, Via};
use gatewright_domain::decide::Outcome;
use gatewright_domain::{Digest, ReleaseId};
use gatewright_handler::http::{Request, Response};
use gatewright_handler::{Failure, parse};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the command line sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    release: ReleaseId,
    choice: String,
    #[serde(default)]
    reason: String,
    /// What the person has seen; the decision counts for nothing else.
    evidence: Digest,
}

/// Decides as the person to whom the caller's ARN belongs.
pub(crate) async fn decide<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    request: &Request,
) -> Response {
    let Some(arn) = &request.iam else {
        return told(401, "Unsigned", "sign the request with AWS credentials");
    };
    match decided(desk, arn, &request.body).await {
        Ok(reply) => Response::json(200, &reply),
        Err(NotRecorded::Refused(refusal)) => {
            told(vote::status(&refusal), "Refused", &refusal.to_string())
        }
        Err(NotRecorded::Failed(failure)) if failure.may_pass() => {
            told(503, failure.name.as_str(), &failure.message)
        }
        Err(NotRecorded::Failed(failure)) => told(400, failure.name.as_str(), &failure.message),
    }
}

async fn decided<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    arn: &str,
    body: &[u8],
) -> Result<Value, NotRecorded> {
    let raw: Value = serde_json::from_slice(body)
        .map_err(|e| Failure::bad_input(format!("the body is not JSON: {e}")))?;
    let sent: Sent = parse(raw)?;
    let choice = vote::choice(&sent.choice);
    let choice =
        choice.ok_or_else(|| Failure::bad_input("\"choice\" must be \"approve\" or \"reject\""))?;
    let directory = desk.store.directory().await?;
    let Some(person) = directory.value.identified(arn) else {
        return Err(Failure::bad_input(format!(
            "{arn} is none of the people in approvers.yaml: add it to a person's aliases"
        ))
        .into());
    };
    let open = desk.store.approvals(&sent.release).await?;
    let open = open.iter().find(|r| r.state == State::Open).or(open.last());
    let Some(request) = open else {
        return Err(
            Failure::bad_input(format!("release {} asks for no approval", sent.release)).into(),
        );
    };
    let now = desk.clock.now();
    let decision = Decision {
        person: person.id.clone(),
        choice,
        reason: sent.reason.trim().chars().take(2_000).collect(),
        at: now,
        via: Via::Cli,
        evidence: sent.evidence,
    };
    let (case, outcome) =
        vote::record(desk.store, &sent.release, request.index, &decision, now).await?;
    let (state, missing) = match outcome {
        Outcome::Approved(_) => ("approved", Vec::new()),
        Outcome::Rejected => ("rejected", Vec::new()),
        Outcome::Open(standing) => ("open", standing.missing),
    };
    Ok(
        json!({ "release": case.head.value.title(), "person": decision.person, "request": state, "missing": missing }),
    )
}

fn told(status: u16, error: &str, message: &str) -> Response {
    Response::json(status, &json!({ "error": error, "message": message }))
}
