//! What the instances have installed, as files: `odoo/<database>.json`.

use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Mutex};

use serde::{Deserialize, Serialize};

use crate::{ecr::write_whole, ids, keys::is_name, sync::locked};

/// What every record says about itself.
const STAND_IN: &str = "laptop stand-in for Odoo";

/// An Odoo with one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Instance {
    /// Says that this is a stand-in's.
    pub(crate) stand_in: String,
    /// The database's name.
    pub(crate) database: String,
    /// Installed modules and their versions.
    pub(crate) modules: BTreeMap<String, String>,
    /// What was done, the oldest first.
    pub(crate) history: Vec<Entry>,
}

/// One run of `odoo-bin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When it ended.
    pub(crate) at: String,
    /// The module updates.
    pub(crate) modules: Vec<ModuleUpdate>,
}

/// What a run of `odoo-bin` reports.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Update {
    /// The module updates.
    pub(crate) modules: Vec<ModuleUpdate>,
}

/// A module that was installed or updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModuleUpdate {
    /// The module.
    pub(crate) name: String,
    /// The version before; none when it was installed.
    pub(crate) from: Option<String>,
    /// The version now.
    pub(crate) to: String,
    /// The migrations that ran, in order.
    pub(crate) migrations: Vec<Migration>,
}

/// A migration script that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Migration {
    /// The script, from the module's folder on.
    pub(crate) script: String,
    /// What it executed.
    pub(crate) statements: Vec<String>,
}

/// The records.
pub(super) struct Store {
    folder: PathBuf,
    /// Held from reading a record to writing it.
    writing: Mutex<()>,
}

impl Store {
    /// The records in `folder`.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            writing: Mutex::default(),
        }
    }

    /// An instance; nothing is installed in one that nobody has touched.
    pub(super) fn read(&self, database: &str) -> Instance {
        let kept = (is_name(database))
            .then(|| fs::read(self.folder.join(format!("{database}.json"))).ok())
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        kept.unwrap_or_else(|| Instance {
            stand_in: STAND_IN.to_owned(),
            database: database.to_owned(),
            ..Instance::default()
        })
    }

    /// Every instance, by name.
    pub(super) fn all(&self) -> Vec<Instance> {
        let mut names: Vec<String> = (fs::read_dir(&self.folder).into_iter().flatten())
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect();
        names.sort();
        names.iter().map(|name| self.read(name)).collect()
    }

    /// Records a run of `odoo-bin`.
    ///
    /// # Errors
    /// When the database's name is none, or the folder cannot be written.
    pub(super) fn update(&self, database: &str, update: Update) -> io::Result<Instance> {
        if !is_name(database) {
            let text = format!("{database:?} is no database: lower-case letters, digits, - and _");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let _writing = locked(&self.writing);
        let mut instance = self.read(database);
        let versions = update
            .modules
            .iter()
            .map(|m| (m.name.clone(), m.to.clone()));
        instance.modules.extend(versions);
        instance.history.push(Entry {
            at: ids::now().to_string(),
            modules: update.modules,
        });
        let bytes = serde_json::to_vec_pretty(&instance)?;
        write_whole(&self.folder.join(format!("{database}.json")), &bytes)?;
        Ok(instance)
    }
}
