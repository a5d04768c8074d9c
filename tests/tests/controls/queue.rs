//! Whose turn it is: soak times, the queue, and who gives up.

use super::*;

#[tokio::test]
async fn who_waits_too_long_is_given_up_with_all_reasons() {
    let world = plain().await;
    let held = json!({ "order": "hold", "pipeline": "pl-gps-001", "environment": "production", "reason": "load test" });
    world.ordered("yuki", held.clone()).await;
    assert_eq!(world.order("yuki", held).await.0, 400, "held already");
    let now = world.clock.now();
    let long = json!({ "comes": "once", "from": now, "until": after(now, 3 * 86_400) });
    world
        .ordered("yuki", freeze(&world, json!({ "times": long })))
        .await;
    let mut run = Run::start(&world, "first", World::push());
    assert_eq!(drive(&world, &mut run).await, waits(PRODUCTION));
    assert_eq!(because(&world, "first").await.len(), 2);
    // It says at once that it cannot live to see the end of the freeze.
    let events = world.store.ledger(&id("first")).await.unwrap();
    let told = events.last().map(|event| words::fact(&event.fact));
    let told = told.unwrap();
    assert!(told.contains("It is given up 2026-"), "{told}");
    assert!(told.contains("before that is over"), "{told}");
    sweep(&world, 86_400).await;
    assert_eq!(drive(&world, &mut run).await, ended("failed-clean"));
    let cause = cause(&world, "first").await;
    assert!(
        cause.contains("yuki holds the environment: load test"),
        "{cause}"
    );
    assert!(cause.contains("freeze 2 of yuki"), "{cause}");
    world.has_ended("first", Status::FailedClean).await;
}

#[tokio::test]
async fn soaking_takes_its_time_and_only_what_ran_there_goes_on() {
    let world = world(|production| {
        production.soak = Some(Seconds(3_600));
        production.wait = Seconds(86_400);
    })
    .await;
    let mut run = Run::start(&world, "first", World::push());
    assert_eq!(drive(&world, &mut run).await, waits(PRODUCTION));
    let told = because(&world, "first").await;
    let [Obstacle::Soak { until, .. }] = told[..] else {
        panic!("{told:?}")
    };
    sweep(
        &world,
        until.as_second() - world.clock.now().as_second() - 1,
    )
    .await;
    assert_eq!(
        drive(&world, &mut run).await,
        waits(PRODUCTION),
        "a second too early"
    );
    sweep(&world, 1).await;
    assert_eq!(drive(&world, &mut run).await, ended("succeeded"));

    // What is replaced in staging before its time never comes to production.
    let mut second = Run::start(&world, "second", push("the second", 'b'));
    assert_eq!(drive(&world, &mut second).await, waits(PRODUCTION));
    let mut third = Run::start(&world, "third", push("the third", 'c'));
    assert_eq!(drive(&world, &mut third).await, waits(PRODUCTION));
    sweep(&world, 3_700).await;
    assert_eq!(drive(&world, &mut second).await, ended("failed-clean"));
    assert_eq!(
        world.head("second").await.failure.unwrap().error,
        "NotPromoted"
    );
    assert_eq!(drive(&world, &mut third).await, ended("succeeded"));
}

#[tokio::test]
async fn where_the_newest_wins_older_ones_that_wait_give_way() {
    let world = world(|production| production.queue = Queue::Newest).await;
    world.ordered("yuki", freeze(&world, json!({}))).await;
    let mut first = Run::start(&world, "first", World::push());
    assert_eq!(drive(&world, &mut first).await, waits(PRODUCTION));
    let mut second = Run::start(&world, "second", push("the second", 'b'));
    assert_eq!(drive(&world, &mut second).await, waits(PRODUCTION));
    assert_eq!(
        drive(&world, &mut first).await,
        ended("failed-clean"),
        "at once"
    );
    let failure = world.head("first").await.failure.unwrap();
    assert_eq!(failure.error, "Superseded", "{failure:?}");
    sweep(&world, 7_200).await;
    assert_eq!(drive(&world, &mut second).await, ended("succeeded"));
}

#[tokio::test]
async fn an_old_link_does_not_bring_production_back() {
    let world = plain().await;
    let mut first = Run::start(&world, "first", World::push());
    while first.go(&world).await != waits("Production Approval") {
        assert!(world.goes_on("first").await, "{:?}", first.path);
    }
    world.clock.pass(3_600);
    let mut second = Run::start(&world, "second", push("the second", 'b'));
    assert_eq!(drive(&world, &mut second).await, ended("succeeded"));
    let glass = json!({ "order": "break-glass", "release": "first", "environment": "production", "reason": "it is only late" });
    world.ordered("devan", glass).await;
    assert_eq!(drive(&world, &mut first).await, ended("failed-clean"));
    let failure = world.head("first").await.failure.unwrap();
    assert_eq!(failure.error, "Superseded", "{failure:?}");
    assert!(
        failure.cause.contains("runs pl-gps-001#2 already"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn in_order_the_first_comes_first() {
    let world = plain().await;
    world.ordered("yuki", freeze(&world, json!({}))).await;
    let mut first = Run::start(&world, "first", World::push());
    assert_eq!(drive(&world, &mut first).await, waits(PRODUCTION));
    world.clock.pass(1);
    let mut second = Run::start(&world, "second", push("the second", 'b'));
    assert_eq!(drive(&world, &mut second).await, waits(PRODUCTION));
    let told = because(&world, "second").await;
    assert!(
        matches!(&told[..], [Obstacle::Queue { behind }, Obstacle::Freeze { .. }] if behind.as_str() == "first"),
        "{told:?}"
    );
    sweep(&world, 7_200).await;
    // The second one's entry is looked at too, and waits for the first.
    assert_eq!(second.go(&world).await, waits(PRODUCTION));
    assert_eq!(drive(&world, &mut first).await, ended("succeeded"));
    assert_eq!(drive(&world, &mut second).await, ended("succeeded"));
}

#[tokio::test]
async fn a_release_that_nobody_waits_for_any_more_changes_nothing() {
    for (origin, said) in [
        (Origin::Over("Failed".to_owned()), "it is Failed"),
        (
            Origin::Unknown,
            "CodePipeline knows no action that started it",
        ),
    ] {
        let world = plain().await;
        let mut run = Run::start(&world, "first", World::push());
        world.registry.origin_is(origin);
        assert_eq!(drive(&world, &mut run).await, ended("failed-clean"));
        let failure = world.head("first").await.failure.unwrap();
        assert_eq!(failure.error, "Orphaned");
        assert!(failure.cause.contains(said), "{failure:?}");
        assert!(!run.path.contains(&"Deploy to Staging".to_owned()));
    }
}
