//! Bringing one revision up and, once it is ready, the one before it down.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::{
    Cluster, Live,
    image::{self, Found},
    launch::{self, Launched},
    model::{Deployment, State},
};
use crate::sync::locked;

/// How often a process is asked whether it is ready.
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// How long one probe may take.
const PROBE_WITHIN: Duration = Duration::from_secs(1);

/// How long a process may take to end after SIGTERM; Kubernetes gives 30 s,
/// which nobody wants to wait for on a laptop.
const GRACE: Duration = Duration::from_secs(3);

/// What one revision's task needs.
pub(super) struct Revision {
    pub(super) cluster: Arc<Cluster>,
    pub(super) live: Arc<Live>,
    pub(super) number: u64,
    pub(super) deployment: Deployment,
    pub(super) found: Found,
    pub(super) folder: PathBuf,
    /// Set when this revision is to end.
    pub(super) stop: watch::Receiver<bool>,
}

impl Revision {
    /// Runs the revision until it is superseded, stopped, or ends by itself.
    pub(super) async fn run(mut self) {
        let mut launched = match self.start().await {
            Ok(launched) => launched,
            Err(error) => {
                return self.report(State::Failed, &format!("not started: {error}"), None);
            }
        };
        let ready = tokio::select! {
            ready = self.until_ready(&mut launched) => ready,
            _ = stopped(self.stop.clone()) => Err("superseded".to_owned()),
        };
        match ready {
            // Applied over meanwhile: the later revision takes over, not this.
            Ok(()) if self.live.record.borrow().revision != self.number => {}
            Ok(()) => {
                let address = format!("127.0.0.1:{}", launched.port);
                self.report(
                    State::Available,
                    "the readiness probe succeeded",
                    Some(address),
                );
                self.take_over();
                self.serve(&mut launched).await;
            }
            Err(reason) => self.report(State::Failed, &reason, None),
        }
        end(launched).await;
    }

    async fn start(&mut self) -> std::io::Result<Launched> {
        let cluster = &self.cluster;
        let image = image::unpack(&cluster.store, &self.found, &self.folder.join("rootfs"))?;
        launch::launch(&self.deployment, &image, &self.folder, &cluster.tools_path)
    }

    /// Waits for the readiness probe.
    ///
    /// # Errors
    /// Why the revision will not become ready.
    async fn until_ready(&self, launched: &mut Launched) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(self.deployment.deadline_seconds);
        loop {
            if let Ok(Some(status)) = launched.child.try_wait() {
                return Err(ended(&launched.last_lines(), status));
            }
            if self.probe(launched.port).await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!(
                    "exceeded its progress deadline; last lines:\n{}",
                    launched.last_lines()
                ));
            }
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }

    async fn probe(&self, port: u16) -> bool {
        let Some(path) = &self.deployment.readiness_path else {
            let connect = tokio::net::TcpStream::connect(("127.0.0.1", port));
            return matches!(tokio::time::timeout(PROBE_WITHIN, connect).await, Ok(Ok(_)));
        };
        let url = format!("http://127.0.0.1:{port}/{}", path.trim_start_matches('/'));
        let answer = self
            .cluster
            .http
            .get(url)
            .timeout(PROBE_WITHIN)
            .send()
            .await;
        // 200 to 399 is success (Kubernetes, *HTTP probes*).
        answer.is_ok_and(|answer| (200..400).contains(&answer.status().as_u16()))
    }

    /// Ends the revision that served until now.
    fn take_over(&self) {
        let mut revisions = locked(&self.live.revisions);
        for (number, stop) in revisions.iter() {
            if *number < self.number {
                stop.send_replace(true);
            }
        }
        revisions.retain(|(number, _)| *number >= self.number);
    }

    async fn serve(&mut self, launched: &mut Launched) {
        tokio::select! {
            status = launched.child.wait() => {
                if let Ok(status) = status {
                    self.report(State::Failed, &ended(&launched.last_lines(), status), None);
                }
            }
            _ = stopped(self.stop.clone()) => {}
        }
    }

    /// Writes how the revision stands, unless a later one has been applied.
    fn report(&self, state: State, message: &str, address: Option<String>) {
        let changed = self.live.record.send_if_modified(|record| {
            if record.revision != self.number {
                return false;
            }
            record.state = state;
            message.clone_into(&mut record.message);
            // A failed revision leaves the one before it serving.
            if address.is_some() {
                record.address = address;
            }
            true
        });
        if changed {
            self.cluster.write(&self.live.record.borrow());
        }
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender's end means the same: nobody wants this revision any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn ended(last_lines: &str, status: std::process::ExitStatus) -> String {
    format!("the process ended ({status}); last lines:\n{last_lines}")
}

/// SIGTERM first, as Kubernetes does, then the whole group.
async fn end(mut launched: Launched) {
    launched.group.terminate();
    if tokio::time::timeout(GRACE, launched.child.wait())
        .await
        .is_err()
    {
        // Reaped here; its children go with the group.
        let _ = launched.child.kill().await;
    }
    launched.group.kill().await;
}
