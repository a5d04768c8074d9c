//! `gatewright approve` and `gatewright reject`.

use super::story_of;
use crate::args::Decide;
use crate::error::{Code, Failed};
use crate::out::Out;
use crate::progress::{flags, headline, lines, stages};
use crate::signed::{self, What};
use crate::story::Story;
use crate::style::{BAD, COPY, GOOD, HEAD, WAITING, paint};
use gatewright_aws::{Clock, SystemClock};
use gatewright_domain::Timestamp;
use gatewright_domain::approval::{Choice, Request};
use gatewright_views::Asked;
use gatewright_views::text::{line, relative};
use gatewright_views::words;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

const DECISION: What = What {
    name: "the decision",
    again: "try again: a decision counts once",
};

/// What is sent; `functions/answer-approval` reads it.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    release: &'a str,
    choice: Choice,
    reason: &'a str,
    evidence: &'a str,
}

/// Approves.
///
/// # Errors
/// When there is nothing to decide, or the decision does not count.
pub async fn approve(args: &Decide, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    decide(args, Choice::Approve, at, out).await
}

/// Rejects.
///
/// # Errors
/// As [`approve`], and when no reason is given.
pub async fn reject(args: &Decide, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    if args.reason.trim().is_empty() {
        return Err(Failed::usage("a rejection must say why")
            .help("--reason \"…\": a sentence for the people who have to act on it"));
    }
    decide(args, Choice::Reject, at, out).await
}

async fn decide(
    args: &Decide,
    choice: Choice,
    at: Option<&Path>,
    out: &Out,
) -> Result<Code, Failed> {
    let (reach, story) = story_of(at, &args.release).await?;
    let asked = open(&story)?;
    let credentials = reach.credentials(args.person.as_deref()).await?;
    for line in ballot(&story, &asked, SystemClock.now()) {
        out.aside(line);
    }
    let question = match choice {
        Choice::Approve => "Approve this? A decision cannot be taken back.",
        Choice::Reject => "Reject this? The release ends then.",
    };
    if !out.confirm(question, args.yes)? {
        return Err(Failed::refused("nothing was decided"));
    }
    let sent = Sent {
        release: story.head.release.as_str(),
        choice,
        reason: args.reason.trim(),
        evidence: asked.request.evidence.as_str(),
    };
    let answer = signed::post(&reach, &credentials, "/api/decisions", &sent, DECISION).await?;
    if out.json {
        out.json(&answer);
    } else {
        out.line(told(choice, &answer, &story));
    }
    Ok(Code::Done)
}

fn open(story: &Story) -> Result<Asked<'_>, Failed> {
    let title = line(&story.head.title());
    story.open().ok_or_else(|| match story.asked().last() {
        Some(asked) => Failed::refused(format!(
            "{title} asks for no approval any more: {}",
            asked.state_words(SystemClock.now())
        )),
        None => Failed::refused(format!("{title} asks for no approval")).help(format!(
            "see where it stands with `gatewright status {}`",
            story.head.release
        )),
    })
}

/// What is decided, for a person to read first.
pub fn ballot(story: &Story, asked: &Asked<'_>, now: Timestamp) -> Vec<String> {
    let Request {
        stage,
        evidence,
        expires_at,
        checklist,
        ..
    } = asked.request;
    let mut told = vec![headline(&story.head, now)];
    told.extend(story.halt_lines());
    if let Some(message) = story
        .head
        .trigger
        .as_ref()
        .and_then(|t| t.message.as_deref())
    {
        told.push(format!("“{}”", line(message)));
    }
    told.extend(flags(&story.head));
    told.push(String::new());
    told.extend(lines(
        &stages(story)[..asked.request.evidence_until().min(stages(story).len())],
        now,
    ));
    told.push(String::new());
    told.extend(words::asked_about(asked.request).unwrap_or_default());
    let expires = relative(now, *expires_at);
    told.push(format!(
        "{} expires {expires}",
        paint(HEAD, line(stage.as_str()))
    ));
    told.extend(asked.missing_words().map(|missing| paint(WAITING, missing)));
    told.push(format!("Evidence {evidence}"));
    if !checklist.is_empty() {
        told.push("By approving you say that you have checked:".to_owned());
        told.extend(checklist.iter().map(|item| format!("  - {}", line(item))));
    }
    told
}

