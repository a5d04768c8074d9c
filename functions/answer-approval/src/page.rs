//! The page behind a personal link.

use crate::vote::{self, Case, NotRecorded};
use crate::{Desk, unavailable};
use gatewright_aws::Clock;
use gatewright_aws::config::Config;
use gatewright_aws::links::{ApprovalLink, LinkError, PageNonce, ReadLink};
use gatewright_aws::slack::Respond;
use gatewright_aws::table::Table;
use gatewright_domain::approval::{Choice, Decision, Via};
use gatewright_domain::control::Halted;
use gatewright_domain::decide::{Refusal, halt_in_force};
use gatewright_domain::{Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::http::{Request, Response};
use gatewright_views::Asked;
use gatewright_views::pages::{self, form};
use std::collections::BTreeMap;

/// How long an opened page can be used to decide.
const PAGE_SECONDS: i64 = 3_600;
/// How long a link to read a release works.
const READ_SECONDS: i64 = 30 * 86_400;

/// GET: shows what is asked. Changes nothing.
pub(crate) async fn show<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    request: &Request,
) -> Response {
    let now = desk.clock.now();
    let link = match opened(desk, request, now) {
        Ok(link) => link,
        Err(error) => return refused_link(error),
    };
    let shown = match shown(desk, &link, now).await {
        Ok(page) => Response::html(200, page, pages::SECURITY_HEADERS),
        Err(failure) => unavailable(&failure),
    };
    if request.method == "HEAD" {
        Response {
            body: String::new(),
            ..shown
        }
    } else {
        shown
    }
}

async fn shown<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    link: &ApprovalLink,
    now: Timestamp,
) -> Result<String, Failure> {
    let case = Case::read(desk.store, &link.release, link.index).await?;
    let records = desk.store.stages(&link.release).await?;
    let environment = case
        .definition
        .stages
        .get(link.index)
        .and_then(|s| s.environment.clone());
    let running = match &environment {
        Some(environment) => {
            desk.store
                .current(&case.head.value.pipeline, environment)
                .await?
        }
        None => None,
    };
    let halted = halted(desk, &case).await?;
    let nonce = desk.links.issue(&PageNonce {
        link: link.clone(),
        expires: after(now, PAGE_SECONDS),
    })?;
    let release_url = release_url(desk, link, now)?;
    Ok(pages::approval(&pages::ApprovalView {
        head: &case.head.value,
        definition: &case.definition,
        records: &records,
        asked: asked(&case),
        running: running.as_ref(),
        halted: halted.as_ref(),
        person: &link.person,
        nonce: &nonce,
        release_url: &release_url,
        now,
    }))
}

/// POST: decides, for the person whom the link was issued to, with the nonce of
/// a page that this link opened.
pub(crate) async fn decide<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    request: &Request,
) -> Response {
    let now = desk.clock.now();
    let sent = request.form();
    let opened = opened(desk, request, now).and_then(|link| {
        let nonce = sent.get(form::NONCE).map_or("", String::as_str);
        let page: PageNonce = desk.links.open(nonce, now)?;
        if page.link == link {
            Ok(link)
        } else {
            Err(LinkError::Forged)
        }
    });
    let link = match opened {
        Ok(link) => link,
        Err(error) => return refused_link(error),
    };
    match decided(desk, &link, &sent, now).await {
        Ok(page) => Response::html(200, page, pages::SECURITY_HEADERS),
        Err(Trouble::Incomplete(what)) => {
            let body = pages::refused(
                "Not decided yet",
                &what,
                "Go back, complete the form and send it again.",
            );
            Response::html(422, body, pages::SECURITY_HEADERS)
        }
        Err(Trouble::Not(NotRecorded::Refused(refusal))) => refused(&refusal),
        Err(Trouble::Not(NotRecorded::Failed(failure))) => unavailable(&failure),
    }
}

enum Trouble {
    Incomplete(String),
    Not(NotRecorded),
}

impl<E: Into<NotRecorded>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Not(error.into())
    }
}

