//! PagerDuty's adapter against a server that answers as its Events API does.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use gatewright_aws::Kind;
use gatewright_aws::pagerduty::{Page, Pager, PagerDuty};
use gatewright_aws::secrets::Secret;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

type Asked = Arc<Mutex<Vec<(String, Value)>>>;
type Answers = Arc<Mutex<VecDeque<u16>>>;

/// A PagerDuty that answers so, one status a call, and what it was asked.
async fn pagerduty(answers: &[u16]) -> (PagerDuty, Asked) {
    let asked = Asked::default();
    let answers: Answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
    let app = Router::new()
        .fallback(answer)
        .with_state((asked.clone(), answers));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let keys = [("default".to_owned(), Secret::new("R0UTING\n"))];
    (PagerDuty::new(&api, keys.into()).unwrap(), asked)
}

async fn answer(
    State((asked, answers)): State<(Asked, Answers)>,
    uri: Uri,
    body: String,
) -> (StatusCode, String) {
    let event = serde_json::from_str(&body).unwrap();
    asked.lock().unwrap().push((uri.path().to_owned(), event));
    let status = answers.lock().unwrap().pop_front().unwrap();
    let said =
        json!({ "status": "said PagerDuty", "errors": ["Length of 'routing_key' is wrong"] });
    (StatusCode::from_u16(status).unwrap(), said.to_string())
}

fn page() -> Page {
    Page {
        key: "cp-1".to_owned(),
        summary: "nobody knows what production runs".to_owned(),
        source: "shop/production".to_owned(),
        at: gatewright_domain::Timestamp::UNIX_EPOCH,
        component: "production".to_owned(),
        group: "shop".to_owned(),
        class: "recovery-needed".to_owned(),
        details: Vec::new(),
        link: None,
    }
}

#[tokio::test]
async fn a_page_is_enqueued_with_the_services_routing_key() {
    let (pager, asked) = pagerduty(&[202]).await;
    pager.trigger("default", &page()).await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].0, "/v2/enqueue");
    assert_eq!(asked[0].1["routing_key"], "R0UTING", "as pasted, trimmed");
    assert_eq!(asked[0].1["dedup_key"], "cp-1");
}

#[tokio::test]
async fn one_that_is_throttled_is_sent_again_and_one_that_is_wrong_is_not() {
    let (pager, asked) = pagerduty(&[429, 503, 202]).await;
    pager.trigger("default", &page()).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 3);
    let (pager, asked) = pagerduty(&[400, 202]).await;
    let error = pager.trigger("default", &page()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Other);
    assert!(error.message.contains("HTTP 400"), "{error}");
    assert!(error.message.contains("Length of 'routing_key'"), "{error}");
    assert!(!error.to_string().contains("R0UTING"), "a key was told");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unknown_service_and_a_server_that_is_not_there_are_told_apart() {
    let (pager, asked) = pagerduty(&[]).await;
    let error = pager.trigger("nobody", &page()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Missing);
    assert!(error.message.contains("\"nobody\""));
    assert!(asked.lock().unwrap().is_empty());
    let keys = [("default".to_owned(), Secret::new("R0UTING"))];
    let nowhere = PagerDuty::new("http://127.0.0.1:1", keys.into()).unwrap();
    let error = nowhere.trigger("default", &page()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Transient);
}
