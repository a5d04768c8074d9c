//! The product's rules hold, in every run within the bounds.

#![expect(clippy::print_stdout, reason = "what was explored is worth knowing")]

use gatewright_model::{Bounds, World};
use stateright::{Checker, Model};

fn holds(name: &str, bounds: Bounds) {
    let checker = World::new(bounds).checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, {} steps deep",
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

#[test]
fn nothing_goes_wrong_but_builds_and_answers() {
    holds("calm", Bounds::CALM);
}

#[test]
fn the_same_digest_is_released_again() {
    let again = true;
    holds(
        "again",
        Bounds {
            again,
            lifts: 1,
            ..Bounds::CALM
        },
    );
}

#[test]
fn a_person_holds_and_an_execution_is_stopped_without_anybody_being_told() {
    holds(
        "hold and lost",
        Bounds {
            holds: 1,
            stops: 1,
            lost: true,
            ..Bounds::CALM
        },
    );
}

#[test]
#[ignore = "68 million states, 10 GB: `make test-long`"]
fn two_releases_a_rollback_a_hold_a_crash_and_a_lost_event() {
    holds(
        "together",
        Bounds {
            stalls: 1,
            holds: 1,
            stops: 1,
            lost: true,
            ..Bounds::CALM
        },
    );
}

#[test]
fn a_call_writes_after_others_have() {
    holds(
        "stall",
        Bounds {
            stalls: 1,
            ..Bounds::CALM
        },
    );
}

#[test]
fn a_start_dies_before_it_notes_its_build() {
    holds(
        "unnoted",
        Bounds {
            unnoted: 1,
            ..Bounds::CALM
        },
    );
}

#[test]
fn a_start_dies_and_a_halt_comes_before_it_is_taken_up() {
    holds(
        "unnoted and halt",
        Bounds {
            unnoted: 1,
            halts: 1,
            rollback: false,
            ..Bounds::CALM
        },
    );
}

#[test]
fn everything_is_halted_and_evidence_changes() {
    holds(
        "halt",
        Bounds {
            halts: 1,
            changes: 1,
            ..Bounds::CALM
        },
    );
}

#[test]
fn a_call_writes_late_and_an_execution_is_stopped() {
    let bounds = Bounds {
        rollback: false,
        ..Bounds::CALM
    };
    holds(
        "stall and stop",
        Bounds {
            stalls: 1,
            stops: 1,
            ..bounds
        },
    );
}

#[test]
fn a_call_writes_late_and_a_person_holds() {
    let bounds = Bounds {
        rollback: false,
        ..Bounds::CALM
    };
    holds(
        "stall and hold",
        Bounds {
            stalls: 1,
            holds: 1,
            ..bounds
        },
    );
}

#[test]
fn a_dead_release_and_a_build_that_nobody_knows() {
    let bounds = Bounds {
        rollback: false,
        ..Bounds::CALM
    };
    holds(
        "unnoted and stop",
        Bounds {
            unnoted: 1,
            stops: 1,
            ..bounds
        },
    );
}
