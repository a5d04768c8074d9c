//! What a halt is about. In an emergency nobody should have to find out how to say
//! it.

use crate::error::{Code, Failed};
use crate::lookup;
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::PipelineId;
use gatewright_domain::order::Target;
use gatewright_domain::text::{did_you_mean, nearest};

/// A release, a pipeline, or everything.
///
/// # Errors
/// When there is no such thing, with what was meant.
pub(super) async fn of<T: Table>(
    store: &Store<T>,
    pipelines: &[PipelineId],
    named: &str,
) -> Result<Target, Failed> {
    if named == "all" {
        return Ok(Target::All);
    }
    if let Some(pipeline) = pipelines.iter().find(|p| p.as_str() == named) {
        return Ok(Target::Pipeline(pipeline.clone()));
    }
    match lookup::release(store, pipelines, named).await {
        Ok(head) => Ok(Target::Release(head.release)),
        Err(failed) if failed.code == Code::NotFound => {
            let places = lookup::environments(store, pipelines, named).await?;
            match places.first() {
                Some((pipeline, place)) => Err(environment(named, pipeline, place.as_str())),
                None => Err(unknown(pipelines, named)),
            }
        }
        Err(failed) => Err(failed),
    }
}

fn environment(named: &str, pipeline: &PipelineId, place: &str) -> Failed {
    let what = format!("{named:?} is an environment: name a pipeline, a release or `all`");
    Failed::usage(what).help(format!(
        "`halt {pipeline}` stops what the pipeline does there and elsewhere; `hold {pipeline}/{place}` or `freeze {pipeline}/{place}` keeps new deploys out of it alone"
    ))
}

fn unknown(pipelines: &[PipelineId], named: &str) -> Failed {
    let ids = || pipelines.iter().map(PipelineId::as_str);
    // Of an environment or a release, the pipeline is what can be misspelt.
    let near = match named.split_once(['/', '#']) {
        Some((pipeline, _)) => nearest(pipeline, ids()),
        None => None,
    };
    let near = match (near, named.split_once('#')) {
        (Some(near), Some((_, number))) => format!("; did you mean \"{near}#{number}\"?"),
        (Some(near), None) => format!("; did you mean {near:?}?"),
        (None, _) => did_you_mean(named, ids().chain(["all"])),
    };
    let what = format!("there is no pipeline and no release {named:?}{near}");
    Failed::not_found(what).help(format!(
        "name `all`, a pipeline ({}), or a release: by its id, as pipeline#number, or by its number",
        ids().collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::Example;

    #[tokio::test]
    async fn whoever_halts_what_is_not_there_reads_what_was_meant() {
        let example = Example::waiting_for_approval().await;
        let pipelines = ["pl-gps-001".parse().unwrap()];
        let halted = async |named: &str| of(&example.store, &pipelines, named).await;
        assert_eq!(halted("all").await, Ok(Target::All));
        let pipeline = Target::Pipeline(pipelines[0].clone());
        assert_eq!(halted("pl-gps-001").await, Ok(pipeline));
        let release = Target::Release("cp-1".parse().unwrap());
        assert_eq!(halted("pl-gps-001#1").await, Ok(release));
        for (named, what) in [
            ("ALL", "\"ALL\"; did you mean \"all\"?"),
            ("pl-gsp-001", "\"pl-gsp-001\"; did you mean \"pl-gps-001\"?"),
            (
                "pl-gsp-001#1",
                "\"pl-gsp-001#1\"; did you mean \"pl-gps-001#1\"?",
            ),
            (
                "pl-gps-001/prod",
                "\"pl-gps-001/prod\"; did you mean \"pl-gps-001\"?",
            ),
            ("something", "\"something\""),
        ] {
            let failed = halted(named).await.unwrap_err();
            let what = format!("there is no pipeline and no release {what}");
            assert_eq!(failed.what, what);
            let help = failed.help.unwrap();
            assert!(help.starts_with("name `all`, a pipeline (pl-gps-001), or a release"));
        }
        for named in ["production", "pl-gps-001/production"] {
            let failed = halted(named).await.unwrap_err();
            assert!(
                failed
                    .what
                    .ends_with("is an environment: name a pipeline, a release or `all`")
            );
            let help = failed.help.unwrap();
            assert!(help.contains("`hold pl-gps-001/production`"), "{help}");
        }
    }
}
