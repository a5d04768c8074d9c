//! A stand-in for `kubectl`.
//!
//! `apply` takes a kustomization (`-k`) or files (`-f`).
//!
//! The namespace of `rollout` and `get` without `-n` is the one the last
//! `kubectl apply` of the same build used; that of `apply` without `-n` is the
//! kustomization's, else the context's, else `default`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use serde_json::Value;

use super::{
    Console, ToolError, client::Client, kubeconfig::KubeConfig, kubectl_objects as objects,
    kustomization, manifest, workload::Target, yaml,
};
use crate::cluster::model::{ApplyAnswer, Record, State};

/// How long `rollout status` waits without `--timeout`, in seconds.
const WAIT_SECONDS: u64 = 300;

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "kubectl", disable_version_flag = true)]
pub(super) struct Kubectl {
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
    context: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply a kustomization or files.
    Apply(Manifests),
    /// Follow a rollout.
    Rollout {
        #[command(subcommand)]
        command: Rollout,
    },
    /// Show one part of an object.
    Get {
        /// `deployment`, `ingress` or `service`.
        kind: String,
        name: String,
        #[arg(short, long)]
        output: String,
    },
    /// Send one request from inside the cluster: a smoke test with curl.
    Run {
        name: String,
        #[arg(long)]
        image: String,
        #[arg(long, value_parser = ["Never"])]
        restart: String,
        #[arg(long)]
        rm: bool,
        #[arg(short, long)]
        i: bool,
        #[arg(short, long)]
        quiet: bool,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Change an object that runs nothing here.
    Patch {
        /// `KIND/NAME`, or `KIND NAME`.
        kind: String,
        name: Option<String>,
        #[arg(long, value_parser = ["merge"], default_value = "merge")]
        r#type: String,
        #[arg(short, long)]
        patch: String,
    },
    /// Set or remove annotations: `KIND/NAME key=value key-`.
    Annotate {
        #[arg(required = true)]
        words: Vec<String>,
        #[arg(long)]
        overwrite: bool,
    },
    /// Set how many replicas run: 0 is none, anything else one process.
    Scale {
        /// `deployment/NAME`, or `deployment NAME`.
        kind: String,
        name: Option<String>,
        #[arg(long)]
        replicas: u64,
    },
    /// Change what kubectl remembers.
    Config {
        #[command(subcommand)]
        command: Config,
    },
}

/// One of the two, as kubectl has it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Manifests {
    #[arg(short, long)]
    kustomize: Option<PathBuf>,
    #[arg(short, long)]
    filename: Vec<PathBuf>,
}

impl Manifests {
    /// Every resource, and the namespace that the kustomization sets.
    fn read(&self) -> Result<(Vec<Value>, Option<String>), ToolError> {
        if let Some(folder) = &self.kustomize {
            return kustomization::build(folder);
        }
        let mut resources = Vec::new();
        for file in &self.filename {
            if file.is_dir() {
                let line = format!("apply -f {}", file.display());
                return Err(ToolError::unknown(
                    "kubectl",
                    line,
                    "it knows files after -f",
                ));
            }
            resources.extend(yaml::read(file)?);
        }
        Ok((resources, None))
    }
}

#[derive(Debug, Subcommand)]
enum Rollout {
    /// Wait until a rollout has ended.
    Status {
        /// `deployment/NAME`.
        target: String,
        /// Such as `60s` or `5m`.
        #[arg(long, value_parser = duration)]
        timeout: Option<Duration>,
    },
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Choose a cluster.
    UseContext { name: String },
    /// Choose the namespace of the current context.
    SetContext {
        #[arg(long, required = true)]
        current: bool,
    },
}

