//! What a build hands over, run by a real bash with a bucket that is a folder:
//! artifacts that are stored and fetched by their SHA-256, and counted findings.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{buildspec, read};
use gatewright_domain::pipeline::Definition;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// `aws s3 cp` between a folder and files.
const AWS: &str = r#"#!/usr/bin/env bash
set -eu
[ "$1 $2" = "s3 cp" ] || { echo "no such command: $*" >&2; exit 2; }
shift 2; [ "$1" != --only-show-errors ] || shift
there() { echo "${1/#s3:\/\//$BUCKETS/}"; }
mkdir -p "$(dirname "$(there "$2")")"
cp "$(there "$1")" "$(there "$2")"
"#;

/// A machine on which builds run, with a bucket that outlives them.
struct Place {
    folder: TempDir,
    /// When its files were written, in seconds.
    wrote: u64,
}

/// How a build ended, what it said and what it exports.
struct Ended {
    ok: bool,
    said: String,
    exported: BTreeMap<String, String>,
}

impl Place {
    fn new() -> Self {
        Self::that_wrote_at(1_700_000_000)
    }

    fn that_wrote_at(wrote: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let aws = folder.path().join("bin/aws");
        std::fs::create_dir_all(aws.parent().unwrap()).unwrap();
        std::fs::write(&aws, AWS).unwrap();
        std::fs::set_permissions(&aws, PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder, wrote }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Runs a stage's build in a source with these files.
    fn run(
        &self,
        definition: &Definition,
        stage: usize,
        files: &[(&str, &str)],
        env: &BTreeMap<String, String>,
    ) -> Ended {
        let build = self.at("build");
        let _ = std::fs::remove_dir_all(&build);
        let source = build.join("source");
        for (name, text) in files {
            let path = source.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(self.wrote);
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(at)
                .unwrap();
        }
        std::fs::create_dir_all(&source).unwrap();
        let spec = buildspec(definition, &definition.stages[stage]);
        let script = script(&spec);
        let output = Command::new("bash")
            .args(["-c", &script])
            .envs(env)
            .env("CODEBUILD_SRC_DIR", &source)
            .env("ARTIFACTS_BUCKET", "artifacts")
            .env("BUCKETS", self.at("buckets"))
            .env(
                "PATH",
                format!(
                    "{}:{}",
                    self.at("bin").display(),
                    std::env::var("PATH").unwrap()
                ),
            )
            .current_dir(&source)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let (said, exported) = told.split_once("--exported--\n").unwrap_or((&told, ""));
        let exported = exported.lines().filter_map(|line| line.split_once('='));
        Ended {
            ok: output.status.success(),
            said: format!("{said}{}", String::from_utf8_lossy(&output.stderr)),
            exported: exported
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .collect(),
        }
    }
}

/// The commands of all phases as one script. CodeBuild runs each by itself; what
/// must fail here fails in both.
fn script(spec: &Value) -> String {
    let mut script = String::from("failed=0\n");
    for phase in ["install", "pre_build", "build"] {
        let of = |key: &str| {
            let commands = spec["phases"][phase][key].as_array().cloned();
            let commands = commands.unwrap_or_default();
            commands
                .iter()
                .map(|c| c.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let (main, last) = (of("commands").join("\n"), of("finally").join("\n"));
        // What the commands export must be seen, so they run in this very shell,
        // and a trap says what became of them.
        script.push_str(&format!("finally() {{ set +e\n{last}\n:; }}\n"));
        script.push_str(&format!(
            "trap 'code=$?; finally; exit $code' EXIT\n{main}\n"
        ));
        script.push_str("set +e; finally; trap - EXIT\n");
    }
    for name in spec["env"]["exported-variables"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let name = name.as_str().unwrap();
        if script.find("--exported--").is_none() {
            script.push_str("echo --exported--\n");
        }
        script.push_str(&format!("echo \"{name}=${{{name}:-}}\"\n"));
    }
    script
}

fn definition(artifact: &str, path: &str) -> Definition {
    let text = format!(
        "language: 1\nid: shop\nname: Shop\nregion: eu-central-1\n\
         source: {{ repository: https://github.com/example/shop, path: \"{path}\" }}\n\
         on: {{ manual: true }}\n\
         artifacts: {{ it: {artifact} }}\n\
         environments: {{ test: {{ verify: none }} }}\n\
         stages:\n\
         - {{ name: Make, steps: [echo made], produces: it }}\n\
         - {{ name: Ship, deploy: {{ artifact: it, environment: test }}, steps: ['echo \"shipped $ARTIFACT\"; cat $(ls -d site/*.json dist/* 2> /dev/null)'] }}\n"
    );
    read("shop.yaml", &text, None)
        .unwrap_or_else(|d| panic!("{d}"))
        .definition
}

/// The variables with which a deploy finds what `made` stored.
fn pinned(made: &Ended) -> BTreeMap<String, String> {
    let said = |name: &str| made.exported[name].clone();
    BTreeMap::from([
        (
            "ARTIFACT_IT_SHA256".to_owned(),
            said("GATEWRIGHT_ARTIFACT_SHA256"),
        ),
        (
            "ARTIFACT_IT_KEY".to_owned(),
            said("GATEWRIGHT_ARTIFACT_KEY"),
        ),
    ])
}

#[test]
fn what_was_made_is_what_is_deployed_and_nothing_else_is() {
    let place = Place::new();
    let definition = definition("{ type: plan, path: dist/plan }", "infra");
    let made = place.run(
        &definition,
        0,
        &[("infra/dist/plan", "add one\n")],
        &BTreeMap::new(),
    );
    assert!(made.ok, "{}", made.said);
    let sha256 = &made.exported["GATEWRIGHT_ARTIFACT_SHA256"];
    assert_eq!(
        made.exported["GATEWRIGHT_ARTIFACT_KEY"],
        format!("artifacts/shop/{sha256}/plan")
    );

    let env = pinned(&made);
    let files = [("infra/dist/plan", "another plan, of the same name\n")];
    let shipped = place.run(&definition, 1, &files, &env);
    assert!(shipped.ok, "{}", shipped.said);
    assert!(
        shipped.said.contains("shipped dist/plan\nadd one\n"),
        "{}",
        shipped.said
    );

    let stored = place
        .at("buckets/artifacts/artifacts/shop")
        .join(sha256)
        .join("plan");
    std::fs::write(stored, "destroy all\n").unwrap();
    let refused = place.run(&definition, 1, &files, &env);
    assert!(
        !refused.ok && !refused.said.contains("shipped"),
        "{}",
        refused.said
    );
    let expect = format!("it is not what was approved: it should have SHA-256 {sha256}");
    assert!(refused.said.contains(&expect), "{}", refused.said);
}

#[test]
fn a_stage_that_leaves_nothing_behind_fails_and_says_what_is_missing() {
    let place = Place::new();
    let definition = definition("{ type: archive, path: dist/it.zip }", ".");
    let made = place.run(&definition, 0, &[], &BTreeMap::new());
    assert!(!made.ok);
    assert!(
        made.said.contains("there is no file dist/it.zip"),
        "{}",
        made.said
    );
}

#[test]
fn a_set_of_files_has_one_digest_whenever_and_wherever_it_is_packed() {
    let definition = definition("{ type: files, paths: [\"site/*.json\", missing/*] }", ".");
    let files = [
        ("site/b.json", "{}\n"),
        ("site/a.json", "[]\n"),
        ("site/no.txt", "no\n"),
    ];
    let digests = [1_700_000_000, 1_800_000_000].map(|wrote| {
        let place = Place::that_wrote_at(wrote);
        let made = place.run(&definition, 0, &files, &BTreeMap::new());
        assert!(made.ok, "{}", made.said);
        let shipped = place.run(&definition, 1, &[], &pinned(&made));
        assert!(
            shipped.ok && shipped.said.contains("[]\n{}\n"),
            "{}",
            shipped.said
        );
        made.exported["GATEWRIGHT_ARTIFACT_SHA256"].clone()
    });
    assert_eq!(digests[0], digests[1]);
}

const SARIF: &str = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "t", "rules": [
  {"id": "R1", "properties": {"security-severity": "9.8"}}, {"id": "R2", "defaultConfiguration": {"level": "error"}}]}},
  "results": [{"ruleId": "R1", "message": {"text": "x"}}, {"ruleId": "R2", "message": {"text": "y"}},
    {"ruleId": "R3", "level": "note", "message": {"text": "z"}},
    {"ruleId": "R1", "message": {"text": "s"}, "suppressions": [{"kind": "external"}]}]}]}"#;

