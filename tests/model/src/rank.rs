//! Why runs end: everything that happens moves something forward for good.
//!
//! Each step of the model raises this number, so there is no way round in a circle
//! and every run comes to a state in which nothing happens by itself. What such a
//! state must look like is a property.

use crate::state::{Build, Record, Release, Request, State, Status, Wait};

/// How far a state is.
pub fn rank(state: &State) -> u32 {
    let used = &state.used;
    let happened = [
        used.stalls,
        used.stalls_over,
        used.stops,
        used.holds,
        used.unholds,
        used.halts,
        used.resumes,
        used.changes,
        used.unnoted,
        used.lifts,
    ];
    let happened: u32 = happened.into_iter().map(u32::from).sum();
    let free = u32::from(state.lock.holder.is_none());
    let hands = 2 * u32::from(state.lock.fencing) + free;
    let releases: u32 = state.releases.iter().map(of_release).sum();
    happened + hands + releases
}

fn of_release(release: &Release) -> u32 {
    let status = match release.status {
        None => 0,
        Some(Status::Running) => 1,
        // What it waited for does not matter any more.
        Some(Status::Succeeded | Status::FailedClean | Status::FailedDirty) => 3,
    };
    let request = match release.request {
        Request::None => 0,
        Request::Open(_) => 1,
        Request::Approved(_) | Request::Closed => 2,
    };
    let wait = match release.wait {
        Wait::None => 0,
        Wait::Waiting => 1,
        Wait::Answered { .. } => 2,
    };
    let records = release.records.iter().map(|record| match record {
        Record::None => 0,
        Record::Running { noted: false, .. } => 1,
        Record::Running { noted: true, .. } => 2,
        Record::Passed | Record::Failed { .. } => 3,
    });
    let builds = release.builds.iter().map(|build| match build {
        Build::None => 0,
        Build::Running(_) => 1,
        Build::Passed | Build::Failed => 2,
    });
    let verified = u32::from(release.verified.is_some());
    let parts: u32 = records.chain(builds).sum();
    release.exec as u32 + status + request + wait + verified + parts
}