/// Runs a command.
pub(super) async fn run(kubectl: Kubectl, console: &mut Console) -> Result<(), ToolError> {
    let client = Client::from_environment()?;
    let config = KubeConfig::load()?;
    let global = &kubectl.global;
    match kubectl.command {
        Command::Apply(manifests) => apply(&client, &config, global, &manifests, console).await,
        Command::Rollout {
            command: Rollout::Status { target, timeout },
        } => {
            let name = (target.strip_prefix("deployment/"))
                .or_else(|| target.strip_prefix("deployment.apps/"))
                .or_else(|| target.strip_prefix("deploy/"))
                .ok_or_else(|| {
                    ToolError::unknown(
                        "kubectl",
                        format!("rollout status {target}"),
                        "it knows deployment/NAME",
                    )
                })?;
            let seconds = timeout.map_or(WAIT_SECONDS, |timeout| timeout.as_secs().max(1));
            let place = Place::new(&config, global, name)?;
            rollout_status(&client, &place, seconds, console).await
        }
        Command::Get { kind, name, output } => {
            let place = Place::new(&config, global, &name)?;
            get(&client, &place, &kind, &output, console).await
        }
        Command::Run { image, command, .. } => {
            let target = Place::new(&config, global, "")?.target();
            objects::smoke(&client, &target, &image, &command, console).await
        }
        Command::Patch {
            kind, name, patch, ..
        } => {
            let target = Place::new(&config, global, "")?.target();
            let patch = serde_json::from_str(&patch)
                .map_err(|error| ToolError::Failed(format!("the patch is no JSON: {error}")))?;
            let object = objects::object(&kind, name.as_deref())?;
            objects::patch(&client, &target, object, &patch, ("patched", console)).await
        }
        Command::Annotate { words, .. } => {
            let target = Place::new(&config, global, "")?.target();
            let split = 1 + usize::from(!words[0].contains('/'));
            let (object, pairs) = words.split_at(split.min(words.len()));
            let object = objects::object(&object[0], object.get(1).map(String::as_str))?;
            let patch = objects::annotations(pairs)?;
            objects::patch(&client, &target, object, &patch, ("annotated", console)).await
        }
        Command::Scale {
            kind,
            name,
            replicas,
        } => {
            let (_, name) = objects::object(&kind, name.as_deref())?;
            let target = Place::new(&config, global, &name)?.target();
            let verb = target.scale(&client, &name, replicas).await?;
            console.line(&format!("deployment.apps/{name} {verb}"));
            Ok(())
        }
        Command::Config {
            command: Config::UseContext { name },
        } => {
            KubeConfig::change(|config| config.current_context.clone_from(&name))?;
            console.line(&format!("Switched to context \"{name}\"."));
            Ok(())
        }
        Command::Config {
            command: Config::SetContext { .. },
        } => {
            let context = config.context()?.to_owned();
            remember(&context, global.namespace.as_deref().unwrap_or("default"))?;
            console.line(&format!("Context \"{context}\" modified."));
            Ok(())
        }
    }
}

fn remember(context: &str, namespace: &str) -> Result<(), ToolError> {
    KubeConfig::change(|config| {
        config
            .namespaces
            .insert(context.to_owned(), namespace.to_owned());
    })
}

/// Where an object is.
struct Place {
    context: String,
    namespace: String,
    name: String,
}

impl Place {
    fn new(config: &KubeConfig, global: &Global, name: &str) -> Result<Self, ToolError> {
        Ok(Self {
            context: context(config, global)?,
            namespace: (global.namespace.clone()).unwrap_or_else(|| config.namespace().to_owned()),
            name: name.to_owned(),
        })
    }

    fn target(&self) -> Target {
        Target {
            context: self.context.clone(),
            namespace: self.namespace.clone(),
        }
    }

    async fn record(&self, client: &Client, extra: &[(&str, &str)]) -> Result<Record, ToolError> {
        let place = [
            ("context", self.context.as_str()),
            ("namespace", &self.namespace),
            ("name", &self.name),
        ];
        let query = [&place, extra].concat();
        (client.get("cluster/deployment", &query).await).map_err(|error| match error {
            ToolError::Failed(text) => {
                ToolError::Failed(format!("Error from server (NotFound): {text}"))
            }
            other => other,
        })
    }
}

