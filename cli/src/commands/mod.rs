//! One file a command. Each reads its arguments, finds out, and prints; what is
//! printed is made by pure functions beside it.

pub mod apply;
pub mod compile;
pub mod decide;
pub mod diff;
pub mod explain;
pub mod graph;
pub mod history;
pub mod import;
pub mod init;
pub mod logs;
pub mod orders;
pub mod plan;
pub mod rollback;
pub mod runbook;
pub mod show;
pub mod start;
pub mod status;
pub mod undone;
pub mod validate;
pub mod versions;

#[cfg(test)]
pub mod example;
#[cfg(test)]
pub mod shop;

use crate::connect::{Reach, reach};
use crate::error::Failed;
use crate::lookup;
use crate::story::Story;
use std::path::Path;

/// The connection, and the story of the release that `text` names.
async fn story_of(at: Option<&Path>, text: &str) -> Result<(Reach, Story), Failed> {
    let reach = reach(at).await?;
    let head = lookup::release(&reach.store, &reach.pipelines(), text).await?;
    let story = Story::read(&reach.store, &head.release).await?;
    let story = story.ok_or_else(|| Failed::not_found(format!("there is no release {text:?}")))?;
    Ok((reach, story))
}
