//! `gatewright rollback`: brings an environment back, after saying to what, and
//! whether it may.

mod images;
mod seen;
mod tell;

use crate::args::Rollback as Args;
use crate::commands::plan::{self, Plan};
use crate::commands::start::{started, unique};
use crate::connect::{Reach, reach};
use crate::error::{Code, Failed};
use crate::lookup;
use crate::out::Out;
use crate::style::{BAD, COPY, HEAD, paint};
use crate::trigger::user;
use crate::watch;
use gatewright_aws::registry::Ecr;
use gatewright_aws::tasks::StepFunctions;
use gatewright_aws::{Clock, SystemClock};
use gatewright_domain::pipeline::Definition;
use gatewright_domain::trigger::{Cause, TriggerInput};
use gatewright_domain::{ErrorName, PipelineId, ReleaseId, Timestamp};
use seen::Seen;
use serde_json::json;
use std::path::Path;

/// Shows the ways back, and goes one of them.
///
/// # Errors
/// When there is no such environment, or the rollback is refused or cannot be
/// started.
pub async fn run(args: &Args, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let machine = reach.rollback_machine(&args.pipeline)?;
    let definition = definition(&reach, &args.pipeline).await?;
    let input = asked(args, &reach, &definition).await?;
    let registry = Ecr::new(&reach.connection.registry_sdk().await);
    let mut seen = Seen::read(
        &reach.store,
        &registry,
        definition,
        input,
        SystemClock.now(),
    )
    .await?;
    if args.dry_run {
        return preview(&seen, out);
    }
    if !out.json {
        let told = seen.told(SystemClock.now());
        told.iter().for_each(|line| out.aside(line));
    }
    acknowledged(&mut seen, out);
    if let Some((error, why)) = seen.refused() {
        let failed = Failed::refused(format!("this would not be admitted ({error}): {why}"));
        return Err(failed.help(seen.what_helps(error)));
    }
    if !out.confirm(&seen.question(), args.yes)? {
        return Err(Failed::refused("nothing was started"));
    }
    let release: ReleaseId = match &args.name {
        Some(name) => name
            .parse()
            .map_err(|error| Failed::usage(format!("{error}")))?,
        None => format!("cli-{}", unique())
            .parse()
            .map_err(|error| Failed::usage(format!("{error}")))?,
    };
    let functions = StepFunctions::new(&reach.connection.sdk().await);
    let execution = started(&functions, machine, &release, &seen.input).await?;
    if out.json {
        let mut document = seen.document(None);
        document["started"] = json!({ "release": release, "execution": execution });
        out.json_line(&document);
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

/// The live definition's rollbacks.
async fn definition(reach: &Reach, pipeline: &str) -> Result<Definition, Failed> {
    let pipeline: PipelineId = pipeline
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    let none = || Failed::not_found(format!("no definition of {pipeline} is applied"));
    let live = reach.store.live_definition(&pipeline).await?;
    let live = live.ok_or_else(none)?;
    live.rollback().ok_or_else(|| {
        Failed::refused(format!(
            "{pipeline} deploys nowhere, so there is nothing to bring back"
        ))
    })
}

/// The input of the execution, but for what is seen in the record.
async fn asked(
    args: &Args,
    reach: &Reach,
    definition: &Definition,
) -> Result<TriggerInput, Failed> {
    let environment = args
        .environment
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    if !definition.environments.contains_key(&environment) {
        let known: Vec<&str> = definition.environments.keys().map(|e| e.as_str()).collect();
        let near = gatewright_domain::text::did_you_mean(&args.environment, known.iter().copied());
        return Err(Failed::not_found(format!(
            "{} has no environment {:?}{near}",
            definition.id, args.environment
        ))
        .help(format!("it has: {}", known.join(", "))));
    }
    let nothing = || {
        Failed::not_found(format!(
            "nothing of {} runs in {environment}, so there is nothing to bring back",
            definition.id
        ))
    };
    let current = reach.store.current(&definition.id, &environment).await?;
    let current = current.ok_or_else(nothing)?;
    let to = match &args.to {
        Some(named) => {
            let pipelines = [definition.id.clone()];
            let head = lookup::release(&reach.store, &pipelines, named).await?;
            Some(head.release)
        }
        None => None,
    };
    let reason = args.reason.clone().filter(|text| !text.trim().is_empty());
    if reason.is_none() && !args.dry_run {
        return Err(Failed::usage("why? a rollback is recorded with its reason")
            .help("--reason \"errors since 14:02\""));
    }
    let reference = "refs/heads/main".to_owned();
    Ok(TriggerInput {
        cause: Some(Cause::Rollback),
        requester: args.requester.clone().or_else(user),
        reason: Some(reason.unwrap_or_else(|| "a preview".to_owned())),
        instead_of: Some(current.version_of().clone()),
        environment: Some(environment),
        to,
        acknowledge: args.acknowledge.clone(),
        ..TriggerInput::new(definition.id.clone(), reference, current.commit)
    })
}

/// Whether it would be admitted, and what it would do then, stage by stage: one
/// that is refused does nothing, so it has no plan.
fn preview(seen: &Seen, out: &Out) -> Result<Code, Failed> {
    let plan = planned(seen)?;
    if out.json {
        let plan = plan.map(serde_json::to_value).transpose();
        out.json(&seen.document(plan.map_err(|e| Failed::usage(e.to_string()))?));
    } else {
        let told = previewed(seen, plan.as_ref(), SystemClock.now());
        told.iter().for_each(|line| out.line(line));
    }
    Ok(match seen.refused() {
        None => Code::Done,
        Some(_) => Code::Refused,
    })
}

/// What it would do; nothing when it is refused.
fn planned(seen: &Seen) -> Result<Option<Plan>, Failed> {
    if seen.refused().is_some() {
        return Ok(None);
    }
    plan::plan(&seen.definition, &seen.directory, &seen.input, false).map(Some)
}

/// The checks, and then the plan or what helps.
fn previewed(seen: &Seen, plan: Option<&Plan>, now: Timestamp) -> Vec<String> {
    let mut told = seen.told(now);
    told.push(String::new());
    told.extend(plan.iter().flat_map(|plan| plan.told()));
    if let Some((error, _)) = seen.refused() {
        told.push(format!(
            "{}: {}",
            paint(BAD, format!("refused ({error})")),
            seen.what_helps(error)
        ));
    }
    told
}

/// Where only a migration is in the way and somebody is there, they can type
/// which.
fn acknowledged(seen: &mut Seen, out: &Out) {
    let only = seen
        .refusals()
        .all(|error| error == ErrorName::Irreversible);
    let Some(title) = seen.newest_across().filter(|_| only) else {
        return;
    };
    if seen.input.acknowledge.is_some() {
        return;
    }
    let question = format!(
        "To lead across the migrations, type the title of the newest release that migrated ({title}):"
    );
    if let Some(typed) = out.typed(&question) {
        seen.input.acknowledge = Some(typed);
        seen.judge();
    }
}

#[cfg(test)]
mod tests;
