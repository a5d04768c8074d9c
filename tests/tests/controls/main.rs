//! What people order and what the calendar says: halts, holds, freezes, windows,
//! soak times, the queue, and the glass.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod freezes;
mod queue;

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
    let in_force = world.store.controls().await.unwrap().controls;
    assert_eq!(in_force.verify(&given), Ok(()));
}
