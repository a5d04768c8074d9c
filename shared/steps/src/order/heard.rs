//! Who hears an order at once.

use crate::stop_watch;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::Timestamp;
use gatewright_domain::order::{Order, Target, UnderWay};
use gatewright_handler::Failure;

/// Lets the releases that an order stops hear it in their watches and pauses. Of
/// an order about every pipeline, the sweep tells them within a minute.
pub(super) async fn heard<T: Table>(
    store: &Store<T>,
    order: &Order,
    now: Timestamp,
) -> Result<(), Failure> {
    let (pipeline, only) = match order {
        Order::Halt {
            of: Target::Release(release),
            ..
        } => return stop_watch(store, release, now).await,
        Order::Halt {
            of: Target::Pipeline(pipeline),
            ..
        } => (pipeline, None),
        Order::Freeze {
            pipeline: Some(pipeline),
            environment,
            running: UnderWay::Stop,
            ..
        } => (pipeline, environment.as_ref()),
        Order::Halt {
            of: Target::All, ..
        }
        | Order::Freeze { .. }
        | Order::Resume { .. }
        | Order::Hold { .. }
        | Order::Unhold { .. }
        | Order::Thaw { .. }
        | Order::Lift { .. }
        | Order::Resolve { .. }
        | Order::BreakGlass { .. } => return Ok(()),
    };
    let definition = store.live_definition(pipeline).await?;
    let environments = definition.iter().flat_map(|d| d.environments.keys());
    for environment in environments.filter(|e| only.is_none_or(|only| *e == only)) {
        let (lock, _) = store.lock(pipeline, environment).await?;
        if let Some(holder) = lock.holder {
            stop_watch(store, &holder.release, now).await?;
        }
    }
    Ok(())
}
