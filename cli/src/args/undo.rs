//! The commands about going back.

use super::Why;
use clap::Args;

/// `rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The pipeline's id
    pub pipeline: String,
    /// The environment to bring back
    pub environment: String,
    /// The release whose version is wanted [default: the last good one before what runs]
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// Why; it is recorded, and the version that runs stays back for it
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub reason: Option<String>,
    /// Change nothing: say what it would do, and whether it would be admitted
    #[arg(long)]
    pub dry_run: bool,
    /// Lead across forward-only migrations: the title of the newest release that migrated
    #[arg(long, value_name = "TITLE")]
    pub acknowledge: Option<String>,
    /// Who asks for it; never counts towards a quorum [default: $USER]
    #[arg(long, visible_alias = "as", value_name = "WHO")]
    pub requester: Option<String>,
    /// The release's id [default: a new one]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Follow it until it ends
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `lift`.
#[derive(Debug, Args)]
pub struct Lift {
    /// The pipeline's id
    pub pipeline: String,
    /// The environment that it was taken back from
    pub environment: String,
    /// The release whose version was taken back: an id, pipeline#number or number
    pub release: String,
    /// Who, and why.
    #[command(flatten)]
    pub why: Why,
}

/// `resolve`.
#[derive(Debug, Args)]
pub struct Resolve {
    /// The release that undid, or the one that was undone: an id, pipeline#number or number
    pub release: String,
    /// What became of it
    pub text: String,
    /// On the laptop: who writes it, by the id in approvers.yaml
    #[arg(long = "as", value_name = "PERSON")]
    pub person: Option<String>,
}
