//! What `terraform init` leaves in a folder, and which state that means.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{diagnostic, files::Configuration, plan::stale};
use crate::{
    terraform::{Place, State},
    tools::{ToolError, client::Client},
};

/// The file below `.terraform` that init writes.
const FILE: &str = "gatewright-standin.json";

/// An initialised folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) backend: String,
    pub(super) workspace: String,
}

impl Session {
    /// Initialises a folder; the workspace stays when it was chosen before.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn init(
        folder: &Path,
        configuration: &Configuration,
        settings: BTreeMap<String, String>,
    ) -> Result<Self, ToolError> {
        let before = Self::read(folder).ok();
        let session = Self {
            backend: backend(folder, configuration, settings)?,
            workspace: before.map_or_else(|| "default".to_owned(), |session| session.workspace),
        };
        session.write(folder)?;
        Ok(session)
    }

    /// The session of an initialised folder. `TF_WORKSPACE` chooses, too.
    ///
    /// # Errors
    /// As the real one fails before `terraform init`.
    pub(super) fn load(folder: &Path) -> Result<Self, ToolError> {
        let mut session = Self::read(folder).map_err(|_| {
            diagnostic(
                "Backend initialization required, please run \"terraform init\"",
                "This folder was not initialised in this build.",
            )
        })?;
        if let Ok(workspace) = env::var("TF_WORKSPACE")
            && !workspace.is_empty()
        {
            session.workspace = workspace;
        }
        Ok(session)
    }

    fn read(folder: &Path) -> std::io::Result<Self> {
        let text = fs::read(folder.join(".terraform").join(FILE))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Keeps the session for the next command.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<(), ToolError> {
        let below = folder.join(".terraform");
        fs::create_dir_all(&below)?;
        let text = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        Ok(fs::write(below.join(FILE), text)?)
    }

    /// The place of the state that these variable files lead to.
    pub(super) fn place(&self, var_files: &[String]) -> Place {
        let mut var_files = var_files.to_vec();
        var_files.sort();
        Place {
            backend: self.backend.clone(),
            workspace: self.workspace.clone(),
            var_files,
        }
    }
}

/// A backend's name: its settings, or, without one, the repository and folder,
/// which are the same in every build while the absolute path is not.
fn backend(
    folder: &Path,
    configuration: &Configuration,
    given: BTreeMap<String, String>,
) -> Result<String, ToolError> {
    if let Some((kind, mut settings)) = configuration.backend() {
        settings.extend(given);
        let settings: Vec<String> = (settings.iter())
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        return Ok(format!("{kind} {}", settings.join(" ")));
    }
    let folder = fs::canonicalize(folder)?;
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let source = fs::canonicalize(variable("CODEBUILD_SRC_DIR")).ok();
    let inside = source.and_then(|source| folder.strip_prefix(source).ok().map(PathBuf::from));
    Ok(match inside {
        Some(inside) => format!(
            "local {} {}",
            variable("CODEBUILD_SOURCE_REPO_URL"),
            inside.display()
        ),
        None => format!("local {}", folder.display()),
    })
}

/// The state of a place.
///
/// # Errors
/// When the stand-ins do not answer.
pub(super) async fn read_state(client: &Client, place: &Place) -> Result<State, ToolError> {
    client.post("terraform/read", place).await
}

/// All states of a backend.
///
/// # Errors
/// When the stand-ins do not answer.
pub(super) async fn states(client: &Client, backend: &str) -> Result<Vec<State>, ToolError> {
    client.post("terraform/of", &backend).await
}

/// Replaces a state by the one after it.
///
/// # Errors
/// When somebody else has replaced it meanwhile.
pub(super) async fn write_state(client: &Client, state: &State) -> Result<(), ToolError> {
    match client.post("terraform/write", state).await? {
        true => Ok(()),
        false => Err(stale()),
    }
}
