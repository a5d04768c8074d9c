//! Those who wait for an environment: each decided once, each for itself, and none
//! that keeps the others waiting for ever.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::Kind;
use gatewright_aws::store::WaitKey;
use gatewright_aws::table::{Table, When, Write};
use gatewright_domain::ledger::Fact;
use gatewright_domain::wait::Wait;
use gatewright_steps::{clear_waiting, hand_on};
use gatewright_tests::machine::Stand;
use gatewright_tests::world::{built, id};
use gatewright_tests::{Run, World, read};
use serde_json::{Value, json};

const SHOP: &str = "
language: 1
id: shop
name: Shop
region: eu-central-1
source: { repository: https://github.com/example/shop }
on: { push: { branches: [main] } }
artifacts: { image: { type: image, repository: shop } }
environments:
  test: { verify: none, wait: 2h }
stages:
  - { name: Package, steps: [docker build .], produces: image }
  - { name: Ship, deploy: { artifact: image, environment: test }, steps: [./ship.sh] }
";
const CLEAR: &str = "Ship: clear to deploy";
/// The position of the deploy.
const SHIP: usize = 1;

async fn world() -> World {
    World::of(read(SHOP)).await
}

/// Drives a release of a commit of this digit until it waits for its environment.
async fn waits(world: &World, name: &str, commit: char) -> Run {
    let input = json!({
        "pipeline": "shop", "ref": "refs/heads/main", "commit": commit.to_string().repeat(40),
        "author": "sam@example.com", "message": "Sell more",
    });
    let mut run = Run::start(world, name, input);
    while run.go(world).await != Stand::Waits(CLEAR.to_owned()) {
        assert!(world.goes_on(name).await, "{:?}", run.path);
    }
    run
}

async fn held(world: &World, held: bool) {
    let order = if held { "hold" } else { "unhold" };
    let order =
        json!({ "order": order, "pipeline": "shop", "environment": "test", "reason": "looking" });
    world.ordered("devan", order).await;
}

async fn wait_of(world: &World, name: &str) -> Option<Wait> {
    let wait = world.store.wait(&WaitKey::lock(&id(name), SHIP)).await;
    wait.unwrap().map(|seen| seen.value)
}

/// The error that the release was refused with.
async fn refused(world: &World, name: &str) -> Option<String> {
    let events = world.store.ledger(&id(name)).await.unwrap();
    events.into_iter().find_map(|event| match event.fact {
        Fact::StageFailed { error, .. } => Some(error),
        _ => None,
    })
}

async fn holder(world: &World) -> Option<String> {
    let (pipeline, test) = ("shop".parse().unwrap(), "test".parse().unwrap());
    let (lock, _) = world.store.lock(&pipeline, &test).await.unwrap();
    lock.holder.map(|holder| holder.release.to_string())
}

async fn cleared(world: &World, name: &str) -> usize {
    let facts = world.facts(name).await;
    facts.iter().filter(|f| *f == "deploy-cleared").count()
}

/// What is known of the release's first stage does not read any more.
async fn damage(world: &World, name: &str) {
    let items = world.store.table().items_in(&format!("RELEASE#{name}"));
    let item = items.into_iter().find(|i| i.key.sk.starts_with("STAGE#"));
    let write = Write::Put {
        key: item.unwrap().key,
        due: None,
        body: json!({ "not": "a record" }),
        when: When::Any,
    };
    world.store.table().write(vec![write]).await.unwrap();
}

#[tokio::test]
async fn an_answered_wait_is_not_decided_again_by_whoever_read_it_before() {
    let world = world().await;
    held(&world, true).await;
    let _run = waits(&world, "first", '1').await;
    let before = wait_of(&world, "first").await.unwrap();
    held(&world, false).await;
    assert_eq!(
        (
            cleared(&world, "first").await,
            refused(&world, "first").await
        ),
        (1, None)
    );
    // Somebody who read the wait before, and a halt that came after.
    let halt = json!({ "order": "halt", "of": "all", "reason": "incident" });
    world.ordered("devan", halt).await;
    let now = gatewright_aws::Clock::now(&world.clock);
    for delivered in [false, true] {
        if delivered {
            world.deliver().await.unwrap();
            assert_eq!(wait_of(&world, "first").await, None);
        }
        let again = clear_waiting(&world.store, &world.registry, &before, now).await;
        again.unwrap();
        let input = json!({ "release": "first", "stage": "Ship", "token": before.token.reveal() });
        if !delivered {
            world.call("ClearDeploy", input).await.unwrap();
        }
        assert_eq!(cleared(&world, "first").await, 1);
        assert_eq!(refused(&world, "first").await, None);
    }
}

#[tokio::test]
async fn a_question_that_is_asked_twice_is_answered_once() {
    let world = world().await;
    held(&world, true).await;
    let _run = waits(&world, "first", '1').await;
    let wait = wait_of(&world, "first").await.unwrap();
    // Its state asks under a new token: the old one is nobody's any more.
    held(&world, false).await;
    world.deliver().await.unwrap();
    assert_eq!(wait_of(&world, "first").await, None);
    let ask: Value = json!({ "release": "first", "stage": "Ship", "token": "new" });
    for _ in 0..2 {
        world.call("ClearDeploy", ask.clone()).await.unwrap();
        assert_eq!(cleared(&world, "first").await, 2);
    }
    assert_ne!(wait.token.reveal(), "new");
}

#[tokio::test]
async fn nobody_is_looked_at_behind_one_who_waits_in_order() {
    let world = world().await;
    held(&world, true).await;
    let _first = waits(&world, "first", '1').await;
    let _second = waits(&world, "second", '2').await;
    // It would be refused by whoever looks.
    world.registry.delete(&built("image", &"2".repeat(40)));
    let _third = waits(&world, "third", '3').await;
    assert_eq!(refused(&world, "second").await, None);
    held(&world, false).await;
    assert_eq!(holder(&world).await.as_deref(), Some("first"));
    assert_eq!(refused(&world, "second").await, None);
    // But whoever broke the glass may pass.
    let (pipeline, test) = ("shop".parse().unwrap(), "test".parse().unwrap());
    let now = gatewright_aws::Clock::now(&world.clock);
    let (lock, rev) = world.store.lock(&pipeline, &test).await.unwrap();
    let free = lock.released(&id("first")).unwrap();
    let write =
        gatewright_aws::Store::<gatewright_fakes::MemoryTable>::lock_write(&free, rev).unwrap();
    world.store.table().write(vec![write]).await.unwrap();
    let broken = json!({ "order": "break-glass", "release": "second", "reason": "now" });
    world.ordered("devan", broken).await;
    hand_on(&world.store, &world.registry, &pipeline, &test, now)
        .await
        .unwrap();
    assert_eq!(
        refused(&world, "second").await.as_deref(),
        Some("GateDenied")
    );
}

#[tokio::test]
async fn one_that_cannot_be_looked_at_is_given_up_and_nobody_elses_failure() {
    let world = world().await;
    held(&world, true).await;
    let _first = waits(&world, "first", '1').await;
    let _second = waits(&world, "second", '2').await;
    damage(&world, "first").await;
    let _third = waits(&world, "third", '3').await;
    assert_eq!(refused(&world, "third").await, None);
    assert_eq!(refused(&world, "first").await.as_deref(), Some("Bug"));
    held(&world, false).await;
    assert_eq!(holder(&world).await.as_deref(), Some("second"));
}

#[tokio::test]
async fn one_that_has_waited_too_long_ends_although_nobody_can_look() {
    let world = world().await;
    held(&world, true).await;
    let _first = waits(&world, "first", '1').await;
    world.registry.refuse(Some(Kind::Transient));
    for seconds in [3_600, 3_600] {
        assert_eq!(refused(&world, "first").await, None);
        world.clock.pass(seconds);
        world.call("Sweep", json!({})).await.unwrap();
    }
    assert_eq!(
        refused(&world, "first").await.as_deref(),
        Some("WaitExpired")
    );
    let (pipeline, test) = ("shop".parse().unwrap(), "test".parse().unwrap());
    assert!(
        world
            .store
            .queue(&pipeline, &test)
            .await
            .unwrap()
            .is_empty()
    );
}
