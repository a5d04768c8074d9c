//! `gatewright start`.

mod git;

use crate::args::Start;
use crate::connect::reach;
use crate::error::{Code, Failed};
use crate::lookup;
use crate::out::Out;
use crate::style::{COPY, HEAD, paint};
use crate::trigger::{self, Found};
use crate::watch;
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_aws::tasks::{Executions, StepFunctions};
use gatewright_domain::decide::{Admission, admit};
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::Status;
use gatewright_domain::trigger::{Cause, TriggerInput};
use gatewright_domain::{CommitSha, PipelineId, ReleaseId};
use rand::Rng;
use serde_json::json;
use std::path::Path;

/// How many releases of another pipeline are looked through for one that
/// succeeded.
const RECENT: u32 = 20;

/// Starts a release.
///
/// # Errors
/// When the arguments do not make a trigger, or it cannot be started.
pub async fn run(args: &Start, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let pipeline: PipelineId = args
        .pipeline
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| format!("cli-{}", unique()));
    let release: ReleaseId = name
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    let reach = reach(at).await?;
    let machine = match args.asked.rollback {
        Some(_) => reach.rollback_machine(&args.pipeline)?,
        None => reach.machine(&args.pipeline)?,
    };
    let known = known(args, &reach.store, &reach.pipelines(), &pipeline).await?;
    let input = input(args, known, pipeline, out)?;
    would_be_admitted(&reach.store, &input).await?;
    let functions = StepFunctions::new(&reach.connection.sdk().await);
    let execution = started(&functions, machine, &release, &input).await?;
    if out.json {
        out.json_line(&json!({ "release": release, "execution": execution, "input": input }));
    } else {
        out.line(format!("started {}", paint(HEAD, &release)));
    }
    if args.watch {
        return watch::follow(out, &reach.store, &release, None).await;
    }
    let follow = paint(COPY, format!("gatewright status {release} --watch"));
    out.aside(format!("follow it with {follow}"));
    Ok(Code::Done)
}

/// Starts the execution of this name; its ARN.
///
/// # Errors
/// When the name was used for something else, or it cannot be started.
pub async fn started(
    functions: &StepFunctions,
    machine: &str,
    release: &ReleaseId,
    input: &TriggerInput,
) -> Result<String, Failed> {
    let text = serde_json::to_string(input).map_err(|e| Failed::usage(e.to_string()))?;
    let started = functions.start(machine, release.as_str(), &text).await;
    started.map_err(|error| match error.is("ExecutionAlreadyExists") {
        true => Failed::refused(format!(
            "{release} was used before, for another input or a release that has ended"
        ))
        .help(format!(
            "see what became of it with `gatewright show {release}`, or leave --name away"
        )),
        false => error.into(),
    })
}

/// What would be refused is not started: the state machine judges it again, and
/// would only leave a release without a number behind.
async fn would_be_admitted<T: Table>(store: &Store<T>, input: &TriggerInput) -> Result<(), Failed> {
    let Some(live) = store.live_definition(&input.pipeline).await? else {
        return Ok(());
    };
    let judged = match input.cause {
        Some(Cause::Rollback) => live.rollback(),
        _ => Some(live),
    };
    match judged.map(|definition| admit(&definition, input)) {
        Some(Admission::Refused { error, why }) => {
            Err(
                Failed::refused(format!("this would not be admitted ({error}): {why}")).help(
                    format!("`gatewright plan {}` lists what starts it", input.pipeline),
                ),
            )
        }
        Some(Admission::Admitted { .. }) | None => Ok(()),
    }
}

/// What is known before anything is started.
struct Known {
    definition: Option<Definition>,
    found: Found,
    commit: Option<CommitSha>,
}

