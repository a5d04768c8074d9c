use super::*;
use crate::Timestamp;
use crate::evidence::ArtifactEvidence;
use crate::ids::ReleaseId;
use crate::trigger::Cause;
use crate::undo::{Lifted, Migrated};
use proptest::prelude::*;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
}

fn release(n: usize) -> ReleaseId {
    format!("r{n}").parse().unwrap()
}

fn artifact(n: usize) -> ArtifactEvidence {
    ArtifactEvidence {
        name: "image".to_owned(),
        digest: Digest::of_bytes(format!("version {n}").as_bytes()),
        location: String::new(),
        version: None,
    }
}

/// Version `version`, put there by `by` at this minute.
fn ran(version: usize, by: usize, minute: i64) -> Deployment {
    Deployment {
        pipeline: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: release(by),
        title: format!("shop#{by}"),
        number: Some(by as u64),
        commit: "a".repeat(40).parse().unwrap(),
        artifacts: vec![artifact(version)],
        restored: (version != by).then(|| release(version)),
        at: at(minute),
        fencing: 1,
    }
}

fn back(version: usize, lifted: bool) -> TakenBack {
    TakenBack {
        pipeline: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        digest: artifact(version).digest,
        release: release(version),
        title: format!("shop#{version}"),
        number: Some(version as u64),
        commit: "b".repeat(40).parse().unwrap(),
        reference: "refs/heads/main".to_owned(),
        why: "it lost orders".to_owned(),
        by: Some("priya".to_owned()),
        at: at(0),
        lifted: lifted.then(|| Lifted {
            by: "priya".to_owned(),
            reason: "it was the network".to_owned(),
            at: at(1),
        }),
    }
}

fn migrated(version: usize, minute: i64, outcome: Outcome) -> Migrated {
    Migrated {
        pipeline: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        stage: "Migrate".parse().unwrap(),
        kind: Migration::ForwardOnly,
        release: release(version),
        title: format!("shop#{version}"),
        at: at(minute),
        outcome,
    }
}

/// Versions 1 to `n`, one a minute, the last of which runs.
fn history(n: usize) -> WaysBack {
    let history: Vec<Deployment> = (1..=n).rev().map(|v| ran(v, v, v as i64)).collect();
    WaysBack {
        current: history.first().cloned(),
        history,
        ..WaysBack::default()
    }
}

fn asked(to: Option<usize>) -> TriggerInput {
    let commit = "a".repeat(40).parse().unwrap();
    TriggerInput {
        cause: Some(Cause::Rollback),
        environment: Some("production".parse().unwrap()),
        to: to.map(release),
        ..TriggerInput::new(
            "shop".parse().unwrap(),
            "refs/heads/main".to_owned(),
            commit,
        )
    }
}

fn judged(seen: &WaysBack, input: &TriggerInput) -> Result<ReleaseId, ErrorName> {
    let judged = judge_rollback(seen, &"production".parse().unwrap(), input);
    match judged.refused() {
        Some((error, _)) => Err(error),
        None => Ok(judged.target.unwrap().deployment.version_of().clone()),
    }
}

#[test]
fn without_a_name_it_is_the_last_good_one_of_another_version() {
    let mut seen = history(4);
    assert_eq!(judged(&seen, &asked(None)), Ok(release(3)));
    seen.failed.insert(release(3));
    assert_eq!(judged(&seen, &asked(None)), Ok(release(2)));
    seen.taken_back.push(back(2, false));
    assert_eq!(judged(&seen, &asked(None)), Ok(release(1)));
    seen.taken_back[0] = back(2, true);
    assert_eq!(judged(&seen, &asked(None)), Ok(release(2)));
    // What failed there can be named; somebody knows why it did.
    assert_eq!(judged(&seen, &asked(Some(3))), Ok(release(3)));
    assert_eq!(judged(&seen, &asked(Some(9))), Err(ErrorName::BadInput));
    assert_eq!(judged(&history(1), &asked(None)), Err(ErrorName::BadInput));
    let nothing = WaysBack::default();
    assert_eq!(judged(&nothing, &asked(None)), Err(ErrorName::BadInput));
}

