//! `docker compose up` and `down` for integration tests.
//!
//! PostgreSQL and Redis are real servers, and everything that is built runs as
//! a process of this machine in its build context, started as its Dockerfile
//! says. In place of a network of its own, each service has a free port, and
//! where a variable names `service:port` it gets that address. Everything ends
//! with `up`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use clap::{Parser, Subcommand};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use tokio::process::{Child, Command as Process};

use super::{
    Console, ToolError, containers,
    dockerfile::Dockerfile,
    servers::{self, Kind, Order},
};
use crate::cluster::launch::rewritten;

/// How long a service that is built may take until it listens.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "docker-compose", disable_version_flag = true)]
pub(super) struct Compose {
    #[arg(short, long)]
    file: Option<PathBuf>,
    #[arg(short, long)]
    project_name: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything until the service of `--exit-code-from` ends.
    Up {
        #[arg(long)]
        abort_on_container_exit: bool,
        #[arg(long, required = true)]
        exit_code_from: String,
        #[arg(long)]
        build: bool,
    },
    /// Nothing is left to take down: `up` has done so.
    Down {
        #[arg(short, long)]
        volumes: bool,
        #[arg(long)]
        remove_orphans: bool,
    },
    /// Show the file, variables filled in.
    Config {
        #[arg(short, long)]
        quiet: bool,
    },
}

#[derive(Debug, Deserialize)]
struct File {
    services: IndexMap<String, Service>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Service {
    image: Option<String>,
    build: Value,
    command: Value,
    entrypoint: Value,
    environment: Value,
    depends_on: Value,
    // Without meaning for processes of one machine.
    healthcheck: Value,
    volumes: Value,
    ports: Value,
    networks: Value,
    restart: Value,
    working_dir: Value,
    init: Value,
    tmpfs: Value,
    profiles: Value,
}

/// Runs a command.
pub(super) async fn run(compose: Compose, console: &mut Console) -> Result<(), ToolError> {
    let path = (compose.file.clone())
        .or_else(|| env::var_os("COMPOSE_FILE").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("docker-compose.yml"));
    let failed = |why: String| ToolError::Failed(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let text = interpolated(&text).map_err(failed)?;
    let file: File = serde_saphyr::from_str(&text).map_err(|error| failed(error.to_string()))?;
    match compose.command {
        Command::Config { quiet } => {
            if !quiet {
                console.line(text.trim_end());
            }
            Ok(())
        }
        Command::Down { .. } => {
            console.note("docker-compose down: `up` has already ended what it started");
            Ok(())
        }
        Command::Up { exit_code_from, .. } => {
            let root = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let project = Project::new(file, root.unwrap_or(Path::new(".")))?;
            project.up(&exit_code_from, console).await
        }
    }
}

/// `${NAME}`, `${NAME:-default}` and `$$`.
fn interpolated(text: &str) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once('}').ok_or("`${` is not closed")?;
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        let value = env::var(name).ok().filter(|value| !value.is_empty());
        out.push_str(value.as_deref().unwrap_or(default));
        out.push_str(rest);
    }
    Ok(out.replace("$$", "$"))
}

struct Project {
    services: IndexMap<String, Service>,
    root: PathBuf,
    data: tempfile::TempDir,
    /// Where services listen: name and container's port to this machine's port.
    ports: BTreeMap<(String, u16), u16>,
    running: Vec<Child>,
}

/// A service that is built: what its Dockerfile and the file say.
struct Built {
    folder: PathBuf,
    words: Vec<String>,
    env: BTreeMap<String, String>,
    exposed: Option<u16>,
}

impl Project {
    fn new(file: File, root: &Path) -> Result<Self, ToolError> {
        Ok(Self {
            services: file.services,
            root: root.to_path_buf(),
            data: tempfile::tempdir()?,
            ports: BTreeMap::new(),
            running: vec![],
        })
    }

