//! Artifacts that are no images: a build stores them under their SHA-256, a
//! deploy fetches them by it and refuses anything else.

use super::{enter, quoted};
use gatewright_domain::exported::{Stored, shouted};
use gatewright_domain::pipeline::{Definition, Form, Stage};

/// The commands that store what a stage has produced; none for images, which the
/// stage pushes itself.
pub(super) fn store(definition: &Definition, stage: &Stage) -> Vec<String> {
    let produces = stage.build().and_then(|build| build.produces.as_ref());
    let Some((name, artifact)) = produces.and_then(|name| definition.artifacts.get_key_value(name))
    else {
        return Vec::new();
    };
    let (file, pack) = match &artifact.form {
        Form::Image { .. } => return Vec::new(),
        Form::Archive { path } | Form::Plan { path } => (quoted(path), None),
        Form::Files { paths } => {
            let file = packed(name);
            (file.clone(), Some(pack(&file, paths)))
        }
    };
    let there = format!(
        "[ -s {file} ] || {{ echo \"the stage was to produce {name:?}, but there is no file \"{file} >&2; exit 1; }}"
    );
    let (sha256, key) = (Stored::SHA256, Stored::KEY);
    let known = format!(
        "export {sha256}=\"$(sha256sum {file} | cut -d' ' -f1)\"\nexport {key}=\"artifacts/{}/${sha256}/$(basename {file})\"",
        definition.id
    );
    let put = format!("aws s3 cp --only-show-errors {file} \"s3://$ARTIFACTS_BUCKET/${key}\"");
    let headline = format!("echo {}", quoted(&format!("=== Store {name}")));
    let mut commands = vec![headline];
    commands.extend(enter(&definition.source.path));
    commands.extend(pack);
    commands.extend([there, known, put]);
    commands.into_iter().map(|c| super::strict(&c)).collect()
}

/// The variables by which a build says what it stored.
pub(super) fn exported(definition: &Definition, stage: &Stage) -> Vec<String> {
    if store(definition, stage).is_empty() {
        return Vec::new();
    }
    vec![Stored::SHA256.to_owned(), Stored::KEY.to_owned()]
}

/// The commands that fetch what a stage deploys.
pub(super) fn fetch(definition: &Definition, stage: &Stage) -> Vec<String> {
    let commands = fetched(definition, stage, "exit 1");
    if commands.is_empty() {
        return commands;
    }
    let enter = enter(&definition.source.path);
    enter
        .into_iter()
        .chain(commands)
        .map(|command| super::strict(&command))
        .collect()
}

/// The same for a shell that is in the source path already; `refuse` is what ends
/// it when an artifact is not what was approved.
pub(super) fn fetched(definition: &Definition, stage: &Stage, refuse: &str) -> Vec<String> {
    let Some(deploy) = stage.deploy() else {
        return Vec::new();
    };
    let mut commands: Vec<String> = Vec::new();
    for name in &deploy.artifacts {
        let form = definition
            .artifacts
            .get(name)
            .map(|artifact| &artifact.form);
        let (file, path) = match form {
            Some(Form::Archive { path } | Form::Plan { path }) => (quoted(path), quoted(path)),
            Some(Form::Files { .. }) => (packed(name), "\"$PWD\"".to_owned()),
            Some(Form::Image { .. }) | None => continue,
        };
        let variable = shouted(name);
        commands.push(format!("echo {}", quoted(&format!("=== Fetch {name}"))));
        commands.push(format!(
            "mkdir -p \"$(dirname {file})\"\naws s3 cp --only-show-errors \"s3://$ARTIFACTS_BUCKET/$ARTIFACT_{variable}_KEY\" {file}"
        ));
        commands.push(format!(
            "echo \"$ARTIFACT_{variable}_SHA256  \"{file} | sha256sum --check --status || {{ echo \"{name} is not what was approved: it should have SHA-256 $ARTIFACT_{variable}_SHA256, but has $(sha256sum {file} | cut -d' ' -f1)\" >&2; {refuse}; }}"
        ));
        if file != path {
            commands.push(format!("tar --extract --file {file}"));
        }
        commands.push(format!("export ARTIFACT_{variable}={path}"));
    }
    if let Some(first) = deploy.artifacts.iter().find(|name| {
        let form = definition.artifacts.get(*name).map(|a| &a.form);
        !matches!(form, Some(Form::Image { .. }) | None)
    }) {
        let variable = shouted(first);
        commands.push(format!(
            "export ARTIFACT=\"$ARTIFACT_{variable}\" ARTIFACT_SHA256=\"$ARTIFACT_{variable}_SHA256\""
        ));
    }
    commands
}

/// Where a set of files is packed, beside the source.
fn packed(name: &str) -> String {
    format!("\"$CODEBUILD_SRC_DIR\"/../gatewright-{name}.tar")
}

/// The command that packs files so that the same files give the same bytes:
/// names sorted, no times, no owners.
fn pack(file: &str, paths: &[String]) -> String {
    let patterns: Vec<String> = paths.iter().map(|path| pattern(path)).collect();
    format!(
        "shopt -s nullglob globstar\ntar --create --file {file} --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rw,go=r --format=ustar -- {}\nshopt -u nullglob globstar",
        patterns.join(" ")
    )
}

/// A pattern as a word of the shell: `*`, `?` and `[` keep their meaning, nothing
/// else has one.
fn pattern(path: &str) -> String {
    let mut word = String::new();
    for c in path.chars() {
        if !(c.is_ascii_alphanumeric() || "-_./*?[]".contains(c)) {
            word.push('\\');
        }
        word.push(c);
    }
    word
}
