//! A stand-in for `argocd`.
//!
//! Where the real one reads the chart from Git, this one reads it from the
//! build's own source (`CODEBUILD_SRC_DIR`), which is a checkout of the commit.
//! Applications are remembered with the cluster `argocd`, their history too.

use std::{env, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Console, ToolError,
    chart::{self, Given, ReleaseName},
    client::Client,
    kubeconfig::KubeConfig,
    workload::{Target, deployments},
};
use crate::ids;

/// What `argocd` ends with when there is no such application.
const NOT_FOUND: u8 = 20;

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "argocd", disable_version_flag = true)]
pub(super) struct ArgoCd {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
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
enum Command {
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
struct Settings {
    /// Files with values, relative to the chart.
    #[arg(long)]
    values: Vec<String>,
    /// `a.b=value`.
    #[arg(
        short,
        long = "parameter",
        visible_alias = "helm-set",
        alias = "helm-set-string"
    )]
    parameter: Vec<String>,
    #[arg(long)]
    revision: Option<String>,
}

#[derive(Debug, Subcommand)]
enum App {
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

/// One deployment of an application.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Deployed {
    id: u64,
    revision: String,
    at: String,
    manifests: Vec<Value>,
}

/// An application, as it is remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Application {
    kind: String,
    name: String,
    repo: String,
    path: String,
    context: String,
    namespace: String,
    revision: String,
    values: Vec<String>,
    parameters: Map<String, Value>,
    history: Vec<Deployed>,
}

/// Runs a command.
pub(super) async fn run(argocd: ArgoCd, console: &mut Console) -> Result<(), ToolError> {
    let command = match argocd.command {
        Command::Login { server, .. } => {
            console.note(&format!(
                "argocd login: there is no server {server} here; nothing was sent"
            ));
            console.line(&format!("Context '{server}' updated"));
            return Ok(());
        }
        Command::App { command } => command,
    };
    let client = Client::from_environment()?;
    match command {
        App::Create { .. } => create(&client, command, console).await,
        App::Set { name, settings } => {
            let mut app = Application::load(&client, &name).await?;
            app.take(&settings)?;
            app.keep(&client).await
        }
        App::Sync { name, revision, .. } => {
            let mut app = Application::load(&client, &name).await?;
            app.revision = revision.unwrap_or(app.revision);
            let manifests = app.render()?;
            app.bring(&client, manifests, console).await?;
            console.line(&format!(
                "Operation: Sync\nApplication: {name}\nPhase: Succeeded"
            ));
            Ok(())
        }
        App::Wait { name, timeout, .. } => {
            let app = Application::load(&client, &name).await?;
            app.until_healthy(&client, timeout).await?;
            console.line(&format!("{name}: Synced, Healthy"));
            Ok(())
        }
        App::Get { name } | App::History { name } => {
            let app = Application::load(&client, &name).await?;
            console.line(&format!(
                "Name: {name}\nServer: {}\nNamespace: {}",
                app.context, app.namespace
            ));
            console.line("ID\tDATE\tREVISION");
            for one in &app.history {
                console.line(&format!("{}\t{}\t{}", one.id, one.at, one.revision));
            }
            Ok(())
        }
        App::Diff { name, .. } => {
            let app = Application::load(&client, &name).await?;
            app.diff(&client, console).await
        }
        App::Rollback {
            name, id, timeout, ..
        } => {
            let mut app = Application::load(&client, &name).await?;
            app.roll_back(&client, id, timeout, console).await
        }
    }
}

async fn create(client: &Client, command: App, console: &mut Console) -> Result<(), ToolError> {
    let App::Create {
        name,
        repo,
        path,
        dest_name,
        dest_namespace,
        settings,
        upsert,
        ..
    } = command
    else {
        return Ok(());
    };
    let before = client.object(&place(), "application", &name).await?;
    if before.is_some() && !upsert {
        let text = format!(
            "existing application spec of {name} is different, use upsert flag to force update"
        );
        return Err(ToolError::Failed(text));
    }
    let context = match dest_name {
        Some(context) => context,
        None => KubeConfig::load()?.context()?.to_owned(),
    };
    let history = before.map(|before| before["history"].clone());
    let mut app = Application {
        kind: "Application".to_owned(),
        name,
        repo,
        path,
        context,
        namespace: dest_namespace,
        revision: "HEAD".to_owned(),
        values: vec![],
        parameters: Map::new(),
        history: (history.and_then(|history| serde_json::from_value(history).ok()))
            .unwrap_or_default(),
    };
    app.take(&settings)?;
    app.keep(client).await?;
    console.line(&format!("application '{}' created", app.name));
    Ok(())
}

/// Where applications are remembered.
fn place() -> Target {
    Target {
        context: "argocd".to_owned(),
        namespace: "argocd".to_owned(),
    }
}

impl Application {
    async fn load(client: &Client, name: &str) -> Result<Self, ToolError> {
        let kept = client.object(&place(), "application", name).await?;
        let kept = kept.ok_or_else(|| ToolError::Code {
            code: NOT_FOUND,
            message: format!(
                "argocd: application '{name}' not found; make it known with `argocd app create`"
            ),
        })?;
        serde_json::from_value(kept)
            .map_err(|error| ToolError::Failed(format!("the application {name}: {error}")))
    }

