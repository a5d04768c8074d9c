//! The command line as a program: exit codes, JSON, what is printed where.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn gatewright(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    command.current_dir(folder).args(args).stdin(Stdio::null());
    for name in ["GATEWRIGHT_CONNECTION", "COLUMNS", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs in the project's folder; exit code, standard output, standard error.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = gatewright(&root(), args);
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

fn json_of(args: &[&str], code: i32) -> Value {
    let (found, out, err) = run(args);
    assert_eq!(found, code, "{out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn help_lists_the_commands_and_the_exit_codes() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out);
    let (code, out, err) = run(&[]);
    assert!(
        code == 2 && out.is_empty() && err.contains("Exit codes:"),
        "{err}"
    );
}

#[test]
fn every_command_helps_with_an_example() {
    let commands = [
        "validate",
        "compile",
        "plan",
        "graph",
        "diff",
        "init",
        "import github-workflow",
        "start",
        "status",
        "approve",
        "reject",
        "history",
        "show",
        "explain",
        "logs",
        "apply",
        "versions",
        "local up",
        "local demo",
    ];
    for command in commands {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let (code, out, _) = run(&args);
        assert_eq!(code, 0);
        assert!(
            out.contains(&format!("Example:\n  gatewright {command}")),
            "{out}"
        );
        assert!(out.contains("JSON"), "{out}");
        assert!(out.lines().all(|line| line.chars().count() <= 130), "{out}");
    }
}

#[test]
fn wrong_arguments_end_with_2() {
    for args in [
        &["nonsense"][..],
        &["start", "pl-gps-001"],
        &[
            "start",
            "pl-gps-001",
            "--commit",
            "abc123",
            "--branch",
            "main",
        ],
        &["plan", "--branch", "main", "--tag", "v1"],
        &["plan", "--manual", "--schedule", "nightly"],
        &["plan", "--pull-request", "7"],
        &["plan", "--environment", "staging"],
        &["plan", "--to", "cli-1"],
        &["graph", "--format", "png"],
        &["import"],
        &["init", "--id", "a b"],
        &["init"],
        &["versions"],
        &[
            "start",
            "pl-gps-001",
            "--rollback",
            "production",
            "--manual",
        ],
        &["status", "--watch"],
        &["status", "1", "--watch", "--timeout", "30"],
        &["reject", "1"],
        &["history", "--limit", "0"],
    ] {
        assert_eq!(run(args).0, 2, "{args:?}");
    }
}

#[test]
fn the_projects_own_definitions_are_valid_and_nothing_is_said() {
    assert_eq!(run(&["validate"]), (0, String::new(), String::new()));
    let document = json_of(&["validate", "--json"], 0);
    assert_eq!(document["valid"], true);
    let files = document["files"].as_array().unwrap();
    let kinds: Vec<&Value> = files.iter().map(|file| &file["kind"]).collect();
    assert_eq!(kinds, [&json!("approvers"), &json!("pipeline")]);
    assert_eq!(files[1]["pipeline"], "pl-gps-001");
}

#[test]
fn every_rejected_definition_is_refused_with_its_own_message() {
    let definitions = root().join("tests/definitions");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        definitions.join("approvers.yaml"),
        folder.path().join("approvers.yaml"),
    )
    .unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(definitions.join("rejected")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".yaml") || name.starts_with("approvers-") {
            continue;
        }
        std::fs::copy(&path, folder.path().join(name)).unwrap();
        let output = gatewright(folder.path(), &["validate", name]);
        let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(text(&output.stdout), expected, "{name}");
        count += 1;
    }
    assert!(count >= 40);
}

#[test]
fn a_diagnostic_has_its_place_in_json() {
    let file = "tests/definitions/rejected/gate-that-is-none.yaml";
    let document = json_of(&["validate", "--json", file], 1);
    let found = &document["files"][0]["diagnostics"][0];
    assert_eq!(found["line"], 17);
    assert_eq!(found["help"], "did you mean \"steps\"?");
    assert_eq!(
        keys(found),
        ["level", "line", "column", "width", "message", "help"]
    );
}

