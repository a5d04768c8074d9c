//! An approver of the demo: opens the page behind a personal link and sends its
//! form, as a browser would.
//!
//! The page is our own template, so its forms are read with a scan for `<form>`
//! and `<input>` tags. An HTML parser such as `scraper` would put some thirty
//! crates behind two attributes.

use crate::error::{Failed, http};
use gatewright_domain::approval::Choice;
use reqwest::redirect::Policy;
use std::time::Duration;

/// A page is one function call; a cold one takes about a second.
const PATIENCE: Duration = Duration::from_secs(35);

/// Decides as the person behind `link`.
///
/// # Errors
/// When the page does not offer the form or refuses it.
pub async fn decide(link: &str, choice: Choice, reason: &str) -> Result<(), Failed> {
    let failed = |error| http("the approval page cannot be reached", error);
    let builder = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(Policy::none());
    let client = builder.build().map_err(failed)?;
    let reply = client.get(link).send().await.map_err(failed)?;
    let status = reply.status();
    let page = reply.text().await.map_err(failed)?;
    let word = match choice {
        Choice::Approve => "approve",
        Choice::Reject => "reject",
    };
    let form = fields(&page, word)
        .filter(|_| status.is_success())
        .ok_or_else(|| {
            Failed::unreachable(format!(
                "the approval page ({status}) has no form to {word} with"
            ))
        })?;
    let mut sent = form;
    sent.push(("choice".to_owned(), word.to_owned()));
    sent.push(("reason".to_owned(), reason.to_owned()));
    let reply = client.post(link).form(&sent).send().await.map_err(failed)?;
    let status = reply.status();
    if status.is_success() {
        return Ok(());
    }
    let page = reply.text().await.map_err(failed)?;
    let why = between(&page, "<h1>", "</h1>").unwrap_or("no reason was given");
    Err(Failed::unreachable(format!(
        "the approval page refused ({status}): {why}"
    )))
}

/// The fields of the form whose button says `choice`, filled in: hidden ones as
/// they are, boxes ticked.
fn fields(page: &str, choice: &str) -> Option<Vec<(String, String)>> {
    let button = format!("value=\"{choice}\"");
    let form = page
        .split("<form")
        .skip(1)
        .map(|rest| rest.split("</form>").next().unwrap_or_default())
        .find(|form| form.contains(&button))?;
    let mut found = Vec::new();
    for tag in form.split("<input").skip(1) {
        let tag = tag.split('>').next()?;
        let kind = attribute(tag, "type").unwrap_or("text");
        if matches!(kind, "hidden" | "checkbox") {
            let value = attribute(tag, "value").unwrap_or("on");
            found.push((attribute(tag, "name")?.to_owned(), value.to_owned()));
        }
    }
    found
        .iter()
        .any(|(name, _)| name == "nonce")
        .then_some(found)
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    between(tag, &format!(" {name}=\""), "\"")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<h1>Decide</h1>
<form method="post"><input type="hidden" name="nonce" value="v4.local.A-_.b">
<label><input type="checkbox" id="check-0" name="check-0" value="yes" required> done</label>
<label><input type="checkbox" name="confirm" value="yes" required></label>
<textarea name="reason"></textarea><button name="choice" value="approve">Approve</button></form>
<form method="post"><input type="hidden" name="nonce" value="v4.local.A-_.b">
<label><input type="checkbox" name="confirm" value="yes" required></label>
<button name="choice" value="reject">Reject</button></form>"#;

    fn check(page: &str, choice: &str, expected: Option<&[(&str, &str)]>) {
        let found = fields(page, choice);
        let found: Option<Vec<(&str, &str)>> = found.as_ref().map(|all| {
            all.iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect()
        });
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn a_form_is_filled_in_as_the_page_has_it() {
        let nonce = ("nonce", "v4.local.A-_.b");
        check(
            PAGE,
            "approve",
            Some(&[nonce, ("check-0", "yes"), ("confirm", "yes")]),
        );
        check(PAGE, "reject", Some(&[nonce, ("confirm", "yes")]));
        check("<h1>You have already decided</h1>", "approve", None);
        check(&PAGE.replace("nonce", "other"), "approve", None);
    }
}
