//! Fakes for tests of handlers. They *evaluate conditions* and can be told to
//! fail at any write, so that a test can crash a function everywhere and see
//! that doing it again is right. They never just say yes.

mod metrics;
mod registry;
mod services;
mod table;

pub use metrics::FakeMetrics;
pub use registry::FakeRegistry;
pub use services::{
    FakeBuilds, FakeChat, FakeExecutions, FakePager, FakeTasks, FakeTopic, FixedClock,
};
pub use table::MemoryTable;

use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;

/// The definition of the GPS ingestion service, as it is committed.
///
/// # Panics
/// When it does not read.
pub fn definition() -> Definition {
    let text = include_str!("../../../pipelines/pl-gps-001.yaml");
    match gatewright_compiler::source::read("pl-gps-001.yaml", text, Some(&directory())) {
        Ok(read) => read.definition,
        Err(error) => panic!("{error}"),
    }
}

/// The people of `pipelines/approvers.yaml`.
///
/// # Panics
/// When it does not read.
pub fn directory() -> Directory {
    let text = include_str!("../../../pipelines/approvers.yaml");
    match gatewright_compiler::source::read_directory("approvers.yaml", text) {
        Ok(directory) => directory,
        Err(error) => panic!("{error}"),
    }
}