#[test]
fn wrong_approvers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = root().join("tests/definitions/rejected/approvers-unknown-member.yaml");
    std::fs::copy(wrong, folder.path().join("approvers.yaml")).unwrap();
    let output = gatewright(folder.path(), &["validate", "approvers.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("approvers.yaml:"));
}

#[test]
fn the_committed_machines_are_current() {
    assert_eq!(
        run(&["compile", "--check"]),
        (0, String::new(), String::new())
    );
    let document = json_of(&["compile", "--check", "--json"], 0);
    assert_eq!(document["machines"][0]["is"], "unchanged");
    let keys = keys(&document["machines"][0]);
    assert_eq!(
        keys,
        [
            "pipeline",
            "version",
            "file",
            "is",
            "states",
            "first_difference"
        ]
    );
}

#[test]
fn compile_writes_once_and_check_shows_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let check = || run(&["compile", "--check", "--out", out]);
    let (code, said, _) = check();
    assert!(
        code == 1 && said.contains("pl-gps-001.asl.json is missing"),
        "{said}"
    );
    let (code, said, _) = run(&["compile", "--out", out]);
    assert!(code == 0 && said.starts_with("new"), "{said}");
    let (code, said, _) = run(&["compile", "--out", out]);
    assert!(code == 0 && said.starts_with("unchanged"), "{said}");
    let file = folder.path().join("pl-gps-001.asl.json");
    let compiled = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        compiled.replacen("\"StartAt\": \"Admit\"", "\"StartAt\": \"Finish\"", 1),
    )
    .unwrap();
    let (code, said, _) = check();
    assert_eq!(code, 1);
    assert!(
        said.contains("- ") && said.contains("\"StartAt\": \"Finish\""),
        "{said}"
    );
    assert!(
        said.contains("+ ") && said.contains("\"StartAt\": \"Admit\""),
        "{said}"
    );
}

#[test]
fn a_plan_says_by_its_exit_code_whether_it_would_be_admitted() {
    assert_eq!(run(&["plan"]).0, 0);
    assert_eq!(run(&["plan", "pl-gps-001", "--tag", "v1.4.0"]).0, 0);
    assert_eq!(
        run(&[
            "plan",
            "pipelines/pl-gps-001.yaml",
            "--manual",
            "--requester",
            "x"
        ])
        .0,
        0
    );
    let (code, out, _) = run(&["plan", "--branch", "feature/x"]);
    assert!(code == 1 && out.contains("refused (NotTriggered)"), "{out}");
    let (code, _, err) = run(&["plan", "pl-gps-01"]);
    assert_eq!(code, 3);
    assert!(
        err.contains("did you mean \"pl-gps-001\"?") && err.contains("help:"),
        "{err}"
    );
}

#[test]
fn a_plan_in_json_has_its_documented_shape() {
    let main = ["plan", "--json", "--branch", "main"];
    let by_lena = [&main[..], &["--requester", "lena@example.com"]].concat();
    let plan = json_of(&by_lena, 0);
    let expected = [
        "pipeline",
        "name",
        "version",
        "ref",
        "admitted",
        "cause",
        "route",
        "refused",
        "stages",
        "groups",
        "ways_back",
        "environments",
        "unenforced",
        "path",
        "transitions",
        "usd",
        "work_seconds",
        "waiting_seconds",
        "longest_seconds",
    ];
    assert_eq!(keys(&plan), expected);
    assert_eq!(plan["transitions"], 15);
    let approval = &plan["stages"][5];
    assert_eq!(approval["kind"], "approval");
    assert_eq!(approval["asked"][0]["excluded"], json!(["Lena Fischer"]));
    assert_eq!(approval["reachable"], true);
    let cost = json_of(&[&main[..], &["--cost"]].concat(), 0);
    let expected = ["states", "minutes", "transitions_usd", "builds_usd", "usd"];
    assert_eq!(keys(&cost["cost"]), expected);
}

