//! What each function decides on what it reads: the transaction that it is going
//! to write. Nothing here changes anything.

use crate::real::{self, Cleared};
use crate::rules::Rules;
use crate::state::{Build, Deployed, Exec, Kind, Record, Rel, Request, State, Status, Wait, Why};
use crate::table::{Item, Plan, Write};
use crate::undo;

/// `clear-deploy`, and whoever decides again for one that waits: `hand_on`, the
/// sweep.
pub fn clear(state: &State, rules: Rules, rel: Rel) -> Option<Plan> {
    let release = state.of(rel);
    let asked = release.exec == Exec::Clearing && release.wait == Wait::None;
    if !release.goes_on() || !(asked || release.wait == Wait::Waiting) {
        return None;
    }
    match cleared(state, rules, rel) {
        Cleared::Now(lock) => Some(
            answered(state, rel, true)
                .on(Item::Lock)
                .on(Item::Controls)
                .write(Write::Lock(lock)),
        ),
        Cleared::Never(why) => Some(answered(state, rel, false).write(Write::Refused(rel, why))),
        // It waits already, and nothing is new.
        Cleared::Later { .. } if release.wait == Wait::Waiting => None,
        Cleared::Later { .. } => Some(
            Plan::of(rel)
                .write(Write::Queue(rel))
                .write(Write::Wait(rel, Wait::Waiting)),
        ),
    }
}

/// What the product's `clear` says, or would say if a rule were missing.
pub fn cleared(state: &State, rules: Rules, rel: Rel) -> Cleared {
    let mut seen = state.clone();
    if !rules.lock {
        seen.lock.holder = None;
        seen.queue.clear();
    }
    if !rules.hold {
        seen.lock.hold = false;
    }
    if !rules.approval_binds
        && let Request::Approved(_) = seen.of(rel).request
    {
        seen.of_mut(rel).request = Request::Approved(seen.of(rel).evidence);
    }
    if !rules.taken_back {
        seen.taken_back = 0;
    }
    if !rules.still_runs
        && let Some(current) = state.current()
    {
        seen.of_mut(rel).saw = current.version_of();
    }
    let status = state.of(rel).status.unwrap_or(Status::Running);
    match real::clear(&seen, rel, status) {
        Cleared::Now(lock) => Cleared::Now(crate::state::Lock {
            hold: state.lock.hold,
            ..lock
        }),
        other => other,
    }
}

/// Answers the wait for the environment, and takes the release out of the queue.
fn answered(state: &State, rel: Rel, yes: bool) -> Plan {
    let waited = state.of(rel).wait == Wait::Waiting;
    let plan = Plan::of(rel)
        .write(Write::Wait(rel, Wait::Answered { yes, waited }))
        .write(Write::Unqueue(rel));
    match waited {
        true => plan.on(Item::Wait(rel)),
        false => plan,
    }
}

/// The sweep gives up a wait for the environment that has lasted too long, without
/// looking at what it would say now.
pub fn expire(state: &State, rules: Rules, rel: Rel) -> Option<Plan> {
    let release = state.of(rel);
    let waits = release.wait == Wait::Waiting && release.goes_on();
    (rules.gives_up && waits)
        .then(|| answered(state, rel, false).write(Write::Refused(rel, Why::Expired)))
}

/// The stage that the execution is in, if it is one that changes the environment.
pub fn stage(exec: Exec) -> Option<Kind> {
    match exec {
        Exec::Deploying => Some(Kind::Deploy),
        Exec::Undoing => Some(Kind::Undo),
        Exec::Not
        | Exec::Approving
        | Exec::Clearing
        | Exec::Verifying
        | Exec::Finishing
        | Exec::Stopped => None,
    }
}

/// `start-build`'s transaction: the attempt begins, under the lock; or why there
/// is none.
///
/// # Errors
/// Why the state fails, without a record.
pub fn begin(state: &State, rules: Rules, rel: Rel) -> Option<Result<Plan, Why>> {
    let release = state.of(rel);
    let kind = stage(release.exec)?;
    if !release.goes_on() || release.records[kind as usize] != Record::None {
        return None;
    }
    if kind == Kind::Deploy && !real::goes_on(state, rel) {
        return Some(Err(Why::Halted));
    }
    if rules.fencing && state.lock.holder != Some(rel) {
        return Some(Err(Why::LockLost));
    }
    if kind == Kind::Undo && rules.began && release.records[0] == Record::None {
        return Some(Err(Why::Refused));
    }
    let what = match kind {
        Kind::Deploy => release.evidence,
        Kind::Undo => undo::ran_before(state, rel)?.version,
    };
    let begins = Plan::of(rel).on(Item::Record(rel, kind)).on(Item::Controls);
    let begins = match rules.fencing {
        true => begins.on(Item::Lock),
        false => begins,
    };
    let record = Record::Running { what, noted: false };
    Some(Ok(begins.write(Write::Record(rel, kind, record))))
}

/// The last moment of a rollback by hand, before its build is ordered: it must
/// change what its requester saw.
pub fn moved_on(state: &State, rules: Rules, rel: Rel) -> bool {
    rules.still_runs && rel.is_rollback() && !real::still_runs(state, state.of(rel).saw)
}

/// A build that will never be judged.
pub fn fail(state: &State, rel: Rel, kind: Kind, why: Why) -> Option<Plan> {
    let Record::Running { noted, .. } = state.of(rel).records[kind as usize] else {
        return None;
    };
    let failed = Record::Failed { why, noted };
    Some(
        Plan::of(rel)
            .on(Item::Record(rel, kind))
            .write(Write::Record(rel, kind, failed)),
    )
}

