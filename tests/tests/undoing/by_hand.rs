//! By hand: to what, and past what.

use crate::place::*;
use gatewright_domain::ErrorName;
use gatewright_domain::release::Status;
use gatewright_tests::Run;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::id;
use serde_json::{Value, json};

#[tokio::test]
async fn by_hand_it_goes_to_the_one_before_and_never_on_to_what_was_taken_back() {
    let mut place = gps().await;
    place
        .release(&[("one", '1'), ("two", '2'), ("three", '3')])
        .await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    assert_eq!(place.runs().await, "two");
    let [taken] = &place.taken_back().await[..] else {
        panic!("one was taken back");
    };
    assert_eq!((taken.release.as_str(), taken.number), ("three", Some(3)));
    assert_eq!(taken.commit.as_str(), commit('3'));
    assert_eq!(taken.why, "customers cannot pay");
    assert!(taken.by.is_some() && taken.is_active());
    let facts = place.world.facts("back").await;
    assert!(facts.contains(&"taken-back".to_owned()), "{facts:?}");
    // Asked again, it does not go back and forth between the last two.
    assert_eq!(place.roll_back("further", json!({})).await, done());
    assert_eq!(place.runs().await, "one");
    let nothing = place.roll_back("nowhere", json!({})).await;
    assert_eq!(nothing, refused(ErrorName::BadInput));
    let bad = place.roll_back("to-bad", json!({ "to": "three" })).await;
    assert_eq!(bad, refused(ErrorName::TakenBack));
    let cause = place.world.head("to-bad").await.failure.unwrap().cause;
    assert!(
        cause.contains("gatewright lift pl-gps-001 production three"),
        "{cause}"
    );
    assert_eq!(place.runs().await, "one");
}

#[tokio::test]
async fn what_was_taken_back_is_allowed_again_with_a_reason() {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    let never = place.lift("one").await.unwrap_err();
    assert_eq!(never.name, ErrorName::BadInput);
    let given = place.lift("two").await.unwrap();
    assert_eq!(given.by.as_str(), "priya");
    let lifted = place.taken_back().await[0].lifted.clone().unwrap();
    assert_eq!(
        (lifted.by.as_str(), lifted.reason.as_str()),
        ("priya", "it was the network")
    );
    let again = place.lift("two").await.unwrap_err();
    assert!(again.message.contains("lifted it already"), "{again:?}");
    let facts = place.world.facts("two").await;
    assert_eq!(facts.iter().filter(|f| *f == "lifted").count(), 1);
    place.world.has_ended("two", Status::Succeeded).await;
    let again = place.roll_back("again", json!({ "to": "two" })).await;
    assert_eq!(again, done());
    assert_eq!(place.runs().await, "two");
}

#[tokio::test]
async fn a_release_of_what_was_taken_back_is_not_cleared_until_it_is_lifted() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    assert_eq!(place.fails("bad", '2', &deploy).await, "failed-clean");
    let again = place.input(&commit('2'));
    let (_, end) = place.world.release("again", again.clone()).await;
    assert_eq!(end, "failed-clean");
    let head = place.world.has_ended("again", Status::FailedClean).await;
    assert_eq!(head.failure.unwrap().error, "TakenBack");
    assert!(head.flags.iter().all(|flag| flag.same), "{:?}", head.flags);
    assert_eq!(place.runs().await, "one");
    place.lift("bad").await.unwrap();
    let (_, end) = place.world.release("lifted", again).await;
    assert_eq!(end, "succeeded");
    assert_eq!(place.runs().await, "lifted");
}

#[tokio::test]
async fn another_build_of_a_commit_that_was_taken_back_stays_back_too() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    assert_eq!(place.fails("bad", '2', &deploy).await, "failed-clean");
    place.world.weather = "a newer base image".to_owned();
    let again = place.input(&commit('2'));
    let (_, end) = place.world.release("again", again.clone()).await;
    assert_eq!(end, "failed-clean");
    let failure = place.world.head("again").await.failure.unwrap();
    assert_eq!(failure.error, "TakenBack");
    let anew = "it is another build of commit 22222222";
    assert!(failure.cause.contains(anew), "{failure:?}");
    place.lift("bad").await.unwrap();
    let (_, end) = place.world.release("lifted", again).await;
    assert_eq!(end, "succeeded");
}

