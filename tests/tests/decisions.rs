//! Deciding: who may, how often, on what, and by which way in. Each row here is
//! somebody else's incident or a way around the rules.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_answer_approval::Desk;
use gatewright_aws::Clock;
use gatewright_aws::links::{ApprovalLink, Links, PageNonce, ReadLink};
use gatewright_aws::secrets::Secret;
use gatewright_aws::store::taken_back_write;
use gatewright_aws::table::{Table, When};
use gatewright_domain::approval::State;
use gatewright_domain::release::Status;
use gatewright_domain::undo::TakenBack;
use gatewright_domain::{Digest, after};
use gatewright_fakes::FakeChat;
use gatewright_tests::laptop::hidden;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::id;
use gatewright_tests::{Run, World};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

const R: &str = "cp-7f0c";
const APPROVAL: usize = 5;
const SIGNING: &str = "the signing secret of the tests";

/// A world whose release waits for its production approval.
struct Waiting {
    world: World,
    run: Run,
    links: Links,
    signing: Secret,
    chat: FakeChat,
}

impl Waiting {
    async fn new(input: Value) -> Self {
        let world = World::new().await;
        let mut run = Run::start(&world, R, input);
        loop {
            match run.go(&world).await {
                Stand::Waits(state) if state == "Production Approval" => break,
                Stand::Waits(state) if state.ends_with(": scan") => {
                    world.scan_settles(&[]);
                    world.scan_event().await.unwrap();
                }
                Stand::Waits(_) => {
                    let build = world.build_succeeds().await;
                    world.build_event(&build).await.unwrap();
                }
                Stand::Ended(end) => panic!("{end}: {:?}", world.head(R).await.failure),
            }
        }
        let links = Links::new(&Secret::new("k".repeat(64))).unwrap();
        Self {
            world,
            run,
            links,
            signing: Secret::new(SIGNING),
            chat: FakeChat::default(),
        }
    }

    async fn request(&self, event: Value) -> (u16, String) {
        let World {
            store,
            clock,
            config,
            ..
        } = &self.world;
        let (links, signing_secret, respond) = (&self.links, &self.signing, &self.chat);
        let desk = Desk {
            store,
            links,
            signing_secret,
            respond,
            clock,
            config,
        };
        let reply = gatewright_answer_approval::handle(&desk, event)
            .await
            .unwrap();
        (
            u16::try_from(reply["statusCode"].as_u64().unwrap()).unwrap(),
            reply["body"].as_str().unwrap().to_owned(),
        )
    }

    async fn evidence(&self) -> Digest {
        self.world
            .store
            .approval(&id(R), APPROVAL)
            .await
            .unwrap()
            .unwrap()
            .value
            .evidence
    }

    async fn link(&self, person: &str) -> ApprovalLink {
        ApprovalLink {
            release: id(R),
            index: APPROVAL,
            person: person.parse().unwrap(),
            evidence: self.evidence().await,
            expires: after(self.world.clock.now(), 86_400),
        }
    }

    async fn token(&self, person: &str) -> String {
        self.links.issue(&self.link(person).await).unwrap()
    }

    async fn page(&self, method: &str, token: &str, form: &[(&str, &str)]) -> (u16, String) {
        let body: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("t", token)
            .finish();
        self.request(http(method, "/approve", &query, &[], &body))
            .await
    }

    /// Opens the page and decides, as a browser does.
    async fn decide(&self, person: &str, choice: &str, reason: &str) -> (u16, String) {
        let token = self.token(person).await;
        let (status, page) = self.page("GET", &token, &[]).await;
        assert_eq!(status, 200);
        let nonce = match hidden(&page, "nonce") {
            Some(nonce) => nonce,
            // No form is offered; a nonce of another page of the same link.
            None => self.nonce(person).await,
        };
        let form = [
            ("nonce", nonce.as_str()),
            ("confirm", "yes"),
            ("check-0", "yes"),
            ("choice", choice),
            ("reason", reason),
        ];
        self.page("POST", &token, &form).await
    }

