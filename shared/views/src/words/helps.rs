//! What a person can do about a failure. `docs/errors.md` has the long form.

use super::sentence;
use crate::text::{listed, short_line};
use gatewright_domain::decide::{Refusal, in_doubt};
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Failure, Head, StageRecord, Status};
use gatewright_domain::{EnvironmentName, ErrorName, PipelineId};

/// How much of a cause is said; the record has all of it.
const MOST: usize = 2_000;

/// What failed: `“Unit Test” failed with BuildFailed: 2 tests failed`.
pub fn what_failed(failure: &Failure) -> String {
    let cause = short_line(&failure.cause, MOST);
    let error = short_line(&failure.error, 256);
    match &failure.stage {
        Some(stage) => format!(
            "“{}” failed with {error}: {cause}",
            crate::text::line(stage.as_str())
        ),
        None => format!("{error}: {cause}"),
    }
}

/// What failed, and then, sentence by sentence, what a person can do about it.
pub fn failure(failure: &Failure) -> Vec<String> {
    let mut said = vec![sentence(&what_failed(failure))];
    said.extend(helps(&failure.error).iter().map(|s| (*s).to_owned()));
    said
}

/// Why a release ended early, and then, sentence by sentence, what a person can do
/// about it. Nothing of one that runs or succeeded.
pub fn ending(
    head: &Head,
    definition: Option<&Definition>,
    records: &[StageRecord],
) -> Vec<String> {
    let left = match head.status {
        Status::FailedDirty => in_doubt(definition, head, records),
        Status::Running | Status::Succeeded | Status::FailedClean => Vec::new(),
    };
    let failure = head.failure.as_ref();
    failure.map_or_else(Vec::new, |failure| ended(failure, &head.pipeline, &left))
}

/// As [`ending`], of a failure that left these environments in doubt: how they
/// become known again comes before what would correct it.
pub fn ended(why: &Failure, pipeline: &PipelineId, left: &[EnvironmentName]) -> Vec<String> {
    let mut said = failure(why);
    said.splice(1..1, doubted(pipeline, left));
    said
}

/// What to do about environments in doubt, and what ends that.
fn doubted(pipeline: &PipelineId, left: &[EnvironmentName]) -> Vec<String> {
    if left.is_empty() {
        return Vec::new();
    }
    let each = |command: &dyn Fn(&EnvironmentName) -> String| {
        let commands: Vec<String> = left.iter().map(|at| format!("`{}`", command(at))).collect();
        listed(&commands)
    };
    let names: Vec<&str> = left.iter().map(|name| name.as_str()).collect();
    let procedure = each(&|at| format!("gatewright runbook {pipeline} {at}"));
    let back = each(&|at| format!("gatewright rollback {pipeline} {at} --reason TEXT"));
    let says =
        each(&|at| format!("gatewright unhold {pipeline}/{at} --runs RELEASE --reason TEXT"));
    vec![
        format!(
            "Look at {} before anything else: {procedure} prints what to do by hand, with the values of now.",
            listed(&names)
        ),
        format!(
            "Nothing new is deployed there until a rollback has passed ({back}) or somebody who has looked says what runs ({says})."
        ),
    ]
}

/// What a person can do about an error of that name: one of ours, or one that
/// Step Functions or Lambda gave.
pub fn helps(error: &str) -> &'static [&'static str] {
    match error.parse::<ErrorName>() {
        Ok(name) => helps_with(name),
        Err(_) if error == "States.Timeout" => &[
            "A step did not answer in time and could not say why.",
            "Look at the stage's log and at the function's log around that time, then start the release again.",
        ],
        Err(_) if error == "Stopped" => &[
            "The execution itself was stopped, or ran over its whole time budget; builds that still ran were stopped with it. CloudTrail says who called `StopExecution`.",
            "Start the release again when the reason is gone.",
        ],
        Err(_) if matches!(error, "Sandbox.Timedout" | "Runtime.ExitError") => &[
            "The function's process ended without an answer, also when asked again: look at its log, then start the release again.",
        ],
        Err(_) if error.starts_with("States.") => &[
            "Step Functions itself ended the release: look at the execution's history.",
            "When it happens again with the same definition, it is a fault in Gatewright: report it with the release's id.",
        ],
        Err(_) if error.starts_with("Lambda.") => &[
            "AWS Lambda failed, also when asked again: look at the AWS Health dashboard and the function's log, then start the release again.",
        ],
        Err(_) => &[
            "This name is none of Gatewright's own: look at the execution's history and the function's log.",
        ],
    }
}

