//! PagerDuty: what its Events API requires, and the incidents that come of it.

use serde_json::{Value, json};

use crate::stack::{ROUTING_KEY, Stack};

fn trigger(key: &str, dedup: &str, summary: &str) -> Value {
    json!({"routing_key": key, "event_action": "trigger", "dedup_key": dedup, "client": "Gatewright",
        "links": [{"href": "https://releases.example/r/1", "text": "The story"}],
        "payload": {"summary": summary, "source": "shop/production", "severity": "critical",
            "timestamp": "2026-10-12T09:30:59Z", "custom_details": {"why": "the rollout <timed> out"}}})
}

async fn enqueue(stack: &Stack, event: &Value) -> (u16, Value) {
    let answer = (stack.http.post(stack.url("pagerduty/v2/enqueue")))
        .json(event)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn what_is_sent_twice_is_one_incident_until_it_is_resolved() {
    let stack = Stack::start().await;
    let event = trigger(ROUTING_KEY, "cp-1", "nobody knows what production runs");
    let (status, answer) = enqueue(&stack, &event).await;
    assert_eq!((status, &answer["dedup_key"]), (202, &json!("cp-1")));
    assert_eq!(answer["status"], "success");
    enqueue(&stack, &event).await;
    enqueue(
        &stack,
        &trigger(&"b".repeat(32), "cp-1", "the same, elsewhere"),
    )
    .await;
    let inbox = stack.get_json("inbox.json").await;
    let incidents = inbox["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 2, "an incident is a service's own");
    assert_eq!(incidents[0]["service"], "default");
    assert_eq!(incidents[0]["alerts"], 2);
    assert_eq!(incidents[0]["state"], "triggered");
    let resolve =
        json!({"routing_key": ROUTING_KEY, "event_action": "resolve", "dedup_key": "cp-1"});
    assert_eq!(enqueue(&stack, &resolve).await.0, 202);
    assert_eq!(enqueue(&stack, &event).await.0, 202);
    let inbox = stack.get_json("inbox.json").await;
    let of = |at: usize, what: &str| inbox["incidents"][at][what].clone();
    assert_eq!(
        (of(0, "state"), of(2, "state")),
        (json!("resolved"), json!("triggered"))
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn the_inbox_shows_incidents_and_says_that_nobody_was_woken_up() {
    let stack = Stack::start().await;
    enqueue(
        &stack,
        &trigger(ROUTING_KEY, "cp-1", "production <is> in doubt"),
    )
    .await;
    let page = (stack.http.get(stack.url("inbox")).send().await.unwrap())
        .text()
        .await
        .unwrap();
    assert!(page.contains("nobody was woken up"), "{page}");
    assert!(page.contains("PagerDuty: default"));
    assert!(
        page.contains("&lt;timed&gt;"),
        "what comes from outside is escaped"
    );
    assert!(!page.contains("production <is>"));
    assert!(page.contains("href=\"https://releases.example/r/1\""));
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn what_pagerduty_would_not_take_is_not_taken() {
    let stack = Stack::start().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = trigger(ROUTING_KEY, "cp-1", "x");
        change(&mut event);
        event
    };
    let cases: [(&str, Value); 9] = [
        (
            "Invalid routing key",
            with(&|e| e["routing_key"] = json!("c".repeat(32))),
        ),
        ("routing_key", with(&|e| e["routing_key"] = json!("short"))),
        (
            "event_action",
            with(&|e| e["event_action"] = json!("shout")),
        ),
        (
            "payload.summary' is missing",
            with(&|e| e["payload"]["summary"] = json!("")),
        ),
        (
            "longer than 1024",
            with(&|e| e["payload"]["summary"] = json!("x".repeat(1_025))),
        ),
        (
            "payload.source",
            with(&|e| e["payload"]["source"] = Value::Null),
        ),
        (
            "payload.severity",
            with(&|e| e["payload"]["severity"] = json!("fatal")),
        ),
        (
            "payload.timestamp",
            with(&|e| e["payload"]["timestamp"] = json!("yesterday")),
        ),
        (
            "dedup_key",
            with(&|e| e["dedup_key"] = json!("k".repeat(256))),
        ),
    ];
    for (why, event) in cases {
        let (status, answer) = enqueue(&stack, &event).await;
        assert_eq!(status, 400, "{why}");
        assert!(
            answer["errors"].to_string().contains(why),
            "{why}: {answer}"
        );
    }
    let large = with(&|e| e["payload"]["custom_details"] = json!("x".repeat(600_000)));
    assert_eq!(enqueue(&stack, &large).await.0, 413);
    let inbox = stack.get_json("inbox.json").await;
    assert_eq!(inbox["incidents"], json!([]));
    stack.stand_ins.shutdown().await;
}
