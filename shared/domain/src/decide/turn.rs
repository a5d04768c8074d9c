//! Whose turn an environment is: who has it, who comes first, and who came too
//! late.

use crate::decide::ClearSnapshot;
use crate::decide::clear::Reason;
use crate::decide::obstacle::Obstacle;
use crate::evidence::ArtifactEvidence;
use crate::lock::{Waiting, in_turn};
use crate::pipeline::Queue;
use crate::release::{Deployment, digest_of};
use crate::{ErrorName, Timestamp};

/// Whether a newer release runs there already, or waits where the newest wins. To
/// go back is a rollback's, who says so; in an environment that needs no approval
/// and takes each in its turn, branches overtake each other all day.
pub(super) fn superseded(seen: &ClearSnapshot, artifacts: &[ArtifactEvidence]) -> Option<Reason> {
    let (ordered, newest) = match seen.queue {
        Queue::InOrder => (seen.protected, false),
        Queue::Newest => (true, true),
    };
    // Whoever has begun to change the environment does not give way half way.
    let begun = seen.lock.is_held_by(&seen.head.release);
    if seen.rollback || !ordered || begun {
        return None;
    }
    let mine = seen.head.number?;
    let newer = |number: Option<u64>| number.is_some_and(|number| number > mine);
    let mut waiting = seen.waiting.iter().filter(|_| newest);
    let waits = waiting.find(|w| !w.rollback && newer(w.number));
    let another = |d: &&Deployment| d.digest() != digest_of(artifacts);
    let runs = seen
        .current
        .as_ref()
        .filter(|d| d.restored.is_none() && newer(d.number))
        .filter(another);
    let place = &seen.environment;
    let why = match (runs, waits) {
        (Some(deployment), _) => {
            format!("{place} runs {} already, which is newer", deployment.title)
        }
        (None, Some(waiting)) => {
            let number = waiting.number.unwrap_or_default();
            format!("#{number} is newer and waits for {place} too")
        }
        (None, None) => return None,
    };
    Some((ErrorName::Superseded, why))
}

/// The lock, the hold and the queue, as far as they are in the way.
pub(super) fn in_others_hands(seen: &ClearSnapshot) -> Vec<Obstacle> {
    let mut found = Vec::new();
    let mine = &seen.head.release;
    // A hold keeps newcomers out; whoever has the lock already goes on.
    let begun = seen.lock.is_held_by(mine);
    if let Some(hold) = seen.lock.hold.as_ref().filter(|_| !begun) {
        found.push(Obstacle::Hold {
            by: hold.by.clone(),
            reason: hold.reason.clone(),
            since: hold.since,
        });
    }
    // A rollback is how an environment that nobody knows becomes known again.
    let doubts = seen.lock.doubts.iter().filter(|_| !seen.rollback);
    found.extend(doubts.map(|doubt| Obstacle::Doubt {
        release: doubt.release.clone(),
        reason: doubt.reason.clone(),
        since: doubt.since,
    }));
    match &seen.lock.holder {
        Some(_) if begun => return found,
        Some(holder) => found.push(Obstacle::Lock {
            holder: holder.release.clone(),
        }),
        None => {}
    }
    let me = Waiting {
        release: mine.clone(),
        index: seen.index,
        since: Timestamp::MAX,
        number: seen.head.number,
        rollback: seen.rollback,
        queue: seen.queue,
    };
    let mut line = seen.waiting.clone();
    if !line.iter().any(|w| &w.release == mine) {
        line.push(me);
    }
    if let Some(first) = in_turn(line).first().filter(|w| &w.release != mine) {
        found.push(Obstacle::Queue {
            behind: first.release.clone(),
        });
    }
    found
}
