//! By itself, and what stays known of it.

use crate::place::*;
use gatewright_domain::ErrorName;
use gatewright_domain::order::{Order, Target};
use gatewright_domain::pipeline::Migration;
use gatewright_domain::release::Status;
use gatewright_tests::Run;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::id;
use serde_json::json;

#[tokio::test]
async fn a_change_that_undoes_itself_stays_back_and_is_history() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    assert_eq!(place.fails("bad", '2', &deploy).await, "failed-clean");
    assert_eq!(place.runs().await, "one");
    let [rolled] = &place.rollbacks().await[..] else {
        panic!("one rollback");
    };
    assert!(rolled.automatic && rolled.by.is_none());
    assert_eq!(rolled.release.as_str(), "bad");
    assert_eq!(rolled.from.release.as_str(), "bad");
    assert_eq!(rolled.from.commit.as_str(), commit('2'));
    assert_eq!(rolled.to.release.as_str(), "one");
    assert!(rolled.why.contains(&deploy), "{}", rolled.why);
    // From the recorded failure to the recorded recovery, as the clock has it.
    assert_eq!(rolled.seconds, 90);
    let [taken] = &place.taken_back().await[..] else {
        panic!("one was taken back");
    };
    assert_eq!(taken.digest, rolled.from.digest);
    assert!(taken.by.is_none() && taken.is_active());
    let digest = taken.digest.clone();
    let found = gatewright_domain::decide::undo::stays_back(Some(taken), &digest);
    assert_eq!(found.unwrap().0, ErrorName::TakenBack);
}

#[tokio::test]
async fn a_deploy_that_a_halt_stopped_before_it_began_is_not_undone() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    let (pipeline, environment) = (place.definition.id.clone(), place.environment.clone());
    let hold = Order::Hold {
        pipeline: pipeline.clone(),
        environment: environment.clone(),
        reason: "looking".to_owned(),
    };
    place.order(hold).await.unwrap();
    let mut run = Run::start(&place.world, "two", place.input(&commit('2')));
    let clear = Stand::Waits(format!("{deploy}: clear to deploy"));
    while run.go(&place.world).await != clear {
        assert!(place.world.goes_well("two").await, "{:?}", run.path);
    }
    // It is cleared, and halted before its deploy begins.
    let unhold = Order::Unhold {
        pipeline: pipeline.clone(),
        environment,
        runs: None,
        reason: "looked".to_owned(),
    };
    place.order(unhold).await.unwrap();
    let halt = Order::Halt {
        of: Target::Pipeline(pipeline),
        reason: "incident".to_owned(),
    };
    place.order(halt).await.unwrap();
    let builds = place.world.builds.ids().len();
    let end = run.go(&place.world).await;
    assert_eq!(end, Stand::Ended("failed-clean".to_owned()));
    let head = place.world.has_ended("two", Status::FailedClean).await;
    assert_eq!(head.failure.unwrap().error, "Halted");
    assert_eq!(
        place.world.builds.ids().len(),
        builds,
        "something was undone"
    );
    assert!(place.taken_back().await.is_empty() && place.rollbacks().await.is_empty());
    assert_eq!(place.runs().await, "one");
}

#[tokio::test]
async fn it_does_not_undo_itself_across_its_own_forward_only_migration() {
    // The deploy migrates and fails half way; and a stage before it has migrated.
    for own in [true, false] {
        let (place, deploy) = dairy().await;
        let mut definition = place.definition.clone();
        let there = |s: &&mut gatewright_domain::pipeline::Stage| match own {
            true => s.name.as_str() == deploy,
            false => {
                s.environment.as_ref() == Some(&place.environment)
                    && matches!(s.work, gatewright_domain::pipeline::Work::Build(_))
                    && s.of.is_none()
            }
        };
        let migrates = definition.stages.iter_mut().find(there).unwrap();
        migrates.migration = Some(Migration::ForwardOnly);
        let name = migrates.name.to_string();
        // A migration runs alone.
        let beside = |g: &gatewright_domain::pipeline::Group| {
            g.stages.iter().any(|stage| stage.as_str() == name)
        };
        definition.groups.retain(|group| !beside(group));
        let environment = place.environment.to_string();
        let mut place = Place::of(definition, &environment).await;
        place.release(&[("one", '1')]).await;
        assert_eq!(place.fails("bad", '2', &deploy).await, "failed-dirty");
        let head = place.world.has_ended("bad", Status::FailedDirty).await;
        let cause = head.failure.unwrap().cause;
        assert!(cause.contains("could not be undone"), "{cause}");
        assert!(
            cause.contains(&format!("{name:?}")) && cause.contains("forward only"),
            "{cause}"
        );
        let records = place.world.store.stages(&id("bad")).await.unwrap();
        let undo = records
            .iter()
            .find(|r| r.stage.as_str().ends_with(": roll back"));
        let (error, _) = undo.unwrap().failure.clone().unwrap();
        assert_eq!(error, ErrorName::Irreversible);
        assert!(place.rollbacks().await.is_empty());
        // By hand, somebody brings it to a known state, and what was half there stays back.
        let title = place.world.head("bad").await.title();
        let plain = place.roll_back("plain", json!({ "to": "one" })).await;
        assert_eq!(plain, refused(ErrorName::Irreversible));
        let typed = json!({ "to": "one", "acknowledge": title });
        assert_eq!(place.roll_back("typed", typed).await, done());
        let taken = place.taken_back().await;
        assert_eq!(taken[0].release.as_str(), "bad");
        assert_eq!(place.rollbacks().await[0].from.release.as_str(), "bad");
    }
}

