//! The instances' workflows, as files: `n8n/<environment>.json`.

use std::{fs, io, path::PathBuf, sync::Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ecr::write_whole, ids, keys::is_name, sync::locked};

/// A workflow of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Workflow {
    /// The instance's own id for it.
    pub(super) id: String,
    /// Whether its triggers are live.
    pub(super) active: bool,
    /// When it was first saved.
    pub(super) created_at: String,
    /// When it was last saved.
    pub(super) updated_at: String,
    /// How often it was saved.
    pub(super) version_counter: u64,
    /// `name`, `nodes`, `connections`, `settings`, `staticData`.
    #[serde(flatten)]
    pub(super) content: Map<String, Value>,
}

impl Workflow {
    /// A new one, not active.
    pub(super) fn new(content: Map<String, Value>) -> Self {
        let now = ids::now().to_string();
        Self {
            id: ids::token()[..16].to_owned(),
            active: false,
            created_at: now.clone(),
            updated_at: now,
            version_counter: 1,
            content,
        }
    }

    /// Saves it anew; whether it is active stays.
    pub(super) fn replace(&mut self, content: Map<String, Value>) {
        self.content = content;
        self.updated_at = ids::now().to_string();
        self.version_counter += 1;
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        (self.content.get("name").and_then(Value::as_str)).unwrap_or_default()
    }
}

/// The files.
pub(super) struct Store {
    folder: PathBuf,
    /// Held from reading a file to writing it.
    writing: Mutex<()>,
}

impl Store {
    /// The files in `folder`.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            writing: Mutex::default(),
        }
    }

    fn path(&self, environment: &str) -> PathBuf {
        self.folder.join(format!("{environment}.json"))
    }

    /// The workflows of an instance.
    pub(super) fn read(&self, environment: &str) -> Vec<Workflow> {
        (is_name(environment))
            .then(|| fs::read(self.path(environment)).ok())
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// The instances that something was deployed to.
    pub(super) fn environments(&self) -> Vec<String> {
        let mut names: Vec<String> = (fs::read_dir(&self.folder).into_iter().flatten())
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// Changes an instance's workflows and writes them.
    ///
    /// # Errors
    /// When the environment's name is none, or the folder cannot be written.
    pub(super) fn change<T>(
        &self,
        environment: &str,
        change: impl FnOnce(&mut Vec<Workflow>) -> T,
    ) -> io::Result<T> {
        if !is_name(environment) {
            let text = format!("{environment:?} is no environment's name");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let _writing = locked(&self.writing);
        let mut all = self.read(environment);
        let before = all.clone();
        let answer = change(&mut all);
        if all != before {
            let bytes = serde_json::to_vec_pretty(&all)?;
            write_whole(&self.path(environment), &bytes)?;
        }
        Ok(answer)
    }
}