/// A stage that has a scanner's report and fails.
fn scanned(report: &[(&str, &str)]) -> Option<Value> {
    let text = "language: 1\nid: shop\nname: Shop\nregion: eu-central-1\n\
         source: { repository: https://github.com/example/shop }\non: { manual: true }\n\
         stages:\n- name: Scan\n  steps: ['true']\n\
         \u{20} reports: { sast: { files: ['out/*.sarif'], format: sarif } }\n\
         \u{20} gates: [{ findings: { report: sast, none-of: [CRITICAL, UNTRIAGED, UNDEFINED, HIGH] } }]\n";
    let definition = read("shop.yaml", text, None)
        .unwrap_or_else(|d| panic!("{d}"))
        .definition;
    let ended = Place::new().run(&definition, 0, report, &BTreeMap::new());
    serde_json::from_str(&ended.exported["GATEWRIGHT_FINDINGS_SAST"]).ok()
}

#[test]
fn findings_are_counted_by_the_severity_that_their_rule_or_level_gives() {
    let said = scanned(&[("out/a.sarif", SARIF), ("out/b.sarif", SARIF)]).unwrap();
    assert_eq!(
        said["counts"],
        serde_json::json!({ "CRITICAL": 2, "HIGH": 2, "LOW": 2 })
    );
    assert_eq!(said["worst"][0]["id"], "R1");
    let read: gatewright_domain::evidence::Findings = serde_json::from_value(said).unwrap();
    assert!(read.digest.is_some());
}

