//! The laptop stack, and a release on it from beginning to end.

pub mod demo;
pub mod metric;
pub mod up;

mod approver;
mod inbox;
mod outcome;
mod root;
mod stop;
