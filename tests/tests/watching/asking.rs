//! What does not tell: people are asked.

use super::*;

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
