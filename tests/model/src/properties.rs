//! What must always hold, and what must be able to happen for that to mean
//! anything.

use crate::calls;
use crate::state::{
    Build, Exec, Kind, Record, Rel, Release, Request, State, Status, Version, Wait, Why,
};
use crate::step::{Action, Step, World, waits_for_hold};
use crate::undo;
use stateright::{Model, Property};

/// All of them.
pub fn all(world: &World) -> Vec<Property<World>> {
    let mut all = always();
    all.extend(sometimes());
    all.extend(rarely(world));
    all
}

/// Notes what is wrong with a build that has just been started.
pub fn begun(state: &mut State, rel: Rel, kind: Kind, what: Version) {
    let release = state.of(rel);
    let change = kind == Kind::Deploy;
    let asked = change && !rel.is_rollback();
    let unapproved = asked && release.request != Request::Approved(what);
    let runs = state.current().map(|d| d.version_of());
    let moved_on = change && rel.is_rollback() && runs != Some(release.saw);
    let returned = undo::stays_back(state, what);
    state.broken.unapproved |= unapproved;
    state.broken.moved_on |= moved_on;
    state.broken.returned |= returned;
}

/// The releases whose builds change the environment now. Builds that the record
/// cannot know are not among them: their start was cut short, so that their id is
/// lost, and nobody can stop them.
pub fn builds(state: &State) -> impl Iterator<Item = Rel> + '_ {
    let changes = |rel: &Rel| {
        let release = state.of(*rel);
        let runs = |kind: &Kind| matches!(release.builds[*kind as usize], Build::Running(_));
        let mut kinds = Kind::ALL.into_iter();
        kinds.any(|kind| runs(&kind) && !is_orphan(release, kind))
    };
    Rel::MOVING.into_iter().filter(changes)
}

/// Whether a build was started that the record will never know: its stage was
/// given up, or its release has ended, before its id was noted.
fn is_orphan(release: &Release, kind: Kind) -> bool {
    let unknown = match release.records[kind as usize] {
        Record::Failed { noted, .. } => !noted,
        Record::Running { noted, .. } => !noted && release.has_ended(),
        Record::None | Record::Passed => false,
    };
    unknown && release.builds[kind as usize] != Build::None
}

fn orphans(state: &State) -> bool {
    let one = |release: &Release| Kind::ALL.into_iter().any(|kind| is_orphan(release, kind));
    state.releases.iter().any(one)
}

/// Whether somebody who looks would see the environment change, or a change that
/// is not recorded yet.
pub fn is_changing(state: &State) -> bool {
    let unsettled = |release: &Release| {
        let mut pairs = release.records.iter().zip(&release.builds);
        let begun = |(record, build): (&Record, &Build)| {
            matches!(record, Record::Running { .. }) && *build != Build::None
        };
        release.goes_on() && pairs.any(begun)
    };
    builds(state).next().is_some() || state.releases.iter().any(unsettled)
}

/// Whether nothing happens any more unless people or builds do something.
fn is_at_rest(world: &World, state: &State) -> bool {
    let by_itself = |action: &Action| match action {
        Action::Do(Step::Hold(_)) | Action::Stall(_) => false,
        Action::Do(_) | Action::Write | Action::Crash | Action::Deliver(_) => true,
        // A request expires, a build is given up.
        Action::Decide(_, yes) => !yes && world.rules.gives_up,
        Action::Order(_, noted) => *noted,
        Action::GiveUp(..) | Action::StopBuilds(_) => true,
        Action::Start(_)
        | Action::Change(_)
        | Action::End(..)
        | Action::Stop(_)
        | Action::Halt(_)
        | Action::Lift => false,
    };
    let mut actions = Vec::new();
    world.actions(state, &mut actions);
    let mut left = actions.into_iter().filter(by_itself);
    !left.any(|action| world.next_state(state, action).is_some())
}

fn all_ended(state: &State) -> bool {
    let ended = |release: &Release| release.status.is_none() || release.has_ended();
    state.releases.iter().all(ended) && state.queue.is_empty()
}

fn always() -> Vec<Property<World>> {
    vec![
        Property::always("one changer", |_, state| builds(state).count() <= 1),
        Property::always("nothing is recorded without the lock", |_, s: &State| {
            !s.broken.unfenced
        }),
        Property::always("only what was approved is deployed", |_, s: &State| {
            !s.broken.unapproved
        }),
        Property::always("an end is an end", |_, s: &State| !s.broken.revived),
        Property::always(
            "what was taken back does not return by itself",
            |_, s: &State| !s.broken.returned,
        ),
        Property::always("only what was put there is taken back", |_, s: &State| {
            !s.broken.slandered
        }),
        Property::always("a hold keeps newcomers out", |_, s: &State| {
            !s.broken.passed_hold
        }),
        Property::always("a dirty end leaves a hold", |_, s: &State| !s.broken.unheld),
        Property::always(
            "a rollback changes what its requester saw",
            |_, s: &State| !s.broken.moved_on,
        ),
        Property::always("the record tells what runs", |_, s: &State| {
            let settled = s.lock.holder.is_none() && s.lock.doubts == 0;
            let known = s.real.is_some() && s.real == s.current().map(|d| d.version);
            !settled || known || orphans(s)
        }),
        Property::always("every release ends", |world: &World, s: &State| {
            all_ended(s) || !is_at_rest(world, s)
        }),
        Property::always(
            "nobody keeps the lock for good",
            |world: &World, s: &State| s.lock.holder.is_none() || !is_at_rest(world, s),
        ),
    ]
}

