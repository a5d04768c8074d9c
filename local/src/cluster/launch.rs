//! Starting an image's command as a process of this machine.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::{Child, Command};

use super::{image::ImageConfig, model::Deployment};
use crate::{codebuild::search_path, process::ProcessGroup};

/// How many of a process's last lines a failure shows.
const LAST_LINES: usize = 20;

/// A started revision.
pub(crate) struct Launched {
    pub(crate) group: ProcessGroup,
    pub(crate) child: Child,
    pub(crate) port: u16,
    log: PathBuf,
}

/// Starts a deployment's command in `folder`, on a free port of 127.0.0.1.
///
/// # Errors
/// When there is no command, no free port, or no such program on the PATH.
pub(crate) fn launch(
    deployment: &Deployment,
    image: &ImageConfig,
    folder: &Path,
    tools_path: &[PathBuf],
) -> io::Result<Launched> {
    let port = free_port()?;
    let exposed = deployment.port.or_else(|| exposed_port(image));
    let argv: Vec<String> = (arguments(deployment, image).iter())
        .map(|argument| rewritten(argument, exposed, port))
        .collect();
    let [program, arguments @ ..] = argv.as_slice() else {
        return Err(io::Error::other(
            "the image has neither CMD nor ENTRYPOINT, and the manifest no command",
        ));
    };
    let (home, temporary) = (folder.join("home"), folder.join("tmp"));
    fs::create_dir_all(&home)?;
    fs::create_dir_all(&temporary)?;
    let log = folder.join("log.txt");
    let output = File::create(&log)?;
    let path = search_path(None, tools_path);
    let mut command = Command::new(located(program, &path));
    command
        .args(arguments)
        .env_clear()
        .envs(environment(deployment, image, exposed, port))
        .env("PATH", path)
        .env("HOME", home)
        .env("TMPDIR", temporary)
        .env("LANG", "C.UTF-8")
        .current_dir(folder.join("rootfs"))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true);
    let group = ProcessGroup::start()?;
    let child = group.adopt(&mut command).spawn().map_err(|error| {
        io::Error::other(format!("{program}: {error} (is its folder in tools_path?)"))
    })?;
    Ok(Launched {
        group,
        child,
        port,
        log,
    })
}

impl Launched {
    /// The end of what the process has printed.
    pub(crate) fn last_lines(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

/// `command` replaces ENTRYPOINT and with it CMD; `args` replaces CMD
/// (Kubernetes, *Define a Command and Arguments for a Container*).
fn arguments(deployment: &Deployment, image: &ImageConfig) -> Vec<String> {
    let given = deployment.args.clone();
    match (&deployment.command, given) {
        (Some(command), args) => [command.clone(), args.unwrap_or_default()].concat(),
        (None, Some(args)) => [image.entrypoint.clone(), args].concat(),
        (None, None) => [image.entrypoint.clone(), image.cmd.clone()].concat(),
    }
}

fn exposed_port(image: &ImageConfig) -> Option<u16> {
    let first = image.exposed_ports.keys().next()?;
    first.split('/').next()?.parse().ok()
}

/// A container has its network to itself; a process shares this machine's. So
/// "every interface" becomes 127.0.0.1 and the container's port a free one.
pub(crate) fn rewritten(argument: &str, exposed: Option<u16>, port: u16) -> String {
    let argument = argument.replace("0.0.0.0", "127.0.0.1");
    let Some(exposed) = exposed else {
        return argument;
    };
    let written = exposed.to_string();
    match argument.strip_suffix(&written) {
        Some(before) if before.is_empty() || before.ends_with([':', '=']) => {
            format!("{before}{port}")
        }
        _ => argument,
    }
}

fn environment(
    deployment: &Deployment,
    image: &ImageConfig,
    exposed: Option<u16>,
    port: u16,
) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = (image.env.iter())
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    variables.extend(deployment.env.clone());
    if let Some(value) = variables.get_mut("PORT") {
        *value = rewritten(value, exposed, port);
    }
    variables
}

fn free_port() -> io::Result<u16> {
    // Released before the process takes it: somebody else could in between.
    // Then the process fails to bind, its rollout fails and says why.
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// A program by the PATH the process will have, not by this program's own.
fn located(program: &str, path: &str) -> PathBuf {
    if program.contains('/') {
        return PathBuf::from(program);
    }
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| PathBuf::from(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports_are_made_local() {
        for (argument, expected) in [
            ("0.0.0.0", "127.0.0.1"),
            ("8080", "40000"),
            ("--port=8080", "--port=40000"),
            ("0.0.0.0:8080", "127.0.0.1:40000"),
            ("18080", "18080"),
            ("app:main", "app:main"),
        ] {
            assert_eq!(rewritten(argument, Some(8080), 40000), expected);
        }
    }
}
