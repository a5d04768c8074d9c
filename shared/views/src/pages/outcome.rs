//! The pages after a decision: what it did, or why it did not count.

use super::approval::what_follows;
use super::parts::When;
use super::rendered;
use crate::asked::{Asked, missing};
use crate::text::safe_url;
use askama::Template;
use gatewright_domain::approval::{Choice, Decision};
use gatewright_domain::control::Halted;
use gatewright_domain::decide::Outcome;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::Head;

/// What the page after a decision shows.
#[derive(Debug, Clone, Copy)]
pub struct DecidedView<'a> {
    /// The release.
    pub head: &'a Head,
    /// The definition that it runs.
    pub definition: &'a Definition,
    /// The request, the decisions on it and who is who.
    pub asked: Asked<'a>,
    /// The decision that was recorded.
    pub decision: &'a Decision,
    /// The halt in force of the release, if there is one.
    pub halted: Option<&'a Halted>,
    /// What it did.
    pub outcome: &'a Outcome,
    /// Where the release's page is.
    pub release_url: &'a str,
}

#[derive(Template)]
#[template(path = "decided.html")]
struct Page {
    style: &'static str,
    title: String,
    did: &'static str,
    class: &'static str,
    then: String,
    stage: String,
    pipeline: String,
    at: When,
    reason: String,
    evidence: super::parts::Code,
    release_url: Option<String>,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    style: &'static str,
    title: &'a str,
    what: &'a str,
    helps: &'a str,
}

/// The page after a decision that counts.
pub fn decided(view: &DecidedView<'_>) -> String {
    let request = view.asked.request;
    let environment = view
        .definition
        .stages
        .get(request.index)
        .and_then(|stage| stage.environment.as_ref());
    let then = match view.outcome {
        Outcome::Open(standing) => missing(standing, view.asked.directory)
            .unwrap_or_else(|| "Others are still asked.".to_owned()),
        Outcome::Approved(_) => {
            let then = what_follows(view.definition, view.head, request.index, view.halted);
            format!("Everybody has agreed{then}")
        }
        Outcome::Rejected => match environment {
            Some(environment) => {
                format!("The release ends here; it does not change {environment}.")
            }
            None => "The release ends here.".to_owned(),
        },
    };
    rendered(&Page {
        style: super::STYLE,
        title: view.head.title(),
        did: crate::words::choice(view.decision.choice),
        class: match view.decision.choice {
            Choice::Approve => "passed",
            Choice::Reject => "failed",
        },
        then,
        stage: request.stage.to_string(),
        pipeline: view.definition.name.clone(),
        at: When::new(view.decision.at),
        reason: view.decision.reason.trim().to_owned(),
        evidence: (&view.decision.evidence).into(),
        release_url: safe_url(view.release_url).map(str::to_owned),
    })
}

/// The page for everything that was not done: its title, what happened, and
/// what helps.
pub fn refused(title: &str, what: &str, helps: &str) -> String {
    rendered(&Refused {
        style: super::STYLE,
        title,
        what,
        helps,
    })
}
