//! What changes an environment without deploying, and what works beside others in
//! it: cleared, locked and answered for like a deploy.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::{Clock, Kind};
use gatewright_domain::after;
use gatewright_domain::evidence::BuildStatus;
use gatewright_domain::lock::Lock;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::Status;
use gatewright_domain::undo::Outcome;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::{built, id};
use gatewright_tests::{Run, World, read};
use serde_json::{Value, json};

const CLEAR: &str = "Migrate: clear to deploy";
const MIGRATES: &str = r"
  - name: Ask
    environment: production
    approval: { quorum: [{ group: project-lead }] }
  - { name: Migrate, environment: production, migration: forward-only, steps: [./migrate.sh] }
  - { name: Ship, deploy: { artifact: image, environment: production }, steps: [./ship.sh] }
";
const SIDE_BY_SIDE: &str = r"
  - name: Ask
    environment: production
    approval: { quorum: [{ group: project-lead }] }
  - { name: Ship, deploy: { artifact: image, environment: production }, steps: [./ship.sh] }
  - name: Tests
    parallel:
      - { name: Slow, environment: production, steps: [./slow.sh] }
      - { name: Quick, environment: production, steps: [./quick.sh] }
";

/// A shop whose production is changed by these stages.
fn shop(production: &str, stages: &str) -> Definition {
    let text = format!(
        r"language: 1
id: shop
name: Shop
region: eu-central-1
source: {{ repository: https://github.com/example/shop }}
on:
  push: {{ branches: [main], deploy: [production] }}
  tag: {{ patterns: ['try-*'], deploy: [staging] }}
artifacts: {{ image: {{ type: image, repository: shop }} }}
environments:
  staging: {{ verify: none }}
  production: {{ verify: none, {production} }}
stages:
  - {{ name: Package, steps: [docker build .], produces: image }}
  - {{ name: Try, deploy: {{ artifact: image, environment: staging }}, steps: [./ship.sh] }}
  {stages}"
    );
    read(&text)
}

async fn world(production: &str, stages: &str) -> World {
    World::of(shop(production, stages)).await
}

fn push(commit: char) -> Value {
    json!({
        "pipeline": "shop", "ref": "refs/heads/main", "commit": commit.to_string().repeat(40),
        "author": "sam@example.com", "message": "Sell more",
    })
}

/// Drives a release until it waits in `state`, or ends so.
async fn until(world: &World, run: &mut Run, state: &str) {
    for _ in 0..40 {
        match run.go(world).await {
            Stand::Waits(at) | Stand::Ended(at) if at == state => return,
            Stand::Waits(at) => assert!(world.goes_on(&run.name).await, "{} in {at}", run.name),
            Stand::Ended(end) => {
                let failure = world.head(&run.name).await.failure;
                panic!("{} ended {end}: {failure:?}", run.name)
            }
        }
    }
    panic!("{} never comes to {state}: {:?}", run.name, run.path);
}

async fn lock(world: &World) -> Lock {
    let (pipeline, place) = ("shop".parse().unwrap(), "production".parse().unwrap());
    world.store.lock(&pipeline, &place).await.unwrap().0
}

async fn holder(world: &World) -> Option<String> {
    lock(world).await.holder.map(|h| h.release.to_string())
}

/// The build of this stage that runs now.
fn running(world: &World, stage: &str) -> String {
    let runs = |build: &&String| {
        let is_it = world
            .stage_of(build)
            .is_some_and(|s| s.name.as_str() == stage);
        is_it && world.builds.status(build) == Some(BuildStatus::InProgress)
    };
    world.builds.ids().iter().find(runs).cloned().unwrap()
}

async fn ends(world: &World, stage: &str, status: BuildStatus) {
    let build = running(world, stage);
    match status {
        BuildStatus::Succeeded => world.end_green(&build),
        _ => world.builds.end(&build, status, &[]),
    }
    world.build_event(&build).await.unwrap();
}

async fn migrations(world: &World) -> Vec<Outcome> {
    let (pipeline, place) = ("shop".parse().unwrap(), "production".parse().unwrap());
    let ways = world.store.ways_back(&pipeline, &place).await.unwrap();
    ways.migrations.into_iter().map(|m| m.outcome).collect()
}

#[tokio::test]
async fn nothing_is_migrated_during_a_freeze_nor_beside_another_release() {
    let world = world("queue: in-order", MIGRATES).await;
    let now = world.clock.now();
    let freeze = json!({
        "order": "freeze", "environment": "production", "reason": "sale",
        "times": { "comes": "once", "from": now, "until": after(now, 7_200) },
    });
    world.ordered("devan", freeze).await;
    let mut first = Run::start(&world, "first", push('1'));
    until(&world, &mut first, CLEAR).await;
    assert_eq!(
        (holder(&world).await, migrations(&world).await),
        (None, vec![])
    );
    world.clock.pass(7_200);
    world.call("Sweep", json!({})).await.unwrap();
    until(&world, &mut first, "Migrate").await;
    assert_eq!(holder(&world).await.as_deref(), Some("first"));
    // Another one waits for it, until the deploy is over too.
    let mut second = Run::start(&world, "second", push('2'));
    while second.go(&world).await != Stand::Waits(CLEAR.to_owned()) {
        match second.path.iter().any(|state| state == "Ask") {
            false => ends(&world, "Package", BuildStatus::Succeeded).await,
            true => assert!(world.everybody_approves("second").await),
        }
    }
    ends(&world, "Migrate", BuildStatus::Succeeded).await;
    until(&world, &mut first, "Ship").await;
    assert_eq!(holder(&world).await.as_deref(), Some("first"));
    assert!(first.path.contains(&"Ship: clear to deploy".to_owned()));
    ends(&world, "Ship", BuildStatus::Succeeded).await;
    until(&world, &mut first, "succeeded").await;
    assert_eq!(holder(&world).await.as_deref(), Some("second"));
    until(&world, &mut second, "succeeded").await;
    assert_eq!(holder(&world).await, None);
    assert_eq!(migrations(&world).await, [Outcome::Passed, Outcome::Passed]);
}

#[tokio::test]
async fn nothing_is_migrated_for_what_may_not_be_deployed() {
    // What never ran in staging may not run in production, and nobody migrates for it.
    let soaks = world("soak: 1h", MIGRATES).await;
    // What the registry no longer has cannot be deployed.
    let gone = world("queue: in-order", MIGRATES).await;
    for (world, error) in [(soaks, "NotPromoted"), (gone, "GateDenied")] {
        let mut run = Run::start(&world, "first", push('1'));
        until(&world, &mut run, "Ask").await;
        if error == "GateDenied" {
            world.registry.delete(&built("image", &"1".repeat(40)));
        }
        until(&world, &mut run, "failed-clean").await;
        let head = world.has_ended("first", Status::FailedClean).await;
        assert_eq!(head.failure.unwrap().error, error);
        assert!(migrations(&world).await.is_empty() && holder(&world).await.is_none());
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_its_environment_in_doubt() {
    let world = world("queue: in-order", MIGRATES).await;
    let mut run = Run::start(&world, "first", push('1'));
    until(&world, &mut run, "Migrate").await;
    ends(&world, "Migrate", BuildStatus::Failed).await;
    until(&world, &mut run, "failed-dirty").await;
    let head = world.has_ended("first", Status::FailedDirty).await;
    let cause = head.failure.unwrap().cause;
    assert!(cause.contains("how far production was migrated"), "{cause}");
    let lock = lock(&world).await;
    assert!(lock.holder.is_none() && !lock.doubts.is_empty(), "{lock:?}");
}

/// The shop with a reversible migration before the deploy, and a first version that
/// runs; then a second release that waits in `state`.
async fn migrates_again(state: &str) -> (World, Run) {
    let stages = MIGRATES.replace("forward-only", "reversible");
    let world = world("rollback: automatic", &stages).await;
    let mut first = Run::start(&world, "first", push('1'));
    until(&world, &mut first, "succeeded").await;
    let mut second = Run::start(&world, "second", push('2'));
    until(&world, &mut second, state).await;
    (world, second)
}

#[tokio::test]
async fn a_reversible_migration_that_fails_is_undone_like_the_deploy_after_it() {
    let (world, mut run) = migrates_again("Migrate").await;
    ends(&world, "Migrate", BuildStatus::Failed).await;
    until(&world, &mut run, "Ship: roll back").await;
    ends(&world, "Ship: roll back", BuildStatus::Succeeded).await;
    until(&world, &mut run, "failed-clean").await;
    world.has_ended("second", Status::FailedClean).await;
    let (pipeline, place) = ("shop".parse().unwrap(), "production".parse().unwrap());
    let ways = world.store.ways_back(&pipeline, &place).await.unwrap();
    let runs = ways.current.unwrap();
    assert_eq!(runs.version_of(), &id("first"));
    let back: Vec<_> = ways.taken_back.iter().map(|b| &b.release).collect();
    assert_eq!(back, [&id("second")]);
    assert!(ways.taken_back[0].why.contains("Migrate"));
    let lock = lock(&world).await;
    assert!(lock.holder.is_none() && lock.doubts.is_empty(), "{lock:?}");
}

#[tokio::test]
async fn a_way_back_that_fails_after_a_migration_leaves_a_doubt() {
    let (world, mut run) = migrates_again("Migrate").await;
    ends(&world, "Migrate", BuildStatus::Failed).await;
    until(&world, &mut run, "Ship: roll back").await;
    ends(&world, "Ship: roll back", BuildStatus::Failed).await;
    until(&world, &mut run, "failed-dirty").await;
    let head = world.has_ended("second", Status::FailedDirty).await;
    let cause = head.failure.unwrap().cause;
    assert!(cause.contains("could not be undone"), "{cause}");
    assert!(!lock(&world).await.doubts.is_empty());
}

#[tokio::test]
async fn a_migration_that_passed_or_never_began_is_no_reason_to_go_back() {
    // What ran before can live with the data: a halt before the deploy changes nothing.
    let (world, run) = migrates_again("Migrate").await;
    let halt = json!({ "order": "halt", "of": { "release": "second" }, "reason": "stop" });
    world.ordered("devan", halt).await;
    ends(&world, "Migrate", BuildStatus::Succeeded).await;
    ends_as_if_unchanged(world, run).await;
    // What CodeBuild did not start has migrated nothing.
    let (world, run) = migrates_again("Ask").await;
    world.builds.refuse(Some((Kind::Denied, "not allowed")));
    ends_as_if_unchanged(world, run).await;
}

async fn ends_as_if_unchanged(world: World, mut run: Run) {
    until(&world, &mut run, "failed-clean").await;
    world.has_ended("second", Status::FailedClean).await;
    assert!(!run.path.contains(&"Ship".to_owned()), "{:?}", run.path);
    let stages = world.builds.ids().into_iter();
    let mut stages = stages.filter_map(|build| world.stage_of(&build));
    assert!(stages.all(|stage| !stage.undoes()));
    let (pipeline, place) = ("shop".parse().unwrap(), "production".parse().unwrap());
    let ways = world.store.ways_back(&pipeline, &place).await.unwrap();
    assert!(ways.taken_back.is_empty());
}

#[tokio::test]
async fn a_release_keeps_its_environment_until_all_that_work_there_are_over() {
    let world = world("queue: in-order", SIDE_BY_SIDE).await;
    let mut run = Run::start(&world, "first", push('1'));
    until(&world, &mut run, "Ship").await;
    ends(&world, "Ship", BuildStatus::Succeeded).await;
    run.go(&world).await;
    // The one that comes last in the definition is over first.
    ends(&world, "Quick", BuildStatus::Succeeded).await;
    assert_eq!(holder(&world).await.as_deref(), Some("first"));
    ends(&world, "Slow", BuildStatus::Succeeded).await;
    assert_eq!(holder(&world).await, None);
    until(&world, &mut run, "succeeded").await;
}

#[tokio::test]
async fn a_test_after_a_deploy_counts_only_under_the_lock() {
    for late in [false, true] {
        let world = world("queue: in-order", SIDE_BY_SIDE).await;
        let mut run = Run::start(&world, "first", push('1'));
        until(&world, &mut run, "Ship").await;
        ends(&world, "Ship", BuildStatus::Succeeded).await;
        if late {
            run.go(&world).await;
        }
        let now = world.clock.now();
        let (pipeline, place) = ("shop".parse().unwrap(), "production".parse().unwrap());
        let (lock, rev) = world.store.lock(&pipeline, &place).await.unwrap();
        let free = lock.released(&id("first")).unwrap();
        let stolen = free.taken(&id("thief"), now, 60).unwrap();
        let write =
            gatewright_aws::Store::<gatewright_fakes::MemoryTable>::lock_write(&stolen, rev);
        let table = world.store.table();
        gatewright_aws::table::Table::write(table, vec![write.unwrap()])
            .await
            .unwrap();
        if late {
            ends(&world, "Slow", BuildStatus::Succeeded).await;
        }
        until(&world, &mut run, "failed-clean").await;
        let head = world.has_ended("first", Status::FailedClean).await;
        assert_eq!(head.failure.unwrap().error, "LockLost");
    }
}
