//! May an environment go back, and to what? What was taken back stays back;
//! migrations that only go forward are crossed by nobody unknowingly.

use crate::ErrorName;
use crate::canonical::Digest;
use crate::decide::ClearSnapshot;
use crate::evidence::ArtifactEvidence;
use crate::ids::{EnvironmentName, PersonId, ReleaseId};
use crate::people::Directory;
use crate::pipeline::{Definition, Migration};
use crate::release::{Deployment, Head, StageRecord, StageStatus, digest_of, last_attempts};
use crate::trigger::TriggerInput;
use crate::undo::{Flag, Line, Outcome, Standing, TakenBack, Target, WaysBack, line};
use std::collections::BTreeSet;

/// Why something is not done: under which name, and why.
pub type Why = (ErrorName, String);

/// Refuses what was taken back from the environment and not lifted since.
/// `taken_back` is what the record has for the digest that is to run.
pub fn stays_back(taken_back: Option<&TakenBack>, digest: &Digest) -> Option<Why> {
    let back = taken_back.filter(|back| back.is_active() && &back.digest == digest)?;
    Some((ErrorName::TakenBack, stays(back)))
}

/// Refuses what was taken back and not lifted since: the same artifacts or the
/// release itself, from the environment or from one before it; and from the
/// environment itself what was built of the same commit, since a second build of
/// it may have another digest. A rollback brings back what was good there,
/// whatever became of it in the environments before.
pub(super) fn kept_back(seen: &ClearSnapshot, artifacts: &[ArtifactEvidence]) -> Vec<Why> {
    let (head, digest) = (&seen.head, digest_of(artifacts));
    // What another pipeline built says nothing of this commit; a migration, before
    // anything is built, is of this commit.
    let given = |artifact: &ArtifactEvidence| head.given.contains(artifact);
    let commit = head.trigger.as_ref().map(|trigger| &trigger.commit);
    let own = artifacts.is_empty() || !artifacts.iter().all(given);
    let commit = commit.filter(|_| own && !seen.rollback);
    let active = seen.taken_back.iter().filter(|back| back.is_active());
    let judged = active.filter_map(|back| {
        let here = back.environment == seen.environment;
        let same = back.digest == digest || back.release == head.release;
        if (here && back.digest == digest) || (same && !seen.rollback) {
            return Some(stays(back));
        }
        let anew = here && Some(&back.commit) == commit;
        anew.then(|| {
            let commit = back.commit.short();
            format!("it is another build of commit {commit}: {}", stays(back))
        })
    });
    judged.map(|why| (ErrorName::TakenBack, why)).collect()
}

/// That it stays back, and what allows it again.
fn stays(back: &TakenBack) -> String {
    let TakenBack {
        pipeline,
        environment,
        release,
        at,
        ..
    } = back;
    let who = back.by.as_deref().unwrap_or("the release itself");
    format!(
        "{} was taken back from {environment} on {} by {who} and stays back: {}; when that is settled, `gatewright lift {pipeline} {environment} {release} --reason …` allows it again",
        back.title,
        at.strftime("%Y-%m-%d %H:%M UTC"),
        back.why
    )
}

/// Refuses a rollback when the environment runs something else than whoever
/// asked for it saw there. `None` for a trigger that is no rollback or says
/// nothing of it.
pub fn still_runs(trigger: &TriggerInput, current: Option<&Deployment>) -> Option<Why> {
    let saw = trigger.instead_of.as_ref()?;
    let environment = trigger.environment.as_ref().map_or("it", |e| e.as_str());
    let why = match current {
        Some(current) if current.version_of() == saw => return None,
        Some(current) => format!(
            "{environment} runs the version of {} since {}, and not that of {saw} as whoever asked for this saw: look at it again and ask anew",
            current.version_of(),
            current.at.strftime("%Y-%m-%d %H:%M UTC"),
        ),
        None => format!("nothing runs in {environment}, and not {saw} as whoever asked saw"),
    };
    Some((ErrorName::MovedOn, why))
}

