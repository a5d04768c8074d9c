//! Definitions and approvers, read from files.

use crate::error::{Failed, file};
use gatewright_compiler::{Diagnostic, Diagnostics, Level, compile, read, read_directory};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where definitions are.
pub const FOLDER: &str = "pipelines";
/// The file beside them that says who may decide.
pub const APPROVERS: &str = "approvers.yaml";

/// What a file holds.
#[derive(Debug, Clone)]
pub enum Holds {
    /// A definition; none when it is wrong.
    Pipeline(Option<Box<Definition>>),
    /// The approvers; none when they are wrong.
    Approvers(Option<Directory>),
}

/// A file that was read, and what was found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub holds: Holds,
    /// What is wrong with it, or should be looked at.
    pub found: Diagnostics,
}

impl Checked {
    /// Whether it can be used.
    pub fn is_valid(&self) -> bool {
        match &self.holds {
            Holds::Pipeline(definition) => definition.is_some(),
            Holds::Approvers(directory) => directory.is_some(),
        }
    }
}

/// The definitions of the folder `pipelines`, in the order of their names.
///
/// # Errors
/// When there are none.
pub fn usual() -> Result<Vec<PathBuf>, Failed> {
    let none = || {
        Failed::not_found(format!("there is no {FOLDER}/*.yaml here"))
            .help("go to the project's folder, or name the files")
    };
    let entries = std::fs::read_dir(FOLDER).map_err(|_| none())?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"))
        .filter(|path| !path.ends_with(APPROVERS))
        .collect();
    files.sort();
    if files.is_empty() {
        Err(none())
    } else {
        Ok(files)
    }
}

/// Reads files, and the approvers beside each, once.
///
/// # Errors
/// When a file cannot be read at all.
pub fn check(files: &[PathBuf]) -> Result<Vec<Checked>, Failed> {
    let mut checked: Vec<Checked> = Vec::new();
    for path in files {
        let beside = path.with_file_name(APPROVERS);
        let known = |checked: &[Checked]| checked.iter().any(|c| c.path == beside);
        if beside.exists() && !known(&checked) {
            checked.push(check_approvers(&beside)?);
        }
        if path != &beside {
            let people = checked.iter().find(|c| c.path == beside);
            let directory = people.and_then(|c| match &c.holds {
                Holds::Approvers(directory) => directory.clone(),
                Holds::Pipeline(_) => None,
            });
            checked.push(check_pipeline(path, directory.as_ref())?);
        }
    }
    Ok(checked)
}

fn text_of(path: &Path) -> Result<(String, String), Failed> {
    let text = std::fs::read_to_string(path).map_err(|error| file(path, &error))?;
    Ok((path.display().to_string(), text))
}

fn check_approvers(path: &Path) -> Result<Checked, Failed> {
    let (name, text) = text_of(path)?;
    let (directory, found) = match read_directory(&name, &text) {
        Ok(directory) => (Some(directory), Diagnostics(Vec::new())),
        Err(found) => (None, found),
    };
    let holds = Holds::Approvers(directory);
    Ok(Checked {
        path: path.to_owned(),
        holds,
        found,
    })
}

fn check_pipeline(path: &Path, directory: Option<&Directory>) -> Result<Checked, Failed> {
    let (name, text) = text_of(path)?;
    let (definition, found) = match read(&name, &text, directory) {
        Err(found) => (None, found),
        Ok(read) => match compile(&read.definition) {
            Ok(_) => (Some(Box::new(read.definition)), read.warnings),
            Err(error) => (
                None,
                Diagnostics(vec![whole(&name, &text, error.to_string())]),
            ),
        },
    };
    let holds = Holds::Pipeline(definition);
    Ok(Checked {
        path: path.to_owned(),
        holds,
        found,
    })
}

/// What is wrong with a file as a whole.
fn whole(file: &str, text: &str, message: String) -> Diagnostic {
    Diagnostic {
        level: Level::Error,
        file: file.to_owned(),
        line: 1,
        column: 1,
        width: 1,
        snippet: text.lines().next().unwrap_or_default().to_owned(),
        message,
        help: None,
    }
}

/// Definitions that can be used, with the approvers beside them.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// The definitions and their files.
    pub definitions: Vec<(PathBuf, Definition)>,
    /// The approvers of each folder.
    directories: BTreeMap<PathBuf, Directory>,
}

impl Project {
    /// Reads files that must all be right.
    ///
    /// # Errors
    /// Everything that is wrong with them, drawn; two definitions of one id.
    pub fn read(files: &[PathBuf], colour: bool) -> Result<Self, Failed> {
        let checked = check(files)?;
        let wrong: Vec<String> = checked
            .iter()
            .filter(|checked| !checked.is_valid())
            .map(|checked| checked.found.render(colour))
            .collect();
        if !wrong.is_empty() {
            return Err(Failed::drawn(wrong.join("\n\n")));
        }
        let mut project = Self::default();
        for Checked { path, holds, .. } in checked {
            match holds {
                Holds::Pipeline(Some(definition)) => project.add(path, *definition)?,
                Holds::Approvers(Some(directory)) => {
                    project.directories.insert(path, directory);
                }
                Holds::Pipeline(None) | Holds::Approvers(None) => {}
            }
        }
        Ok(project)
    }

    fn add(&mut self, path: PathBuf, definition: Definition) -> Result<(), Failed> {
        let same = self
            .definitions
            .iter()
            .find(|(_, known)| known.id == definition.id);
        if let Some((other, _)) = same {
            let (one, two) = (other.display(), path.display());
            return Err(Failed::refused(format!(
                "{one} and {two} both define {}",
                definition.id
            )));
        }
        self.definitions.push((path, definition));
        Ok(())
    }

    /// The approvers beside a definition's file.
    pub fn directory(&self, path: &Path) -> Option<&Directory> {
        self.directories.get(&path.with_file_name(APPROVERS))
    }
}
