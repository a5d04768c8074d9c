//! The pure core of Gatewright: what a release *is* and what may happen next.
//!
//! Nothing here performs I/O, reads a clock, draws a random number or looks at
//! the environment. Decisions are total functions over owned snapshots; they
//! return a verdict *with its reasons*. `make lint` holds the crate to that by
//! refusing tokio and every `aws-*` crate in its dependency tree.

pub mod approval;
pub mod calendar;
pub mod canonical;
pub mod control;
pub mod decide;
pub mod decimal;
pub mod error_name;
pub mod evidence;
pub mod exported;
pub mod gate;
pub mod given;
pub mod ids;
pub mod ledger;
pub mod lock;
pub mod order;
pub mod people;
pub mod pipeline;
pub mod release;
pub mod retention;
pub mod text;
pub mod trigger;
pub mod undo;
pub mod wait;

pub use canonical::{Digest, canonical_json};
pub use decimal::Decimal;
pub use error_name::ErrorName;
pub use ids::{CommitSha, EnvironmentName, GroupName, PersonId, PipelineId, ReleaseId, StageName};

/// A point in time, UTC, as everywhere in records: RFC 3339 in JSON.
pub type Timestamp = jiff::Timestamp;

/// `at` moved by `seconds` (negative: earlier), held inside the range that a
/// timestamp can express instead of overflowing.
pub fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(if seconds < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
}
