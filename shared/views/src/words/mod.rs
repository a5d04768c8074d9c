//! Plain sentences for what is recorded: the same ones on pages, in Slack, in
//! mails and in the CLI. They are single lines without control characters, so
//! that they are harmless on a terminal; pages and Slack escape them on top.

mod fact;
mod helps;
mod obstacle;
mod undo;
mod watch;

pub use fact::fact;
pub use helps::{ended, ending, failure, helps, refusal, what_failed};
pub use obstacle::{halt_means, halted, obstacle, obstacles, resumes, too_early};
pub use undo::{careful, flag};
pub use watch::{asked_about, measured, watch_outcome};

use crate::text::line;
use gatewright_domain::approval::{Choice, State, Via};
use gatewright_domain::release::{StageStatus, Status};
use gatewright_domain::trigger::Ref;

/// Where a release stands, for people.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Succeeded => "succeeded",
        Status::FailedClean => "ended early, nothing is left half changed",
        Status::FailedDirty => "ended early, a human must look",
    }
}

/// Where an attempt at a stage stands, for people.
pub fn stage_status(status: StageStatus) -> &'static str {
    match status {
        StageStatus::Running => "running",
        StageStatus::Scanning => "waiting for its scan",
        StageStatus::Passed => "passed",
        StageStatus::Failed => "failed",
    }
}

/// Where a request for approval stands, in a word.
pub fn request_state(state: &State) -> &'static str {
    match state {
        State::Open => "open",
        State::Approved { .. } => "approved",
        State::Rejected { .. } => "rejected",
        State::Closed { .. } => "closed",
    }
}

/// What somebody did: `approved` or `rejected`.
pub fn choice(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approved",
        Choice::Reject => "rejected",
    }
}

/// How a decision reached us.
pub fn via(via: Via) -> &'static str {
    match via {
        Via::Page => "on the page behind a personal link",
        Via::Slack => "in Slack",
        Via::Cli => "on the command line",
    }
}

/// A ref as people say it: `branch main`, `tag v1.2.3`.
pub fn reference(full: &str) -> String {
    Ref::parse(full).map_or_else(|| line(full), |known| line(&known.to_string()))
}

/// `text` with one full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', '…']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}