    async fn up(mut self, tests: &str, console: &mut Console) -> Result<(), ToolError> {
        console.note(
            "docker-compose: services are processes of this machine, each on a port of its own",
        );
        let mut order = Vec::new();
        self.before(tests, &mut order, 0)?;
        for name in order.iter().filter(|name| *name != tests) {
            self.start(name, console).await?;
        }
        let built = self.built(tests)?;
        let mut child = self.spawn(tests, &built, None, Stdio::inherit)?;
        let status = child.wait().await?;
        for mut child in self.running.drain(..) {
            let _ = child.kill().await;
        }
        let code = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1);
        console.line(&format!("{tests} exited with code {code}"));
        match code {
            0 => Ok(()),
            code => Err(ToolError::Code {
                code,
                message: format!("docker-compose: {tests} ended with exit code {code}"),
            }),
        }
    }

    /// A service and, before it, everything it depends on.
    fn before(&self, name: &str, order: &mut Vec<String>, depth: usize) -> Result<(), ToolError> {
        let service = (self.services.get(name))
            .ok_or_else(|| ToolError::Failed(format!("no such service: {name}")))?;
        if depth > self.services.len() {
            return Err(ToolError::Failed(format!("{name} depends on itself")));
        }
        let needed: Vec<String> = match &service.depends_on {
            Value::Array(names) => names.iter().map(text).collect(),
            Value::Object(names) => names.keys().cloned().collect(),
            _ => vec![],
        };
        for one in needed {
            self.before(&one, order, depth + 1)?;
        }
        if !order.iter().any(|known| known == name) {
            order.push(name.to_owned());
        }
        Ok(())
    }

    async fn start(&mut self, name: &str, console: &mut Console) -> Result<(), ToolError> {
        let port = servers::any_port()?;
        let image = self.services[name].image.clone().unwrap_or_default();
        if let Some(kind) = Kind::of_image(&image) {
            let env = variables(&self.services[name].environment);
            let order = Order {
                kind,
                env: &env,
                arguments: &[],
                port,
                folder: &self.data.path().join(name),
            };
            self.running.push(servers::start(&order, console).await?);
            self.ports.insert((name.to_owned(), kind.port()), port);
        } else {
            let built = self.built(name)?;
            let path = self.data.path().join(format!("{name}.log"));
            let log = fs::File::create(&path)?;
            let output = || log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
            let mut child = self.spawn(name, &built, Some(port), output)?;
            if let Some(exposed) = built.exposed {
                listening(name, &mut child, port, &path).await?;
                self.ports.insert((name.to_owned(), exposed), port);
            }
            self.running.push(child);
        }
        console.note(&format!("docker-compose: {name} is up on 127.0.0.1:{port}"));
        Ok(())
    }

    fn built(&self, name: &str) -> Result<Built, ToolError> {
        let service = &self.services[name];
        let (context, dockerfile) = match &service.build {
            Value::String(context) => (context.clone(), "Dockerfile".to_owned()),
            build if build.is_object() => (
                build["context"].as_str().unwrap_or(".").to_owned(),
                build["dockerfile"]
                    .as_str()
                    .unwrap_or("Dockerfile")
                    .to_owned(),
            ),
            _ => {
                let why = "it plays the images postgres and redis, and services with `build`";
                return Err(ToolError::unknown(
                    "docker-compose",
                    format!("up of {name}"),
                    why,
                ));
            }
        };
        let folder = self.root.join(context);
        let path = folder.join(dockerfile);
        let failed = |why: String| ToolError::Failed(format!("{}: {why}", path.display()));
        let content = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let config = Dockerfile::parse(&content).map_err(failed)?.config;
        let words = |given: &Value, own: &str| match given {
            Value::Null => (config.get(own).and_then(Value::as_array))
                .map(|words| words.iter().map(text).collect())
                .unwrap_or_default(),
            Value::Array(words) => words.iter().map(text).collect::<Vec<_>>(),
            line => vec!["bash".to_owned(), "-c".to_owned(), text(line)],
        };
        let entrypoint = words(&service.entrypoint, "Entrypoint");
        let command = words(&service.command, "Cmd");
        let mut env: BTreeMap<String, String> =
            variables(config.get("Env").unwrap_or(&Value::Null));
        env.extend(variables(&service.environment));
        let exposed = (config.get("ExposedPorts").and_then(Value::as_object))
            .and_then(|ports| ports.keys().next()?.split('/').next()?.parse().ok());
        Ok(Built {
            folder,
            words: [entrypoint, command].concat(),
            env,
            exposed,
        })
    }

    fn spawn(
        &self,
        name: &str,
        built: &Built,
        port: Option<u16>,
        output: impl Fn() -> Stdio,
    ) -> Result<Child, ToolError> {
        let words = built.words.iter().map(|word| match port {
            Some(port) => rewritten(word, built.exposed, port),
            None => word.clone(),
        });
        let env = (built.env.iter()).map(|(variable, value)| (variable, self.local(value)));
        Process::new("/usr/bin/env")
            .args(words)
            .envs(env)
            .current_dir(&built.folder)
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| ToolError::Failed(format!("{name}: {error}")))
    }

    /// `service:port` as an address of this machine.
    fn local(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for ((service, inside), port) in &self.ports {
            let address = format!("{service}:{inside}");
            for before in ["//", "@", ""] {
                let named = format!("{before}{address}");
                // Without anything before it, only as the whole value.
                if !before.is_empty() || value == address {
                    value = value.replace(&named, &format!("{before}127.0.0.1:{port}"));
                }
            }
        }
        value
    }
}

async fn listening(name: &str, child: &mut Child, port: u16, log: &Path) -> Result<(), ToolError> {
    let up = async {
        while !servers::accepts(port).await {
            if !matches!(child.try_wait(), Ok(None)) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        true
    };
    if tokio::time::timeout(UP_WITHIN, up).await == Ok(true) {
        return Ok(());
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    Err(ToolError::Failed(format!(
        "docker-compose: {name} did not come up:\n{said}"
    )))
}

/// A list of `NAME=VALUE` or a mapping.
fn variables(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::Array(entries) => {
            let entries: Vec<String> = entries.iter().map(text).collect();
            containers::environment(&entries)
        }
        Value::Object(members) => (members.iter())
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        _ => BTreeMap::new(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_reached_where_they_listen_here() {
        let file: File = serde_saphyr::from_str("services: {db: {image: 'postgres:16'}}").unwrap();
        let mut project = Project::new(file, Path::new(".")).unwrap();
        project.ports.insert(("db".to_owned(), 5432), 40_000);
        let local = |value: &str| project.local(value);
        assert_eq!(
            local("postgresql://u:p@db:5432/test"),
            "postgresql://u:p@127.0.0.1:40000/test"
        );
        assert_eq!(local("db:5432"), "127.0.0.1:40000");
        assert_eq!(local("mydb:5432"), "mydb:5432");
    }

    #[test]
    fn what_is_needed_comes_first() {
        let text = "services: {tests: {depends_on: {api: {condition: service_started}}}, api: {depends_on: [db]}, db: {}}";
        let project = Project::new(serde_saphyr::from_str(text).unwrap(), Path::new(".")).unwrap();
        let mut order = vec![];
        project.before("tests", &mut order, 0).unwrap();
        assert_eq!(order, ["db", "api", "tests"]);
    }
}
