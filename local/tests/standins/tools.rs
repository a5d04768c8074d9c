//! The tools on a build's PATH, run as the programs they are.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::json;

use crate::stack::Stack;

/// A folder to run tools in, with a HOME of its own.
pub struct Place<'s> {
    stack: &'s Stack,
    pub folder: PathBuf,
}

impl<'s> Place<'s> {
    pub fn new(stack: &'s Stack) -> Self {
        let folder = stack.folder.path().join("work");
        fs::create_dir_all(folder.join("kube")).unwrap();
        Self { stack, folder }
    }

    pub fn write(&self, path: &str, content: &str) {
        fs::write(self.folder.join(path), content).unwrap();
    }

    pub async fn try_run(&self, line: &str, folder: &Path, extra: &[(&str, &str)]) -> Output {
        let bin = self.stack.data().join("bin");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        tokio::process::Command::new("bash")
            .args(["-c", line])
            .current_dir(folder)
            .env("PATH", path)
            .env("HOME", self.stack.folder.path())
            .env(
                "GATEWRIGHT_STANDINS_URL",
                self.stack.stand_ins.url().as_str(),
            )
            .envs(extra.iter().copied())
            .output()
            .await
            .unwrap()
    }

    /// Runs a line that must succeed and returns what it printed.
    pub async fn run(&self, line: &str) -> String {
        let output = self.try_run(line, &self.folder, &[]).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs a line that must fail; its exit code and what it complained.
    pub async fn fail(&self, line: &str) -> (i32, String) {
        let output = self.try_run(line, &self.folder, &[]).await;
        assert!(!output.status.success(), "{line} succeeded");
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

pub const REGISTRY: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

pub const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  progressDeadlineSeconds: 15
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web
          ports: [{containerPort: 8080}]
          env: [{name: MESSAGE, value: hello}]
          readinessProbe: {httpGet: {path: /index.html, port: 8080}}
";

pub fn service(place: &Place<'_>) {
    place.write("Dockerfile", "FROM scratch\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\", \"--bind\", \"0.0.0.0\"]\n");
    place.write("index.html", "one");
    place.write("kube/deployment.yaml", DEPLOYMENT);
    place.write(
        "kube/kustomization.yaml",
        "namespace: apps\nresources: [deployment.yaml]\n",
    );
}

/// Builds, pushes and returns the digest the registry has.
pub async fn push(place: &Place<'_>, tag: &str) -> String {
    let reference = format!("{REGISTRY}/web:{tag}");
    place.run(&format!("docker build -t {reference} .")).await;
    let pushed = place.run(&format!("docker push {reference}")).await;
    let digest = pushed
        .split("digest: ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    digest.to_owned()
}

pub async fn with_repository() -> Stack {
    let stack = Stack::start().await;
    let request = json!({"repositoryName": "web", "imageTagMutability": "IMMUTABLE"});
    stack.ecr("CreateRepository", request).await;
    stack
}

#[tokio::test]
async fn a_pushed_image_is_ecrs_and_its_tag_does_not_move() {
    let stack = with_repository().await;
    let place = Place::new(&stack);
    service(&place);
    place.run("aws ecr get-login-password --region x | docker login --username AWS --password-stdin host").await;
    let digest = push(&place, "v1").await;
    assert_eq!(
        push(&place, "v1").await,
        digest,
        "the same image again is fine"
    );
    let query = "aws ecr describe-images --repository-name web --image-ids imageTag=v1 --query 'imageDetails[0].imageDigest' --output text";
    assert_eq!(place.run(query).await, digest);
    let inspected = place
        .run(&format!(
            "docker inspect --format '{{{{index .RepoDigests 0}}}}' {REGISTRY}/web:v1"
        ))
        .await;
    assert_eq!(inspected, format!("{REGISTRY}/web@{digest}"));
    place.write("index.html", "two");
    place
        .run(&format!("docker build -t {REGISTRY}/web:v1 ."))
        .await;
    let (code, errors) = place.fail(&format!("docker push {REGISTRY}/web:v1")).await;
    assert_eq!(code, 1);
    assert!(
        errors.contains("cannot be overwritten because the tag is immutable"),
        "{errors}"
    );
    let started = place
        .run("aws ecr start-image-scan --repository-name web --image-id imageTag=v1")
        .await;
    assert!(started.contains("IN_PROGRESS"));
    stack.stand_ins.shutdown().await;
}

/// Builds and pushes the place's content, and applies it by digest.
async fn deploy(place: &Place<'_>, tag: &str) -> (String, String) {
    let digest = push(place, tag).await;
    let image = format!("{REGISTRY}/web@{digest}");
    place
        .run(&format!("cd kube && kustomize edit set image web={image}"))
        .await;
    (digest, place.run("kubectl apply -k kube").await)
}

/// What the service behind the ingress answers.
pub async fn page(place: &Place<'_>) -> String {
    let get = "kubectl get ingress web -o jsonpath='{.status.loadBalancer.ingress[0].hostname}'";
    let url = format!("http://{}/index.html", place.run(get).await);
    place
        .stack
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

#[tokio::test]
async fn an_applied_image_runs_until_the_stand_ins_end() {
    let stack = with_repository().await;
    let place = Place::new(&stack);
    service(&place);
    place.run("aws eks update-kubeconfig --name staging").await;
    let (digest, applied) = deploy(&place, "v1").await;
    assert!(applied.contains("deployment.apps/web created"), "{applied}");
    let done = place
        .run("kubectl rollout status deployment/web --timeout=15s")
        .await;
    assert!(done.contains("successfully rolled out"), "{done}");
    assert_eq!(page(&place).await, "one");
    let again = place.run("kubectl apply -k kube").await;
    assert!(again.contains("unchanged"), "{again}");
    let get = "kubectl get deployment web -o jsonpath='{.spec.template.spec.containers[0].image}'";
    assert!(place.run(get).await.ends_with(&digest));
    let record = fs::read(stack.data().join("clusters/staging/apps/web.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["digest"], digest.as_str());
    assert_eq!(
        (&record["revision"], &record["state"]),
        (&json!(1), &json!("Available"))
    );
    let address = record["address"].as_str().unwrap().to_owned();
    stack.stand_ins.shutdown().await;
    let connected = tokio::net::TcpStream::connect(address).await;
    assert!(connected.is_err(), "nothing serves any more");
}

#[tokio::test]
async fn a_rollout_replaces_a_revision_only_by_a_healthy_one() {
    let stack = with_repository().await;
    let place = Place::new(&stack);
    service(&place);
    place.run("aws eks update-kubeconfig --name staging").await;
    deploy(&place, "v1").await;
    place.run("kubectl rollout status deployment/web").await;

    place.write("index.html", "broken");
    let broken = "FROM scratch\nCMD [\"bash\", \"-c\", \"echo no such setting; exit 3\"]\n";
    place.write("Dockerfile", broken);
    deploy(&place, "v2").await;
    let (_, errors) = place
        .fail("kubectl rollout status deployment/web -n apps")
        .await;
    assert!(
        errors.contains("no such setting") && errors.contains("exit status: 3"),
        "{errors}"
    );
    assert_eq!(page(&place).await, "one", "the old revision still serves");

    service(&place);
    place.write("index.html", "three");
    deploy(&place, "v3").await;
    place.run("kubectl rollout status deployment/web").await;
    assert_eq!(page(&place).await, "three");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn an_image_the_registry_does_not_have_is_not_deployed() {
    let stack = with_repository().await;
    let place = Place::new(&stack);
    service(&place);
    let (_, errors) = place.fail("kubectl apply -k kube").await;
    assert!(errors.contains("update-kubeconfig"), "{errors}");
    place.run("kubectl config use-context staging").await;
    let (_, errors) = place.fail("kubectl apply -k kube").await;
    assert!(
        errors.contains("there is no such repository") || errors.contains("no such tag"),
        "{errors}"
    );
    place.write(
        "kube/kustomization.yaml",
        "resources: [deployment.yaml]\nhelmCharts: []\n",
    );
    let (_, errors) = place.fail("kubectl apply -k kube").await;
    assert!(errors.contains("`helmCharts` is not played"), "{errors}");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn what_a_tool_does_not_play_ends_with_two_and_says_so() {
    let stack = Stack::start().await;
    let place = Place::new(&stack);
    for line in [
        "docker run x",
        "kubectl delete pod x",
        "aws s3 ls",
        "kustomize build .",
        "kubectl get pods -o yaml",
    ] {
        let (code, errors) = place.fail(line).await;
        assert_eq!(code, 2, "{line}: {errors}");
        assert!(errors.contains("laptop stand-in for"), "{errors}");
    }
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn an_audit_that_cannot_reach_its_service_fails_and_names_what_it_left_out() {
    let stack = Stack::start().await;
    let place = Place::new(&stack);
    place.write("requirements.txt", "fastapi==1.0\nuvicorn==2.0\n");
    let tools = stack.folder.path().join("tools");
    fs::create_dir_all(&tools).unwrap();
    let real = tools.join("pip-audit");
    let audit = |script: &str| {
        fs::write(&real, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let path = format!(
        "{}:{}:/usr/bin:/bin",
        stack.data().join("bin").display(),
        tools.display()
    );
    let run = async |allow: &str| {
        let extra = [
            ("PATH", path.as_str()),
            ("GATEWRIGHT_ALLOW_UNAUDITED", allow),
        ];
        let output = place
            .try_run("pip-audit -r requirements.txt", &place.folder, &extra)
            .await;
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    audit(
        "echo \"HTTPSConnectionPool(host='advisories.example', port=443): Max retries exceeded\" >&2; exit 1",
    );
    let (code, errors) = run("").await;
    assert_eq!(code, 1);
    assert!(
        errors.contains(
            "advisories.example was not reached; NOT audited: fastapi==1.0, uvicorn==2.0"
        ),
        "{errors}"
    );
    let (code, errors) = run("1").await;
    assert_eq!(code, 0);
    assert!(errors.contains("WARNING"), "{errors}");
    audit("echo 'Found 1 known vulnerability' >&2; exit 1");
    let (code, _) = run("1").await;
    assert_eq!(code, 1, "a real finding is never waved through");
    audit("echo 'Dependency not found on PyPI and could not be audited: fastapi (1.0)'");
    let (code, errors) = run("").await;
    assert_eq!(code, 0);
    assert!(
        errors.contains("passed; NOT audited: fastapi (1.0)"),
        "{errors}"
    );
    stack.stand_ins.shutdown().await;
}
