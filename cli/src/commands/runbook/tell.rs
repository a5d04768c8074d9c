//! A procedure as text: what is known as comments, then the commands.

use super::Found;
use crate::style::{HEAD, SOFT, paint};
use gatewright_compiler::by_hand::Procedure;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::Deployment;
use gatewright_domain::undo::Target;
use gatewright_domain::{EnvironmentName, Timestamp};
use gatewright_views::text::{line, listed, relative};
use gatewright_views::words;

/// All of it.
pub fn told(
    definition: &Definition,
    environment: &EnvironmentName,
    found: &Found,
    procedure: &Procedure,
    now: Timestamp,
) -> String {
    let title = format!("{}, {environment}: what to do by hand", definition.id);
    let mut lines = vec![title, String::new()];
    lines.extend(known(environment, found, now));
    lines.extend(found.unknown.iter().map(|sentence| line(sentence)));
    let mut text: String = lines
        .iter()
        .map(|said| format!("{}\n", format!("# {said}").trim_end()))
        .collect();
    text.push_str("#\n");
    text.push_str(&procedure.shell());
    text
}

/// What the record knows, in lines.
fn known(environment: &EnvironmentName, found: &Found, now: Timestamp) -> Vec<String> {
    if !found.record {
        return Vec::new();
    }
    let mut lines = Vec::new();
    match &found.held {
        Some(held) => {
            let status = words::status(held.status);
            let title = format!("{} ({})", line(&held.title), held.release);
            lines.push(match held.since {
                Some(since) => format!(
                    "{title} has {environment}, since {}: {status}.",
                    relative(now, since)
                ),
                None => format!("{title} left {environment} in doubt: {status}."),
            });
            lines.extend(held.why.iter().map(|sentence| line(sentence)));
        }
        None => lines.push(format!(
            "No release changes {environment} or left it in doubt."
        )),
    }
    lines.extend(found.doubts.iter().map(|doubt| {
        format!(
            "It is held for {}, since {}: {}",
            doubt.release,
            relative(now, doubt.since),
            line(&doubt.reason)
        )
    }));
    lines.extend(found.hold.as_ref().map(|hold| {
        format!(
            "{} holds it, since {}: {}",
            hold.by,
            relative(now, hold.since),
            line(&hold.reason)
        )
    }));
    if found.doubts.is_empty() && found.hold.is_none() {
        lines.push("Nothing keeps others from it.".to_owned());
    }
    lines.push(match &found.current {
        Some(current) => format!("On record runs {}.", deployment(current, now)),
        None => format!("Nothing is on record that runs in {environment}."),
    });
    if let Some(to) = &found.back_to {
        lines.push(format!("This goes back to {}.", version(to, now)));
        lines.extend(words::careful(to));
    }
    if !found.others.is_empty() {
        lines.push("Another one, with --to:".to_owned());
        lines.extend(found.others.iter().flat_map(|other| {
            let of = other.deployment.version_of();
            let told = format!("  {of}: {}", version(other, now));
            let careful = words::careful(other).into_iter();
            std::iter::once(told).chain(careful.map(|said| format!("    {said}")))
        }));
    }
    lines
}

/// A version that ran there, by the release whose it is.
fn version(target: &Target, now: Timestamp) -> String {
    let of = &target.deployment;
    let by = match &of.restored {
        Some(_) => format!(" by {}", of.release),
        None => String::new(),
    };
    format!(
        "{}, commit {}, {}, put there {}{by}",
        line(&target.title),
        of.commit.short(),
        artifacts(of),
        relative(now, of.at)
    )
}

fn artifacts(of: &Deployment) -> String {
    let artifacts: Vec<String> = of
        .artifacts
        .iter()
        .map(|artifact| format!("{} {}", line(&artifact.name), artifact.digest.short()))
        .collect();
    listed(&artifacts)
}

fn deployment(of: &Deployment, now: Timestamp) -> String {
    let restored = match &of.restored {
        Some(release) => format!(", which brought {release} back"),
        None => String::new(),
    };
    format!(
        "{}{restored}, commit {}, {}, put there {}",
        line(&of.title),
        of.commit.short(),
        artifacts(of),
        relative(now, of.at)
    )
}

/// A line as a terminal shows it: headings stand out, comments stand back.
pub fn painted(text: &str) -> String {
    let heading = text
        .strip_prefix("# ")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    match text {
        text if heading => paint(HEAD, text),
        text if text.starts_with('#') => paint(SOFT, text),
        text => text.to_owned(),
    }
}
