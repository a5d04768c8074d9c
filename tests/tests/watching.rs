//! A rollout that is watched: it goes on, is undone, or pauses and asks people.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

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

/// What somebody decides with the command line, and the answer's status.
async fn decides(world: &World, person: &str, choice: &str, reason: &str) -> u64 {
    let arn = format!("arn:aws:iam::123456789012:user/{person}");
    let mut people = gatewright_fakes::directory();
    let known = people.people.iter_mut().find(|p| p.id.as_str() == person);
    known.unwrap().aliases.push(arn.clone());
    world.store.apply_directory(&people).await.unwrap();
    let evidence = request(world).await.unwrap().evidence;
    let body = json!({ "release": R, "choice": choice, "evidence": evidence, "reason": reason });
    let event = json!({
        "version": "2.0", "routeKey": "POST /api/decisions", "rawPath": "/api/decisions",
        "rawQueryString": "", "headers": {}, "isBase64Encoded": false, "body": body.to_string(),
        "requestContext": {
            "http": { "method": "POST", "path": "/api/decisions", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test" },
            "authorizer": { "iam": { "userArn": arn } },
        },
    });
    let links = Links::new(&Secret::new("k".repeat(64))).unwrap();
    let desk = Desk {
        store: &world.store,
        links: &links,
        signing_secret: &Secret::new("secret"),
        respond: &FakeChat::default(),
        clock: &world.clock,
        config: &world.config,
    };
    let reply = Box::pin(gatewright_answer_approval::handle(&desk, event)).await;
    let reply = reply.unwrap();
    reply["statusCode"].as_u64().unwrap()
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
async fn numbers_beyond_their_limit_undo_the_rollout() {
    for (entry, value, words) in [
        (
            0,
            "5",
            "error-rate: mean 5 %, worst 5 % in 2 of 2 samples, at most 1 %",
        ),
        (
            1,
            "900",
            "latency-p90: mean 900 ms, worst 900 ms in 2 of 2 samples, at most 500 ms",
        ),
    ] {
        let (world, mut run) = watched().await;
        healthy(&world);
        measures(&world, watch(&world)[entry].new.as_ref(), value);
        for _ in 0..4 {
            sweep(&world, 60).await;
        }
        // It does not wait for the end: two samples are enough.
        let head = undone(
            &world,
            &mut run,
            "WatchFailed",
            &[words, "2 samples are beyond the limit"],
        )
        .await;
        let took = head.ended_at.unwrap().as_second() - head.started_at.as_second();
        assert!(took < 300, "{took}");
    }
}

#[tokio::test]
async fn an_alarm_undoes_the_rollout_at_once() {
    let (world, mut run) = watched().await;
    healthy(&world);
    world.metrics.alarm("shop-hosts", "ALARM");
    sweep(&world, 60).await;
    undone(
        &world,
        &mut run,
        "WatchFailed",
        &["health: alarm shop-hosts is in ALARM"],
    )
    .await;
}

#[tokio::test]
async fn a_new_version_that_does_worse_than_the_old_is_undone() {
    let (world, mut run) = watched().await;
    healthy(&world);
    measures(&world, watch(&world)[0].new.as_ref(), "0.7");
    for _ in 0..4 {
        sweep(&world, 60).await;
        assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
    }
    sweep(&world, 60).await;
    undone(
        &world,
        &mut run,
        "WatchFailed",
        &["the mean is more than 2 times the old version's"],
    )
    .await;
}

/// A rollout at its end whose last minute's latency CloudWatch does not have.
async fn short_of_the_last() -> (World, Run, gatewright_domain::Timestamp) {
    let (world, run) = watched().await;
    let began = world.clock.now();
    let slots = Window::whole(after(began, 60), after(began, 300), 60);
    healthy(&world);
    let silent = gatewright_fakes::FakeMetrics::default();
    let world = World {
        metrics: silent,
        ..world
    };
    let watch = watch(&world);
    measures(&world, watch[0].new.as_ref(), "0.4");
    measures(&world, watch[0].old.as_ref(), "0.3");
    world.metrics.alarm("shop-hosts", "OK");
    let last = after(slots.until, -60);
    let latency = watch[1].new.clone().unwrap();
    for second in (slots.from.as_second()..last.as_second()).step_by(60) {
        let at = after(slots.from, second - slots.from.as_second());
        world.metrics.measured(&latency, at, "250".parse().unwrap());
    }
    for _ in 0..6 {
        sweep(&world, 60).await;
        assert!(request(&world).await.is_none());
    }
    (world, run, last)
}

#[tokio::test]
async fn a_version_that_falls_silent_is_not_promoted() {
    let (world, mut run, _) = short_of_the_last().await;
    sweep(&world, 60).await;
    let about = request(&world).await.unwrap().about.unwrap();
    assert_eq!(
        about.reasons(),
        [
            "latency-p90: mean 250 ms, worst 250 ms in 2 of 3 samples, at most 500 ms; there are 2 of 3 samples of the new version, and it takes 3"
        ]
    );
    assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
}

#[tokio::test]
async fn the_last_numbers_may_come_late_and_are_judged() {
    for (late, outcome) in [
        ("250", WatchOutcome::Passed),
        ("9000", WatchOutcome::Failed),
    ] {
        let (world, _run, last) = short_of_the_last().await;
        let latency = watch(&world)[1].new.clone().unwrap();
        world
            .metrics
            .measured(&latency, last, late.parse().unwrap());
        sweep(&world, 60).await;
        assert_eq!(seen(&world).await.outcome, outcome);
    }
}

#[tokio::test]
async fn an_old_version_without_numbers_is_asked_about() {
    let (world, _run) = watched().await;
    let watch = watch(&world);
    measures(&world, watch[0].new.as_ref(), "0.4");
    measures(&world, watch[1].new.as_ref(), "250");
    world.metrics.alarm("shop-hosts", "OK");
    for _ in 0..7 {
        sweep(&world, 60).await;
    }
    let about = request(&world).await.unwrap().about.unwrap();
    assert!(
        about.reasons()[0].ends_with("; there are no numbers of the old version"),
        "{about:?}"
    );
}

/// Two things that AWS counts, and a latency in seconds.
fn of_aws() -> String {
    let rate = |version: &str| {
        let of = |name: &str| {
            format!(
                "{{ namespace: AWS/Lambda, name: {name}, dimensions: {{ Resource: {version} }} }}"
            )
        };
        format!("{{ of: {}, per: {} }}", of("Errors"), of("Invocations"))
    };
    let series = |version: &str| {
        format!("{{ namespace: Shop, name: ErrorRate, dimensions: {{ Service: {version} }} }}")
    };
    SHOP.replace(&series("new"), &rate("new"))
        .replace(&series("old"), &rate("old"))
        .replace(
            "{ namespace: Shop, name: Latency }",
            "{ namespace: AWS/ApplicationELB, name: TargetResponseTime, unit: seconds }",
        )
}

#[tokio::test]
async fn what_aws_counts_and_measures_in_seconds_is_converted() {
    for (errors, seconds, outcome) in [
        (None, "0.25", WatchOutcome::Passed),
        (Some("1"), "0.25", WatchOutcome::Passed),
        (Some("9"), "0.25", WatchOutcome::Failed),
        (None, "0.75", WatchOutcome::Failed),
    ] {
        let (world, _run) = watched_in(&of_aws()).await;
        let watch = watch(&world);
        for (one, errors) in [(&watch[0].new, errors), (&watch[0].old, Some("1"))] {
            let rate = one.as_ref().unwrap();
            measures(&world, rate.per.as_deref(), "200");
            if let Some(errors) = errors {
                measures(&world, Some(rate), errors);
            }
        }
        measures(&world, watch[1].new.as_ref(), seconds);
        world.metrics.alarm("shop-hosts", "OK");
        for _ in 0..5 {
            sweep(&world, 60).await;
        }
        let seen = seen(&world).await;
        assert_eq!(seen.outcome, outcome, "{:?}", seen.reasons());
    }
}

#[tokio::test]
async fn an_alarm_of_the_warm_up_undoes_nothing() {
    let (world, mut run) =
        watched_in(&SHOP.replace("decide-within", "warm-up: 2m\n      decide-within")).await;
    healthy(&world);
    world.metrics.alarm("shop-hosts", "ALARM");
    sweep(&world, 60).await;
    assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
    world.metrics.alarm("shop-hosts", "OK");
    for _ in 0..4 {
        sweep(&world, 60).await;
    }
    assert_eq!(seen(&world).await.outcome, WatchOutcome::Passed);
}

#[tokio::test]
async fn missing_numbers_ask_one_of_each_group_who_can_let_it_go_on() {
    let (world, mut run) = asked().await;
    let request = request(&world).await.unwrap();
    let quorum: Vec<String> = request
        .quorum
        .iter()
        .map(|q| format!("{} {}", q.count, q.group))
        .collect();
    assert_eq!(quorum, ["1 devops-lead", "1 project-lead"]);
    let about = request.about.clone().unwrap();
    assert_eq!(about.outcome, WatchOutcome::Inconclusive);
    assert_eq!(about.reasons().len(), 3);
    // The request is bound to the numbers: it is about them, and they are there.
    let (head, records) = (
        world.head(R).await,
        world.store.stages(&id(R)).await.unwrap(),
    );
    let all = evidence_before(&head, &records, request.evidence_until()).unwrap();
    assert_eq!(all.digest().unwrap(), request.evidence);
    assert_eq!(all.stages.last().unwrap().watch, Some(about));
    // Nobody looks at metrics any more, whatever they say.
    world.metrics.alarm("shop-hosts", "ALARM");
    sweep(&world, 60).await;
    assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
    assert_eq!(decides(&world, "priya", "approve", "").await, 200);
    assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
    assert_eq!(decides(&world, "devan", "approve", "").await, 200);
    let record = world.store.stage(&id(R), INDEX, 1).await.unwrap().unwrap();
    assert_eq!(record.value.status, StageStatus::Passed);
    assert_eq!(ends(&world, &mut run).await, "succeeded");
    world.has_ended(R, Status::Succeeded).await;
    assert_eq!(runs(&world).await, R);
}

#[tokio::test]
async fn whoever_rejects_undoes_the_rollout() {
    let (world, mut run) = asked().await;
    assert_eq!(
        decides(&world, "devan", "reject", "the logs are full of errors").await,
        200
    );
    undone(
        &world,
        &mut run,
        "Rejected",
        &["the logs are full of errors"],
    )
    .await;
    let facts = world.facts(R).await;
    assert_eq!(
        facts.iter().filter(|fact| *fact == "stage-failed").count(),
        1
    );
}

#[tokio::test]
async fn a_question_that_nobody_answers_undoes_the_rollout() {
    let (world, mut run) = asked().await;
    sweep(&world, 20 * 60).await;
    assert!(
        world
            .facts(R)
            .await
            .contains(&"approval-reminded".to_owned())
    );
    sweep(&world, 20 * 60).await;
    undone(
        &world,
        &mut run,
        "ApprovalExpired",
        &["nobody completed the quorum within 40 min"],
    )
    .await;
}

#[tokio::test]
async fn where_there_is_nobody_to_ask_unknown_is_a_failure() {
    let alone: String = SHOP
        .replace("  production:\n", "  test:\n")
        .replace("environment: production }", "environment: test }");
    let asks = alone.find("  - name: Ask").unwrap();
    let ship = alone.find("  - { name: Ship").unwrap();
    let alone = format!("{}{}", &alone[..asks], &alone[ship..]);
    let world = World::of(read(&alone)).await;
    let mut run = Run::start(&world, R, push());
    until_watched(&world, &mut run).await;
    sweep(&world, 420).await;
    let ended = ends(&world, &mut run).await;
    let failure = world.head(R).await.failure.unwrap();
    assert_eq!(
        (ended.as_str(), failure.error.as_str()),
        ("failed-dirty", "WatchFailed")
    );
    assert!(
        failure.cause.contains("nobody approves changes there"),
        "{}",
        failure.cause
    );
}

#[tokio::test]
async fn metrics_that_cannot_be_read_are_tried_again_and_then_asked_about() {
    let (world, mut run) = watched().await;
    healthy(&world);
    world.metrics.refuse(Some(Kind::Transient));
    for _ in 0..6 {
        world.clock.pass(60);
        let swept = world.call("Sweep", json!({})).await.unwrap();
        assert_eq!(swept["failed"], json!(1));
        assert!(request(&world).await.is_none());
    }
    sweep(&world, 60).await;
    let about = request(&world).await.unwrap().about.unwrap();
    assert!(
        about
            .reasons()
            .iter()
            .all(|why| why.contains("it could not be read")),
        "{about:?}"
    );
    assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));

    let (world, mut run) = watched().await;
    healthy(&world);
    world.metrics.refuse(Some(Kind::Transient));
    world.clock.pass(300);
    world.call("Sweep", json!({})).await.unwrap();
    world.metrics.refuse(None);
    sweep(&world, 60).await;
    assert_eq!(seen(&world).await.outcome, WatchOutcome::Passed);
    assert_eq!(ends(&world, &mut run).await, "succeeded");
}