#[test]
fn the_way_back_from_a_doubt_is_what_should_run_and_never_what_was_taken_back() {
    let to = |seen: &WaysBack, named: Option<usize>| {
        let target = way_back(seen, named.map(release).as_ref())?;
        Some(target.deployment.version_of().clone())
    };
    let mut seen = history(2);
    assert_eq!(to(&seen, None), Some(release(1)));
    // Release 3 ended dirty: what should run is 2.
    seen.doubted.push(release(3));
    assert_eq!(to(&seen, None), Some(release(2)));
    // Its doubt is of the very version that is on record.
    seen.doubted = vec![release(2)];
    assert_eq!(to(&seen, None), Some(release(1)));
    // Somebody has gone back to 1: 2 is not what to go to next.
    seen.doubted.clear();
    seen.history.insert(0, ran(1, 3, 3));
    seen.current = seen.history.first().cloned();
    seen.taken_back.push(back(2, false));
    assert_eq!(to(&seen, None), None);
    assert_eq!(to(&seen, Some(2)), Some(release(2)));
    assert_eq!(to(&seen, Some(9)), None);
}

#[test]
fn a_version_that_its_own_release_undid_is_none_unless_that_was_lifted() {
    let mut seen = history(2);
    // Release 3 put its version there and took it back.
    seen.history.insert(0, ran(3, 3, 3));
    seen.history.insert(0, ran(2, 3, 4));
    seen.current = seen.history.first().cloned();
    assert_eq!(judged(&seen, &asked(None)), Ok(release(1)));
    assert_eq!(judged(&seen, &asked(Some(3))), Err(ErrorName::TakenBack));
    seen.taken_back.push(back(3, true));
    assert_eq!(judged(&seen, &asked(Some(3))), Ok(release(3)));
}

#[test]
fn what_the_requester_saw_is_a_version_and_not_the_release_that_put_it_there() {
    let mut input = asked(None);
    assert_eq!(still_runs(&input, None), None);
    input.instead_of = Some(release(2));
    assert_eq!(still_runs(&input, Some(&ran(2, 2, 0))), None);
    // Brought back by another release, it is the same version.
    assert_eq!(still_runs(&input, Some(&ran(2, 5, 0))), None);
    // The release that they saw has undone itself since: what runs is another.
    let moved = still_runs(&input, Some(&ran(1, 2, 0))).unwrap();
    assert_eq!(moved.0, ErrorName::MovedOn);
    assert_eq!(still_runs(&input, None).unwrap().0, ErrorName::MovedOn);
}

#[test]
fn a_migration_lies_between_unless_it_never_ran_or_is_the_targets_own() {
    for (of, minute, outcome, lies) in [
        (3, 3, Outcome::Passed, true),
        (3, 3, Outcome::Began, true),
        (3, 3, Outcome::NeverRan, false),
        (2, 2, Outcome::Passed, false),
        (1, 1, Outcome::Passed, false),
        // A release that never came as far as its deploy.
        (7, 5, Outcome::Began, true),
    ] {
        let mut seen = history(3);
        seen.migrations.push(migrated(of, minute, outcome));
        let expected = if lies {
            Err(ErrorName::Irreversible)
        } else {
            Ok(release(2))
        };
        let case = format!("{of} {minute} {outcome:?}");
        assert_eq!(judged(&seen, &asked(None)), expected, "{case}");
    }
    let mut seen = history(3);
    seen.migrations = vec![
        migrated(3, 3, Outcome::Passed),
        migrated(2, 2, Outcome::Passed),
    ];
    let mut input = asked(Some(1));
    for (typed, admitted) in [("shop#2", false), ("SHOP#3", false), (" shop#3 ", true)] {
        input.acknowledge = Some(typed.to_owned());
        assert_eq!(judged(&seen, &input).is_ok(), admitted, "{typed}");
    }
    seen.migrations[0].kind = Migration::Reversible;
    input.acknowledge = Some("shop#2".to_owned());
    assert_eq!(judged(&seen, &input), Ok(release(1)));
}

