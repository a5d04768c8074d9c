//! The start of a build: refused, too late, in flight while its release ends, and
//! taken up after a crash.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::builds::{BuildOrder, BuildSeen, Builds};
use gatewright_aws::store::stage_write;
use gatewright_aws::table::{Table, When};
use gatewright_aws::{Clock, Kind, ServiceError, Store};
use gatewright_domain::evidence::{BuildStatus, ReportResult};
use gatewright_domain::release::{StageStatus, Status};
use gatewright_domain::wait::Answer;
use gatewright_fakes::MemoryTable;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::id;
use gatewright_tests::{Run, World, read};
use serde_json::{Value, json};

const SHOP: &str = "
language: 1
id: shop
name: Shop
region: eu-central-1
source: { repository: https://github.com/example/shop }
on: { push: { branches: [main], budget: 30m } }
artifacts: { image: { type: image, repository: shop } }
environments:
  test: { verify: none, rollback: automatic }
stages:
  - { name: Package, steps: [docker build .], produces: image }
  - { name: Ship, deploy: { artifact: image, environment: test }, steps: [./ship.sh] }
";

fn push(commit: char) -> Value {
    json!({
        "pipeline": "shop", "ref": "refs/heads/main", "commit": commit.to_string().repeat(40),
        "author": "sam@example.com", "message": "Sell more",
    })
}

/// A world in which a first release runs, and a second one waits in `state`.
async fn second_in(state: &str) -> (World, Run) {
    let world = World::of(read(SHOP)).await;
    let (_, end) = world.release("first", push('1')).await;
    assert_eq!(end, "succeeded");
    let mut run = Run::start(&world, "second", push('2'));
    while run.go(&world).await != Stand::Waits(state.to_owned()) {
        assert!(world.goes_on("second").await, "{:?}", run.path);
    }
    (world, run)
}

/// The release whose version runs; and what was taken back, and how often something
/// was brought back.
async fn history(world: &World) -> (String, usize, usize) {
    let (store, pipeline) = (&world.store, "shop".parse().unwrap());
    let test = "test".parse().unwrap();
    let runs = store.current(&pipeline, &test).await.unwrap().unwrap();
    let taken = store.all_taken_back(&pipeline, &test).await.unwrap();
    let rollbacks = store.rollbacks(&pipeline, &test, 10).await.unwrap();
    (runs.version_of().to_string(), taken.len(), rollbacks.len())
}

#[tokio::test]
async fn a_deploy_that_could_not_be_started_is_not_undone_and_its_version_not_to_blame() {
    let (world, mut run) = second_in("Package").await;
    let build = world.build_succeeds().await;
    world.build_event(&build).await.unwrap();
    let before = world.builds.ids().len();
    world.builds.refuse(Some((Kind::Denied, "not authorized")));
    assert_eq!(
        run.go(&world).await,
        Stand::Ended("failed-clean".to_owned())
    );
    assert!(run.path.contains(&"Ship: roll back".to_owned()));
    let head = world.has_ended("second", Status::FailedClean).await;
    assert_eq!(head.failure.unwrap().error, "AccessDenied");
    assert_eq!(world.builds.ids().len(), before);
    assert_eq!(history(&world).await, ("first".to_owned(), 0, 0));
}

#[tokio::test]
async fn the_way_back_is_taken_although_the_routes_budget_is_used_up() {
    let (world, mut run) = second_in("Ship").await;
    world.clock.pass(3_600);
    let build = world.running_build().await.unwrap();
    world.builds.end(&build, BuildStatus::Failed, &[]);
    world.build_event(&build).await.unwrap();
    let back = Stand::Waits("Ship: roll back".to_owned());
    assert_eq!(run.go(&world).await, back);
    let back = world.running_build().await.unwrap();
    assert_eq!(world.builds.order(&back).unwrap().timeout_minutes, 15);
    assert!(world.goes_on("second").await);
    assert_eq!(
        run.go(&world).await,
        Stand::Ended("failed-clean".to_owned())
    );
    assert_eq!(history(&world).await, ("first".to_owned(), 1, 1));
}

/// CodeBuild, which takes so long to answer that the release is stopped meanwhile.
struct Slow<'a>(&'a World);

impl Builds for Slow<'_> {
    async fn start(&self, order: &BuildOrder) -> Result<BuildSeen, ServiceError> {
        let seen = self.0.builds.start(order).await;
        let event = self.0.stopped("second").await;
        self.0.call("FinishRelease", event).await.unwrap();
        seen
    }

    async fn get(&self, id: &str) -> Result<Option<BuildSeen>, ServiceError> {
        self.0.builds.get(id).await
    }

    async fn reports(&self, arns: &[String]) -> Result<Vec<(String, ReportResult)>, ServiceError> {
        self.0.builds.reports(arns).await
    }

    async fn stop(&self, id: &str) -> Result<(), ServiceError> {
        self.0.builds.stop(id).await
    }
}

#[tokio::test]
async fn a_build_whose_release_ended_while_it_was_started_is_stopped() {
    let (world, _run) = second_in("Package").await;
    let build = world.build_succeeds().await;
    world.build_event(&build).await.unwrap();
    cleared(&world).await;
    let raw = json!({ "release": "second", "stage": "Ship", "token": "t" });
    let (store, clock, config) = (&world.store, &world.clock, &world.config);
    let handled = gatewright_start_build::handle(store, &Slow(&world), clock, config, raw).await;
    handled.unwrap();
    let ship = world.builds.ids().into_iter().find(|build| {
        let env = world.builds.order(build).unwrap().env;
        env["GATEWRIGHT_RELEASE"] == "second" && env["GATEWRIGHT_STAGE_INDEX"] == "1"
    });
    let status = world.builds.status(&ship.unwrap());
    assert_eq!(status, Some(BuildStatus::Stopped), "nobody knows of it");
    world.deliver().await.unwrap();
    world.has_ended("second", Status::FailedDirty).await;
}

/// The second release holds the environment, as if it had been cleared.
async fn cleared(world: &World) {
    let (pipeline, test) = ("shop".parse().unwrap(), "test".parse().unwrap());
    let (lock, rev) = world.store.lock(&pipeline, &test).await.unwrap();
    let taken = lock.taken(&id("second"), world.clock.now(), 3_600).unwrap();
    let write = Store::<MemoryTable>::lock_write(&taken, rev).unwrap();
    world.store.table().write(vec![write]).await.unwrap();
}

#[tokio::test]
async fn a_start_that_is_taken_up_asks_anew_what_people_ordered() {
    let (world, _run) = second_in("Ship").await;
    // The function died before it noted the build's id.
    let stage = world.store.last_attempt(&id("second"), 1).await.unwrap();
    let mut seen = stage.unwrap();
    seen.value.build = None;
    let write = stage_write(&seen.value, When::Rev(seen.rev)).unwrap();
    world.store.table().write(vec![write]).await.unwrap();
    let halt = json!({ "order": "halt", "of": { "pipeline": "shop" }, "reason": "incident" });
    world.ordered("devan", halt).await;
    let again = json!({ "release": "second", "stage": "Ship", "token": "again" });
    world.call("StartBuild", again).await.unwrap();
    world.deliver().await.unwrap();
    let answers = world.tasks.answers();
    let (_, answer) = answers.iter().find(|(token, _)| token == "again").unwrap();
    let Answer::Failure { error, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(error.as_str(), "Halted");
    // What became of its first start is unknown, and the record says nothing else.
    let stage = world.store.last_attempt(&id("second"), 1).await.unwrap();
    let record = stage.unwrap().value;
    assert_eq!((record.status, record.build), (StageStatus::Running, None));
}
