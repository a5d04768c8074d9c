//! Slack and the inbox: limits, presses with real signatures, e-mails.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::HeaderMap,
    routing::{any, post},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use crate::stack::{BOT_TOKEN, SIGNING_SECRET, Stack, Wishes, serve};

async fn slack(stack: &Stack, method: &str, body: &Value) -> reqwest::Response {
    (stack.http.post(stack.url(&format!("slack/api/{method}"))))
        .bearer_auth(BOT_TOKEN)
        .json(body)
        .send()
        .await
        .unwrap()
}

async fn answer(stack: &Stack, method: &str, body: Value) -> Value {
    slack(stack, method, &body).await.json().await.unwrap()
}

fn approval(text: &str) -> Value {
    json!({"channel": "C0RELEASES", "text": text, "blocks": [
        {"type": "section", "text": {"type": "mrkdwn", "text": format!("*{text}* <https://x.test|log>")}},
        {"type": "actions", "block_id": "gate", "elements": [
            {"type": "button", "action_id": "approve", "value": "token-1", "style": "primary",
             "text": {"type": "plain_text", "text": "Approve"}}]}]})
}

#[tokio::test]
async fn methods_need_the_bots_token_and_known_conversations() {
    let stack = Stack::start().await;
    let url = stack.url("slack/api/auth.test");
    let nobody: Value = stack
        .http
        .post(url.clone())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(nobody["error"], "not_authed");
    let wrong = stack
        .http
        .post(url)
        .bearer_auth("xoxb-other")
        .send()
        .await
        .unwrap();
    assert_eq!(
        wrong.json::<Value>().await.unwrap()["error"],
        "invalid_auth"
    );
    assert_eq!(answer(&stack, "auth.test", json!({})).await["ok"], true);
    for (method, body, expected) in [
        (
            "chat.postMessage",
            json!({"channel": "C0NONE", "text": "x"}),
            "channel_not_found",
        ),
        (
            "chat.postMessage",
            json!({"channel": "C0RELEASES"}),
            "no_text",
        ),
        (
            "chat.update",
            json!({"channel": "C0RELEASES", "ts": "1.2", "text": "x"}),
            "message_not_found",
        ),
        (
            "conversations.open",
            json!({"users": "U0NONE"}),
            "user_not_found",
        ),
        ("files.upload", json!({}), "unknown_method"),
    ] {
        assert_eq!(
            answer(&stack, method, body).await["error"],
            expected,
            "{method}"
        );
    }
    let too_long = json!({"channel": "C0RELEASES", "blocks": vec![json!({"type": "divider"}); 51]});
    let refused = answer(&stack, "chat.postMessage", too_long).await;
    assert_eq!(refused["error"], "invalid_blocks");
    assert!(
        refused["response_metadata"]["messages"][0]
            .as_str()
            .unwrap()
            .contains("50")
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn messages_are_posted_updated_and_shown() {
    let stack = Stack::start().await;
    let opened = answer(&stack, "conversations.open", json!({"users": "UADA"})).await;
    let direct = opened["channel"]["id"].as_str().unwrap();
    assert!(direct.starts_with('D'));
    answer(
        &stack,
        "chat.postMessage",
        json!({"channel": direct, "text": "hello <@UADA>"}),
    )
    .await;
    let posted = answer(&stack, "chat.postMessage", approval("Release 1")).await;
    let update = json!({"channel": "C0RELEASES", "ts": posted["ts"], "text": "approved & <done>"});
    assert_eq!(answer(&stack, "chat.update", update).await["ok"], true);
    let inbox = stack.get_json("inbox.json").await;
    assert_eq!(inbox["messages"][0]["channel_name"], "@Ada");
    assert_eq!(inbox["messages"][1]["edited"], true);
    let page = stack
        .http
        .get(stack.url("inbox"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("Laptop stand-in for Slack and for e-mail"));
    assert!(
        page.contains("@Ada</span>") && page.contains("approved &amp; &lt;done&gt;"),
        "{page}"
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_channel_takes_a_burst_and_then_says_when_to_come_back() {
    let stack = Stack::start().await;
    let message = json!({"channel": "C0RELEASES", "text": "x"});
    let mut refused = None;
    for _ in 0..10 {
        let answer = slack(&stack, "chat.postMessage", &message).await;
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("ten messages at once are too many");
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(
        refused.json::<Value>().await.unwrap()["error"],
        "ratelimited"
    );
    stack.stand_ins.shutdown().await;
}

type Requests = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// An app that records what it gets and answers after `delay`.
async fn app(delay: Duration) -> (Url, Requests) {
    let requests: Requests = Arc::default();
    let recorded = Arc::clone(&requests);
    let handler = move |headers: HeaderMap, body: Bytes| async move {
        recorded
            .lock()
            .unwrap()
            .push((headers, String::from_utf8(body.to_vec()).unwrap()));
        tokio::time::sleep(delay).await;
    };
    let url = serve(Router::new().route("/press", post(handler))).await;
    (url.join("press").unwrap(), requests)
}

async fn stack_with_app(delay: Duration) -> (Stack, Requests, Value) {
    let (url, requests) = app(delay).await;
    let wishes = Wishes {
        interactivity_url: Some(url),
        ..Wishes::default()
    };
    let stack = Stack::start_with(wishes).await;
    let posted = answer(&stack, "chat.postMessage", approval("Release 1")).await;
    let press = json!({"channel": posted["channel"], "ts": posted["ts"], "action_id": "approve", "user": "UGRACE"});
    (stack, requests, press)
}

#[tokio::test]
async fn a_press_is_signed_and_says_who_pressed_what() {
    let (stack, requests, press) = stack_with_app(Duration::ZERO).await;
    let pressed: Value = stack
        .post_json("inbox/press", &press)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        pressed,
        json!({"ok": true, "status": 200, "shown": "acknowledged"})
    );
    let (headers, body) = requests.lock().unwrap().pop().unwrap();
    let timestamp = headers["x-slack-request-timestamp"].to_str().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()).unwrap();
    mac.update(format!("v0:{timestamp}:{body}").as_bytes());
    let expected = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(headers["x-slack-signature"], expected.as_str());
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    let (_, payload) = form_urlencoded::parse(body.as_bytes()).next().unwrap();
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["type"], "block_actions");
    assert_eq!(payload["user"]["id"], "UGRACE");
    assert_eq!(payload["message"]["ts"], press["ts"]);
    let action = &payload["actions"][0];
    assert_eq!(
        (&action["block_id"], &action["value"]),
        (&json!("gate"), &json!("token-1"))
    );

    let respond = payload["response_url"].as_str().unwrap();
    let replace = json!({"replace_original": true, "text": "approved"});
    for uses in 1..=6 {
        let answer = stack
            .http
            .post(respond)
            .json(&replace)
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.status(),
            if uses <= 5 { 200 } else { 404 },
            "use {uses}"
        );
    }
    let inbox = stack.get_json("inbox.json").await;
    assert_eq!(inbox["messages"][0]["text"], "approved");
    let again = stack.post_json("inbox/press", &press).await;
    assert_eq!(
        again.status(),
        404,
        "the replaced message has no button any more"
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn an_app_that_takes_longer_than_three_seconds_has_timed_out() {
    let (stack, _, press) = stack_with_app(Duration::from_secs(30)).await;
    let pressed: Value = stack
        .post_json("inbox/press", &press)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(pressed["ok"], false);
    assert!(
        pressed["shown"]
            .as_str()
            .unwrap()
            .contains("did not respond within 3 seconds"),
        "{pressed}"
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn only_people_of_the_workspace_press() {
    let (stack, requests, mut press) = stack_with_app(Duration::ZERO).await;
    press["user"] = "U0NONE".into();
    let refused = stack.post_json("inbox/press", &press).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("UADA"));
    assert!(requests.lock().unwrap().is_empty());
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn links_are_fetched_by_switch_unless_the_message_says_no() {
    let stack = Stack::start().await;
    let visits: Arc<Mutex<Vec<String>>> = Arc::default();
    let recorded = Arc::clone(&visits);
    let handler = move |method: axum::http::Method, uri: axum::http::Uri, headers: HeaderMap| async move {
        let agent = headers["user-agent"]
            .to_str()
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        recorded
            .lock()
            .unwrap()
            .push(format!("{method} {uri} {agent}"));
    };
    let site = serve(Router::new().route("/{*path}", any(handler))).await;
    let post = async |path: &str, unfurl: bool| {
        let message = json!({"channel": "C0RELEASES", "text": format!("<{site}{path}|look>"), "unfurl_links": unfurl});
        answer(&stack, "chat.postMessage", message).await
    };
    post("before", true).await;
    stack
        .post_json("inbox/link-previews", &json!({"on": true}))
        .await;
    post("quiet", false).await;
    post("seen", true).await;
    stack
        .eventually("the link is fetched twice", async || {
            (visits.lock().unwrap().len() == 2).then_some(())
        })
        .await;
    assert_eq!(
        *visits.lock().unwrap(),
        [
            "HEAD /seen Slackbot-LinkExpanding",
            "GET /seen Slackbot-LinkExpanding"
        ]
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn sns_is_confirmed_on_this_machine_only_and_its_notifications_are_mail() {
    let stack = Stack::start().await;
    let confirmed: Arc<Mutex<u32>> = Arc::default();
    let counter = Arc::clone(&confirmed);
    let confirm = move || async move { *counter.lock().unwrap() += 1 };
    let topic = serve(Router::new().route("/confirm", any(confirm))).await;
    let subscription = |url: &str| json!({"Type": "SubscriptionConfirmation", "SubscribeURL": url});
    let sns = async |body: Value| stack.post_json("sns", &body).await.status().as_u16();
    assert_eq!(sns(subscription(&format!("{topic}confirm"))).await, 200);
    assert_eq!(*confirmed.lock().unwrap(), 1);
    assert_eq!(
        sns(subscription("https://sns.example.com/confirm")).await,
        400
    );
    let notification = json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-central-1:1:releases",
        "Subject": "Approval", "Message": "Please look: https://x.test/a <b>",
        "MessageAttributes": {"release": {"Type": "String", "Value": "r-1"}}});
    assert_eq!(sns(notification.clone()).await, 200);
    assert_eq!(sns(notification).await, 200, "delivered a second time");
    let inbox = stack.get_json("inbox.json").await;
    assert_eq!(inbox["mails"].as_array().unwrap().len(), 1);
    assert_eq!(
        inbox["mails"][0]["messageAttributes"]["release"]["Value"],
        "r-1"
    );
    let page = stack
        .http
        .get(stack.url("inbox"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("<h2>Approval</h2>") && page.contains("&lt;b&gt;"),
        "{page}"
    );
    stack.stand_ins.shutdown().await;
}
