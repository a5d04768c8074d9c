//! Whether people's orders let a release go on, looked at before each of its
//! steps.

use crate::Running;
use gatewright_aws::store::{InForce, Store};
use gatewright_aws::table::Table;
use gatewright_domain::Timestamp;
use gatewright_domain::decide::may_go_on;
use gatewright_domain::pipeline::{Purpose, Stage, Work};
use gatewright_handler::Failure;

/// What is in force, when it lets the stage begin. A change that is begun on the
/// strength of it must name its revision ([`InForce::check`]); for a build or a
/// question having looked is enough, and does not make every transaction of the
/// account touch one item.
///
/// # Errors
/// `Halted` or `Frozen` with who, why and until when; when the table cannot be
/// read, because nobody knows then.
pub async fn steered<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    now: Timestamp,
) -> Result<InForce, Failure> {
    let in_force = store.controls().await?;
    // Nothing stops what undoes a change.
    if stage.undoes() {
        return Ok(in_force);
    }
    let rollback = running.definition.purpose == Purpose::Rollback;
    // A rollout changes its environment in its pauses too.
    let changes = match stage.work {
        Work::Watch(_) | Work::Pause(_) => stage.works_in(),
        Work::Build(_) | Work::Deploy(_) | Work::Approval(_) => stage.changes(),
    };
    may_go_on(
        &running.head.value,
        &in_force.controls,
        rollback,
        changes,
        now,
    )
    .map_err(|(error, why)| Failure::new(error, why))?;
    Ok(in_force)
}