fn helps_with(name: ErrorName) -> &'static [&'static str] {
    match name {
        ErrorName::BadInput => {
            &["Correct the input as the message says and start again; nothing has run."]
        }
        ErrorName::UnknownPipeline => {
            &["Check the pipeline's id. When it is new or was changed, apply its definition first."]
        }
        ErrorName::NotTriggered => &[
            "Nothing is wrong when this ref should not be released.",
            "When it should be, add a trigger for it under `on:` in the pipeline's definition.",
        ],
        ErrorName::AlreadyStarted => &[
            "A release of this name exists: look at it before anything else.",
            "To release the same commit again, start it under a new name.",
        ],
        ErrorName::BuildFailed => &[
            "Open the stage's log: the last command there is the one that failed.",
            "Correct it with a new commit. A red step is never retried by itself.",
        ],
        ErrorName::BuildFault => &[
            "CodeBuild's infrastructure failed, also when tried again; the code is not to blame.",
            "Start the release again; when that fails too, look at the AWS Health dashboard.",
        ],
        ErrorName::BuildStopped => &[
            "Gatewright stops the builds of a release that is being ended, and a build that it gave up as lost; otherwise somebody stopped it in CodeBuild. CloudTrail says who called `StopBuild`.",
            "Start the release again when the reason is gone.",
        ],
        ErrorName::BuildTimedOut => &[
            "Look in the log for the step that took so long.",
            "When the time is really needed, raise `timeout:` of the stage.",
        ],
        ErrorName::BuildLost => &[
            "CodeBuild does not know the build: it was never started there or was deleted.",
            "When it was a deploy, check the environment first; then start the release again.",
        ],
        ErrorName::GateDenied => &[
            "The reason names the measured value and what is required: correct it with a new commit.",
            "A gate that could not read its evidence denies as well; then correct the report's path or format.",
        ],
        ErrorName::WatchFailed => &[
            "The reason names the numbers or the alarm: find out in the new version's logs and traces why, and correct it with a new commit.",
            "When numbers are missing, see that the new version sends them where `watch` of the environment's strategy looks.",
        ],
        ErrorName::Rejected => &[
            "Talk to the person who rejected; the reason is in the record.",
            "A new commit or a new release asks everybody anew.",
        ],
        ErrorName::ApprovalExpired => &[
            "Not everybody decided in time. Start the release again when they can.",
            "When it keeps happening, add people to the groups, or give them longer: `expires:` of the stage that asks; where a watch asked, `decide-within:` of the environment's `watch`.",
        ],
        ErrorName::NotApproved => &[
            "The approval is missing or no longer complete, for instance because an approver left a group.",
            "Start a new release and have it approved.",
        ],
        ErrorName::EvidenceChanged => &[
            "What was measured is not what was approved, so nothing was deployed.",
            "Compare the evidence of the two, find out who changed it, and have a new release approved.",
        ],
        ErrorName::Irreversible => &[
            "Data was migrated in a way that only goes forward; the reason names the releases. Nothing was put on top of it.",
            "Correct it with a new release, or go back by hand with `gatewright rollback … --acknowledge` once somebody knows that the older version can live with the newer data.",
        ],
        ErrorName::TakenBack => &[
            "This version was taken back from the environment: release a correction.",
            "When the reason is gone, `gatewright lift` with a reason allows it again; then start the release again.",
        ],
        ErrorName::MovedOn => &[
            "Something else has been put there since the rollback was asked for: nothing was changed.",
            "See what runs now with `gatewright status`, and ask again if it is still wanted.",
        ],
        ErrorName::LockLost => &[
            "Another release has the environment now; this one must not change it any more.",
            "See what runs there and, when this release is still wanted, start it again.",
        ],
        ErrorName::Halted => &[
            "A person ordered it: the reason says who and why.",
            "When it may go on: `gatewright resume`, and start the release again.",
        ],
        ErrorName::Frozen => &[
            "The freeze says until when, and who ordered it.",
            "Start the release again then; or now, with the glass broken for it.",
        ],
        ErrorName::Superseded => &["Nothing is lost: a newer release has or gets the environment."],
        ErrorName::Orphaned => &[
            "CodePipeline gave up waiting, so nobody expects this release any more.",
            "Start the CodePipeline pipeline again.",
        ],
        ErrorName::NotPromoted => &[
            "Deploy the same artifacts to the environment before, and let them run there as long as `soak` says.",
        ],
        ErrorName::WaitExpired => &[
            "What it waited for never came: look at the build, the scan or the environment's lock that it names.",
            "Start the release again when that is in order.",
        ],
        ErrorName::ReleaseEnded => &["The release was over already; look at how it ended."],
        ErrorName::Transient => &[
            "A service was throttled or unreachable, also when asked again. Start the release again in a few minutes.",
        ],
        ErrorName::AccessDenied => &[
            "When the message is about a person: somebody of the groups that it names has to ask, or they are added to one in approvers.yaml (`gatewright apply`).",
            "When it is about a role: grant it the permission that the message names, then start the release again.",
        ],
        ErrorName::Conflict => &[
            "Two things changed the same record at once and one gave way. Start the release again.",
        ],
        ErrorName::Bug => &[
            "This is a fault in Gatewright: report it with the release's id.",
            "Until it is corrected, check what its environments run before you go on.",
        ],
    }
}

/// Why a decision did not count: a title and what helps. The refusal itself
/// says what happened.
pub fn refusal(refusal: &Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::NotAsked(_) => (
            "You are not asked",
            "Somebody in one of the groups has to decide. If you should be in one, ask for a change of the approvers' file and open the link again.",
        ),
        Refusal::OwnWork(_) => (
            "You cannot decide on your own work",
            "Another member of the group has to decide; the request names them.",
        ),
        Refusal::AlreadyDecided { .. } => (
            "You have already decided",
            "Nothing is left to do for you. To stop a release that you approved, talk to the release engineers.",
        ),
        Refusal::Over(_) => (
            "This request is over",
            "Nothing was recorded. The release's page says how it went on; a new release asks anew.",
        ),
        Refusal::OtherEvidence => (
            "Something has changed since",
            "Nothing was recorded. Open the newest message about this release and look at what is asked for now.",
        ),
        Refusal::NoReason => (
            "A rejection needs a reason",
            "Nothing was recorded. Go back, write a sentence for the people who have to act on it, and reject again.",
        ),
    }
}
