//! Running one build: its phases, in CodeBuild's order and by its rules.
//!
//! The transitions are those of *Build phase transitions* in the CodeBuild user
//! guide: INSTALL and PRE_BUILD that fail lead to FINALIZING; BUILD leads to
//! POST_BUILD whether it failed or not; POST_BUILD leads to UPLOAD_ARTIFACTS
//! likewise. `on-failure` of a phase changes the first two and the third.

use std::{process::Stdio, sync::Arc};

use tokio::{process::Command, time::Instant};

use super::{
    Shared,
    download::{Download, download},
    log::BuildLog,
    model::{Build, Exported, PhaseContext, PhaseType, Status, api_name},
    publish,
    shell::{PhaseScript, ShellState},
    spec::{BuildSpec, OnFailure, PhaseSpec},
    start::Plan,
    store::Entry,
};
use crate::process::{self, ProcessGroup};

/// How a phase ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed(PhaseContext),
    Stopped,
    TimedOut,
    /// The stand-in's own failure.
    Fault(String),
}

impl Outcome {
    fn status(&self) -> Status {
        match self {
            Self::Succeeded => Status::Succeeded,
            Self::Failed(_) => Status::Failed,
            Self::Stopped => Status::Stopped,
            Self::TimedOut => Status::TimedOut,
            Self::Fault(_) => Status::Fault,
        }
    }

    fn context(&self) -> Option<PhaseContext> {
        match self {
            Self::Succeeded | Self::Stopped => None,
            Self::Failed(context) => Some(context.clone()),
            Self::TimedOut => Some(PhaseContext::new(
                "BUILD_TIMED_OUT",
                "Build has timed out. ",
            )),
            Self::Fault(reason) => Some(PhaseContext::new(
                "INTERNAL_SERVICE_ERROR",
                format!("laptop stand-in: {reason}"),
            )),
        }
    }

    /// Whether nothing may run any more.
    fn ends_build(&self) -> bool {
        matches!(self, Self::Stopped | Self::TimedOut | Self::Fault(_))
    }
}

/// A build being run.
pub(crate) struct Run {
    pub(crate) shared: Arc<Shared>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) plan: Plan,
    pub(crate) log: BuildLog,
    deadline: Instant,
}

/// Runs a submitted build to its end and tells the event bus.
pub(crate) async fn run(shared: Arc<Shared>, entry: Arc<Entry>, plan: Plan) {
    let status = match prepare(&entry) {
        Ok(log) => {
            let deadline = Instant::now() + plan.timeout;
            let run = Run {
                shared: Arc::clone(&shared),
                entry: Arc::clone(&entry),
                plan,
                log,
                deadline,
            };
            run.play().await
        }
        Err(error) => {
            tracing::error!("stand-in for CodeBuild: the build's folder: {error}");
            Status::Fault
        }
    };
    // The event goes out before the API shows the end: whoever sees the end
    // may shut everything down.
    let mut finished = entry.snapshot();
    finished.complete(status);
    entry.announcer.announce(&shared.outbox, &finished);
    entry.build.send_replace(finished);
}

fn prepare(entry: &Entry) -> std::io::Result<BuildLog> {
    entry.folders.create()?;
    let log = BuildLog::create(entry.folders.log())?;
    log.say("Laptop stand-in for CodeBuild: the commands run as processes of this machine");
    Ok(log)
}

impl Run {
    async fn play(&self) -> Status {
        self.close(PhaseType::Queued, &Outcome::Succeeded);
        if self.entry.faults.fault {
            let outcome = Outcome::Fault("FAULT was asked for by switch".to_owned());
            self.close(PhaseType::Provisioning, &outcome);
            return Status::Fault;
        }
        self.close(PhaseType::Provisioning, &Outcome::Succeeded);
        self.update(|build| build.enter(PhaseType::DownloadSource));
        let fetched = tokio::select! {
            fetched = download(self) => fetched,
            ending = self.interrupted() => Err(ending),
        };
        let status = match fetched {
            Ok(fetched) => {
                self.leave(PhaseType::DownloadSource, &Outcome::Succeeded);
                self.commands(fetched).await
            }
            Err(outcome) => {
                self.leave(PhaseType::DownloadSource, &outcome);
                outcome.status()
            }
        };
        self.close(PhaseType::Finalizing, &Outcome::Succeeded);
        status
    }

