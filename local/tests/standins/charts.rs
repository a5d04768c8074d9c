//! The commands of smart-dairy's and ecommerce's definitions, run one stage after
//! the other with the tools a build finds. Gates, approvals and pinned artifacts
//! are Gatewright's and are played here by a few lines.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use walkdir::WalkDir;

use crate::{
    release::tools_path,
    stack::{Stack, Wishes},
    tools::{Place, REGISTRY},
};

/// The deploy's own `install`; a build of its own needs it, too.
const ENTER: &str = "aws eks update-kubeconfig --name \"$CLUSTER\" > /dev/null 2>&1";

/// A definition, its source, and a stack to run its commands on.
struct System {
    stack: Stack,
    definition: Value,
    source: PathBuf,
    variables: BTreeMap<String, String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Copies a folder's files over another's.
fn overlay(from: &Path, to: &Path) {
    for entry in WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Steps are commands, or have a name and a command.
fn commands(steps: &Value) -> Vec<String> {
    let text = |step: &Value| step["run"].as_str().or(step.as_str()).unwrap().to_owned();
    steps.as_array().into_iter().flatten().map(text).collect()
}

impl System {
    async fn start(id: &str) -> Self {
        let text = fs::read_to_string(root().join(format!("pipelines/{id}.yaml"))).unwrap();
        let definition: Value = serde_saphyr::from_str(&text).unwrap();
        let stack = Stack::start_with(Wishes {
            tools_path: vec![tools_path()],
            ..Wishes::default()
        })
        .await;
        for artifact in definition["artifacts"].as_object().unwrap().values() {
            let request = json!({"repositoryName": artifact["repository"], "imageTagMutability": "IMMUTABLE"});
            stack.ecr("CreateRepository", request).await;
        }
        let source = stack.folder.path().join("checkout");
        overlay(&root().join("tests/fixtures").join(id), &source);
        let path = format!(
            "{}:{}:{}",
            stack.data().join("bin").display(),
            tools_path().display(),
            std::env::var("PATH").unwrap()
        );
        let variables = [
            ("PATH", path.as_str()),
            ("CODEBUILD_SRC_DIR", source.to_str().unwrap()),
            ("AWS_REGION", "ap-south-1"),
            ("ECR_REGISTRY", REGISTRY),
            ("REF", "refs/heads/main"),
            ("BRANCH_OR_TAG", "main"),
            // What CodeBuild would fetch; no tool here looks at it.
            ("SNYK_TOKEN", "x"),
            ("SONAR_TOKEN", "x"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut system = Self {
            variables: BTreeMap::from(variables),
            stack,
            definition,
            source,
        };
        system.commit("0001");
        system
    }

    /// Goes on with another commit.
    fn commit(&mut self, start: &str) {
        let commit = format!("{start:0<40}");
        for name in ["COMMIT_SHA", "IMAGE_TAG"] {
            self.variables.insert(name.to_owned(), commit.clone());
        }
    }

    fn vary(&self, variant: &str) {
        overlay(
            &root().join("tests/fixtures/variants").join(variant),
            &self.source,
        );
    }

    /// A stage by its name, also one in a group.
    fn stage(&self, name: &str) -> Value {
        let stages = self.definition["stages"].as_array().unwrap();
        let inner = stages
            .iter()
            .flat_map(|stage| stage["parallel"].as_array().into_iter().flatten());
        (stages.iter().chain(inner))
            .find(|stage| stage["name"] == name)
            .unwrap()
            .clone()
    }

    /// Runs commands as one build does: a HOME of its own, one shell, and the
    /// first failing line is the end. What it printed, or its complaint.
    async fn build(
        &self,
        commands: &[String],
        environment: &str,
        extra: &[(&str, &str)],
    ) -> Result<String, String> {
        let home = tempfile::tempdir().unwrap();
        let environments = &self.definition["environments"];
        let of = |key: &str| {
            environments[environment][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let mut variables = self.variables.clone();
        variables.extend([
            ("HOME".to_owned(), home.path().display().to_string()),
            ("ENVIRONMENT".to_owned(), environment.to_owned()),
            ("CLUSTER".to_owned(), of("cluster")),
            ("NAMESPACE".to_owned(), of("namespace")),
        ]);
        variables.extend(
            extra
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let script = format!("set -eo pipefail\n{}", commands.join("\n"));
        let output = Place::new(&self.stack)
            .try_run(&script, &self.source, &variables)
            .await;
        let [out, err] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let said = out + &err;
        if output.status.success() {
            Ok(said)
        } else {
            Err(said)
        }
    }

    async fn run(&self, name: &str, extra: &[(&str, &str)]) -> Result<String, String> {
        let stage = self.stage(name);
        let environment = (stage["deploy"]["environment"].as_str())
            .or(stage["environment"].as_str())
            .unwrap_or_default();
        let services = self.services(&stage["services"]);
        let mut all: Vec<String> = services.iter().map(|(line, _, _)| line.clone()).collect();
        // The packages are there; installing them is not what is tested.
        let install = commands(&stage["install"]).into_iter();
        all.extend(install.filter(|line| !line.starts_with("pip ") && !line.starts_with("npm ")));
        all.extend(commands(&stage["steps"]));
        if stage["deploy"].is_object() {
            all.extend(commands(
                &self.definition["environments"][environment]["verify"],
            ));
        }
        all.extend(
            services
                .iter()
                .map(|(_, name, _)| format!("docker rm -f {name}")),
        );
        let mut variables: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in stage["env"].as_object().into_iter().flatten() {
            let mut value = value.as_str().unwrap_or("secret").to_owned();
            for (_, _, (inside, outside)) in &services {
                value = value.replace(
                    &format!("localhost:{inside}"),
                    &format!("localhost:{outside}"),
                );
            }
            variables.insert(name.clone(), value);
        }
        let matrix = extra
            .iter()
            .find(|(name, _)| *name == "matrix")
            .map_or("", |(_, leg)| leg);
        let filled = |text: &str| text.replace("${{ matrix.service }}", matrix);
        let all: Vec<String> = all.iter().map(|line| filled(line)).collect();
        let variables: Vec<(String, String)> = variables
            .into_iter()
            .map(|(name, value)| (name, filled(&value)))
            .collect();
        let own = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let extra: Vec<(&str, &str)> = own.chain(extra.iter().copied()).collect();
        self.build(&all, environment, &extra).await
    }

    /// The command that starts each service and waits for it, its name, and its
    /// port with one that is free here.
    fn services(&self, services: &Value) -> Vec<(String, String, (u64, u16))> {
        let all = services.as_object().into_iter().flatten();
        all.map(|(name, service)| {
            let port = service["ports"][0].as_u64().unwrap();
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let env: String = (service["env"].as_object().into_iter().flatten())
                .map(|(name, value)| format!("--env {name}={} ", value.as_str().unwrap()))
                .collect();
            let (image, health) = (service["image"].as_str().unwrap(), service["health"].as_str().unwrap());
            let line = format!("docker run --detach --name {name} --publish {free}:{port} {env}{image}\ndocker exec {name} {health}");
            (line, name.clone(), (port, free))
        })
        .collect()
    }

    async fn pass(&self, name: &str, extra: &[(&str, &str)]) -> String {
        match self.run(name, extra).await {
            Ok(said) => said,
            Err(said) => panic!("{name}: {said}"),
        }
    }

    /// Runs a list of an environment's commands, such as `/smoke`.
    async fn list(
        &self,
        environment: &str,
        list: &str,
        extra: &[(&str, &str)],
    ) -> Result<String, String> {
        let steps = self.definition["environments"][environment]
            .pointer(list)
            .unwrap();
        let mut all = vec![ENTER.to_owned()];
        all.extend(commands(steps));
        self.build(&all, environment, extra).await
    }

    async fn kubectl(&self, environment: &str, line: &str) -> String {
        let line = format!("kubectl {line} --namespace \"$NAMESPACE\" 2> /dev/null");
        let said = self
            .build(&[ENTER.to_owned(), line], environment, &[])
            .await;
        said.unwrap().trim().to_owned()
    }

    /// The image of this commit, by digest, as Gatewright pins it.
    async fn pinned(&self, repository: &str) -> String {
        let request = json!({"repositoryName": repository, "imageIds": [{"imageTag": self.variables["IMAGE_TAG"]}]});
        let answer = self.stack.ecr("DescribeImages", request).await;
        let digest = answer["imageDetails"][0]["imageDigest"]
            .as_str()
            .unwrap()
            .to_owned();
        format!("{REGISTRY}/{repository}@{digest}")
    }
}

/// Builds the three images and returns what deploys get.
async fn dairy_images(system: &System) -> Vec<(&'static str, String)> {
    let mut images = Vec::new();
    for (leg, variable) in [
        ("odoo", "IMAGE_ODOO"),
        ("fastapi", "IMAGE_FASTAPI"),
        ("celery", "IMAGE_CELERY"),
    ] {
        system.pass("Build Images", &[("matrix", leg)]).await;
        images.push((variable, system.pinned(&format!("smart-dairy/{leg}")).await));
    }
    images
}

fn borrowed<'i>(images: &'i [(&'static str, String)]) -> Vec<(&'i str, &'i str)> {
    images
        .iter()
        .map(|(name, image)| (*name, image.as_str()))
        .collect()
}

const IMAGE: &str = "-o jsonpath='{.spec.template.spec.containers[0].image}'";

#[tokio::test(flavor = "multi_thread")]
async fn smart_dairy_is_checked_built_and_tested_with_real_stores() {
    let mut system = System::start("smart-dairy").await;
    let linted = system.pass("Lint & Validate", &[]).await;
    assert!(linted.contains("no leaks found"), "{linted}");
    dairy_images(&system).await;
    let tested = system.pass("Unit Tests", &[]).await;
    assert!(tested.contains("22 passed"), "{tested}");
    let tested = system.pass("Integration Tests", &[]).await;
    assert!(tested.contains("2 passed"), "{tested}");
    system.pass("Security Scan", &[]).await;
    let report = || fs::read_to_string(system.source.join("trivy-fastapi.sarif")).unwrap();
    assert!(report().contains("\"results\": []"));

    system.vary("smart-dairy-high-finding");
    system.pass("Staging Security Gate", &[]).await;
    assert!(
        report().contains("\"HIGH\""),
        "the gate judges it, the step goes on"
    );

    system.vary("smart-dairy-failing-test");
    system.commit("0002");
    let failed = system.run("Unit Tests", &[]).await.unwrap_err();
    assert!(
        failed.contains("test_half_a_cent_is_rounded_up"),
        "{failed}"
    );
    system.stack.stand_ins.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_release_that_never_gets_well_is_rolled_back() {
    let mut system = System::start("smart-dairy").await;
    let good = dairy_images(&system).await;
    system.pass("Deploy to Staging", &borrowed(&good)).await;
    let smoke = system.list("staging", "/verify", &[]).await.unwrap();
    assert!(smoke.contains("\"environment\":\"staging\""), "{smoke}");

    system.vary("smart-dairy-unhealthy-staging");
    system.commit("0002");
    let bad = dairy_images(&system).await;
    let failed = system
        .run("Deploy to Staging", &borrowed(&bad))
        .await
        .unwrap_err();
    assert!(failed.contains("UPGRADE FAILED"), "{failed}");
    assert!(
        system.list("staging", "/verify", &[]).await.is_ok(),
        "the old one serves"
    );
    // The roll-back of a rolling strategy: the same steps, the previous images.
    system.pass("Deploy to Staging", &borrowed(&good)).await;
    let runs = system
        .kubectl(
            "staging",
            &format!("get deployment smart-dairy-odoo {IMAGE}"),
        )
        .await;
    assert_eq!(runs, good[0].1);
    system.stack.stand_ins.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn production_goes_from_blue_to_green_by_shares_and_back_at_once() {
    let mut system = System::start("smart-dairy").await;
    let blue = dairy_images(&system).await;
    system.pass("Deploy to Production", &borrowed(&blue)).await;
    let readme = system.source.join("smart_dairy/news.py");
    fs::write(readme, "\"\"\"Green.\"\"\"\n").unwrap();
    system.commit("0002");
    let green = dairy_images(&system).await;
    system.pass("Deploy to Production", &borrowed(&green)).await;
    system.list("production", "/smoke", &[]).await.unwrap();
    let traffic = "get ingress smart-dairy -o jsonpath='{.metadata.annotations.alb\\.ingress\\.kubernetes\\.io/actions\\.smart-dairy-active}'";
    for weight in ["5", "25", "100"] {
        let shift = [("WEIGHT", weight)];
        system
            .list("production", "/strategy/shift", &shift)
            .await
            .unwrap();
        let action: Value =
            serde_json::from_str(&system.kubectl("production", traffic).await).unwrap();
        assert_eq!(
            action["forwardConfig"]["targetGroups"][1]["weight"].to_string(),
            weight
        );
    }
    let active = format!("get deployment smart-dairy-active-odoo {IMAGE}");
    assert_eq!(system.kubectl("production", &active).await, blue[0].1);

    let back = "/rollback/steps";
    system
        .list("production", back, &borrowed(&blue))
        .await
        .unwrap();
    assert!(
        system
            .kubectl("production", traffic)
            .await
            .contains("\"weight\":100},{")
    );
    assert!(
        system.list("production", "/smoke", &[]).await.is_err(),
        "green rests"
    );

    system.pass("Deploy to Production", &borrowed(&green)).await;
    system
        .list("production", "/strategy/shift", &[("WEIGHT", "100")])
        .await
        .unwrap();
    system
        .list("production", "/strategy/retire", &borrowed(&green))
        .await
        .unwrap();
    assert_eq!(system.kubectl("production", &active).await, green[0].1);
    assert!(
        system.list("production", "/smoke", &[]).await.is_err(),
        "green rests"
    );
    system.stack.stand_ins.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ecommerce_is_signed_shifted_by_its_mesh_and_compared_with_argo_cd() {
    let mut system = System::start("ecommerce").await;
    for stage in [
        "SonarQube Analysis",
        "OWASP Dependency Check",
        "Build & Push",
    ] {
        system.pass(stage, &[]).await;
    }
    let one = system.pinned("ecommerce/product-service").await;
    let stranger = format!(
        "{REGISTRY}/ecommerce/product-service@sha256:{}",
        "0".repeat(64)
    );
    let refused = system
        .run("Deploy to Testing", &[("IMAGE", &stranger)])
        .await
        .unwrap_err();
    assert!(
        refused.contains("signature verification failed"),
        "{refused}"
    );
    system.pass("Deploy to Testing", &[("IMAGE", &one)]).await;
    system.list("testing", "/smoke", &[]).await.unwrap();
    system.pass("Drift Detection", &[]).await;
    system
        .pass("Deploy to Production", &[("IMAGE", &one)])
        .await;
    system.pass("DAST on Production", &[]).await;

    fs::write(
        system.source.join("src/news.js"),
        "export const news = 2;\n",
    )
    .unwrap();
    system.commit("0002");
    system.pass("Build & Push", &[]).await;
    let two = system.pinned("ecommerce/product-service").await;
    system
        .pass("Deploy to Production", &[("IMAGE", &two)])
        .await;
    let smoke = system.list("production", "/smoke", &[]).await.unwrap();
    assert!(smoke.contains("\"track\":\"canary\""), "{smoke}");
    let route = "get virtualrouter product-service -o jsonpath='{.spec.routes[0].httpRoute.action.weightedTargets[1].weight}'";
    for weight in ["5", "20", "50", "100"] {
        system
            .list(
                "production",
                "/strategy/shift",
                &[("WEIGHT", weight), ("IMAGE", &two)],
            )
            .await
            .unwrap();
        assert_eq!(system.kubectl("production", route).await, weight);
    }
    system
        .list("production", "/strategy/retire", &[("IMAGE", &two)])
        .await
        .unwrap();
    let stable = format!("get deployment product-service {IMAGE}");
    assert_eq!(system.kubectl("production", &stable).await, two);
    assert_eq!(system.kubectl("production", route).await, "0");

    system.pass("Monthly Audit", &[]).await;
    system
        .kubectl(
            "production",
            "scale deployment/product-service --replicas=0",
        )
        .await;
    let drifted = system.run("Drift Detection", &[]).await.unwrap_err();
    assert!(drifted.contains(".spec.replicas"), "{drifted}");
    system.stack.stand_ins.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_is_not_well_ends_and_stable_keeps_serving() {
    let mut system = System::start("ecommerce").await;
    system.pass("Build & Push", &[]).await;
    let one = system.pinned("ecommerce/product-service").await;
    system
        .pass("Deploy to Production", &[("IMAGE", &one)])
        .await;
    system.vary("ecommerce-unhealthy-canary");
    system.commit("0002");
    system.pass("Build & Push", &[]).await;
    let two = system.pinned("ecommerce/product-service").await;
    let failed = system
        .run("Deploy to Production", &[("IMAGE", &two)])
        .await
        .unwrap_err();
    assert!(failed.contains("Degraded"), "{failed}");
    system
        .list("production", "/rollback/steps", &[("IMAGE", &one)])
        .await
        .unwrap();
    let stable = format!("get deployment product-service {IMAGE}");
    assert_eq!(system.kubectl("production", &stable).await, one);
    assert!(
        system.list("production", "/smoke", &[]).await.is_err(),
        "the canary is gone"
    );
    system.stack.stand_ins.shutdown().await;
}

/// The process ids of everything whose command line has this in it.
fn processes(part: &str) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(part))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builds_services_wait_for_their_port_and_end_with_the_build() {
    let stack = Stack::start_with(Wishes {
        tools_path: vec![tools_path()],
        ..Wishes::default()
    })
    .await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let spec = json!({"version": 0.2, "phases": {
        "install": {"commands": [
            format!("docker run --detach --name db --publish {port}:5432 --env POSTGRES_PASSWORD=x --env POSTGRES_DB=shop postgres:16-alpine"),
            "docker exec db pg_isready"]},
        "build": {"commands": ["docker exec db psql --dbname shop --command 'select version()'"]}}});
    let id = stack.start_build(&spec.to_string()).await;
    let waits = stack.eventually("the build says what it waits for", async || {
        let build = stack.build(&id).await;
        let log = stack.log(&build).await;
        log.contains(&format!("port {port} of this machine is taken"))
            .then_some(())
    });
    waits.await;
    drop(taken);
    let build = stack.finished(&id).await;
    let log = stack.log(&build).await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    assert!(log.contains("PostgreSQL 16"), "{log}");
    let data = stack.data().display().to_string();
    let gone = stack.eventually("the server is gone", async || {
        (processes(&data) == 0).then_some(())
    });
    gone.await;
    stack.stand_ins.shutdown().await;
}
