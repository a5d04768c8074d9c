//! People's orders, given and taken into effect.

use crate::doubt::known_again;
use crate::undo::{lifting, resolving};
use crate::{Running, hand_on, until_settled};
use gatewright_aws::origins::Outside;
use gatewright_aws::store::{Commit, InForce, Store, WaitKey};
use gatewright_aws::table::{Table, Write};
use gatewright_domain::control::{Glass, Said};
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::Hold;
use gatewright_domain::order::{Given, Order, Target};
use gatewright_domain::people::Person;
use gatewright_domain::release::Head;
use gatewright_domain::{EnvironmentName, ErrorName, GroupName, PipelineId, ReleaseId, Timestamp};
use gatewright_handler::Failure;

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
    may_give(store, by, &order).await?;
    let opened = opened(store, &order).await?;
    let given = until_settled(|| give(store, by, order.clone(), now)).await?;
    if let Some((pipeline, environment)) = opened {
        hand_on(store, outside, &pipeline, &environment, now).await?;
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

/// The order with the environment that it is about. Broken glass that names none
/// counts in the one that the release waits for: nobody who may let it into
/// staging lets it into production with that.
async fn placed<T: Table>(store: &Store<T>, order: Order) -> Result<Order, Failure> {
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

/// A change of a release that has not ended.
async fn running<T: Table>(store: &Store<T>, release: &ReleaseId) -> Result<Commit, Failure> {
    let head = store.known_head(release).await?;
    if head.value.status.has_ended() {
        let why = format!("{} has ended: {}", head.value.title(), head.value.status);
        return Err(Failure::new(ErrorName::ReleaseEnded, why));
    }
    Ok(Commit::of(&head))
}

async fn known_environment<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let definition = store.live_definition(pipeline).await?;
    let definition = definition.ok_or_else(|| {
        Failure::new(
            ErrorName::UnknownPipeline,
            format!("there is no pipeline {pipeline}"),
        )
    })?;
    if definition.environments.contains_key(environment) {
        return Ok(());
    }
    let known: Vec<&str> = definition.environments.keys().map(|e| e.as_str()).collect();
    Err(Failure::bad_input(format!(
        "{pipeline} has no environment {environment:?}; it has {}",
        known.join(", "),
        environment = environment.as_str()
    )))
}

/// Whether the person may give the order. Anybody who is known may stop; who lets
/// through what was stopped must be of a group that approves there.
async fn may_give<T: Table>(store: &Store<T>, by: &Person, order: &Order) -> Result<(), Failure> {
    if !order.loosens() {
        return Ok(());
    }
    let directory = store.directory().await?.value;
    let groups = approving(store, order).await?;
    // Where nobody approves, everybody who is known may.
    let allowed = match &groups {
        Some(groups) if groups.is_empty() => true,
        Some(groups) => groups
            .iter()
            .any(|group| directory.is_member(&by.id, group)),
        None => directory
            .groups
            .iter()
            .any(|group| group.members.contains(&by.id)),
    };
    if allowed {
        return Ok(());
    }
    let who = match groups {
        Some(groups) => {
            let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
            format!("members of {} may", names.join(" or "))
        }
        None => "members of a group that approves may".to_owned(),
    };
    let why = format!("{} may not order this: {who}", by.name);
    Err(Failure::new(ErrorName::AccessDenied, why))
}

/// The groups that approve changes of what an order is about; nothing when it is
/// about more than one pipeline.
async fn approving<T: Table>(
    store: &Store<T>,
    order: &Order,
) -> Result<Option<Vec<GroupName>>, Failure> {
    let (pipeline, environment) = match about(store, order).await? {
        (Some(pipeline), environment) => (pipeline, environment),
        (None, _) => return Ok(None),
    };
    let Some(definition) = store.live_definition(&pipeline).await? else {
        return Ok(None);
    };
    let there = definition.approvers_of(environment.as_ref());
    // Nobody approves there: its rules are still passed by nobody but somebody who
    // approves something in the pipeline.
    let strict = matches!(order, Order::BreakGlass { .. });
    Ok(Some(if strict && there.is_empty() {
        definition.approvers_of(None)
    } else {
        there
    }))
}

/// The pipeline and the environment that an order is about, as far as it is about
/// one.
async fn about<T: Table>(
    store: &Store<T>,
    order: &Order,
) -> Result<(Option<PipelineId>, Option<EnvironmentName>), Failure> {
    let of_release = |head: Head| (Some(head.pipeline), None);
    Ok(match order {
        Order::Halt { of, .. } | Order::Resume { of, .. } => match of {
            Target::All => (None, None),
            Target::Pipeline(pipeline) => (Some(pipeline.clone()), None),
            Target::Release(release) => of_release(store.known_head(release).await?.value),
        },
        Order::BreakGlass {
            release,
            environment,
            ..
        } => {
            let (pipeline, _) = of_release(store.known_head(release).await?.value);
            (pipeline, environment.clone())
        }
        Order::Hold {
            pipeline,
            environment,
            ..
        }
        | Order::Unhold {
            pipeline,
            environment,
            ..
        }
        | Order::Lift {
            pipeline,
            environment,
            ..
        } => (Some(pipeline.clone()), Some(environment.clone())),
        Order::Resolve { release, .. } => of_release(store.known_head(release).await?.value),
        Order::Freeze {
            pipeline,
            environment,
            ..
        } => (pipeline.clone(), environment.clone()),
        Order::Thaw { freeze, .. } => {
            let InForce { controls, .. } = store.controls().await?;
            let known = controls.freezes.into_iter().find(|f| f.number == *freeze);
            known.map_or((None, None), |f| (f.pipeline, f.environment))
        }
    })
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
