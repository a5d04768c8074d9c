//! Going back to what ran before, as the pipeline's own build would.

use super::shell::{elsewhere, filled_in};
use super::{Command, Known, Part, Section};
use crate::buildspec::quoted;
use gatewright_domain::EnvironmentName;
use gatewright_domain::exported::shouted;
use gatewright_domain::given::{self, Variables, of_stores};
use gatewright_domain::pipeline::{Build, Definition, Form, Stage, Step};
use gatewright_domain::release::Deployment;

/// The builds that bring an environment back.
pub(super) struct WayBack {
    undo: Stage,
    build: Build,
    smoke: Option<Build>,
}

impl WayBack {
    /// The commands that open the environment to the others.
    pub(super) fn ways_in(&self) -> &[String] {
        &self.build.install
    }
}

/// As the pipeline's rollbacks do it.
pub(super) fn way_back(definition: &Definition, environment: &EnvironmentName) -> Option<WayBack> {
    let rollback = definition.rollback()?;
    let here = |stage: &&Stage| stage.environment.as_ref() == Some(environment);
    let undo = rollback
        .stages
        .iter()
        .filter(here)
        .find(|stage| stage.deploy().is_some())?;
    let smoke = rollback
        .stages
        .iter()
        .filter(here)
        .find(|stage| stage.of.as_ref() == Some(&undo.name));
    Some(WayBack {
        build: undo.build()?.clone(),
        smoke: smoke.and_then(|stage| stage.build().cloned()),
        undo: undo.clone(),
    })
}

/// The part of the procedure that goes back.
pub(super) fn section(
    definition: &Definition,
    environment: &EnvironmentName,
    way: &WayBack,
    known: &Known<'_>,
    unknown: &mut Vec<String>,
) -> Section {
    let title = match known.back_to {
        Some(to) => format!("Roll back by hand, to the version of {}", to.title),
        None => "Roll back by hand".to_owned(),
    };
    let mut to = known.back_to.map_or_else(String::new, |to| {
        format!(" --to {}", to.deployment.version_of())
    });
    if let Some(newest) = known.back_to.and_then(|to| to.across.first()) {
        to.push_str(&format!(" --acknowledge {}", quoted(newest)));
    }
    let mut notes = vec![format!(
        "What the build of the project {} would do, with rights like its own. Gatewright does it itself with: gatewright rollback {} {environment}{to} --reason TEXT",
        way.build.project, definition.id
    )];
    for name in way.build.services.keys() {
        notes.push(format!("The build has a server beside it: {name}."));
    }
    let mut commands = exports(definition, environment, way, known, unknown);
    commands.extend(source(definition, known.back_to.map(|to| &to.deployment)));
    let install = way.build.install.iter().enumerate();
    commands.extend(install.map(|(index, command)| Command {
        what: (index == 0).then(|| "Prepare".to_owned()),
        run: command.clone(),
    }));
    commands.extend(fetch(definition, &way.undo));
    commands.extend(said(
        "The signatures",
        crate::buildspec::verified(&way.undo),
    ));
    commands.extend(way.build.steps.iter().map(step));
    commands.extend(way.build.finally.iter().map(step));
    if let Some(smoke) = &way.smoke {
        let env = given::of_build(&smoke.env);
        commands.extend(env.iter().map(|(name, value)| export(name, value)));
        commands.extend(
            smoke
                .install
                .iter()
                .map(|command| Command::new(command.as_str())),
        );
        commands.extend(smoke.steps.iter().map(step));
    }
    Section {
        part: Part::RollBack,
        title,
        notes,
        commands,
    }
}

/// The commands alone, with the values that are known in them.
pub(super) fn short(
    definition: &Definition,
    environment: &EnvironmentName,
    way: &WayBack,
    known: &Known<'_>,
) -> Vec<Command> {
    let mut variables = given::of_environment(definition, Some(environment));
    variables.extend(given::of_build(&way.build.env));
    if let Some(to) = known.back_to {
        variables.extend(of_what_ran(definition, way, &to.deployment, known));
    }
    let install = way.build.install.iter().map(|c| Command::new(c.as_str()));
    let commands = install.chain(way.build.steps.iter().map(step));
    commands
        .map(|command| Command {
            run: filled_in(&command.run, &variables),
            ..command
        })
        .collect()
}

fn step(step: &Step) -> Command {
    let run = step.run.trim_end();
    // A step without a name of its own is called like its command.
    let named = (step.name.trim() != run.trim()).then(|| step.name.clone());
    Command {
        what: named,
        run: run.to_owned(),
    }
}

/// The variables that the build would get.
fn exports(
    definition: &Definition,
    environment: &EnvironmentName,
    way: &WayBack,
    known: &Known<'_>,
    unknown: &mut Vec<String>,
) -> Vec<Command> {
    let mut variables = Variables::new();
    let mut commands = vec![Command::of(
        "The variables that the build would get",
        format!(
            "export AWS_REGION={0} AWS_DEFAULT_REGION={0}",
            quoted(&definition.region)
        ),
    )];
    let registry = "ECR_REGISTRY";
    if known.stores.is_none() {
        // Whoever does this is signed in to the account.
        commands.push(Command::new(format!(
            "export {registry}=\"$(aws sts get-caller-identity --query Account --output text).dkr.ecr.$AWS_REGION.amazonaws.com\""
        )));
        unknown.push("The account is not known here: ECR_REGISTRY asks AWS for it.".to_owned());
    }
    match known.back_to {
        Some(to) => variables.extend(of_what_ran(definition, way, &to.deployment, known)),
        None => unknown.push(not_known(definition, environment, known.record)),
    }
    if let Some(stores) = known.stores {
        variables.extend(of_stores(definition, stores));
    }
    variables.extend(given::of_environment(definition, Some(environment)));
    variables.extend(given::of_build(&way.build.env));
    commands.extend(variables.iter().map(|(name, value)| export(name, value)));
    if known.back_to.is_none() {
        commands.extend(placeholders(definition, way, known));
    }
    let secrets = way.build.env.iter();
    commands.extend(
        secrets.filter_map(|(name, variable)| Some(Command::new(elsewhere(name, variable)?))),
    );
    commands
}

