//! A stage's build as a CodeBuild buildspec, version 0.2, in JSON (which is
//! YAML, so CodeBuild takes it).
//!
//! **How a step fails.** CodeBuild fails a phase when a command's *last* line
//! fails. A step of several lines must fail with its *first* failing line, and
//! the last line of a pipe must not hide the failure of the ones before: a
//! scanner piped into `tee` would otherwise always pass. So every command starts
//! with `set -eo pipefail`. The other ways lose something: a line a command
//! breaks loops, heredocs and continued lines; `bash -e` around a step loses its
//! exports. The options are set anew in each command, because CodeBuild carries
//! variables and folder from one command to the next, but no shell options.

mod artifacts;
mod signatures;

use gatewright_domain::evidence::Findings;
use gatewright_domain::exported;
use gatewright_domain::pipeline::{
    Build, Definition, ReportFormat, Service, Stage, Step, Variable, Work,
};
use serde_json::{Map, Value, json};

/// How long a service may take to become ready, in seconds.
const READY_SECONDS: u32 = 120;

/// The program with which a build counts the findings of a SARIF report.
const FINDINGS: &str = include_str!("findings.py");

const STRICT: &str = "set -eo pipefail";

/// The buildspec of `stage`; for an approval, which builds nothing, one without
/// commands, which CodeBuild refuses.
pub fn buildspec(definition: &Definition, stage: &Stage) -> Value {
    let mut spec = Map::new();
    spec.insert("version".to_owned(), json!(0.2));
    if let Some(build) = stage.build() {
        let exported = exported(definition, stage, build);
        spec.insert("env".to_owned(), env(build, &exported));
        spec.insert("phases".to_owned(), phases(definition, stage, build));
        let reports = reports(definition, build);
        if !reports.is_empty() {
            spec.insert("reports".to_owned(), Value::Object(reports));
        }
        if !build.cache.is_empty() {
            spec.insert("cache".to_owned(), json!({ "paths": build.cache }));
        }
    }
    Value::Object(spec)
}

/// The name of a report's group in a buildspec. CodeBuild puts the project's
/// name and a hyphen before it.
pub fn report_group(definition: &Definition, report: &str) -> String {
    format!("{}-{report}", definition.id)
}

/// What the build tells about itself when it is over: what its definition
/// exports, under which tag it pushed the image, which image it deployed, what it
/// stored, whose signatures it verified and what its scanners found.
fn exported(definition: &Definition, stage: &Stage, build: &Build) -> Vec<String> {
    let own: &[&str] = match &stage.work {
        Work::Build(build) if build.produces.is_some() => &["IMAGE_TAG"],
        Work::Deploy(_) => &["IMAGE"],
        Work::Build(_) | Work::Approval(_) | Work::Watch(_) | Work::Pause(_) => &[],
    };
    let stored = artifacts::exported(definition, stage);
    let own = own.iter().filter(|_| stored.is_empty());
    let mut names: Vec<String> = own.map(|name| (*name).to_owned()).collect();
    names.extend(stored);
    names.extend(signatures::exported(stage));
    names.extend(sarif(build).map(|(name, _)| exported::findings(name)));
    names.extend(build.exports.iter().cloned());
    names
}

/// The reports that CodeBuild does not read.
fn sarif(build: &Build) -> impl Iterator<Item = (&String, &[String])> {
    build
        .reports
        .iter()
        .filter(|(_, report)| report.format == ReportFormat::Sarif)
        .map(|(name, report)| (name, report.files.as_slice()))
}

fn env(build: &Build, exported: &[String]) -> Value {
    let mut env = Map::new();
    env.insert("shell".to_owned(), json!("bash"));
    let mut put = |section: &str, pick: fn(&Variable) -> Option<&String>| {
        let picked: Map<String, Value> = build
            .env
            .iter()
            .filter_map(|(name, variable)| Some((name.clone(), json!(pick(variable)?))))
            .collect();
        if !picked.is_empty() {
            env.insert(section.to_owned(), Value::Object(picked));
        }
    };
    put("variables", |variable| match variable {
        Variable::Plain { value } => Some(value),
        Variable::Secret { .. } | Variable::Parameter { .. } => None,
    });
    put("secrets-manager", |variable| match variable {
        Variable::Secret { id } => Some(id),
        Variable::Plain { .. } | Variable::Parameter { .. } => None,
    });
    put("parameter-store", |variable| match variable {
        Variable::Parameter { name } => Some(name),
        Variable::Plain { .. } | Variable::Secret { .. } => None,
    });
    if !exported.is_empty() {
        env.insert("exported-variables".to_owned(), json!(exported));
    }
    Value::Object(env)
}

