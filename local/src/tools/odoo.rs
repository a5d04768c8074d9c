//! A stand-in for Odoo's server, for images that are built on Odoo's.
//!
//! Deployed services find it, builds do not. It has no database and no web
//! client: it loads the addon of the image, answers `/web/health` as Odoo does,
//! and the addon's own plain HTTP routes by running them. Models are declared
//! and never stored.

use std::{os::unix::process::CommandExt, process::Command};

use super::{Console, ToolError};

/// The server. Addons are Python, so it is, too.
const SERVER: &str = include_str!("odoo_server.py");

/// Becomes the server.
pub(super) fn run(arguments: &[String], console: &mut Console) -> Result<(), ToolError> {
    console.note("odoo: no database and no web client; the addon's own HTTP routes are run");
    let failed = Command::new("python3")
        .args(["-c", SERVER])
        .args(arguments)
        .exec();
    Err(ToolError::Failed(format!("python3: {failed}")))
}
