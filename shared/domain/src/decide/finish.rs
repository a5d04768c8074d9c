//! How a release ends.

use crate::ErrorName;
use crate::ids::EnvironmentName;
use crate::pipeline::Effect;
use crate::release::{Failure, StageRecord, StageStatus, Status, last_attempts};

/// How a release ends, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// In which terminal state.
    pub status: Status,
    /// What a person should know, when it ends early.
    pub failure: Option<Failure>,
    /// The environments of which nobody knows what they run, or that run what
    /// failed; none unless it ends dirty.
    pub dirty: Vec<EnvironmentName>,
}

/// Decides the terminal state: `succeeded` without a failure; otherwise
/// `failed-dirty` when an environment was changed, the change is not known to be
/// whole, and it was not undone either, because then nobody knows what the
/// environment runs; also when it should have been undone and was not, because
/// then it runs what failed; otherwise `failed-clean`. The old version that could
/// not be retired takes nothing from the new one, which runs.
///
/// `known` is the release's own record of a failed stage; it is more exact than
/// what the state machine caught, which can be a bare `States.Timeout`.
pub fn ending(records: &[StageRecord], caught: Option<Failure>) -> Ending {
    let last = last_attempts(records);
    let half_changed = half_changed(&last);
    let not_undone = not_undone(&last);
    let dirty = places_of(half_changed.iter().chain(&not_undone).copied());
    // Every stage that failed must have stopped the machine. One that did not must
    // not end as a success all the same.
    let caught = caught.or_else(|| {
        let failed = last.iter().find(|r| r.status == StageStatus::Failed)?;
        Some(Failure {
            stage: Some(failed.stage.clone()),
            error: ErrorName::Bug.to_string(),
            cause: "the state machine went past a stage that has failed".to_owned(),
        })
    });
    let Some(caught) = caught else {
        return match half_changed.first() {
            None => Ending {
                status: Status::Succeeded,
                failure: None,
                dirty,
            },
            Some(record) => Ending {
                status: Status::FailedDirty,
                failure: Some(Failure {
                    stage: Some(record.stage.clone()),
                    error: crate::ErrorName::Bug.to_string(),
                    cause: "the state machine went past a deploy that has not passed".to_owned(),
                }),
                dirty,
            },
        };
    };
    // What failed first is why the release ended; that it could not be undone
    // comes on top.
    let failed = |undoes: bool| {
        let of = last
            .iter()
            .rev()
            .filter(move |r| (r.effect == Some(Effect::Undo)) == undoes);
        of.filter_map(|r| Some((r, r.failure.as_ref()?))).next()
    };
    let told = |(record, (error, cause)): (&&StageRecord, &(ErrorName, String))| Failure {
        stage: Some(record.stage.clone()),
        error: error.to_string(),
        cause: cause.clone(),
    };
    let recorded = failed(false).map(told);
    let undoing = failed(true).map(told);
    let mut failure = match (recorded, undoing) {
        (Some(first), Some(undoing)) => Failure {
            cause: format!(
                "{}; and it could not be undone: {}",
                first.cause, undoing.cause
            ),
            ..first
        },
        (first, undoing) => first.or(undoing).unwrap_or(caught),
    };
    let places: Vec<&str> = dirty.iter().map(EnvironmentName::as_str).collect();
    let places = match places.as_slice() {
        [] => "its environment".to_owned(),
        places => places.join(" and "),
    };
    let left = match (half_changed.is_empty(), not_undone.is_empty()) {
        (false, _) => Some(format!("it is not known what {places} runs now")),
        (true, false) => Some(format!("{places} still runs what failed")),
        (true, true) => None,
    };
    let kept = last.iter().find(|r| is_unretired(r, &last));
    let status = match left {
        None => {
            if let Some(place) = kept.and_then(|r| r.environment.as_ref()) {
                failure.cause = format!(
                    "{}; {place} runs the new version, and what was beside it may still stand: take it away by hand",
                    failure.cause
                );
            }
            Status::FailedClean
        }
        Some(left) => {
            failure.cause = format!("{}; {left}: look before anything else", failure.cause);
            Status::FailedDirty
        }
    };
    Ending {
        status,
        failure: Some(failure),
        dirty,
    }
}

/// The environments that a release which left these records leaves so that
/// somebody must look, each once: nobody knows what they run, or they run what
/// failed.
pub fn in_doubt(records: &[StageRecord]) -> Vec<EnvironmentName> {
    let last = last_attempts(records);
    places_of(half_changed(&last).into_iter().chain(not_undone(&last)))
}

fn places_of<'a>(left: impl Iterator<Item = &'a StageRecord>) -> Vec<EnvironmentName> {
    let mut found: Vec<EnvironmentName> = Vec::new();
    for environment in left.filter_map(|r| r.environment.as_ref()) {
        if !found.contains(environment) {
            found.push(environment.clone());
        }
    }
    found
}

/// The records of ways back that were needed and did not come, after a change
/// that is whole: nobody has to guess what runs, but it is what failed.
fn not_undone<'a>(last: &[&'a StageRecord]) -> Vec<&'a StageRecord> {
    let left = |undo: &&StageRecord| {
        let changed = last.iter().any(|other| {
            other.deploys
                && other.effect != Some(Effect::Undo)
                && other.environment == undo.environment
                && other.build_may_have_run()
        });
        undo.effect == Some(Effect::Undo) && undo.status != StageStatus::Passed && changed
    };
    last.iter().copied().filter(left).collect()
}

/// The records of changes that left their environment between two versions: they
/// are not known to have succeeded, or were one part and the others never came.
fn half_changed<'a>(last: &[&'a StageRecord]) -> Vec<&'a StageRecord> {
    let left = |change: &&StageRecord| {
        let same_place = |other: &&&StageRecord| {
            other.environment == change.environment && other.status == StageStatus::Passed
        };
        let undone = last
            .iter()
            .filter(same_place)
            .any(|other| other.effect == Some(Effect::Undo));
        let whole = last
            .iter()
            .filter(same_place)
            .any(|other| other.effect == Some(Effect::Complete));
        let in_doubt = matches!(change.status, StageStatus::Running | StageStatus::Failed)
            && change.build_may_have_run();
        let in_part = change.effect == Some(Effect::Partial)
            && change.status == StageStatus::Passed
            && !whole;
        change.deploys && (in_doubt || in_part) && !undone && !is_unretired(change, last)
    };
    last.iter().copied().filter(left).collect()
}

/// Whether it only had to take the old version away, behind the change that gave
/// the new one everything, and is not known to have done it.
fn is_unretired(record: &StageRecord, last: &[&StageRecord]) -> bool {
    let whole_before = || {
        last.iter().any(|other| {
            other.environment == record.environment
                && other.effect == Some(Effect::Complete)
                && other.status == StageStatus::Passed
                && other.index < record.index
        })
    };
    record.effect == Some(Effect::Partial) && record.status != StageStatus::Passed && whole_before()
}

impl StageRecord {
    /// Whether the build of this attempt may have run commands. A start that
    /// CodeBuild refused has run none; one whose outcome nobody recorded may have.
    pub fn build_may_have_run(&self) -> bool {
        let refused = |error: crate::ErrorName| error != crate::ErrorName::BuildLost;
        self.build.is_some()
            || !self
                .failure
                .as_ref()
                .is_some_and(|(error, _)| refused(*error))
    }
}
