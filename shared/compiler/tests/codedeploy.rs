//! What a CodeDeploy step runs, by a real bash, with an `aws` that remembers what it
//! was asked and answers as it was told.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{buildspec, read};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Says what a file of the call's name holds, the first line of several, the last one
/// again and again; `fail` fails.
const AWS: &str = r#"#!/bin/bash
printf '%s\0' "$@" >>"$STATE/calls"
printf '\n' >>"$STATE/calls"
shift
operation=$1 id='' query=''
while [ $# -gt 0 ]; do
  case "$1" in
    --deployment-id) id=.$2 ;;
    --query) query=.${2##*.} ;;
  esac
  shift
done
answers="$STATE/$operation$id$query"
[ -e "$answers" ] || { echo "nothing is said about $answers" >&2; exit 254; }
answer=$(head -n 1 "$answers")
[ "$(wc -l <"$answers")" -le 1 ] || sed -i 1d "$answers"
[ "$answer" != fail ] || exit 255
echo "$answer"
"#;

/// A build in which the step runs.
struct Build {
    folder: TempDir,
    command: String,
}

impl Build {
    fn new(step: &str) -> Self {
        let text = format!(
            "language: 1\nid: shop\nname: Shop\nregion: eu-central-1\n\
             source: {{ repository: https://github.com/example/shop }}\non: {{ manual: true }}\n\
             artifacts: {{ image: {{ type: image, repository: shop }} }}\n\
             environments: {{ staging: {{}} }}\nstages:\n\
             \x20 - {{ name: Package, steps: [make], produces: image }}\n\
             \x20 - name: Deploy\n    deploy: {{ artifact: image, environment: staging }}\n    timeout: 10m\n\
             \x20   steps:\n      - codedeploy: {step}\n"
        );
        let read = read("shop.yaml", &text, None).unwrap_or_else(|d| panic!("{d}"));
        let spec = buildspec(&read.definition, &read.definition.stages[1]);
        let commands = spec["phases"]["build"]["commands"].as_array().unwrap();
        let command = commands.last().unwrap().as_str().unwrap().to_owned();
        let build = Self {
            folder: tempfile::tempdir().unwrap(),
            command,
        };
        build.put("bin/aws", AWS);
        let program = fs::Permissions::from_mode(0o755);
        fs::set_permissions(build.path("bin/aws"), program).unwrap();
        build.says("list-deployments.deployments[0]", &["None"]);
        build.says("create-deployment.deploymentId", &["d-1"]);
        build
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What `aws` answers, one line a call.
    fn says(&self, call: &str, answers: &[&str]) {
        self.put(&format!("state/{call}"), &(answers.join("\n") + "\n"));
    }

    /// How a deployment goes on, look by look.
    fn goes(&self, id: &str, statuses: &[&str]) {
        self.says(&format!("get-deployment.{id}.status"), statuses);
    }

    /// How the target of a deployment stands, look by look.
    fn has_moved(&self, id: &str, statuses: &[&str]) {
        let targets = format!("list-deployment-targets.{id}.targetIds[0]");
        self.says(&targets, &["cluster:service"]);
        self.says(&format!("get-deployment-target.{id}.status"), statuses);
    }

    fn start(&self, before: &str) -> Child {
        let path = std::env::var("PATH").unwrap();
        // What comes after the step in the same shell shows that it left no trace.
        // What was ignored before it began, as under nohup, is none of its traces.
        let script = format!(
            "ignored=\"$(trap -p)\"\n{before}\n{}\nleft=\"$(trap -p)\"\necho \"after: ${{application-}}${{left#\"$ignored\"}}\"",
            self.command
        );
        Command::new("bash")
            .args(["-c", &script])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("STATE", self.path("state"))
            .env("GATEWRIGHT_PAUSE_SECONDS", "0.01")
            .env("GATEWRIGHT_RELEASE", "r-7")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, before: &str) -> (bool, String) {
        told(self.start(before).wait_with_output().unwrap())
    }

    /// What `aws deploy` was asked, an operation each with its arguments.
    fn calls(&self) -> Vec<Vec<String>> {
        let calls = fs::read_to_string(self.path("state/calls")).unwrap_or_default();
        let words = |call: &str| -> Vec<String> {
            let words = call.split_terminator('\0').skip(1);
            words.map(str::to_owned).collect()
        };
        calls
            .split("\0\n")
            .filter(|c| !c.is_empty())
            .map(words)
            .collect()
    }

    fn asked(&self, operation: &str) -> Vec<Vec<String>> {
        let all = self.calls().into_iter();
        all.filter(|call| call[0] == operation).collect()
    }
}

fn told(output: Output) -> (bool, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    (output.status.success(), all)
}

fn argument(call: &[String], name: &str) -> String {
    let at = call.iter().position(|word| word == name).unwrap();
    call[at + 1].clone()
}

const STEP: &str = "{ application: shop, group: staging, config: CodeDeployDefault.ECSAllAtOnce }";

#[test]
fn a_deployment_is_created_of_the_filled_in_specification_and_waited_for() {
    let build = Build::new("{ application: shop, group: a+b, appspec: \"deploy/it's.yaml\" }");
    build.put(
        "deploy/it's.yaml",
        "image: ${IMAGE}\nother: \"$TASK:$$5\"\n",
    );
    build.goes("d-1", &["Created", "InProgress", "InProgress", "Succeeded"]);
    let (passed, log) = build.run("export IMAGE=shop@sha256:ab TASK='it is'");
    assert!(passed, "{log}");
    let create = &build.asked("create-deployment")[0];
    assert_eq!(argument(create, "--application-name"), "shop");
    assert_eq!(argument(create, "--deployment-group-name"), "a+b");
    assert!(!create.contains(&"--deployment-config-name".to_owned()));
    let back: Value =
        serde_json::from_str(&argument(create, "--auto-rollback-configuration")).unwrap();
    assert_eq!(back["enabled"], true);
    let content = "image: shop@sha256:ab\nother: \"it is:$5\"\n";
    let revision: Value = serde_json::from_str(&argument(create, "--revision")).unwrap();
    let expected = json!({ "revisionType": "AppSpecContent", "appSpecContent": {
        "content": content, "sha256": hex::encode(Sha256::digest(content)) } });
    assert_eq!(revision, expected);
    for line in ["d-1 is Created", "d-1 is InProgress", "d-1 is Succeeded"] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
    assert!(
        log.contains("after: \n"),
        "variables or traps are left: {log}"
    );
    assert!(build.asked("stop-deployment").is_empty());
}

#[test]
fn a_specification_that_cannot_be_filled_in_deploys_nothing() {
    for (text, before, why) in [
        (
            "image: $IMAGE",
            "",
            "appspec.yaml names $IMAGE, which is not exported or empty",
        ),
        ("image: $IMAGE", "export IMAGE=", "names $IMAGE"),
        ("image: $IMAGE", "IMAGE=not-exported", "names $IMAGE"),
        (
            "price: $5",
            "",
            "Invalid placeholder in string: line 1, col 8",
        ),
    ] {
        let build = Build::new(STEP);
        build.put("appspec.yaml", text);
        let (passed, log) = build.run(before);
        assert!(!passed && log.contains(why), "{text}: {log}");
        assert_eq!(build.calls(), Vec::<Vec<String>>::new());
    }
    let (passed, log) = Build::new(STEP).run("");
    assert!(!passed && log.contains("appspec.yaml"), "{log}");
}

#[test]
fn a_failure_is_told_and_waits_for_what_codedeploy_brings_back() {
    let build = Build::new(STEP);
    build.put("appspec.yaml", "{}");
    build.goes("d-1", &["InProgress", "Failed"]);
    build.says(
        "get-deployment.d-1.errorInformation",
        &["{\"code\": \"ALARM_ACTIVE\"}"],
    );
    build.says("get-deployment.d-1.rollbackDeploymentId", &["None", "d-2"]);
    build.goes("d-2", &["InProgress", "Succeeded"]);
    let (passed, log) = build.run("");
    assert!(!passed && !log.contains("after:"), "{log}");
    assert!(
        log.contains("ALARM_ACTIVE") && log.contains("d-2 is Succeeded"),
        "{log}"
    );
    let config = argument(
        &build.asked("create-deployment")[0],
        "--deployment-config-name",
    );
    assert_eq!(config, "CodeDeployDefault.ECSAllAtOnce");
    assert!(build.asked("stop-deployment").is_empty());
}

#[test]
fn a_build_that_is_stopped_stops_its_deployment() {
    let build = Build::new(STEP);
    build.put("appspec.yaml", "{}");
    build.goes("d-1", &["InProgress"]);
    build.says("stop-deployment.d-1.status", &["Pending"]);
    // CodeBuild and the laptop signal the whole group.
    let running = build.start("");
    let until = Instant::now() + Duration::from_secs(20);
    while build.asked("get-deployment").is_empty() {
        assert!(Instant::now() < until, "the deployment is never looked at");
        std::thread::yield_now();
    }
    let inner = fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.id())).unwrap();
    let inner = inner.split_whitespace().next().unwrap().to_owned();
    assert!(
        Command::new("kill")
            .args(["-TERM", &inner])
            .status()
            .unwrap()
            .success()
    );
    let (passed, log) = told(running.wait_with_output().unwrap());
    assert!(!passed && log.contains("stopping d-1"), "{log}");
    let stopped = build.asked("stop-deployment");
    assert_eq!(stopped.len(), 1, "{log}");
    assert!(stopped[0].contains(&"--auto-rollback-enabled".to_owned()));
}

