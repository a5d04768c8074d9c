//! The commands about definitions, as a program: plan, graph, diff, init, import.

mod support;

use serde_json::{Value, json};
use support::{gatewright, json_of, keys, root, run, text};

#[test]
fn a_plan_says_by_its_exit_code_whether_it_would_be_admitted() {
    assert_eq!(run(&["plan", "pl-gps-001"]).0, 0);
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
    let (code, out, _) = run(&["plan", "pl-gps-001", "--branch", "feature/x"]);
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
    let main = ["plan", "pl-gps-001", "--json", "--branch", "main"];
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
    let table = json_of(&["plan", "pl-gps-001", "--json"], 0);
    let expected = ["pipeline", "name", "version", "triggers", "unenforced"];
    assert_eq!(keys(&table), expected);
    let events: Vec<&Value> = table["triggers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trigger| &trigger["matches"])
        .collect();
    assert_eq!(events, ["push to main", "tag v*.*.*", "manual"]);
    let (code, out, _) = run(&["plan", "pl-gps-001"]);
    assert!(code == 0 && out.contains("TRIGGER"), "{out}");
}

#[test]
fn a_rollback_is_planned_with_its_reason() {
    let args = [
        "plan",
        "pl-gps-001",
        "--rollback",
        "production",
        "--requester",
        "lena",
    ];
    let (code, out, _) = run(&args);
    assert!(code == 0 && out.contains("admitted: a rollback"), "{out}");
    let (code, out, _) = run(&[
        "plan",
        "pl-gps-001",
        "--rollback",
        "nowhere",
        "--requester",
        "lena",
    ]);
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
    let graph = json_of(&["graph", "pl-gps-001", "--json"], 0);
    let expected = ["pipeline", "route", "nodes", "edges", "groups"];
    assert_eq!(keys(&graph), expected);
    let (code, _, err) = run(&["graph", "pl-gps-001", "--route", "nowhere"]);
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