fn sometimes() -> Vec<Property<World>> {
    vec![
        Property::sometimes("both releases succeed", |_, s: &State| {
            let done = |rel| s.of(rel).status == Some(Status::Succeeded);
            done(Rel::A) && done(Rel::B)
        }),
        Property::sometimes(
            "a release waits and gets the environment",
            |_, s: &State| {
                s.releases.iter().any(|release| {
                    let yes = Wait::Answered {
                        yes: true,
                        waited: true,
                    };
                    release.wait == yes && release.records[0] == Record::Passed
                })
            },
        ),
        Property::sometimes("a change is undone by itself", |_, s: &State| {
            let undone = |release: &Release| {
                release.records[1] == Record::Passed && release.status == Some(Status::FailedClean)
            };
            s.releases.iter().any(undone)
        }),
        Property::sometimes("a wait expires", |_, s: &State| {
            s.releases.iter().any(|r| r.refused == Some(Why::Expired))
        }),
    ]
}

/// What happens only where something goes wrong; each with the bounds that let it.
fn rarely(world: &World) -> Vec<Property<World>> {
    let bounds = world.bounds;
    let mut some = Vec::new();
    let mut add = |when: bool, name, condition: fn(&World, &State) -> bool| {
        if when {
            some.push(Property::sometimes(name, condition));
        }
    };
    add(
        bounds.rollback,
        "a rollback passes those who wait",
        |_, s: &State| {
            let waits = s.queue.iter().any(|rel| !rel.is_rollback());
            s.lock.holder == Some(Rel::R) && waits
        },
    );
    add(bounds.holds > 0, "a hold delays", |_, s: &State| {
        let waits = |rel: &&Rel| waits_for_hold(s, **rel);
        s.lock.hold && s.queue.iter().any(|rel| waits(&rel))
    });
    add(
        bounds.holds > 0,
        "a person holds what nobody knows",
        |_, s: &State| s.lock.hold && s.lock.doubts > 0,
    );
    add(
        bounds.stalls > 0,
        "a transaction is refused",
        |_, s: &State| s.call.as_ref().is_some_and(|call| call.stale),
    );
    add(
        bounds.stops > 0,
        "a stopped execution ends dirty",
        |_, s: &State| {
            let dirty =
                |r: &Release| r.exec == Exec::Stopped && r.status == Some(Status::FailedDirty);
            s.releases.iter().any(dirty)
        },
    );
    add(
        bounds.stops > 0,
        "a dead release is given the environment",
        |_, s: &State| {
            let holder = s.lock.holder.map(|rel| s.of(rel));
            holder.is_some_and(|r| r.exec == Exec::Stopped && r.records[0] == Record::None)
        },
    );
    add(
        true,
        "an event comes again and changes nothing",
        |world: &World, s: &State| {
            let again = |rel: Rel| {
                let over = matches!(s.of(rel).builds[0], Build::Passed | Build::Failed);
                let judged = matches!(s.of(rel).records[0], Record::Passed | Record::Failed { .. });
                over && judged && calls::settle(s, world.rules, rel, Kind::Deploy).is_none()
            };
            Rel::MOVING.into_iter().any(again)
        },
    );
    add(
        bounds.again && bounds.rollback,
        "what was taken back is refused",
        |_, s: &State| {
            let refused = |r: &Release| {
                r.refused == Some(Why::TakenBack) && r.status == Some(Status::FailedClean)
            };
            s.releases.iter().any(refused)
        },
    );
    add(
        bounds.changes > 0,
        "changed evidence is refused",
        |_, s: &State| {
            let changed = |r: &Release| r.refused == Some(Why::EvidenceChanged);
            s.releases.iter().any(changed)
        },
    );
    add(
        bounds.halts > 0,
        "a halt stops a release",
        |_, s: &State| s.releases.iter().any(|r| r.refused == Some(Why::Halted)),
    );
    add(
        bounds.rollback,
        "a rollback finds that the environment moved on",
        |_, s: &State| s.of(Rel::R).refused == Some(Why::MovedOn),
    );
    add(
        bounds.unnoted > 0,
        "the record cannot know a build",
        |_, s: &State| orphans(s),
    );
    add(
        bounds.lifts > 0,
        "what was allowed again runs",
        |_, s: &State| {
            let again = s
                .deployed
                .iter()
                .rev()
                .any(|d| d.by == Rel::B && d.restored.is_none());
            again && s.used.lifts > 0
        },
    );
    some
}