/// Looks up what the flags leave to the record: the branch and the commit of a
/// clock or of another pipeline, the release that another pipeline ended with,
/// and what runs in the environment that is to be brought back.
async fn known<T: Table>(
    args: &Start,
    store: &Store<T>,
    pipelines: &[PipelineId],
    pipeline: &PipelineId,
) -> Result<Known, Failed> {
    let asked = &args.asked;
    let mut known = Known {
        definition: None,
        found: Found::default(),
        commit: None,
    };
    if asked.schedule.is_some() || asked.upstream.is_some() {
        known.definition = store.live_definition(pipeline).await?;
        let said = trigger::said(asked, known.definition.as_ref(), Some(String::new()))?;
        if let Some(branch) = trigger::branch(&said.reference) {
            known.commit = store.last_commit(pipeline, branch).await?;
        }
    }
    if let Some(named) = &asked.upstream {
        known.found.upstream = Some(upstream(store, pipelines, named).await?);
    }
    if let Some(named) = &asked.to {
        known.found.to = Some(lookup::release(store, pipelines, named).await?.release);
    }
    if let Some(environment) = &asked.rollback {
        let environment = environment
            .parse()
            .map_err(|error| Failed::usage(format!("{error}")))?;
        let current = store
            .current(pipeline, &environment)
            .await?
            .ok_or_else(|| {
                Failed::not_found(format!(
                    "nothing of {pipeline} runs in {environment}, so there is nothing to bring back"
                ))
            })?;
        known.found.instead_of = Some(current.version_of().clone());
        known.commit = Some(current.commit);
    }
    Ok(known)
}

/// The release of another pipeline: the one that is numbered, or the newest that
/// succeeded.
async fn upstream<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    named: &str,
) -> Result<ReleaseId, Failed> {
    if named.contains('#') {
        return Ok(lookup::release(store, pipelines, named).await?.release);
    }
    let pipeline = named
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    for id in store.releases_of(&pipeline, None, RECENT).await? {
        let head = store.head(&id).await?;
        if head.is_some_and(|seen| seen.value.status == Status::Succeeded) {
            return Ok(id);
        }
    }
    let what = format!("none of the last {RECENT} releases of {named} succeeded");
    Err(Failed::not_found(what).help(format!(
        "name an older one with --upstream {named}#NUMBER; `gatewright history {named}` lists them"
    )))
}

fn input(
    args: &Start,
    known: Known,
    pipeline: PipelineId,
    out: &Out,
) -> Result<TriggerInput, Failed> {
    let here = if args.git {
        Some(git::here(out)?)
    } else {
        None
    };
    let wrong = |error: &dyn std::fmt::Display| Failed::usage(error.to_string());
    let commit = args
        .commit
        .as_ref()
        .or(here.as_ref().map(|git| &git.commit));
    let commit = match (commit, known.commit) {
        (Some(named), _) => named.parse().map_err(|error| wrong(&error))?,
        (None, Some(last)) => last,
        (None, None) => {
            return Err(Failed::usage("which commit?").help(
                "--commit SHA or --git; the record knows none that was released from that branch",
            ));
        }
    };
    if args.asked.rollback.is_some() && args.asked.reason.is_none() {
        return Err(Failed::usage("why? a rollback is recorded with its reason")
            .help("--reason \"errors since 14:02\""));
    }
    // A rollback takes no branch; what runs says where it came from.
    let any = args
        .asked
        .rollback
        .as_ref()
        .map(|_| "refs/heads/main".to_owned());
    let there = here.as_ref().and_then(|git| git.reference.clone()).or(any);
    let said = trigger::said(&args.asked, known.definition.as_ref(), there)?;
    let made = trigger::input(&args.asked, said, pipeline, commit, known.found)?;
    let of = |pick: fn(&git::Here) -> Option<String>| here.as_ref().and_then(pick);
    Ok(TriggerInput {
        author: made.author.clone().or_else(|| of(|git| git.author.clone())),
        message: args
            .message
            .clone()
            .or_else(|| of(|git| git.message.clone())),
        ..made
    })
}

/// What Git answers here; nothing when it fails or says nothing.
pub fn git_says(arguments: &[&str]) -> Option<String> {
    git::ask(arguments)
}

/// A name that nobody has had, in the look of a UUID.
pub fn unique() -> String {
    let random = rand::rng().random::<u128>();
    // Version 4, variant 1 (RFC 9562).
    let random = random & !(0xf << 76) | 4 << 76;
    let random = random & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{random:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests;
