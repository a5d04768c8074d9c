//! `gatewright local demo`: one release from a commit to its end, on a stack of
//! its own, with people played by us.

use super::outcome::Outcome;
use super::stop::Stop;
use super::{approver, inbox, root, up};
use crate::args::{Demo, Scenario};
use crate::commands::{show, start};
use crate::error::{Code, Failed, file, http};
use crate::out::Out;
use crate::story::Story;
use crate::style::{COPY, HEAD, SOFT, paint};
use crate::watch::Screen;
use gatewright_aws::tasks::{Executions, StepFunctions};
use gatewright_aws::{Clock, SystemClock};
use gatewright_domain::approval::Choice;
use gatewright_domain::trigger::{CodePipelineOrigin, TriggerInput};
use gatewright_domain::{Digest, ReleaseId};
use gatewright_stack::{Connection, Options, Stack};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The pipeline of the demo.
const PIPELINE: &str = "pl-gps-001";
/// The service that is released.
const FIXTURE: &str = "tests/fixtures/tms";
/// Who approves: one of each group that the pipeline asks.
const APPROVERS: [&str; 2] = ["Priya", "Devan"];
/// What the one who rejects says.
const REASON: &str = "The migration is not ready";
/// A release takes about half a minute; people may take their time.
const LIMIT: Duration = Duration::from_secs(600);
const PEOPLES_LIMIT: Duration = Duration::from_secs(3 * 86_400);

/// Plays the scenario.
///
/// # Errors
/// When the stack does not come up or the release cannot be followed.
pub async fn run(args: &Demo, out: &Out) -> Result<Code, Failed> {
    let root = root::find(args.root.as_deref())?;
    let temporary =
        tempfile::tempdir().map_err(|error| file(Path::new("a temporary folder"), &error))?;
    let data = root::data(args.data.as_deref().unwrap_or(temporary.path()))?;
    up::refuse_second(&data).await?;
    let options = options(&root, &data, args.scenario);
    let commit = commit(&options)?;
    let mut stop = Stop::listen()?;
    say(
        out,
        paint(
            HEAD,
            format!("Bringing up a laptop stack in {}", data.display()),
        ),
    );
    let tell = |what: &str| out.aside(paint(SOFT, format!("  {what}")));
    let stack = tokio::select! {
        stack = Stack::up(&options, &tell) => stack?,
        () = stop.asked() => return Ok(Code::Interrupted),
    };
    let played = tokio::select! {
        played = play(args, out, &stack, &commit) => Some(played),
        () = stop.asked() => None,
    };
    let code = match &played {
        None => Code::Interrupted,
        Some(Err(failed)) => failed.code,
        Some(Ok(story)) => ended(args, out, story, &stack, &root)?,
    };
    if args.keep && matches!(played, Some(Ok(_))) {
        let command = format!(
            "gatewright --connection {}",
            data.join("connection.json").display()
        );
        out.aside(format!(
            "\nThe stack stays up until Ctrl-C. Try {}",
            paint(COPY, format!("{command} show 1 --ledger"))
        ));
        stop.asked().await;
    }
    let code = stop.down(stack, &data, out, code).await;
    match played {
        Some(Err(failed)) => Err(failed),
        _ => Ok(code),
    }
}

fn options(root: &Path, data: &Path, scenario: Scenario) -> Options {
    let mut options = Options::of(root, data);
    options.pipelines = vec![PIPELINE.to_owned()];
    match scenario {
        Scenario::Good | Scenario::Rejected => {}
        Scenario::LowCoverage => {
            options
                .overlays
                .push(root.join("tests/fixtures/variants/low-coverage"));
        }
        Scenario::CriticalFinding => {
            options.findings = Some(root.join("tests/fixtures/findings/critical.json"));
        }
    }
    options
}

/// The commit that stands for what is released: the same source, the same commit.
fn commit(options: &Options) -> Result<String, Failed> {
    let mut content = Vec::new();
    let fixture = options.root.join(FIXTURE);
    for folder in [&fixture].into_iter().chain(&options.overlays) {
        for path in files(folder)? {
            let name = path.strip_prefix(folder).unwrap_or(&path);
            let bytes = std::fs::read(&path).map_err(|error| file(&path, &error))?;
            content.extend_from_slice(name.to_string_lossy().as_bytes());
            content.extend_from_slice(Digest::of_bytes(&bytes).as_str().as_bytes());
        }
    }
    Ok(Digest::of_bytes(&content).hex()[..40].to_owned())
}

