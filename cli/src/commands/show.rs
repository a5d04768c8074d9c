//! `gatewright show`: a release's story.

use super::story_of;
use crate::args::Show;
use crate::error::{Code, Failed};
use crate::out::Out;
use crate::progress::{flags, headline, lines, stages};
use crate::story::Story;
use crate::style::{BAD, GOOD, HEAD, SOFT, padded, paint, widest};
use gatewright_aws::{Clock, SystemClock};
use gatewright_domain::Timestamp;
use gatewright_domain::release::last_attempts;
use gatewright_views::text::{line, short_line, utc};
use gatewright_views::words;
use serde_json::{Value, json};
use std::path::Path;

/// Shows a release.
///
/// # Errors
/// When the record cannot be read or there is no such release.
pub async fn run(args: &Show, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let (_, story) = story_of(at, &args.release).await?;
    if out.json {
        out.json(&document(&story));
    } else {
        for line in told(&story, SystemClock.now()) {
            out.line(line);
        }
        if args.ledger {
            out.line("");
            ledger(&story).iter().for_each(|line| out.line(line));
        }
    }
    let broken = args.verify && story.verify().is_err();
    Ok(if broken { Code::Refused } else { Code::Done })
}

/// The JSON, in the shape of the HTTP API.
pub fn document(story: &Story) -> Value {
    let verified = story.verify();
    let approvals = story.approvals.iter();
    let approvals =
        approvals.map(|(request, decisions)| json!({ "request": request, "decisions": decisions }));
    let deployed = story.deployed().into_iter();
    let deployed = deployed.map(|(name, digest)| (name.to_string(), json!(digest)));
    json!({
        "release": story.head,
        "title": story.head.title(),
        "stages": story.records,
        "approvals": approvals.collect::<Vec<_>>(),
        "ledger": story.events,
        "ledger_verified": verified.is_ok(),
        "ledger_broken": verified.err().map(|broken| broken.to_string()),
        "halted": story.halted,
        "deployed": deployed.collect::<serde_json::Map<_, _>>(),
    })
}

/// The story in lines.
pub fn told(story: &Story, now: Timestamp) -> Vec<String> {
    let mut told = vec![headline(&story.head, now)];
    told.extend(story.halt_lines());
    told.extend(trigger(story));
    section(
        &mut told,
        "Know before you let it through",
        flags(&story.head),
    );
    section(&mut told, "Stages", lines(&stages(story), now));
    section(&mut told, "Findings", findings(story));
    section(&mut told, "Decisions", decisions(story, now));
    section(&mut told, "Deployed", deployed(story));
    let failure = words::ending(&story.head, story.definition.as_ref(), &story.records);
    section(&mut told, "Why it ended early", failure);
    section(&mut told, "Ledger", vec![verdict(story)]);
    told
}

fn section(told: &mut Vec<String>, title: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        told.push(String::new());
        told.push(paint(HEAD, title));
        told.extend(lines.into_iter().map(|line| format!("  {line}")));
    }
}

fn trigger(story: &Story) -> Vec<String> {
    let head = &story.head;
    let mut rows = vec![("release", head.release.to_string())];
    if let Some(trigger) = &head.trigger {
        rows.push(("ref", words::reference(&trigger.reference)));
        rows.push(("commit", trigger.commit.to_string()));
        let of = |who: &Option<String>| who.as_deref().map(line);
        rows.extend(of(&trigger.author).map(|who| ("author", who)));
        rows.extend(of(&trigger.requester).map(|who| ("requester", who)));
        rows.extend(
            trigger
                .message
                .as_deref()
                .map(|m| ("message", short_line(m, 200))),
        );
        let origin = trigger.codepipeline.as_ref();
        rows.extend(origin.map(|o| {
            (
                "by",
                format!(
                    "CodePipeline {}, execution {}",
                    line(&o.pipeline),
                    line(&o.execution)
                ),
            )
        }));
    }
    rows.push(("version", head.version.to_string()));
    rows.push(("started", utc(head.started_at)));
    rows.extend(head.ended_at.map(|end| ("ended", utc(end))));
    let rows = rows.into_iter();
    rows.map(|(name, value)| format!("  {}  {value}", paint(SOFT, format!("{name:<9}"))))
        .collect()
}

