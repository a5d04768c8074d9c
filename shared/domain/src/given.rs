//! The variables in which a build finds its environment and its artifacts, and a
//! person who does by hand what a build would have done.

use crate::evidence::ArtifactEvidence;
use crate::exported::shouted;
use crate::ids::{CommitSha, EnvironmentName};
use crate::pipeline::{Definition, Form, Stage, Variable};
use std::collections::BTreeMap;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Where artifacts are, which no definition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stores {
    /// The registry that images are in, such as
    /// `123456789012.dkr.ecr.ap-south-1.amazonaws.com`.
    pub registry: String,
    /// The bucket with everything else, where there is one.
    pub bucket: Option<String>,
}

/// What every build gets of its pipeline, and where artifacts are.
pub fn of_stores(definition: &Definition, stores: &Stores) -> Variables {
    present([
        ("GATEWRIGHT_PIPELINE", Some(definition.id.to_string())),
        ("ECR_REGISTRY", Some(stores.registry.clone())),
        ("ARTIFACTS_BUCKET", stores.bucket.clone()),
    ])
}

/// What every build gets of its commit.
pub fn of_commit(commit: &CommitSha) -> Variables {
    present([
        ("COMMIT_SHA", Some(commit.to_string())),
        ("IMAGE_TAG", Some(commit.to_string())),
    ])
}

/// What is said of the environment that a build works in.
pub fn of_environment(definition: &Definition, environment: Option<&EnvironmentName>) -> Variables {
    let known = environment.and_then(|name| definition.environments.get_key_value(name));
    let Some((name, environment)) = known else {
        return Variables::new();
    };
    let said = [
        ("ENVIRONMENT", Some(name.to_string())),
        ("CLUSTER", environment.cluster.clone()),
        ("NAMESPACE", environment.namespace.clone()),
        ("DEPLOY_ROLE", environment.role.clone()),
        ("ENVIRONMENT_URL", environment.url.clone()),
    ];
    present(said)
}

fn present<const N: usize>(said: [(&str, Option<String>); N]) -> Variables {
    said.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The artifacts by digest: nothing after packaging is addressed by tag.
pub fn of_artifacts(
    definition: &Definition,
    artifacts: &[ArtifactEvidence],
    registry: &str,
) -> Variables {
    let mut env = Variables::new();
    let mut first = true;
    for artifact in artifacts {
        let Some(declared) = definition.artifacts.get(&artifact.name) else {
            continue;
        };
        let name = shouted(&artifact.name);
        match &declared.form {
            Form::Image { repository } => {
                let image = format!("{registry}/{repository}@{}", artifact.digest);
                if std::mem::take(&mut first) {
                    env.insert("IMAGE".to_owned(), image.clone());
                    env.insert("IMAGE_DIGEST".to_owned(), artifact.digest.to_string());
                }
                env.insert(format!("IMAGE_{name}_DIGEST"), artifact.digest.to_string());
                env.insert(format!("IMAGE_{name}"), image);
            }
            Form::Archive { .. } | Form::Plan { .. } | Form::Files { .. } => {
                let sha256 = artifact.digest.hex().to_owned();
                env.insert(format!("ARTIFACT_{name}_SHA256"), sha256);
                env.insert(format!("ARTIFACT_{name}_KEY"), artifact.location.clone());
            }
        }
        if let Some(version) = &artifact.version {
            env.insert(format!("VERSION_{name}"), version.clone());
        }
    }
    env
}

/// The version of a build about `commit` that nothing has named.
pub fn unnamed_version(commit: &CommitSha) -> String {
    format!("0.0.0-{}", &commit.as_str()[..12])
}

/// What a build's definition says in plain text.
pub fn of_build(env: &indexmap::IndexMap<String, Variable>) -> Variables {
    env.iter()
        .filter_map(|(name, variable)| match variable {
            Variable::Plain { value } => Some((name.clone(), value.clone())),
            Variable::Secret { .. } | Variable::Parameter { .. } => None,
        })
        .collect()
}

/// The artifacts that a stage is about, by name: those of its deploy, or of the
/// deploy that it was made from; `None` for all that there are.
pub fn artifacts_of(definition: &Definition, stage: &Stage) -> Option<Vec<String>> {
    let deploy = stage.deploy().or_else(|| {
        let (_, origin) = definition.stage(stage.of.as_ref()?)?;
        origin.deploy()
    });
    deploy.map(|deploy| deploy.artifacts.clone())
}
