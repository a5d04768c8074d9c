//! Pauses of a rollout: they are recorded, hold the environment, and hear what
//! people order.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::Clock;
use gatewright_domain::after;
use gatewright_domain::release::Status;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::COMMIT;
use gatewright_tests::{Run, World, read};
use serde_json::{Value, json};

const R: &str = "second";
const KEEP: &str = "Ship: keep the old";
const PAUSES: [&str; 3] = ["Ship: watch 10 %", "Ship: watch 100 %", KEEP];

const SHOP: &str = r#"
language: 1
id: shop
name: Shop
region: eu-central-1
source: { repository: https://github.com/example/shop }
on: { push: { branches: [main] } }
artifacts: { image: { type: image, repository: shop } }
environments:
  test:
    verify: none
    strategy:
      canary: { steps: [10, 100], pause: 5m }
      blue-green: { watch: 5m, keep: 10m }
      shift: [./shift.sh]
    rollback: { automatic: true, steps: [./back.sh] }
stages:
  - { name: Package, steps: [docker build .], produces: image }
  - { name: Ship, deploy: { artifact: image, environment: test }, steps: [./ship.sh] }
"#;

fn push() -> Value {
    json!({
        "pipeline": "shop", "ref": "refs/heads/main", "commit": COMMIT,
        "author": "sam@example.com", "message": "Sell more",
    })
}

/// A release of the shop after another one, in this state.
async fn in_state_of(text: &str, state: &str) -> (World, Run) {
    let world = World::of(read(text)).await;
    let (_, end) = world.release("first", push()).await;
    assert_eq!(end, "succeeded");
    let mut run = Run::start(&world, R, push());
    loop {
        match run.go(&world).await {
            Stand::Waits(at) if at == state => return (world, run),
            Stand::Waits(_) => assert!(world.goes_well(R).await),
            Stand::Ended(end) => panic!("{end}: {:?}", world.head(R).await.failure),
        }
    }
}

async fn in_state(state: &str) -> (World, Run) {
    in_state_of(SHOP, state).await
}

async fn ends(world: &World, run: &mut Run) -> String {
    world
        .drive(run, async |world, _| world.goes_well(R).await)
        .await
}

async fn sweep(world: &World, seconds: i64) {
    world.clock.pass(seconds);
    let swept = world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(swept["failed"], json!(0), "{swept}");
}

/// The release was stopped there, at once, and undone.
async fn stopped(world: &World, run: &mut Run, state: &str, error: &str) {
    let now = world.clock.now();
    assert!(
        run.go(world).await != Stand::Waits(state.to_owned()),
        "{state}: nobody heard"
    );
    assert_eq!(world.clock.now(), now);
    assert_eq!(ends(world, run).await, "failed-clean", "{:?}", run.path);
    let head = world.has_ended(R, Status::FailedClean).await;
    let failure = head.failure.unwrap();
    let stage = failure.stage.unwrap();
    assert_eq!(
        (failure.error.as_str(), stage.as_str()),
        (error, state),
        "{}",
        failure.cause
    );
    assert!(
        failure.cause.contains("errors since 14:02"),
        "{}",
        failure.cause
    );
    assert!(
        run.path.contains(&"Ship: roll back".to_owned()),
        "{:?}",
        run.path
    );
    // People stopped it: that does not make it a bad version.
    let (pipeline, environment) = ("shop".parse().unwrap(), "test".parse().unwrap());
    let back = world.store.all_taken_back(&pipeline, &environment).await;
    assert!(back.unwrap().is_empty());
    let history = world.store.rollbacks(&pipeline, &environment, 5).await;
    assert_eq!(history.unwrap().len(), 1);
}

fn halt(of: Value) -> Value {
    json!({ "order": "halt", "of": of, "reason": "errors since 14:02" })
}

fn freeze(world: &World, running: &str) -> Value {
    let now = world.clock.now();
    json!({
        "order": "freeze", "pipeline": "shop", "environment": "test", "running": running,
        "times": { "comes": "once", "from": now, "until": after(now, 7_200) },
        "reason": "errors since 14:02",
    })
}

#[tokio::test]
async fn a_pause_passes_at_its_end_and_the_environment_is_held_until_then() {
    let (world, mut run) = in_state(KEEP).await;
    let (pipeline, environment) = ("shop".parse().unwrap(), "test".parse().unwrap());
    for _ in 0..9 {
        sweep(&world, 60).await;
        assert_eq!(run.go(&world).await, Stand::Waits(KEEP.to_owned()));
        let (lock, _) = world.store.lock(&pipeline, &environment).await.unwrap();
        assert_eq!(lock.holder.unwrap().release.as_str(), R);
    }
    sweep(&world, 60).await;
    let (lock, _) = world.store.lock(&pipeline, &environment).await.unwrap();
    assert!(lock.holder.is_none(), "the last stage there gives it back");
    assert_eq!(ends(&world, &mut run).await, "succeeded");
    world.has_ended(R, Status::Succeeded).await;
    let records = world.store.stages(&R.parse().unwrap()).await.unwrap();
    let paused: Vec<&str> = records.iter().map(|r| r.stage.as_str()).collect();
    assert!(
        PAUSES.iter().all(|pause| paused.contains(pause)),
        "{paused:?}"
    );
    assert!(world.metrics.asked().is_empty());
}

#[tokio::test]
async fn a_halt_is_heard_in_a_pause_at_once_and_undoes_the_rollout() {
    for state in PAUSES {
        for of in [json!({ "release": R }), json!({ "pipeline": "shop" })] {
            let (world, mut run) = in_state(state).await;
            world.ordered("devan", halt(of)).await;
            stopped(&world, &mut run, state, "Halted").await;
        }
    }
}

#[tokio::test]
async fn a_halt_of_everything_is_heard_within_a_minute() {
    let (world, mut run) = in_state(KEEP).await;
    world.ordered("devan", halt(json!("all"))).await;
    sweep(&world, 60).await;
    stopped(&world, &mut run, KEEP, "Halted").await;
}

#[tokio::test]
async fn a_freeze_stops_a_pause_only_when_it_says_so() {
    let (world, mut run) = in_state(KEEP).await;
    world.ordered("devan", freeze(&world, "finish")).await;
    sweep(&world, 60).await;
    assert_eq!(run.go(&world).await, Stand::Waits(KEEP.to_owned()));
    world.ordered("devan", freeze(&world, "stop")).await;
    stopped(&world, &mut run, KEEP, "Frozen").await;
}

#[tokio::test]
async fn a_halt_is_heard_in_a_watch_too() {
    let watch = "watch: [{ metric: health, alarm: hosts }]\n    rollback:";
    let text = SHOP.replace("rollback:", &format!("  {watch}"));
    for state in ["Ship: watch 10 %", "Ship: watch 100 %"] {
        let (world, mut run) = in_state_of(&text, state).await;
        world.ordered("devan", halt(json!({ "release": R }))).await;
        stopped(&world, &mut run, state, "Halted").await;
    }
}

#[tokio::test]
async fn an_execution_that_is_stopped_before_all_has_proved_itself_leaves_a_doubt() {
    // The new version has everything; the old one still stands beside it.
    for state in ["Ship: watch 100 %", KEEP] {
        let (world, _run) = in_state(state).await;
        let event = world.stopped(R).await;
        world.call("FinishRelease", event).await.unwrap();
        let head = world.has_ended(R, Status::FailedDirty).await;
        let failure = head.failure.unwrap();
        let left = format!("test runs the new version, of which “{state}” has not passed");
        assert!(failure.cause.contains(&left), "{}", failure.cause);
        let (pipeline, environment) = ("shop".parse().unwrap(), "test".parse().unwrap());
        let (lock, _) = world.store.lock(&pipeline, &environment).await.unwrap();
        assert!(lock.holder.is_none());
        assert_eq!(lock.doubts[0].release.as_str(), R);
    }
}