    async fn nonce(&self, person: &str) -> String {
        let link = self.link(person).await;
        self.links
            .issue(&PageNonce {
                link,
                expires: after(self.world.clock.now(), 60),
            })
            .unwrap()
    }

    async fn slack(
        &self,
        member: &str,
        action: &str,
        evidence: &Digest,
        late: i64,
        secret: &str,
    ) -> (u16, String) {
        let value = json!({ "release": R, "index": APPROVAL, "evidence": evidence }).to_string();
        let payload = json!({
            "type": "block_actions", "user": { "id": member }, "response_url": "https://hooks.slack.com/actions/1",
            "actions": [{ "action_id": action, "type": "button", "value": value }],
        });
        let body: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        let at = (self.world.clock.now().as_second() - late).to_string();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("v0:{at}:{body}").as_bytes());
        let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
        let headers = [
            ("X-Slack-Request-Timestamp", at.as_str()),
            ("X-Slack-Signature", signature.as_str()),
        ];
        self.request(http("POST", "/slack/interactions", "", &headers, &body))
            .await
    }

    async fn cli(&self, arn: Option<&str>, body: &Value) -> (u16, String) {
        let mut event = http("POST", "/api/decisions", "", &[], &body.to_string());
        if let Some(arn) = arn {
            event["requestContext"]["authorizer"] = json!({ "iam": { "userArn": arn } });
        }
        self.request(event).await
    }

    async fn decided(&self) -> Vec<String> {
        let decisions = self.world.store.decisions(&id(R), APPROVAL).await.unwrap();
        decisions.iter().map(|d| d.person.to_string()).collect()
    }

    async fn state(&self) -> State {
        self.world
            .store
            .approval(&id(R), APPROVAL)
            .await
            .unwrap()
            .unwrap()
            .value
            .state
    }
}

fn http(method: &str, path: &str, query: &str, headers: &[(&str, &str)], body: &str) -> Value {
    let headers: serde_json::Map<_, _> = headers
        .iter()
        .map(|(n, v)| ((*n).to_owned(), json!(v)))
        .collect();
    json!({
        "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "body": body,
        "isBase64Encoded": false, "requestContext": { "http": { "method": method } },
    })
}

#[tokio::test]
async fn who_decides_sees_what_was_taken_back_since() {
    let waiting = Waiting::new(World::push()).await;
    let token = waiting.token("devan").await;
    let (_, page) = waiting.page("GET", &token, &[]).await;
    assert!(!page.contains("taken back from staging"), "{page}");
    let head = waiting.world.head(R).await;
    let trigger = head.trigger.clone().unwrap();
    let back = TakenBack {
        pipeline: head.pipeline.clone(),
        environment: "staging".parse().unwrap(),
        digest: Digest::of_bytes(b"image"),
        release: head.release.clone(),
        title: head.title(),
        number: head.number,
        commit: trigger.commit,
        reference: trigger.reference,
        why: "it lost positions".to_owned(),
        by: None,
        at: waiting.world.clock.now(),
        lifted: None,
    };
    let write = taken_back_write(&back, When::Absent).unwrap();
    waiting
        .world
        .store
        .table()
        .write(vec![write])
        .await
        .unwrap();
    let (_, page) = waiting.page("GET", &token, &[]).await;
    assert!(
        page.contains("taken back from staging as pl-gps-001#1"),
        "{page}"
    );
}

#[tokio::test]
async fn both_leads_complete_the_quorum_and_the_release_goes_on() {
    let mut w = Waiting::new(World::push()).await;
    let (status, page) = w.decide("priya", "approve", "").await;
    assert_eq!(status, 200);
    assert!(page.contains("DevOps Lead"), "{page}");
    assert_eq!(
        w.run.go(&w.world).await,
        Stand::Waits("Production Approval".to_owned())
    );
    assert_eq!(w.decide("devan", "approve", "").await.0, 200);
    assert!(matches!(w.state().await, State::Approved { .. }));
    assert_eq!(
        w.run.go(&w.world).await,
        Stand::Waits("Deploy to Production".to_owned())
    );
}

