//! `gatewright logs`.

use super::story_of;
use crate::args::Logs;
use crate::error::{Code, Failed, http};
use crate::out::Out;
use crate::story::Story;
use crate::style::{COPY, HEAD, paint};
use gatewright_domain::release::{StageRecord, last_attempts, log_to_read};
use gatewright_domain::text::did_you_mean;
use gatewright_views::text::{line, listed};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How often a growing log is asked for.
const LOOK: Duration = Duration::from_millis(500);
/// The headers of the stand-in for CodeBuild.
const NEXT: &str = "x-log-next-offset";
const COMPLETE: &str = "x-log-complete";

/// Prints a log, or where it is.
///
/// # Errors
/// When there is no such stage or no log yet, or it cannot be read.
pub async fn run(args: &Logs, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let (reach, story) = story_of(at, &args.release).await?;
    let record = meant(&story, args.stage.as_deref())?;
    let laptop = reach.connection.endpoint.is_some();
    let document = |text: Option<&str>| {
        json!({
            "release": record.release, "stage": record.stage, "attempt": record.attempt,
            "build": record.build, "url": record.log, "text": text,
        })
    };
    let Some(url) = &record.log else {
        return Err(without(record, &story));
    };
    if !laptop {
        if out.json {
            out.json(&document(None));
        } else {
            on_aws(record, url).iter().for_each(|line| out.line(line));
        }
        return Ok(Code::Done);
    }
    if out.json {
        let (text, _, _) = part(url, 0).await?;
        out.json(&document(Some(&text)));
        return Ok(Code::Done);
    }
    let mut offset = 0;
    loop {
        let (text, next, complete) = part(url, offset).await?;
        out.raw(&harmless(&text));
        offset = next;
        if complete || !args.follow || out.is_closed() {
            return Ok(Code::Done);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The attempt whose log is meant.
///
/// # Errors
/// When no stage is called so, or none has begun.
fn meant<'a>(story: &'a Story, named: Option<&str>) -> Result<&'a StageRecord, Failed> {
    let records = last_attempts(&story.records);
    let Some(named) = named else {
        let chosen = log_to_read(&story.records, None).or(records.last().copied());
        return chosen.ok_or_else(|| Failed::not_found("no stage of this release has begun"));
    };
    let begins = |r: &&&StageRecord| {
        r.stage
            .as_str()
            .to_lowercase()
            .starts_with(&named.to_lowercase())
    };
    let exact = records.iter().find(|r| r.stage.as_str() == named);
    let mut near = records.iter().filter(begins);
    match (exact, near.next(), near.next()) {
        (Some(record), _, _) | (None, Some(record), None) => Ok(record),
        (None, Some(one), Some(two)) => Err(Failed::usage(format!(
            "{named:?} could be “{}” or “{}”",
            one.stage, two.stage
        ))),
        (None, None, _) => {
            let names: Vec<&str> = records.iter().map(|r| r.stage.as_str()).collect();
            let near = did_you_mean(named, names.iter().copied());
            let begun = Failed::not_found(format!(
                "no stage {named:?} of this release has a log{near}"
            ));
            Err(begun.help(format!("begun are: {}", names.join(", "))))
        }
    }
}

/// Why an attempt has no log, and which others have one.
fn without(record: &StageRecord, story: &Story) -> Failed {
    let stage = line(record.stage.as_str());
    let defined = story
        .definition
        .as_ref()
        .and_then(|d| d.stage(&record.stage));
    if defined.is_none_or(|(_, stage)| stage.build().is_some()) {
        return Failed::not_found(format!("“{stage}” has no log yet"))
            .help("its build has not begun; try again in a few seconds");
    }
    let records = last_attempts(&story.records).into_iter();
    let logged = records.filter(|r| r.log.is_some());
    let logged: Vec<String> = logged
        .map(|r| format!("“{}”", line(r.stage.as_str())))
        .collect();
    let none = Failed::not_found(format!("“{stage}” runs no build, so it has no log"));
    match logged.is_empty() {
        true => none.help("no stage of this release has one yet"),
        false => none.help(format!("these have one: {}", listed(&logged))),
    }
}

/// The log from `offset` on, the next offset, and whether that was all.
async fn part(url: &str, offset: u64) -> Result<(String, u64, bool), Failed> {
    let failed = |error| http("the log cannot be read", error);
    let reply = reqwest::get(format!("{url}?offset={offset}"))
        .await
        .map_err(failed)?;
    let status = reply.status();
    let header = |name: &str| Some(reply.headers().get(name)?.to_str().ok()?.to_owned());
    let next = header(NEXT).and_then(|text| text.parse().ok());
    let complete = header(COMPLETE).is_none_or(|text| text == "true");
    let bytes = reply.bytes().await.map_err(failed)?;
    if !status.is_success() {
        return Err(
            Failed::not_found(format!("there is no log at {url} ({status})"))
                .help("the laptop stack that made it may be gone"),
        );
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok((text, next.unwrap_or(offset + bytes.len() as u64), complete))
}

/// A log without what could do something to a terminal: a build's output is
/// whatever a commit makes it.
pub(super) fn harmless(log: &str) -> String {
    let plain = anstream::adapter::strip_str(log).to_string();
    plain
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

fn on_aws(record: &StageRecord, url: &str) -> Vec<String> {
    let mut told = vec![
        format!(
            "{}, attempt {}",
            paint(HEAD, line(record.stage.as_str())),
            record.attempt
        ),
        format!("  {}", paint(COPY, line(url))),
    ];
    if let Some(build) = &record.build {
        let build = line(build);
        told.push("or, with credentials that may read it:".to_owned());
        let asks = format!(
            "aws codebuild batch-get-builds --ids '{build}' --query 'builds[0].logs.[groupName,streamName]' --output text"
        );
        let reads = "aws logs tail GROUP --log-stream-names STREAM --since 1d --follow";
        told.push(format!("  {}", paint(COPY, asks)));
        told.push(format!("  {}", paint(COPY, reads)));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::{Example, plain};
    use gatewright_domain::pipeline::{Pause, Seconds, Stage, Work};

    #[tokio::test]
    async fn the_failed_stage_is_meant_unless_another_is_named() {
        let story = Example::low_coverage().await.story().await;
        let of = |named| meant(&story, named).map(|r| r.stage.to_string());
        assert_eq!(of(None).unwrap(), "Unit Test & Coverage");
        assert_eq!(
            of(Some("static")).unwrap(),
            "Static Analysis & Code Quality"
        );
        let failed = of(Some("Unit Tset")).unwrap_err();
        assert_eq!(failed.code, Code::NotFound);
        assert!(failed.what.contains("did you mean"), "{failed:?}");
    }

    #[tokio::test]
    async fn a_watch_that_failed_has_no_log_and_the_build_before_it_has() {
        let mut story = Example::dirty_production().await.story().await;
        let watch = story.definition.as_mut().unwrap().stages[0].clone();
        let pause = Pause {
            lasts: Seconds(600),
        };
        let watch = Stage {
            name: "To Production: watch 10 %".parse().unwrap(),
            work: Work::Pause(pause),
            ..watch
        };
        let failed = StageRecord {
            index: 0,
            stage: watch.name.clone(),
            build: None,
            log: None,
            ..story.records[0].clone()
        };
        story.definition.as_mut().unwrap().stages.push(watch);
        story.records.insert(0, failed);
        assert_eq!(
            meant(&story, None).unwrap().stage.as_str(),
            "Deploy to Production"
        );
        let none = without(meant(&story, Some("To Production")).unwrap(), &story);
        assert!(none.what.contains("runs no build"), "{none:?}");
        let help = none.help.unwrap();
        assert_eq!(help, "these have one: “Deploy to Production”");
    }

    #[tokio::test]
    async fn on_aws_the_way_to_the_log_is_shown() {
        let story = Example::low_coverage().await.story().await;
        let told =
            plain(&on_aws(meant(&story, None).unwrap(), "https://console.example/log").join("\n"));
        assert!(
            told.contains("https://console.example/log") && told.contains("batch-get-builds"),
            "{told}"
        );
    }

    #[test]
    fn a_log_cannot_move_the_cursor() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\n\tc\u{7}"), "ab\n\tc");
    }
}
