//! People's orders, given and taken into effect.

mod heard;
mod place;
mod who;

use crate::doubt::known_again;
use crate::undo::{lifting, resolving};
use crate::{hand_on, running_head, until_settled};
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{Commit, Store};
use gatewright_aws::table::{Table, Write};
use gatewright_domain::control::{Glass, Said};
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::Hold;
use gatewright_domain::order::{Given, Order, Target};
use gatewright_domain::people::Person;
use gatewright_domain::{EnvironmentName, PipelineId, ReleaseId, Timestamp};
use gatewright_handler::Failure;
use place::{is_known, known_environment, placed};
use who::{about, may_give};

/// Records an order and puts it into force, in one transaction; then hands on what
/// it has freed.
///
/// # Errors
/// `BadInput` for an order that makes no sense, with what would be right;
/// `AccessDenied` when the person may not give it; when the table fails, in which
/// case nothing was ordered.
pub async fn order<T: Table, R: Outside>(
    store: &Store<T>,
    outside: &R,
    by: &Person,
    order: Order,
    now: Timestamp,
) -> Result<Given, Failure> {
    let order = placed(store, order).await?;
    is_known(store, &order).await?;
    may_give(store, by, &order).await?;
    let opened = opened(store, &order).await?;
    let given = until_settled(|| give(store, by, order.clone(), now)).await?;
    if let Some((pipeline, environment)) = opened {
        hand_on(store, outside, &pipeline, &environment, now).await?;
    }
    // The order is given, whatever becomes of this; the sweep looks each minute.
    if let Err(failure) = heard::heard(store, &given.order, now).await {
        tracing::warn!(error = %failure.name, "an order is not heard yet: {}", failure.message);
    }
    Ok(given)
}

async fn give<T: Table>(
    store: &Store<T>,
    by: &Person,
    order: Order,
    now: Timestamp,
) -> Result<Given, Failure> {
    let in_force = store.controls().await?;
    let (next, given) = in_force
        .controls
        .give(&by.id, order, now)
        .map_err(Failure::bad_input)?;
    let writes = in_force.writes(&next, &given)?;
    match effect(store, &given).await? {
        Effect::Recorded => store.table().write(writes.to_vec()).await?,
        Effect::Write(write) => {
            let [state, entry] = writes;
            store.table().write(vec![state, entry, *write]).await?;
        }
        Effect::Release(commit) => {
            store.commit(commit.writes(writes), now).await?;
        }
    }
    Ok(given)
}

/// What an order changes besides what is in force.
enum Effect {
    Recorded,
    Write(Box<Write>),
    Release(Box<Commit>),
}

async fn effect<T: Table>(store: &Store<T>, given: &Given) -> Result<Effect, Failure> {
    let said = Said {
        by: given.by.clone(),
        at: given.at,
        reason: given.order.reason().trim().to_owned(),
    };
    match &given.order {
        Order::Halt {
            of: Target::Release(release),
            ..
        } => {
            let mut commit = running(store, release).await?;
            if let Some(known) = &commit.head.halted {
                return Err(Failure::bad_input(format!(
                    "it is halted already by {known}"
                )));
            }
            commit.head.halted = Some(said.clone());
            Ok(Effect::Release(Box::new(
                commit.fact(Fact::ReleaseHalted { said }),
            )))
        }
        Order::Resume {
            of: Target::Release(release),
            ..
        } => {
            let mut commit = running(store, release).await?;
            if commit.head.halted.take().is_none() {
                return Err(Failure::bad_input(format!("{release} is not halted")));
            }
            Ok(Effect::Release(Box::new(
                commit.fact(Fact::ReleaseResumed { said }),
            )))
        }
        Order::BreakGlass {
            release,
            environment: Some(environment),
            ..
        } => {
            let mut commit = running(store, release).await?;
            if let Some(known) = commit.head.glass_in(environment) {
                let why = format!(
                    "the glass of {environment} was broken already by {}",
                    known.said
                );
                return Err(Failure::bad_input(why));
            }
            let environment = environment.clone();
            commit.head.broken_glass.push(Glass {
                environment: environment.clone(),
                said: said.clone(),
            });
            let fact = Fact::GlassBroken { environment, said };
            Ok(Effect::Release(Box::new(commit.fact(fact))))
        }
        Order::BreakGlass {
            environment: None, ..
        } => Err(Failure::bug("glass that is broken nowhere")),
        Order::Hold {
            pipeline,
            environment,
            ..
        } => {
            known_environment(store, pipeline, environment).await?;
            let (lock, rev) = store.lock(pipeline, environment).await?;
            if let Some(hold) = &lock.hold {
                let why = format!("{} holds it already: {}", hold.by, hold.reason);
                return Err(Failure::bad_input(why));
            }
            let hold = Hold {
                by: said.by,
                reason: said.reason,
                since: said.at,
            };
            let write = Store::<T>::lock_write(&lock.held(hold), rev)?;
            Ok(Effect::Write(Box::new(write)))
        }
        Order::Unhold {
            pipeline,
            environment,
            runs,
            ..
        } => {
            known_environment(store, pipeline, environment).await?;
            let (lock, rev) = store.lock(pipeline, environment).await?;
            // A person's hold first: who gives that back has not said yet what runs.
            if lock.hold.is_some() {
                let write = Store::<T>::lock_write(&lock.unheld(), rev)?;
                return Ok(Effect::Write(Box::new(write)));
            }
            if lock.doubts.is_empty() {
                let why = format!("nobody holds {pipeline}/{environment}");
                return Err(Failure::bad_input(why));
            }
            let commit = known_again(store, (&lock, rev), runs.as_ref(), said).await?;
            Ok(Effect::Release(Box::new(commit)))
        }
        Order::Lift {
            pipeline,
            environment,
            release,
            ..
        } => {
            known_environment(store, pipeline, environment).await?;
            let place = (pipeline, environment);
            let commit = lifting(store, place, release, said).await?;
            Ok(Effect::Release(Box::new(commit)))
        }
        Order::Resolve { release, .. } => {
            let commit = resolving(store, release, said).await?;
            Ok(Effect::Release(Box::new(commit)))
        }
        Order::Halt { .. } | Order::Resume { .. } | Order::Freeze { .. } | Order::Thaw { .. } => {
            Ok(Effect::Recorded)
        }
    }
}

/// A change of a release that has not ended.
async fn running<T: Table>(store: &Store<T>, release: &ReleaseId) -> Result<Commit, Failure> {
    Ok(Commit::of(&running_head(store, release).await?))
}

/// The environment that the order opens for those who wait. Where it may open
/// several, those who wait are looked at by the sweep, within minutes.
async fn opened<T: Table>(
    store: &Store<T>,
    order: &Order,
) -> Result<Option<(PipelineId, EnvironmentName)>, Failure> {
    if !order.loosens() {
        return Ok(None);
    }
    let (pipeline, environment) = about(store, order).await?;
    Ok(pipeline.zip(environment))
}
