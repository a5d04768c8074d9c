//! A rollout that is watched: it goes on, is undone, or pauses and asks people.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod asking;
mod judging;
mod sweeping;

use gatewright_answer_approval::Desk;
use gatewright_aws::links::Links;
use gatewright_aws::secrets::Secret;
use gatewright_aws::store::{WaitKey, wait_write};
use gatewright_aws::table::{Key, Table, When, Write};
use gatewright_aws::{Clock, Kind};
use gatewright_domain::after;
use gatewright_domain::approval::{Request, State};
use gatewright_domain::decide::Window;
use gatewright_domain::evidence::{WatchEvidence, WatchOutcome};
use gatewright_domain::pipeline::{Series, Watch};
use gatewright_domain::release::{Head, StageStatus, Status, evidence_before};
use gatewright_domain::wait::Wait;
use gatewright_fakes::FakeChat;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::{COMMIT, id};
use gatewright_tests::{Run, World, read};
use serde_json::{Value, json};

const R: &str = "second";
const WATCH: &str = "Ship: watch 10 %";
/// Where the watch is in the definition.
const INDEX: usize = 4;

const SHOP: &str = r#"
language: 1
id: shop
name: Shop
region: eu-central-1
source: { repository: https://github.com/example/shop }
on: { push: { branches: [main] } }
artifacts: { image: { type: image, repository: shop } }
environments:
  production:
    verify: none
    strategy:
      canary: { steps: [10, 100], pause: 5m }
      shift: [./shift.sh]
      watch:
        - metric: error-rate
          at-most: 1
          new: { namespace: Shop, name: ErrorRate, dimensions: { Service: new } }
          old: { namespace: Shop, name: ErrorRate, dimensions: { Service: old } }
          at-most-times-old: 2
        - { metric: latency-p90, at-most: 500, new: { namespace: Shop, name: Latency } }
        - { metric: health, alarm: shop-hosts }
      decide-within: 40m
    rollback: { automatic: true, steps: [./back.sh] }
stages:
  - { name: Package, steps: [docker build .], produces: image }
  - name: Ask
    environment: production
    approval: { quorum: [{ group: project-lead }, { group: devops-lead }] }
  - { name: Ship, deploy: { artifact: image, environment: production }, steps: [./ship.sh] }
"#;

fn push() -> Value {
    json!({
        "pipeline": "shop", "ref": "refs/heads/main", "commit": COMMIT,
        "author": "sam@example.com", "message": "Sell more",
    })
}

/// A world with one release of the shop, and a second one whose new version is
/// being watched.
async fn watched() -> (World, Run) {
    watched_in(SHOP).await
}

async fn watched_in(text: &str) -> (World, Run) {
    let world = World::of(read(text)).await;
    let (_, end) = world.release("first", push()).await;
    assert_eq!(end, "succeeded");
    // The second one begins with silence.
    let silent = gatewright_fakes::FakeMetrics::default();
    let world = World {
        metrics: silent,
        ..world
    };
    let mut run = Run::start(&world, R, push());
    until_watched(&world, &mut run).await;
    (world, run)
}

async fn until_watched(world: &World, run: &mut Run) {
    loop {
        match run.go(world).await {
            Stand::Waits(state) if state == WATCH => return,
            Stand::Waits(_) => assert!(world.goes_well(R).await),
            Stand::Ended(end) => panic!("{end}: {:?}", world.head(R).await.failure),
        }
    }
}

fn watch(world: &World) -> Vec<Watch> {
    let stage = &world.definition.stages[INDEX];
    assert_eq!(stage.name.as_str(), WATCH);
    stage.watching().unwrap().watch.clone()
}

/// Everything that is watched does well, but for what a test says.
fn healthy(world: &World) {
    let watch = watch(world);
    measures(world, watch[0].new.as_ref(), "0.4");
    measures(world, watch[0].old.as_ref(), "0.3");
    measures(world, watch[1].new.as_ref(), "250");
    world.metrics.alarm("shop-hosts", "OK");
}

fn measures(world: &World, series: Option<&Series>, value: &str) {
    world
        .metrics
        .measures(series.unwrap(), value.parse().unwrap());
}

/// Lets time pass and the sweep come by, which nothing keeps from its work.
async fn sweep(world: &World, seconds: i64) {
    world.clock.pass(seconds);
    let swept = world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(swept["failed"], json!(0), "{swept}");
}

async fn seen(world: &World) -> WatchEvidence {
    let record = world.store.stage(&id(R), INDEX, 1).await.unwrap().unwrap();
    record.value.watch.unwrap()
}

async fn request(world: &World) -> Option<Request> {
    let seen = world.store.approval(&id(R), INDEX).await.unwrap();
    seen.map(|seen| seen.value)
}

/// Which release's version runs.
async fn runs(world: &World) -> String {
    let (pipeline, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
    let current = world.store.current(&pipeline, &environment).await.unwrap();
    let current = current.unwrap();
    current.restored.unwrap_or(current.release).to_string()
}

/// Goes on to the end, where everything but the watch goes well.
async fn ends(world: &World, run: &mut Run) -> String {
    world
        .drive(run, async |world, _| world.goes_well(R).await)
        .await
}

/// The release has failed there, was undone, and says why in these words.
async fn undone(world: &World, run: &mut Run, error: &str, words: &[&str]) -> Head {
    assert_eq!(ends(world, run).await, "failed-clean", "{:?}", run.path);
    let head = world.has_ended(R, Status::FailedClean).await;
    let failure = head.failure.clone().unwrap();
    assert_eq!(
        (failure.error.as_str(), failure.stage.unwrap().as_str()),
        (error, WATCH)
    );
    for said in words {
        assert!(failure.cause.contains(said), "{said}: {}", failure.cause);
    }
    assert!(
        run.path.contains(&"Ship: roll back".to_owned()),
        "{:?}",
        run.path
    );
    assert_eq!(runs(world).await, "first");
    head
}

/// Nobody measures anything until people are asked.
async fn asked() -> (World, Run) {
    let (world, run) = watched().await;
    for _ in 0..7 {
        assert!(request(&world).await.is_none());
        sweep(&world, 60).await;
    }
    assert_eq!(request(&world).await.unwrap().state, State::Open);
    (world, run)
}

#[tokio::test]
async fn a_rollout_that_does_well_goes_on() {
    let (world, mut run) = watched().await;
    healthy(&world);
    let began = world.clock.now();
    for _ in 0..4 {
        sweep(&world, 60).await;
        assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
    }
    sweep(&world, 60).await;
    let evidence = seen(&world).await;
    assert_eq!(evidence.outcome, WatchOutcome::Passed);
    assert_eq!(
        evidence.measured[0].because,
        "error-rate: mean 0.4 %, worst 0.4 % in 3 of 3 samples, at most 1 %, the old version's mean 0.3 %"
    );
    // The warm-up and parts of minutes do not count, and nobody looks ahead.
    for window in world.metrics.asked() {
        assert!(window.from.as_second() >= began.as_second() + 60);
        assert!(window.until <= world.clock.now());
        assert_eq!(
            (
                window.period,
                window.from.as_second() % 60,
                window.until.as_second() % 60
            ),
            (60, 0, 0)
        );
    }
    assert_eq!(ends(&world, &mut run).await, "succeeded");
    world.has_ended(R, Status::Succeeded).await;
    assert_eq!(runs(&world).await, R);
    let facts = world.facts(R).await;
    assert_eq!(
        facts.iter().filter(|fact| *fact == "watch-judged").count(),
        1
    );
    // What was measured is evidence of what follows.
    let head = world.head(R).await;
    let records = world.store.stages(&id(R)).await.unwrap();
    let after = evidence_before(&head, &records, usize::MAX).unwrap();
    assert!(
        after
            .stages
            .iter()
            .any(|s| s.watch.as_ref() == Some(&evidence))
    );
}

#[tokio::test]
async fn a_laptop_watches_at_its_own_pace() {
    let mut world = World::of(read(SHOP)).await;
    let laptop = |name: &str| match name {
        "GATEWRIGHT_PACE" => Some("0.0167".to_owned()),
        "GATEWRIGHT_PUBLIC_URL" => None,
        _ => Some("x".to_owned()),
    };
    world.config.pace = gatewright_aws::config::Config::from_vars(laptop)
        .unwrap()
        .pace;
    let (run, end) = world.release(R, push()).await;
    assert_eq!(end, "succeeded", "{:?}", run.path);
    let evidence = seen(&world).await;
    assert_eq!(evidence.until.as_second() - evidence.from.as_second(), 4);
    assert!(
        world
            .metrics
            .asked()
            .iter()
            .all(|window| window.period == 1)
    );
}

#[tokio::test]
async fn a_release_that_is_stopped_while_it_is_watched_leaves_nothing_behind() {
    for question in [false, true] {
        let (world, _run) = if question {
            asked().await
        } else {
            watched().await
        };
        let event = world.stopped(R).await;
        world.call("FinishRelease", event).await.unwrap();
        world.has_ended(R, Status::FailedDirty).await;
        // What comes late finds nothing to do.
        sweep(&world, 3_600).await;
    }
}

/// A crash after, and instead of, every single write, while the rollout is
/// watched: it still ends as it would have.
#[tokio::test]
async fn a_crash_at_any_write_of_a_watch_changes_nothing_about_the_outcome() {
    for tells in [true, false] {
        let (world, mut run) = watched().await;
        let before = world.store.table().writes();
        finish(&world, &mut run, tells).await;
        let writes = world.store.table().writes() - before;
        for (n, done) in (0..writes).flat_map(|n| [(n, true), (n, false)]) {
            let (world, mut run) = watched().await;
            if done {
                world.store.table().crash_after(n);
            } else {
                world.store.table().crash_before(n);
            }
            let end = finish(&world, &mut run, tells).await;
            let about = format!("tells {tells}, crash {n}, done {done}: {:?}", run.path);
            assert_eq!(end, "succeeded", "{about}");
            world.has_ended(R, Status::Succeeded).await;
            let facts = world.facts(R).await;
            let count = |fact: &str| facts.iter().filter(|f| *f == fact).count();
            assert_eq!(count("watch-judged"), 1, "{about}: {facts:?}");
            let asked = if tells { 1 } else { 2 };
            assert_eq!(count("approval-requested"), asked, "{about}");
        }
    }
}

/// To the end: with numbers that tell, or with people who let it go on.
async fn finish(world: &World, run: &mut Run, tells: bool) -> String {
    if tells {
        healthy(world);
    }
    let on_wait = async |world: &World, _: &str| {
        if world.watched(R).is_some() {
            world.clock.pass(60);
            let _ = world.call("Sweep", json!({})).await;
            return true;
        }
        world.goes_well(R).await
    };
    world.drive(run, on_wait).await
}
