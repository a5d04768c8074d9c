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

use gatewright_domain::pipeline::{Build, Definition, Stage, Variable, Work};
use serde_json::{Map, Value, json};

const STRICT: &str = "set -eo pipefail";

/// The buildspec of `stage`; for an approval, which builds nothing, one without
/// commands, which CodeBuild refuses.
pub fn buildspec(definition: &Definition, stage: &Stage) -> Value {
    let mut spec = Map::new();
    spec.insert("version".to_owned(), json!(0.2));
    if let Some(build) = stage.build() {
        spec.insert("env".to_owned(), env(build, exported(stage)));
        spec.insert("phases".to_owned(), phases(definition, build));
        if !build.reports.is_empty() {
            spec.insert("reports".to_owned(), reports(definition, build));
        }
    }
    Value::Object(spec)
}

/// The name of a report's group in a buildspec. CodeBuild puts the project's
/// name and a hyphen before it.
pub fn report_group(definition: &Definition, report: &str) -> String {
    format!("{}-{report}", definition.id)
}

/// What the build tells about itself when it is over: under which tag it pushed
/// the image, or which image it deployed.
fn exported(stage: &Stage) -> &'static [&'static str] {
    match &stage.work {
        Work::Build(build) if build.produces.is_some() => &["IMAGE_TAG"],
        Work::Deploy(_) => &["IMAGE"],
        Work::Build(_) | Work::Approval(_) | Work::Pause(_) => &[],
    }
}

fn env(build: &Build, exported: &[&str]) -> Value {
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

fn phases(definition: &Definition, build: &Build) -> Value {
    let enter = enter(&definition.source.path);
    let mut phases = Map::new();
    if !(build.runtimes.is_empty() && build.install.is_empty()) {
        let mut install = Map::new();
        if !build.runtimes.is_empty() {
            install.insert("runtime-versions".to_owned(), json!(build.runtimes));
        }
        if !build.install.is_empty() {
            let commands = build.install.iter().map(|command| strict(command));
            let commands: Vec<String> = enter.iter().cloned().chain(commands).collect();
            install.insert("commands".to_owned(), json!(commands));
        }
        phases.insert("install".to_owned(), Value::Object(install));
    }
    let steps = build.steps.iter().flat_map(|step| {
        let headline = format!("echo {}", quoted(&format!("=== {}", step.name)));
        [headline, strict(&step.run)]
    });
    let commands: Vec<String> = enter.into_iter().chain(steps).collect();
    phases.insert("build".to_owned(), json!({ "commands": commands }));
    Value::Object(phases)
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

fn reports(definition: &Definition, build: &Build) -> Value {
    let path = definition.source.path.as_str();
    let groups: Map<String, Value> = build
        .reports
        .iter()
        .map(|(name, report)| {
            let mut group = Map::new();
            group.insert("files".to_owned(), json!(report.files));
            // Relative to the source's root, wherever the commands went.
            if path != "." {
                group.insert("base-directory".to_owned(), json!(path));
            }
            group.insert(
                "file-format".to_owned(),
                json!(report.format.in_buildspec()),
            );
            (report_group(definition, name), Value::Object(group))
        })
        .collect();
    Value::Object(groups)
}

/// `text` as one word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
