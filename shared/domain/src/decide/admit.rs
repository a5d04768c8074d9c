//! May this trigger release this commit?

use crate::ErrorName;
use crate::pipeline::{Definition, Trigger};
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
    let refused = |error, why| Admission::Refused { error, why };
    if input.pipeline != definition.id {
        let why = format!(
            "the trigger is meant for pipeline {:?}, but this is {:?}",
            input.pipeline.as_str(),
            definition.id.as_str()
        );
        return refused(ErrorName::BadInput, why);
    }
    let Some(reference) = Ref::parse(&input.reference) else {
        let why = format!(
            "ref {:?} is neither a branch nor a tag: it must read \"refs/heads/<branch>\" or \"refs/tags/<tag>\"",
            crate::text::shortened(&input.reference, 200)
        );
        return refused(ErrorName::BadInput, why);
    };
    let natural = match reference {
        Ref::Branch(_) => Cause::Push,
        Ref::Tag(_) => Cause::Tag,
    };
    let cause = input.cause.unwrap_or(natural);
    if cause == Cause::Manual
        && input
            .requester
            .as_deref()
            .is_none_or(|r| r.trim().is_empty())
    {
        let why = "a manual release must say who asks for it: \"requester\" is missing".to_owned();
        return refused(ErrorName::BadInput, why);
    }
    if cause != Cause::Manual && cause != natural {
        let why = format!("the cause is {cause:?}, but the ref is the {reference}");
        return refused(ErrorName::BadInput, why.to_lowercase());
    }
    if definition
        .triggers
        .iter()
        .any(|trigger| matches(trigger, cause, reference))
    {
        Admission::Admitted { cause }
    } else {
        let why = format!(
            "no trigger of {} matches a {cause} of the {reference}{}; it has: {}",
            definition.id,
            hint(definition, reference),
            definition
                .triggers
                .iter()
                .map(describe)
                .collect::<Vec<_>>()
                .join(", ")
        );
        refused(ErrorName::NotTriggered, why)
    }
}

fn matches(trigger: &Trigger, cause: Cause, reference: Ref<'_>) -> bool {
    let any =
        |patterns: &[String], name: &str| patterns.iter().any(|p| WildMatch::new(p).matches(name));
    match (trigger, cause, reference) {
        (Trigger::Push { branches }, Cause::Push, Ref::Branch(name)) => any(branches, name),
        (Trigger::Tag { patterns }, Cause::Tag, Ref::Tag(name)) => any(patterns, name),
        (Trigger::Manual, Cause::Manual, _) => true,
        (Trigger::Push { .. } | Trigger::Tag { .. } | Trigger::Manual, _, _) => false,
    }
}

fn describe(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Push { branches } => format!("push to {}", branches.join(" or ")),
        Trigger::Tag { patterns } => format!("tag {}", patterns.join(" or ")),
        Trigger::Manual => "manual".to_owned(),
    }
}

fn hint(definition: &Definition, reference: Ref<'_>) -> String {
    let patterns = definition
        .triggers
        .iter()
        .flat_map(|trigger| match (trigger, reference) {
            (Trigger::Push { branches }, Ref::Branch(_)) => branches.as_slice(),
            (Trigger::Tag { patterns }, Ref::Tag(_)) => patterns.as_slice(),
            (Trigger::Push { .. } | Trigger::Tag { .. } | Trigger::Manual, _) => &[],
        });
    let (Ref::Branch(name) | Ref::Tag(name)) = reference;
    did_you_mean(name, patterns.map(String::as_str))
}
