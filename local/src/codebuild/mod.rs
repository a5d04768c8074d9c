//! A stand-in for AWS CodeBuild.
//!
//! It speaks CodeBuild's API (`POST /codebuild`, AWS JSON 1.1) and really runs
//! the commands, as processes of this machine: the compute image is recorded
//! and not used. Builds are kept in memory, their folders and logs in the data
//! directory.

mod api;
mod download;
mod environment;
mod event;
mod faults;
mod log;
mod model;
mod pages;
mod publish;
mod report;
mod role;
mod run;
mod secrets;
mod shell;
mod source;
mod spec;
mod start;
mod store;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use url::Url;

pub(crate) use environment::search_path;
pub use faults::CodeBuildFaults;
pub(crate) use role::Roles;
pub(crate) use secrets::SecretResolver;

use crate::{events::Outbox, tasks::Tasks};

/// How long `StopBuild` and a shutdown wait for a build to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What the caller has decided, for this stand-in.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where builds' folders are made.
    pub(crate) builds: PathBuf,
    /// The stand-in programs.
    pub(crate) bin: PathBuf,
    /// See [`StandInsConfig::tools_path`](crate::StandInsConfig).
    pub(crate) tools_path: Vec<PathBuf>,
    /// See [`StandInsConfig::sources`](crate::StandInsConfig).
    pub(crate) sources: BTreeMap<String, PathBuf>,
    /// See [`StandInsConfig::overlays`](crate::StandInsConfig).
    pub(crate) overlays: Vec<PathBuf>,
    /// See [`StandInsConfig::commits`](crate::StandInsConfig).
    pub(crate) commits: BTreeMap<String, Vec<PathBuf>>,
    /// This server's address, ending in a slash.
    pub(crate) url: Url,
    /// The emulator's address.
    pub(crate) emulator: Url,
    /// The region in ARNs.
    pub(crate) region: String,
    /// The account in ARNs.
    pub(crate) account: String,
    /// See [`StandInsConfig::build_minute`](crate::StandInsConfig).
    pub(crate) minute: Duration,
}

/// What every build uses.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) secrets: SecretResolver,
    pub(crate) roles: Roles,
}

impl Shared {
    /// An ARN of this account's CodeBuild.
    pub(crate) fn arn(&self, kind: &str, name: &str) -> String {
        let Settings {
            region, account, ..
        } = &self.settings;
        format!("arn:aws:codebuild:{region}:{account}:{kind}/{name}")
    }
}

/// The stand-in.
pub(crate) struct CodeBuild {
    shared: Arc<Shared>,
    store: store::Store,
    switches: faults::Switches,
    tasks: Tasks,
}

impl CodeBuild {
    pub(crate) fn new(
        settings: Settings,
        outbox: Arc<Outbox>,
        secrets: SecretResolver,
        roles: Roles,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                outbox,
                secrets,
                roles,
            }),
            store: store::Store::default(),
            switches: faults::Switches::default(),
            tasks: Tasks::default(),
        }
    }

    /// Asks every build to end.
    pub(crate) fn stop(&self) {
        for entry in self.store.all() {
            entry.stop.send_replace(true);
        }
    }

    /// Stops every build and waits for its processes to be gone.
    pub(crate) async fn shutdown(&self) {
        self.stop();
        self.tasks.finish().await;
    }
}

/// The routes under `/codebuild`.
pub(crate) fn router(codebuild: Arc<CodeBuild>) -> Router {
    api::router().merge(pages::router()).with_state(codebuild)
}
