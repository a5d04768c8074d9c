//! From a doubt, and how one ends.

use crate::place::*;
use gatewright_domain::order::{Given, Order, Runs};
use gatewright_tests::world::id;
use serde_json::json;

const PRODUCTION: &str = "Deploy to Production";

/// Production runs `two`; the deploy of `three` failed half-way, and nothing is
/// undone by itself.
async fn in_doubt() -> Place {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.fails("three", '3', PRODUCTION).await, "failed-dirty");
    place
}

async fn stays_back(place: &Place) -> Vec<String> {
    let all = place.taken_back().await;
    all.iter().map(|back| back.release.to_string()).collect()
}

#[tokio::test]
async fn from_a_doubt_it_goes_back_to_what_should_run() {
    let mut place = in_doubt().await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    assert_eq!(place.runs().await, "two");
    assert_eq!(stays_back(&place).await, ["three"]);
    let [rolled] = &place.rollbacks().await[..] else {
        panic!("one rollback");
    };
    assert_eq!(rolled.from.release.as_str(), "three");
    assert_eq!(rolled.to.release.as_str(), "two");
    // It has been wrong since the doubt, and not since somebody asked.
    let ended = place.world.head("three").await.ended_at.unwrap();
    assert_eq!(rolled.failed_at, ended);
    assert_eq!(rolled.seconds, rolled.at.as_second() - ended.as_second());
    assert!(rolled.seconds >= 60, "{}", rolled.seconds);
    // Nobody is in doubt any more: the next one goes one further.
    assert_eq!(place.roll_back("further", json!({})).await, done());
    assert_eq!(place.runs().await, "one");
}

#[tokio::test]
async fn what_was_left_half_deployed_stays_back_though_the_first_way_back_failed_too() {
    let mut place = in_doubt().await;
    let ended = place.fails_to_go_back("fails", json!({})).await;
    assert_eq!(ended, "failed-dirty");
    assert_eq!(place.roll_back("back", json!({})).await, done());
    assert_eq!(place.runs().await, "two");
    assert_eq!(stays_back(&place).await, ["three"]);
}

#[tokio::test]
async fn the_same_version_twice_is_taken_back_once() {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.fails("again", '2', PRODUCTION).await, "failed-dirty");
    let to = json!({ "to": "one" });
    assert_eq!(place.roll_back("back", to).await, done());
    assert_eq!(place.runs().await, "one");
    assert_eq!(place.taken_back().await.len(), 1);
}

impl Place {
    /// Priya gives the environment back: this runs there.
    async fn unhold(&self, runs: Option<Runs>) -> Result<Given, gatewright_handler::Failure> {
        let order = Order::Unhold {
            pipeline: self.definition.id.clone(),
            environment: self.environment.clone(),
            runs,
            reason: "brought back by hand".to_owned(),
        };
        self.order(order).await
    }

    async fn in_doubt(&self) -> bool {
        let (store, pipeline) = (&self.world.store, &self.definition.id);
        let (lock, _) = store.lock(pipeline, &self.environment).await.unwrap();
        !lock.doubts.is_empty()
    }
}

#[tokio::test]
async fn whoever_ends_a_doubt_says_what_runs_and_that_is_the_record() {
    let place = in_doubt().await;
    for (runs, said) in [
        (
            None,
            "on record is two, and three may have put its own there",
        ),
        (Some(Runs::Nothing), "on record is two"),
        (Some(Runs::Release(id("fails"))), "fails never ran in"),
    ] {
        let refused = place.unhold(runs).await.unwrap_err();
        assert!(refused.message.contains(said), "{}", refused.message);
        assert!(place.in_doubt().await);
    }
    place.unhold(Some(Runs::Release(id("one")))).await.unwrap();
    assert!(!place.in_doubt().await);
    assert_eq!(place.runs().await, "one");
    let [rolled] = &place.rollbacks().await[..] else {
        panic!("one rollback");
    };
    assert!(!rolled.automatic && rolled.by.as_deref() == Some("priya"));
    assert_eq!(rolled.release.as_str(), "three");
    assert_eq!(rolled.to.release.as_str(), "one");
    let mut back = stays_back(&place).await;
    back.sort();
    assert_eq!(back, ["three", "two"]);
    place.resolve("three", "the disk was full").await.unwrap();
    let head = place.world.head("three").await;
    let events = place.world.store.ledger(&id("three")).await.unwrap();
    let last = (head.last_seq, head.last_hash.as_ref());
    gatewright_domain::ledger::verify(&head.release, &events, last).unwrap();
}

#[tokio::test]
async fn what_was_half_deployed_may_be_whole_after_all() {
    let place = in_doubt().await;
    place
        .unhold(Some(Runs::Release(id("three"))))
        .await
        .unwrap();
    assert_eq!(place.runs().await, "three");
    assert!(place.taken_back().await.is_empty() && place.rollbacks().await.is_empty());
    assert!(!place.in_doubt().await);
}

#[tokio::test]
async fn where_nothing_ran_before_nothing_may_run() {
    let place = gps().await;
    assert_eq!(place.fails("first", '1', PRODUCTION).await, "failed-dirty");
    place.unhold(Some(Runs::Nothing)).await.unwrap();
    assert!(!place.in_doubt().await && place.taken_back().await.is_empty());
}