#[test]
fn a_report_that_is_missing_or_broken_says_nothing_which_its_gate_denies() {
    assert_eq!(scanned(&[]), None);
    assert_eq!(scanned(&[("out/a.sarif", "not JSON")]), None);
    assert_eq!(scanned(&[("out/a.sarif", r#"{"version": "2.1.0"}"#)]), None);
    let clean = scanned(&[("out/a.sarif", r#"{"runs": [{"results": []}]}"#)]);
    assert_eq!(clean.unwrap()["counts"], serde_json::json!({}));
}

#[test]
fn services_are_started_and_awaited_before_anything_else() {
    let text = "language: 1\nid: shop\nname: Shop\nregion: eu-central-1\n\
         source: { repository: https://github.com/example/shop }\non: { manual: true }\n\
         stages:\n- name: Test\n  install: [make deps]\n  steps: [make test]\n  finally: [make clean]\n  cache: ['/root/.cache/pip/**/*']\n\
         \u{20} services:\n\
         \u{20}   postgres: { image: 'postgres:16-alpine', env: { POSTGRES_PASSWORD: 'it''s' }, ports: [5432], health: pg_isready -U postgres }\n\
         \u{20}   redis: { image: 'redis:7-alpine', ports: [6379] }\n";
    let definition = read("shop.yaml", text, None)
        .unwrap_or_else(|d| panic!("{d}"))
        .definition;
    let spec = buildspec(&definition, &definition.stages[0]);
    let commands = |phase: &str, key: &str| -> Vec<String> {
        let commands = spec["phases"][phase][key].as_array().unwrap();
        let plain = |c: &Value| {
            c.as_str()
                .unwrap()
                .trim_start_matches("set -eo pipefail\n")
                .to_owned()
        };
        commands.iter().map(plain).collect()
    };
    let install = commands("install", "commands");
    assert_eq!(
        install[0],
        r"docker run --detach --name postgres --publish 5432:5432 --env 'POSTGRES_PASSWORD=it'\''s' 'postgres:16-alpine'"
    );
    assert!(install[1].contains("docker exec postgres pg_isready -U postgres"));
    assert!(install[2].starts_with("docker run --detach --name redis"));
    assert_eq!(install[3], "make deps");
    assert_eq!(
        commands("build", "finally"),
        ["echo '=== make clean'", "make clean"]
    );
    assert_eq!(spec["cache"]["paths"][0], "/root/.cache/pip/**/*");
}
