//! The commands against a laptop stack that `local up` keeps: needs `make setup`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const COMMIT: &str = "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5";

/// A stack that is up.
struct Up {
    child: Child,
    connection: PathBuf,
    _data: tempfile::TempDir,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(args)
        .env_remove("GATEWRIGHT_CONNECTION")
        .stdin(Stdio::null());
    command
}

impl Up {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().to_str().unwrap();
        let mut child = command(&["local", "up", "pl-gps-001", "--json", "--data", folder])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut document = String::new();
        for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
            document.push_str(&line.unwrap());
            if document.ends_with("}") && serde_json::from_str::<Value>(&document).is_ok() {
                break;
            }
        }
        let told: Value = serde_json::from_str(&document).unwrap();
        let connection = PathBuf::from(told["connection"].as_str().unwrap());
        assert!(told["inbox"].as_str().unwrap().ends_with("/inbox"));
        Self {
            child,
            connection,
            _data: data,
        }
    }

    /// Runs a command on it; exit code, standard output, standard error.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let connection = self.connection.to_str().unwrap();
        let args: Vec<&str> = ["--connection", connection]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let output = command(&args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Ends it as a supervisor would; gives its exit code.
    fn down(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Up {
    /// A test that fails leaves no stack behind: the emulator ends with its parent.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn releases_are_started_followed_explained_and_read() {
    let mut up = Up::new();
    applied(&up);
    not_started(&up);
    running(&up);
    refused(&up);

    let folder = up.connection.parent().unwrap().to_str().unwrap().to_owned();
    let second = command(&["local", "up", "--data", &folder])
        .output()
        .unwrap();
    assert_eq!(
        second.status.code(),
        Some(1),
        "a second stack on the same folder"
    );

    assert_eq!(up.down(), Some(0));
    assert!(
        !up.connection.exists(),
        "the connection leads nowhere any more"
    );
    let mut rest = String::new();
    up.child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut rest)
        .unwrap();
    assert_eq!(rest, "", "one document is all that it prints");
}

fn applied(up: &Up) {
    let (code, out, err) = up.run(&["apply", "pl-gps-001"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.starts_with("unchanged  pl-gps-001  live: ") && out.ends_with("nothing to do\n"),
        "{out}"
    );
}

/// What would not be admitted is not started, and leaves nothing behind.
fn not_started(up: &Up) {
    let elsewhere = ["--commit", COMMIT, "--branch", "feature/x"];
    let start = ["start", "pl-gps-001", "--name", "try-1"];
    let (code, out, err) = up.run(&[&start[..], &elsewhere].concat());
    assert!(
        code == 1 && err.contains("this would not be admitted (NotTriggered)"),
        "{out}{err}"
    );
    assert_eq!(up.run(&["show", "try-1"]).0, 3);
    let (code, _, err) = up.run(&["start", "pl-gps-01", "--commit", COMMIT, "--branch", "main"]);
    assert!(
        code == 3 && err.contains("did you mean \"pl-gps-001\"?"),
        "{err}"
    );
}

/// A rollback with nothing to go back to: only the record knows, so it is
/// started, refused and closed.
fn refused(up: &Up) {
    let (code, out, err) = up.run(&[
        "start",
        "pl-gps-001",
        "--rollback",
        "production",
        "--requester",
        "priya",
        "--reason",
        "tried",
        "--name",
        "try-2",
        "--watch",
    ]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("try-2  failed-clean") && out.contains("BadInput"),
        "{out}"
    );
    let (code, out, _) = up.run(&["explain", "try-2", "--json"]);
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &explained["status"]),
        (0, &Value::from("failed-clean"))
    );
    assert_eq!(up.run(&["status", "try-2"]).0, 1);
    assert_eq!(up.run(&["show", "try-2", "--verify"]).0, 0);
    let (code, _, err) = up.run(&["approve", "try-2", "--as", "priya", "--yes"]);
    assert!(code == 1 && err.contains("asks for no approval"), "{err}");
}

/// A release that runs: its log grows, its status is told, and the time is over
/// before it ends.
fn running(up: &Up) {
    let (code, out, _) = up.run(&[
        "start",
        "pl-gps-001",
        "--commit",
        COMMIT,
        "--branch",
        "main",
        "--json",
    ]);
    let started: Value = serde_json::from_str(&out).unwrap();
    let release = started["release"].as_str().unwrap();
    assert!(code == 0 && release.starts_with("cli-"), "{out}");
    let (code, out, _) = up.run(&["status", release, "--watch", "--timeout", "3s"]);
    assert!(
        code == 6 && out.contains("⏳ Static Analysis & Code Quality"),
        "{out}"
    );
    let (code, out, err) = up.run(&["logs", "1", "static", "--follow"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("flake8") && !out.contains('\u{1b}'), "{out}");
    let (code, out, _) = up.run(&["status"]);
    assert!(code == 0 && out.contains("pl-gps-001#1  running"), "{out}");
    let (code, out, _) = up.run(&["history", "pl-gps-001", "--csv"]);
    assert!(
        code == 0
            && out.starts_with("release,when,commit,status,approved by,seconds\r\npl-gps-001#1,"),
        "{out}"
    );
    let (code, out, _) = up.run(&["show", "pl-gps-001#1", "--json"]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["ledger_verified"]), (0, &Value::from(true)));
    assert_eq!(up.run(&["show", "2"]).0, 3);
    decided(up);
}

/// Two people decide on the command line, each signed with their own key.
fn decided(up: &Up) {
    let until = Instant::now() + Duration::from_secs(120);
    while !up
        .run(&["explain", "1"])
        .1
        .contains("As DevOps Lead can decide")
    {
        assert!(Instant::now() < until, "{:?}", up.run(&["status", "1"]));
        std::thread::sleep(Duration::from_millis(500));
    }
    let (code, _, err) = up.run(&["approve", "1", "--yes"]);
    assert!(code == 2 && err.contains("--as PERSON"), "{err}");
    let (code, _, err) = up.run(&["approve", "1", "--as", "priya"]);
    assert!(
        code == 2 && err.contains("Evidence sha256:") && err.contains("--yes"),
        "{err}"
    );
    let (code, out, err) = up.run(&["approve", "1", "--as", "priya", "--yes", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["missing"], serde_json::json!([["devops-lead", 1]]));
    let (code, _, err) = up.run(&["approve", "1", "--as", "priya", "--yes"]);
    assert!(code == 1 && err.contains("already decided"), "{err}");
    let (code, out, err) = up.run(&[
        "approve",
        "1",
        "--as",
        "devan",
        "--yes",
        "--reason",
        "looked at staging",
    ]);
    assert!(
        code == 0 && out.contains("Devan Okafor approved pl-gps-001#1; the quorum is complete"),
        "{out}{err}"
    );
    let (code, out, _) = up.run(&["status", "1", "--watch", "--timeout", "2m", "--json"]);
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((code, &last["status"]), (0, &Value::from("succeeded")));
    let (code, out, _) = up.run(&["history", "--environment", "production"]);
    assert!(
        code == 0 && out.lines().count() == 2 && out.contains("pl-gps-001#1"),
        "{out}"
    );
    // The ways back know what the registry has; the first release has none yet.
    let back = ["rollback", "pl-gps-001", "production", "--dry-run"];
    let why = ["--reason", "errors", "--requester", "priya@example.com"];
    let (code, out, err) = up.run(&[&back[..], &why[..]].concat());
    assert!(
        code == 1 && out.contains("findings 2 LOW") && out.contains("nothing else than what runs"),
        "{out}{err}"
    );
}