async fn decided<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    link: &ApprovalLink,
    sent: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<String, Trouble> {
    let case = Case::read(desk.store, &link.release, link.index).await?;
    let choice = complete(sent, &case).map_err(Trouble::Incomplete)?;
    let halted = halted(desk, &case).await?;
    let decision = Decision {
        person: link.person.clone(),
        choice,
        reason: reason(sent),
        at: now,
        via: Via::Page,
        evidence: link.evidence.clone(),
    };
    let (case, outcome) =
        vote::record(desk.store, &link.release, link.index, &decision, now).await?;
    let release_url = release_url(desk, link, now)?;
    Ok(pages::decided(&pages::DecidedView {
        head: &case.head.value,
        definition: &case.definition,
        asked: asked(&case),
        decision: &decision,
        halted: halted.as_ref(),
        outcome: &outcome,
        release_url: &release_url,
    }))
}

fn complete(sent: &BTreeMap<String, String>, case: &Case) -> Result<Choice, String> {
    let ticked = |name: &str| sent.get(name).is_some_and(|value| value == form::YES);
    let choice = sent.get(form::CHOICE).and_then(|word| vote::choice(word));
    let choice = choice.ok_or("The form says neither approve nor reject.")?;
    if !ticked(form::CONFIRM) {
        return Err(
            "The box that says who you are and what you decide on is not ticked.".to_owned(),
        );
    }
    let open = case
        .request
        .value
        .checklist
        .iter()
        .enumerate()
        .find(|(index, _)| !ticked(&form::check(*index)));
    match (choice, open) {
        (Choice::Approve, Some((_, item))) => Err(format!("To approve, confirm also: {item}")),
        (Choice::Approve, None) => Ok(choice),
        (Choice::Reject, _) if reason(sent).is_empty() => {
            Err("A rejection must say why.".to_owned())
        }
        (Choice::Reject, _) => Ok(choice),
    }
}

fn reason(sent: &BTreeMap<String, String>) -> String {
    let text = sent.get(form::REASON).map_or("", |text| text.trim());
    text.chars().take(form::REASON_MOST).collect()
}

fn opened<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    request: &Request,
    now: Timestamp,
) -> Result<ApprovalLink, LinkError> {
    let token = request.query.get("t").map_or("", String::as_str);
    desk.links.open(token, now)
}

async fn halted<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    case: &Case,
) -> Result<Option<Halted>, Failure> {
    let controls = desk.store.controls().await?.controls;
    Ok(halt_in_force(&case.head.value, &controls))
}

fn asked(case: &Case) -> Asked<'_> {
    Asked {
        request: &case.request.value,
        decisions: &case.decisions,
        directory: &case.directory.value,
    }
}

fn release_url<T: Table, C: Clock, R: Respond>(
    desk: &Desk<'_, T, C, R>,
    link: &ApprovalLink,
    now: Timestamp,
) -> Result<String, Failure> {
    let read = ReadLink {
        release: link.release.clone(),
        expires: after(now, READ_SECONDS),
    };
    let base = Config::need(&desk.config.public_url, "GATEWRIGHT_PUBLIC_URL")?;
    Ok(format!(
        "{base}/releases/{}?t={}",
        link.release,
        desk.links.issue(&read)?
    ))
}

fn refused_link(error: LinkError) -> Response {
    let (status, title) = match error {
        LinkError::Forged => (403, "This link cannot be used"),
        LinkError::Expired => (410, "This link has expired"),
        LinkError::Key => (503, "This did not work"),
    };
    let body = pages::refused(
        title,
        &error.to_string(),
        "Open the newest message that asked you, or ask in the release's thread.",
    );
    Response::html(status, body, pages::SECURITY_HEADERS)
}

fn refused(refusal: &Refusal) -> Response {
    let helps = match refusal {
        Refusal::NotAsked(_) => "Somebody of the groups that are asked has to decide.",
        Refusal::OwnWork(_) => "Ask a colleague to decide.",
        Refusal::AlreadyDecided { .. } => "There is nothing more for you to do.",
        Refusal::Over(_) => "The release's page shows how it went on.",
        Refusal::OtherEvidence => "Open the newest message that asked you.",
        Refusal::NoReason => "Go back and say why.",
    };
    let body = pages::refused(
        "This decision was not recorded",
        &refusal.to_string(),
        helps,
    );
    Response::html(vote::status(refusal), body, pages::SECURITY_HEADERS)
}
