//! Going back: what `steps::undo` records, and what `admit-release` gives a
//! rollback. The decisions themselves are the product's, in [`real`].

use crate::real;
use crate::state::{Deployed, Record, Rel, State, Version};

/// Whether a version was taken back from the environment and not lifted since.
pub fn stays_back(state: &State, version: Version) -> bool {
    state.taken_back & version.bit() != 0
}

/// What ran before `rel` changed the environment: what the newest deployment by
/// another release put there.
pub fn ran_before(state: &State, rel: Rel) -> Option<&Deployed> {
    state.deployed.iter().rev().find(|d| d.by != rel)
}

/// What a rollback by hand that is asked for now goes back to.
pub fn target(state: &State) -> Option<Deployed> {
    real::target(state)
}

/// The versions that stay back once `version` runs again: of a release that undid
/// itself its own; of a rollback by hand what ran, and what was left half deployed.
pub fn replaced(state: &State, rel: Rel, version: Version) -> Vec<Version> {
    let mut bad: Vec<Version> = Vec::new();
    if rel.is_rollback() {
        let half = Rel::MOVING
            .iter()
            .filter(|rel| state.lock.doubts & rel.bit() != 0 && !rel.is_rollback())
            .map(|rel| state.of(*rel))
            .filter(|release| release.records[0] != Record::None);
        bad.extend(half.map(|release| release.evidence));
        bad.extend(state.current().map(|d| d.version));
    } else {
        bad.push(state.of(rel).evidence);
    }
    bad.retain(|one| *one != version);
    bad.dedup();
    bad
}