    async fn keep(&self, client: &Client) -> Result<(), ToolError> {
        let value = serde_json::to_value(self).map_err(std::io::Error::from)?;
        client
            .keep_object(&place(), "application", &self.name, &value)
            .await
    }

    fn take(&mut self, settings: &Settings) -> Result<(), ToolError> {
        if !settings.values.is_empty() {
            self.values.clone_from(&settings.values);
        }
        if let Some(revision) = &settings.revision {
            self.revision.clone_from(revision);
        }
        for parameter in &settings.parameter {
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| ToolError::Failed(format!("{parameter}: expected NAME=VALUE")))?;
            self.parameters.insert(name.to_owned(), value.into());
        }
        Ok(())
    }

    fn target(&self) -> Target {
        Target {
            context: self.context.clone(),
            namespace: self.namespace.clone(),
        }
    }

    fn render(&self) -> Result<Vec<Value>, ToolError> {
        let source =
            env::var_os("CODEBUILD_SRC_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let folder = source.join(&self.path);
        let files: Vec<PathBuf> = self.values.iter().map(|file| folder.join(file)).collect();
        let sets: Vec<String> = (self.parameters.iter())
            .map(|(name, value)| {
                format!(
                    "{name}={}",
                    value.as_str().unwrap_or_default().replace(',', "\\,")
                )
            })
            .collect();
        let given = Given {
            files: &files,
            sets: sets.iter().map(|one| (one.as_str(), false)).collect(),
        };
        let values = chart::values(&folder, &given)?;
        let release = ReleaseName {
            name: &self.name,
            namespace: &self.namespace,
            revision: self.next(),
        };
        chart::render(&folder, &values, &release)
    }

    fn next(&self) -> u64 {
        self.history.last().map_or(0, |last| last.id + 1)
    }

    fn manifests(&self) -> &[Value] {
        self.history.last().map_or(&[], |last| &last.manifests)
    }

    async fn bring(
        &mut self,
        client: &Client,
        manifests: Vec<Value>,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        (self
            .target()
            .apply(client, &manifests, self.manifests(), console))
        .await?;
        self.history.push(Deployed {
            id: self.next(),
            revision: self.revision.clone(),
            at: ids::now().to_string(),
            manifests,
        });
        self.keep(client).await
    }

    async fn until_healthy(&self, client: &Client, timeout: u64) -> Result<(), ToolError> {
        let timeout = Duration::from_secs(timeout);
        (self
            .target()
            .until_healthy(client, self.manifests(), timeout)
            .await)
            .map_err(|error| ToolError::Failed(format!("{}: Synced, Degraded: {error}", self.name)))
    }

    async fn roll_back(
        &mut self,
        client: &Client,
        id: Option<u64>,
        timeout: u64,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let chosen = match id {
            Some(id) => self.history.iter().find(|one| one.id == id),
            None => self.history.iter().rev().nth(1),
        };
        let Some(chosen) = chosen.cloned() else {
            let text = format!("application '{}' has nothing to go back to", self.name);
            return Err(ToolError::Failed(text));
        };
        self.bring(client, chosen.manifests, console).await?;
        self.until_healthy(client, timeout).await?;
        console.line(&format!(
            "Operation: Rollback to {}\nPhase: Succeeded",
            chosen.id
        ));
        Ok(())
    }

    /// What was changed in the cluster behind the application's back.
    async fn diff(&self, client: &Client, console: &mut Console) -> Result<(), ToolError> {
        let target = self.target();
        let mut different = 0;
        for wanted in self.manifests() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&wanted["kind"]), text(&wanted["metadata"]["name"]));
            let live = client.object(&target, &kind.to_lowercase(), &name).await?;
            for path in differences(wanted, &live.unwrap_or_default(), String::new()) {
                console.line(&format!(
                    "{kind}/{name}: {path} is not what the application says"
                ));
                different += 1;
            }
        }
        for name in deployments(self.manifests()) {
            let record = target.record(client, name, Duration::ZERO).await?;
            console.note(&format!("{name} runs {}", record.image));
        }
        match different {
            0 => Ok(()),
            count => Err(ToolError::Code {
                code: 1,
                message: format!(
                    "argocd app diff: {count} differences between {} and the cluster",
                    self.name
                ),
            }),
        }
    }
}

/// The paths at which `live` lacks, or has otherwise, what is wanted.
fn differences(wanted: &Value, live: &Value, path: String) -> Vec<String> {
    match wanted {
        Value::Object(members) => (members.iter())
            .flat_map(|(name, value)| differences(value, &live[name], format!("{path}.{name}")))
            .collect(),
        _ if wanted == live => vec![],
        _ => vec![path],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_what_the_cluster_lacks_and_not_what_it_adds() {
        let wanted = json!({"spec": {"replicas": 1, "image": "a"}});
        let live = json!({"spec": {"replicas": 0, "image": "a", "more": true}});
        assert_eq!(
            differences(&wanted, &live, String::new()),
            [".spec.replicas"]
        );
    }
}
