//! A stand-in for Amazon ECR.
//!
//! It keeps pushed images and answers what a release asks about them; every
//! other operation is handed on to the emulator byte for byte. Repositories
//! that exist in the emulator (made by a stack there) exist here too, from the
//! first time somebody names them. No image is really scanned: what a scan
//! finds is prepared (the forms are described in `src/ecr/findings.rs`).

mod api;
mod delete;
mod findings;
mod forward;
mod images;
mod registry;
mod scan;
mod store;

use std::sync::{Arc, Mutex};

use axum::Router;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use url::Url;

pub use findings::FindingsError;
pub(crate) use registry::LocalImage;
pub(crate) use store::{Store, digest_of, write_whole};

use crate::{events::Outbox, sync::locked, tasks::Tasks};

/// What this stand-in needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The emulator, for everything not kept here.
    pub(crate) emulator: Url,
    /// The region in ARNs.
    pub(crate) region: String,
    /// The account: the registry's id.
    pub(crate) account: String,
}

/// Switches that make ECR misbehave; set with `POST /ecr/_faults`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EcrFaults {
    /// How many of the next scans settle without an event.
    pub drop_events: u32,
    /// How many of the next API calls are answered with `ThrottlingException`.
    pub throttle: u32,
}

/// The stand-in.
pub(crate) struct Ecr {
    settings: Settings,
    store: Arc<Store>,
    scans: scan::Scans,
    faults: Mutex<EcrFaults>,
    outbox: Arc<Outbox>,
    http: reqwest::Client,
    tasks: Tasks,
    stopping: watch::Sender<bool>,
}

impl Ecr {
    pub(crate) fn new(
        settings: Settings,
        store: Arc<Store>,
        findings: Option<std::path::PathBuf>,
        outbox: Arc<Outbox>,
        http: reqwest::Client,
    ) -> Self {
        Self {
            settings,
            store,
            scans: scan::Scans::new(findings),
            faults: Mutex::default(),
            outbox,
            http,
            tasks: Tasks::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Ends the scans' clocks.
    pub(crate) async fn shutdown(&self) {
        self.stopping.send_replace(true);
        self.tasks.finish().await;
    }

    fn repository_arn(&self, name: &str) -> String {
        let Settings {
            region, account, ..
        } = &self.settings;
        format!("arn:aws:ecr:{region}:{account}:repository/{name}")
    }

    fn drop_event(&self) -> bool {
        take_one(&mut locked(&self.faults).drop_events)
    }

    fn throttled(&self) -> bool {
        take_one(&mut locked(&self.faults).throttle)
    }
}

fn take_one(count: &mut u32) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}

/// The routes under `/ecr` and `/registry`.
pub(crate) fn router(ecr: Arc<Ecr>) -> Router {
    let registry = registry::router(Arc::clone(&ecr.store));
    api::router().with_state(ecr).merge(registry)
}
