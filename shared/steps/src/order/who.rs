//! Who may give an order.

use gatewright_aws::store::{InForce, Store};
use gatewright_aws::table::Table;
use gatewright_domain::order::{Order, Target};
use gatewright_domain::people::Person;
use gatewright_domain::release::Head;
use gatewright_domain::{EnvironmentName, ErrorName, GroupName, PipelineId};
use gatewright_handler::Failure;

/// Whether the person may give the order. Anybody who is known may stop; who lets
/// through what was stopped must be of a group that approves there.
pub(super) async fn may_give<T: Table>(
    store: &Store<T>,
    by: &Person,
    order: &Order,
) -> Result<(), Failure> {
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
pub(super) async fn about<T: Table>(
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
