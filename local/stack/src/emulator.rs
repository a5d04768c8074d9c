//! The AWS emulator, supervised: MiniStack in a process of its own, which ends
//! with us however we end.

use crate::StackError;
use crate::connection::Credentials;
use gatewright_local::{Event, EventSink, SinkError, SinkFuture};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A minute's pause of a state machine, or of a watch, lasts a second on the laptop.
pub(crate) const WAIT_SCALE: &str = "0.0167";

/// How long it may take to come up. It takes a third of a second on an idle
/// machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to end its functions' processes.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    url: String,
    log: PathBuf,
    credentials: Credentials,
}

impl Emulator {
    /// Starts it on a free port, with IAM evaluation on.
    ///
    /// # Errors
    /// When it is not installed, ends early or does not answer in time; with the
    /// end of its log.
    pub async fn start(root: &Path, python: &Path, data: &Path) -> Result<Self, StackError> {
        if !python.exists() {
            let path = python.display().to_string();
            return Err(StackError::NotSetUp {
                what: "the Python environment",
                path,
            });
        }
        let credentials = Credentials {
            key: "LAPTOPROOT".to_owned(),
            secret: random(40),
        };
        let port = free_port().await?;
        let folder = data.join("emulator");
        std::fs::create_dir_all(&folder).map_err(StackError::file(&folder))?;
        let log = folder.join("emulator.log");
        let file = std::fs::File::create(&log).map_err(StackError::file(&log))?;
        let errors = file.try_clone().map_err(StackError::file(&log))?;
        let child = Command::new(python)
            .arg(root.join("local/launch.py"))
            .args(["--port", &port.to_string(), "--auth", "--tick", "1"])
            .args(["--wait-scale", WAIT_SCALE])
            .args([
                "--root-key",
                &credentials.key,
                "--root-secret",
                &credentials.secret,
            ])
            .arg("--dir")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(StackError::file(python))?;
        let mut emulator = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            log,
            credentials,
        };
        emulator.ready().await?;
        Ok(emulator)
    }

    /// Its endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its root's credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The calls that IAM evaluation has denied, one a line.
    pub fn denied(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines()
            .filter(|line| line.contains("DENIED"))
            .map(str::to_owned)
            .collect()
    }

    /// Ends it and every function's process.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // It may have ended by itself meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if tokio::time::timeout(STOP_LIMIT, self.child.wait())
            .await
            .is_err()
        {
            let _ = self.child.kill().await;
        }
    }

    async fn ready(&mut self) -> Result<(), StackError> {
        let health = format!("{}/_ministack/health", self.url);
        let started = tokio::time::Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.failed(&format!("it ended at once ({status})")));
            }
            if reqwest::get(&health)
                .await
                .is_ok_and(|reply| reply.status().is_success())
            {
                return Ok(());
            }
            if started.elapsed() > START_LIMIT {
                return Err(self.failed("it did not answer within a minute"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn failed(&self, what: &str) -> StackError {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(2_000);
        let end = log.get(from..).unwrap_or(&log);
        StackError::Process {
            what: "the emulator",
            why: format!("{what}; the end of {}:\n{end}", self.log.display()),
        }
    }

    /// Calls one of its JSON services as root. It does not verify root's
    /// signatures, so none is made.
    pub(crate) async fn call(
        &self,
        service: &str,
        target: &str,
        body: &Value,
    ) -> Result<Value, StackError> {
        call(&self.url, &self.credentials.key, service, target, body)
            .await
            .map_err(StackError::Service)
    }

    /// Calls one of its query services as root; gives the XML.
    pub(crate) async fn query(
        &self,
        service: &str,
        action: &str,
        version: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, StackError> {
        let mut form = vec![("Action", action), ("Version", version)];
        form.extend_from_slice(parameters);
        let failed = |why: String| StackError::Service(format!("{service}:{action}: {why}"));
        let reply = reqwest::Client::new()
            .post(&self.url)
            .header("X-Amz-Date", "20260101T000000Z")
            .header(
                "Authorization",
                root_authorization(&self.credentials.key, service),
            )
            .form(&form)
            .send()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let ok = reply.status().is_success();
        let text = reply
            .text()
            .await
            .map_err(|error| failed(error.to_string()))?;
        if ok { Ok(text) } else { Err(failed(text)) }
    }

    /// Where CodeBuild's and ECR's events go.
    pub fn sink(&self) -> EventBridge {
        EventBridge {
            url: self.url.clone(),
            key: self.credentials.key.clone(),
        }
    }
}

/// Root's signatures are not verified; who it is must be said all the same.
fn root_authorization(key: &str, service: &str) -> String {
    let credential = format!("{key}/20260101/ap-south-1/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0")
}

async fn call(
    url: &str,
    key: &str,
    service: &str,
    target: &str,
    body: &Value,
) -> Result<Value, String> {
    let reply = reqwest::Client::new()
        .post(url)
        .header("X-Amz-Target", target)
        .header("Content-Type", "application/x-amz-json-1.1")
        .header("X-Amz-Date", "20260101T000000Z")
        .header("Authorization", root_authorization(key, service))
        .body(body.to_string())
        .send()
        .await
        .map_err(|error| format!("{target}: {error}"))?;
    let status = reply.status();
    let text = reply
        .text()
        .await
        .map_err(|error| format!("{target}: {error}"))?;
    if !status.is_success() {
        return Err(format!("{target}: {status} {text}"));
    }
    serde_json::from_str(&text).or_else(|_| Ok(json!({})))
}

/// The emulator's EventBridge.
#[derive(Debug, Clone)]
pub struct EventBridge {
    url: String,
    key: String,
}

impl EventSink for EventBridge {
    fn put(&self, event: Event) -> SinkFuture<'_> {
        Box::pin(async move {
            let entry = json!({ "Entries": [{
                "Source": event.source, "DetailType": event.detail_type,
                "Resources": event.resources, "Detail": event.detail.to_string(),
            }]});
            let reply = call(
                &self.url,
                &self.key,
                "events",
                "AWSEvents.PutEvents",
                &entry,
            )
            .await
            .map_err(SinkError)?;
            match reply["FailedEntryCount"].as_u64() {
                Some(0) => Ok(()),
                _ => Err(SinkError(reply.to_string())),
            }
        })
    }
}

async fn free_port() -> Result<u16, StackError> {
    let taken = |error: std::io::Error| StackError::Process {
        what: "a free port",
        why: error.to_string(),
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(taken)?;
    Ok(listener.local_addr().map_err(taken)?.port())
}

/// So many random letters and digits.
pub(crate) fn random(length: usize) -> String {
    use rand::Rng;
    rand::rng()
        .sample_iter(rand::distr::Alphanumeric)
        .take(length)
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests;
