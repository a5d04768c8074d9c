//! Waking somebody up: when, whom, what they are told, and what a PagerDuty that
//! is down or was never set up costs.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::Kind;
use gatewright_aws::links::Links;
use gatewright_aws::pagerduty::Page;
use gatewright_aws::secrets::Secret;
use gatewright_domain::evidence::{BuildStatus, Percent};
use gatewright_domain::pipeline::{Definition, NotifyEvent, NotifyRoute};
use gatewright_fakes::{FakeChat, FakePager, FakeTopic, definition};
use gatewright_notify::Desk;
use gatewright_tests::stream::batch;
use gatewright_tests::world::image;
use gatewright_tests::{Run, World};
use serde_json::{Value, json};

/// A world in which one release runs in production, and a second one, `bad`,
/// failed there half way.
async fn in_doubt(definition: Definition) -> World {
    let world = World::of(definition).await;
    let (_, end) = world.release("good", World::push()).await;
    assert_eq!(end, "succeeded");
    let mut run = Run::start(&world, "bad", World::push());
    let end = world
        .drive(&mut run, async |world, state| {
            if state != "Deploy to Production" {
                return world.goes_well("bad").await;
            }
            let build = world.build_ends(BuildStatus::Failed, Percent(0)).await;
            world.build_event(&build).await.unwrap();
            true
        })
        .await;
    assert_eq!(end, "failed-dirty");
    world
}

fn with_route(service: Option<&str>, on: NotifyEvent) -> Definition {
    let mut definition = definition();
    definition.notify.routes.push(NotifyRoute {
        on: vec![on],
        slack: Vec::new(),
        email: Vec::new(),
        pagerduty: service.map(str::to_owned),
    });
    definition
}

/// Those who tell people.
#[derive(Default)]
struct Told {
    chat: FakeChat,
    topic: FakeTopic,
}

impl Told {
    async fn of(&self, world: &World, pager: &FakePager) -> Value {
        let links = Links::new(&Secret::new("k".repeat(64))).unwrap();
        let desk = Desk {
            store: &world.store,
            chat: &self.chat,
            pager,
            topic: &self.topic,
            links: &links,
            clock: &world.clock,
            config: &world.config,
        };
        gatewright_notify::handle(&desk, batch(world))
            .await
            .unwrap()
    }

    fn mailed(&self, subject: &str) -> bool {
        let mails = self.topic.published();
        mails.iter().any(|(said, ..)| said.ends_with(subject))
    }
}

fn all_told() -> Value {
    json!({ "batchItemFailures": [] })
}

/// The services that were paged about `bad`, and the first page of each.
fn paged(pager: &FakePager) -> Vec<(String, Page)> {
    let incidents = pager.incidents().into_iter();
    incidents
        .map(|((service, key), pages)| {
            assert_eq!(key, "bad");
            (service, pages[0].clone())
        })
        .collect()
}

fn services(pager: &FakePager) -> Vec<String> {
    paged(pager)
        .into_iter()
        .map(|(service, _)| service)
        .collect()
}

#[tokio::test]
async fn an_environment_in_doubt_wakes_one_person_once() {
    let world = in_doubt(definition()).await;
    let (told, pager) = (Told::default(), FakePager::with(&["default", "other"]));
    assert_eq!(told.of(&world, &pager).await, all_told());
    told.of(&world, &pager).await;
    let incidents = pager.incidents();
    assert_eq!(incidents.len(), 1, "one incident, however often it is sent");
    assert_eq!(incidents[0].0, ("default".to_owned(), "bad".to_owned()));
    let page = &incidents[0].1[0];
    assert!(
        page.summary
            .starts_with("pl-gps-001#2 ended dirty: nobody knows what production runs now ("),
        "{}",
        page.summary
    );
    assert_eq!(
        (page.source.as_str(), page.class.as_str()),
        ("pl-gps-001/production", "recovery-needed")
    );
    let detail = |heading: &str| {
        let found = page.details.iter().find(|(h, _)| *h == heading);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    };
    assert!(detail("why").contains("it is not known what production runs now"));
    assert!(detail("ran before").contains("production: pl-gps-001#1, commit 4f2a9c01"));
    assert!(detail("ran before").contains(&image().to_string()));
    assert!(detail("by hand").contains("gatewright explain bad"));
    assert!(detail("by hand").contains(&format!("gps-ingestion-service@{}", image())));
    assert_eq!(
        detail("the whole procedure"),
        "gatewright runbook pl-gps-001 production"
    );
    let (url, _) = page.link.clone().unwrap();
    assert!(url.starts_with("https://releases.example.com/releases/bad?t="));
    assert!(
        !format!("{page:?}").contains("-token"),
        "a task token was told"
    );
}

