//! From the flags that say what starts a release to the input of an execution.

use crate::args::Asked;
use crate::error::Failed;
use gatewright_domain::pipeline::{Definition, Event, Trigger};
use gatewright_domain::trigger::{Cause, Ref, TriggerInput, UpstreamOrigin};
use gatewright_domain::{CommitSha, PipelineId, ReleaseId};

/// What the flags say besides the commit, with what the definition adds: the
/// branch of a clock or of another pipeline.
#[derive(Debug, Clone)]
pub struct Said {
    /// The full ref.
    pub reference: String,
    /// Why it starts; when absent, the ref says it.
    pub cause: Option<Cause>,
}

/// What the flags say; `fallback` is the ref when neither they nor the definition
/// name one.
///
/// # Errors
/// When no ref is known.
pub fn said(
    asked: &Asked,
    definition: Option<&Definition>,
    fallback: Option<String>,
) -> Result<Said, Failed> {
    let branch = definition.and_then(|definition| branch_of(asked, definition));
    let by_definition = branch.map(|branch| format!("refs/heads/{branch}"));
    let reference = asked.full().or(by_definition).or(fallback).ok_or_else(|| {
        Failed::usage("which ref?").help(
            "--branch, --tag, --pull-request or --ref; with --git, check out a branch or a tag",
        )
    })?;
    Ok(Said {
        reference,
        cause: cause(asked),
    })
}

fn cause(asked: &Asked) -> Option<Cause> {
    let said = [
        (asked.manual, Cause::Manual),
        (asked.into.is_some(), Cause::PullRequest),
        (asked.schedule.is_some(), Cause::Schedule),
        (asked.upstream.is_some(), Cause::Upstream),
        (asked.rollback.is_some(), Cause::Rollback),
    ];
    let mut said = said.into_iter().filter(|(is, _)| *is);
    said.next().map(|(_, cause)| cause)
}

/// The branch that the definition's own trigger uses.
fn branch_of<'a>(asked: &Asked, definition: &'a Definition) -> Option<&'a str> {
    let upstream = asked.upstream.as_deref().map(pipeline_of);
    let of = |trigger: &'a Trigger| match &trigger.event {
        Event::Schedule { branch, .. } if asked.schedule.as_deref() == Some(&*trigger.name) => {
            Some(branch.as_str())
        }
        Event::Upstream { pipeline, branch } if upstream == Some(pipeline.as_str()) => {
            Some(branch.as_str())
        }
        Event::Push { .. }
        | Event::PullRequest { .. }
        | Event::Tag { .. }
        | Event::Manual { .. }
        | Event::Schedule { .. }
        | Event::Upstream { .. }
        | Event::Rollback { .. } => None,
    };
    definition.triggers.iter().find_map(of)
}

/// `shop` of `shop#142`.
pub fn pipeline_of(upstream: &str) -> &str {
    upstream.split_once('#').map_or(upstream, |(id, _)| id)
}

/// The branch's name of a full ref.
pub fn branch(reference: &str) -> Option<&str> {
    match Ref::parse(reference) {
        Some(Ref::Branch(name)) => Some(name),
        Some(Ref::Tag(_) | Ref::Pull(_)) | None => None,
    }
}

/// Releases that the flags name, as they were found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The other pipeline's.
    pub upstream: Option<ReleaseId>,
    /// The one to go back to.
    pub to: Option<ReleaseId>,
    /// The one whose version runs where a rollback is asked for.
    pub instead_of: Option<ReleaseId>,
}

/// The input of an execution.
///
/// # Errors
/// When something that was named is none.
pub fn input(
    asked: &Asked,
    said: Said,
    pipeline: PipelineId,
    commit: CommitSha,
    found: Found,
) -> Result<TriggerInput, Failed> {
    let wrong = |error: &dyn std::fmt::Display| Failed::usage(error.to_string());
    let environment = asked.rollback.as_ref().or(asked.environment.as_ref());
    let environment = environment
        .map(|name| name.parse().map_err(|e| wrong(&e)))
        .transpose()?;
    let upstream = match (&asked.upstream, found.upstream) {
        (Some(named), Some(release)) => Some(UpstreamOrigin {
            pipeline: pipeline_of(named).parse().map_err(|e| wrong(&e))?,
            release,
        }),
        _ => None,
    };
    let by_hand = asked.manual || asked.rollback.is_some();
    let requester = asked.requester.clone();
    Ok(TriggerInput {
        cause: said.cause,
        author: asked.author.clone(),
        requester: if by_hand {
            requester.or_else(user)
        } else {
            requester
        },
        environment,
        into: asked.into.clone(),
        schedule: asked.schedule.clone(),
        upstream,
        reason: asked.reason.clone(),
        to: found.to,
        instead_of: found.instead_of,
        acknowledge: asked.acknowledge.clone(),
        ..TriggerInput::new(pipeline, said.reference, commit)
    })
}

/// Who is at this machine.
pub fn user() -> Option<String> {
    std::env::var("USER")
        .ok()
        .filter(|name| !name.trim().is_empty())
}