/// The versions that ran in an environment, each once, the newest first.
pub fn targets(seen: &WaysBack) -> Vec<Target> {
    // What a release put there and took back itself was not good.
    let undid = seen.history.iter().filter(|d| d.restored.is_some());
    let undone: BTreeSet<_> = undid.map(|d| &d.release).collect();
    let mut met = BTreeSet::new();
    let mut all = Vec::new();
    for deployment in &seen.history {
        if !met.insert(deployment.version_of().clone()) {
            continue;
        }
        let version = deployment.version_of();
        let digest = deployment.digest();
        let back = seen.taken_back.iter().find(|back| back.digest == digest);
        // Where nobody knows what runs, what should run is something to go back to.
        let known = seen.current.as_ref().filter(|_| seen.doubted.is_empty());
        let runs = known.map(Deployment::digest) == Some(digest.clone());
        let failed = seen.failed.contains(version) || seen.doubted.contains(version);
        let standing = match back {
            _ if runs => Standing::Runs,
            Some(back) if back.is_active() => Standing::TakenBack {
                why: back.why.clone(),
            },
            None if undone.contains(version) => Standing::TakenBack {
                why: "its own release undid it".to_owned(),
            },
            _ if failed => Standing::Failed,
            Some(_) | None => Standing::Good,
        };
        let own = seen.history.iter().find(|d| &d.release == version);
        all.push(Target {
            title: own.map_or_else(|| version.to_string(), |own| own.title.clone()),
            deployment: deployment.clone(),
            standing,
            across: across(seen, deployment),
        });
    }
    all
}

/// What an environment goes back to: the version of the release that is named, or
/// the last good one that is another than what runs.
pub fn way_back(seen: &WaysBack, to: Option<&ReleaseId>) -> Option<Target> {
    targets(seen).into_iter().find(|target| match to {
        Some(to) => target.deployment.version_of() == to,
        None => target.standing == Standing::Good,
    })
}

/// The titles of the releases whose forward-only migrations began after `target`
/// was put there, newest first.
fn across(seen: &WaysBack, target: &Deployment) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    let later = seen
        .migrations
        .iter()
        .filter(|m| m.kind == Migration::ForwardOnly && m.at >= target.at)
        .filter(|m| m.outcome != Outcome::NeverRan && &m.release != target.version_of());
    for migration in later {
        if !titles.contains(&migration.title) {
            titles.push(migration.title.clone());
        }
    }
    titles
}

/// One thing that must hold of a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub what: &'static str,
    /// What was found, or why it does not hold.
    pub verdict: Result<String, Why>,
}

/// What a rollback would go back to, and everything that must hold of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What it goes back to, when there is something.
    pub target: Option<Target>,
    /// Each check with its verdict, in order.
    pub checks: Vec<Check>,
}

impl Judged {
    /// Why it is refused: under the name of the first reason, with all of them.
    pub fn refused(&self) -> Option<Why> {
        let refused: Vec<&Why> = self
            .checks
            .iter()
            .filter_map(|check| check.verdict.as_ref().err())
            .collect();
        let (error, _) = refused.first()?;
        let all: Vec<&str> = refused.iter().map(|(_, why)| why.as_str()).collect();
        Some((*error, all.join("; and ")))
    }
}

/// Judges what a rollback asks for against what is known of its environment.
pub fn judge_rollback(
    seen: &WaysBack,
    environment: &EnvironmentName,
    trigger: &TriggerInput,
) -> Judged {
    let mut checks = Vec::new();
    let mut put = |what, verdict| checks.push(Check { what, verdict });
    put("what runs", runs_still(seen, environment, trigger));
    if let Some(doubted) = seen.doubted.last() {
        put(
            "in doubt",
            Ok(format!("{doubted} ended dirty and left it unknown")),
        );
    }
    let target = match chosen(seen, environment, trigger) {
        Ok(target) => {
            let at = target.deployment.at.strftime("%Y-%m-%d %H:%M UTC");
            let version = target.deployment.version_of();
            put(
                "the target",
                Ok(format!("{version} ran there, last put there on {at}")),
            );
            put("stays back", is_allowed(seen, &target));
            put("migrations", may_cross(&target, environment, trigger));
            Some(target)
        }
        Err(why) => {
            put("the target", Err(why));
            None
        }
    };
    Judged { target, checks }
}

fn runs_still(
    seen: &WaysBack,
    environment: &EnvironmentName,
    trigger: &TriggerInput,
) -> Result<String, Why> {
    if let Some(why) = still_runs(trigger, seen.current.as_ref()) {
        return Err(why);
    }
    match &seen.current {
        Some(current) => Ok(format!("{environment} runs {}", current.version_of())),
        None => Err((
            ErrorName::BadInput,
            format!("nothing runs in {environment} yet"),
        )),
    }
}

/// What was asked for, or why there is no such thing.
fn chosen(
    seen: &WaysBack,
    environment: &EnvironmentName,
    trigger: &TriggerInput,
) -> Result<Target, Why> {
    way_back(seen, trigger.to.as_ref()).ok_or_else(|| {
        let why = match &trigger.to {
            Some(to) => format!("{to} never ran in {environment}"),
            None => format!(
                "nothing else than what runs now ran in {environment} before and was good there"
            ),
        };
        (ErrorName::BadInput, why)
    })
}

