//! The builds this stand-in knows, and how to find one.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use serde_json::Value;
use tokio::sync::watch;

use super::{
    environment::Folders,
    event::Announcer,
    faults::BuildFaults,
    model::{Build, Report},
};
use crate::sync::locked;

/// How long an idempotency token holds: five minutes (API reference,
/// `StartBuild`, `idempotencyToken`).
const TOKEN_LIFE: Duration = Duration::from_secs(300);

/// One build and what belongs to it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The build as the API shows it.
    pub(crate) build: watch::Sender<Build>,
    /// Set once somebody wants the build to end.
    pub(crate) stop: watch::Sender<bool>,
    /// Its folders.
    pub(crate) folders: Folders,
    /// Its events' way out.
    pub(crate) announcer: Announcer,
    /// What it is to suffer.
    pub(crate) faults: BuildFaults,
    /// Values to be starred out of its log.
    pub(crate) secrets: Mutex<Vec<String>>,
    /// Its reports.
    pub(crate) reports: Mutex<Vec<Report>>,
}

impl Entry {
    /// A build that has been submitted.
    pub(crate) fn new(build: Build, folder: PathBuf, faults: BuildFaults) -> Self {
        Self {
            build: watch::Sender::new(build),
            stop: watch::Sender::new(false),
            folders: Folders::new(folder),
            announcer: Announcer::new(faults),
            faults,
            secrets: Mutex::default(),
            reports: Mutex::default(),
        }
    }

    /// The build as it stands.
    pub(crate) fn snapshot(&self) -> Build {
        self.build.borrow().clone()
    }

    /// Asks the build to end and waits for it, at most `within`.
    pub(crate) async fn stop(&self, within: Duration) -> Build {
        self.stop.send_replace(true);
        let mut changes = self.build.subscribe();
        let done = changes.wait_for(|build| build.build_complete);
        // Too slow is not an error: the answer then shows the build running.
        let _ = tokio::time::timeout(within, done).await;
        self.snapshot()
    }
}

/// What an idempotency token was first used for.
#[derive(Debug)]
struct Used {
    at: Instant,
    parameters: Value,
    id: String,
}

/// What an idempotency token says about a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenUse {
    /// Never seen, or too long ago.
    New,
    /// Seen with the same parameters: this build is the answer.
    Same(String),
    /// Seen with other parameters.
    Other,
}

#[derive(Debug, Default)]
struct Inner {
    entries: IndexMap<String, Arc<Entry>>,
    numbers: BTreeMap<String, u64>,
    tokens: BTreeMap<String, Used>,
}

/// Every build since the stand-in was started.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<Inner>);

impl Store {
    /// Looks a token up and, when it is new, adds the build `make` makes under
    /// its build number. One step, so that two requests at once with one token
    /// start one build.
    pub(crate) fn add(
        &self,
        project: &str,
        token: Option<(&str, &Value)>,
        make: impl FnOnce(u64) -> Entry,
    ) -> Result<Arc<Entry>, TokenUse> {
        let mut inner = locked(&self.0);
        if let Some((token, parameters)) = token {
            match inner.token_use(token, parameters) {
                TokenUse::New => {}
                seen => return Err(seen),
            }
        }
        let number = inner.numbers.entry(project.to_owned()).or_insert(0);
        *number += 1;
        let entry = Arc::new(make(*number));
        let id = entry.build.borrow().id.clone();
        if let Some((token, parameters)) = token {
            let used = Used {
                at: Instant::now(),
                parameters: parameters.clone(),
                id: id.clone(),
            };
            inner.tokens.insert(token.to_owned(), used);
        }
        inner.entries.insert(id, Arc::clone(&entry));
        Ok(entry)
    }

    /// A build by its id, its ARN, or the last part of either.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Entry>> {
        let name = name.rsplit('/').next().unwrap_or(name);
        let inner = locked(&self.0);
        (inner.entries.get(name).cloned()).or_else(|| {
            (inner.entries.values())
                .find(|entry| entry.build.borrow().uuid() == name)
                .cloned()
        })
    }

    /// Every build, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        locked(&self.0).entries.values().cloned().collect()
    }
}

impl Inner {
    fn token_use(&self, token: &str, parameters: &Value) -> TokenUse {
        match self.tokens.get(token) {
            Some(used) if used.at.elapsed() < TOKEN_LIFE => {
                if used.parameters == *parameters {
                    TokenUse::Same(used.id.clone())
                } else {
                    TokenUse::Other
                }
            }
            _ => TokenUse::New,
        }
    }
}