/// How a release of `reference` is flagged in a `protected` environment or not,
/// after one of `taken` was taken back there: not at all, or in these words.
fn flagged(taken: &str, reference: &str, protected: bool) -> Option<String> {
    let reference = reference.to_owned();
    let trigger = TriggerInput {
        reference,
        ..asked(None)
    };
    let head: Head = serde_json::from_value(serde_json::json!({
        "release": "r2", "pipeline": "shop", "version": artifact(0).digest, "number": 2,
        "trigger": trigger, "input": artifact(0).digest, "execution": "arn:x",
        "started_at": at(0), "status": "running", "stage": null, "failure": null,
        "ended_at": null, "last_seq": 0, "last_hash": null,
    }))
    .unwrap();
    let taken = TakenBack {
        reference: taken.to_owned(),
        ..back(1, false)
    };
    let told = flags(&[taken], &head, protected).pop()?.told();
    Some(told.split_once("production, ").unwrap().1.to_owned())
}

#[test]
fn a_newer_release_is_flagged_as_far_as_its_ref_tells() {
    let (main, topic) = ("refs/heads/main", "refs/heads/topic/x");
    let (v1, v2) = ("refs/tags/v1.0.0", "refs/tags/v1.0.1");
    let (surely, perhaps) = (
        "unless it was reverted",
        "unless it was reverted or is on another branch",
    );
    for (taken, reference, protected, expected) in [
        (main, main, false, Some(surely)),
        (main, topic, true, None),
        (v1, v2, false, Some(perhaps)),
        (v1, main, true, Some(perhaps)),
        (main, v1, true, Some(perhaps)),
        // Where everybody's branches go, most of them are in no tag.
        (topic, v1, false, None),
        (v1, topic, false, None),
        ("refs/pull/7/head", v1, true, None),
    ] {
        let told = flagged(taken, reference, protected);
        assert_eq!(told.as_deref(), expected, "{taken} {reference} {protected}");
    }
}

#[test]
fn only_the_very_digest_stays_back_and_only_until_it_is_lifted() {
    let digest = artifact(2).digest;
    let (error, why) = stays_back(Some(&back(2, false)), &digest).unwrap();
    assert_eq!(error, ErrorName::TakenBack);
    assert!(
        why.contains("`gatewright lift shop production r2 --reason …`"),
        "{why}"
    );
    assert_eq!(stays_back(Some(&back(2, true)), &digest), None);
    assert_eq!(stays_back(Some(&back(3, false)), &digest), None);
    assert_eq!(stays_back(None, &digest), None);
}

proptest! {
    /// Whatever happened before: what is gone back to ran there, is another
    /// version than what runs, stays not back, and crosses nothing untyped.
    #[test]
    fn the_default_is_always_a_good_one(
        n in 1usize..9,
        taken in proptest::collection::vec((1usize..9, any::<bool>()), 0..6),
        failed in proptest::collection::btree_set(1usize..9, 0..4),
        moved in proptest::collection::vec((1usize..9, 0i64..10), 0..4),
    ) {
        let mut seen = history(n);
        seen.taken_back = taken.iter().map(|(v, lifted)| back(*v, *lifted)).collect();
        seen.taken_back.dedup_by_key(|b| b.digest.clone());
        seen.failed = failed.iter().map(|v| release(*v)).collect();
        seen.migrations = moved.iter().map(|(v, at)| migrated(*v, *at, Outcome::Passed)).collect();
        seen.migrations.sort_by_key(|m| std::cmp::Reverse(m.at));
        let input = asked(None);
        let judged = judge_rollback(&seen, &"production".parse().unwrap(), &input);
        if judged.refused().is_none() {
            let target = judged.target.unwrap();
            let version = target.deployment.version_of().clone();
            prop_assert!(seen.history.iter().any(|d| d.version_of() == &version));
            prop_assert_ne!(&version, &release(n));
            prop_assert!(!seen.failed.contains(&version));
            let digest = target.deployment.digest();
            let known = seen.taken_back.iter().find(|b| b.digest == digest);
            prop_assert_eq!(stays_back(known, &digest), None);
            let crossed = seen.migrations.iter().any(|m| m.at >= target.deployment.at && m.release != version);
            prop_assert!(!crossed);
        }
    }
}