fn is_allowed(seen: &WaysBack, target: &Target) -> Result<String, Why> {
    let digest = target.deployment.digest();
    let back = seen.taken_back.iter().find(|back| back.digest == digest);
    let refused = match (&target.standing, back) {
        (Standing::TakenBack { .. }, None) => Some((
            ErrorName::TakenBack,
            format!(
                "{} put it there and took it back itself",
                target.deployment.version_of()
            ),
        )),
        (Standing::TakenBack { .. }, back) => stays_back(back, &digest),
        (Standing::Good | Standing::Runs | Standing::Failed, _) => None,
    };
    match refused {
        Some(why) => Err(why),
        None => Ok("it was not taken back, or was allowed again".to_owned()),
    }
}

fn may_cross(
    target: &Target,
    environment: &EnvironmentName,
    trigger: &TriggerInput,
) -> Result<String, Why> {
    let Some(newest) = target.across.first() else {
        return Ok("none that only goes forward lies between".to_owned());
    };
    let all = target.across.join(", ");
    let typed = trigger.acknowledge.as_deref().map(str::trim);
    if typed == Some(newest.as_str()) {
        return Ok(format!("acknowledged: {all} migrated forward only"));
    }
    let instead = typed.map_or_else(String::new, |typed| format!(", not {typed:?}"));
    let why = format!(
        "{all} migrated the data of {environment} forward only since the target was put there, so the older version meets newer data; when it can live with that, acknowledge it with the title of the newest, {newest:?}{instead}"
    );
    Err((ErrorName::Irreversible, why))
}

/// Refuses to undo by itself what a release did to an environment when one of its
/// forward-only migrations has run there, or may have.
pub fn undoes_itself(
    definition: &Definition,
    records: &[StageRecord],
    environment: &EnvironmentName,
) -> Option<Why> {
    let migration = last_attempts(records).into_iter().find(|record| {
        let forward = definition
            .stages
            .get(record.index)
            .is_some_and(|stage| stage.name == record.stage && stage.is_forward_only());
        let ran = record.status == StageStatus::Passed || record.build_may_have_run();
        forward && ran && record.environment.as_ref() == Some(environment)
    })?;
    let how = match migration.status {
        StageStatus::Passed => "has migrated",
        StageStatus::Running | StageStatus::Scanning | StageStatus::Failed => "may have migrated",
    };
    let why = format!(
        "{:?} {how} the data of {environment} forward only, so what ran before is not put on top of it by itself; correct it with a new release, or go back by hand with `gatewright rollback {} {environment}` once somebody knows that the older version can live with the newer data",
        migration.stage.as_str(),
        definition.id,
    );
    Some((ErrorName::Irreversible, why))
}

/// What people should know about a release: what was taken back from an
/// environment of its route, `protected` or not, and, as far as its ref tells, is in
/// it; also when it is its own version.
pub fn flags(taken_back: &[TakenBack], head: &Head, protected: bool) -> Vec<Flag> {
    let (Some(trigger), number) = (&head.trigger, head.number.unwrap_or(u64::MAX)) else {
        return Vec::new();
    };
    let active = taken_back.iter().filter(|back| back.is_active());
    let flagged = active.filter_map(|back| {
        let older = back.number.is_none_or(|older| older < number);
        let same = back.commit == trigger.commit;
        let line = line(&back.reference, &trigger.reference, protected);
        let contains = older && (same || line != Line::Other);
        (contains || back.release == head.release).then(|| Flag {
            environment: back.environment.clone(),
            title: back.title.clone(),
            commit: back.commit.clone(),
            same,
            tagged: !same && line == Line::Perhaps,
            why: back.why.clone(),
        })
    });
    flagged.collect()
}

/// Whether the requester is of a group that may bring the environment back. A
/// definition that names nobody leaves it to whoever may start executions.
pub fn may_ask(
    definition: &Definition,
    environment: &EnvironmentName,
    requester: Option<&str>,
    directory: &Directory,
) -> Result<String, Why> {
    let by = definition
        .environments
        .get(environment)
        .map(|e| &e.rollback.by);
    let Some(by) = by.filter(|by| !by.is_empty()) else {
        return Ok("whoever may start executions may ask for it".to_owned());
    };
    let requester = requester.unwrap_or_default();
    let groups: Vec<&str> = by.iter().map(|group| group.as_str()).collect();
    let groups = groups.join(" or ");
    let is_one = |id: &PersonId| by.iter().any(|group| directory.is_member(id, group));
    let allowed = directory
        .people
        .iter()
        .any(|person| person.is(requester) && is_one(&person.id));
    if allowed {
        return Ok(format!("{requester} is of {groups}"));
    }
    let why = format!("{requester:?} may not bring {environment} back: members of {groups} may");
    Err((ErrorName::AccessDenied, why))
}

#[cfg(test)]
mod tests;
