//! A stand-in for `helm`.
//!
//! Charts are rendered by the part of Go's templates that `template` plays and
//! applied to the cluster that `kubectl` uses here. A release's history is kept
//! with the cluster, so that it can be rolled back from a later build.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Console, ToolError,
    chart::{self, Given, ReleaseName},
    client::Client,
    kubeconfig::KubeConfig,
    kubectl::duration,
    workload::Target,
};
use crate::ids;

/// Helm's own `--timeout` when none is given.
const TIMEOUT: Duration = Duration::from_secs(300);

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

/// One revision of a release.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Revision {
    revision: u64,
    status: String,
    chart: String,
    description: String,
    updated: String,
    values: Value,
    manifests: Vec<Value>,
}

/// A release and where it is.
struct Release<'c> {
    client: &'c Client,
    target: Target,
    name: String,
    history: Vec<Revision>,
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

impl<'c> Release<'c> {
    async fn load(client: &'c Client, global: &Global, name: String) -> Result<Self, ToolError> {
        let config = KubeConfig::load()?;
        let context = match &global.kube_context {
            Some(context) => context.clone(),
            None => config.context()?.to_owned(),
        };
        let namespace = (global.namespace.clone()).unwrap_or_else(|| config.namespace().to_owned());
        let target = Target { context, namespace };
        let kept = client.object(&target, "helm-release", &name).await?;
        let history = match kept {
            Some(kept) => serde_json::from_value(kept["history"].clone())
                .map_err(|error| ToolError::Failed(format!("the release {name}: {error}")))?,
            None => vec![],
        };
        Ok(Self {
            client,
            target,
            name,
            history,
        })
    }

    fn last(&self) -> Result<&Revision, ToolError> {
        (self.history.last())
            .ok_or_else(|| ToolError::Failed("Error: release: not found".to_owned()))
    }

    /// The manifests that are in the cluster now.
    fn deployed(&self) -> Vec<Value> {
        (self.history.iter().rev())
            .find(|one| one.status == "deployed")
            .map(|one| one.manifests.clone())
            .unwrap_or_default()
    }

    fn number(&self) -> u64 {
        self.history.last().map_or(1, |last| last.revision + 1)
    }

    fn next(
        &self,
        folder: &std::path::Path,
        values: &ValueArguments,
        reuse: bool,
    ) -> Result<Revision, ToolError> {
        let mut given = values.given();
        let before = tempfile::NamedTempFile::new()?;
        let mut files = vec![];
        if let (true, Some(last)) = (reuse, self.history.last()) {
            // JSON is YAML: what ran before is the first file of values.
            std::fs::write(before.path(), last.values.to_string())?;
            files.push(before.path().to_path_buf());
        }
        files.extend(values.values.iter().cloned());
        given.files = &files;
        let values = chart::values(folder, &given)?;
        let release = ReleaseName {
            name: &self.name,
            namespace: &self.target.namespace,
            revision: self.number(),
        };
        let manifests = chart::render(folder, &values, &release)?;
        let described = chart::description(folder)?;
        let text = |name: &str| described[name].as_str().unwrap_or_default().to_owned();
        Ok(Revision {
            revision: self.number(),
            status: "pending-upgrade".to_owned(),
            chart: format!("{}-{}", text("name"), text("version")),
            description: "Upgrade complete".to_owned(),
            updated: ids::now().to_string(),
            values,
            manifests,
        })
    }

    async fn upgrade(
        &mut self,
        revision: Revision,
        waiting: &Waiting,
        atomic: bool,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let before = self.history.clone();
        match self.bring(revision, waiting, console).await {
            Ok(()) => Ok(()),
            Err(error) if atomic && before.iter().any(|one| one.status == "deployed") => {
                console.note(&format!("helm --atomic: {error}; rolling back"));
                let back = Waiting {
                    wait: true,
                    timeout: TIMEOUT,
                };
                self.roll_back(None, &back, console).await?;
                let text = format!(
                    "Error: UPGRADE FAILED: release {} failed, and has been rolled back due to atomic being set: {error}",
                    self.name
                );
                Err(ToolError::Failed(text))
            }
            Err(error) => Err(ToolError::Failed(format!("Error: UPGRADE FAILED: {error}"))),
        }
    }

    async fn roll_back(
        &mut self,
        wanted: Option<u64>,
        waiting: &Waiting,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let last = self.last()?.revision;
        let good = |one: &&Revision| ["deployed", "superseded"].contains(&one.status.as_str());
        let chosen = match wanted {
            Some(number) if number > 0 => self.history.iter().find(|one| one.revision == number),
            _ => (self.history.iter().rev())
                .filter(good)
                .find(|one| one.revision < last),
        };
        let Some(chosen) = chosen else {
            let text = format!("Error: release {} has no revision to go back to", self.name);
            return Err(ToolError::Failed(text));
        };
        let mut revision = chosen.clone();
        revision.description = format!("Rollback to {}", chosen.revision);
        revision.revision = self.number();
        revision.updated = ids::now().to_string();
        (self.bring(revision, waiting, console).await)
            .map_err(|error| ToolError::Failed(format!("Error: ROLLBACK FAILED: {error}")))?;
        console.line("Rollback was a success! Happy Helming!");
        Ok(())
    }

    /// Applies a revision and keeps how it went.
    async fn bring(
        &mut self,
        mut revision: Revision,
        waiting: &Waiting,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let (client, target) = (self.client, self.target.clone());
        let before = self.deployed();
        let mut went = (target.apply(client, &revision.manifests, &before, console)).await;
        if went.is_ok() && waiting.wait {
            went = (target.until_healthy(client, &revision.manifests, waiting.timeout)).await;
        }
        revision.status = match &went {
            Ok(()) => "deployed".to_owned(),
            Err(error) => {
                revision.description = format!("failed: {error}");
                "failed".to_owned()
            }
        };
        if went.is_ok() {
            for one in self
                .history
                .iter_mut()
                .filter(|one| one.status == "deployed")
            {
                one.status = "superseded".to_owned();
            }
            self.say(&revision, console);
        }
        self.history.push(revision);
        let kept = json!({"kind": "HelmRelease", "history": self.history});
        client
            .keep_object(&target, "helm-release", &self.name, &kept)
            .await?;
        went
    }

    fn say(&self, revision: &Revision, console: &mut Console) {
        console.line(&format!("NAME: {}", self.name));
        console.line(&format!("LAST DEPLOYED: {}", revision.updated));
        console.line(&format!("NAMESPACE: {}", self.target.namespace));
        console.line(&format!("STATUS: {}", revision.status));
        console.line(&format!("REVISION: {}", revision.revision));
        console.line(&format!("DESCRIPTION: {}", revision.description));
    }
}