/// `finish-build`, and the sweep: a build that is over, judged. Nothing for one
/// that was judged before, or whose id nobody has noted.
pub fn settle(state: &State, rules: Rules, rel: Rel, kind: Kind) -> Option<Plan> {
    let release = state.of(rel);
    let Record::Running { noted: true, .. } = release.records[kind as usize] else {
        return None;
    };
    if !release.goes_on() {
        return None;
    }
    match release.builds[kind as usize] {
        Build::None | Build::Running(_) => None,
        Build::Failed => fail(state, rel, kind, Why::Build),
        Build::Passed => pass(state, rules, rel, kind),
    }
}

/// A change that has passed is what the environment runs, if the lock is still
/// the release's own.
fn pass(state: &State, rules: Rules, rel: Rel, kind: Kind) -> Option<Plan> {
    if rules.fencing && state.lock.holder != Some(rel) {
        return fail(state, rel, kind, Why::LockLost);
    }
    if moved_on(state, rules, rel) {
        return fail(state, rel, kind, Why::MovedOn);
    }
    let version = match kind {
        Kind::Deploy => state.of(rel).evidence,
        Kind::Undo => undo::ran_before(state, rel)?.version,
    };
    let restored = match kind {
        Kind::Deploy => rel.is_rollback().then_some(state.of(rel).to),
        Kind::Undo => undo::ran_before(state, rel).map(Deployed::version_of),
    };
    let deployed = Deployed {
        by: rel,
        version,
        restored,
    };
    let mut plan = Plan::of(rel)
        .on(Item::Record(rel, kind))
        .write(Write::Record(rel, kind, Record::Passed))
        .write(Write::Deployed(deployed));
    if restored.is_some() {
        for bad in undo::replaced(state, rel, version) {
            plan = plan.write(Write::TakenBack(bad));
        }
    }
    if rules.fencing {
        plan = plan.on(Item::Lock);
    }
    // A rollback's deploy is its last stage there, and makes it known again.
    if rel.is_rollback()
        && let Some(free) = real::released(state.lock, rel)
    {
        plan = plan.write(Write::Lock(real::known(free)));
    }
    Some(plan)
}

/// The test after the deploy, under the lock that the deploy had; the last stage in
/// the environment gives it back.
pub fn verify(state: &State, rules: Rules, rel: Rel, passed: bool) -> Option<Plan> {
    let release = state.of(rel);
    if release.exec != Exec::Verifying || release.verified.is_some() || !release.goes_on() {
        return None;
    }
    let held = !rules.fencing || state.lock.holder == Some(rel);
    let passed = passed && held;
    let plan = Plan::of(rel).write(Write::Verified(rel, passed));
    Some(match real::released(state.lock, rel).filter(|_| passed) {
        Some(free) => plan.on(Item::Lock).write(Write::Lock(free)),
        None => plan,
    })
}

/// `finish-release`: judges what has come to its end, then ends the release.
pub fn finish(state: &State, rules: Rules, rel: Rel) -> Option<Plan> {
    let release = state.of(rel);
    if !release.goes_on() {
        return None;
    }
    let over = Kind::ALL
        .into_iter()
        .find_map(|kind| settle(state, rules, rel, kind));
    if over.is_some() {
        return over;
    }
    let caught = release.caught || !release.exec.is_running();
    let (status, dirty) = real::ending(state, rel, caught);
    let mut plan = Plan::of(rel)
        .write(Write::Status(rel, status))
        .write(Write::Unqueue(rel));
    let free = real::released(state.lock, rel);
    if dirty && rules.dirty_holds {
        let lock = real::doubted(free.unwrap_or(state.lock), rel);
        plan = plan.on(Item::Lock).write(Write::Lock(lock));
    } else if let Some(free) = free {
        plan = plan.on(Item::Lock).write(Write::Lock(free));
    }
    if release.wait == Wait::Waiting {
        plan = plan.on(Item::Wait(rel)).write(Write::Wait(rel, Wait::None));
    }
    if let Request::Open(_) = release.request {
        plan = plan
            .on(Item::Request(rel))
            .write(Write::Request(rel, Request::Closed));
    }
    Some(plan)
}

/// The sweep, of a lock whose lease has run out: a living holder keeps it, a dead
/// one's release ends, and what has ended has no lock.
pub fn heal(state: &State, rules: Rules) -> Option<Plan> {
    let holder = state.lock.holder.filter(|_| rules.heal)?;
    let release = state.of(holder);
    if release.goes_on() && release.exec.is_running() {
        return None;
    }
    if release.goes_on() && rules.heal_ends {
        return finish(state, rules, holder);
    }
    let free = real::released(state.lock, holder)?;
    Some(Plan::of(holder).on(Item::Lock).write(Write::Lock(free)))
}

/// A person keeps the environment from newcomers, or gives it back: what a person
/// holds first, then what a release left unknown.
pub fn hold(state: &State, give_back: bool) -> Option<Plan> {
    let lock = match (state.lock.hold, state.lock.doubts > 0, give_back) {
        (true, _, false) | (false, false, true) => return None,
        (false, _, false) => real::held(state.lock),
        (true, _, true) => real::unheld(state.lock),
        (false, true, true) => real::known(state.lock),
    };
    // The orders' ledger is one item, and every order writes it.
    let order = Plan::default()
        .on(Item::Controls)
        .write(Write::Halted(state.halted));
    Some(order.on(Item::Lock).write(Write::Lock(lock)))
}
