//! What happens outside of the table: machines go on, builds are ordered and end.

use super::World;
use crate::calls;
use crate::properties;
use crate::real;
use crate::state::{Build, Exec, Kind, Record, Rel, Request, State, Status, Wait, Why};
use crate::undo;

/// The machine goes on from a stage that has failed.
pub(super) fn failed(mut state: State, rel: Rel, why: Why) -> State {
    let release = state.of_mut(rel);
    release.caught = true;
    release.refused = Some(why);
    release.exec = match release.exec {
        Exec::Deploying | Exec::Verifying if !rel.is_rollback() => Exec::Undoing,
        _ => Exec::Finishing,
    };
    state
}

pub(super) fn stop_builds(state: &mut State, rel: Rel) {
    for kind in Kind::ALL {
        let release = state.of_mut(rel);
        let noted = matches!(
            release.records[kind as usize],
            Record::Running { noted: true, .. } | Record::Failed { noted: true, .. }
        );
        if noted && matches!(release.builds[kind as usize], Build::Running(_)) {
            release.builds[kind as usize] = Build::Failed;
            state.real = None;
        }
    }
}

pub(super) fn start(state: &State, rel: Rel) -> Option<State> {
    let mut next = state.clone();
    let release = next.of_mut(rel);
    if release.exec != Exec::Not {
        return None;
    }
    release.status = Some(Status::Running);
    if rel.is_rollback() {
        let target = undo::target(state)?;
        release.evidence = target.version;
        release.to = target.version_of();
        release.saw = state.current()?.version_of();
        release.exec = Exec::Clearing;
    } else {
        release.request = Request::Open(release.evidence);
        release.exec = Exec::Approving;
    }
    Some(next)
}

/// An answer resumes the execution; a second one finds nobody.
pub(super) fn deliver(state: &State, rel: Rel) -> Option<State> {
    let mut next = state.clone();
    let release = next.of_mut(rel);
    let verdict = match (release.exec, release.request, release.wait) {
        (Exec::Approving, Request::Approved(_), _) => true,
        (Exec::Approving, Request::Closed, _) => false,
        (Exec::Clearing, _, Wait::Answered { yes, .. }) => yes,
        (Exec::Verifying, _, _) => release.verified?,
        (Exec::Deploying | Exec::Undoing, _, _) => {
            match release.records[calls::stage(release.exec)? as usize] {
                Record::None | Record::Running { .. } => return None,
                Record::Passed => true,
                Record::Failed { .. } => false,
            }
        }
        _ => return None,
    };
    release.caught |= !verdict;
    release.exec = match (release.exec, verdict) {
        (Exec::Approving, true) => Exec::Clearing,
        (Exec::Clearing, true) => Exec::Deploying,
        (Exec::Deploying, true) if !rel.is_rollback() => Exec::Verifying,
        (Exec::Deploying | Exec::Verifying, false) if !rel.is_rollback() => Exec::Undoing,
        _ => Exec::Finishing,
    };
    Some(next)
}

/// `start-build` after its transaction: CodeBuild is asked, by an idempotency
/// token, and the id is noted.
pub(super) fn order(world: &World, state: &State, rel: Rel, noted: bool) -> Option<State> {
    let mut next = state.clone();
    let kind = calls::stage(state.of(rel).exec)?;
    let Record::Running { what, noted: false } = state.of(rel).records[kind as usize] else {
        return None;
    };
    if calls::moved_on(state, world.rules, rel) {
        let plan = calls::fail(state, rel, kind, Why::MovedOn)?;
        world.write(&mut next, &plan);
        return Some(next);
    }
    let known = state.of(rel).builds[kind as usize];
    // A start that is taken up asks anew what people have ordered.
    if known != Build::None && kind == Kind::Deploy && !real::goes_on(state, rel) {
        return Some(failed(next, rel, Why::Halted));
    }
    if !noted {
        next.used.unnoted += 1;
        if known != Build::None {
            return None;
        }
    }
    if known == Build::None {
        next.of_mut(rel).builds[kind as usize] = Build::Running(what);
        next.real = None;
        properties::begun(&mut next, rel, kind, what);
    }
    let record = Record::Running { what, noted };
    next.of_mut(rel).records[kind as usize] = record;
    Some(next)
}

pub(super) fn end(state: &State, rel: Rel, kind: Kind, passed: bool) -> Option<State> {
    let mut next = state.clone();
    let Build::Running(what) = state.of(rel).builds[kind as usize] else {
        return None;
    };
    let build = if passed { Build::Passed } else { Build::Failed };
    next.of_mut(rel).builds[kind as usize] = build;
    next.real = passed.then_some(what);
    Some(next)
}

/// A build beyond its deadline: stopped when its id is known, and given up.
pub(super) fn give_up(world: &World, state: &State, rel: Rel, kind: Kind) -> Option<State> {
    let release = state.of(rel);
    let Record::Running { noted, .. } = release.records[kind as usize] else {
        return None;
    };
    let build = release.builds[kind as usize];
    let hangs = !noted || matches!(build, Build::Running(_));
    if !world.rules.gives_up || !hangs || !release.goes_on() {
        return None;
    }
    let plan = calls::fail(state, rel, kind, Why::BuildLost)?;
    let mut next = state.clone();
    if noted {
        next.of_mut(rel).builds[kind as usize] = Build::Failed;
        next.real = None;
    }
    world.write(&mut next, &plan);
    Some(next)
}
