//! `make demo`'s own command, on a laptop stack of its own: needs `make setup`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// One stack at a time, because the machine has few cores.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a demo; exit code, standard output, standard error.
fn demo(args: &[&str]) -> (i32, String, String) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .current_dir(root())
        .args(["local", "demo"])
        .args(args)
        .env_remove("GATEWRIGHT_CONNECTION")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_good_scenario_tells_its_story_and_leaves_its_times() {
    let (code, out, err) = demo(&[]);
    print!("{out}{err}");
    assert_eq!(code, 0);
    for said in [
        "✓  Unit Test & Coverage",
        "Priya approves on the page behind the personal link",
        "✓ approved by",
        "✓ digest in staging = digest in production",
        "✓ IAM denied no call",
        "✓ verified: ",
        "✓ scenario good ended as it should: succeeded",
    ] {
        assert!(out.contains(said), "{said}");
    }
    let left = std::fs::read_to_string(root().join(".stack/demo.json")).unwrap();
    let times: Value = serde_json::from_str(&left).unwrap();
    let seconds = |name: &str| times[name].as_f64().unwrap();
    let own = seconds("wall_seconds") - seconds("builds_seconds") - seconds("approval_seconds");
    assert!(
        own > 0.0,
        "builds and people fit into the release: {times:#}"
    );
}

#[test]
fn the_rejected_scenario_ends_clean_for_its_reason() {
    let (code, out, err) = demo(&["--json", "--scenario", "rejected"]);
    let outcome: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!(
        (code, &outcome["unexpected"]),
        (0, &json!([])),
        "{outcome:#}"
    );
    assert_eq!(outcome["failure"]["error"], "Rejected");
    assert!(outcome["digests"].get("production").is_none());
}
