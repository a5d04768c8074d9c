//! Which pipeline is meant: by its id, or by its file.

use crate::error::Failed;
use crate::files::{FOLDER, Project, usual};
use crate::out::Out;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::text::did_you_mean;
use std::path::{Path, PathBuf};

/// A definition from a file, with the approvers beside it.
#[derive(Debug, Clone)]
pub struct Meant {
    /// Its file.
    pub path: PathBuf,
    /// The definition.
    pub definition: Definition,
    /// Who may decide; empty where nobody is written down.
    pub directory: Directory,
}

/// Whether the text names a file.
pub fn is_file(named: &str) -> bool {
    let extension = Path::new(named).extension();
    extension.is_some_and(|e| e == "yaml" || e == "yml")
}

/// The definition that is meant: a file, an id of `pipelines/`, or the only one
/// there.
///
/// # Errors
/// When there is none, more than one, or it is wrong.
pub fn meant(named: Option<&str>, out: &Out) -> Result<Meant, Failed> {
    let file = named.filter(|named| is_file(named));
    let files = match file {
        Some(path) => vec![PathBuf::from(path)],
        None => usual()?,
    };
    let project = Project::read(&files, out.colour)?;
    let id = if file.is_some() { None } else { named };
    let (path, definition) = choose(&project, id)?;
    Ok(Meant {
        directory: project.directory(path).cloned().unwrap_or_default(),
        path: path.to_owned(),
        definition: definition.clone(),
    })
}

fn choose<'a>(
    project: &'a Project,
    id: Option<&str>,
) -> Result<(&'a Path, &'a Definition), Failed> {
    let known: Vec<&str> = project
        .definitions
        .iter()
        .map(|(_, definition)| definition.id.as_str())
        .collect();
    let mut meant = project
        .definitions
        .iter()
        .filter(|(_, d)| id.is_none_or(|id| d.id.as_str() == id));
    match (meant.next(), meant.next()) {
        (Some((path, definition)), None) => Ok((path, definition)),
        (Some(_), Some(_)) => Err(Failed::usage("there is more than one pipeline here")
            .help(format!("say which: {}", known.join(", ")))),
        (None, _) => {
            let id = id.unwrap_or_default();
            let near = did_you_mean(id, known.iter().copied());
            let what = format!("no definition in {FOLDER}/ has the id {id:?}{near}");
            Err(Failed::not_found(what).help(format!("there is: {}", known.join(", "))))
        }
    }
}