fn findings(story: &Story) -> Vec<String> {
    let scans = last_attempts(&story.records)
        .into_iter()
        .filter_map(|r| r.scan.as_ref());
    let each = scans.flat_map(|scan| &scan.worst).map(|finding| {
        let package = finding.package.as_deref().map_or_else(String::new, line);
        format!(
            "{:<13} {:<16} {package}",
            finding.severity.as_str(),
            line(&finding.id)
        )
        .trim_end()
        .to_owned()
    });
    each.collect()
}

fn decisions(story: &Story, now: Timestamp) -> Vec<String> {
    let mut told = Vec::new();
    for asked in story.asked() {
        let (stage, evidence) = (line(asked.request.stage.as_str()), &asked.request.evidence);
        told.push(format!(
            "{stage}, on evidence {}: {}",
            evidence.short(),
            asked.state_words(now)
        ));
        for decision in asked.decisions {
            let reason = line(&decision.reason);
            let because = if reason.is_empty() {
                reason
            } else {
                format!(": {reason}")
            };
            told.push(format!(
                "  {} {} {}, {}{because}",
                asked.name(&decision.person),
                words::choice(decision.choice),
                words::via(decision.via),
                utc(decision.at),
            ));
        }
    }
    told
}

/// What each environment was changed to.
pub fn deployed(story: &Story) -> Vec<String> {
    let all = story.deployed();
    let width = widest(all.iter().map(|(name, _)| name.as_str()));
    let rows = all
        .iter()
        .map(|(name, digest)| format!("{}  {digest}", padded(name.as_str(), width)));
    rows.collect()
}

/// Whether the ledger holds together.
pub fn verdict(story: &Story) -> String {
    let count = story.events.len();
    match story.verify() {
        Ok(()) => {
            let hash = story
                .head
                .last_hash
                .as_ref()
                .map_or("", |hash| hash.short());
            format!(
                "{} {count} events, chained, up to {hash}",
                paint(GOOD, "✓ verified:")
            )
        }
        Err(broken) => format!("{} {broken}", paint(BAD, "✗ broken:")),
    }
}

/// The ledger in words.
pub fn ledger(story: &Story) -> Vec<String> {
    let each = story.events.iter().map(|event| {
        let at = event.at.strftime("%Y-%m-%d %H:%M:%S");
        let about = paint(
            SOFT,
            format!("{:>3}  {at}  {}", event.seq, event.hash.short()),
        );
        format!("{about}  {}", words::fact(&event.fact))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::{Example, plain};

    #[tokio::test]
    async fn the_story_has_trigger_stages_decisions_digests_and_ledger() {
        let example = Example::waiting_for_approval().await;
        let story = example.story().await;
        // The version changes with the language, and with it the ledger's hash.
        let last = story.head.last_hash.clone().unwrap();
        let told = plain(&told(&story, example.now()).join("\n"))
            .replace(story.head.version.as_str(), "<version>")
            .replace(last.short(), "<last>");
        insta::assert_snapshot!(told);
    }

    #[tokio::test]
    async fn an_altered_ledger_is_broken() {
        let mut story = Example::waiting_for_approval().await.story().await;
        assert!(plain(&verdict(&story)).starts_with("✓ verified: "));
        story.events.remove(1);
        assert!(
            plain(&verdict(&story)).starts_with("✗ broken: event 3 stands where event 2 belongs")
        );
        assert_eq!(document(&story)["ledger_verified"], false);
    }

    #[tokio::test]
    async fn every_event_has_a_line() {
        let story = Example::low_coverage().await.story().await;
        assert_eq!(ledger(&story).len(), story.events.len());
    }
}
