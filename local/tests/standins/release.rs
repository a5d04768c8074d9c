//! The release's own fixture, from source to a running service.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::stack::{Stack, Wishes};

const BUILDSPEC: &str = r#"
version: 0.2
env: {exported-variables: [IMAGE, ADDRESS]}
phases:
  pre_build:
    commands:
      - aws ecr get-login-password --region "$AWS_REGION" | docker login --username AWS --password-stdin "$REGISTRY"
  build:
    commands:
      - docker build -t $REGISTRY/gps-ingestion-service:r1 .
      - docker push $REGISTRY/gps-ingestion-service:r1
      - DIGEST=$(aws ecr describe-images --repository-name gps-ingestion-service --image-ids imageTag=r1 --query 'imageDetails[0].imageDigest' --output text)
      - export IMAGE="$REGISTRY/gps-ingestion-service@$DIGEST"
  post_build:
    commands:
      - aws eks update-kubeconfig --name staging-eks-cluster
      - (cd kube/staging && kustomize edit set image gps-ingestion-service="$IMAGE")
      - kubectl apply -k ./kube/staging --namespace staging
      - kubectl rollout status deployment/gps-ingestion-service --namespace staging --timeout=60s
      - export ADDRESS="$(kubectl get ingress gps-ingestion-service --namespace staging -o jsonpath='{.status.loadBalancer.ingress[0].hostname}')"
"#;

/// The `bin` of a Python environment with the fixture's requirements.
pub fn tools_path() -> PathBuf {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin");
    let path = std::env::var_os("GATEWRIGHT_TOOLS_PATH").map_or(local, PathBuf::from);
    assert!(
        path.join("uvicorn").is_file(),
        "this test runs the fixture service: install tests/fixtures/tms/gps_ingestion_service/requirements-dev.txt into .venv, or name the bin folder of an environment that has it in GATEWRIGHT_TOOLS_PATH (looked for uvicorn in {})",
        path.display()
    );
    path
}

fn exported<'b>(build: &'b Value, name: &str) -> &'b str {
    (build["exportedEnvironmentVariables"]
        .as_array()
        .unwrap()
        .iter())
    .find(|variable| variable["name"] == name)
    .and_then(|variable| variable["value"].as_str())
    .unwrap()
}

#[tokio::test]
async fn the_fixture_service_is_built_pushed_deployed_and_healthy() {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tms/gps_ingestion_service");
    let wishes = Wishes {
        source: Some(fixture),
        tools_path: vec![tools_path()],
        ..Wishes::default()
    };
    let stack = Stack::start_with(wishes).await;
    let repository =
        json!({"repositoryName": "gps-ingestion-service", "imageTagMutability": "IMMUTABLE"});
    let created = stack.ecr("CreateRepository", repository).await;
    let uri = created["repository"]["repositoryUri"].as_str().unwrap();
    let registry = uri.split('/').next().unwrap();
    let request = json!({
        "projectName": "gatewright",
        "buildspecOverride": BUILDSPEC,
        "environmentVariablesOverride": [{"name": "REGISTRY", "value": registry}],
    });
    let started = stack.codebuild("StartBuild", request).await;
    let build = stack
        .finished(started["build"]["id"].as_str().unwrap())
        .await;
    assert_eq!(
        build["buildStatus"],
        "SUCCEEDED",
        "{}",
        stack.log(&build).await
    );
    let health = format!("http://{}/health", exported(&build, "ADDRESS"));
    let answer = stack.http.get(health).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let (_, digest) = exported(&build, "IMAGE").split_once('@').unwrap();
    let text = answer.text().await.unwrap();
    assert!(
        text.contains(digest),
        "the service tells which image runs: {text}"
    );
    stack.stand_ins.shutdown().await;
}
