//! A definition's commands, run one stage after the other with the tools a build
//! finds. Gates, approvals and pinned artifacts are Gatewright's and are played
//! here by a few lines.

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
pub struct System {
    pub stack: Stack,
    definition: Value,
    pub source: PathBuf,
    pub variables: BTreeMap<String, String>,
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
    pub async fn start(id: &str) -> Self {
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
    pub fn commit(&mut self, start: &str) {
        let commit = format!("{start:0<40}");
        for name in ["COMMIT_SHA", "IMAGE_TAG"] {
            self.variables.insert(name.to_owned(), commit.clone());
        }
    }

    pub fn vary(&self, variant: &str) {
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

    pub async fn run(&self, name: &str, extra: &[(&str, &str)]) -> Result<String, String> {
        let stage = self.stage(name);
        let environment = (stage["deploy"]["environment"].as_str())
            .or(stage["environment"].as_str())
            .unwrap_or_default();
        let services = self.services(&stage["services"]);
        // This is no build with a process group that ends with it.
        let ends: Vec<String> = (services.iter())
            .map(|(_, name, _)| format!("docker rm -f {name} || true"))
            .collect();
        let mut all = vec![format!("trap '{}' EXIT", ends.join("; "))];
        all.extend(services.iter().map(|(line, _, _)| line.clone()));
        // The packages are there; installing them is not what is tested.
        let install = commands(&stage["install"]).into_iter();
        all.extend(install.filter(|line| !line.starts_with("pip ") && !line.starts_with("npm ")));
        let gates = stage["gates"].as_array().into_iter().flatten();
        // Each of these systems has one image; Gatewright's command is stricter.
        let verified = gates.filter(|gate| gate["signature"].is_string());
        all.extend(verified.map(|_| "notation verify \"$IMAGE\"".to_owned()));
        all.extend(commands(&stage["steps"]));
        if stage["deploy"].is_object() {
            all.extend(commands(
                &self.definition["environments"][environment]["verify"],
            ));
        }
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

    pub async fn pass(&self, name: &str, extra: &[(&str, &str)]) -> String {
        match self.run(name, extra).await {
            Ok(said) => said,
            Err(said) => panic!("{name}: {said}"),
        }
    }

    /// Runs a list of an environment's commands, such as `/smoke`.
    pub async fn list(
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

    pub async fn kubectl(&self, environment: &str, line: &str) -> String {
        let line = format!("kubectl {line} --namespace \"$NAMESPACE\" 2> /dev/null");
        let said = self
            .build(&[ENTER.to_owned(), line], environment, &[])
            .await;
        said.unwrap().trim().to_owned()
    }

    /// The image of this commit, by digest, as Gatewright pins it.
    pub async fn pinned(&self, repository: &str) -> String {
        let request = json!({"repositoryName": repository, "imageIds": [{"imageTag": self.variables["IMAGE_TAG"]}]});
        let answer = self.stack.ecr("DescribeImages", request).await;
        let digest = answer["imageDetails"][0]["imageDigest"]
            .as_str()
            .unwrap()
            .to_owned();
        format!("{REGISTRY}/{repository}@{digest}")
    }
}
