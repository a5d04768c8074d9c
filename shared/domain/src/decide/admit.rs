//! May this trigger release this commit, and which stages does it run?

use crate::ErrorName;
use crate::pipeline::{Definition, Event, Trigger};
use crate::text::did_you_mean;
use crate::trigger::{Cause, Ref, TriggerInput};
use wildmatch::WildMatch;

/// Whether a release begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It begins, for this reason.
    Admitted {
        /// Why it starts.
        cause: Cause,
        /// The name of the trigger that matched: its route is what runs.
        route: String,
    },
    /// It does not.
    Refused {
        /// Under which name.
        error: ErrorName,
        /// Why, and what would be right.
        why: String,
    },
}

/// Judges a trigger against the definition.
pub fn admit(definition: &Definition, input: &TriggerInput) -> Admission {
    match matching(definition, input) {
        Ok((cause, trigger)) => Admission::Admitted {
            cause,
            route: trigger.name.clone(),
        },
        Err((error, why)) => Admission::Refused { error, why },
    }
}

type Refused = (ErrorName, String);

fn matching<'a>(
    definition: &'a Definition,
    input: &TriggerInput,
) -> Result<(Cause, &'a Trigger), Refused> {
    if input.pipeline != definition.id {
        let why = format!(
            "the trigger is meant for pipeline {:?}, but this is {:?}",
            input.pipeline.as_str(),
            definition.id.as_str()
        );
        return Err((ErrorName::BadInput, why));
    }
    let Some(reference) = Ref::parse(&input.reference) else {
        let why = format!(
            "ref {:?} is neither a branch nor a tag nor a pull request: it must read \"refs/heads/<branch>\", \"refs/tags/<tag>\" or \"refs/pull/<number>/head\"",
            crate::text::shortened(&input.reference, 200)
        );
        return Err((ErrorName::BadInput, why));
    };
    let natural = match reference {
        Ref::Branch(_) => Cause::Push,
        Ref::Tag(_) => Cause::Tag,
        Ref::Pull(_) => Cause::PullRequest,
    };
    let cause = input.cause.unwrap_or(natural);
    complete(input, cause, natural, reference)?;
    definition
        .triggers
        .iter()
        .find(|trigger| matches(&trigger.event, &trigger.name, input, cause, reference))
        .map(|trigger| (cause, trigger))
        .ok_or_else(|| {
            (
                ErrorName::NotTriggered,
                unmatched(definition, input, cause, reference),
            )
        })
}

/// Whether the input says what its cause needs.
fn complete(
    input: &TriggerInput,
    cause: Cause,
    natural: Cause,
    reference: Ref<'_>,
) -> Result<(), Refused> {
    let bad = |why: &str| Err((ErrorName::BadInput, why.to_owned()));
    let said = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.trim().is_empty());
    match cause {
        Cause::Manual if !said(&input.requester) => {
            bad("a manual release must say who asks for it: \"requester\" is missing")
        }
        Cause::Rollback if !said(&input.requester) => {
            bad("a rollback must say who asks for it: \"requester\" is missing")
        }
        Cause::Rollback if !said(&input.reason) => {
            bad("a rollback must say why: \"reason\" is missing")
        }
        Cause::Rollback if input.environment.is_none() => {
            bad("a rollback must say of what: \"environment\" is missing")
        }
        Cause::PullRequest if !said(&input.into) => {
            bad("a pull request must say which branch it wants to change: \"into\" is missing")
        }
        Cause::Schedule if !said(&input.schedule) => {
            bad("a scheduled release must say which schedule: \"schedule\" is missing")
        }
        Cause::Upstream if input.upstream.is_none() => bad(
            "a release that another pipeline started must say which of its releases did: \"upstream\" is missing",
        ),
        Cause::Push | Cause::Tag if cause != natural => {
            let why = format!("the cause is {cause}, but the ref is the {reference}");
            Err((ErrorName::BadInput, why))
        }
        Cause::Manual
        | Cause::Rollback
        | Cause::PullRequest
        | Cause::Schedule
        | Cause::Upstream
        | Cause::Push
        | Cause::Tag => Ok(()),
    }
}

