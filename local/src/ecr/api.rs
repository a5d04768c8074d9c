//! The operations of ECR's API that are played here.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Ecr, EcrFaults,
    findings::Script,
    scan::Moment,
    store::{Repository, TagMutability},
};
use crate::{
    aws_json::{self, AwsError, answer, parse},
    sync::locked,
};

/// The page size when none is asked for, and the largest (API reference,
/// `maxResults`).
const DEFAULT_PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// The routes of the API and of the switches.
pub(super) fn router() -> Router<Arc<Ecr>> {
    Router::new()
        .route("/ecr", post(call))
        .route("/ecr/", post(call))
        .route("/ecr/_faults", get(faults_left).post(set_faults))
        .route("/ecr/_findings", post(set_findings))
}

async fn set_faults(State(ecr): State<Arc<Ecr>>, Json(faults): Json<EcrFaults>) -> Json<EcrFaults> {
    locked(&ecr.faults).clone_from(&faults);
    Json(faults)
}

async fn faults_left(State(ecr): State<Arc<Ecr>>) -> Json<EcrFaults> {
    Json(locked(&ecr.faults).clone())
}

/// What scans of a repository, or of one image, find from now on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetFindings {
    #[serde(default)]
    repository_name: Option<String>,
    #[serde(default)]
    image_digest: Option<String>,
    /// A findings file's path …
    #[serde(default)]
    file: Option<std::path::PathBuf>,
    /// … or its content.
    #[serde(default)]
    findings: Option<Value>,
}

