//! What the Git repository here would release.

use crate::error::Failed;
use crate::out::Out;
use crate::style::{WAITING, paint};
use std::process::Command;

/// What the Git repository here has checked out.
#[derive(Debug)]
pub struct Here {
    /// The commit.
    pub commit: String,
    /// The branch or tag, in full; none on a detached commit without a tag.
    pub reference: Option<String>,
    /// The author's address.
    pub author: Option<String>,
    /// The first line of the message.
    pub message: Option<String>,
}

/// Looks. Says so when what is on the disk is not what would be released.
///
/// # Errors
/// When there is no Git repository, or no commit in it.
pub fn here(out: &Out) -> Result<Here, Failed> {
    let commit = ask(&["rev-parse", "HEAD"]).ok_or_else(|| {
        Failed::not_found("there is no Git repository with a commit here")
            .help("say --commit and --branch or --tag")
    })?;
    if ask(&["status", "--porcelain"]).is_some() {
        let warning = paint(WAITING, "note:");
        out.aside(format!(
            "{warning} what is not committed here is not released"
        ));
    }
    let branch = ask(&["symbolic-ref", "--quiet", "HEAD"]);
    let tag = || {
        let name = ask(&["describe", "--tags", "--exact-match", "HEAD"])?;
        Some(format!("refs/tags/{name}"))
    };
    Ok(Here {
        commit,
        reference: branch.or_else(tag),
        author: ask(&["log", "-1", "--format=%ae"]),
        message: ask(&["log", "-1", "--format=%s"]),
    })
}

/// What git answers; nothing when it fails or says nothing.
pub fn ask(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