fn matches(
    event: &Event,
    name: &str,
    input: &TriggerInput,
    cause: Cause,
    reference: Ref<'_>,
) -> bool {
    let any =
        |patterns: &[String], name: &str| patterns.iter().any(|p| WildMatch::new(p).matches(name));
    match (event, cause, reference) {
        (Event::Push { branches }, Cause::Push, Ref::Branch(branch)) => any(branches, branch),
        (Event::Tag { patterns }, Cause::Tag, Ref::Tag(tag)) => any(patterns, tag),
        (Event::PullRequest { into }, Cause::PullRequest, _) => {
            input.into.as_deref().is_some_and(|base| any(into, base))
        }
        (Event::Manual { environment }, Cause::Manual, _) => *environment == input.environment,
        (Event::Schedule { branch, .. }, Cause::Schedule, Ref::Branch(on)) => {
            input.schedule.as_deref() == Some(name) && branch == on
        }
        (Event::Upstream { pipeline, branch }, Cause::Upstream, Ref::Branch(on)) => {
            input
                .upstream
                .as_ref()
                .is_some_and(|u| &u.pipeline == pipeline)
                && branch == on
        }
        (Event::Rollback { environment }, Cause::Rollback, _) => {
            Some(environment) == input.environment.as_ref()
        }
        (
            Event::Push { .. }
            | Event::Tag { .. }
            | Event::PullRequest { .. }
            | Event::Manual { .. }
            | Event::Schedule { .. }
            | Event::Upstream { .. }
            | Event::Rollback { .. },
            _,
            _,
        ) => false,
    }
}

/// Why nothing matches, and what would.
fn unmatched(
    definition: &Definition,
    input: &TriggerInput,
    cause: Cause,
    reference: Ref<'_>,
) -> String {
    let events = || definition.triggers.iter().map(|trigger| &trigger.event);
    let has: Vec<String> = events().map(ToString::to_string).collect();
    let asked = match (cause, &input.environment, &input.schedule) {
        (Cause::Manual | Cause::Rollback, Some(environment), _) => {
            format!("{cause} release of the {reference} to {environment}")
        }
        (Cause::Manual, None, _)
            if events().any(|e| {
                matches!(
                    e,
                    Event::Manual {
                        environment: Some(_)
                    }
                )
            }) =>
        {
            format!("{cause} release of the {reference} that names no \"environment\"")
        }
        (Cause::Schedule, _, Some(name)) => format!("schedule {name:?} on the {reference}"),
        (Cause::PullRequest, _, _) => format!(
            "pull request into {}",
            input.into.as_deref().unwrap_or_default()
        ),
        _ => format!("{cause} of the {reference}"),
    };
    format!(
        "no trigger of {} matches a {asked}{}; it has: {}",
        definition.id,
        hint(definition, input, cause, reference),
        has.join(", ")
    )
}

fn hint(definition: &Definition, input: &TriggerInput, cause: Cause, reference: Ref<'_>) -> String {
    let events = definition.triggers.iter().map(|trigger| &trigger.event);
    let patterns = events.flat_map(|event| match (event, cause, reference) {
        (Event::Push { branches }, Cause::Push, Ref::Branch(_)) => branches.clone(),
        (Event::Tag { patterns }, Cause::Tag, Ref::Tag(_)) => patterns.clone(),
        (Event::PullRequest { into }, Cause::PullRequest, _) => into.clone(),
        (
            Event::Manual {
                environment: Some(name),
            },
            Cause::Manual,
            _,
        ) => vec![name.to_string()],
        _ => Vec::new(),
    });
    let patterns: Vec<String> = patterns.collect();
    let name = match (cause, reference) {
        (Cause::PullRequest, _) => input.into.clone().unwrap_or_default(),
        (Cause::Manual, _) => input
            .environment
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        (_, Ref::Branch(name) | Ref::Tag(name) | Ref::Pull(name)) => name.to_owned(),
    };
    did_you_mean(&name, patterns.iter().map(String::as_str))
}
