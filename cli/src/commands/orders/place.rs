//! What a freeze is about. One that is misspelt would freeze nothing and look as if
//! it did.

use crate::error::Failed;
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::calendar::Times;
use gatewright_domain::pipeline::{Definition, Environment};
use gatewright_domain::text::{did_you_mean, spoken};
use gatewright_domain::{EnvironmentName, PipelineId, Timestamp};

type Frozen = (Option<PipelineId>, Option<EnvironmentName>);

/// `all`, `PIPELINE`, `PIPELINE/ENVIRONMENT` or `/ENVIRONMENT`.
pub(super) fn frozen(text: &str) -> Result<Frozen, Failed> {
    if text == "all" {
        return Ok((None, None));
    }
    let (pipeline, environment) = text.split_once('/').unwrap_or((text, ""));
    let wrong = |error: gatewright_domain::ids::InvalidId| Failed::usage(error.to_string());
    let pipeline = match pipeline {
        "" => None,
        named => Some(named.parse().map_err(wrong)?),
    };
    let environment = match environment {
        "" => None,
        named => Some(named.parse().map_err(wrong)?),
    };
    match (&pipeline, &environment) {
        (None, None) => Err(Failed::usage("freeze what?")
            .help("PIPELINE, PIPELINE/ENVIRONMENT, /ENVIRONMENT of every pipeline, or all")),
        (Some(_), _) | (None, Some(_)) => Ok((pipeline, environment)),
    }
}

/// The live definitions of these pipelines.
pub(super) async fn known<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
) -> Result<Vec<Definition>, Failed> {
    let mut known = Vec::new();
    for pipeline in pipelines {
        known.extend(store.live_definition(pipeline).await?);
    }
    Ok(known)
}

/// An environment that a freeze is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pipeline: &'a PipelineId,
    name: &'a EnvironmentName,
    environment: &'a Environment,
}

/// The environments that a freeze is about; nothing when it is about nothing, with
/// what was meant.
pub(super) fn about<'a>(
    known: &'a [Definition],
    pipeline: Option<&PipelineId>,
    environment: Option<&EnvironmentName>,
) -> Result<Vec<About<'a>>, Failed> {
    if let Some(named) = pipeline.filter(|named| known.iter().all(|d| &d.id != *named)) {
        return Err(no_pipeline(known, named));
    }
    let of = known.iter().filter(|d| pipeline.is_none_or(|p| p == &d.id));
    let all = of.clone().flat_map(|definition| {
        let each = definition.environments.iter();
        each.map(|(name, environment)| About {
            pipeline: &definition.id,
            name,
            environment,
        })
    });
    let meant: Vec<About<'a>> = all
        .filter(|about| environment.is_none_or(|e| e == about.name))
        .collect();
    match environment.filter(|_| meant.is_empty()) {
        None => Ok(meant),
        Some(named) => {
            let names = of.flat_map(|d| d.environments.keys().map(EnvironmentName::as_str));
            let near = did_you_mean(named.as_str(), names);
            let whose = pipeline.map_or_else(|| "no pipeline".to_owned(), ToString::to_string);
            let has = if pipeline.is_some() {
                "has no"
            } else {
                "has an"
            };
            Err(Failed::not_found(format!(
                "{whose} {has} environment {:?}{near}",
                named.as_str()
            ))
            .help("`gatewright status` lists them"))
        }
    }
}

fn no_pipeline(known: &[Definition], named: &PipelineId) -> Failed {
    let near = did_you_mean(named.as_str(), known.iter().map(|d| d.id.as_str()));
    let failed = Failed::not_found(format!("there is no pipeline {:?}{near}", named.as_str()));
    let of = |d: &&Definition| d.environments.keys().any(|e| e.as_str() == named.as_str());
    match known.iter().find(of) {
        Some(definition) => failed.help(format!(
            "it is an environment: /{named} freezes that of every pipeline, {}/{named} that of one",
            definition.id
        )),
        None => {
            failed.help("`gatewright status` lists them; /ENVIRONMENT is that of every pipeline")
        }
    }
}

/// The environments whose releases do not live to see the end of the freeze: they
/// wait less long than it lasts.
pub(super) fn too_short(about: &[About<'_>], times: &Times, now: Timestamp) -> Vec<String> {
    let intervals = times.around(now).unwrap_or_default();
    let coming = intervals.into_iter().find(|interval| interval.until > now);
    let Some(interval) = coming else {
        return Vec::new();
    };
    let lasts = interval.until.as_second() - interval.from.max(now).as_second();
    let shorter = about.iter().filter(|a| a.environment.wait.get() < lasts);
    shorter
        .map(|about| {
            format!(
                "releases wait for {}/{} no longer than {} (`wait` in the definition): who comes earlier than that before the freeze ends is given up with WaitExpired",
                about.pipeline,
                about.name,
                spoken(about.environment.wait.get())
            )
        })
        .collect()
}
