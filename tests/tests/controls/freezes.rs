//! Freezes, windows and the glass.

use super::*;

#[tokio::test]
async fn a_freeze_is_waited_for_and_says_why_and_until_when() {
    let world = plain().await;
    world.ordered("devan", freeze(&world, json!({}))).await;
    let mut run = Run::start(&world, "first", World::push());
    assert_eq!(drive(&world, &mut run).await, waits(PRODUCTION));
    let told = because(&world, "first").await;
    assert!(
        matches!(&told[..], [Obstacle::Freeze { freeze: 1, reason, .. }] if reason == "sale"),
        "{told:?}"
    );
    sweep(&world, 3_600).await;
    assert_eq!(drive(&world, &mut run).await, waits(PRODUCTION));
    let facts = world.facts("first").await;
    let delayed = facts
        .iter()
        .filter(|fact| *fact == "deploy-delayed")
        .count();
    assert_eq!(delayed, 1, "the same reason is told once");
    sweep(&world, 3_600).await;
    assert_eq!(drive(&world, &mut run).await, ended("succeeded"));
    world.has_ended("first", Status::Succeeded).await;
}

#[tokio::test]
async fn a_thaw_lets_go_at_once_who_may_order_it() {
    let world = plain().await;
    world
        .ordered("yuki", freeze(&world, json!({ "pipeline": "pl-gps-001" })))
        .await;
    let mut run = Run::start(&world, "first", World::push());
    assert_eq!(drive(&world, &mut run).await, waits(PRODUCTION));
    let thaw = json!({ "order": "thaw", "freeze": 1, "reason": "over" });
    let (status, said) = world.order("yuki", thaw.clone()).await;
    assert_eq!(status, 403, "{said}");
    assert!(
        said["message"]
            .as_str()
            .unwrap()
            .contains("may not order this"),
        "{said}"
    );
    let (status, said) = world.order("stranger", thaw.clone()).await;
    assert_eq!(status, 400, "{said}");
    world.ordered("devan", thaw).await;
    sweep(&world, 300).await;
    assert_eq!(drive(&world, &mut run).await, ended("succeeded"));
}

#[tokio::test]
async fn a_window_is_waited_for_and_the_glass_can_be_broken() {
    let world = world(|production| {
        // The world's clock stands on a Monday in September 2026.
        production.windows = vec![Window {
            days: vec!["sat".to_owned()],
            from: "22:00".to_owned(),
            to: "02:00".to_owned(),
            time_zone: "Asia/Kolkata".to_owned(),
            rollbacks: false,
        }];
        production.wait = Seconds(8 * 86_400);
    })
    .await;
    let mut run = Run::start(&world, "first", World::push());
    assert_eq!(drive(&world, &mut run).await, waits(PRODUCTION));
    let told = because(&world, "first").await;
    let [Obstacle::Window { opens }] = told[..] else {
        panic!("{told:?}")
    };
    assert!(opens > world.clock.now());
    let glass = json!({ "order": "break-glass", "release": "first", "reason": "outage INC-77" });
    assert_eq!(world.order("yuki", glass.clone()).await.0, 403);
    world.ordered("devan", glass.clone()).await;
    assert_eq!(drive(&world, &mut run).await, ended("succeeded"));
    let events = world.store.ledger(&id("first")).await.unwrap();
    let cleared = events.iter().any(|event| {
        matches!(&event.fact, Fact::DeployCleared { passed, .. } if passed == &[Obstacle::Window { opens }])
    });
    assert!(cleared, "the record says what was passed");
    assert!(
        world
            .facts("first")
            .await
            .contains(&"glass-broken".to_owned())
    );
    let (status, _) = world.order("devan", glass).await;
    assert_eq!(status, 400, "a release that has ended passes nothing");

    // Without the glass it waits for the window, and then goes on by itself.
    let mut second = Run::start(&world, "second", push("the second", 'b'));
    assert_eq!(drive(&world, &mut second).await, waits(PRODUCTION));
    let wait = opens.as_second() - world.clock.now().as_second();
    sweep(&world, wait).await;
    assert_eq!(drive(&world, &mut second).await, ended("succeeded"));
}

