//! Deciding: who may, how often, on what, and by which way in. Each row here is
//! somebody else's incident or a way around the rules.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod quorum;
mod ways_in;

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