#[tokio::test]
async fn newer_commits_of_the_branch_are_flagged_until_it_is_lifted() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    place.fails("bad", '2', &deploy).await;
    place.release(&[("next", '3')]).await;
    let head = place.world.head("next").await;
    let [flag] = &head.flags[..] else {
        panic!("one flag: {:?}", head.flags);
    };
    assert_eq!(flag.commit.as_str(), commit('2'));
    assert!(!flag.same);
    assert!(flag.told().contains("unless it was reverted"));
    let facts = place.world.facts("next").await;
    assert_eq!(facts[..2], ["release-admitted", "flagged"]);
    // A tag may be of another branch, and this environment is not protected.
    let mut elsewhere = place.input(&commit('4'));
    let reference = elsewhere["ref"].as_str().unwrap().to_owned();
    let tag = json!(format!("{reference}-2").replace("refs/heads/", "refs/tags/"));
    elsewhere["ref"] = tag;
    let _ = place.world.release("elsewhere", elsewhere).await;
    let flags = place.world.head("elsewhere").await.flags;
    assert!(flags.is_empty(), "{flags:?}");
    place.lift("bad").await.unwrap();
    place.release(&[("later", '5')]).await;
    assert!(place.world.head("later").await.flags.is_empty());
}

#[tokio::test]
async fn a_tag_is_flagged_after_a_branch_in_what_is_protected() {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    let mut tag = place.input(&commit('3'));
    tag["ref"] = json!("refs/tags/v1.4.3");
    place.world.switch(place.definition.clone()).await;
    let _ = place.world.release("three", tag).await;
    let flags = place.world.head("three").await.flags;
    let [flag] = &flags[..] else {
        panic!("one flag: {flags:?}");
    };
    assert_eq!(flag.environment.as_str(), "production");
    assert!(flag.told().ends_with("or is on another branch"));
}

#[tokio::test]
async fn what_became_of_it_is_written_down_once_or_again() {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    let wrong = async |release: &str, text: &str| {
        let refused = place.resolve(release, text).await.unwrap_err();
        assert_eq!(refused.name, ErrorName::BadInput);
        refused.message
    };
    let nothing = wrong("one", "x").await;
    assert!(nothing.contains("neither undid a change"), "{nothing}");
    assert!(wrong("back", " ").await.contains("what became of it"));
    place.resolve("back", "a missing index").await.unwrap();
    // More is known later, and the release that was undone is as good a name.
    place
        .resolve("two", "a missing index; corrected in #3")
        .await
        .unwrap();
    let [rolled] = &place.rollbacks().await[..] else {
        panic!("one rollback");
    };
    let resolution = rolled.resolution.clone().unwrap();
    assert_eq!(resolution.text, "a missing index; corrected in #3");
    assert_eq!(resolution.by, "priya");
    assert!(rolled.seconds >= 0 && !rolled.automatic);
    let facts = place.world.facts("back").await;
    let count = facts.iter().filter(|f| *f == "rollback-resolved").count();
    assert_eq!(count, 2);
    place.world.has_ended("back", Status::Succeeded).await;
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_rollback_leaves_nothing_or_everything() {
    let mut at = 0;
    loop {
        let mut place = gps().await;
        place.release(&[("one", '1'), ("two", '2')]).await;
        let before = place.world.store.table().writes();
        let table = place.world.store.table();
        match at % 2 {
            0 => table.crash_after(at / 2 + 2),
            _ => table.crash_before(at / 2 + 2),
        }
        let end = place.roll_back("back", json!({})).await;
        let wrote = place.world.store.table().writes() - before;
        let (history, taken) = (place.rollbacks().await, place.taken_back().await);
        assert_eq!(end, done(), "crash {at}");
        assert_eq!((history.len(), taken.len()), (1, 1), "crash {at}");
        assert_eq!(place.runs().await, "one", "crash {at}");
        at += 1;
        if at / 2 + 2 >= wrote {
            break;
        }
    }
    assert!(at > 10, "only {at} crashes");
}