#[tokio::test]
async fn what_staging_took_back_does_not_go_on_to_production() {
    let mut place = Place::of(definition("pl-gps-001"), "staging").await;
    place.release(&[("one", '1')]).await;
    place.world.clock.pass(60);
    let mut two = Run::start(&place.world, "two", place.input(&commit('2')));
    let asks = async |place: &Place, run: &mut Run| {
        while !matches!(run.go(&place.world).await, Stand::Waits(state) if state == "Production Approval")
        {
            assert!(place.world.goes_well(&run.name).await, "{:?}", run.path);
        }
    };
    asks(&place, &mut two).await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    place.world.switch(place.definition.clone()).await;
    let end = place
        .world
        .drive(&mut two, async |world, _| world.goes_well("two").await);
    assert_eq!(end.await, "failed-clean");
    let head = place.world.has_ended("two", Status::FailedClean).await;
    let failure = head.failure.unwrap();
    assert_eq!(failure.error, "TakenBack");
    let lift = "gatewright lift pl-gps-001 staging two";
    assert!(failure.cause.contains(lift), "{failure:?}");
    let production = "production".parse().unwrap();
    let current = place.world.store.current(&place.definition.id, &production);
    assert_eq!(current.await.unwrap().unwrap().title, "pl-gps-001#1");
}

#[tokio::test]
async fn to_a_release_that_is_named_and_ran_there() {
    let mut place = gps().await;
    place
        .release(&[("one", '1'), ("two", '2'), ("three", '3')])
        .await;
    let stranger = place.roll_back("to-back", json!({ "to": "nine" })).await;
    assert_eq!(stranger, refused(ErrorName::BadInput));
    assert_eq!(
        place.roll_back("back", json!({ "to": "one" })).await,
        done()
    );
    assert_eq!(place.runs().await, "one");
    // What runs can be deployed again: an environment that somebody changed by hand.
    let same = place.roll_back("same", json!({ "to": "one" })).await;
    assert_eq!(same, done());
    let taken: Vec<_> = place.taken_back().await;
    assert_eq!(taken.len(), 1, "{taken:?}");
}

#[tokio::test]
async fn what_the_requester_did_not_see_is_not_replaced() {
    let mut place = gps().await;
    place
        .release(&[("one", '1'), ("two", '2'), ("three", '3')])
        .await;
    let saw = json!({ "to": "one", "instead_of": "two" });
    let moved = place.roll_back("late", saw).await;
    assert_eq!(moved, refused(ErrorName::MovedOn));
    // Two ask at once: the second waits for the first, and then finds something else.
    let saw = json!({ "to": "one", "instead_of": "three" });
    let input = place.back(&saw);
    place
        .world
        .switch(place.definition.rollback().unwrap())
        .await;
    let world = &place.world;
    let mut first = Run::start(world, "first", input.clone());
    while !matches!(first.go(world).await, Stand::Waits(state) if state == "Roll back production") {
        assert!(world.goes_well("first").await, "{:?}", first.path);
    }
    let mut input = input;
    input["reason"] = json!("somebody else saw it too");
    input["to"] = json!("two");
    let mut second = Run::start(world, "second", input);
    while !matches!(second.go(world).await, Stand::Waits(state) if state.ends_with("clear to deploy"))
    {
        assert!(
            world.everybody_approves("second").await,
            "{:?}",
            second.path
        );
    }
    let end = world
        .drive(&mut first, async |world, _| world.goes_well("first").await)
        .await;
    assert_eq!(end, "succeeded");
    let end = world
        .drive(&mut second, async |world, _| {
            world.goes_well("second").await
        })
        .await;
    assert_eq!(end, "failed-clean");
    let head = world.has_ended("second", Status::FailedClean).await;
    assert_eq!(head.failure.unwrap().error, "MovedOn");
    let orders = world.builds.orders();
    let of = |name: &str| {
        orders
            .iter()
            .filter(|o| o.env["GATEWRIGHT_RELEASE"] == name)
            .count()
    };
    assert_eq!((of("first") > 0, of("second")), (true, 0));
    assert_eq!(place.runs().await, "one");
}

#[tokio::test]
async fn across_a_forward_only_migration_only_by_typing_which() {
    let mut place = Place::of(definition("PL-ODOO-MOD"), "staging").await;
    place
        .release(&[("one", '1'), ("two", '2'), ("three", '3')])
        .await;
    let title = place.world.head("three").await.title();
    let facts = place.world.facts("three").await;
    assert!(facts.contains(&"schema-migrated".to_owned()), "{facts:?}");
    let plain = place.roll_back("plain", json!({})).await;
    assert_eq!(plain, refused(ErrorName::Irreversible));
    let cause = place.world.head("plain").await.failure.unwrap().cause;
    assert!(cause.contains(&format!("{title:?}")), "{cause}");
    let other = json!({ "acknowledge": place.world.head("two").await.title() });
    let other = place.roll_back("other", other).await;
    assert_eq!(other, refused(ErrorName::Irreversible));
    let typed = json!({ "to": "one", "acknowledge": title });
    assert_eq!(place.roll_back("typed", typed).await, done());
    assert_eq!(place.runs().await, "one");
    let events = place.world.store.ledger(&id("typed")).await.unwrap();
    let said: Vec<Value> = events.iter().map(|e| json!(e.fact)).collect();
    let said = said
        .iter()
        .find(|f| f["type"] == "migration-acknowledged")
        .unwrap();
    assert_eq!(said["typed"], json!(title));
    assert_eq!(said["migrated"].as_array().unwrap().len(), 2, "{said}");
}
