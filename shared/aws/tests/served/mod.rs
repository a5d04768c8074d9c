//! A server that answers as it is told to.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
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
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let fixed = Credentials::new("key", "secret", None, None, "test");
    let config =
        gatewright_aws::clients::for_person(Some("ap-south-1".to_owned()), Some(endpoint)).await;
    let config = config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(fixed))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
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
