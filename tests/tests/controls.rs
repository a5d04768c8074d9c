//! What people order and what the calendar says: halts, holds, freezes, windows,
//! soak times, the queue, and the glass.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::Clock;
use gatewright_domain::after;
use gatewright_domain::decide::{Obstacle, Origin};
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::{Definition, Environment, Queue, Seconds, Window};
use gatewright_domain::release::Status;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::id;
use gatewright_tests::{Run, World};
use gatewright_views::words;
use serde_json::{Value, json};

const STAGING: &str = "Deploy to Staging: clear to deploy";
const PRODUCTION: &str = "Deploy to Production: clear to deploy";

/// The GPS pipeline, with `production`, its second environment, changed.
async fn world(change: impl FnOnce(&mut Environment)) -> World {
    let mut definition: Definition = gatewright_fakes::definition();
    change(&mut definition.environments[1]);
    definition.budget = Seconds(30 * 86_400);
    World::of(definition).await
}

async fn plain() -> World {
    world(|_| {}).await
}

/// Lets everything go well until the release waits for what nothing resolves, or
/// has ended.
async fn drive(world: &World, run: &mut Run) -> Stand {
    for _ in 0..60 {
        let stand = run.go(world).await;
        if matches!(stand, Stand::Ended(_)) || !world.goes_on(&run.name).await {
            return stand;
        }
    }
    panic!("{} goes on for ever: {:?}", run.name, run.path)
}

fn waits(state: &str) -> Stand {
    Stand::Waits(state.to_owned())
}

fn ended(state: &str) -> Stand {
    Stand::Ended(state.to_owned())
}

fn push(message: &str, commit: char) -> Value {
    let mut input = World::push();
    input["message"] = json!(message);
    input["commit"] = json!(commit.to_string().repeat(40));
    input
}

/// What the release was last said to wait for.
async fn because(world: &World, release: &str) -> Vec<Obstacle> {
    let events = world.store.ledger(&id(release)).await.unwrap();
    let told = events.into_iter().rev().find_map(|event| match event.fact {
        Fact::DeployDelayed { because, .. } => Some(because),
        _ => None,
    });
    told.unwrap_or_default()
}

/// A minute passes and the sweep looks.
async fn sweep(world: &World, seconds: i64) {
    world.clock.pass(seconds);
    world.call("Sweep", json!({})).await.unwrap();
}

async fn cause(world: &World, release: &str) -> String {
    world.head(release).await.failure.unwrap().cause
}

