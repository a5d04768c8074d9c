//! Every release ends, also when what it waits for can never be judged.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::error::Kind;
use gatewright_domain::evidence::{BuildStatus, Percent};
use gatewright_domain::release::Status;
use gatewright_tests::machine::Stand;
use gatewright_tests::{Run, World};
use serde_json::json;

const PACKAGE: &str = "Package & Scan Artifact";

/// A release whose package has been built, and whose registry refuses to be read
/// from then on.
async fn unreadable() -> (World, Run) {
    let world = World::new().await;
    let mut run = Run::start(&world, "first", World::push());
    while run.go(&world).await != Stand::Waits(PACKAGE.to_owned()) {
        assert!(world.goes_on("first").await, "{:?}", run.path);
    }
    world.registry.refuse_to_tell(Some(Kind::Denied));
    let build = world
        .build_ends(BuildStatus::Succeeded, Percent(10_000))
        .await;
    world.build_event(&build).await.unwrap_err();
    (world, run)
}

#[tokio::test]
async fn a_build_that_can_never_be_judged_is_given_up_at_its_deadline() {
    let (world, mut run) = unreadable().await;
    world.clock.pass(60);
    world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(run.go(&world).await, Stand::Waits(PACKAGE.to_owned()));
    world.clock.pass(24 * 3_600);
    world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Ended("failed-clean".to_owned())
    );
    let failure = world.has_ended("first", Status::FailedClean).await.failure;
    let cause = failure.unwrap().cause;
    assert!(cause.contains("could not be judged"), "{cause}");
}

#[tokio::test]
async fn an_execution_that_is_stopped_ends_though_its_build_cannot_be_judged() {
    let (world, _run) = unreadable().await;
    let event = world.stopped("first").await;
    world.call("FinishRelease", event).await.unwrap();
    world.has_ended("first", Status::FailedClean).await;
}
