//! Two releases and one environment: one changes it, the other waits in line.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_domain::release::Status;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::{COMMIT, id};
use gatewright_tests::{Run, World};
use serde_json::{Value, json};

/// Lets the release's build or scan succeed, whatever state it waits in.
async fn proceed(world: &World, state: &str) {
    if state.ends_with(": scan") {
        world.scan_settles(&[]);
        world.scan_event().await.unwrap();
    } else {
        let build = world.build_succeeds().await;
        world.build_event(&build).await.unwrap();
    }
}

/// Drives a release until it waits in `until`.
async fn until(world: &World, run: &mut Run, until: &str) {
    for _ in 0..30 {
        match run.go(world).await {
            Stand::Waits(state) if state == until => return,
            Stand::Waits(state) => proceed(world, &state).await,
            Stand::Ended(end) => panic!(
                "{} ended {end}: {:?}",
                run.name,
                world.head(&run.name).await.failure
            ),
        }
    }
    panic!("{} never waits in {until}: {:?}", run.name, run.path);
}

async fn holder(world: &World) -> Value {
    let lock = world
        .store
        .lock(&"pl-gps-001".parse().unwrap(), &"staging".parse().unwrap())
        .await
        .unwrap()
        .0;
    json!(lock.holder.map(|h| h.release))
}

const CLEAR: &str = "Deploy to Staging: clear to deploy";

/// One release in staging's Integration Test, one that waits for staging.
async fn two() -> (World, Run, Run) {
    let world = World::new().await;
    let mut first = Run::start(&world, "first", World::push());
    until(&world, &mut first, "Integration Test").await;
    let mut input = World::push();
    input["message"] = json!("the second");
    let mut second = Run::start(&world, "second", input);
    // The first one's build still runs; the second's own are driven one by one.
    let hold = world.running_build().await.unwrap();
    for _ in 0..8 {
        match second.go(&world).await {
            Stand::Waits(state) if state == CLEAR => break,
            Stand::Waits(state) if state.ends_with(": scan") => proceed(&world, &state).await,
            Stand::Waits(_) => {
                let mine = world.builds.ids().into_iter().find(|b| {
                    b != &hold
                        && world.builds.status(b)
                            == Some(gatewright_domain::evidence::BuildStatus::InProgress)
                });
                world.end_green(&mine.unwrap());
                let ended = world.builds.ids();
                for build in ended.iter().filter(|b| **b != hold) {
                    world.build_event(build).await.unwrap();
                }
            }
            Stand::Ended(end) => panic!("{end}"),
        }
    }
    assert_eq!(second.go(&world).await, Stand::Waits(CLEAR.to_owned()));
    assert_eq!(holder(&world).await, json!("first"));
    (world, first, second)
}

#[tokio::test]
async fn the_second_waits_and_goes_on_when_the_first_is_done_there() {
    let (world, mut first, mut second) = two().await;
    assert!(
        world
            .facts("second")
            .await
            .contains(&"deploy-delayed".to_owned())
    );
    proceed(&world, "Integration Test").await;
    assert_eq!(
        first.go(&world).await,
        Stand::Waits("Production Approval".to_owned())
    );
    assert_eq!(holder(&world).await, json!("second"));
    assert_eq!(
        second.go(&world).await,
        Stand::Waits("Deploy to Staging".to_owned())
    );
    let lock = world
        .store
        .lock(&"pl-gps-001".parse().unwrap(), &"staging".parse().unwrap())
        .await
        .unwrap()
        .0;
    assert_eq!(lock.fencing, 2);
}

#[tokio::test]
async fn a_first_that_fails_hands_its_environment_on() {
    let (world, mut first, mut second) = two().await;
    let build = world
        .build_ends(
            gatewright_domain::evidence::BuildStatus::Failed,
            gatewright_domain::evidence::Percent(0),
        )
        .await;
    world.build_event(&build).await.unwrap();
    assert_eq!(
        first.go(&world).await,
        Stand::Ended("failed-clean".to_owned())
    );
    world.has_ended("first", Status::FailedClean).await;
    assert_eq!(
        second.go(&world).await,
        Stand::Waits("Deploy to Staging".to_owned())
    );
}

#[tokio::test]
async fn a_holder_whose_execution_vanished_is_found_by_the_sweep() {
    let (world, _first, mut second) = two().await;
    world.executions.end(&world.head("first").await.execution);
    world.clock.pass(3 * 3_600);
    // Its overdue build is given up first, then it ends and its lock goes on.
    for _ in 0..3 {
        world.call("Sweep", json!({})).await.unwrap();
        world.clock.pass(60);
    }
    assert_eq!(holder(&world).await, json!("second"));
    world.deliver().await.unwrap();
    world.has_ended("first", Status::FailedClean).await;
    assert_eq!(
        second.go(&world).await,
        Stand::Waits("Deploy to Staging".to_owned())
    );
}