#[tokio::test]
async fn glass_that_was_broken_for_staging_lets_nothing_into_production() {
    let world = plain().await;
    let frozen = freeze(
        &world,
        json!({ "environment": null, "pipeline": "pl-gps-001" }),
    );
    world.ordered("yuki", frozen).await;
    let mut run = Run::start(&world, "first", World::push());
    let glass = |more: Value| {
        let mut order = json!({ "order": "break-glass", "release": "first", "reason": "INC-77" });
        order["environment"] = more;
        order
    };
    run.go(&world).await;
    let (status, said) = world.order("devan", glass(Value::Null)).await;
    let said = said["message"].as_str().unwrap().to_owned();
    assert_eq!(status, 400, "{said}");
    assert!(said.contains("it has staging, production"), "{said}");
    assert_eq!(drive(&world, &mut run).await, waits(STAGING));
    // Nobody approves staging; that does not make it anybody's.
    assert_eq!(world.order("yuki", glass(Value::Null)).await.0, 403);
    assert_eq!(world.order("devan", glass(json!("prod"))).await.0, 400);
    let given = world.ordered("devan", glass(Value::Null)).await;
    assert_eq!(given["order"], "broke the glass of staging for first");
    assert_eq!(
        world.order("devan", glass(json!("staging"))).await.0,
        400,
        "broken already"
    );
    assert_eq!(drive(&world, &mut run).await, waits(PRODUCTION));
    let told = because(&world, "first").await;
    assert!(matches!(&told[..], [Obstacle::Freeze { .. }]), "{told:?}");
    world.ordered("devan", glass(json!("production"))).await;
    assert_eq!(drive(&world, &mut run).await, ended("succeeded"));
}

#[tokio::test]
async fn the_glass_passes_no_environment_that_it_never_ran_in() {
    let world = world(|production| production.soak = Some(Seconds(3_600))).await;
    let mut first = Run::start(&world, "first", World::push());
    while first.go(&world).await != waits("Production Approval") {
        assert!(world.goes_on("first").await, "{:?}", first.path);
    }
    // It is replaced in staging before its time.
    let mut second = Run::start(&world, "second", push("the second", 'b'));
    while second.go(&world).await != waits("Production Approval") {
        assert!(world.goes_on("second").await, "{:?}", second.path);
    }
    let glass = json!({ "order": "break-glass", "release": "first", "environment": "production", "reason": "INC-77" });
    world.ordered("devan", glass).await;
    assert_eq!(drive(&world, &mut first).await, ended("failed-clean"));
    let failure = world.head("first").await.failure.unwrap();
    assert_eq!(failure.error, "NotPromoted", "{failure:?}");
}

#[tokio::test]
async fn a_freeze_that_stops_running_deploys_undoes_a_half_shifted_canary() {
    for (running, end) in [("stop", "failed-clean"), ("finish", "succeeded")] {
        let definition = gatewright_tests::definitions()
            .into_iter()
            .find(|d| d.id.as_str() == "smart-dairy")
            .unwrap();
        let tag = definition
            .triggers
            .iter()
            .find(|t| t.event.kind() == "tag")
            .unwrap()
            .clone();
        let world = World::of(definition.clone()).await;
        let input = |digit: char| {
            gatewright_tests::happily::input_for(&definition, &tag, &digit.to_string().repeat(40))
        };
        let mut first = Run::start(&world, "first", input('a'));
        assert_eq!(drive(&world, &mut first).await, ended("succeeded"));
        let mut second = Run::start(&world, "second", input('b'));
        let shift = "Deploy to Production: 5 %";
        for _ in 0..60 {
            second.go(&world).await;
            if second.path.last().is_some_and(|state| state == shift) {
                break;
            }
            assert!(world.goes_on("second").await, "{:?}", second.path);
        }
        let more = json!({ "running": running, "pipeline": "smart-dairy" });
        world.ordered("yuki", freeze(&world, more)).await;
        assert_eq!(drive(&world, &mut second).await, ended(end), "{running}");
        let back = second
            .path
            .contains(&"Deploy to Production: roll back".to_owned());
        assert_eq!(back, running == "stop", "{:?}", second.path);
        if running == "stop" {
            let failure = world.head("second").await.failure.unwrap();
            assert_eq!(failure.error, "Frozen", "{failure:?}");
        }
    }
}
