//! What can be asked. Every command's `--help` ends with an example and, where it
//! has one, the shape of its JSON.

mod definitions;
mod help;
mod help_definitions;
mod help_orders;
mod local;
mod orders;
mod trigger;
mod undo;
mod values;

pub use definitions::{
    Apply, Compile, Diff, Format, Graph, Import, Init, Kind, Plan, Start, Validate, Versions,
    WorkflowFile,
};
pub use local::{Alarm, Demo, Local, Metric, Scenario, Up};
pub use orders::{BreakGlass, Freeze, Halt, Hold, Orders, Running, Thaw, Unhold, Why};
pub use trigger::Asked;
pub use undo::{Lift, Resolve, Rollback};
pub use values::parse_duration;

use crate::out::Colour;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Releases software on AWS: definitions, releases, approvals, the record.
#[derive(Debug, Parser)]
#[command(
    name = "gatewright", version, max_term_width = 100,
    after_help = help::EXIT_CODES, subcommand_required = true, arg_required_else_help = true
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Where Gatewright is [default: .stack/connection.json if it exists, else .gatewright.json]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "GATEWRIGHT_CONNECTION",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub connection: Option<PathBuf>,
    /// Print JSON for programs
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Use colours: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "Global options"
    )]
    pub color: Colour,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check definitions: everything that is wrong, where, and what would be right
    #[command(after_long_help = help::VALIDATE)]
    Validate(Validate),
    /// Compile definitions to state machines and to their stacks' templates
    #[command(after_long_help = help::COMPILE)]
    Compile(Compile),
    /// Show what a release would do, without doing it
    #[command(after_long_help = help::PLAN)]
    Plan(Plan),
    /// Draw a pipeline: stages side by side, approvals, environments, ways back
    #[command(after_long_help = help::GRAPH)]
    Graph(Graph),
    /// Say what differs between two definitions, and what weakens a protected environment
    #[command(after_long_help = help::DIFF)]
    Diff(Diff),
    /// Write a first definition
    #[command(after_long_help = help::INIT)]
    Init(Init),
    /// Turn what another tool runs into a draft of a definition
    #[command(subcommand)]
    Import(Import),
    /// Start a release
    #[command(after_long_help = help::START)]
    Start(Start),
    /// Bring an environment back to a version that ran there before
    #[command(after_long_help = help::ROLLBACK)]
    Rollback(Rollback),
    /// Allow again what was taken back from an environment
    #[command(after_long_help = help::LIFT)]
    Lift(Lift),
    /// Write down what became of the reason for a rollback
    #[command(after_long_help = help::RESOLVE)]
    Resolve(Resolve),
    /// Show where releases stand
    #[command(after_long_help = help::STATUS)]
    Status(Status),
    /// Approve what a release asks for
    #[command(after_long_help = help::APPROVE)]
    Approve(Decide),
    /// Reject what a release asks for, with a reason
    #[command(after_long_help = help::REJECT)]
    Reject(Decide),
    /// Stop a release, a pipeline or everything before the next change
    #[command(after_long_help = help::HALT)]
    Halt(Halt),
    /// Let go on what was halted
    #[command(after_long_help = help::RESUME)]
    Resume(Halt),
    /// Keep an environment from everybody new
    #[command(after_long_help = help::HOLD)]
    Hold(Hold),
    /// Give an environment back
    #[command(after_long_help = help::UNHOLD)]
    Unhold(Unhold),
    /// Keep deploys from happening for a time, once or again and again
    #[command(after_long_help = help::FREEZE)]
    Freeze(Freeze),
    /// End a freeze
    #[command(after_long_help = help::THAW)]
    Thaw(Thaw),
    /// Let one release pass the freezes, windows and soak time of an environment
    #[command(after_long_help = help::BREAK_GLASS)]
    BreakGlass(BreakGlass),
    /// List what people have ordered, and what of it is in force
    #[command(after_long_help = help::ORDERS)]
    Orders(Orders),
    /// List a pipeline's releases, or an environment's deployments
    #[command(after_long_help = help::HISTORY)]
    History(History),
    /// Show one release: stages, gates, findings, decisions, digests, ledger
    #[command(after_long_help = help::SHOW)]
    Show(Show),
    /// Say why a release waits or ended early, and what helps
    #[command(after_long_help = help::EXPLAIN)]
    Explain(Explain),
    /// Print what to do by hand in an environment, with the values of now
    #[command(after_long_help = help::RUNBOOK)]
    Runbook(Runbook),
    /// Print a stage's build log
    #[command(after_long_help = help::LOGS)]
    Logs(Logs),
    /// Record definitions and approvers, so that they take effect
    #[command(after_long_help = help::APPLY)]
    Apply(Apply),
    /// List what was applied of a pipeline: when, by whom, why
    #[command(after_long_help = help::VERSIONS)]
    Versions(Versions),
    /// The laptop stack
    #[command(subcommand)]
    Local(Local),
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// A release (id, pipeline#number or number) or an environment (its name, or
    /// PIPELINE/ENVIRONMENT); without it, everything's summary
    pub release: Option<String>,
    /// Follow it until it ends
    #[arg(long, requires = "release")]
    pub watch: bool,
    /// With --watch: how long at most, such as 90s, 30m or 2h
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "watch")]
    pub timeout: Option<Duration>,
}

