//! Telling people: what is told once, what again, and what a Slack that is down
//! or was never set up costs.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::Kind;
use gatewright_aws::links::Links;
use gatewright_aws::secrets::Secret;
use gatewright_fakes::{FakeChat, FakePager, FakeTopic};
use gatewright_notify::Desk;
use gatewright_tests::machine::Stand;
use gatewright_tests::stream::batch;
use gatewright_tests::{Run, World};
use serde_json::{Value, json};

const R: &str = "cp-7f0c";

/// A world whose release waits for its production approval.
async fn waiting() -> World {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    loop {
        match run.go(&world).await {
            Stand::Waits(state) if state == "Production Approval" => return world,
            Stand::Waits(state) if state.ends_with(": scan") => {
                world.scan_settles(&[]);
                world.scan_event().await.unwrap();
            }
            Stand::Waits(_) => {
                let build = world.build_succeeds().await;
                world.build_event(&build).await.unwrap();
            }
            Stand::Ended(end) => panic!("{end}"),
        }
    }
}

async fn tell(world: &World, chat: &FakeChat, topic: &FakeTopic) -> Value {
    let links = Links::new(&Secret::new("k".repeat(64))).unwrap();
    let desk = Desk {
        store: &world.store,
        chat,
        pager: &FakePager::default(),
        topic,
        links: &links,
        clock: &world.clock,
        config: &world.config,
    };
    gatewright_notify::handle(&desk, batch(world))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_release_has_one_message_and_each_approver_a_link_of_their_own() {
    let world = waiting().await;
    let (chat, topic) = (FakeChat::default(), FakeTopic::default());
    assert_eq!(
        tell(&world, &chat, &topic).await,
        json!({ "batchItemFailures": [] })
    );
    let messages = chat.messages();
    let roots = messages
        .iter()
        .filter(|m| m.channel == "#tms-deployments" && m.thread.is_none());
    assert_eq!(roots.count(), 1, "one message a release");
    assert!(chat.updates().len() > 10, "which is updated as it moves");
    let mut links = Vec::new();
    for member in ["U0PRIYA", "U0DEVAN", "U0LENA"] {
        let mine: Vec<_> = messages.iter().filter(|m| m.channel == member).collect();
        assert_eq!(mine.len(), 1, "{member}");
        links.push(gatewright_tests::laptop::link_in(&json!(mine[0].blocks).to_string()).unwrap());
    }
    links.dedup();
    assert_eq!(links.len(), 3, "a link belongs to one person");
    for message in messages.iter().filter(|m| m.channel.starts_with('#')) {
        assert!(
            !json!(message.blocks).to_string().contains("/approve?t="),
            "a channel must not see a personal link"
        );
    }
    let subjects: Vec<String> = topic
        .published()
        .into_iter()
        .map(|(subject, ..)| subject)
        .collect();
    assert_eq!(
        subjects,
        ["pl-gps-001#1 deployed", "pl-gps-001#1 approval requested"]
    );
    let shown = format!("{messages:?} {:?} {:?}", chat.updates(), topic.published());
    assert!(!shown.contains("cp-7f0c-token"), "a task token was told");
}

#[tokio::test]
async fn a_slack_that_is_down_delays_and_one_that_was_never_set_up_costs_no_mail() {
    let world = waiting().await;
    let (chat, topic) = (FakeChat::default(), FakeTopic::default());
    chat.refuse(Some(Kind::Transient));
    let first = tell(&world, &chat, &topic).await;
    assert_eq!(
        first,
        json!({ "batchItemFailures": [{ "itemIdentifier": "0" }] }),
        "told later, in order"
    );
    assert!(topic.published().is_empty());
    chat.refuse(Some(Kind::Denied));
    assert_eq!(
        tell(&world, &chat, &topic).await,
        json!({ "batchItemFailures": [] })
    );
    assert_eq!(
        topic.published().len(),
        2,
        "the mails went out all the same"
    );
    assert_eq!(chat.messages(), []);
}

#[tokio::test]
async fn an_event_that_does_not_read_holds_nothing_up() {
    let world = waiting().await;
    let (chat, topic) = (FakeChat::default(), FakeTopic::default());
    let links = Links::new(&Secret::new("k".repeat(64))).unwrap();
    let desk = Desk {
        store: &world.store,
        chat: &chat,
        pager: &FakePager::default(),
        topic: &topic,
        links: &links,
        clock: &world.clock,
        config: &world.config,
    };
    let mut damaged = batch(&world);
    damaged["Records"][0]["dynamodb"]["NewImage"]["body"] = json!({ "S": "not an event" });
    let reply = gatewright_notify::handle(&desk, damaged).await.unwrap();
    assert_eq!(reply, json!({ "batchItemFailures": [] }));
    assert_eq!(topic.published().len(), 2);
}