fn of_what_ran(
    definition: &Definition,
    way: &WayBack,
    to: &Deployment,
    known: &Known<'_>,
) -> Variables {
    let wanted = given::artifacts_of(definition, &way.undo).unwrap_or_default();
    let artifacts: Vec<_> = to
        .artifacts
        .iter()
        .filter(|artifact| wanted.contains(&artifact.name))
        .cloned()
        .collect();
    let version = artifacts.iter().find_map(|a| a.version.clone());
    let registry = known
        .stores
        .map_or("$ECR_REGISTRY", |stores| stores.registry.as_str());
    let mut variables = given::of_artifacts(definition, &artifacts, registry);
    let version = version.unwrap_or_else(|| given::unnamed_version(&to.commit));
    variables.insert("VERSION".to_owned(), version);
    variables.extend(given::of_commit(&to.commit));
    variables
}

/// A variable and its value; one that begins with the registry's variable leaves
/// that to the shell.
fn export(name: &str, value: &str) -> Command {
    let said = match value.strip_prefix("$ECR_REGISTRY") {
        Some(rest) => format!("\"$ECR_REGISTRY\"{}", quoted(rest)),
        None => quoted(value),
    };
    Command::new(format!("export {name}={said}"))
}

/// What a person fills in when nobody knows what ran before.
fn placeholders(definition: &Definition, way: &WayBack, known: &Known<'_>) -> Vec<Command> {
    let mut commands = vec![
        Command::of(
            "What ran before: fill in what the angle brackets say",
            "export COMMIT_SHA='<commit of what ran before>'",
        ),
        Command::new(
            "export IMAGE_TAG=\"$COMMIT_SHA\" VERSION=\"0.0.0-$(printf %.12s \"$COMMIT_SHA\")\"",
        ),
    ];
    if known.stores.is_none_or(|stores| stores.bucket.is_none()) && has_stored(definition, way) {
        commands.push(Command::new("export ARTIFACTS_BUCKET='<bucket>'"));
    }
    let wanted = given::artifacts_of(definition, &way.undo).unwrap_or_default();
    let mut first = true;
    for name in &wanted {
        let variable = shouted(name);
        let Some(artifact) = definition.artifacts.get(name) else {
            continue;
        };
        match &artifact.form {
            Form::Image { repository } => {
                commands.push(Command::new(format!(
                    "export IMAGE_{variable}_DIGEST='<sha256:… of {name}>' IMAGE_{variable}=\"$ECR_REGISTRY/{repository}@<sha256:… of {name}>\""
                )));
                if std::mem::take(&mut first) {
                    commands.push(Command::new(format!(
                        "export IMAGE=\"$IMAGE_{variable}\" IMAGE_DIGEST=\"$IMAGE_{variable}_DIGEST\""
                    )));
                }
            }
            Form::Archive { .. } | Form::Plan { .. } | Form::Files { .. } => {
                commands.push(Command::new(format!(
                    "export ARTIFACT_{variable}_KEY='<key of {name}>' ARTIFACT_{variable}_SHA256='<SHA-256 of {name}>'"
                )));
            }
        }
    }
    commands
}

/// Whether it fetches something from the bucket.
fn has_stored(definition: &Definition, way: &WayBack) -> bool {
    !crate::buildspec::fetched(definition, &way.undo).is_empty()
}

fn not_known(definition: &Definition, environment: &EnvironmentName, record: bool) -> String {
    if record {
        format!(
            "The record knows nothing good that ran in {environment} before, so there is nothing to go back to."
        )
    } else {
        format!(
            "What ran in {environment} before is in the record: gatewright history {} --environment {environment}",
            definition.id
        )
    }
}

/// The source of what ran before: the commands that brought it bring it back.
fn source(definition: &Definition, to: Option<&Deployment>) -> Vec<Command> {
    let folder = match to {
        Some(to) => format!("{}-{}", definition.id, to.commit.short()),
        None => definition.id.to_string(),
    };
    let repository = quoted(&definition.source.repository);
    let mut commands = vec![
        Command::of(
            "The source of what ran before",
            format!(
                "git clone --quiet {repository} {folder} && cd {folder} && git checkout --quiet \"$COMMIT_SHA\""
            ),
        ),
        Command::new("export CODEBUILD_SRC_DIR=\"$PWD\""),
    ];
    if definition.source.path != "." {
        let path = quoted(&definition.source.path);
        commands.push(Command::new(format!("cd \"$CODEBUILD_SRC_DIR\"/{path}")));
    }
    commands
}

/// The artifacts that are no images, fetched and compared with their SHA-256.
fn fetch(definition: &Definition, undo: &Stage) -> Vec<Command> {
    said("The artifacts", crate::buildspec::fetched(definition, undo))
}

/// Commands of the build's, under one headline.
fn said(what: &str, commands: Vec<String>) -> Vec<Command> {
    let commands = commands.into_iter().enumerate();
    commands
        .map(|(index, run)| Command {
            what: (index == 0).then(|| what.to_owned()),
            run,
        })
        .collect()
}