#[test]
fn without_a_trigger_a_plan_lists_the_triggers() {
    let table = json_of(&["plan", "--json"], 0);
    let expected = ["pipeline", "name", "version", "triggers", "unenforced"];
    assert_eq!(keys(&table), expected);
    let events: Vec<&Value> = table["triggers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trigger| &trigger["matches"])
        .collect();
    assert_eq!(events, ["push to main", "tag v*.*.*", "manual"]);
    let (code, out, _) = run(&["plan"]);
    assert!(code == 0 && out.contains("TRIGGER"), "{out}");
}

#[test]
fn a_rollback_is_planned_with_its_reason() {
    let args = ["plan", "--rollback", "production", "--requester", "lena"];
    let (code, out, _) = run(&args);
    assert!(code == 0 && out.contains("admitted: a rollback"), "{out}");
    let (code, out, _) = run(&["plan", "--rollback", "nowhere", "--requester", "lena"]);
    assert!(code == 1 && out.contains("refused (NotTriggered)"), "{out}");
}

#[test]
fn a_pipeline_is_drawn_as_its_file_is_called() {
    let folder = tempfile::tempdir().unwrap();
    for (name, begins) in [
        ("a.svg", "<svg "),
        ("a.mmd", "flowchart TB"),
        ("a.md", "```mermaid"),
        ("a.txt", "pl-gps-001  "),
    ] {
        let path = folder.path().join(name);
        let (code, out, err) = run(&["graph", "pl-gps-001", "-o", path.to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (0, ""), "{err}");
        let drawn = std::fs::read_to_string(path).unwrap();
        assert!(drawn.starts_with(begins), "{name}: {drawn}");
    }
    let graph = json_of(&["graph", "--json"], 0);
    let expected = ["pipeline", "route", "nodes", "edges", "groups"];
    assert_eq!(keys(&graph), expected);
    let (code, _, err) = run(&["graph", "--route", "nowhere"]);
    assert!(code == 3 && err.contains("has no route"), "{err}");
}

#[test]
fn two_files_are_compared_without_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        folder.path().join("old.yaml"),
        folder.path().join("new.yaml"),
    );
    let text = std::fs::read_to_string(root().join("pipelines/pl-gps-001.yaml")).unwrap();
    std::fs::write(&old, &text).unwrap();
    std::fs::write(&new, text.replace("at-least: 80", "at-least: 60")).unwrap();
    let approvers = root().join("pipelines/approvers.yaml");
    std::fs::copy(approvers, folder.path().join("approvers.yaml")).unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let (code, out, err) = run(&["diff", old, new]);
    assert_eq!(code, 1, "{err}");
    assert!(
        out.contains(
            "! demands line coverage of at least 60 % instead of 80 %  weakens production"
        ),
        "{out}"
    );
    let (code, out, _) = run(&["diff", old, old]);
    assert!(code == 0 && out.contains("are the same"), "{out}");
    let document = json_of(&["diff", "--json", new, old], 1);
    let expected = ["before", "after", "different", "weakens", "changes"];
    assert_eq!(keys(&document), expected);
    assert_eq!(document["weakens"], json!([]));
    assert_eq!(keys(&document["changes"][0]), ["place", "what", "weakens"]);
}

#[test]
fn a_first_definition_is_written_once_and_can_be_planned() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "init",
        "--kind",
        "python-service",
        "--id",
        "orders",
        "--repository",
        "https://github.com/example/orders",
    ];
    let output = gatewright(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "new       pipelines/orders.yaml\nnew       pipelines/approvers.yaml\n"
    );
    for command in [
        &["validate"][..],
        &["plan", "--tag", "v1.0.0"],
        &["compile"],
    ] {
        let output = gatewright(folder.path(), command);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{command:?}: {}",
            text(&output.stdout)
        );
    }
    let again = gatewright(folder.path(), &args);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("is there already"));
    let forced = [&args[..], &["--force", "--json"]].concat();
    let document: Value =
        serde_json::from_str(&text(&gatewright(folder.path(), &forced).stdout)).unwrap();
    assert_eq!(document["files"][0]["is"], "replaced");
    assert_eq!(document["files"][1]["is"], "kept");
}