    /// Runs every phase that has commands, and publishes what they left.
    async fn commands(&self, fetched: Download) -> Status {
        let Download { spec, mut state } = fetched;
        let group = match ProcessGroup::start() {
            Ok(group) => group,
            Err(error) => {
                let outcome = Outcome::Fault(format!("no process can be started: {error}"));
                self.close(PhaseType::Install, &outcome);
                return Status::Fault;
            }
        };
        tracing::debug!(group = group.id(), "stand-in for CodeBuild: build started");
        let (status, upload) = self.phases(&spec, &mut state, &group).await;
        // Whatever the commands left running ends with the build, as it does
        // when CodeBuild takes the container away.
        group.kill().await;
        if upload {
            self.publish(&spec, &state);
        }
        status
    }

    /// The build's status and whether UPLOAD_ARTIFACTS is reached.
    async fn phases(
        &self,
        spec: &BuildSpec,
        state: &mut ShellState,
        group: &ProcessGroup,
    ) -> (Status, bool) {
        let mut status = Status::Succeeded;
        let empty = PhaseSpec::default();
        for phase in [
            PhaseType::Install,
            PhaseType::PreBuild,
            PhaseType::Build,
            PhaseType::PostBuild,
        ] {
            let commands = spec.phase(phase).unwrap_or(&empty);
            let succeeding = u8::from(status == Status::Succeeded).to_string();
            (state.variables).insert("CODEBUILD_BUILD_SUCCEEDING".to_owned(), succeeding);
            let outcome = self.phase(phase, commands, state, group).await;
            if outcome.ends_build() {
                return (outcome.status(), false);
            }
            if let Outcome::Failed(_) = outcome {
                status = Status::Failed;
                match (phase, commands.on_failure) {
                    (_, Some(OnFailure::Continue)) | (PhaseType::PostBuild, _) => {}
                    (PhaseType::Build, None) => {}
                    (PhaseType::Build, Some(OnFailure::Abort)) => return (status, true),
                    _ => return (status, false),
                }
            }
        }
        (status, true)
    }

    /// One phase: its commands, then its `finally`.
    async fn phase(
        &self,
        phase: PhaseType,
        spec: &PhaseSpec,
        state: &mut ShellState,
        group: &ProcessGroup,
    ) -> Outcome {
        self.update(|build| build.enter(phase));
        self.log
            .say(&format!("Entering phase {}", api_name(&phase)));
        let mut outcome = Outcome::Succeeded;
        if phase == PhaseType::Build && self.entry.faults.hang {
            self.log
                .say("Laptop stand-in: this build hangs, as asked for by switch");
            outcome = self.interrupted().await;
        }
        let lists = [("commands", &spec.commands), ("finally", &spec.finally)];
        for (list, commands) in lists {
            if commands.is_empty() || outcome.ends_build() {
                continue;
            }
            let folder = format!("{}-{list}", api_name(&phase));
            let next = self.shell(&folder, commands, state, group).await;
            // The first failure is the phase's; `finally` cannot heal it.
            if outcome == Outcome::Succeeded || next.ends_build() {
                outcome = next;
            }
        }
        self.leave(phase, &outcome);
        outcome
    }

