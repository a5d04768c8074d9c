//! The command line as a program, for tests.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

pub fn gatewright(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    command.current_dir(folder).args(args).stdin(Stdio::null());
    for name in ["GATEWRIGHT_CONNECTION", "COLUMNS", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs in the project's folder; exit code, standard output, standard error.
pub fn run(args: &[&str]) -> (i32, String, String) {
    let output = gatewright(&root(), args);
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

pub fn json_of(args: &[&str], code: i32) -> Value {
    let (found, out, err) = run(args);
    assert_eq!(found, code, "{out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

pub fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}
