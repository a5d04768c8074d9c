//! The command line as a program: exit codes, JSON, what is printed where.

mod support;

use serde_json::{Value, json};
use std::process::{Command, Stdio};
use support::{gatewright, json_of, keys, root, run, text};

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
        "runbook",
        "logs",
        "apply",
        "versions",
        "local up",
        "local demo",
        "local metric",
        "local alarm",
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
    let pipelines = files.iter().filter(|file| file["kind"] == "pipeline");
    assert_eq!((files.len(), pipelines.count()), (12, 11));
    assert!(files.iter().any(|file| file["pipeline"] == "pl-gps-001"));
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
fn the_committed_machines_and_templates_are_current() {
    assert_eq!(
        run(&["compile", "--check"]),
        (0, String::new(), String::new())
    );
    let document = json_of(&["compile", "--check", "--json"], 0);
    assert_eq!(document["files"][0]["is"], "unchanged");
    assert_eq!(document["gone"], serde_json::json!([]));
    let keys = keys(&document["files"][0]);
    let expected = [
        "pipeline",
        "version",
        "kind",
        "file",
        "is",
        "first_difference",
    ];
    assert_eq!(keys, expected);
    let kinds: Vec<&str> = document["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["pipeline"] == "pl-gps-001")
        .map(|file| file["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["machine", "rollback", "template"]);
}

#[test]
fn compile_writes_once_and_check_shows_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let into = ["compile", "--out", out, "--templates", out];
    let compile = || run(&into);
    let check = || run(&[&into[..], &["--check"]].concat());
    let (code, said, _) = check();
    assert!(
        code == 1 && said.contains("pl-gps-001.asl.json is missing"),
        "{said}"
    );
    let (code, said, _) = compile();
    assert!(code == 0 && said.starts_with("new"), "{said}");
    let (code, said, _) = compile();
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
fn compile_names_what_no_definition_compiles_to() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let into = ["compile", "--out", out, "--templates", out];
    assert_eq!(run(&into).0, 0);
    for name in ["pl-old.rollback.asl.json", "pl-old.template.json"] {
        std::fs::write(folder.path().join(name), "{}").unwrap();
    }
    let (code, said, _) = run(&[&into[..], &["--check"]].concat());
    assert_eq!(code, 1);
    assert!(
        said.contains("pl-old.rollback.asl.json is what no definition compiles to"),
        "{said}"
    );
    assert!(
        said.contains("pl-old.template.json is what no definition compiles to"),
        "{said}"
    );
    let one = [&into[..], &["pipelines/pl-gps-001.yaml", "--check"]].concat();
    assert_eq!(run(&one).0, 0, "who looks at one file cannot tell");
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
fn what_to_do_by_hand_needs_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pipelines")).unwrap();
    for file in ["pipelines/pl-gps-001.yaml", "pipelines/approvers.yaml"] {
        std::fs::copy(root().join(file), folder.path().join(file)).unwrap();
    }
    let output = gatewright(
        folder.path(),
        &["runbook", "pl-gps-001", "production", "--json"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let document: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let expected = [
        "pipeline",
        "environment",
        "record",
        "held_by",
        "hold",
        "doubts",
        "runs",
        "back_to",
        "careful",
        "others",
        "sections",
        "unknown",
    ];
    assert_eq!(keys(&document), expected);
    assert_eq!(document["record"], false);
    assert!(
        document["unknown"].as_array().unwrap().len() >= 3,
        "{document}"
    );
    let args = ["runbook", "pl-gps-001", "production", "--to", "142"];
    let said = text(&gatewright(folder.path(), &args).stdout);
    assert!(
        said.contains("what --to names could not be looked up"),
        "{said}"
    );
    assert!(said.lines().all(|line| !line.contains('\u{1b}')));
    let output = gatewright(folder.path(), &["runbook", "pl-gps-001", "prod"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("did you mean \"production\"?"));
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
    // What to do by hand is asked for on the day when nothing answers.
    let named = path.to_str().unwrap();
    let (code, out, err) = run(&["--connection", named, "runbook", "pl-gps-001", "production"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("# The record could not be read: "), "{out}");
    assert!(
        out.contains("export ECR_REGISTRY=1.dkr.ecr.ap-south-1.amazonaws.com"),
        "{out}"
    );
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
    assert!(!run(&["plan", "pl-gps-001"]).1.contains(escape));
    assert!(
        run(&["plan", "pl-gps-001", "--color", "always"])
            .1
            .contains(escape)
    );
    assert!(
        !run(&["plan", "pl-gps-001", "--color", "never"])
            .1
            .contains(escape)
    );
}

#[test]
fn a_reader_who_goes_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .current_dir(root())
        .args(["plan", "pl-gps-001", "--json"])
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
