//! A server that answers as it is told to.

mod loopback;

use aws_config::SdkConfig;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use loopback::serving;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What was asked: the operation and its body.
pub type Asked = Arc<Mutex<Vec<(String, Value)>>>;
/// What is answered, in order.
type Answers = Arc<Mutex<VecDeque<(u16, Value)>>>;

/// A service that gives these answers, one a call, and what it was asked.
pub async fn service(answers: Vec<(u16, Value)>) -> (SdkConfig, Asked) {
    let (asked, answers): (Asked, Answers) =
        (Asked::default(), Arc::new(Mutex::new(answers.into())));
    let app = Router::new()
        .fallback(answer)
        .with_state((asked.clone(), answers));
    let config = serving(app).await;
    (config, asked)
}

async fn answer(
    State((asked, answers)): State<(Asked, Answers)>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers
        .get("x-amz-target")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    asked
        .lock()
        .unwrap()
        .push((operation, serde_json::from_str(&body).unwrap_or_default()));
    let (status, body) = answers
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or((500, json!({ "__type": "Unexpected" })));
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

/// An error as services answer it.
pub fn failing(status: u16, code: &str) -> (u16, Value) {
    (
        status,
        json!({ "__type": code, "message": "said the service" }),
    )
}