#[tokio::test]
async fn a_state_that_is_entered_again_takes_up_its_watch_and_its_question() {
    let (world, run) = watched().await;
    let began = world
        .store
        .wait(&WaitKey::watch(&id(R), INDEX))
        .await
        .unwrap()
        .unwrap();
    world.clock.pass(60);
    let again = |token: &str| json!({ "release": R, "stage": WATCH, "token": token });
    world.call("WatchRollout", again("again")).await.unwrap();
    let taken = world
        .store
        .wait(&WaitKey::watch(&id(R), INDEX))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.value.token.reveal(), "again");
    assert_eq!(
        (taken.value.since, taken.value.awaited),
        (began.value.since, began.value.awaited)
    );
    let started = format!("{:?}", world.store.ledger(&id(R)).await.unwrap());
    assert_eq!(
        started
            .matches(&format!("StageStarted {{ stage: StageName({WATCH:?})"))
            .count(),
        1
    );

    sweep(&world, 420).await;
    assert!(request(&world).await.is_some());
    world
        .call("WatchRollout", again("once more"))
        .await
        .unwrap();
    assert_eq!(decides(&world, "devan", "reject", "no").await, 200);
    world.deliver().await.unwrap();
    let (token, _) = world.tasks.answers().pop().unwrap();
    assert_eq!(token, "once more");
    // What is over is answered from the record.
    world.call("WatchRollout", again("too late")).await.unwrap();
    world.deliver().await.unwrap();
    let (token, answer) = world.tasks.answers().pop().unwrap();
    assert_eq!(token, "too late");
    assert!(format!("{answer:?}").contains("Rejected"), "{answer:?}");
    drop(run);
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

