//! Switches that make CodeBuild misbehave the ways AWS allows it to.
//!
//! `POST /codebuild/_faults` sets counts; each build or call uses one up.
//! `GET` shows what is left. EventBridge promises delivery at least once and no
//! order, hence the first three.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::sync::locked;

/// How many of the next builds or calls misbehave in which way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CodeBuildFaults {
    /// Builds whose last event is never sent.
    pub drop_events: u32,
    /// Builds all of whose events are sent twice.
    pub duplicate_events: u32,
    /// Builds whose IN_PROGRESS event is sent after their last one.
    pub reorder_events: u32,
    /// Builds that never leave BUILD, until they are stopped or time out.
    pub hang: u32,
    /// Builds that end with FAULT while PROVISIONING.
    pub fault: u32,
    /// API calls answered with `ThrottlingException`.
    pub throttle: u32,
}

/// The faults one build has drawn.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BuildFaults {
    pub(crate) drop_events: bool,
    pub(crate) duplicate_events: bool,
    pub(crate) reorder_events: bool,
    pub(crate) hang: bool,
    pub(crate) fault: bool,
}

/// The switches' state.
#[derive(Debug, Default)]
pub(crate) struct Switches(Mutex<CodeBuildFaults>);

impl Switches {
    /// Replaces every count.
    pub(crate) fn set(&self, faults: CodeBuildFaults) {
        *locked(&self.0) = faults;
    }

    /// What is left.
    pub(crate) fn left(&self) -> CodeBuildFaults {
        locked(&self.0).clone()
    }

    /// Whether this call is to be throttled.
    pub(crate) fn throttle(&self) -> bool {
        use_up(&mut locked(&self.0).throttle)
    }

    /// What the next build is to suffer.
    pub(crate) fn draw(&self) -> BuildFaults {
        let mut left = locked(&self.0);
        BuildFaults {
            drop_events: use_up(&mut left.drop_events),
            duplicate_events: use_up(&mut left.duplicate_events),
            reorder_events: use_up(&mut left.reorder_events),
            hang: use_up(&mut left.hang),
            fault: use_up(&mut left.fault),
        }
    }
}

fn use_up(count: &mut u32) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}
