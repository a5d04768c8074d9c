//! Image scans under way.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::json;

use super::{
    Ecr,
    findings::{FindingsError, Script, Step},
};
use crate::{events::Event, ids, sync::locked};

/// An image in a repository: `(repository, digest)`.
pub(crate) type ImageKey = (String, String);

/// One image's scan.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    script: Script,
    step: usize,
    since: Instant,
    answered: u32,
    completed_at: Option<f64>,
}

/// What a scan says at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) step: Step,
    /// When the scan settled, in seconds since 1970.
    pub(crate) completed_at: Option<f64>,
}

impl Scan {
    fn new(script: Script) -> Self {
        Self {
            script,
            step: 0,
            since: Instant::now(),
            answered: 0,
            completed_at: None,
        }
    }

    /// Moves on as far as calls and time have it; `true` when the scan settled
    /// just now.
    fn advance(&mut self) -> bool {
        while let Some(step) = self.script.step(self.step)
            && self.script.has_next(self.step)
            && (step.calls.is_some_and(|calls| self.answered >= calls)
                || step
                    .lasts()
                    .is_some_and(|lasts| self.since.elapsed() >= lasts))
        {
            self.step += 1;
            self.since = Instant::now();
            self.answered = 0;
        }
        let settled = self.script.step(self.step).is_some_and(Step::settled);
        let just_now = settled && self.completed_at.is_none();
        if just_now {
            self.completed_at = Some(ids::now_epoch());
        }
        just_now
    }

    fn moment(&self) -> Option<Moment> {
        Some(Moment {
            step: self.script.step(self.step)?.clone(),
            completed_at: self.completed_at,
        })
    }

    /// When the scan next moves on by itself.
    fn next_move(&self) -> Option<std::time::Duration> {
        if !self.script.has_next(self.step) {
            return None;
        }
        let lasts = self.script.step(self.step)?.lasts()?;
        Some(lasts.saturating_sub(self.since.elapsed()))
    }
}

/// All scans, and what they are to find.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    scans: Mutex<BTreeMap<ImageKey, Scan>>,
    scripts: Mutex<Scripts>,
}

#[derive(Debug, Default)]
struct Scripts {
    fallback: Option<PathBuf>,
    by_repository: BTreeMap<String, Script>,
    by_digest: BTreeMap<String, Script>,
}

impl Scans {
    /// Scans that find what `fallback` says; the file is read anew for each
    /// scan, so that it can be edited while the stack runs.
    pub(crate) fn new(fallback: Option<PathBuf>) -> Self {
        let scans = Self::default();
        locked(&scans.scripts).fallback = fallback;
        scans
    }

    /// What scans of a repository or of one image find from now on.
    pub(crate) fn prepare(&self, repository: Option<&str>, digest: Option<&str>, script: Script) {
        let mut scripts = locked(&self.scripts);
        if let Some(digest) = digest {
            scripts.by_digest.insert(digest.to_owned(), script);
        } else if let Some(repository) = repository {
            scripts.by_repository.insert(repository.to_owned(), script);
        }
    }

    fn script(&self, (repository, digest): &ImageKey) -> Result<Script, FindingsError> {
        let scripts = locked(&self.scripts);
        let prepared =
            (scripts.by_digest.get(digest)).or_else(|| scripts.by_repository.get(repository));
        match (prepared, &scripts.fallback) {
            (Some(script), _) => Ok(script.clone()),
            (None, Some(path)) => Script::load(path),
            (None, None) => Ok(Script::built_in()),
        }
    }
}

impl Ecr {
    /// Starts a scan, or starts it over.
    ///
    /// # Errors
    /// When the findings file cannot be used.
    pub(super) fn start_scan(self: &Arc<Self>, key: ImageKey) -> Result<(), FindingsError> {
        let scan = Scan::new(self.scans.script(&key)?);
        locked(&self.scans.scans).insert(key.clone(), scan);
        let ecr = Arc::clone(self);
        // The scan moves on by itself: whoever waits for its event must not
        // have to ask first.
        self.tasks.spawn(async move {
            let mut stopping = ecr.stopping.subscribe();
            while let Some(wait) = ecr.settle(&key) {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = stopping.wait_for(|stopping| *stopping) => return,
                }
            }
        });
        Ok(())
    }

    /// What a scan says now, counting this as one call when `counts`; `None`
    /// when the image was never scanned.
    pub(super) fn scan_moment(&self, key: &ImageKey, counts: bool) -> Option<Moment> {
        self.settle(key);
        let mut scans = locked(&self.scans.scans);
        let scan = scans.get_mut(key)?;
        scan.answered += u32::from(counts);
        scan.moment()
    }

    /// Moves a scan on, sends its event when it settled, and says when it moves
    /// next by itself.
    fn settle(&self, key: &ImageKey) -> Option<std::time::Duration> {
        let (settled, next) = {
            let mut scans = locked(&self.scans.scans);
            let scan = scans.get_mut(key)?;
            let settled = scan.advance().then(|| scan.moment()).flatten();
            (settled, scan.next_move())
        };
        if let Some(moment) = settled {
            self.announce(key, &moment);
        }
        next
    }

    fn announce(&self, (repository, digest): &ImageKey, moment: &Moment) {
        if self.drop_event() {
            return;
        }
        let tags = self.store.read(repository, |found| {
            found.images.get(digest).map(|image| image.tags.clone())
        });
        self.outbox.send(Event {
            source: "aws.ecr".to_owned(),
            detail_type: "ECR Image Scan".to_owned(),
            resources: vec![self.repository_arn(repository)],
            detail: json!({
                "scan-status": moment.step.status(),
                "repository-name": repository,
                "finding-severity-counts": moment.step.severity_counts(),
                "image-digest": digest,
                "image-tags": tags.flatten().unwrap_or_default(),
            }),
        });
    }
}