#[tokio::test]
async fn a_second_decision_of_one_person_counts_for_nothing() {
    let w = Waiting::new(World::push()).await;
    // Lena is in both groups, and still one person.
    assert_eq!(w.decide("lena", "approve", "").await.0, 200);
    for (choice, reason) in [("approve", ""), ("reject", "second thoughts")] {
        let (status, page) = w.decide("lena", choice, reason).await;
        assert_eq!(status, 409, "{page}");
    }
    assert_eq!(
        w.slack("U0LENA", "approve", &w.evidence().await, 0, SIGNING)
            .await
            .0,
        200
    );
    assert_eq!(w.decided().await, ["lena"]);
    assert_eq!(w.state().await, State::Open);
}

#[tokio::test]
async fn who_wrote_or_requested_it_cannot_decide_on_it() {
    let mut own = World::push();
    own["author"] = json!("LENA@example.com");
    let w = Waiting::new(own).await;
    let (status, page) = w.decide("lena", "approve", "").await;
    assert_eq!(status, 403, "{page}");
    let mut asked = World::push();
    asked["cause"] = json!("manual");
    asked["requester"] = json!("lena-fischer");
    let w = Waiting::new(asked).await;
    assert_eq!(w.decide("lena", "reject", "no").await.0, 403);
    assert_eq!(w.decided().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_quorum_that_nobody_can_reach_is_refused_before_anybody_waits() {
    let world = World::new().await;
    let mut people = gatewright_fakes::directory();
    people
        .groups
        .iter_mut()
        .for_each(|g| g.members.retain(|m| m.as_str() == "lena"));
    world.store.apply_directory(&people).await.unwrap();
    let mut run = Run::start(&world, R, World::push());
    let end = loop {
        match run.go(&world).await {
            Stand::Ended(end) => break end,
            Stand::Waits(state) if state.ends_with(": scan") => {
                world.scan_settles(&[]);
                world.scan_event().await.unwrap();
            }
            Stand::Waits(_) => {
                let build = world.build_succeeds().await;
                world.build_event(&build).await.unwrap();
            }
        }
    };
    assert_eq!(end, "failed-clean");
    let cause = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap()
        .cause;
    assert!(cause.contains("the quorum cannot be reached"), "{cause}");
}

#[tokio::test]
async fn looking_changes_nothing_whoever_looks() {
    let w = Waiting::new(World::push()).await;
    let before = w.world.store.table().items();
    let token = w.token("priya").await;
    for method in ["GET", "HEAD", "GET"] {
        let (status, body) = w.page(method, &token, &[]).await;
        assert_eq!((status, body.is_empty()), (200, method == "HEAD"));
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(w.page(method, &token, &[]).await.0, 405, "{method}");
    }
    assert_eq!(w.world.store.table().items(), before);
}

#[tokio::test]
async fn a_form_that_a_scanner_posts_decides_nothing() {
    let w = Waiting::new(World::push()).await;
    let token = w.token("priya").await;
    let nonce = w.nonce("priya").await;
    let others = w.nonce("devan").await;
    let rows: &[(&[(&str, &str)], u16)] = &[
        (&[], 403),
        (
            &[
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            403,
        ),
        (
            &[
                ("nonce", "forged"),
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            403,
        ),
        (
            &[
                ("nonce", &others),
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            403,
        ),
        (
            &[
                ("nonce", &token),
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            403,
        ),
        (&[("nonce", &nonce)], 422),
        (&[("nonce", &nonce), ("choice", "approve")], 422),
        (
            &[("nonce", &nonce), ("choice", "approve"), ("confirm", "yes")],
            422,
        ),
        (
            &[
                ("nonce", &nonce),
                ("choice", "maybe"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            422,
        ),
        (
            &[
                ("nonce", &nonce),
                ("choice", "reject"),
                ("confirm", "yes"),
                ("reason", "  "),
            ],
            422,
        ),
    ];
    for (form, expected) in rows {
        let (status, page) = w.page("POST", &token, form).await;
        assert_eq!(status, *expected, "{form:?}: {page}");
    }
    assert_eq!(w.decided().await, Vec::<String>::new());
}

#[tokio::test]
async fn links_that_are_forged_expired_cut_off_or_for_something_else_are_refused() {
    let w = Waiting::new(World::push()).await;
    let good = w.token("priya").await;
    let expired = ApprovalLink {
        expires: w.world.clock.now(),
        ..w.link("priya").await
    };
    let read = ReadLink {
        release: id(R),
        expires: after(w.world.clock.now(), 60),
    };
    let foreign = Links::new(&Secret::new("x".repeat(64))).unwrap();
    let rows = [
        (String::new(), 403),
        ("v4.local.AAAA".to_owned(), 403),
        (good[..good.len() - 4].to_owned(), 403),
        (foreign.issue(&w.link("priya").await).unwrap(), 403),
        (w.links.issue(&read).unwrap(), 403),
        (w.links.issue(&expired).unwrap(), 410),
    ];
    for (token, expected) in rows {
        for method in ["GET", "POST"] {
            let (status, page) = w
                .page(method, &token, &[("choice", "approve"), ("confirm", "yes")])
                .await;
            assert_eq!(status, expected, "{method} {token}: {page}");
        }
    }
    // A link for other evidence than what is asked for now.
    let other = ApprovalLink {
        evidence: Digest::of_bytes(b"other"),
        ..w.link("priya").await
    };
    let nonce = w
        .links
        .issue(&PageNonce {
            link: other.clone(),
            expires: other.expires,
        })
        .unwrap();
    let form = [
        ("nonce", nonce.as_str()),
        ("choice", "approve"),
        ("confirm", "yes"),
        ("check-0", "yes"),
    ];
    assert_eq!(
        w.page("POST", &w.links.issue(&other).unwrap(), &form)
            .await
            .0,
        409
    );
    // Somebody whom nobody asked, with a link that is otherwise good.
    let stranger = ApprovalLink {
        person: "eve".parse().unwrap(),
        ..w.link("priya").await
    };
    let nonce = w
        .links
        .issue(&PageNonce {
            link: stranger.clone(),
            expires: stranger.expires,
        })
        .unwrap();
    let form = [
        ("nonce", nonce.as_str()),
        ("choice", "approve"),
        ("confirm", "yes"),
        ("check-0", "yes"),
    ];
    assert_eq!(
        w.page("POST", &w.links.issue(&stranger).unwrap(), &form)
            .await
            .0,
        403
    );
    assert_eq!(w.decided().await, Vec::<String>::new());
}

#[tokio::test]
async fn slack_decides_only_with_its_signature_and_for_members_we_know() {
    let w = Waiting::new(World::push()).await;
    let evidence = w.evidence().await;
    assert_eq!(
        w.slack("U0PRIYA", "approve", &evidence, 0, "another secret")
            .await
            .0,
        401
    );
    assert_eq!(
        w.slack("U0PRIYA", "approve", &evidence, 301, SIGNING)
            .await
            .0,
        401
    );
    assert_eq!(
        w.slack("U0EVE", "approve", &evidence, 0, SIGNING).await.0,
        200
    );
    assert_eq!(
        w.slack("U0PRIYA", "approve", &Digest::of_bytes(b"old"), 0, SIGNING)
            .await
            .0,
        200
    );
    assert_eq!(
        w.slack("U0PRIYA", "open", &evidence, 0, SIGNING).await.0,
        200
    );
    assert_eq!(w.decided().await, Vec::<String>::new());
    assert_eq!(
        w.slack("U0PRIYA", "approve", &evidence, 0, SIGNING).await.0,
        200
    );
    assert_eq!(
        w.slack("U0DEVAN", "reject", &evidence, 0, SIGNING).await.0,
        200
    );
    assert_eq!(w.decided().await, ["devan", "priya"]);
    assert!(matches!(w.state().await, State::Rejected { .. }));
    let told: Vec<String> = w
        .chat
        .responses()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        told,
        [
            "You are not among the approvers that Gatewright knows.",
            "Your decision was not recorded: this was issued for other evidence than what is asked for now; use the newest request.",
            "You approved pl-gps-001#1. Still missing: 1 of devops-lead.",
            "You rejected pl-gps-001#1. It ends here.",
        ]
    );
}

#[tokio::test]
async fn the_command_line_decides_as_whom_iam_has_authenticated() {
    let w = Waiting::new(World::push()).await;
    let mut people = gatewright_fakes::directory();
    let arn = "arn:aws:iam::123456789012:user/devan";
    people
        .people
        .iter_mut()
        .filter(|p| p.id.as_str() == "devan")
        .for_each(|p| p.aliases.push(arn.to_owned()));
    w.world.store.apply_directory(&people).await.unwrap();
    let body = json!({ "release": R, "choice": "approve", "evidence": w.evidence().await });
    assert_eq!(w.cli(None, &body).await.0, 401);
    for stranger in [
        "arn:aws:iam::123456789012:user/devan2",
        "arn:aws:iam::999999999999:user/devan",
        "user/devan",
    ] {
        let (status, said) = w.cli(Some(stranger), &body).await;
        assert_eq!(status, 400, "{said}");
        assert!(
            said.contains("is none of the people in approvers.yaml"),
            "{said}"
        );
    }
    let misspelt = json!({ "release": R, "choise": "approve", "evidence": w.evidence().await });
    let (status, said) = w.cli(Some(arn), &misspelt).await;
    assert!(
        status == 400 && said.contains("did you mean \\\"choice\\\"?"),
        "{said}"
    );
    assert_eq!(w.cli(Some(arn), &body).await.0, 200);
    assert_eq!(w.cli(Some(arn), &body).await.0, 409);
    assert_eq!(w.decided().await, ["devan"]);
}

#[tokio::test]
async fn nothing_decides_after_the_request_is_over() {
    let mut w = Waiting::new(World::push()).await;
    assert_eq!(
        w.decide("devan", "reject", "The migration is not ready")
            .await
            .0,
        200
    );
    assert_eq!(
        w.run.go(&w.world).await,
        Stand::Ended("failed-clean".to_owned())
    );
    let head = w.world.has_ended(R, Status::FailedClean).await;
    assert_eq!(
        head.failure.unwrap().cause,
        "Devan Okafor rejected: The migration is not ready"
    );
    let (status, page) = w.decide("priya", "approve", "").await;
    assert_eq!(status, 409, "{page}");
    assert_eq!(w.decided().await, ["devan"]);
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_decision_records_it_once_or_not_at_all() {
    for (n, done) in [(0, true), (0, false)] {
        let mut w = Waiting::new(World::push()).await;
        assert_eq!(w.decide("priya", "approve", "").await.0, 200);
        if done {
            w.world.store.table().crash_after(n)
        } else {
            w.world.store.table().crash_before(n)
        }
        let (status, _) = w.decide("devan", "approve", "").await;
        assert_eq!(status, 503, "the person is told that it did not work");
        let (status, _) = w.decide("devan", "approve", "").await;
        assert_eq!(
            status,
            if done { 409 } else { 200 },
            "and the second try finds out"
        );
        assert_eq!(w.decided().await, ["devan", "priya"]);
        assert_eq!(
            w.run.go(&w.world).await,
            Stand::Waits("Deploy to Production".to_owned())
        );
        let facts = w.world.facts(R).await;
        assert_eq!(
            facts.iter().filter(|f| *f == "decision-recorded").count(),
            2,
            "{facts:?}"
        );
    }
}
