//! Releases on the laptop stack, from trigger to terminal state: the template
//! that deploys to AWS, the binary that ships, IAM evaluation on, builds that
//! really run. One stack at a time, because the machine has few cores.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_domain::release::{Head, Status};
use gatewright_domain::{ReleaseId, ledger};
use gatewright_tests::Laptop;
use gatewright_tests::laptop::{hidden, messages, root};
use gatewright_tests::world::{COMMIT, World};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// Tests of this file take turns.
static TURN: Mutex<()> = Mutex::const_new(());

const STAGES: [&str; 6] = [
    "Static Analysis & Code Quality",
    "Unit Test & Coverage",
    "Package & Scan Artifact",
    "Deploy to Staging",
    "Integration Test",
    "Deploy to Production",
];

/// The states that the execution entered, in order, by its own history. The
/// record says that a release has ended a moment before its execution does.
async fn states(laptop: &Laptop, release: &ReleaseId) -> Vec<String> {
    let machine = &laptop.stack.connection().machines["pl-gps-001"];
    let execution = format!(
        "{}:{release}",
        machine.replace(":stateMachine:", ":execution:")
    );
    let client = aws_sdk_sfn::Client::new(&laptop.sdk);
    let sfn = gatewright_aws::tasks::StepFunctions::new(&laptop.sdk);
    while gatewright_aws::tasks::Executions::is_running(&sfn, &execution)
        .await
        .unwrap()
        == Some(true)
    {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut pages = client
        .get_execution_history()
        .execution_arn(&execution)
        .into_paginator()
        .items()
        .send();
    let mut entered = Vec::new();
    while let Some(event) = pages.next().await {
        if let Some(details) = event.unwrap().state_entered_event_details {
            entered.push(details.name);
        }
    }
    entered
}

/// Asserts what must hold of every ended release: a whole ledger, no wait, no
/// lock, no call that IAM denied.
async fn left_in_order(laptop: &Laptop, release: &ReleaseId) {
    let head = laptop.store.known_head(release).await.unwrap().value;
    let events = laptop.store.ledger(release).await.unwrap();
    assert_eq!(
        ledger::verify(release, &events, (head.last_seq, head.last_hash.as_ref())),
        Ok(())
    );
    for environment in ["staging", "production"] {
        let (lock, _) = laptop
            .store
            .lock(&head.pipeline, &environment.parse().unwrap())
            .await
            .unwrap();
        assert_eq!(lock.holder, None, "{environment}");
    }
    told_of_the_end(laptop, &head).await;
    assert_eq!(
        laptop.stack.denied(),
        Vec::<String>::new(),
        "a role lacks a permission"
    );
}

/// Slack's one message and a mail say how the release ended.
async fn told_of_the_end(laptop: &Laptop, head: &Head) {
    let (title, status) = (head.title(), head.status.as_str());
    let said = gatewright_views::words::status(head.status);
    laptop
        .until_inbox(&format!("word of {title}'s end"), |inbox| {
            let mine = |mail: &Value| {
                mail["messageAttributes"]["release"]["Value"] == json!(head.release.as_str())
            };
            let ended =
                |mail: &Value| mail["messageAttributes"]["status"]["Value"] == json!(status);
            let mailed = inbox["mails"]
                .as_array()?
                .iter()
                .any(|mail| mine(mail) && ended(mail));
            let in_slack = messages(inbox).iter().any(|m| {
                m["text"]
                    .as_str()
                    .is_some_and(|text| text.contains(&title) && text.ends_with(said))
            });
            (mailed && in_slack).then_some(())
        })
        .await;
}

async fn stage_names(laptop: &Laptop, release: &ReleaseId) -> Vec<String> {
    laptop
        .store
        .stages(release)
        .await
        .unwrap()
        .iter()
        .map(|r| r.stage.to_string())
        .collect()
}

/// Decides as the person behind the link, as a browser would.
async fn decide(laptop: &Laptop, link: &str, choice: &str, reason: &str) -> (u16, String) {
    let (status, page) = laptop.get(link).await;
    assert_eq!(status, 200, "{page}");
    let nonce = hidden(&page, "nonce").unwrap_or_else(|| panic!("no form: {page}"));
    laptop
        .post(
            link,
            &[
                ("nonce", &nonce),
                ("confirm", "yes"),
                ("check-0", "yes"),
                ("choice", choice),
                ("reason", reason),
            ],
        )
        .await
}

async fn ended(laptop: &Laptop, release: &ReleaseId, status: Status) -> Head {
    let head = laptop
        .until(release, "ended", |head| head.status.has_ended())
        .await;
    assert_eq!(head.status, status, "{:?}", head.failure);
    head
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_goes_from_commit_to_production_and_its_record_can_be_verified() {
    let _turn = TURN.lock().await;
    let laptop = Laptop::up(|_| {}).await;
    laptop
        .tell("/inbox/link-previews", &json!({ "on": true }))
        .await;
    let release = laptop
        .start(
            "gatewright-11111111-2222-3333-4444-555555555555",
            &World::push(),
        )
        .await;
    laptop.until_asked(&release).await;
    let priya = laptop.personal_link("Priya").await;
    let devan = laptop.personal_link("Devan").await;
    bad_links_are_refused(&laptop, &priya).await;
    nobody_decides_by_looking(&laptop, &release, &priya).await;

    let (status, page) = decide(&laptop, &priya, "approve", "").await;
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("DevOps Lead"),
        "the page says who is missing: {page}"
    );
    let (status, page) = laptop.get(&priya).await;
    assert!(
        status == 200 && hidden(&page, "nonce").is_none(),
        "who has decided sees no form: {page}"
    );
    let (status, _) = decide(&laptop, &devan, "approve", "Looks good").await;
    assert_eq!(status, 200);

    let head = ended(&laptop, &release, Status::Succeeded).await;
    assert_eq!(head.title(), "pl-gps-001#1");
    assert_eq!(stage_names(&laptop, &release).await, STAGES);
    assert_eq!(
        states(&laptop, &release).await,
        [
            "Admit",
            STAGES[0],
            STAGES[1],
            STAGES[2],
            "Package & Scan Artifact: scan",
            "Deploy to Staging: clear to deploy",
            STAGES[3],
            STAGES[4],
            "Production Approval",
            "Deploy to Production: clear to deploy",
            STAGES[5],
            "Finish",
            "How it ended",
            "succeeded",
        ]
    );
    same_digest_everywhere(&laptop, &head).await;
    people_were_told(&laptop).await;
    left_in_order(&laptop, &release).await;
    let by: Vec<String> = laptop
        .store
        .decisions(&release, 5)
        .await
        .unwrap()
        .iter()
        .map(|d| d.person.to_string())
        .collect();
    assert_eq!(by, ["devan", "priya"]);

    // An approval counts once, and nothing after the end counts.
    let (status, page) = laptop.get(&devan).await;
    assert!(status == 200 && hidden(&page, "nonce").is_none(), "{page}");
    assert_eq!(
        laptop
            .store
            .known_head(&release)
            .await
            .unwrap()
            .value
            .last_seq,
        head.last_seq
    );
    laptop.down().await;
}

async fn bad_links_are_refused(laptop: &Laptop, link: &str) {
    let (start, token) = link.split_once("t=").unwrap();
    for bad in [
        "",
        "v4.local.AAAA",
        &token[..token.len() - 9],
        &token.replacen("v4.local.", "v4.local.A", 1),
    ] {
        let (status, page) = laptop.get(&format!("{start}t={bad}")).await;
        assert_eq!(status, 403, "{bad}: {page}");
        let (status, _) = laptop
            .post(
                &format!("{start}t={bad}"),
                &[("choice", "approve"), ("confirm", "yes")],
            )
            .await;
        assert_eq!(status, 403, "{bad}");
    }
    let (status, _) = laptop
        .post(
            link,
            &[
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
        )
        .await;
    assert_eq!(status, 403, "a form without the page's nonce");
}

async fn nobody_decides_by_looking(laptop: &Laptop, release: &ReleaseId, link: &str) {
    let before = laptop.store.known_head(release).await.unwrap().rev;
    for _ in 0..3 {
        assert_eq!(laptop.get(link).await.0, 200);
    }
    // A link-preview agent, on every message that carries an approval link.
    let asking = messages(&laptop.inbox().await)
        .into_iter()
        .filter(|m| m.to_string().contains("/approve?t="));
    let mut fetched = 0;
    for message in asking {
        let at = json!({ "channel": message["channel"], "ts": message["ts"] });
        fetched += laptop
            .tell("/inbox/fetch-links", &at)
            .await
            .as_array()
            .map_or(0, Vec::len);
    }
    assert!(fetched >= 2, "no link was fetched");
    assert_eq!(
        laptop.store.known_head(release).await.unwrap().rev,
        before,
        "a GET changed the release"
    );
    assert!(laptop.store.decisions(release, 5).await.unwrap().is_empty());
}

async fn same_digest_everywhere(laptop: &Laptop, head: &Head) {
    let staging = laptop
        .store
        .current(&head.pipeline, &"staging".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let production = laptop
        .store
        .current(&head.pipeline, &"production".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(staging.artifacts[0].digest, production.artifacts[0].digest);
    let cluster = reqwest::get(format!("{}/cluster", laptop.stack.stand_ins_url()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let count = cluster.matches(staging.artifacts[0].digest.as_str()).count();
    assert!(
        count >= 2,
        "both namespaces run the digest that was approved: {cluster}"
    );
}

async fn people_were_told(laptop: &Laptop) {
    laptop
        .until_inbox("message of the release's end", |inbox| {
            let all = messages(inbox);
            let said = |word: &str| {
                all.iter()
                    .any(|m| m.to_string().to_lowercase().contains(word))
            };
            (said("succeeded")
                && said("priya raman, pl-gps-001#1 asks")
                && said("devan okafor, pl-gps-001#1 asks"))
            .then_some(())
        })
        .await;
    let mails = laptop
        .until_inbox("mail of the release's end", |inbox| {
            let mails = inbox["mails"].as_array()?.clone();
            let status = |mail: &Value| {
                mail["messageAttributes"]["status"]["Value"]
                    .as_str()
                    .map(str::to_owned)
            };
            mails
                .iter()
                .any(|m| status(m).as_deref() == Some("succeeded"))
                .then_some(mails)
        })
        .await;
    let about: Vec<(&str, &str)> = mails
        .iter()
        .map(|m| &m["messageAttributes"])
        .map(|a| {
            (
                a["status"]["Value"].as_str().unwrap_or(""),
                a["environment"]["Value"].as_str().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        about,
        [
            ("deployed", "staging"),
            ("approval-requested", "production"),
            ("deployed", "production"),
            ("succeeded", "production")
        ]
    );
    assert!(
        mails.iter().all(|m| !m.to_string().contains("/approve?t=")),
        "a mail to everybody carries a personal link"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_little_coverage_is_refused_with_what_was_measured() {
    let _turn = TURN.lock().await;
    let laptop = Laptop::up(|o| {
        o.overlays
            .push(root().join("tests/fixtures/variants/low-coverage"))
    })
    .await;
    let release = laptop.start("cp-low", &World::push()).await;
    let head = ended(&laptop, &release, Status::FailedClean).await;
    let failure = head.failure.unwrap();
    assert_eq!(failure.stage.unwrap().as_str(), STAGES[1]);
    assert!(
        failure
            .cause
            .contains("measured 79.13 %, but at least 80 % is required"),
        "{}",
        failure.cause
    );
    assert_eq!(stage_names(&laptop, &release).await, STAGES[..2]);
    assert_eq!(
        states(&laptop, &release).await,
        [
            "Admit",
            STAGES[0],
            STAGES[1],
            "Finish",
            "How it ended",
            "failed-clean"
        ]
    );
    left_in_order(&laptop, &release).await;
    laptop.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_critical_finding_is_refused_before_staging() {
    let _turn = TURN.lock().await;
    let laptop =
        Laptop::up(|o| o.findings = Some(root().join("tests/fixtures/findings/critical.json")))
            .await;
    let release = laptop.start("cp-critical", &World::push()).await;
    let head = ended(&laptop, &release, Status::FailedClean).await;
    let failure = head.failure.unwrap();
    assert_eq!(failure.error, "GateDenied");
    assert!(failure.cause.contains("1 CRITICAL"), "{}", failure.cause);
    assert_eq!(
        states(&laptop, &release).await.last().map(String::as_str),
        Some("failed-clean")
    );
    assert_eq!(stage_names(&laptop, &release).await, STAGES[..3]);
    left_in_order(&laptop, &release).await;
    laptop.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_and_rejections_end_clean_with_a_reason() {
    let _turn = TURN.lock().await;
    let laptop = Laptop::up(|_| {}).await;
    // A refused trigger beside the release that will be rejected.
    let mut misspelt = World::push();
    misspelt["comit"] = json!(COMMIT);
    let refused = laptop.start("cp-misspelt", &misspelt).await;
    let head = ended(&laptop, &refused, Status::FailedClean).await;
    assert!(
        head.failure
            .unwrap()
            .cause
            .contains("did you mean \"commit\"?")
    );
    assert_eq!(head.number, None);
    let lost = laptop
        .start(
            "cp-branch",
            &json!({ "pipeline": "pl-gps-001", "ref": "refs/heads/feature/x", "commit": COMMIT }),
        )
        .await;
    assert_eq!(
        ended(&laptop, &lost, Status::FailedClean)
            .await
            .failure
            .unwrap()
            .error,
        "NotTriggered"
    );

    let release = laptop.start("cp-rejected", &World::push()).await;
    laptop.until_asked(&release).await;
    let devan = laptop.personal_link("Devan").await;
    let (status, page) = decide(&laptop, &devan, "reject", "").await;
    assert_eq!(status, 422, "a rejection without a reason: {page}");
    let (status, _) = decide(&laptop, &devan, "reject", "The migration is not ready").await;
    assert_eq!(status, 200);
    let head = ended(&laptop, &release, Status::FailedClean).await;
    let failure = head.failure.unwrap();
    assert_eq!(
        (failure.error.as_str(), failure.cause.as_str()),
        (
            "Rejected",
            "Devan Okafor rejected: The migration is not ready"
        )
    );
    assert_eq!(
        states(&laptop, &release).await.last().map(String::as_str),
        Some("failed-clean")
    );
    let production = laptop
        .store
        .current(&head.pipeline, &"production".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(production, None);
    left_in_order(&laptop, &release).await;
    laptop.down().await;
}
