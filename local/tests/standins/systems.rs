//! The commands of the transport systems' definitions, run one stage after the
//! other as builds. Gates, approvals and artifacts are Gatewright's and are
//! played here by a few lines: what is tested is that the commands do their work
//! with the tools a build finds.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use walkdir::WalkDir;

use crate::{
    release::tools_path,
    stack::{Stack, Wishes},
};

const COMMIT: &str = "4f2a9c01d3e5b7a9c1d3e5f7a9b1c3d5e7f9a1b3";

/// Linters and tests start slowly on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A definition, and a stack whose builds get the fixture's source.
struct System {
    stack: Stack,
    definition: Value,
    source: PathBuf,
    variables: BTreeMap<String, String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder with a `pip-audit` that finds nothing: the real one asks a service
/// that a test must not depend on.
fn without_audit(folder: &Path) -> PathBuf {
    let tools = folder.join("tools");
    fs::create_dir_all(&tools).unwrap();
    let audit = tools.join("pip-audit");
    fs::write(
        &audit,
        "#!/bin/bash\necho 'No known vulnerabilities found'\n",
    )
    .unwrap();
    fs::set_permissions(&audit, fs::Permissions::from_mode(0o755)).unwrap();
    tools
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

impl System {
    async fn start(id: &str) -> Self {
        let text = fs::read_to_string(root().join(format!("pipelines/{id}.yaml"))).unwrap();
        let definition: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(definition["id"], id);
        let folder = tempfile::tempdir().unwrap().keep();
        let source = folder.join("source");
        overlay(&root().join("tests/fixtures/tms"), &source);
        let stack = Stack::start_with(Wishes {
            source: Some(source.clone()),
            tools_path: vec![without_audit(&folder), tools_path()],
            ..Wishes::default()
        })
        .await;
        let mut variables = BTreeMap::from([
            ("COMMIT_SHA".to_owned(), COMMIT.to_owned()),
            ("IMAGE_TAG".to_owned(), COMMIT.to_owned()),
        ]);
        if let Some(repository) = definition["artifacts"]["image"]["repository"].as_str() {
            let request = json!({"repositoryName": repository, "imageTagMutability": "IMMUTABLE"});
            let created = stack.ecr("CreateRepository", request).await;
            let uri = created["repository"]["repositoryUri"].as_str().unwrap();
            let registry = uri.split('/').next().unwrap();
            variables.insert("ECR_REGISTRY".to_owned(), registry.to_owned());
        }
        Self {
            stack,
            definition,
            source,
            variables,
        }
    }

    /// Copies a variant of the fixture over the source.
    fn vary(&self, variant: &str) {
        overlay(
            &root().join("tests/fixtures/variants").join(variant),
            &self.source,
        );
    }

    /// The folder that the pipeline releases.
    fn path(&self) -> &str {
        self.definition["source"]["path"].as_str().unwrap()
    }

    /// Runs a stage's commands; the build's status, its log and its folder.
    async fn stage(&self, name: &str) -> (String, String, PathBuf) {
        let stage = (self.definition["stages"].as_array().unwrap().iter())
            .find(|stage| stage["name"] == name)
            .unwrap();
        let environment = (stage["deploy"]["environment"].as_str())
            .or_else(|| stage["environment"].as_str())
            .unwrap_or_default();
        let environment = &self.definition["environments"][environment];
        let mut steps = commands(&stage["steps"]);
        if stage["deploy"].is_object() {
            steps.extend(commands(&environment["verify"]));
        }
        let install = [
            commands(&self.definition["defaults"]["install"]),
            commands(&stage["install"]),
        ]
        .concat();
        self.build(install, steps, environment, stage).await
    }

    /// Runs an environment's smoke test, as the stage of its own that it is.
    async fn smoke(&self, environment: &str) -> (String, String, PathBuf) {
        let environment = &self.definition["environments"][environment];
        let steps = commands(&environment["smoke"]);
        self.build(vec![], steps, environment, &Value::Null).await
    }

    async fn build(
        &self,
        install: Vec<String>,
        steps: Vec<String>,
        environment: &Value,
        stage: &Value,
    ) -> (String, String, PathBuf) {
        let enter = format!("cd \"$CODEBUILD_SRC_DIR/{}\"", self.path());
        let install = [vec![enter], install].concat();
        let buildspec = json!({"version": 0.2, "phases": {
            "install": {"commands": install}, "build": {"commands": steps}}});
        let mut variables = self.variables.clone();
        for (name, key) in [("CLUSTER", "cluster"), ("NAMESPACE", "namespace")] {
            if let Some(value) = environment[key].as_str() {
                variables.insert(name.to_owned(), value.to_owned());
            }
        }
        for of in [&self.definition["defaults"]["env"], &stage["env"]] {
            for (name, value) in of.as_object().into_iter().flatten() {
                variables.insert(name.clone(), value.as_str().unwrap().to_owned());
            }
        }
        let variables: Vec<Value> = (variables.iter())
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let request = json!({
            "projectName": "gatewright",
            "buildspecOverride": buildspec.to_string(),
            "environmentVariablesOverride": variables,
        });
        let started = self.stack.codebuild("StartBuild", request).await;
        let id = started["build"]["id"].as_str().unwrap();
        let build = self.stack.finished_within(PATIENCE, id).await;
        let log = self.stack.log(&build).await;
        let folder = self.folder(id);
        (
            build["buildStatus"].as_str().unwrap().to_owned(),
            log,
            folder,
        )
    }

    /// Where a build's source was.
    fn folder(&self, id: &str) -> PathBuf {
        let (_, own) = id.split_once(':').unwrap();
        (fs::read_dir(self.stack.data().join("builds")).unwrap())
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains(own))
            .unwrap()
            .join("src")
            .join(self.path())
    }

    /// Runs stages that must succeed.
    async fn pass(&self, names: &[&str]) -> String {
        let mut last = String::new();
        for name in names {
            let (status, log, _) = self.stage(name).await;
            assert_eq!(status, "SUCCEEDED", "{name}: {log}");
            last = log;
        }
        last
    }

    /// Pins the image by its digest, as Gatewright does after the build.
    async fn pin(&mut self) {
        let repository = self.definition["artifacts"]["image"]["repository"]
            .as_str()
            .unwrap();
        let request = json!({"repositoryName": repository, "imageIds": [{"imageTag": COMMIT}]});
        let found = self.stack.ecr("DescribeImages", request).await;
        let digest = found["imageDetails"][0]["imageDigest"].as_str().unwrap();
        let image = format!("{}/{repository}@{digest}", self.variables["ECR_REGISTRY"]);
        self.variables.insert("IMAGE".to_owned(), image);
        self.variables
            .insert("IMAGE_DIGEST".to_owned(), digest.to_owned());
    }

    /// The digest that a cluster runs.
    fn runs(&self, place: &str) -> String {
        let record = fs::read(self.stack.data().join("clusters").join(place)).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        record["digest"].as_str().unwrap().to_owned()
    }

    async fn end(self) {
        self.stack.stand_ins.shutdown().await;
        let _ = fs::remove_dir_all(self.source.parent().unwrap());
    }
}

fn commands(steps: &Value) -> Vec<String> {
    (steps.as_array().into_iter().flatten())
        .map(|step| {
            step.as_str()
                .or_else(|| step["run"].as_str())
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// The worst score in the stage's SARIF report.
fn worst(folder: &Path) -> f64 {
    let report = fs::read(folder.join("reports/dependencies.sarif")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let rules = report["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    (rules.iter())
        .map(|rule| rule["properties"]["security-severity"].as_str().unwrap())
        .map(|score| score.parse::<f64>().unwrap())
        .fold(0.0, f64::max)
}

#[tokio::test]
async fn the_odoo_addon_goes_from_a_commit_to_production_by_plain_manifests() {
    let mut system = System::start("pipeline-tms-odoo-addon").await;
    system
        .pass(&["Code Quality & Static Analysis", "Unit Testing & Coverage"])
        .await;
    let (status, log, folder) = system.stage("Dependency Security Scan").await;
    assert_eq!(status, "SUCCEEDED", "{log}");
    assert_eq!(
        worst(&folder),
        7.5,
        "a high finding is reported, and does not block"
    );
    system.pass(&["Build & Push Docker Image"]).await;
    system.pin().await;
    system
        .pass(&["Deploy to Staging", "Deploy to Production"])
        .await;
    for environment in ["staging", "production"] {
        let place = format!("{environment}-eks-cluster/{environment}/tms-odoo-addon.json");
        assert_eq!(system.runs(&place), system.variables["IMAGE_DIGEST"]);
    }
    system.vary("critical-dependency");
    let (status, log, folder) = system.stage("Dependency Security Scan").await;
    assert_eq!(
        status, "SUCCEEDED",
        "the gate judges, not the command: {log}"
    );
    assert_eq!(worst(&folder), 9.8);
    system.end().await;
}

#[tokio::test]
async fn the_gps_microservice_goes_through_its_five_stages() {
    let mut system = System::start("pipeline-gps-microservice").await;
    system
        .pass(&["Code Quality & Unit Testing", "Build & Push Docker Image"])
        .await;
    // Once more, as for a release of the same commit: the image stays.
    system.pass(&["Build & Push Docker Image"]).await;
    system.pin().await;
    system.pass(&["Deploy to Staging"]).await;
    let (status, log, _) = system.smoke("staging").await;
    assert_eq!(status, "SUCCEEDED", "{log}");
    assert!(log.contains("5 passed"), "{log}");
    system.pass(&["Deploy to Production"]).await;
    let place = "production-eks-cluster/production/gps-service.json";
    assert_eq!(system.runs(place), system.variables["IMAGE_DIGEST"]);
    system.end().await;
}

#[tokio::test]
async fn the_newer_pipeline_of_the_addon_tests_what_runs_on_staging() {
    let mut system = System::start("pl-odoo-001").await;
    system
        .pass(&[
            "Static Analysis & Code Quality",
            "Unit Test & Coverage",
            "Package & Scan Artifact",
        ])
        .await;
    system.pin().await;
    let digest = system.variables["IMAGE_DIGEST"].clone();
    system
        .variables
        .insert("EXPECTED_IMAGE_DIGEST".to_owned(), digest.clone());
    system
        .pass(&[
            "Deploy to Staging",
            "Integration Test",
            "Deploy to Production",
        ])
        .await;
    let place = "production-eks-cluster/production/tms-odoo.json";
    assert_eq!(system.runs(place), digest);
    system.end().await;
}

#[tokio::test]
async fn infrastructure_is_applied_from_the_plan_that_was_reviewed() {
    let system = System::start("pipeline-iac-terraform").await;
    let plan = async || {
        let (status, log, folder) = system.stage("Validate & Plan").await;
        assert_eq!(status, "SUCCEEDED", "{log}");
        // Gatewright keeps the artifact and puts it back before the apply.
        let plan = system.source.join("infrastructure/tfplan");
        fs::copy(folder.join("tfplan"), &plan).unwrap();
        log
    };
    let log = plan().await;
    assert!(
        log.contains("Plan: 8 to add, 0 to change, 0 to destroy."),
        "{log}"
    );
    let log = system.pass(&["Apply Infrastructure Changes"]).await;
    assert!(log.contains("Apply complete! Resources: 8 added"), "{log}");
    assert!(log.contains("No changes."), "the apply was verified: {log}");

    system.vary("changed-infrastructure");
    let log = plan().await;
    assert!(
        log.contains("Plan: 1 to add, 1 to change, 0 to destroy."),
        "{log}"
    );
    system.pass(&["Apply Infrastructure Changes"]).await;
    let (status, log, _) = system.stage("Apply Infrastructure Changes").await;
    assert_eq!(status, "FAILED");
    assert!(log.contains("Saved plan is stale"), "{log}");
    system.end().await;
}
