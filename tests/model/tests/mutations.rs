//! Each rule is broken once: the check must notice, and under the right name.
//! What passes whatever the rules say would prove nothing.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a test says what is wrong by panicking, and what was found"
)]

use gatewright_model::{Bounds, Rules, World};
use stateright::{Checker, HasDiscoveries, Model};

/// Asserts that these rules, within these bounds, break the property.
fn breaks(property: &'static str, rules: Rules, bounds: Bounds) {
    let world = World { rules, bounds };
    let found = HasDiscoveries::AnyOf([property].into());
    let checker = world
        .checker()
        .threads(2)
        .finish_when(found)
        .spawn_bfs()
        .join();
    let path = checker.discovery(property).expect("a counterexample");
    println!("{property} ({} states seen):", checker.unique_state_count());
    for action in path.into_actions() {
        println!("  {action:?}");
    }
}

const CALM: Bounds = Bounds {
    rollback: false,
    ..Bounds::CALM
};

#[test]
fn a_lock_that_is_ignored() {
    let rules = Rules {
        lock: false,
        ..Rules::ALL
    };
    breaks("one changer", rules, CALM);
}

#[test]
fn a_dead_release_that_goes_on_recording() {
    let rules = Rules {
        fencing: false,
        heal_ends: false,
        ..Rules::ALL
    };
    let bounds = Bounds { stops: 1, ..CALM };
    breaks("nothing is recorded without the lock", rules, bounds);
}

#[test]
fn an_approval_of_whatever_there_is() {
    let rules = Rules {
        approval_binds: false,
        ..Rules::ALL
    };
    let bounds = Bounds { changes: 1, ..CALM };
    breaks("only what was approved is deployed", rules, bounds);
}

#[test]
fn transactions_without_conditions() {
    let rules = Rules {
        conditions: false,
        ..Rules::ALL
    };
    let bounds = Bounds { stalls: 1, ..CALM };
    breaks("one changer", rules, bounds);
    breaks("an end is an end", rules, Bounds { stops: 1, ..bounds });
    let bounds = Bounds { holds: 1, ..bounds };
    breaks("a hold keeps newcomers out", rules, bounds);
}

#[test]
fn a_dead_release_that_nobody_looks_for() {
    let rules = Rules {
        silent: false,
        ..Rules::ALL
    };
    let bounds = Bounds {
        stops: 1,
        lost: true,
        ..CALM
    };
    breaks("every release ends", rules, bounds);
}

#[test]
fn a_dead_holder_that_nobody_looks_for() {
    let rules = Rules {
        heal: false,
        silent: false,
        ..Rules::ALL
    };
    let bounds = Bounds {
        stops: 1,
        lost: true,
        ..CALM
    };
    breaks("nobody keeps the lock for good", rules, bounds);
}

#[test]
fn a_lock_that_is_taken_from_the_dead_without_ending_them() {
    let rules = Rules {
        heal_ends: false,
        ..Rules::ALL
    };
    let bounds = Bounds { stops: 1, ..CALM };
    breaks("one changer", rules, bounds);
    breaks("the record tells what runs", rules, bounds);
}

#[test]
fn a_lock_that_is_given_up_before_its_builds_are_stopped() {
    let rules = Rules {
        stop_first: false,
        ..Rules::ALL
    };
    let bounds = Bounds {
        stops: 1,
        ..Bounds::CALM
    };
    breaks("one changer", rules, bounds);
}

#[test]
fn what_was_taken_back_and_released_again() {
    let rules = Rules {
        taken_back: false,
        ..Rules::ALL
    };
    let bounds = Bounds {
        again: true,
        ..Bounds::CALM
    };
    breaks(
        "what was taken back does not return by itself",
        rules,
        bounds,
    );
}

#[test]
fn a_change_that_never_began_and_is_undone() {
    let rules = Rules {
        began: false,
        ..Rules::ALL
    };
    let bounds = Bounds { halts: 1, ..CALM };
    breaks("only what was put there is taken back", rules, bounds);
}

#[test]
fn a_rollback_of_something_else_than_was_seen() {
    let rules = Rules {
        still_runs: false,
        ..Rules::ALL
    };
    breaks(
        "a rollback changes what its requester saw",
        rules,
        Bounds::CALM,
    );
}

#[test]
fn a_hold_that_nobody_heeds() {
    let rules = Rules {
        hold: false,
        ..Rules::ALL
    };
    let bounds = Bounds { holds: 1, ..CALM };
    breaks("a hold keeps newcomers out", rules, bounds);
}

#[test]
fn a_dirty_end_without_a_hold() {
    let rules = Rules {
        dirty_holds: false,
        ..Rules::ALL
    };
    breaks("a dirty end leaves a hold", rules, CALM);
    breaks("the record tells what runs", rules, CALM);
}

#[test]
fn builds_and_waits_that_nobody_gives_up() {
    let rules = Rules {
        gives_up: false,
        ..Rules::ALL
    };
    breaks("every release ends", rules, CALM);
}
