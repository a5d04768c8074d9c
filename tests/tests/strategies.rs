//! Strategies on the laptop stack, with time scaled: promoted, and undone for every
//! reason; rollbacks that fail; the two lock modes; executions stopped from outside.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_domain::decide::Obstacle;
use gatewright_domain::ledger::Fact;
use gatewright_domain::release::{Head, Status};
use gatewright_tests::shop::{SHOP, Shop, production};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Two stacks at a time: builds and watches wait as much as they compute.
static TURN: Semaphore = Semaphore::const_new(2);

const WATCHED: &str = r#"      watch:
        - { metric: error-rate, at-most: 1, new: { namespace: Shop, name: ErrorRate, dimensions: { Version: new } } }
        - { metric: latency-p90, at-most: 500, new: { namespace: Shop, name: Latency, dimensions: { Version: new } } }
        - { metric: health, alarm: shop-unhealthy }
      warm-up: 1m
      decide-within: 1h
"#;

fn environment(strategy: &str, rollback: &str, more: &str) -> String {
    format!(
        "    protected: true\n    verify: none\n{more}    strategy:\n{strategy}      shift: ['echo \"$WEIGHT percent\"']\n{WATCHED}    rollback: {{ automatic: true, steps: ['{rollback}'] }}\n"
    )
}

const CANARY: &str = "      canary: { steps: [20, 100], pause: 6m }\n";
const BLUE_GREEN: &str = "      blue-green: { preview: new, active: old, watch: 6m, keep: 2m }\n";

fn entered(head: &Head) -> String {
    head.failure
        .as_ref()
        .map(|f| format!("{}: {}", f.error, f.cause))
        .unwrap_or_default()
}

/// Whether the release went back by itself.
async fn went_back(shop: &Shop, head: &Head) -> bool {
    let events = shop.laptop.store.ledger(&head.release).await.unwrap();
    events.iter().any(|event| {
        matches!(&event.fact, Fact::StagePassed { stage } if stage.as_str() == "Deploy: roll back")
    })
}