fn phases(definition: &Definition, stage: &Stage, build: &Build) -> Value {
    let enter = enter(&definition.source.path);
    let mut phases = Map::new();
    let services = build.services.iter();
    let prepare: Vec<String> = services
        .flat_map(|(name, service)| start(name, service))
        .chain(build.install.iter().map(|command| strict(command)))
        .collect();
    if !(build.runtimes.is_empty() && prepare.is_empty()) {
        let mut install = Map::new();
        if !build.runtimes.is_empty() {
            install.insert("runtime-versions".to_owned(), json!(build.runtimes));
        }
        if !prepare.is_empty() {
            let commands: Vec<String> = enter.iter().cloned().chain(prepare).collect();
            install.insert("commands".to_owned(), json!(commands));
        }
        phases.insert("install".to_owned(), Value::Object(install));
    }
    let fetch = artifacts::fetch(definition, stage);
    if !fetch.is_empty() {
        phases.insert("pre_build".to_owned(), json!({ "commands": fetch }));
    }
    let commands: Vec<String> = enter
        .iter()
        .cloned()
        .chain(signatures::verify(stage))
        .chain(told(build, &build.steps))
        .chain(artifacts::store(definition, stage))
        .collect();
    let mut main = Map::from_iter([("commands".to_owned(), json!(commands))]);
    let counts = sarif(build).map(|(name, files)| count(name, files));
    let last: Vec<String> = counts.chain(told(build, &build.finally)).collect();
    if !last.is_empty() {
        let last: Vec<String> = enter.into_iter().chain(last).collect();
        main.insert("finally".to_owned(), json!(last));
    }
    phases.insert("build".to_owned(), Value::Object(main));
    Value::Object(phases)
}

/// Steps with a headline each, so that a log can be read. Those that wait for
/// others are told how long the build may take, in seconds from its start: they
/// end what they began before CodeBuild ends them.
fn told(build: &Build, steps: &[Step]) -> impl Iterator<Item = String> {
    steps.iter().flat_map(|step| {
        let headline = format!("echo {}", quoted(&format!("=== {}", step.name)));
        let limit = step.codedeploy.iter();
        let limit = limit.map(|_| format!("gatewright_seconds={}\n", build.timeout.0));
        let run: String = limit.chain([step.run.clone()]).collect();
        [headline, strict(&run)]
    })
}

/// The commands that fetch what `stage` deploys, for a person's own shell: one
/// that is wrong must not close it.
pub(crate) fn fetched(definition: &Definition, stage: &Stage) -> Vec<String> {
    artifacts::fetched(definition, stage, "false")
}

/// The commands that verify the signatures of what `stage` deploys, for a person's
/// own shell.
pub(crate) fn verified(stage: &Stage) -> Vec<String> {
    signatures::verified_by_hand(stage)
}

/// The commands that start a service and wait until it is ready.
fn start(name: &str, service: &Service) -> Vec<String> {
    let mut run = format!("docker run --detach --name {}", quoted(name));
    for port in &service.ports {
        run.push_str(&format!(" --publish {port}:{port}"));
    }
    for (variable, value) in &service.env {
        run.push_str(&format!(
            " --env {}",
            quoted(&format!("{variable}={value}"))
        ));
    }
    run.push_str(&format!(" {}", quoted(&service.image)));
    let mut commands = vec![strict(&run)];
    if let Some(health) = &service.health {
        let name = quoted(name);
        commands.push(strict(&format!(
            "for second in $(seq {READY_SECONDS}); do\n  docker exec {name} {health} && break\n  [ \"$second\" -lt {READY_SECONDS} ] || {{ echo \"service {name} is not ready after {READY_SECONDS} s\" >&2; docker logs {name}; exit 1; }}\n  sleep 1\ndone"
        )));
    }
    commands
}

/// The command that counts the findings of a report and exports them. A report
/// that is not there leaves the variable empty, which its gate denies.
fn count(name: &str, files: &[String]) -> String {
    let files: Vec<String> = files.iter().map(|file| quoted(file)).collect();
    format!(
        "export {}=\"$(python3 - {} {} <<'GATEWRIGHT'\n{FINDINGS}GATEWRIGHT\n)\" || true",
        exported::findings(name),
        Findings::MOST,
        files.join(" "),
    )
}

/// The command that goes to the source path. From the source's root and not from
/// where the phase before ended, so that it can be said twice.
fn enter(path: &str) -> Option<String> {
    (path != ".").then(|| format!("cd \"$CODEBUILD_SRC_DIR\"/{}", quoted(path)))
}

/// `command`, failing where its first line fails.
fn strict(command: &str) -> String {
    format!("{STRICT}\n{}", command.trim_end())
}

fn reports(definition: &Definition, build: &Build) -> Map<String, Value> {
    let path = definition.source.path.as_str();
    let known = build.reports.iter();
    known
        .filter_map(|(name, report)| {
            let format = report.format.in_buildspec()?;
            let mut group = Map::new();
            group.insert("files".to_owned(), json!(report.files));
            // Relative to the source's root, wherever the commands went.
            if path != "." {
                group.insert("base-directory".to_owned(), json!(path));
            }
            group.insert("file-format".to_owned(), json!(format));
            Some((report_group(definition, name), Value::Object(group)))
        })
        .collect()
}

/// `text` as one word of a shell, whatever is in it.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
