//! Finds the release that is meant: by id, by `pipeline#number`, by number.

use crate::error::Failed;
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::release::Head;
use gatewright_domain::{PipelineId, ReleaseId};

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
