//! `gatewright start`.

mod git;

use crate::args::Start;
use crate::connect::reach;
use crate::error::{Code, Failed};
use crate::out::Out;
use crate::style::{COPY, HEAD, paint};
use crate::watch;
use gatewright_aws::tasks::{Executions, StepFunctions};
use gatewright_domain::ReleaseId;
use gatewright_domain::trigger::{Cause, TriggerInput};
use rand::Rng;
use serde_json::json;
use std::path::Path;

/// Starts a release.
///
/// # Errors
/// When the arguments do not make a trigger, or it cannot be started.
pub async fn run(args: &Start, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let input = input(args, out)?;
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| format!("cli-{}", unique()));
    let release: ReleaseId = name
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    let reach = reach(at).await?;
    let machine = reach.machine(&args.pipeline)?;
    let text = serde_json::to_string(&input).map_err(|e| Failed::usage(e.to_string()))?;
    let functions = StepFunctions::new(&reach.connection.sdk().await);
    let started = functions.start(machine, release.as_str(), &text).await;
    let execution = started.map_err(|error| match error.is("ExecutionAlreadyExists") {
        true => Failed::refused(format!(
            "{release} was used before, for another input or a release that has ended"
        ))
        .help(format!(
            "see what became of it with `gatewright show {release}`, or leave --name away"
        )),
        false => error.into(),
    })?;
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

fn input(args: &Start, out: &Out) -> Result<TriggerInput, Failed> {
    let here = if args.git {
        Some(git::here(out)?)
    } else {
        None
    };
    let known = here.as_ref();
    let commit = args
        .commit
        .clone()
        .or_else(|| known.map(|git| git.commit.clone()));
    let commit = commit.ok_or_else(|| Failed::usage("which commit? --commit SHA or --git"))?;
    let full = args
        .reference
        .full()
        .or_else(|| known.and_then(|git| git.reference.clone()));
    let reference = full.ok_or_else(|| {
        Failed::usage("which ref?")
            .help("--branch, --tag or --ref; with --git, check out a branch or a tag")
    })?;
    let asked = args.requester.clone();
    let requester = if args.manual {
        asked.or_else(user)
    } else {
        asked
    };
    let wrong = |error: &dyn std::fmt::Display| Failed::usage(error.to_string());
    let pipeline = args.pipeline.parse().map_err(|error| wrong(&error))?;
    let commit = commit.parse().map_err(|error| wrong(&error))?;
    Ok(TriggerInput {
        cause: args.manual.then_some(Cause::Manual),
        author: args
            .author
            .clone()
            .or_else(|| known.and_then(|git| git.author.clone())),
        requester,
        message: args
            .message
            .clone()
            .or_else(|| known.and_then(|git| git.message.clone())),
        ..TriggerInput::new(pipeline, reference, commit)
    })
}

/// Who is at this machine.
pub fn user() -> Option<String> {
    std::env::var("USER")
        .ok()
        .filter(|name| !name.trim().is_empty())
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
mod tests {
    use super::*;

    #[test]
    fn a_unique_name_looks_like_a_uuid_of_version_4() {
        let one = unique();
        assert_eq!(one.len(), 36);
        assert_eq!((&one[14..15], &one[8..9]), ("4", "-"));
        assert!("89ab".contains(&one[19..20]), "{one}");
        assert_ne!(one, unique());
        assert!(format!("cli-{one}").parse::<ReleaseId>().is_ok());
    }
}
