//! A stand-in for `terraform`.
//!
//! It reads the folder's `.tf` files, compares the resources they want with the
//! state the stand-ins keep, and plans, shows and applies the difference.
//! Nothing is built anywhere, and no provider is asked: an argument only a
//! provider would refuse passes here, and nothing is ever replaced instead of
//! changed. `sensitive` hides nothing: these values are nobody's.

mod commands;
mod evaluate;
mod files;
mod format;
mod plan;
mod references;
mod session;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{Console, ToolError};

/// The version this stand-in plays.
const VERSION: &str = "1.8.5";

/// The commands this stand-in plays. Terraform's options have one dash; they
/// get their second one before clap sees them.
#[derive(Debug, Parser)]
#[command(name = "terraform", disable_version_flag = true)]
pub(super) struct Terraform {
    /// Run in another folder.
    #[arg(long)]
    chdir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prepare the folder.
    Init {
        #[command(flatten)]
        common: Common,
        /// `KEY=VALUE`, or a file of such.
        #[arg(long)]
        backend_config: Vec<String>,
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        backend: Option<bool>,
        #[arg(long)]
        reconfigure: bool,
        #[arg(long)]
        upgrade: bool,
    },
    /// Check the configuration.
    Validate {
        #[command(flatten)]
        common: Common,
    },
    /// Check the layout; `-check` is required, nothing is rewritten.
    Fmt {
        #[arg(long, required = true)]
        check: bool,
        #[arg(long)]
        recursive: bool,
        #[arg(long)]
        diff: bool,
    },
    /// Show the version.
    Version {
        #[arg(long)]
        json: bool,
    },
    /// Show what would change.
    Plan {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        values: Values,
        #[arg(long)]
        out: Option<PathBuf>,
        /// 2 when something would change.
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Show a plan.
    Show {
        #[arg(long)]
        no_color: bool,
        #[arg(long)]
        json: bool,
        file: PathBuf,
    },
    /// Apply a plan; without a file, plan and apply.
    Apply {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        values: Values,
        #[arg(long)]
        auto_approve: bool,
        file: Option<PathBuf>,
    },
    /// Show outputs.
    Output {
        #[arg(long)]
        no_color: bool,
        #[arg(long)]
        json: bool,
        #[arg(long)]
        raw: bool,
        name: Option<String>,
    },
    /// Choose a workspace.
    Workspace {
        #[command(subcommand)]
        command: Workspace,
    },
}

#[derive(Debug, Subcommand)]
enum Workspace {
    /// Choose one there is.
    Select {
        #[arg(long)]
        or_create: bool,
        name: String,
    },
    /// Make one and choose it.
    New { name: String },
    /// Show the chosen one.
    Show,
    /// Show all.
    List,
}

/// Options that change nothing here, and `-input`.
#[derive(Debug, Args)]
struct Common {
    #[arg(long)]
    no_color: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    input: Option<bool>,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    lock: Option<bool>,
    #[arg(long)]
    lock_timeout: Option<String>,
    #[arg(long)]
    compact_warnings: bool,
}

/// Where variables get their values.
#[derive(Debug, Default, Args)]
struct Values {
    #[arg(long)]
    var_file: Vec<String>,
    #[arg(long)]
    var: Vec<String>,
}

/// Reads a command line and runs it.
pub(super) async fn run(arguments: &[String], console: &mut Console) -> Result<(), ToolError> {
    let two_dashes: Vec<String> = arguments.iter().map(|one| two_dashes(one)).collect();
    let terraform: Terraform = super::parse("terraform", &two_dashes)?;
    commands::run(terraform, console).await
}

/// `-out=x` as clap knows it: `--out=x`.
fn two_dashes(argument: &str) -> String {
    match argument.strip_prefix('-') {
        Some(rest) if rest.len() > 1 && !rest.starts_with('-') => format!("--{rest}"),
        _ => argument.to_owned(),
    }
}

/// An error in Terraform's own frame.
fn diagnostic(summary: &str, detail: &str) -> ToolError {
    let detail: Vec<String> = detail.lines().map(|line| format!("│ {line}")).collect();
    ToolError::Failed(format!(
        "\n╷\n│ Error: {summary}\n│\n{}\n╵",
        detail.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_with_one_dash_are_understood() {
        let line = "-chdir=infra plan -out=tfplan -var-file=a.tfvars -input=false -no-color";
        let words: Vec<String> = line.split(' ').map(two_dashes).collect();
        let read: Terraform = super::super::parse("terraform", &words).unwrap();
        assert_eq!(read.chdir, Some(PathBuf::from("infra")));
        let Command::Plan {
            common,
            values,
            out,
            ..
        } = read.command
        else {
            panic!("not a plan")
        };
        assert_eq!((common.input, out), (Some(false), Some("tfplan".into())));
        assert_eq!(values.var_file, ["a.tfvars"]);
        let refused: Result<Terraform, _> =
            super::super::parse("terraform", &["destroy".to_owned()]);
        assert_eq!(refused.unwrap_err().code(), 2);
    }
}