/// The watch's wait under other positions, so often: things of one slow service.
async fn copies(world: &World, count: usize) {
    let key = WaitKey::watch(&id(R), INDEX);
    let wait = world.store.wait(&key).await.unwrap().unwrap().value;
    for more in 1..=count {
        let copy = Wait {
            index: INDEX + 100 * more,
            ..wait.clone()
        };
        let write = wait_write(&copy, When::Absent).unwrap();
        world.store.table().write(vec![write]).await.unwrap();
    }
}

async fn swept(world: &World, seconds: i64) -> Value {
    world.clock.pass(seconds);
    world.call("Sweep", json!({})).await.unwrap()
}

#[tokio::test]
async fn a_service_that_hangs_costs_the_sweep_a_little_each_and_then_it_stops() {
    let (world, _run) = watched().await;
    copies(&world, 6).await;
    world.metrics.hang(true);
    let began = after(world.clock.now(), 60);
    // Six seconds each, and nothing is begun that the function could not end.
    assert_eq!(
        swept(&world, 60).await,
        json!({ "due": 7, "failed": 4, "left": 3 })
    );
    assert_eq!(world.clock.now(), after(began, 24));
    // Those that were left have waited longest.
    healthy(&world);
    world.metrics.hang(false);
    let left: Vec<_> = world.store.due(began, 100).await.unwrap();
    assert_eq!(left.len(), 3);
    assert_eq!(swept(&world, 60).await["failed"], json!(0));
}

#[tokio::test]
async fn things_that_always_fail_do_not_fill_every_run() {
    let (world, mut run) = watched().await;
    healthy(&world);
    let due = Some(world.clock.now());
    for n in 0..100 {
        let key = Key::new(format!("WAIT#build#broken#{n:03}"), "WAIT");
        let body = json!({ "nobody": "reads this" });
        let write = Write::Put {
            key,
            due,
            body,
            when: When::Absent,
        };
        world.store.table().write(vec![write]).await.unwrap();
    }
    assert_eq!(swept(&world, 60).await["failed"], json!(100));
    assert!(world.metrics.asked().is_empty());
    assert_eq!(swept(&world, 60).await["failed"], json!(99));
    assert_eq!(world.metrics.asked().len(), 1);
    for _ in 0..3 {
        swept(&world, 60).await;
    }
    assert_eq!(ends(&world, &mut run).await, "succeeded");
}
