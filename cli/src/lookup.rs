//! Finds the release that is meant: by id, by `pipeline#number`, by number.

use crate::connect::Reach;
use crate::error::Failed;
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::release::Head;
use gatewright_domain::text::did_you_mean;
use gatewright_domain::{EnvironmentName, PipelineId, ReleaseId};

/// The release that `text` names: an execution's name or ARN, `pl-gps-001#142`,
/// or `142` when only one of `pipelines` has such a release.
///
/// # Errors
/// When there is none, or more than one.
pub async fn release<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    text: &str,
) -> Result<Head, Failed> {
    let name = text.rsplit_once(":execution:").map_or(text, |(_, rest)| {
        rest.split_once(':').map_or(rest, |(_, name)| name)
    });
    if let Ok(id) = name.parse::<ReleaseId>()
        && let Some(seen) = store.head(&id).await?
    {
        return Ok(seen.value);
    }
    let (only, digits) = match name.rsplit_once('#') {
        Some((pipeline, digits)) if !pipeline.is_empty() => (Some(pipeline), digits),
        Some((_, digits)) => (None, digits),
        None => (None, name),
    };
    let mut found = Vec::new();
    if let Ok(number) = digits.parse::<u64>() {
        let meant: Vec<PipelineId> = match only {
            Some(pipeline) => pipeline.parse().into_iter().collect(),
            None => pipelines.to_vec(),
        };
        for pipeline in &meant {
            found.extend(numbered(store, pipeline, number).await?);
        }
    }
    let titles: Vec<String> = found.iter().map(Head::title).collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(head), None) => Ok(head),
        (Some(_), Some(_)) => {
            Err(Failed::usage(format!("{text} could be {}", titles.join(" or ")))
                .help("say which pipeline: pipeline#number"))
        }
        (None, _) => Err(Failed::not_found(format!("there is no release {text:?}")).help(
            "`gatewright status` lists recent releases; name one by its id, as pipeline#number, or by its number",
        )),
    }
}

/// The environment that `text` names: `PIPELINE/ENVIRONMENT`, or `ENVIRONMENT` when
/// one pipeline of the connection has it.
///
/// # Errors
/// When there is none, or more than one.
pub async fn environment(
    reach: &Reach,
    text: &str,
) -> Result<(PipelineId, EnvironmentName), Failed> {
    let mut found = environments(&reach.store, &reach.pipelines(), text).await?;
    if let [_, _, ..] = found.as_slice() {
        let all: Vec<String> = found.iter().map(|(p, e)| format!("{p}/{e}")).collect();
        return Err(
            Failed::usage(format!("{text} could be {}", all.join(" or ")))
                .help("say which pipeline: PIPELINE/ENVIRONMENT"),
        );
    }
    match found.pop() {
        Some(found) => Ok(found),
        None => Err(unknown_environment(&reach.store, &reach.pipelines(), text).await?),
    }
}

/// That no environment is called so, with what was meant.
async fn unknown_environment<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    text: &str,
) -> Result<Failed, Failed> {
    let (mut names, mut places) = (Vec::new(), Vec::new());
    for pipeline in pipelines {
        let definition = store.live_definition(pipeline).await?;
        let environments = definition.map(|d| d.environments).unwrap_or_default();
        for name in environments.keys() {
            names.push(name.to_string());
            places.push(format!("{pipeline}/{name}"));
        }
    }
    let whole = text.contains('/');
    let known = if whole { &places } else { &names };
    let near = did_you_mean(text, known.iter().map(String::as_str));
    let failed = Failed::not_found(format!("no pipeline has an environment {text:?}{near}"));
    if pipelines.iter().any(|pipeline| pipeline.as_str() == text) {
        let of = format!("{text}/");
        places.retain(|place| place.starts_with(&of));
        let help = format!("it is a pipeline: name one of {}", places.join(", "));
        return Ok(failed.help(help));
    }
    Ok(failed.help("`gatewright status` lists them; name one as PIPELINE/ENVIRONMENT"))
}

/// All environments that `text` names, of the live definitions.
///
/// # Errors
/// When the record cannot be read.
pub async fn environments<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    text: &str,
) -> Result<Vec<(PipelineId, EnvironmentName)>, Failed> {
    let (only, name) = match text.split_once('/') {
        Some((pipeline, name)) => (Some(pipeline), name),
        None => (None, text),
    };
    let Ok(name) = name.parse::<EnvironmentName>() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for pipeline in pipelines {
        if only.is_some_and(|only| only != pipeline.as_str()) {
            continue;
        }
        let definition = store.live_definition(pipeline).await?;
        if definition.is_some_and(|d| d.environments.contains_key(&name)) {
            found.push((pipeline.clone(), name.clone()));
        }
    }
    Ok(found)
}

async fn numbered<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    number: u64,
) -> Result<Option<Head>, Failed> {
    let below = number.saturating_add(1);
    let newest = store.releases_of(pipeline, Some(below), 1).await?;
    let Some(id) = newest.first() else {
        return Ok(None);
    };
    let head = store.head(id).await?.map(|seen| seen.value);
    Ok(head.filter(|head| head.number == Some(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::Example;

    #[tokio::test]
    async fn an_environment_that_is_not_there_says_which_was_meant() {
        let example = Example::waiting_for_approval().await;
        let pipelines = ["pl-gps-001".parse().unwrap()];
        let said = async |text: &str| {
            let failed = unknown_environment(&example.store, &pipelines, text).await;
            let failed = failed.unwrap();
            (failed.what, failed.help.unwrap())
        };
        let near = said("pl-gps-001/prod").await.0;
        assert!(
            near.ends_with("\"pl-gps-001/prod\"; did you mean \"pl-gps-001/production\"?"),
            "{near}"
        );
        let near = said("prod").await.0;
        assert!(near.ends_with("did you mean \"production\"?"), "{near}");
        let (_, help) = said("pl-gps-001").await;
        assert_eq!(
            help,
            "it is a pipeline: name one of pl-gps-001/staging, pl-gps-001/production"
        );
    }
}
