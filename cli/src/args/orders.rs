//! What people order.

use super::parse_duration;
use clap::{Args, ValueEnum};
use gatewright_domain::EnvironmentName;
use std::time::Duration;

/// Who orders, and why; what every order takes.
#[derive(Debug, Args)]
pub struct Why {
    /// Why; it is recorded, and shown to whoever waits
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// On the laptop: who orders, by the id in approvers.yaml
    #[arg(long = "as", value_name = "PERSON")]
    pub person: Option<String>,
}

/// `halt` and `resume`.
#[derive(Debug, Args)]
pub struct Halt {
    /// A release (id, pipeline#number or number), a pipeline, or `all`
    pub what: String,
    /// Who, and why.
    #[command(flatten)]
    pub why: Why,
}

/// `hold`.
#[derive(Debug, Args)]
pub struct Hold {
    /// An environment: PIPELINE/ENVIRONMENT, or its name when one pipeline has it
    pub place: String,
    /// Who, and why.
    #[command(flatten)]
    pub why: Why,
}

/// `unhold`.
#[derive(Debug, Args)]
pub struct Unhold {
    /// An environment: PIPELINE/ENVIRONMENT, or its name when one pipeline has it
    pub place: String,
    /// What runs there, where a release left that unknown: the release whose
    /// version it is (id, pipeline#number or number), or `nothing`
    #[arg(long, value_name = "RELEASE")]
    pub runs: Option<String>,
    /// Who, and why.
    #[command(flatten)]
    pub why: Why,
}

/// `freeze`.
#[derive(Debug, Args)]
pub struct Freeze {
    /// PIPELINE, PIPELINE/ENVIRONMENT, /ENVIRONMENT (of every pipeline) or `all`
    pub place: String,
    /// From when, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", conflicts_with = "every")]
    pub from: Option<String>,
    /// Until when, RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with_all = ["length", "every"])]
    pub until: Option<String>,
    /// For how long, such as 90m or 3d
    #[arg(long = "for", id = "length", value_name = "TIME", value_parser = parse_duration, conflicts_with = "every")]
    pub length: Option<Duration>,
    /// Again and again: "fri 16:00..mon 08:00" each week, "12-20..01-05" each year
    #[arg(long, value_name = "TIMES")]
    pub every: Option<String>,
    /// The IANA time zone of --every [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// What becomes of deploys that are under way
    #[arg(long, value_enum, value_name = "WHAT", default_value = "finish")]
    pub running: Running,
    /// Bind rollbacks too
    #[arg(long)]
    pub rollbacks_too: bool,
    /// Who, and why.
    #[command(flatten)]
    pub why: Why,
}

/// What becomes of deploys that are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Running {
    /// They go on to their end
    Finish,
    /// They stop before their next change
    Stop,
}

/// `thaw`.
#[derive(Debug, Args)]
pub struct Thaw {
    /// The freeze's number, as `gatewright orders` and `status` show it
    pub freeze: u64,
    /// Who, and why.
    #[command(flatten)]
    pub why: Why,
}

/// `break-glass`.
#[derive(Debug, Args)]
pub struct BreakGlass {
    /// An id, pipeline#number or number
    pub release: String,
    /// Where it counts; without it, the environment that the release waits for
    #[arg(long, value_name = "NAME")]
    pub environment: Option<EnvironmentName>,
    /// Who, and why.
    #[command(flatten)]
    pub why: Why,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `orders`.
#[derive(Debug, Args)]
pub struct Orders {
    /// How many, the newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Read all of them, and exit with 1 when one is missing or was altered
    #[arg(long)]
    pub verify: bool,
}
