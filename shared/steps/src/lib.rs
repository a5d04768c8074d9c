//! Steps that several functions take: what an event starts, the sweep makes up
//! for when the event was lost.
//!
//! Each is observe -> decide -> act, may be taken any number of times by any
//! number of callers at once, and changes the record in one transaction.

mod build;
mod clear;
mod doubt;
mod end;
mod fail;
mod flags;
mod observe;
mod order;
mod pass;
mod retain;
mod scan;
mod steer;
mod undo;
mod watch;

pub use build::{BuildKey, Settled, settle_build};
pub use clear::{clear_stage, clear_waiting, hand_on, release_lock};
pub use end::end_release;
pub use fail::fail_build;
pub use flags::flags;
pub use order::order;
pub use retain::{forget_old, forget_when_cleared, retain_for};
pub use scan::{open_scan, settle_scan};
pub use steer::steered;
pub use undo::migrated;
pub use watch::{answered_watch, open_watch, settle_watch, stop_watch};

use gatewright_aws::store::{Seen, Store};
use gatewright_aws::table::Table;
use gatewright_domain::pipeline::{Definition, Stage, Trigger};
use gatewright_domain::release::{Deployment, Head};
use gatewright_domain::text::did_you_mean;
use gatewright_domain::{EnvironmentName, ErrorName, PipelineId, ReleaseId, StageName};
use gatewright_handler::Failure;

/// A release that may still act, with its definition.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its head.
    pub head: Seen<Head>,
    /// The definition that it runs.
    pub definition: Definition,
}

impl Running {
    /// Reads a release that has not ended.
    ///
    /// # Errors
    /// `BadInput` when there is no such release, `ReleaseEnded` when it has ended,
    /// `UnknownPipeline` when its definition is gone.
    pub async fn read<T: Table>(store: &Store<T>, release: &ReleaseId) -> Result<Self, Failure> {
        let head = running_head(store, release).await?;
        let definition = known_definition(store, &head.value).await?;
        Ok(Self { head, definition })
    }

    /// The trigger that started it: its route is the stages that the release
    /// runs.
    pub fn route(&self) -> Option<&Trigger> {
        route_of(&self.head.value, &self.definition)
    }

    /// The stage of that name and its position.
    ///
    /// # Errors
    /// `BadInput` with the nearest right name.
    pub fn stage(&self, name: &StageName) -> Result<(usize, &Stage), Failure> {
        self.definition.stage(name).ok_or_else(|| {
            let names = self.definition.stages.iter().map(|s| s.name.as_str());
            let hint = did_you_mean(name.as_str(), names);
            Failure::bad_input(format!(
                "{} has no stage {:?}{hint}",
                self.definition.id,
                name.as_str()
            ))
        })
    }
}

/// The head of a release that has not ended.
///
/// # Errors
/// `BadInput` when there is no such release, `ReleaseEnded` when it has ended.
pub(crate) async fn running_head<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
) -> Result<Seen<Head>, Failure> {
    let head = store.known_head(release).await?;
    if head.value.status.has_ended() {
        let why = format!("{} has ended: {}", head.value.title(), head.value.status);
        return Err(Failure::new(ErrorName::ReleaseEnded, why));
    }
    Ok(head)
}

/// The trigger that started a release, in its definition.
pub fn route_of<'a>(head: &Head, definition: &'a Definition) -> Option<&'a Trigger> {
    definition.trigger(head.route.as_deref()?)
}

/// What ran in an environment before `release` changed it: what the newest
/// deployment by another release put there.
///
/// # Errors
/// When the table cannot be read.
pub async fn ran_before<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    release: &ReleaseId,
) -> Result<Option<Deployment>, Failure> {
    let history = store
        .deployments(pipeline, environment, DEPLOYMENTS_LOOKED_AT)
        .await?;
    Ok(history.into_iter().find(|d| &d.release != release))
}

/// More than one release ever records in one environment.
const DEPLOYMENTS_LOOKED_AT: u32 = 10;

/// The definition that a release runs.
///
/// # Errors
/// `UnknownPipeline` when it is gone.
pub async fn known_definition<T: Table>(
    store: &Store<T>,
    head: &Head,
) -> Result<Definition, Failure> {
    store
        .definition(&head.pipeline, &head.version)
        .await?
        .ok_or_else(|| {
            let why = format!(
                "pipeline {} has no version {}",
                head.pipeline,
                head.version.short()
            );
            Failure::new(ErrorName::UnknownPipeline, why)
        })
}

/// Decides anew after a conflict, a few times; then it is left to the caller's
/// own retry.
///
/// # Errors
/// Whatever `once` fails with in the end.
pub async fn until_settled<V, F, R>(mut once: F) -> Result<V, Failure>
where
    F: FnMut() -> R,
    R: Future<Output = Result<V, Failure>>,
{
    // Boxed: steps take steps, and a thread has little room for all of their futures.
    let mut last = Box::pin(once()).await;
    for _ in 1..gatewright_aws::store::CONFLICT_TRIES {
        match &last {
            Err(failure) if failure.is_conflict() => last = Box::pin(once()).await,
            Ok(_) | Err(_) => break,
        }
    }
    last
}
