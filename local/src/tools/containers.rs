//! `docker run`, `exec`, `logs`, `stop` and `rm` for the services of a build.
//!
//! A container is a real server as a process of this machine ([`servers`]);
//! which ones there are is remembered under the build's own HOME.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Stdio, time::Duration};

use clap::Args;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{
    Console, ToolError,
    servers::{self, Kind, Order},
    variable,
};
use crate::ids;

/// How long a stopped container may take to end by itself.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// `docker run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[arg(short, long)]
    detach: bool,
    #[arg(long)]
    rm: bool,
    #[arg(long)]
    name: Option<String>,
    /// `HOST:CONTAINER`, or only one port for both.
    #[arg(short, long)]
    publish: Vec<String>,
    /// `NAME=VALUE`, or NAME for the build's own value.
    #[arg(short, long)]
    env: Vec<String>,
    #[arg(long)]
    health_cmd: Option<String>,
    #[arg(long)]
    health_interval: Option<String>,
    #[arg(long)]
    health_timeout: Option<String>,
    #[arg(long)]
    health_retries: Option<String>,
    image: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// `docker exec`.
#[derive(Debug, Args)]
pub(super) struct Exec {
    #[arg(short, long)]
    interactive: bool,
    #[arg(short, long)]
    tty: bool,
    #[arg(short, long)]
    env: Vec<String>,
    name: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// A container that was started.
#[derive(Debug, Serialize, Deserialize)]
struct Container {
    stand_in: String,
    id: String,
    image: String,
    pid: i32,
    port: u16,
    env: BTreeMap<String, String>,
}

fn folder(name: &str) -> Result<PathBuf, ToolError> {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if name.is_empty() || !plain || name.starts_with('.') {
        return Err(ToolError::Failed(format!(
            "Invalid container name ({name})"
        )));
    }
    Ok(PathBuf::from(variable("HOME")?)
        .join(".docker/gatewright-standin")
        .join(name))
}

impl Container {
    fn load(name: &str) -> Result<Self, ToolError> {
        let missing = || {
            ToolError::Failed(format!(
                "Error response from daemon: No such container: {name}"
            ))
        };
        let bytes = fs::read(folder(name)?.join("container.json")).map_err(|_| missing())?;
        serde_json::from_slice(&bytes).map_err(|_| missing())
    }
}

/// `NAME=VALUE`, or NAME for the variable of this process.
pub(super) fn environment(entries: &[String]) -> BTreeMap<String, String> {
    (entries.iter())
        .map(|entry| match entry.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (entry.clone(), std::env::var(entry).unwrap_or_default()),
        })
        .collect()
}

/// The host's port for a container's: `5432`, `5432:5432` or `127.0.0.1:1:2`.
fn published(publish: &[String], container: u16) -> Result<u16, ToolError> {
    for entry in publish {
        let ports: Vec<&str> = entry.split(':').collect();
        let number = |text: &str| {
            (text
                .split('/')
                .next()
                .and_then(|text| text.parse::<u16>().ok()))
            .ok_or_else(|| ToolError::Failed(format!("invalid publish opts: {entry}")))
        };
        let (host, inside) = match ports.as_slice() {
            [both] => (number(both)?, number(both)?),
            [host, inside] | [_, host, inside] => (number(host)?, number(inside)?),
            _ => return Err(ToolError::Failed(format!("invalid publish opts: {entry}"))),
        };
        if inside == container {
            return Ok(host);
        }
    }
    Ok(servers::any_port()?)
}