async fn set_findings(State(ecr): State<Arc<Ecr>>, Json(request): Json<SetFindings>) -> Response {
    if request.repository_name.is_none() && request.image_digest.is_none() {
        let text = "say which: repositoryName or imageDigest";
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let script = match (&request.file, request.findings) {
        (Some(path), None) => Script::load(path),
        (None, Some(content)) => Script::parse(content, "the request's findings"),
        _ => {
            let text = "give either file (a path) or findings (the content)";
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    match script {
        Ok(script) => {
            let (repository, digest) = (request.repository_name, request.image_digest);
            (ecr.scans).prepare(repository.as_deref(), digest.as_deref(), script);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn call(State(ecr): State<Arc<Ecr>>, headers: HeaderMap, body: Bytes) -> Response {
    if ecr.throttled() {
        return answer(Err(AwsError::new("ThrottlingException", "Rate exceeded")));
    }
    let operation = aws_json::operation(&headers, "AmazonEC2ContainerRegistry_V20150921");
    answer(match operation {
        Some("PutImage") => ecr.put_image(&body).await,
        Some("BatchGetImage") => ecr.batch_get_image(&body).await,
        Some("BatchDeleteImage") => ecr.batch_delete_image(&body).await,
        Some("DescribeImages") => ecr.describe_images(&body).await,
        Some("ListImages") => ecr.list_images(&body).await,
        Some("CreateRepository") => ecr.create_repository(&body),
        Some("DescribeRepositories") => ecr.describe_repositories(&body).await,
        Some("StartImageScan") => ecr.start_image_scan(&body).await,
        Some("DescribeImageScanFindings") => ecr.describe_image_scan_findings(&body).await,
        _ => return ecr.forward(&headers, body).await,
    })
}

/// `ImageIdentifier`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ImageId {
    pub(super) image_digest: Option<String>,
    pub(super) image_tag: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RepositoryRequest {
    repository_name: String,
    image_tag_mutability: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RepositoriesRequest {
    repository_names: Vec<String>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ScanRequest {
    repository_name: String,
    image_id: ImageId,
    #[serde(flatten)]
    page: Page,
}

/// `maxResults` and `nextToken` of every listing operation.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) max_results: Option<usize>,
    pub(super) next_token: Option<String>,
}

impl Page {
    /// The part of `items` this page shows, and the token of the next.
    ///
    /// # Errors
    /// `InvalidParameterException` for a size or a token that is none.
    pub(super) fn cut<'i, T>(&self, items: &'i [T]) -> Result<(&'i [T], Option<String>), AwsError> {
        let size = self.max_results.unwrap_or(DEFAULT_PAGE);
        if size == 0 || size > LARGEST_PAGE {
            return Err(invalid(format!(
                "Invalid parameter at 'maxResults': {size}; it is from 1 to {LARGEST_PAGE}"
            )));
        }
        let start = match &self.next_token {
            None => 0,
            Some(token) => (URL_SAFE_NO_PAD.decode(token).ok())
                .and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok())
                .filter(|start| *start <= items.len())
                .ok_or_else(|| {
                    invalid("Invalid parameter at 'nextToken': it is not one of this operation's")
                })?,
        };
        let end = items.len().min(start.saturating_add(size));
        let next = (end < items.len()).then(|| URL_SAFE_NO_PAD.encode(end.to_string()));
        Ok((&items[start..end], next))
    }
}

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

impl Ecr {
    fn create_repository(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: RepositoryRequest = parse(body)?;
        let name = &request.repository_name;
        let mutability = match request.image_tag_mutability.as_deref() {
            None | Some("MUTABLE") => TagMutability::Mutable,
            Some("IMMUTABLE") => TagMutability::Immutable,
            Some(other) => {
                return Err(invalid(format!(
                    "Invalid parameter at 'imageTagMutability': {other}; it is MUTABLE or IMMUTABLE"
                )));
            }
        };
        if name.is_empty() {
            return Err(invalid(
                "Invalid parameter at 'repositoryName': it is empty",
            ));
        }
        let created = (self.store.create(name, mutability))
            .map_err(|error| AwsError::internal(error.to_string()))?;
        if !created {
            return Err(AwsError::new(
                "RepositoryAlreadyExistsException",
                format!("The repository with name '{name}' already exists"),
            ));
        }
        let repository = self
            .store
            .read(name, |found| self.repository_json(name, found));
        Ok(json!({"repository": repository}))
    }

    async fn describe_repositories(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: RepositoriesRequest = parse(body)?;
        let mut names = request.repository_names;
        if names.is_empty() {
            names = self.store.names();
            names.extend(self.emulated_names().await);
            names.sort_unstable();
            names.dedup();
        }
        for name in &names {
            self.adopt(name).await?;
        }
        let (page, next) = request.page.cut(&names)?;
        let repositories: Vec<Value> = (page.iter())
            .filter_map(|name| {
                self.store
                    .read(name, |found| self.repository_json(name, found))
            })
            .collect();
        Ok(with_token(json!({"repositories": repositories}), next))
    }

    fn repository_json(&self, name: &str, repository: &Repository) -> Value {
        let Self { settings, .. } = self;
        json!({
            "repositoryArn": self.repository_arn(name),
            "registryId": settings.account,
            "repositoryName": name,
            "repositoryUri": format!(
                "{}.dkr.ecr.{}.amazonaws.com/{name}", settings.account, settings.region
            ),
            "createdAt": repository.created_at,
            "imageTagMutability": repository.tag_mutability,
            "imageScanningConfiguration": {"scanOnPush": false},
        })
    }

    async fn start_image_scan(self: &Arc<Self>, body: &[u8]) -> Result<Value, AwsError> {
        let request: ScanRequest = parse(body)?;
        let name = &request.repository_name;
        let digest = self.find_digest(name, &request.image_id).await?;
        self.start_scan((name.clone(), digest.clone()))
            .map_err(|error| AwsError::internal(error.to_string()))?;
        Ok(json!({
            "registryId": self.settings.account,
            "repositoryName": name,
            "imageId": image_id_json(&digest, request.image_id.image_tag.as_deref()),
            "imageScanStatus": {"status": "IN_PROGRESS"},
        }))
    }

    async fn describe_image_scan_findings(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: ScanRequest = parse(body)?;
        let name = &request.repository_name;
        let digest = self.find_digest(name, &request.image_id).await?;
        // Asking for a further page is no further look at the scan.
        let counts = request.page.next_token.is_none();
        let Some(moment) = self.scan_moment(&(name.clone(), digest.clone()), counts) else {
            return Err(AwsError::new(
                "ScanNotFoundException",
                format!(
                    "Image scan does not exist for the image with '{{imageDigest:'{digest}'}}' in the repository with name '{name}' in the registry with id '{}'",
                    self.settings.account
                ),
            ));
        };
        let mut result = json!({
            "registryId": self.settings.account,
            "repositoryName": name,
            "imageId": image_id_json(&digest, request.image_id.image_tag.as_deref()),
            "imageScanStatus": scan_status(&moment),
        });
        let (kind, findings) = moment.step.findings();
        let (page, next) = request.page.cut(findings)?;
        if let Some(completed) = moment.completed_at {
            result["imageScanFindings"] = json!({
                "imageScanCompletedAt": completed,
                "vulnerabilitySourceUpdatedAt": completed,
                "findingSeverityCounts": moment.step.severity_counts(),
                kind: page,
            });
        }
        Ok(with_token(result, next))
    }
}

fn scan_status(moment: &Moment) -> Value {
    let mut status = moment.step.response["imageScanStatus"].clone();
    if !status.is_object() {
        status = json!({});
    }
    status["status"] = moment.step.status().into();
    status
}

/// An `ImageIdentifier` in an answer.
pub(super) fn image_id_json(digest: &str, tag: Option<&str>) -> Value {
    let mut id = json!({"imageDigest": digest});
    if let Some(tag) = tag {
        id["imageTag"] = tag.into();
    }
    id
}

/// An answer with its `nextToken`, when there is one.
pub(super) fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let Some(token) = next {
        answer["nextToken"] = token.into();
    }
    answer
}
