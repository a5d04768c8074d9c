//! What an order is about, which must be there.

use crate::Running;
use gatewright_aws::store::{Store, WaitKey};
use gatewright_aws::table::Table;
use gatewright_domain::order::{Order, Target};
use gatewright_domain::pipeline::Definition;
use gatewright_domain::text::did_you_mean;
use gatewright_domain::{EnvironmentName, ErrorName, PipelineId};
use gatewright_handler::Failure;

/// The order with the environment that it is about. Broken glass that names none
/// counts in the one that the release waits for: nobody who may let it into
/// staging lets it into production with that.
pub(super) async fn placed<T: Table>(store: &Store<T>, order: Order) -> Result<Order, Failure> {
    let Order::BreakGlass {
        release,
        environment,
        reason,
    } = order
    else {
        return Ok(order);
    };
    let running = Running::read(store, &release).await?;
    let known = &running.definition.environments;
    let names = || {
        let names: Vec<&str> = known.keys().map(EnvironmentName::as_str).collect();
        names.join(", ")
    };
    let environment = match environment {
        Some(named) if known.contains_key(&named) => named,
        Some(named) => {
            let pipeline = &running.head.value.pipeline;
            let why = format!("{pipeline} has no environment {named}; it has {}", names());
            return Err(Failure::bad_input(why));
        }
        None => waited_for(store, &running).await?.ok_or_else(|| {
            Failure::bad_input(format!(
                "{} waits for no environment now: say in which the glass is to be broken, with --environment; it has {}",
                running.head.value.title(),
                names()
            ))
        })?,
    };
    Ok(Order::BreakGlass {
        release,
        environment: Some(environment),
        reason,
    })
}

/// The environment that the release waits for.
async fn waited_for<T: Table>(
    store: &Store<T>,
    running: &Running,
) -> Result<Option<EnvironmentName>, Failure> {
    let release = &running.head.value.release;
    for (index, stage) in running.definition.path(running.route()) {
        if !stage.is_cleared() {
            continue;
        }
        let wait = store.wait(&WaitKey::lock(release, index)).await?;
        if wait.is_some_and(|wait| wait.value.answer.is_none()) {
            return Ok(stage.environment.clone());
        }
    }
    Ok(None)
}

/// The environment is one of the pipeline's, as it is live.
pub(super) async fn known_environment<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let definition = known_pipeline(store, pipeline).await?;
    if definition.environments.contains_key(environment) {
        return Ok(());
    }
    let known = || definition.environments.keys().map(EnvironmentName::as_str);
    let near = did_you_mean(environment.as_str(), known());
    let all: Vec<&str> = known().collect();
    Err(Failure::bad_input(format!(
        "{pipeline} has no environment {:?}; it has {}{near}",
        environment.as_str(),
        all.join(", "),
    )))
}

async fn known_pipeline<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
) -> Result<Definition, Failure> {
    store.live_definition(pipeline).await?.ok_or_else(|| {
        Failure::new(
            ErrorName::UnknownPipeline,
            format!("there is no pipeline {pipeline}"),
        )
    })
}

/// What a halt or a freeze stops is there: a misspelt one would stop nothing and
/// look as if it did. Where it names no pipeline, the command line has looked at
/// the pipelines that it knows of.
pub(super) async fn is_known<T: Table>(store: &Store<T>, order: &Order) -> Result<(), Failure> {
    match order {
        Order::Halt {
            of: Target::Pipeline(pipeline),
            ..
        }
        | Order::Freeze {
            pipeline: Some(pipeline),
            environment: None,
            ..
        } => known_pipeline(store, pipeline).await.map(|_| ()),
        Order::Freeze {
            pipeline: Some(pipeline),
            environment: Some(environment),
            ..
        } => known_environment(store, pipeline, environment).await,
        // What loosens may be about something that is there no more; the others are
        // looked up where they take effect.
        Order::Halt { .. }
        | Order::Freeze { .. }
        | Order::Resume { .. }
        | Order::Hold { .. }
        | Order::Unhold { .. }
        | Order::Thaw { .. }
        | Order::Lift { .. }
        | Order::Resolve { .. }
        | Order::BreakGlass { .. } => Ok(()),
    }
}
