//! The stand-ins over HTTP, with real processes, signatures and clocks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should say so and stop"
)]

mod builds;
mod builds_going_wrong;
mod charts;
mod deployments;
mod ecr;
mod influence;
mod infrastructure;
mod manifests;
mod paging;
mod release;
mod slack;
mod stack;
mod system;
mod systems;
mod tools;
