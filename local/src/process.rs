//! Process groups that end with whoever started them.
//!
//! Every process the stand-ins run belongs to a group led by a *keeper*: a
//! shell that does nothing but read from a pipe this program holds. Two things
//! follow. The group's number cannot be given to somebody else's process while
//! we may still signal it, because its leader lives until we say so. And when
//! this program dies without cleaning up, the pipe closes, the keeper wakes up
//! and kills the whole group: nothing is left behind on the laptop. A command
//! that leaves its group on purpose (`setsid`) is out of reach.

use std::{env, io, path::PathBuf, process::Stdio, time::Duration};

use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::{Child, ChildStdin, Command};

/// What the keeper runs. It ignores SIGTERM, so that a group asked to stop
/// gently still has its leader until the final SIGKILL.
const KEEPER: &str = "trap '' TERM INT HUP; read -r _; kill -KILL 0";

/// How long a killed group may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// The shell, by its whole path: a build may change the PATH its next phase is
/// started with, and that must not decide whether there is a shell.
pub(crate) fn bash() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("bash"))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| PathBuf::from("/bin/bash"))
}

/// A process group of our own; dropping it kills every process in it.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    id: Pid,
    keeper: Child,
    _lifeline: Option<ChildStdin>,
    killed: bool,
}

impl ProcessGroup {
    /// Starts a group holding only its keeper.
    ///
    /// # Errors
    /// When no process can be started (no `bash`, too many processes).
    pub(crate) fn start() -> io::Result<Self> {
        let mut keeper = Command::new(bash())
            .args(["-c", KEEPER])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let id = (keeper.id())
            .and_then(|id| i32::try_from(id).ok())
            .ok_or_else(|| io::Error::other("the keeper of a process group ended at once"))?;
        Ok(Self {
            id: Pid::from_raw(id),
            _lifeline: keeper.stdin.take(),
            keeper,
            killed: false,
        })
    }

    /// The group's number, as `kill -- -<id>` takes it.
    pub(crate) fn id(&self) -> i32 {
        self.id.as_raw()
    }

    /// Makes a command start inside this group.
    pub(crate) fn adopt<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.process_group(self.id.as_raw())
    }

    /// Asks every process in the group to end (SIGTERM).
    pub(crate) fn terminate(&self) {
        signal(self.id, Signal::SIGTERM);
    }

    /// Kills every process in the group and waits until they are gone.
    pub(crate) async fn kill(mut self) {
        self.kill_now();
        if let Err(error) = self.keeper.wait().await {
            tracing::warn!("stand-ins: waiting for process group {}: {error}", self.id);
        }
        let gone = async {
            // There is no notice of an orphan's end to wait for: ask until the
            // kernel no longer knows the group.
            while killpg(self.id, None) != Err(Errno::ESRCH) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(GONE_WITHIN, gone).await.is_err() {
            tracing::debug!(
                "stand-ins: killed processes of group {} wait to be reaped",
                self.id
            );
        }
    }

    fn kill_now(&mut self) {
        if !std::mem::replace(&mut self.killed, true) {
            signal(self.id, Signal::SIGKILL);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill_now();
    }
}

fn signal(group: Pid, signal: Signal) {
    match killpg(group, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!("stand-ins: signalling process group {group}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn killing_a_group_ends_a_grandchild_nobody_waits_for() {
        let group = ProcessGroup::start().unwrap();
        let mut command = Command::new("bash");
        command.args(["-c", "sleep 300 & exit 0"]);
        let status = group.adopt(&mut command).status().await.unwrap();
        assert!(status.success());
        let id = group.id;
        assert!(
            killpg(id, None).is_ok(),
            "the group lives on with its sleeper"
        );
        group.kill().await;
        assert_eq!(killpg(id, None), Err(Errno::ESRCH));
    }

    #[tokio::test]
    async fn a_group_whose_lifeline_breaks_kills_itself() {
        let mut group = ProcessGroup::start().unwrap();
        let mut command = Command::new("sleep");
        let mut sleeper = group.adopt(command.arg("300")).spawn().unwrap();
        drop(group._lifeline.take());
        let ended = tokio::time::timeout(Duration::from_secs(5), sleeper.wait()).await;
        assert!(!ended.unwrap().unwrap().success());
    }
}
