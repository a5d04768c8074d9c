//! The decisions: synchronous total functions over owned snapshots. Unhealthy is
//! a value; an `Err` elsewhere means that we could not know. Unknown never
//! promotes.

mod admit;
mod answer;
mod build;
mod clear;
mod finish;
mod obstacle;
mod promotion;
mod scan;
mod steer;
mod turn;
pub mod undo;
mod watch;

pub use admit::{Admission, admit};
pub use answer::{Outcome, Refusal, answer};
pub use build::{StageVerdict, judge_build};
pub use clear::{ClearSnapshot, Clearance, Origin, clear};
pub use finish::{Ending, Unproven, ending, in_doubt, unproven};
pub use obstacle::{Obstacle, are_like};
pub use promotion::{Promotion, unpassed};
pub use scan::{ScanSeen, ScanVerdict, judge_scan};
pub use steer::{halt_in_force, may_go_on, stops};
pub use watch::{Sample, Samples, WatchSeen, Window, judge_watch};
