//! The command line of `argocd`.

use clap::{Args, Parser, Subcommand};

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "argocd", disable_version_flag = true)]
pub(in crate::tools) struct ArgoCd {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
struct Global {
    // How the server is reached: there is none here.
    #[arg(long, global = true)]
    server: Option<String>,
    #[arg(long, global = true)]
    auth_token: Option<String>,
    #[arg(long, global = true)]
    grpc_web: bool,
}

#[derive(Debug, Subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "one of them is read, once, from the command line"
)]
pub(super) enum Command {
    /// Accepted: there is no server here to log in to.
    Login {
        server: String,
        #[arg(long)]
        username: Option<String>,
        #[arg(long)]
        password: Option<String>,
        #[arg(long)]
        sso: bool,
    },
    /// Commands on applications.
    App {
        #[command(subcommand)]
        command: App,
    },
}

#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Files with values, relative to the chart.
    #[arg(long)]
    pub(super) values: Vec<String>,
    /// `a.b=value`.
    #[arg(
        short,
        long = "parameter",
        visible_alias = "helm-set",
        alias = "helm-set-string"
    )]
    pub(super) parameter: Vec<String>,
    #[arg(long)]
    pub(super) revision: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum App {
    /// Make an application known.
    Create {
        name: String,
        #[arg(long)]
        repo: String,
        #[arg(long)]
        path: String,
        #[arg(long)]
        dest_name: Option<String>,
        #[arg(long)]
        dest_server: Option<String>,
        #[arg(long)]
        dest_namespace: String,
        #[arg(long)]
        project: Option<String>,
        #[arg(long)]
        sync_policy: Option<String>,
        #[arg(long)]
        sync_option: Vec<String>,
        #[arg(long)]
        auto_prune: bool,
        #[arg(long)]
        self_heal: bool,
        #[arg(long)]
        upsert: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Change what an application is made from.
    Set {
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Bring the cluster to what the application says.
    Sync {
        name: String,
        #[arg(long)]
        prune: bool,
        #[arg(long)]
        revision: Option<String>,
        #[arg(long)]
        timeout: Option<u64>,
    },
    /// Wait until it is there and well.
    Wait {
        name: String,
        #[arg(long)]
        health: bool,
        #[arg(long)]
        sync: bool,
        #[arg(long)]
        operation: bool,
        /// In seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Show how an application stands.
    Get { name: String },
    /// Show what was deployed.
    History { name: String },
    /// Compare the cluster with what the application says: 1 when it differs.
    Diff {
        name: String,
        // As the real one does without it.
        #[arg(long)]
        exit_code: bool,
    },
    /// Go back to what a history entry deployed; without one, to the one before.
    Rollback {
        name: String,
        id: Option<u64>,
        #[arg(long)]
        prune: bool,
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
}
