//! How a release ends.

use crate::ErrorName;
use crate::ids::{EnvironmentName, StageName};
use crate::pipeline::{Definition, Effect, Migration, Trigger, Work};
use crate::release::{Failure, Head, StageRecord, StageStatus, Status, last_attempts};

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
/// environment runs, or what a migration has made of its data; also when it should
/// have been undone and was not, because then it runs what failed, and when what
/// looks at the new version has not passed; otherwise `failed-clean`. The old version that could not be retired takes nothing from the
/// new one, which runs.
///
/// `known` is the release's own record of a failed stage; it is more exact than
/// what the state machine caught, which can be a bare `States.Timeout`. `unproven`:
/// see there.
pub fn ending(
    records: &[StageRecord],
    unproven: &[Unproven<'_>],
    caught: Option<Failure>,
) -> Ending {
    let last = last_attempts(records);
    let half_changed = half_changed(&last);
    let not_undone = not_undone(&last);
    let dirty = left_in(&last, unproven);
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
                dirty: Vec::new(),
            },
            Some(record) => Ending {
                status: Status::FailedDirty,
                failure: Some(Failure {
                    stage: Some(record.stage.clone()),
                    error: crate::ErrorName::Bug.to_string(),
                    cause: "the state machine went past a change that has not passed".to_owned(),
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
    // A build that was stopped because its release is being ended does not say why
    // that is: the end of the execution does, which names no stage.
    let stopped =
        |known: &Failure| known.error == ErrorName::BuildStopped.as_str() && caught.stage.is_none();
    let recorded = failed(false).map(told).map(|known| match stopped(&known) {
        true => Failure {
            stage: known.stage,
            ..caught.clone()
        },
        false => known,
    });
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
    let data = half_changed.iter().all(|record| !record.deploys);
    let left = match (half_changed.is_empty(), not_undone.is_empty()) {
        (false, _) if data => Some(format!("it is not known how far {places} was migrated")),
        (false, _) => Some(format!("it is not known what {places} runs now")),
        (true, false) => Some(format!("{places} still runs what failed")),
        (true, true) => unproven.first().map(|what| {
            format!(
                "{} runs the new version, of which “{}” has not passed",
                what.environment, what.stage
            )
        }),
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

/// The environments that a release which ended early with these records leaves so
/// that somebody must look, each once: nobody knows what they run, or they run what
/// failed, or what has not been looked at to the end (which only its definition
/// tells).
pub fn in_doubt(
    definition: Option<&Definition>,
    head: &Head,
    records: &[StageRecord],
) -> Vec<EnvironmentName> {
    let unproven = definition.map_or_else(Vec::new, |definition| {
        let route = head
            .route
            .as_deref()
            .and_then(|name| definition.trigger(name));
        unproven(definition, route, records)
    });
    left_in(&last_attempts(records), &unproven)
}

/// A stage that is to prove what a deploy has put into its environment, and has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unproven<'a> {
    /// The first such stage of the environment.
    pub stage: &'a StageName,
    /// The environment.
    pub environment: &'a EnvironmentName,
}

/// What a release that ends now leaves unproven, an environment each: it runs the
/// new version, and a stage that would have undone that on failure, or a watch or
/// pause of the rollout, has not passed. A way back that has passed leaves nothing.
pub fn unproven<'a>(
    definition: &'a Definition,
    route: Option<&Trigger>,
    records: &[StageRecord],
) -> Vec<Unproven<'a>> {
    let last = last_attempts(records);
    let passed = |index: usize| {
        let mut of = last.iter().filter(|record| record.index == index);
        of.any(|record| record.status == StageStatus::Passed)
    };
    let there = |environment: &EnvironmentName, effect: Effect| {
        last.iter().find(|record| {
            record.environment.as_ref() == Some(environment)
                && record.effect == Some(effect)
                && record.status == StageStatus::Passed
        })
    };
    let mut found: Vec<Unproven<'_>> = Vec::new();
    for (index, stage) in definition.path(route) {
        let of_rollout =
            stage.of.is_some() && matches!(stage.work, Work::Watch(_) | Work::Pause(_));
        let proves = stage.on_failure.is_some() || of_rollout;
        let Some(environment) = stage.works_in().filter(|_| proves && !passed(index)) else {
            continue;
        };
        let whole = there(environment, Effect::Complete).is_some_and(|r| r.index < index);
        let known = found.iter().any(|other| other.environment == environment);
        if whole && there(environment, Effect::Undo).is_none() && !known {
            found.push(Unproven {
                stage: &stage.name,
                environment,
            });
        }
    }
    found
}

fn left_in(last: &[&StageRecord], unproven: &[Unproven<'_>]) -> Vec<EnvironmentName> {
    let mut found: Vec<EnvironmentName> = Vec::new();
    let left = half_changed(last).into_iter().chain(not_undone(last));
    let left = left.filter_map(|record| record.environment.as_ref());
    for environment in left.chain(unproven.iter().map(|what| what.environment)) {
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
/// are not known to have succeeded, or were one part and the others never came. A
/// way back that has passed ends that, but for data that was migrated forward only,
/// and for a build that perhaps began and that nobody can find: it may still run.
fn half_changed<'a>(last: &[&'a StageRecord]) -> Vec<&'a StageRecord> {
    let left = |change: &&StageRecord| {
        let same_place = |other: &&&StageRecord| {
            other.environment == change.environment && other.status == StageStatus::Passed
        };
        let lost = change.status == StageStatus::Running && change.build.is_none();
        let undone = !lost
            && change.migration != Some(Migration::ForwardOnly)
            && last
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
        change.changes().is_some()
            && (in_doubt || in_part)
            && !undone
            && !is_unretired(change, last)
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
    /// Whether a build of this stage may have run commands by this attempt. A start
    /// that CodeBuild refused has run none; one whose outcome nobody recorded may
    /// have, and so may the build of an attempt before it.
    pub fn build_may_have_run(&self) -> bool {
        let refused = |error: crate::ErrorName| error != crate::ErrorName::BuildLost;
        self.build.is_some()
            || self.attempt > 1
            || !self
                .failure
                .as_ref()
                .is_some_and(|(error, _)| refused(*error))
    }
}

#[cfg(test)]
mod tests;