fn freeze(world: &World, more: Value) -> Value {
    let now = world.clock.now();
    let mut order = json!({
        "order": "freeze", "environment": "production", "reason": "sale",
        "times": { "comes": "once", "from": now, "until": after(now, 7_200) },
    });
    for (key, value) in more.as_object().unwrap() {
        order[key] = value.clone();
    }
    order
}

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
async fn who_waits_too_long_is_given_up_with_all_reasons() {
    let world = plain().await;
    let held = json!({ "order": "hold", "pipeline": "pl-gps-001", "environment": "production", "reason": "load test" });
    world.ordered("yuki", held.clone()).await;
    assert_eq!(world.order("yuki", held).await.0, 400, "held already");
    let forever = json!({ "comes": "weekly", "from_day": "mon", "from": "00:00", "until_day": "mon", "until": "00:00", "time_zone": "UTC" });
    world
        .ordered("yuki", freeze(&world, json!({ "times": forever })))
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
async fn a_hold_keeps_the_next_one_out_and_not_who_is_in() {
    let world = plain().await;
    let mut first = Run::start(&world, "first", World::push());
    while first
        .path
        .last()
        .is_none_or(|state| state != "Deploy to Production")
    {
        first.go(&world).await;
        if first
            .path
            .last()
            .is_none_or(|state| state != "Deploy to Production")
        {
            assert!(world.goes_on("first").await, "{:?}", first.path);
        }
    }
    let place = json!({ "pipeline": "pl-gps-001", "environment": "production", "reason": "audit" });
    let order = |word: &str| {
        let mut order = place.clone();
        order["order"] = json!(word);
        order
    };
    world.ordered("yuki", order("hold")).await;
    assert_eq!(drive(&world, &mut first).await, ended("succeeded"));
    let mut second = Run::start(&world, "second", push("the second", 'b'));
    assert_eq!(drive(&world, &mut second).await, waits(PRODUCTION));
    assert_eq!(world.order("yuki", order("unhold")).await.0, 403);
    world.ordered("priya", order("unhold")).await;
    assert_eq!(
        drive(&world, &mut second).await,
        ended("succeeded"),
        "handed on at once"
    );
}

#[tokio::test]
async fn a_halt_stops_before_the_next_step_and_admits_nothing_new() {
    for of in [
        json!("all"),
        json!({ "pipeline": "pl-gps-001" }),
        json!({ "release": "first" }),
    ] {
        let world = plain().await;
        let mut run = Run::start(&world, "first", World::push());
        run.go(&world).await;
        assert!(world.goes_on("first").await);
        let halt = json!({ "order": "halt", "of": of, "reason": "incident" });
        world.ordered("yuki", halt.clone()).await;
        assert_eq!(world.order("yuki", halt).await.0, 400, "halted already");
        assert_eq!(drive(&world, &mut run).await, ended("failed-clean"));
        let head = world.has_ended("first", Status::FailedClean).await;
        let failure = head.failure.unwrap();
        assert_eq!(failure.error, "Halted");
        assert!(failure.cause.contains("incident"), "{failure:?}");
        // The first build had run; nothing after it was begun.
        assert_eq!(world.builds.ids().len(), 1);
        let mut second = Run::start(&world, "second", push("the second", 'b'));
        let stand = drive(&world, &mut second).await;
        if of["release"].is_null() {
            assert_eq!(stand, ended("failed-clean"));
            let resume = json!({ "order": "resume", "of": of, "reason": "over" });
            if of != json!("all") {
                assert_eq!(world.order("yuki", resume.clone()).await.0, 403);
            }
            world.ordered("devan", resume).await;
            let mut third = Run::start(&world, "third", push("the third", 'c'));
            assert_eq!(drive(&world, &mut third).await, ended("succeeded"));
        } else {
            assert_eq!(stand, ended("succeeded"));
        }
    }
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

#[tokio::test]
async fn a_dirty_end_keeps_the_environment_until_somebody_has_looked() {
    let world = plain().await;
    let mut first = Run::start(&world, "first", World::push());
    loop {
        first.go(&world).await;
        if first
            .path
            .last()
            .is_some_and(|state| state == "Deploy to Staging")
        {
            break;
        }
        assert!(world.goes_on("first").await);
    }
    let build = world.running_build().await.unwrap();
    world.builds.end(
        &build,
        gatewright_domain::evidence::BuildStatus::Failed,
        &[],
    );
    world.build_event(&build).await.unwrap();
    assert_eq!(drive(&world, &mut first).await, ended("failed-dirty"));
    world.has_ended("first", Status::FailedDirty).await;
    let mut second = Run::start(&world, "second", push("the second", 'b'));
    assert_eq!(drive(&world, &mut second).await, waits(STAGING));
    let told = because(&world, "second").await;
    assert!(matches!(&told[..], [Obstacle::Doubt { .. }]), "{told:?}");
    // A person who holds it as well takes nothing over: giving that back does not
    // say what runs.
    let hold = json!({ "order": "hold", "pipeline": "pl-gps-001", "environment": "staging", "reason": "I look" });
    world.ordered("priya", hold).await;
    let unhold = json!({ "order": "unhold", "pipeline": "pl-gps-001", "environment": "staging", "reason": "seen" });
    world.ordered("devan", unhold).await;
    assert_eq!(drive(&world, &mut second).await, waits(STAGING));
    let told = because(&world, "second").await;
    assert!(matches!(&told[..], [Obstacle::Doubt { .. }]), "{told:?}");
    let unhold = json!({ "order": "unhold", "pipeline": "pl-gps-001", "environment": "staging", "runs": "nothing", "reason": "looked" });
    world.ordered("devan", unhold.clone()).await;
    assert_eq!(drive(&world, &mut second).await, ended("succeeded"));
    assert_eq!(world.order("devan", unhold).await.0, 400, "nobody holds it");
}

#[tokio::test]
async fn orders_are_a_ledger_that_can_be_verified() {
    let world = plain().await;
    world.ordered("yuki", freeze(&world, json!({}))).await;
    world
        .ordered(
            "yuki",
            json!({ "order": "halt", "of": "all", "reason": "x" }),
        )
        .await;
    world
        .ordered(
            "devan",
            json!({ "order": "resume", "of": "all", "reason": "y" }),
        )
        .await;
    for (wrong, what) in [
        (
            json!({ "order": "halt", "of": "all", "reason": " " }),
            "say why",
        ),
        (
            json!({ "order": "hold", "pipeline": "pl-gps-001", "environment": "prod", "reason": "x" }),
            "it has staging, production",
        ),
        (
            json!({ "order": "halt", "of": { "release": "none" }, "reason": "x" }),
            "there is no release",
        ),
        (
            json!({ "order": "halt", "of": { "pipeline": "pl-gps-002" }, "reason": "x" }),
            "there is no pipeline pl-gps-002",
        ),
        (
            freeze(
                &world,
                json!({ "pipeline": "production", "environment": null }),
            ),
            "there is no pipeline production",
        ),
        (
            freeze(
                &world,
                json!({ "pipeline": "pl-gps-001", "environment": "prodution" }),
            ),
            "did you mean \"production\"?",
        ),
        (
            json!({ "order": "thaw", "freeze": 9, "reason": "x" }),
            "there is no freeze 9",
        ),
        (json!({ "order": "stop", "reason": "x" }), "unknown variant"),
    ] {
        let (status, said) = world.order("devan", wrong).await;
        assert_eq!(status, 400, "{said}");
        assert!(said["message"].as_str().unwrap().contains(what), "{said}");
    }
    let mut given = world.store.orders(None).await.unwrap();
    given.reverse();
    assert_eq!(given.len(), 3, "what was refused was not given");
    assert_eq!(gatewright_domain::order::verify(&given), Ok(()));
}