#[test]
fn a_deployment_that_takes_too_long_or_is_lost_sight_of_is_stopped() {
    let slow = Build::new(STEP);
    slow.put("appspec.yaml", "{}");
    slow.goes("d-1", &["InProgress"]);
    slow.says("stop-deployment.d-1.status", &["Pending"]);
    // The stage's ten minutes are over but for one.
    let (passed, log) = slow.run("export CODEBUILD_START_TIME=$(( ($(date +%s) - 540) * 1000 ))");
    assert!(
        !passed && log.contains("the stage's time is nearly over"),
        "{log}"
    );
    assert_eq!(slow.asked("stop-deployment").len(), 1);
    // Nobody who does it by hand is cut off.
    let by_hand = Build::new(STEP);
    by_hand.put("appspec.yaml", "{}");
    by_hand.goes("d-1", &["InProgress", "Succeeded"]);
    let limit = "gatewright_seconds=600\n";
    assert!(by_hand.command.contains(limit), "{}", by_hand.command);
    let by_hand = Build {
        command: by_hand.command.replace(limit, ""),
        ..by_hand
    };
    let (passed, log) = by_hand.run("export CODEBUILD_START_TIME=1000");
    assert!(passed, "{log}");
    let lost = Build::new(STEP);
    lost.put("appspec.yaml", "{}");
    lost.goes("d-1", &["InProgress", "fail", "InProgress", "fail"]);
    lost.says("stop-deployment.d-1.status", &["fail"]);
    let (passed, log) = lost.run("");
    assert!(
        !passed && log.contains("nobody says how d-1 stands"),
        "{log}"
    );
    assert!(log.contains("d-1 could not be stopped"), "{log}");
}

