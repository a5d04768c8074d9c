//! What wakes somebody up: an environment of which nobody knows what it runs. It
//! is read on a phone, at night, by somebody who did not follow the release.

use crate::text::{line, listed, safe_url, short_line, utc};
use crate::words;
use gatewright_domain::EnvironmentName;
use gatewright_domain::release::{Failure, Head};
use gatewright_domain::undo::Target;

/// The most that a phone's first line may hold.
const SUMMARY_MOST: usize = 1_024;
/// How many lines of the procedure are in the page; the command prints all.
const LINES_MOST: usize = 30;
/// How long one of them may be.
const LINE_MOST: usize = 400;

/// A release that ended with an environment in doubt.
#[derive(Debug, Clone, Copy)]
pub struct InDoubt<'a> {
    /// The release.
    pub head: &'a Head,
    /// Why it ended.
    pub failure: Option<&'a Failure>,
    /// The environments of which nobody knows what they run, each with what ran
    /// there before, where that is known.
    pub environments: &'a [(EnvironmentName, Option<Target>)],
    /// The procedure for the first of them, as text of a shell.
    pub procedure: &'a str,
    /// Where the release's page is.
    pub page_url: &'a str,
}

/// What somebody is woken up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What a phone shows.
    pub summary: String,
    /// The environments in doubt: `production`, or `dev and qa`.
    pub component: String,
    /// What to know, by heading.
    pub details: Vec<(&'static str, String)>,
    /// The release's page, and the words for it.
    pub link: Option<(String, String)>,
}

/// The page about it.
pub fn page(about: &InDoubt<'_>) -> Page {
    let head = about.head;
    let title = line(&head.title());
    let component = places(about.environments);
    let mut details = vec![
        ("release", format!("{title} ({})", head.release)),
        (
            "unknown",
            format!("Nobody knows what {component} runs now: it may be half changed."),
        ),
    ];
    if let Some(failure) = about.failure {
        let left: Vec<EnvironmentName> =
            about.environments.iter().map(|(e, _)| e.clone()).collect();
        let why = words::ended(failure, &head.pipeline, &left);
        details.push(("why", why.join("\n")));
    }
    let before: Vec<String> = about
        .environments
        .iter()
        .map(|(name, before)| ran_before(name, before.as_ref()))
        .collect();
    if !before.is_empty() {
        details.push(("ran before", before.join("\n")));
    }
    if let Some((environment, _)) = about.environments.first() {
        let all = format!("gatewright runbook {} {environment}", head.pipeline);
        details.push(("by hand", first_lines(about.procedure, &all)));
        details.push(("the whole procedure", all));
    }
    let link =
        safe_url(about.page_url).map(|url| (url.to_owned(), format!("The whole story of {title}")));
    Page {
        summary: short_line(
            &format!(
                "{title} ended dirty: nobody knows what {component} runs now{}",
                about
                    .failure
                    .map(|failure| format!(" ({})", words::what_failed(failure)))
                    .unwrap_or_default()
            ),
            SUMMARY_MOST,
        ),
        component,
        details,
        link,
    }
}

fn places(environments: &[(EnvironmentName, Option<Target>)]) -> String {
    let names: Vec<&str> = environments.iter().map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        [] => "an environment".to_owned(),
        names => listed(names),
    }
}

fn ran_before(environment: &EnvironmentName, before: Option<&Target>) -> String {
    match before {
        None => format!("{environment}: nothing that is on record"),
        Some(target) => {
            let before = &target.deployment;
            let artifacts: Vec<String> = before
                .artifacts
                .iter()
                .map(|artifact| format!("{} {}", line(&artifact.name), artifact.digest))
                .collect();
            let ran = format!(
                "{environment}: {}, commit {}, {}, since {}",
                line(&target.title),
                before.commit,
                listed(&artifacts),
                utc(before.at)
            );
            let mut lines = vec![ran];
            lines.extend(words::careful(target));
            lines.join("\n")
        }
    }
}

/// The beginning of a procedure, and where the rest is.
fn first_lines(procedure: &str, all: &str) -> String {
    let mut lines: Vec<String> = procedure
        .lines()
        .filter(|text| !text.trim().is_empty())
        .take(LINES_MOST)
        .map(|text| short_line(text, LINE_MOST))
        .collect();
    let more = procedure.lines().filter(|l| !l.trim().is_empty()).count() > lines.len();
    if more {
        lines.push(format!("# … and so on: {all}"));
    }
    lines.join("\n")
}
