//! Handing calls on to the emulator.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Response as HttpResponse, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Ecr, store::TagMutability};
use crate::aws_json::{AwsError, CONTENT_TYPE};

/// Headers that belong to one connection (RFC 9110, 7.6.1) or to one body.
const NOT_HANDED_ON: [header::HeaderName; 5] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
];

impl Ecr {
    /// Sends a call to the emulator as it came and the answer back likewise.
    pub(super) async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Response {
        match self.exchange(headers, body).await {
            Ok(response) => response,
            Err(error) => AwsError::internal(format!(
                "the operation is not played here and the emulator at {} did not answer: {error}",
                self.settings.emulator
            ))
            .into_response(),
        }
    }

    async fn exchange(&self, headers: &HeaderMap, body: Bytes) -> Result<Response, reqwest::Error> {
        let url = self.settings.emulator.clone();
        let answer = (self.http.post(url))
            .headers(handed_on(headers))
            .body(body)
            .send()
            .await?;
        let (status, headers) = (answer.status(), handed_on(answer.headers()));
        let mut response = HttpResponse::new(Body::from(answer.bytes().await?));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Makes sure a repository is known, asking the emulator for one that is
    /// not.
    ///
    /// # Errors
    /// `RepositoryNotFoundException`.
    pub(super) async fn adopt(&self, name: &str) -> Result<(), AwsError> {
        if self.store.read(name, |_| ()).is_some() {
            return Ok(());
        }
        let request = json!({"repositoryNames": [name]});
        let found = self.ask("DescribeRepositories", &request).await;
        let Some(repository) = found
            .as_ref()
            .and_then(|found| found["repositories"].get(0))
        else {
            return Err(AwsError::new(
                "RepositoryNotFoundException",
                format!(
                    "The repository with name '{name}' does not exist in the registry with id '{}'",
                    self.settings.account
                ),
            ));
        };
        let mutability = match repository["imageTagMutability"].as_str() {
            Some("IMMUTABLE") => TagMutability::Immutable,
            _ => TagMutability::Mutable,
        };
        (self.store.create(name, mutability))
            .map_err(|error| AwsError::internal(error.to_string()))?;
        Ok(())
    }

    /// The repositories the emulator knows; none when it does not answer.
    pub(super) async fn emulated_names(&self) -> Vec<String> {
        let found = self.ask("DescribeRepositories", &json!({})).await;
        (found.iter())
            .flat_map(|found| found["repositories"].as_array().into_iter().flatten())
            .filter_map(|repository| repository["repositoryName"].as_str())
            .map(str::to_owned)
            .collect()
    }

    async fn ask(&self, operation: &str, request: &Value) -> Option<Value> {
        // Emulators route by the credential scope and check no signature.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=standin/20260101/{}/ecr/aws4_request, \
             SignedHeaders=host, Signature=0",
            self.settings.region
        );
        let answer = (self.http.post(self.settings.emulator.clone()))
            .header("content-type", CONTENT_TYPE)
            .header("authorization", authorization)
            .header(
                "x-amz-target",
                format!("AmazonEC2ContainerRegistry_V20150921.{operation}"),
            )
            .body(request.to_string())
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status().is_success() => answer.json().await.ok(),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(
                    "stand-in for ECR: the emulator did not answer {operation}: {error}"
                );
                None
            }
        }
    }
}

fn handed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in NOT_HANDED_ON {
        headers.remove(name);
    }
    headers
}