async fn every_reason(strategy: &str) {
    let _turn = TURN.acquire().await.unwrap();
    let shop = Shop::up(&environment(strategy, "echo back", "")).await;
    let first = shop.release("first", 'a').await;
    assert_eq!(first.status, Status::Succeeded, "{}", entered(&first));
    assert_eq!(shop.runs().await.as_deref(), Some("first"));
    for (name, digit, errors, latency, healthy) in [
        ("errors", 'b', 7, 100, true),
        ("slow", 'c', 0, 900, true),
        ("ill", 'd', 0, 100, false),
    ] {
        shop.does(errors, latency);
        shop.healthy(healthy).await;
        let head = shop.release(name, digit).await;
        assert_eq!(
            head.status,
            Status::FailedClean,
            "{name}: {}",
            entered(&head)
        );
        assert_eq!(
            head.failure.as_ref().unwrap().error,
            "WatchFailed",
            "{name}: {}",
            entered(&head)
        );
        assert!(went_back(&shop, &head).await, "{name}");
        assert_eq!(shop.runs().await.as_deref(), Some("first"), "{name}");
        shop.laptop.in_order(&head).await;
        shop.does(0, 100);
        shop.healthy(true).await;
    }
    // Missing numbers pause and ask; people let it go on.
    shop.does(-1, -1);
    let head = shop.release("silent", 'e').await;
    assert_eq!(head.status, Status::Succeeded, "{}", entered(&head));
    let asked = shop.laptop.store.approvals(&head.release).await.unwrap();
    assert!(asked.iter().any(|r| r.about.is_some()), "{asked:#?}");
    assert_eq!(shop.runs().await.as_deref(), Some("silent"));
    shop.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_promoted_and_undone_for_every_reason() {
    every_reason(CANARY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_is_promoted_and_undone_for_every_reason() {
    every_reason(BLUE_GREEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_fails_keeps_the_environment_until_one_by_hand_passes() {
    let _turn = TURN.acquire().await.unwrap();
    let broken = std::env::temp_dir().join(format!("gatewright-broken-{}", std::process::id()));
    let rollback = format!("test ! -e {}", broken.display());
    let shop = Shop::up(&environment(CANARY, &rollback, "")).await;
    let first = shop.release("first", 'a').await;
    assert_eq!(first.status, Status::Succeeded, "{}", entered(&first));
    std::fs::write(&broken, "").unwrap();
    shop.does(7, 100);
    let dirty = shop.release("dirty", 'b').await;
    assert_eq!(dirty.status, Status::FailedDirty, "{}", entered(&dirty));
    let (lock, _) = shop
        .laptop
        .store
        .lock(&SHOP.parse().unwrap(), &production())
        .await
        .unwrap();
    assert!(!lock.doubts.is_empty(), "{lock:?}");
    let said = shop.laptop.says(&["runbook", "shop", "production"]).await;
    assert!(said.contains("test ! -e"), "{said}");
    // Nobody else gets in, but a rollback does.
    let waits = shop.begin("waits", 'c').await;
    let approved = shop.laptop.until_it_waits(&waits, |because| {
        matches!(because, [Obstacle::Doubt { .. }])
    });
    approved.await;
    std::fs::remove_file(&broken).unwrap();
    shop.does(0, 100);
    let args = [
        "rollback",
        "shop",
        "production",
        "--to",
        "first",
        "--reason",
        "errors",
        "--requester",
        "priya@example.com",
        "--yes",
        "--watch",
    ];
    let ran = shop.laptop.gatewright(&args).await;
    assert!(
        ran.status.success(),
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    let head = shop.laptop.approve_all(&waits).await;
    assert_eq!(head.status, Status::Succeeded, "{}", entered(&head));
    shop.down().await;
}

/// Two releases that wait behind a hold, in this lock mode; which of them deploys.
async fn race(queue: &str) -> (Head, Head) {
    let _turn = TURN.acquire().await.unwrap();
    let direct = format!(
        "    protected: true\n    verify: none\n    queue: {queue}\n    rollback: manual\n"
    );
    let shop = Shop::up(&direct).await;
    let hold = ["hold", "production", "--as", "priya", "--reason", "a race"];
    shop.laptop.says(&hold).await;
    let first = shop.begin("first", 'a').await;
    let held = |because: &[Obstacle]| because.iter().any(|o| matches!(o, Obstacle::Hold { .. }));
    shop.laptop.until_it_waits(&first, held).await;
    let second = shop.begin("second", 'b').await;
    shop.laptop.until_it_waits(&second, held).await;
    let free = ["unhold", "production", "--as", "priya", "--reason", "go"];
    shop.laptop.says(&free).await;
    let first = shop.laptop.approve_all(&first).await;
    let second = shop.laptop.approve_all(&second).await;
    assert_eq!(shop.runs().await.as_deref(), Some("second"));
    let screen = shop.laptop.says(&["status", "production"]).await;
    assert!(
        screen.contains("shop#2") && screen.contains("Priya Raman"),
        "{screen}"
    );
    shop.down().await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_order_both_deploy_one_after_the_other() {
    let (first, second) = race("in-order").await;
    assert_eq!(first.status, Status::Succeeded, "{}", entered(&first));
    assert_eq!(second.status, Status::Succeeded, "{}", entered(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_newest_wins_the_older_gives_way() {
    let (first, second) = race("newest").await;
    assert_eq!(
        first.failure.as_ref().unwrap().error,
        "Superseded",
        "{}",
        entered(&first)
    );
    assert_eq!(second.status, Status::Succeeded, "{}", entered(&second));
}

/// An execution that somebody stops ends in the record, whatever state it is in;
/// nothing is left running or held, but what nobody knows any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_can_be_stopped_in_every_state() {
    let _turn = TURN.acquire().await.unwrap();
    let shop = Shop::up(&environment(CANARY, "echo back", "")).await;
    let first = shop.release("first", 'a').await;
    assert_eq!(first.status, Status::Succeeded, "{}", entered(&first));
    for (n, state) in [
        "Package",
        "Approval",
        "Deploy: clear to deploy",
        "Deploy",
        "Deploy: 20 %",
        "Deploy: watch 20 %",
        "Deploy: 100 %",
        "Deploy: roll back",
    ]
    .into_iter()
    .enumerate()
    {
        let waits = state == "Deploy: clear to deploy";
        let hold = |word| {
            [
                word,
                "production",
                "--as",
                "priya",
                "--reason",
                "to stop here",
            ]
        };
        if waits {
            shop.laptop.says(&hold("hold")).await;
        }
        shop.does(if state == "Deploy: roll back" { 7 } else { 0 }, 100);
        let name = format!("stopped-{n}");
        let release = shop
            .begin(&name, char::from_digit(n as u32 + 1, 16).unwrap())
            .await;
        shop.laptop.stopped_in(SHOP, &release, state).await;
        let began = Instant::now();
        let head = loop {
            let head = shop.laptop.store.known_head(&release).await.unwrap().value;
            if head.status.has_ended() {
                break head;
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{state}: {head:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        if waits {
            shop.laptop.says(&hold("unhold")).await;
        }
        assert_ne!(head.status, Status::Succeeded, "{state}");
        shop.laptop.in_order(&head).await;
        let (lock, _) = shop
            .laptop
            .store
            .lock(&SHOP.parse().unwrap(), &production())
            .await
            .unwrap();
        assert!(lock.holder.is_none(), "{state}: {lock:?}");
        assert_eq!(
            !lock.doubts.is_empty(),
            head.status == Status::FailedDirty,
            "{state}: {lock:?}"
        );
        if !lock.doubts.is_empty() {
            let runs = shop.runs().await.unwrap_or_else(|| "nothing".to_owned());
            let free = [
                "unhold",
                "production",
                "--runs",
                &runs,
                "--as",
                "priya",
                "--reason",
                "looked",
            ];
            shop.laptop.says(&free).await;
        }
    }
    shop.down().await;
}