/// `approve` and `reject`.
#[derive(Debug, Args)]
pub struct Decide {
    /// An id, pipeline#number or number
    pub release: String,
    /// Why; a rejection must say it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub reason: String,
    /// On the laptop: who decides, by the id in approvers.yaml
    #[arg(long = "as", value_name = "PERSON")]
    pub person: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `history`.
#[derive(Debug, Args)]
pub struct History {
    /// The pipeline [default: all of this connection]
    pub pipeline: Option<String>,
    /// How many of each pipeline
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// The deployments of this environment instead
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// With --environment: its rollbacks: what, who, why, time to recover, what became of it
    #[arg(long, requires = "environment")]
    pub rollbacks: bool,
    /// As CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// An id, pipeline#number or number
    pub release: String,
    /// Also every event of the ledger, in words
    #[arg(long)]
    pub ledger: bool,
    /// Exit with 1 when the ledger does not hold together
    #[arg(long)]
    pub verify: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// An id, pipeline#number or number
    pub release: String,
}

/// `runbook`.
#[derive(Debug, Args)]
pub struct Runbook {
    /// The pipeline's id
    pub pipeline: String,
    /// The environment
    pub environment: String,
    /// Go back to what this release put there [default: what ran before the one in doubt]
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
}

/// `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// An id, pipeline#number or number
    pub release: String,
    /// The stage, or how its name begins [default: the one that failed, or the last with a log]
    pub stage: Option<String>,
    /// Go on until the build has ended
    #[arg(long, short)]
    pub follow: bool,
}

/// The colours of clap's own messages, which are printed before `--color` is read.
pub fn colour_of_help(args: impl Iterator<Item = String>) -> clap::ColorChoice {
    let mut choice = clap::ColorChoice::Auto;
    let mut before = String::new();
    for arg in args {
        let value = match arg.strip_prefix("--color=") {
            Some(value) => value,
            None if before == "--color" => arg.as_str(),
            None => "",
        };
        match value {
            "always" => choice = clap::ColorChoice::Always,
            "never" => choice = clap::ColorChoice::Never,
            _ => {}
        }
        before = arg;
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_colour_of_help_is_found_in_both_spellings() {
        let of = |args: &[&str]| colour_of_help(args.iter().map(|a| (*a).to_owned()));
        assert_eq!(of(&["x", "--color", "never"]), clap::ColorChoice::Never);
        assert_eq!(of(&["x", "--color=always"]), clap::ColorChoice::Always);
        assert_eq!(of(&["x", "never"]), clap::ColorChoice::Auto);
    }
}
