//! `gatewright runbook`: what to do by hand in an environment, with the values of
//! now. It works on the worst day: without the record it says what the definition
//! knows, and what it could not know.

mod found;
mod tell;

pub use found::{Found, found, stores};

use crate::args::Runbook as Args;
use crate::connect::{Reach, reach};
use crate::error::{Code, Failed};
use crate::lookup;
use crate::meant::meant;
use crate::out::Out;
use gatewright_compiler::by_hand::{Known, Procedure, by_hand};
use gatewright_domain::given::Stores;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::text::did_you_mean;
use gatewright_domain::{EnvironmentName, PipelineId};
use gatewright_views::text::short_line;
use gatewright_views::words::careful;
use serde_json::json;
use std::path::Path;

/// Prints the procedure for an environment.
///
/// # Errors
/// When there is no such pipeline, environment or release. A record that cannot
/// be reached is no error: it is said.
pub async fn run(args: &Args, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let wrong = |error: &dyn std::fmt::Display| Failed::usage(error.to_string());
    let pipeline: PipelineId = args.pipeline.parse().map_err(|e| wrong(&e))?;
    let environment: EnvironmentName = args.environment.parse().map_err(|e| wrong(&e))?;
    let (mut found, stores) = of_record(args, at, &pipeline, &environment).await?;
    let definition = match found.definition.take() {
        Some(definition) => definition,
        None => meant(Some(&args.pipeline), out)?.definition,
    };
    let procedure = procedure(&definition, &environment, &found, stores.as_ref())?;
    if out.json {
        out.json(&json!({
            "pipeline": pipeline, "environment": environment, "record": found.record,
            "held_by": found.held, "hold": found.hold, "doubts": found.doubts, "runs": found.current,
            "back_to": found.back_to.as_ref().map(|to| &to.deployment),
            "careful": found.back_to.iter().flat_map(careful).collect::<Vec<_>>(),
            "others": found.others.iter().map(|other| &other.deployment).collect::<Vec<_>>(), "sections": procedure.sections,
            "unknown": found.unknown.iter().chain(&procedure.unknown).collect::<Vec<_>>(),
        }));
        return Ok(Code::Done);
    }
    let now = gatewright_aws::Clock::now(&gatewright_aws::SystemClock);
    for line in tell::told(&definition, &environment, &found, &procedure, now).lines() {
        out.line(tell::painted(line));
    }
    Ok(Code::Done)
}

/// What the record says, where it can be reached.
async fn of_record(
    args: &Args,
    at: Option<&Path>,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
) -> Result<(Found, Option<Stores>), Failed> {
    let offline = |failed: Failed| {
        let mut found = Found::default();
        found.unknown.push(format!(
            "The record could not be read: {}.",
            short_line(&failed.what, 120)
        ));
        if args.to.is_some() {
            let sentence = "So what --to names could not be looked up.";
            found.unknown.push(sentence.to_owned());
        }
        found
    };
    let reach = match reach(at).await {
        Ok(reach) => reach,
        // A file that was named must be there; the usual ones need not.
        Err(failed) if at.is_none() && failed.code == Code::NotFound => {
            return Ok((offline(failed), None));
        }
        Err(failed) => return Err(failed),
    };
    let stores = stores(&reach.connection);
    match read(args, &reach, pipeline, environment).await {
        Ok(found) => Ok((found, stores)),
        Err(failed) if failed.code == Code::Unreachable => Ok((offline(failed), stores)),
        Err(failed) => Err(failed),
    }
}

async fn read(
    args: &Args,
    reach: &Reach,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
) -> Result<Found, Failed> {
    let to = match &args.to {
        Some(text) => Some(
            lookup::release(&reach.store, std::slice::from_ref(pipeline), text)
                .await?
                .release,
        ),
        None => None,
    };
    found(&reach.store, pipeline, environment, to.as_ref()).await
}

/// The procedure with what was found.
///
/// # Errors
/// When the definition has no such environment.
pub fn procedure(
    definition: &Definition,
    environment: &EnvironmentName,
    found: &Found,
    stores: Option<&Stores>,
) -> Result<Procedure, Failed> {
    let known = Known {
        holder: found.held.as_ref().map(|held| &held.release),
        log: found.held.as_ref().and_then(|held| held.log.as_ref()),
        running: found
            .held
            .as_ref()
            .is_some_and(|held| !held.status.has_ended()),
        held: found.hold.is_some(),
        doubted: !found.doubts.is_empty(),
        back_to: found.back_to.as_ref(),
        record: found.record,
        stores,
    };
    by_hand(definition, environment, &known).ok_or_else(|| {
        let names: Vec<&str> = definition.environments.keys().map(|n| n.as_str()).collect();
        let near = did_you_mean(environment.as_str(), names.iter().copied());
        let what = format!("{} has no environment {environment}{near}", definition.id);
        Failed::not_found(what).help(match names.as_slice() {
            [] => "it deploys nowhere".to_owned(),
            names => format!("it has: {}", names.join(", ")),
        })
    })
}

#[cfg(test)]
mod tests;
