//! A stand-in for `helm`.
//!
//! Charts are rendered by the part of Go's templates that `template` plays and
//! applied to the cluster that `kubectl` uses here. A release's history is kept
//! with the cluster, so that it can be rolled back from a later build.

mod release;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use super::{
    Console, ToolError,
    chart::{self, Given, ReleaseName},
    client::Client,
    kubectl::duration,
};
use release::Release;

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "helm", disable_version_flag = true)]
pub(super) struct Helm {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    #[arg(short, long, global = true)]
    namespace: Option<String>,
    #[arg(long, global = true)]
    kube_context: Option<String>,
}

#[derive(Debug, Args)]
struct ValueArguments {
    /// Files with values.
    #[arg(short = 'f', long)]
    values: Vec<PathBuf>,
    /// `a.b=value`.
    #[arg(long)]
    set: Vec<String>,
    /// The same, always text.
    #[arg(long)]
    set_string: Vec<String>,
}

impl ValueArguments {
    fn given(&self) -> Given<'_> {
        let set = self.set.iter().map(|one| (one.as_str(), false));
        let text = self.set_string.iter().map(|one| (one.as_str(), true));
        Given {
            files: &self.values,
            sets: set.chain(text).collect(),
        }
    }
}

#[derive(Debug, Args)]
struct Waiting {
    /// Wait until everything is ready.
    #[arg(long)]
    wait: bool,
    /// Such as `10m`.
    #[arg(long, value_parser = duration, default_value = "5m")]
    timeout: Duration,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install a chart, or a new version of it.
    Upgrade {
        release: String,
        chart: PathBuf,
        #[arg(short, long)]
        install: bool,
        #[command(flatten)]
        values: ValueArguments,
        #[command(flatten)]
        waiting: Waiting,
        /// Roll back when it fails; implies --wait.
        #[arg(long)]
        atomic: bool,
        /// Start from the values of the release that runs.
        #[arg(long)]
        reuse_values: bool,
        // Namespaces need no creating here.
        #[arg(long)]
        create_namespace: bool,
        #[arg(long)]
        history_max: Option<u32>,
    },
    /// Go back to a revision; without one, to the one before.
    Rollback {
        release: String,
        revision: Option<u64>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Show how a release stands.
    Status { release: String },
    /// Show a release's revisions.
    History { release: String },
    /// Show a chart's manifests.
    Template {
        release: String,
        chart: PathBuf,
        #[command(flatten)]
        values: ValueArguments,
    },
    /// Render a chart, to see whether it can be.
    Lint {
        chart: PathBuf,
        #[command(flatten)]
        values: ValueArguments,
    },
}

/// Runs a command.
pub(super) async fn run(helm: Helm, console: &mut Console) -> Result<(), ToolError> {
    let global = &helm.global;
    let release = match helm.command {
        Command::Template {
            release,
            chart,
            values,
        } => {
            return show(&release, &chart, &values, global, console);
        }
        Command::Lint { chart, values } => {
            show("lint", &chart, &values, global, &mut Console::silent())?;
            console.note("helm lint: the chart was rendered; nothing else was checked");
            console.line("1 chart(s) linted, 0 chart(s) failed");
            return Ok(());
        }
        Command::Upgrade { ref release, .. }
        | Command::Rollback { ref release, .. }
        | Command::Status { ref release }
        | Command::History { ref release } => release.clone(),
    };
    let client = Client::from_environment()?;
    let mut release = Release::load(&client, global, release).await?;
    match helm.command {
        Command::Upgrade {
            chart,
            install,
            values,
            mut waiting,
            atomic,
            reuse_values,
            ..
        } => {
            if release.history.is_empty() && !install {
                let text = format!(
                    "Error: UPGRADE FAILED: {:?} has no deployed releases",
                    release.name
                );
                return Err(ToolError::Failed(text));
            }
            waiting.wait |= atomic;
            let revision = release.next(&chart, &values, reuse_values)?;
            release.upgrade(revision, &waiting, atomic, console).await
        }
        Command::Rollback {
            revision, waiting, ..
        } => release.roll_back(revision, &waiting, console).await,
        Command::History { .. } => {
            release.last()?;
            console.line("REVISION\tUPDATED\tSTATUS\tCHART\tDESCRIPTION");
            for one in &release.history {
                console.line(&format!(
                    "{}\t{}\t{}\t{}\t{}",
                    one.revision, one.updated, one.status, one.chart, one.description
                ));
            }
            Ok(())
        }
        _ => {
            let last = release.last()?.clone();
            release.say(&last, console);
            Ok(())
        }
    }
}

fn show(
    name: &str,
    folder: &std::path::Path,
    values: &ValueArguments,
    global: &Global,
    console: &mut Console,
) -> Result<(), ToolError> {
    let values = chart::values(folder, &values.given())?;
    let namespace = global.namespace.as_deref().unwrap_or("default");
    let release = ReleaseName {
        name,
        namespace,
        revision: 1,
    };
    for resource in chart::render(folder, &values, &release)? {
        console.line(&format!(
            "---\n{}",
            super::yaml::write(&resource)?.trim_end()
        ));
    }
    Ok(())
}
