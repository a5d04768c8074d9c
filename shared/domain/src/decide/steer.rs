//! Whether people's orders let a release go on.

use crate::control::{Controls, Halted};
use crate::ids::EnvironmentName;
use crate::order::{Target, UnderWay};
use crate::release::Head;
use crate::trigger::Cause;
use crate::{ErrorName, Timestamp};

/// Why a halt stops the release, if one does. Going back is what a halt of a
/// pipeline is often ordered for, so it stops a rollback only by name.
pub fn stops(head: &Head, controls: &Controls, rollback: bool) -> Option<(ErrorName, String)> {
    let halt = halted(head, controls, rollback)?;
    Some((ErrorName::Halted, halt.to_string()))
}

/// The halt in force of a release, for whoever looks at it: what keeps it from
/// beginning anything more. Nothing of a release that has ended.
pub fn halt_in_force(head: &Head, controls: &Controls) -> Option<Halted> {
    let cause = head.trigger.as_ref().and_then(|trigger| trigger.cause);
    let found = halted(head, controls, cause == Some(Cause::Rollback));
    found.filter(|_| !head.status.has_ended())
}

fn halted(head: &Head, controls: &Controls, rollback: bool) -> Option<Halted> {
    if let Some(said) = &head.halted {
        return Some(Halted {
            of: Target::Release(head.release.clone()),
            said: said.clone(),
        });
    }
    let halt = controls.halted(&head.pipeline).filter(|_| !rollback)?;
    let of = halt.pipeline.clone().map_or(Target::All, Target::Pipeline);
    Some(Halted {
        of,
        said: halt.said.clone(),
    })
}

/// Why a release may not begin its next step, if it may not: a halt, or, before a
/// change of an `environment`, a freeze that stops deploys which are under way.
/// Nothing stops what undoes a change.
pub fn may_go_on(
    head: &Head,
    controls: &Controls,
    rollback: bool,
    changes: Option<&EnvironmentName>,
    now: Timestamp,
) -> Result<(), (ErrorName, String)> {
    if let Some(stop) = stops(head, controls, rollback) {
        return Err(stop);
    }
    let Some(environment) = changes.filter(|place| head.glass_in(place).is_none()) else {
        return Ok(());
    };
    match controls.frozen(&head.pipeline, environment, rollback, now) {
        Err(unreadable) => Err((
            ErrorName::Frozen,
            format!("nobody can tell whether {environment} is frozen: {unreadable}"),
        )),
        Ok(frozen) => {
            let stopping = frozen
                .into_iter()
                .find(|frozen| frozen.freeze.running == UnderWay::Stop);
            stopping.map_or(Ok(()), |frozen| {
                let (number, said) = (frozen.freeze.number, &frozen.freeze.said);
                let why = format!(
                    "freeze {number} of {} stops deploys that are under way, until {:.0}: {}",
                    said.by, frozen.until, said.reason
                );
                Err((ErrorName::Frozen, why))
            })
        }
    }
}
