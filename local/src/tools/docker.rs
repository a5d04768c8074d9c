//! A stand-in for `docker`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::{Console, ToolError, client::Client, compose, containers, image::Image};
use crate::{
    cluster::image::Reference,
    ecr::{LocalImage, digest_of},
};

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "docker", disable_version_flag = true)]
pub(super) struct Docker {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an image of a context.
    Build {
        #[arg(short, long = "tag", required = true)]
        tag: Vec<String>,
        #[arg(short, long)]
        file: Option<PathBuf>,
        #[arg(long)]
        label: Vec<String>,
        // Nothing is fetched, cached or run here: these change nothing.
        #[arg(long)]
        pull: bool,
        #[arg(long)]
        no_cache: bool,
        #[arg(long)]
        platform: Option<String>,
        #[arg(long)]
        cache_from: Vec<String>,
        #[arg(long)]
        build_arg: Vec<String>,
        context: PathBuf,
    },
    /// Put an image into ECR.
    Push { reference: String },
    /// Give an image another name.
    Tag { source: String, target: String },
    /// Accepted: the registry here asks for no password.
    Login {
        #[arg(short, long)]
        username: Option<String>,
        #[arg(long)]
        password_stdin: bool,
        server: Option<String>,
    },
    /// Show an image.
    Inspect {
        #[arg(short, long)]
        format: Option<String>,
        reference: String,
    },
    /// Start a service of a build.
    Run(containers::Run),
    /// Run a command in a service.
    Exec(containers::Exec),
    /// Show what a service has printed.
    Logs { name: String },
    /// Stop services.
    Stop {
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Stop services and forget them.
    Rm {
        #[arg(short, long)]
        force: bool,
        #[arg(short, long)]
        volumes: bool,
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// What `docker-compose` does.
    Compose(compose::Compose),
    /// Commands on images.
    Image {
        #[command(subcommand)]
        command: ImageCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Show an image.
    Inspect {
        #[arg(short, long)]
        format: Option<String>,
        reference: String,
    },
}

/// Runs a command.
pub(super) async fn run(docker: Docker, console: &mut Console) -> Result<(), ToolError> {
    match docker.command {
        Command::Run(run) => containers::run(run, console).await,
        Command::Exec(exec) => containers::exec(exec, console).await,
        Command::Logs { name } => containers::logs(&name, console),
        Command::Stop { names } => containers::stop(&names, false, console).await,
        Command::Rm { names, .. } => containers::stop(&names, true, console).await,
        Command::Compose(command) => compose::run(command, console).await,
        Command::Login { password_stdin, .. } => login(password_stdin, console),
        command => on_images(command, console).await,
    }
}

async fn on_images(command: Command, console: &mut Console) -> Result<(), ToolError> {
    let client = Client::from_environment()?;
    match command {
        Command::Build {
            tag,
            file,
            label,
            context,
            ..
        } => build(&client, &tag, file.as_deref(), &label, &context, console).await,
        Command::Push { reference } => push(&client, &reference, console).await,
        Command::Tag { source, target } => {
            let image = local(&client, &source).await?;
            keep(&client, &target, &image.manifest).await
        }
        Command::Inspect { format, reference }
        | Command::Image {
            command: ImageCommand::Inspect { format, reference },
        } => inspect(&client, format.as_deref(), &reference, console).await,
        // The others need no registry and were carried out above.
        _ => Ok(()),
    }
}

async fn build(
    client: &Client,
    tags: &[String],
    file: Option<&Path>,
    labels: &[String],
    context: &Path,
    console: &mut Console,
) -> Result<(), ToolError> {
    console.note("docker build: no container; the layer is the build context, RUN and COPY are not carried out");
    let default = context.join("Dockerfile");
    let labels: Vec<(String, String)> = (labels.iter())
        .map(|label| label.split_once('=').unwrap_or((label, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let image =
        Image::make(context, file.unwrap_or(&default), &labels).map_err(ToolError::Failed)?;
    let digest = digest_of(image.manifest.as_bytes());
    client.put_blob(image.config).await?;
    client.put_blob(image.layer).await?;
    for tag in tags {
        keep(client, tag, &image.manifest).await?;
        console.line(&format!("naming to {tag}"));
    }
    console.line(&format!("writing image {digest}"));
    Ok(())
}

/// A reference without a tag means `latest`, as everywhere in docker.
fn full(reference: &str) -> String {
    let parsed = Reference::parse(reference);
    match parsed.tag {
        Some(_) => reference.to_owned(),
        None => format!("{reference}:latest"),
    }
}

async fn local(client: &Client, reference: &str) -> Result<LocalImage, ToolError> {
    client
        .get("registry/local", &[("reference", &full(reference))])
        .await
}

async fn keep(client: &Client, reference: &str, manifest: &str) -> Result<(), ToolError> {
    let image = LocalImage {
        reference: full(reference),
        manifest: manifest.to_owned(),
        pushed: false,
    };
    client.post("registry/local", &image).await
}

/// PutImage; the same image under the same tag again is fine, as with docker.
async fn push(client: &Client, reference: &str, console: &mut Console) -> Result<(), ToolError> {
    let image = local(client, reference).await?;
    let parsed = Reference::parse(&image.reference);
    let tag = parsed.tag.unwrap_or_default();
    console.line(&format!("The push refers to repository [{}]", parsed.name));
    let request = json!({
        "repositoryName": parsed.repository,
        "imageTag": tag,
        "imageManifest": image.manifest,
    });
    match client.ecr("PutImage", &request).await {
        Ok(_) => {}
        Err(ToolError::Aws { kind, .. }) if kind == "ImageAlreadyExistsException" => {
            console.note("docker push: the registry has this image under this tag already");
        }
        Err(ToolError::Aws { kind, message, .. }) => {
            let what = match kind.as_str() {
                "RepositoryNotFoundException" => "name unknown",
                "ImageTagAlreadyExistsException" => "tag invalid",
                other => other,
            };
            return Err(ToolError::Failed(format!("{what}: {message}")));
        }
        Err(error) => return Err(error),
    }
    let digest = digest_of(image.manifest.as_bytes());
    let size = image.manifest.len();
    let pushed = LocalImage {
        pushed: true,
        ..image
    };
    let () = client.post("registry/local", &pushed).await?;
    console.line(&format!("{tag}: digest: {digest} size: {size}"));
    Ok(())
}

fn login(password_stdin: bool, console: &mut Console) -> Result<(), ToolError> {
    if password_stdin {
        // Whoever pipes the password must not get a broken pipe.
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    console
        .note("docker login: the local registry asks for no password; nothing was sent anywhere");
    console.line("Login Succeeded");
    Ok(())
}

async fn inspect(
    client: &Client,
    format: Option<&str>,
    reference: &str,
    console: &mut Console,
) -> Result<(), ToolError> {
    let image = local(client, reference).await?;
    let manifest: Value = serde_json::from_str(&image.manifest).unwrap_or_default();
    let name = Reference::parse(&image.reference).name;
    let id = manifest["config"]["digest"].as_str().unwrap_or_default();
    // A digest belongs to a registry: an image has none before it is pushed.
    let repo_digest = format!("{name}@{}", digest_of(image.manifest.as_bytes()));
    let format = format.map(|format| format.split_whitespace().collect::<String>());
    match format.as_deref() {
        None => {
            let digests = if image.pushed {
                vec![repo_digest]
            } else {
                vec![]
            };
            let shown = json!([{"Id": id, "RepoTags": [image.reference], "RepoDigests": digests}]);
            console.line(&format!("{shown:#}"));
        }
        Some("{{.Id}}") => console.line(id),
        Some("{{index.RepoDigests0}}") if image.pushed => console.line(&repo_digest),
        Some("{{index.RepoDigests0}}") => {
            let text = format!("{reference} has no repository digest before it is pushed");
            return Err(ToolError::Failed(text));
        }
        Some(other) => {
            let why = "it knows --format '{{.Id}}' and '{{index .RepoDigests 0}}'";
            return Err(ToolError::unknown(
                "docker",
                format!("inspect --format {other}"),
                why,
            ));
        }
    }
    Ok(())
}