#[test]
fn a_workflow_becomes_a_draft_and_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let workflow = root().join("cli/tests/fixtures/smart-dairy-workflow.yml");
    let workflow = workflow.to_str().unwrap();
    let import = ["import", "github-workflow", workflow];
    let output = gatewright(folder.path(), &import);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("\nid: smart-dairy\n"));
    let err = text(&output.stderr);
    assert!(
        err.starts_with("drafted: 7 of 7 jobs and 37 of 37 steps carried over to smart-dairy\n")
            && err.contains("places to decide"),
        "{err}"
    );
    let into = [
        &import[..],
        &["--output", "shop.yaml", "--id", "shop", "--json"],
    ]
    .concat();
    let document: Value =
        serde_json::from_str(&text(&gatewright(folder.path(), &into).stdout)).unwrap();
    assert_eq!(document["pipeline"], "shop");
    assert_eq!(document["draft"], Value::Null);
    assert_eq!(gatewright(folder.path(), &into).status.code(), Some(1));
    let none = gatewright(folder.path(), &["import", "github-workflow", "none.yml"]);
    assert_eq!(none.status.code(), Some(3));
    std::fs::write(folder.path().join("wrong.yml"), "a: 1\n").unwrap();
    let wrong = gatewright(folder.path(), &["import", "github-workflow", "wrong.yml"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("this is no workflow: `jobs` is missing"));
}

#[test]
fn without_a_connection_the_way_to_one_is_shown() {
    let empty = tempfile::tempdir().unwrap();
    for args in [
        &["status"][..],
        &["show", "1"],
        &["history"],
        &["logs", "1"],
        &["explain", "1"],
        &["versions", "pl-gps-001"],
        &["diff", "pl-gps-001@live", "pl-gps-001@abcd"],
    ] {
        let output = gatewright(empty.path(), args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        let err = text(&output.stderr);
        assert!(
            err.starts_with("error: .gatewright.json does not exist\nhelp: "),
            "{err}"
        );
    }
    let output = gatewright(empty.path(), &["status", "--json"]);
    let document: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(keys(&document), ["error", "help", "exit_code"]);
    assert_eq!(document["exit_code"], 3);
    let output = gatewright(empty.path(), &["validate"]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_stack_that_is_gone_ends_with_4() {
    let folder = tempfile::tempdir().unwrap();
    let connection = json!({
        "region": "ap-south-1", "endpoint": "http://127.0.0.1:9", "credentials": { "key": "k", "secret": "s" },
        "table": "t", "machines": { "pl-gps-001": "arn:aws:states:ap-south-1:1:stateMachine:pl-gps-001" },
        "public_url": "http://127.0.0.1:9",
    });
    let path = folder.path().join("connection.json");
    std::fs::write(&path, connection.to_string()).unwrap();
    let named = ["--connection", "connection.json", "status"];
    let output = gatewright(folder.path(), &named);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{err}");
    assert!(
        err.starts_with("error: ") && err.contains("\nhelp: ") && err.len() < 700,
        "{err}"
    );
}

#[test]
fn colours_are_for_those_who_want_them() {
    let escape = "\u{1b}[";
    assert!(!run(&["plan"]).1.contains(escape));
    assert!(run(&["plan", "--color", "always"]).1.contains(escape));
    assert!(!run(&["plan", "--color", "never"]).1.contains(escape));
}

#[test]
fn a_reader_who_goes_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .current_dir(root())
        .args(["plan", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}