fn context(config: &KubeConfig, global: &Global) -> Result<String, ToolError> {
    match &global.context {
        Some(context) => Ok(context.clone()),
        None => config.context().map(str::to_owned),
    }
}

async fn apply(
    client: &Client,
    config: &KubeConfig,
    global: &Global,
    manifests: &Manifests,
    console: &mut Console,
) -> Result<(), ToolError> {
    let context = context(config, global)?;
    let (resources, own) = manifests.read()?;
    let named = (resources.iter()).filter_map(|one| one["metadata"]["namespace"].as_str());
    if let Some(given) = &global.namespace
        && let Some(other) = own
            .as_deref()
            .into_iter()
            .chain(named)
            .find(|own| own != given)
    {
        return Err(ToolError::Failed(format!(
            "the namespace from the provided object \"{other}\" does not match the namespace \"{given}\". You must pass '--namespace={other}' to perform this operation."
        )));
    }
    let namespace = match (&own, &global.namespace) {
        (Some(namespace), _) | (None, Some(namespace)) => namespace.clone(),
        (None, None) => config.namespace().to_owned(),
    };
    let workload = manifest::workload(&resources, &context, &namespace)?;
    console.note(&format!(
        "kubectl apply: cluster {context}, namespace {namespace}, played by processes of this machine"
    ));
    let answer: ApplyAnswer = (client.post("cluster/apply", &workload.request).await)
        .map_err(|error| ToolError::Failed(format!("Error from server (stand-in): {error}")))?;
    remember(&context, &namespace)?;
    for object in &workload.without_effect {
        console.line(&format!(
            "{object} accepted (no effect on the laptop stand-in)"
        ));
    }
    for line in &answer.lines {
        console.line(line);
    }
    Ok(())
}

async fn rollout_status(
    client: &Client,
    place: &Place,
    seconds: u64,
    console: &mut Console,
) -> Result<(), ToolError> {
    let name = &place.name;
    console.line(&format!("Waiting for deployment \"{name}\" rollout to finish: 0 of 1 updated replicas are available..."));
    let seconds = seconds.to_string();
    let record = place.record(client, &[("wait_seconds", &seconds)]).await?;
    match record.state {
        State::Available => {
            console.line(&format!("deployment \"{name}\" successfully rolled out"));
            Ok(())
        }
        State::Progressing => Err(ToolError::Failed(format!(
            "error: timed out waiting for the condition: deployment \"{name}\" is still {}",
            record.message
        ))),
        State::Failed => Err(ToolError::Failed(format!(
            "error: deployment \"{name}\" did not become ready: {}",
            record.message
        ))),
    }
}

async fn get(
    client: &Client,
    place: &Place,
    kind: &str,
    output: &str,
    console: &mut Console,
) -> Result<(), ToolError> {
    let path = output.strip_prefix("jsonpath=").unwrap_or_default();
    let path = path.trim_matches(|c| "{}'\"".contains(c));
    let ends = |names: &[&str]| names.iter().any(|name| path.ends_with(name));
    match kind {
        "ingress" | "ingresses" | "ing" | "service" | "services" | "svc"
            if ends(&[".hostname", ".host", ".ip"]) =>
        {
            let record = place.record(client, &[("ingress", "true")]).await?;
            let address = record.address.ok_or_else(|| {
                ToolError::Failed(format!(
                    "{} has no address yet: {}",
                    place.name, record.message
                ))
            })?;
            console.note(&format!(
                "kubectl get {kind}: the process of {} on this machine",
                record.name
            ));
            console.line(&address);
        }
        "deployment" | "deployments" | "deploy" if ends(&[".image"]) => {
            console.line(&place.record(client, &[]).await?.image);
        }
        _ => {
            let object = objects::object(kind, Some(&place.name))?;
            objects::get(client, &place.target(), object, output, console).await?;
        }
    }
    Ok(())
}

/// `60s`, `5m` or `1h`, as kubectl takes them.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is not a duration such as 60s, 5m or 1h");
    let (number, unit) =
        text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}
