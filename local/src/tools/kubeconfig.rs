//! What `kubectl` remembers between two calls in a build.
//!
//! `$HOME/.kube/gatewright-standin.json`, and HOME is the build's own: nothing
//! is remembered from one build to the next, as with real builds.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{ToolError, variable};
use crate::ecr::write_whole;

/// The remembered contexts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KubeConfig {
    /// The cluster commands go to; empty when none was chosen.
    pub(super) current_context: String,
    /// By context: the namespace commands without `-n` use. Set by `kubectl
    /// config set-context --current --namespace`, and by each `kubectl apply`
    /// to the namespace it applied to.
    pub(super) namespaces: BTreeMap<String, String>,
}

impl KubeConfig {
    fn path() -> Result<PathBuf, ToolError> {
        Ok(PathBuf::from(variable("HOME")?).join(".kube/gatewright-standin.json"))
    }

    /// What is remembered; nothing when nothing was written yet.
    ///
    /// # Errors
    /// When HOME is not set, or the file is not ours.
    pub(super) fn load() -> Result<Self, ToolError> {
        let path = Self::path()?;
        let Ok(bytes) = fs::read(&path) else {
            return Ok(Self::default());
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| ToolError::Failed(format!("{}: {error}", path.display())))
    }

    /// Changes what is remembered.
    ///
    /// # Errors
    /// When HOME cannot be written.
    pub(super) fn change(change: impl FnOnce(&mut Self)) -> Result<(), ToolError> {
        let mut config = Self::load()?;
        change(&mut config);
        let bytes = serde_json::to_vec_pretty(&config).map_err(std::io::Error::from)?;
        Ok(write_whole(&Self::path()?, &bytes)?)
    }

    /// The cluster commands go to.
    ///
    /// # Errors
    /// When none was chosen, as kubectl fails without a kubeconfig.
    pub(super) fn context(&self) -> Result<&str, ToolError> {
        if self.current_context.is_empty() {
            return Err(ToolError::Failed(
                "current-context is not set; choose a cluster with `aws eks update-kubeconfig --name <cluster>` first".to_owned(),
            ));
        }
        Ok(&self.current_context)
    }

    /// The namespace commands without `-n` use.
    pub(super) fn namespace(&self) -> &str {
        self.namespaces
            .get(&self.current_context)
            .map_or("default", String::as_str)
    }
}