fn told(choice: Choice, answer: &Value, story: &Story) -> String {
    let who = answer["person"].as_str().unwrap_or_default();
    let name = who
        .parse()
        .ok()
        .map(|id| gatewright_views::asked::name(&story.directory, &id));
    let name = name.unwrap_or_else(|| who.to_owned());
    let title = line(&story.head.title());
    let did = match choice {
        Choice::Approve => paint(GOOD, "approved"),
        Choice::Reject => paint(BAD, "rejected"),
    };
    let then = match answer["request"].as_str() {
        Some("approved") => match &story.halted {
            None => "; the quorum is complete, the release goes on".to_owned(),
            Some(halt) => format!(
                "; the quorum is complete, but the release is halted by {} and ends before its next step, unless this comes first: {}",
                halt.said.by,
                paint(COPY, words::resumes(halt))
            ),
        },
        Some("rejected") => "; the release ends".to_owned(),
        _ => {
            let missing = answer["missing"].as_array().into_iter().flatten();
            let groups: Vec<String> = missing
                .filter_map(|pair| pair[0].as_str()?.parse().ok())
                .map(|group| gatewright_views::asked::title(&story.directory, &group))
                .collect();
            format!("; still missing: {}", groups.join(", "))
        }
    };
    format!("{name} {did} {title}{then}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::{Example, plain};
    use serde_json::json;

    #[tokio::test]
    async fn the_ballot_shows_what_was_measured_and_the_evidence() {
        let example = Example::waiting_for_approval().await;
        let story = example.story().await;
        let shown = ballot(&story, &open(&story).unwrap(), example.now()).join("\n");
        insta::assert_snapshot!(plain(&shown));
    }

    #[tokio::test]
    async fn there_is_nothing_to_decide_on_a_release_that_ended() {
        let story = Example::low_coverage().await.story().await;
        let failed = open(&story).unwrap_err();
        assert_eq!(failed.code, Code::Refused);
        assert_eq!(failed.what, "pl-gps-001#1 asks for no approval");
    }

    #[tokio::test]
    async fn an_approval_of_a_halted_release_does_not_say_that_it_goes_on() {
        let example = Example::waiting_for_approval().await;
        example.halted().await;
        let story = example.story().await;
        let shown = ballot(&story, &open(&story).unwrap(), example.now());
        let shown = plain(&shown.join("\n"));
        assert!(shown.contains("It is halted by anna since"), "{shown}");
        let answer = json!({ "person": "priya", "request": "approved" });
        assert_eq!(
            plain(&told(Choice::Approve, &answer, &story)),
            "Priya Raman approved pl-gps-001#1; the quorum is complete, but the release is halted by anna and ends before its next step, unless this comes first: gatewright resume cp-1 --reason TEXT"
        );
        let told = plain(&crate::commands::status::one(&story, example.now()).join("\n"));
        assert!(told.contains("It is halted by anna since"), "{told}");
        let told = plain(&crate::commands::show::told(&story, example.now()).join("\n"));
        assert!(told.contains("It is halted by anna since"), "{told}");
        let json = serde_json::to_value(crate::progress::Shown::of(&story)).unwrap();
        assert_eq!(json["halted"]["by"], "anna");
        assert_eq!(json["halted"]["of"], json!({ "release": "cp-1" }));
    }

    #[tokio::test]
    async fn who_is_missing_is_said_by_title() {
        let story = Example::waiting_for_approval().await.story().await;
        let answer =
            json!({ "person": "priya", "request": "open", "missing": [["devops-lead", 1]] });
        let said = plain(&told(Choice::Approve, &answer, &story));
        assert_eq!(
            said,
            "Priya Raman approved pl-gps-001#1; still missing: DevOps Lead"
        );
    }
}
