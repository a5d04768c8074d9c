//! Builds whose events are late, lost or foreign, and what CodeBuild refuses.

use super::*;

#[tokio::test]
async fn repeated_reordered_and_foreign_build_events_change_nothing() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    run.go(&world).await;
    let build = world.running_build().await.unwrap();
    world.build_event(&build).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Static Analysis & Code Quality".to_owned()),
        "it still runs"
    );
    let forged = [
        ("GATEWRIGHT_RELEASE", R),
        ("GATEWRIGHT_STAGE_INDEX", "0"),
        ("GATEWRIGHT_ATTEMPT", "1"),
    ];
    world
        .builds
        .foreign("gatewright-build:forged", &forged, BuildStatus::Succeeded);
    world.build_event("gatewright-build:forged").await.unwrap();
    world.build_event("gatewright-build:unknown").await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Static Analysis & Code Quality".to_owned()),
        "somebody else's build"
    );
    world.build_succeeds().await;
    for _ in 0..3 {
        world.build_event(&build).await.unwrap();
    }
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Unit Test & Coverage".to_owned())
    );
    world.build_event(&build).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Unit Test & Coverage".to_owned()),
        "an old event"
    );
    let facts = world.facts(R).await;
    assert_eq!(
        facts.iter().filter(|f| *f == "build-judged").count(),
        1,
        "{facts:?}"
    );
}

#[tokio::test]
async fn a_build_whose_event_is_lost_is_found_by_the_sweep() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    run.go(&world).await;
    world.build_succeeds().await;
    world.clock.pass(11 * 60 + 1);
    world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Unit Test & Coverage".to_owned())
    );
}

#[tokio::test]
async fn a_build_that_never_reports_is_given_up_with_its_own_name() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    run.go(&world).await;
    let build = world.running_build().await.unwrap();
    world.clock.pass(3_600);
    world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Ended("failed-clean".to_owned())
    );
    assert_eq!(world.builds.status(&build), Some(BuildStatus::Stopped));
    assert_eq!(
        world
            .has_ended(R, Status::FailedClean)
            .await
            .failure
            .unwrap()
            .error,
        "BuildLost"
    );
}

#[tokio::test]
async fn what_codebuild_refuses_for_good_fails_the_stage_and_what_it_throttles_is_retried() {
    let world = World::new().await;
    world.builds.refuse(Some((
        Kind::Denied,
        "not authorized to perform codebuild:StartBuild",
    )));
    let (_, end) = released(&world, World::push()).await;
    assert_eq!(end, "failed-clean");
    let failure = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap();
    assert_eq!(failure.error, "AccessDenied");
    assert!(
        failure.cause.contains("codebuild:StartBuild"),
        "{}",
        failure.cause
    );

    let world = World::new().await;
    world.builds.refuse(Some((Kind::Transient, "throttled")));
    let (run, end) = released(&world, World::push()).await;
    assert_eq!(end, "failed-clean", "{:?}", run.path);
    assert_eq!(
        world
            .has_ended(R, Status::FailedClean)
            .await
            .failure
            .unwrap()
            .error,
        "Transient"
    );
}