#[tokio::test]
async fn a_dead_holder_ends_as_its_event_would_have_ended_it() {
    let world = World::new().await;
    let mut run = Run::start(&world, "first", World::push());
    until(&world, &mut run, "Deploy to Staging").await;
    // The lease runs out before the deploy's own time does.
    let (pipeline, staging) = ("pl-gps-001".parse().unwrap(), "staging".parse().unwrap());
    let (lock, rev) = world.store.lock(&pipeline, &staging).await.unwrap();
    let short = lock
        .taken(&id("first"), gatewright_aws::Clock::now(&world.clock), 1)
        .unwrap();
    let write =
        gatewright_aws::Store::<gatewright_fakes::MemoryTable>::lock_write(&short, rev).unwrap();
    gatewright_aws::table::Table::write(world.store.table(), vec![write])
        .await
        .unwrap();
    world.executions.end(&world.head("first").await.execution);
    world.clock.pass(60);
    world.call("Sweep", json!({})).await.unwrap();
    let head = world.has_ended("first", Status::FailedDirty).await;
    assert_eq!(head.failure.unwrap().error, "Stopped");
    assert_eq!(world.running_build().await, None, "its deploy goes on");
    let (lock, _) = world.store.lock(&pipeline, &staging).await.unwrap();
    assert!(lock.holder.is_none() && !lock.doubts.is_empty(), "{lock:?}");
}

#[tokio::test]
async fn a_release_that_died_unnoticed_ends_within_two_hours_though_it_holds_nothing() {
    let world = World::new().await;
    let mut run = Run::start(&world, "first", World::push());
    until(&world, &mut run, "Production Approval").await;
    let alive = world.head("first").await;
    world.clock.pass(2 * 3_600);
    world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(world.head("first").await, alive, "it is asked for still");

    world.executions.end(&alive.execution);
    world.clock.pass(2 * 3_600);
    world.call("Sweep", json!({})).await.unwrap();
    let head = world.has_ended("first", Status::FailedClean).await;
    assert_eq!(head.failure.unwrap().error, "Stopped");
    assert!(
        world
            .facts("first")
            .await
            .contains(&"approval-closed".to_owned())
    );
    // What has ended is never looked at again.
    world.clock.pass(24 * 3_600);
    let swept = world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(swept, json!({ "due": 0, "failed": 0, "left": 0 }));
}

#[tokio::test]
async fn a_deploy_that_is_under_way_is_stopped_before_its_lock_is_given_up() {
    let world = World::new().await;
    let mut run = Run::start(&world, "first", World::push());
    until(&world, &mut run, "Deploy to Staging").await;
    let event = world.stopped("first").await;
    world.store.table().crash_before(0);
    world
        .call("FinishRelease", event.clone())
        .await
        .unwrap_err();
    assert_eq!(holder(&world).await, json!("first"));
    assert_eq!(world.running_build().await, None, "its deploy goes on");
    world.call("FinishRelease", event).await.unwrap();
    world.deliver().await.unwrap();
    world.has_ended("first", Status::FailedDirty).await;
    assert_eq!(holder(&world).await, Value::Null);
}

#[tokio::test]
async fn an_execution_of_another_machine_under_the_same_name_ends_nobody() {
    let world = World::new().await;
    let mut run = Run::start(&world, "first", World::push());
    until(&world, &mut run, "Deploy to Staging").await;
    let mut event = world.stopped("first").await;
    event["detail"]["status"] = json!("FAILED");
    event["detail"]["executionArn"] =
        json!("arn:aws:states:ap-south-1:123456789012:execution:pl-odoo-001:first");
    let seen = world.call("FinishRelease", event).await.unwrap();
    assert_eq!(seen, json!({ "ignored": true }));
    assert!(
        world.running_build().await.is_some(),
        "its deploy was stopped"
    );
    assert_eq!(world.head("first").await.status, Status::Running);
}

#[tokio::test]
async fn a_deploy_that_lost_its_lock_cannot_record_success() {
    let world = World::new().await;
    let mut run = Run::start(&world, "first", World::push());
    until(&world, &mut run, "Deploy to Staging").await;
    let (lock, rev) = world
        .store
        .lock(&"pl-gps-001".parse().unwrap(), &"staging".parse().unwrap())
        .await
        .unwrap();
    let stolen = lock
        .released(&id("first"))
        .unwrap()
        .taken(&id("thief"), gatewright_aws::Clock::now(&world.clock), 60)
        .unwrap();
    let write =
        gatewright_aws::Store::<gatewright_fakes::MemoryTable>::lock_write(&stolen, rev).unwrap();
    gatewright_aws::table::Table::write(world.store.table(), vec![write])
        .await
        .unwrap();
    proceed(&world, "Deploy to Staging").await;
    assert_eq!(
        run.go(&world).await,
        Stand::Ended("failed-dirty".to_owned())
    );
    assert_eq!(world.head("first").await.failure.unwrap().error, "LockLost");
    let current = world
        .store
        .current(&"pl-gps-001".parse().unwrap(), &"staging".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(current, None, "{COMMIT} was recorded as running");
}