    async fn shell(
        &self,
        folder: &str,
        commands: &[String],
        state: &mut ShellState,
        group: &ProcessGroup,
    ) -> Outcome {
        let fault = |error: std::io::Error| Outcome::Fault(format!("running {folder}: {error}"));
        let script = match PhaseScript::write(self.entry.folders.state().join(folder), commands) {
            Ok(script) => script,
            Err(error) => return fault(error),
        };
        let (stdout, stderr) = match self.log.output() {
            Ok(output) => output,
            Err(error) => return fault(error),
        };
        let mut bash = Command::new(process::bash());
        bash.args(["--noprofile", "--norc"])
            .arg(script.path())
            .env_clear()
            .envs(&state.variables)
            .current_dir(&state.directory)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true);
        let mut bash = match group.adopt(&mut bash).spawn() {
            Ok(bash) => bash,
            Err(error) => return fault(error),
        };
        let ended = tokio::select! {
            ended = bash.wait() => ended,
            ending = self.interrupted() => {
                // Reaped here; its children go with the group.
                let _ = bash.kill().await;
                return ending;
            }
        };
        *state = script.state_after(state);
        match ended {
            Ok(status) if status.success() => Outcome::Succeeded,
            Ok(status) => self.command_failed(script.last_command(), status),
            Err(error) => fault(error),
        }
    }

    fn command_failed(&self, command: &str, status: std::process::ExitStatus) -> Outcome {
        self.log.say(&format!(
            "Command did not exit successfully {command} {status}"
        ));
        let reason = match status.code() {
            Some(code) => format!("exit status {code}"),
            None => status.to_string(),
        };
        Outcome::Failed(PhaseContext::new(
            "COMMAND_EXECUTION_ERROR",
            format!("Error while executing command: {command}. Reason: {reason}"),
        ))
    }

    fn publish(&self, spec: &BuildSpec, state: &ShellState) {
        self.update(|build| build.enter(PhaseType::UploadArtifacts));
        let secret: Vec<&String> = (spec.secrets_manager.keys())
            .chain(spec.parameter_store.keys())
            .chain(&self.plan.secret_names)
            .collect();
        // Secrets and AWS_* are never exported (build specification reference,
        // `env/exported-variables`).
        let exported = (spec.exported_variables.iter())
            .filter(|name| !secret.contains(name) && !name.starts_with("AWS_"))
            .filter_map(|name| {
                Some(Exported {
                    name: name.clone(),
                    value: state.variables.get(name)?.clone(),
                })
            })
            .collect();
        self.update(|build| build.exported_environment_variables = exported);
        let build = self.entry.snapshot();
        let reports = publish::reports(&self.shared, &build, spec, &self.entry.folders, &self.log);
        let arns = reports.iter().map(|report| report.arn.clone()).collect();
        *crate::sync::locked(&self.entry.reports) = reports;
        self.update(|build| build.report_arns = arns);
        self.leave(PhaseType::UploadArtifacts, &Outcome::Succeeded);
    }

    /// Waits until the build must end: somebody stopped it, or its time is up.
    async fn interrupted(&self) -> Outcome {
        let mut stop = self.entry.stop.subscribe();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => Outcome::Stopped,
            () = tokio::time::sleep_until(self.deadline) => Outcome::TimedOut,
        }
    }

    /// A phase that takes no time here.
    fn close(&self, phase: PhaseType, outcome: &Outcome) {
        self.update(|build| {
            build.enter(phase);
            build.leave(outcome.status(), outcome.context());
        });
    }

    fn leave(&self, phase: PhaseType, outcome: &Outcome) {
        let context = outcome
            .context()
            .unwrap_or_else(|| PhaseContext::new("", ""));
        let status = outcome.status();
        self.log.say(&format!(
            "Phase complete: {} State: {}",
            api_name(&phase),
            api_name(&status)
        ));
        self.log.say(&format!(
            "Phase context status code: {} Message: {}",
            context.status_code, context.message
        ));
        self.update(|build| build.leave(status, outcome.context()));
    }

    /// Changes the build the API shows.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Build)) {
        self.entry.build.send_modify(change);
    }
}
