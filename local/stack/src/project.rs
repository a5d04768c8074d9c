//! What the project's folder says: the definitions, the approvers, and the Slack
//! workspace that they need.

use crate::StackError;
use crate::emulator::random;
use gatewright_compiler::source;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_local::{SlackChannel, SlackConfig, SlackUser};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The file beside the definitions that says who may decide.
const APPROVERS: &str = "approvers.yaml";

/// The definitions of these pipelines; of all of them when none is named.
///
/// # Errors
/// When there is no such pipeline, or its definition is wrong. The definitions of
/// other pipelines are not looked at.
pub(crate) fn definitions(root: &Path, wanted: &[String]) -> Result<Vec<Definition>, StackError> {
    let directory = directory(root)?;
    let folder = root.join("pipelines");
    let files = if wanted.is_empty() {
        all(&folder)?
    } else {
        wanted
            .iter()
            .map(|id| named(&folder, id))
            .collect::<Result<_, _>>()?
    };
    files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).map_err(StackError::file(path))?;
            let name = path.display().to_string();
            let read = source::read(&name, &text, Some(&directory));
            read.map(|read| read.definition)
                .map_err(|e| StackError::Definition(e.to_string()))
        })
        .collect()
}

fn all(folder: &Path) -> Result<Vec<PathBuf>, StackError> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(StackError::file(folder))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "yaml") && !path.ends_with(APPROVERS))
        .collect();
    files.sort();
    Ok(files)
}

/// Whether what is deployed is what the definitions say.
///
/// # Errors
/// When a committed machine is not what its definition compiles to.
pub(crate) fn compiled(root: &Path, definitions: &[Definition]) -> Result<(), StackError> {
    for definition in definitions {
        let path = root.join(format!("statemachines/{}.asl.json", definition.id));
        let machine = gatewright_compiler::compile(definition)
            .map_err(|error| StackError::Definition(format!("{}: {error}", definition.id)))?;
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        if there != gatewright_compiler::to_json(&machine) {
            return Err(StackError::Definition(format!(
                "{} is not what pipelines/{}.yaml compiles to: run `gatewright compile`",
                path.display(),
                definition.id
            )));
        }
    }
    Ok(())
}

/// A pipeline's file has its id for a name.
fn named(folder: &Path, id: &str) -> Result<PathBuf, StackError> {
    let path = folder.join(format!("{id}.yaml"));
    if path.exists() && !path.ends_with(APPROVERS) {
        return Ok(path);
    }
    let known: Vec<String> = all(folder)?
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    Err(StackError::Definition(format!(
        "there is no pipeline {id} in {}; there are: {}",
        folder.display(),
        known.join(", ")
    )))
}

/// Who may decide.
///
/// # Errors
/// When the file is not there or wrong.
pub(crate) fn directory(root: &Path) -> Result<Directory, StackError> {
    let path = root.join("pipelines").join(APPROVERS);
    let text = std::fs::read_to_string(&path).map_err(StackError::file(&path))?;
    source::read_directory(&path.display().to_string(), &text)
        .map_err(|e| StackError::Definition(e.to_string()))
}

/// A workspace with these people, and every channel that a definition names.
pub(crate) fn slack(directory: Directory, definitions: &[Definition]) -> SlackConfig {
    let users = directory
        .people
        .into_iter()
        .filter_map(|p| {
            Some(SlackUser {
                id: p.slack?,
                name: p.name,
            })
        })
        .collect();
    let channels: BTreeSet<&str> = definitions
        .iter()
        .flat_map(|d| {
            let routes = d.notify.routes.iter().flat_map(|route| &route.slack);
            d.notify.slack.iter().chain(routes)
        })
        .map(|name| name.trim_start_matches('#'))
        .collect();
    SlackConfig {
        signing_secret: random(32),
        bot_token: format!("xoxb-laptop-{}", random(24)),
        interactivity_url: None,
        users,
        channels: channels
            .into_iter()
            .enumerate()
            .map(|(n, name)| SlackChannel {
                id: format!("C0LAPTOP{n}"),
                name: name.to_owned(),
            })
            .collect(),
    }
}

/// PagerDuty's services: the default one, and every one that a definition names,
/// each with a routing key of its own.
pub(crate) fn pagerduty(definitions: &[Definition]) -> BTreeMap<String, String> {
    let routes = definitions.iter().flat_map(|d| &d.notify.routes);
    let named = routes.filter_map(|route| route.pagerduty.as_deref());
    named
        .chain(["default"])
        .map(|service| (service.to_owned(), random(32)))
        .collect()
}