/// Every file below `folder` that is source, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| file(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| file(folder, &error))?.path();
        // What running Python leaves behind.
        let made = path
            .file_name()
            .is_some_and(|name| name == "__pycache__" || name == ".pytest_cache");
        if path.is_dir() && !made {
            found.extend(files(&path)?);
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A push to main, as CodePipeline's Step Functions action sends it.
fn trigger(commit: &str, execution: &str) -> Result<TriggerInput, Failed> {
    let wrong = |error: &dyn std::fmt::Display| Failed::refused(error.to_string());
    let pipeline = PIPELINE.parse().map_err(|error| wrong(&error))?;
    let commit = commit.parse().map_err(|error| wrong(&error))?;
    Ok(TriggerInput {
        author: Some("sam@example.com".to_owned()),
        message: Some("Refuse positions from the future".to_owned()),
        codepipeline: Some(CodePipelineOrigin {
            pipeline: "gps-ingestion-service".to_owned(),
            execution: execution.to_owned(),
        }),
        ..TriggerInput::new(pipeline, "refs/heads/main".to_owned(), commit)
    })
}

async fn play(args: &Demo, out: &Out, stack: &Stack, commit: &str) -> Result<Story, Failed> {
    let connection = stack.connection();
    let input = trigger(commit, &start::unique())?;
    // The action's ExecutionNamePrefix and the id of the action's execution.
    let name = format!("gatewright-{}", start::unique());
    let release: ReleaseId = name
        .parse()
        .map_err(|error| Failed::refused(format!("{error}")))?;
    let machine = connection.machines.get(PIPELINE).ok_or_else(|| {
        Failed::not_found(format!("the stack has no state machine of {PIPELINE}"))
    })?;
    let text = serde_json::to_string(&input).map_err(|e| Failed::refused(e.to_string()))?;
    say(
        out,
        format!(
            "{} a push to main, as CodePipeline's Step Functions action does it: {release}",
            paint(HEAD, "Starting a release:")
        ),
    );
    let execution = StepFunctions::new(&connection.sdk().await)
        .start(machine, release.as_str(), &text)
        .await?;
    waits(connection, &input, &execution).await?;
    let store = connection.store().await;
    let mut screen = Screen::new(out, out.json);
    let asks = |story: &Story| story.open().is_some();
    let story = screen.until(&store, &release, Some(LIMIT), asks).await?;
    let story = story.ok_or_else(|| late(&release))?;
    if story.head.status.has_ended() {
        return Ok(story);
    }
    let limit = people(args, out, connection.inbox.as_deref().unwrap_or_default()).await?;
    let story = screen
        .until(&store, &release, Some(limit), |_| false)
        .await?;
    story.ok_or_else(|| late(&release))
}

/// The action that started the release waits for it, as CodePipeline's own would.
async fn waits(
    connection: &Connection,
    input: &TriggerInput,
    execution: &str,
) -> Result<(), Failed> {
    let (Some(inbox), Some(origin)) = (&connection.inbox, &input.codepipeline) else {
        return Ok(());
    };
    let action = json!({
        "pipeline": origin.pipeline, "execution": origin.execution,
        "externalExecutionId": execution, "status": "InProgress",
    });
    let failed = |error| http("the CodePipeline stand-in does not answer", error);
    let base = inbox.strip_suffix("/inbox").unwrap_or(inbox);
    let url = format!("{base}/codepipeline/_actions");
    let sent = reqwest::Client::new().post(url).json(&action).send().await;
    sent.and_then(reqwest::Response::error_for_status)
        .map_err(failed)?;
    Ok(())
}

fn late(release: &ReleaseId) -> Failed {
    Failed {
        code: Code::Running,
        ..Failed::refused(format!("{release} did not end in time"))
    }
}

/// Has the people decide, or says where the person at the keyboard can. Gives how
/// long the rest may take.
async fn people(args: &Demo, out: &Out, inbox: &str) -> Result<Duration, Failed> {
    say(out, "");
    if args.interactive {
        out.aside(format!(
            "It is your turn: decide in the inbox, by a personal link or a button: {}",
            paint(COPY, inbox)
        ));
        return Ok(PEOPLES_LIMIT);
    }
    let rejects = args.scenario == Scenario::Rejected;
    let approvers = if rejects {
        &APPROVERS[1..]
    } else {
        &APPROVERS[..]
    };
    for name in approvers {
        let letter = inbox::personal(inbox, name).await?;
        say(
            out,
            format!(
                "{} {}",
                paint(HEAD, "Slack, to one person:"),
                gatewright_views::text::short_line(&letter.text, 300)
            ),
        );
        let (choice, reason, did) = if rejects {
            (
                Choice::Reject,
                REASON,
                "rejects on the page behind the personal link",
            )
        } else {
            (
                Choice::Approve,
                "",
                "approves on the page behind the personal link",
            )
        };
        approver::decide(&letter.link, choice, reason).await?;
        say(out, format!("  {name} {did}"));
    }
    say(out, "");
    Ok(LIMIT)
}

/// Tells how it ended and writes the times down; the exit code.
fn ended(
    args: &Demo,
    out: &Out,
    story: &Story,
    stack: &Stack,
    root: &Path,
) -> Result<Code, Failed> {
    let outcome = Outcome::of(args.scenario, args.interactive, story, stack.denied());
    if outcome.measures() {
        let folder = root.join(".stack");
        std::fs::create_dir_all(&folder).map_err(|error| file(&folder, &error))?;
        let path = folder.join("demo.json");
        let text = serde_json::to_string_pretty(&outcome).unwrap_or_default();
        std::fs::write(&path, text).map_err(|error| file(&path, &error))?;
    }
    if out.json {
        out.json(&outcome);
    } else {
        out.line("");
        show::told(story, SystemClock.now())
            .iter()
            .for_each(|line| out.line(line));
        outcome.told().iter().for_each(|line| out.line(line));
    }
    Ok(if outcome.as_expected() {
        Code::Done
    } else {
        Code::Refused
    })
}

fn say(out: &Out, text: impl std::fmt::Display) {
    if !out.json {
        out.line(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scenario: Scenario) -> String {
        let root = root::find(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))).unwrap();
        commit(&options(&root, Path::new("/nowhere"), scenario)).unwrap()
    }

    #[test]
    fn the_same_source_is_the_same_commit_and_another_is_another() {
        assert_eq!(of(Scenario::Good), of(Scenario::CriticalFinding));
        assert_ne!(of(Scenario::Good), of(Scenario::LowCoverage));
        assert!(trigger(&of(Scenario::Good), "x").is_ok(), "it is a commit");
    }

    #[test]
    fn the_trigger_is_what_the_action_sends() {
        let sent = serde_json::to_value(trigger(&"a".repeat(40), "e").unwrap()).unwrap();
        let keys: Vec<&String> = sent.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "pipeline",
                "ref",
                "commit",
                "author",
                "message",
                "codepipeline"
            ]
        );
    }
}