/// Starts a service.
pub(super) async fn run(run: Run, console: &mut Console) -> Result<(), ToolError> {
    let unknown = |why: &str| ToolError::unknown("docker", format!("run {}", run.image), why);
    let kind = Kind::of_image(&run.image)
        .ok_or_else(|| unknown("it plays postgres and redis, as processes of this machine"))?;
    if !run.detach {
        return Err(unknown(
            "it plays services, which are started with --detach",
        ));
    }
    let id = ids::token() + &ids::token();
    let name = run.name.clone().unwrap_or_else(|| id[..12].to_owned());
    let folder = folder(&name)?;
    if folder.exists() {
        let text = format!(
            "docker: Error response from daemon: Conflict. The container name \"/{name}\" is already in use."
        );
        return Err(ToolError::Code {
            code: 125,
            message: text,
        });
    }
    let arguments: &[String] = match run.command.split_first() {
        None => &[],
        Some((first, rest)) if ["postgres", "redis-server"].contains(&first.as_str()) => rest,
        Some((first, _)) if first.starts_with('-') => &run.command,
        Some((first, _)) => return Err(unknown(&format!("it does not play the command {first}"))),
    };
    let env = environment(&run.env);
    let order = Order {
        kind,
        env: &env,
        arguments,
        port: published(&run.publish, kind.port())?,
        folder: &folder,
    };
    let child = servers::start(&order, console).await?;
    let container = Container {
        stand_in: "laptop stand-in for docker: a process of this machine".to_owned(),
        id: id.clone(),
        image: run.image.clone(),
        pid: child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .unwrap_or(0),
        port: order.port,
        env: env.clone(),
    };
    let bytes = serde_json::to_vec_pretty(&container).map_err(std::io::Error::from)?;
    fs::write(folder.join("container.json"), bytes)?;
    console.note(&format!(
        "docker run: {} is a process of this machine on 127.0.0.1:{}; whatever version the image names, it is the one of local/build-tools.txt",
        run.image, order.port
    ));
    console.line(&id);
    Ok(())
}

/// Runs a command as if in a container: with its variables, and its server as
/// the one that clients find.
pub(super) async fn exec(exec: Exec, console: &mut Console) -> Result<(), ToolError> {
    let container = Container::load(&exec.name)?;
    if !servers::accepts(container.port).await {
        let text = format!(
            "Error response from daemon: container {} is not running",
            container.id
        );
        return Err(ToolError::Failed(text));
    }
    let mut words = exec.command.clone();
    if words[0] == "redis-cli" {
        let port = container.port.to_string();
        words.splice(1..1, ["-p".to_owned(), port]);
    }
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(bin) = servers::postgres_bin() {
        let mut whole = bin.into_os_string();
        whole.push(":");
        whole.push(path);
        path = whole;
    }
    let of = |name: &str, default: &str| {
        container
            .env
            .get(name)
            .cloned()
            .unwrap_or_else(|| default.to_owned())
    };
    let status = Command::new("/usr/bin/env")
        .args(&words)
        .env("PATH", path)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", container.port.to_string())
        .env("PGUSER", of("POSTGRES_USER", "postgres"))
        .env("PGPASSWORD", of("POSTGRES_PASSWORD", ""))
        .envs(&container.env)
        .envs(environment(&exec.env))
        .stdin(if exec.interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .status()
        .await?;
    if status.success() {
        return Ok(());
    }
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    console.note(&format!(
        "docker exec: {} in {} ended with {code}",
        words[0], exec.name
    ));
    Err(ToolError::Code {
        code,
        message: format!("{}: exit code {code}", words.join(" ")),
    })
}

/// Shows what a service has printed.
pub(super) fn logs(name: &str, console: &mut Console) -> Result<(), ToolError> {
    Container::load(name)?;
    let log = fs::read(folder(name)?.join("log.txt"))?;
    console.pass_on(&log, b"");
    Ok(())
}

/// Stops services, and forgets them when `forget`.
pub(super) async fn stop(
    names: &[String],
    forget: bool,
    console: &mut Console,
) -> Result<(), ToolError> {
    for name in names {
        let container = Container::load(name)?;
        end(container.pid, container.port).await;
        if forget {
            fs::remove_dir_all(folder(name)?)?;
        }
        console.line(name);
    }
    Ok(())
}

/// Ends a server: gently, then not.
async fn end(pid: i32, port: u16) {
    // 0 would be this whole process group.
    if pid <= 0 {
        return;
    }
    let pid = Pid::from_raw(pid);
    // SIGINT is PostgreSQL's fast shutdown; Redis takes it as well.
    let _ = kill(pid, Signal::SIGINT);
    let gone = async {
        while servers::accepts(port).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(STOP_WITHIN, gone).await.is_err() {
        let _ = kill(pid, Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_port_is_the_hosts() {
        let port = |entry: &str| published(&[entry.to_owned()], 5432).ok();
        assert_eq!(port("15432:5432"), Some(15432));
        assert_eq!(port("127.0.0.1:15432:5432/tcp"), Some(15432));
        assert_eq!(port("5432"), Some(5432));
        assert!(published(&["x:5432".to_owned()], 5432).is_err());
    }

    #[test]
    fn a_containers_name_stays_in_its_folder() {
        assert!(folder("../x").is_err());
        assert!(folder("..").is_err());
    }
}