#[test]
fn the_wait_for_the_end_of_the_old_tasks_is_not_waited_for() {
    let build = Build::new(STEP);
    build.put("appspec.yaml", "{}");
    build.goes("d-1", &["InProgress"]);
    build.has_moved("d-1", &["InProgress", "InProgress", "Succeeded"]);
    let (passed, log) = build.run("");
    assert!(passed && log.contains("d-1 has moved the traffic"), "{log}");
    assert_eq!(build.asked("get-deployment-target").len(), 3, "{log}");
    assert!(build.asked("stop-deployment").is_empty(), "{log}");

    // The next release does not bring back what the one before it replaced.
    let next = Build::new(STEP);
    next.put("appspec.yaml", "{}");
    next.says("list-deployments.deployments[0]", &["d-0"]);
    next.has_moved("d-0", &["Succeeded"]);
    next.says("continue-deployment.d-0", &[""]);
    next.goes("d-0", &["InProgress", "Succeeded"]);
    next.goes("d-1", &["Succeeded"]);
    let (passed, log) = next.run("");
    assert!(passed && next.asked("stop-deployment").is_empty(), "{log}");
    let ended = &next.asked("continue-deployment")[0];
    assert_eq!(
        argument(ended, "--deployment-wait-type"),
        "TERMINATION_WAIT"
    );
}

#[test]
fn what_was_left_under_way_is_over_before_something_new_begins() {
    let build = Build::new(STEP);
    build.put("appspec.yaml", "{}");
    build.says("list-deployments.deployments[0]", &["d-0"]);
    build.says("get-deployment.d-0.creator", &["user"]);
    build.says("stop-deployment.d-0.status", &["Pending"]);
    build.goes("d-0", &["InProgress", "Stopped"]);
    build.says("get-deployment.d-0.rollbackDeploymentId", &["d-9"]);
    build.goes("d-9", &["InProgress", "Succeeded"]);
    build.goes("d-1", &["Succeeded"]);
    let (passed, log) = build.run("");
    assert!(passed, "{log}");
    let order: Vec<String> = build
        .calls()
        .into_iter()
        .map(|call| call[0].clone())
        .collect();
    let at = |operation: &str| order.iter().position(|o| o == operation).unwrap();
    assert!(at("stop-deployment") < at("create-deployment"), "{order:?}");
    assert!(log.contains("d-9 is Succeeded"), "{log}");

    // A way back is never stopped.
    let build = Build::new(STEP);
    build.put("appspec.yaml", "{}");
    build.says("list-deployments.deployments[0]", &["d-0"]);
    build.says("get-deployment.d-0.creator", &["codeDeployRollback"]);
    build.goes("d-0", &["InProgress", "Succeeded"]);
    build.goes("d-1", &["Succeeded"]);
    let (passed, log) = build.run("");
    assert!(passed && build.asked("stop-deployment").is_empty(), "{log}");
}
