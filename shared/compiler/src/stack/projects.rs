//! The CodeBuild projects: one for what only builds, one an environment. A
//! project is a role, and a role is what a build can do: so whatever works in an
//! environment has a project of its own, which knows the way into that
//! environment and into no other.

use super::cfn::{Template, attribute, literal, logical, reference, role};
use super::rights;
use gatewright_domain::ids::EnvironmentName;
use gatewright_domain::pipeline::{Build, Definition, Environment, Form, Stage};
use indexmap::IndexMap;
use serde_json::{Value, json};

/// A build of the project that nobody gave a buildspec does nothing and fails.
const REFUSES: &str = r#"{"version": "0.2", "phases": {"build": {"commands": ["echo Gatewright starts the builds of this project, with a buildspec of their own && exit 1"]}}}"#;

/// A project, with everything of the definition that it works for.
#[derive(Debug)]
pub(super) struct Project<'a> {
    /// The definition.
    pub(super) definition: &'a Definition,
    /// Its name in CodeBuild.
    pub(super) name: String,
    /// The builds of its stages.
    pub(super) builds: Vec<Build>,
    /// The environments that they work in.
    pub(super) environments: IndexMap<EnvironmentName, &'a Environment>,
    /// Whether some of them work in no environment.
    pub(super) makes: bool,
    /// Whether some of them verify signatures.
    pub(super) verifies: bool,
}

impl Project<'_> {
    /// Whether its builds need Docker's daemon, which only a privileged build has:
    /// those that make images, and those with servers beside them.
    fn needs_docker(&self) -> bool {
        self.builds
            .iter()
            .any(|build| !build.services.is_empty() || self.makes_image(build))
    }

    fn makes_image(&self, build: &Build) -> bool {
        let made = build.produces.as_ref();
        made.and_then(|name| self.definition.artifacts.get(name))
            .is_some_and(|artifact| matches!(artifact.form, Form::Image { .. }))
    }

    /// Whether it keeps files from build to build.
    pub(super) fn has_cache(&self) -> bool {
        self.builds.iter().any(|build| !build.cache.is_empty())
    }

    /// The bucket's folder for what it keeps. A folder a project: what the tests of
    /// a branch leave behind must not come up in a deploy.
    pub(super) fn cache(&self) -> String {
        format!("cache/{}", self.name)
    }
}

/// Adds every project that a stage of either machine names.
pub(super) fn add(template: &mut Template, definition: &Definition) {
    let back = definition.rollback();
    let stages = definition.stages.iter();
    let stages = stages.chain(back.iter().flat_map(|back| &back.stages));
    let projects = projects(definition, stages);
    if projects.is_empty() {
        return;
    }
    parameters(template, &projects);
    let mut taken = Vec::new();
    for project in projects.values() {
        let own = format!("gatewright-{}", definition.id);
        let short = project.name.strip_prefix(&own).unwrap_or(&project.name);
        let short = if short.is_empty() { "builds" } else { short };
        let logical = logical(short, &mut taken);
        let role_name = format!("Role{logical}");
        let rights = role("codebuild.amazonaws.com", &rights::of(project));
        template.resource(&role_name, "AWS::IAM::Role", rights);
        template.resource(
            &format!("Project{logical}"),
            "AWS::CodeBuild::Project",
            properties(project, &role_name),
        );
        let described = described_role(project);
        template.output(
            &format!("{role_name}Arn"),
            &described,
            attribute(&role_name, "Arn"),
        );
    }
}

fn projects<'a>(
    definition: &'a Definition,
    stages: impl Iterator<Item = &'a Stage>,
) -> IndexMap<String, Project<'a>> {
    let mut projects = IndexMap::new();
    for stage in stages {
        let Some(build) = stage.build() else {
            continue;
        };
        let project = projects
            .entry(build.project.clone())
            .or_insert_with(|| Project {
                definition,
                name: build.project.clone(),
                builds: Vec::new(),
                environments: IndexMap::new(),
                makes: false,
                verifies: false,
            });
        project.verifies |= stage.gates.iter().any(|gate| gate.verifies().is_some());
        project.builds.push(build.clone());
        match &stage.environment {
            None => project.makes = true,
            Some(name) => {
                let known = definition.environments.get(name);
                let known = known.map(|environment| (name.clone(), environment));
                project.environments.extend(known);
            }
        }
    }
    projects
}

fn parameters(template: &mut Template, projects: &IndexMap<String, Project<'_>>) {
    let described = "The log group of all builds. Build and deployment logs belong to the evidence, so they outlive this stack.";
    template.parameter("BuildLogs", described);
    if projects.values().any(rights::use_the_bucket) {
        let described = "The S3 bucket for artifacts that are no images, and for caches of builds.";
        template.parameter("ArtifactsBucket", described);
    }
    template.option(
        "SourceRepository",
        "The GitHub repository that builds check out, for the account's source credentials. Empty: the projects have no source of their own and each build names it.",
        json!({ "Default": "", "AllowedPattern": "^(https://.+)?$" }),
    );
    let empty = json!({ "Fn::Equals": [reference("SourceRepository"), ""] });
    template.condition("HasSource", json!({ "Fn::Not": [empty] }));
}

fn properties(project: &Project<'_>, role: &str) -> Value {
    let mut properties = json!({
        "Name": project.name,
        "Description": format!("{} of Gatewright's pipeline {}", described(project), project.definition.id),
        "ServiceRole": attribute(role, "Arn"),
        "Artifacts": { "Type": "NO_ARTIFACTS" },
        // Each build names its own image, size and time.
        "Environment": {
            "Type": "LINUX_CONTAINER",
            "ComputeType": "BUILD_GENERAL1_SMALL",
            "Image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
        },
        "Source": {
            "Type": { "Fn::If": ["HasSource", "GITHUB", "NO_SOURCE"] },
            "Location": { "Fn::If": ["HasSource", reference("SourceRepository"), reference("AWS::NoValue")] },
            "BuildSpec": REFUSES,
        },
        "LogsConfig": {
            "CloudWatchLogs": {
                "Status": "ENABLED", "GroupName": reference("BuildLogs"), "StreamName": project.name,
            },
        },
        "TimeoutInMinutes": 60,
        "QueuedTimeoutInMinutes": 60,
    });
    if project.needs_docker() {
        properties["Environment"]["PrivilegedMode"] = json!(true);
    }
    if project.has_cache() {
        let location = format!("${{ArtifactsBucket}}/{}", literal(&project.cache()));
        properties["Cache"] = json!({ "Type": "S3", "Location": { "Fn::Sub": location } });
    }
    properties
}

fn described(project: &Project<'_>) -> String {
    let names: Vec<&str> = project
        .environments
        .keys()
        .map(EnvironmentName::as_str)
        .collect();
    match (names.as_slice(), project.makes) {
        ([], _) => "The builds".to_owned(),
        (names, false) => format!("What works in {}", names.join(" and ")),
        (names, true) => format!("The builds and what works in {}", names.join(" and ")),
    }
}

fn described_role(project: &Project<'_>) -> String {
    let clusters: Vec<&str> = project
        .environments
        .values()
        .filter_map(|environment| environment.cluster.as_deref())
        .collect();
    match clusters.as_slice() {
        [] => format!("The role of {}", project.name),
        clusters => format!("To be let into the cluster {}", clusters.join(" and ")),
    }
}