#[tokio::test]
async fn the_definition_says_who_is_woken_up() {
    let named = with_route(Some("on-call"), NotifyEvent::RecoveryNeeded);
    let world = in_doubt(named).await;
    let pager = FakePager::with(&["default", "on-call"]);
    Told::default().of(&world, &pager).await;
    assert_eq!(services(&pager), ["on-call"]);
    let without_its_key = FakePager::with(&["default"]);
    Told::default().of(&world, &without_its_key).await;
    assert_eq!(services(&without_its_key), ["default"], "never nobody");
}

#[tokio::test]
async fn a_route_for_something_else_is_not_about_this() {
    let other = with_route(Some("security"), NotifyEvent::SecurityAlert);
    let world = in_doubt(other).await;
    let pager = FakePager::with(&["default", "security"]);
    Told::default().of(&world, &pager).await;
    assert_eq!(services(&pager), ["default"]);
}

#[tokio::test]
async fn a_pagerduty_that_is_down_is_tried_again_and_silences_nobody_else() {
    let world = in_doubt(definition()).await;
    let (told, pager) = (Told::default(), FakePager::with(&["default"]));
    pager.refuse("default", Some(Kind::Transient));
    let reply = told.of(&world, &pager).await;
    assert_ne!(reply, all_told(), "the stream tries it again");
    assert!(told.mailed("failed dirty"), "the mail went out meanwhile");
    let last = told.chat.updates().pop().unwrap().1;
    assert!(last.text.contains("a human must look"), "and Slack knows");
    pager.refuse("default", None);
    assert_eq!(told.of(&world, &pager).await, all_told());
    assert_eq!(services(&pager), ["default"]);
}

#[tokio::test]
async fn a_pagerduty_that_hangs_silences_nobody_else() {
    let world = in_doubt(definition()).await;
    let (told, pager) = (Told::default(), FakePager::with(&["default", "other"]));
    pager.hangs(true);
    assert_ne!(told.of(&world, &pager).await, all_told());
    assert!(told.mailed("failed dirty"), "the mail went out meanwhile");
    pager.hangs(false);
    assert_eq!(told.of(&world, &pager).await, all_told());
    assert_eq!(services(&pager), ["default"]);
}

#[tokio::test]
async fn a_slack_that_is_down_lets_nobody_sleep() {
    let world = in_doubt(definition()).await;
    let (told, pager) = (Told::default(), FakePager::with(&["default"]));
    told.chat.refuse(Some(Kind::Transient));
    assert_ne!(told.of(&world, &pager).await, all_told());
    assert_eq!(services(&pager), ["default"]);
}

#[tokio::test]
async fn a_key_that_pagerduty_does_not_take_falls_back_and_holds_nothing_up() {
    let named = with_route(Some("on-call"), NotifyEvent::RecoveryNeeded);
    let world = in_doubt(named).await;
    let (told, pager) = (Told::default(), FakePager::with(&["default", "on-call"]));
    pager.refuse("on-call", Some(Kind::Other));
    assert_eq!(told.of(&world, &pager).await, all_told());
    assert_eq!(services(&pager), ["default"]);
    assert!(told.mailed("failed dirty"));
}

#[tokio::test]
async fn without_a_key_nobody_is_paged_and_nothing_fails() {
    let world = in_doubt(definition()).await;
    let (told, pager) = (Told::default(), FakePager::default());
    assert_eq!(told.of(&world, &pager).await, all_told());
    assert_eq!(pager.incidents(), []);
    assert!(told.mailed("failed dirty"));
}

#[tokio::test]
async fn what_ends_well_or_clean_wakes_nobody() {
    let world = World::new().await;
    let (_, end) = world.release("good", World::push()).await;
    assert_eq!(end, "succeeded");
    let mut run = Run::start(&world, "red", World::push());
    let end = world
        .drive(&mut run, async |world, _| {
            let build = world.build_ends(BuildStatus::Failed, Percent(0)).await;
            world.build_event(&build).await.unwrap();
            true
        })
        .await;
    assert_eq!(end, "failed-clean");
    let pager = FakePager::with(&["default"]);
    assert_eq!(Told::default().of(&world, &pager).await, all_told());
    assert_eq!(pager.incidents(), []);
}
