//! Variables: none that Gatewright sets, none that two builds set at once.

use crate::source::pipeline::RawPipeline;
use crate::source::sink::{Marked, Sink};
use gatewright_domain::pipeline::Form;

/// Variables that Gatewright sets for every build. CodeBuild prefers those to a
/// buildspec's, so a definition that set them would be silently ignored.
pub(crate) const TAKEN: &[&str] = &[
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "ECR_REGISTRY",
    "COMMIT_SHA",
    "IMAGE_TAG",
    "VERSION",
    "REF",
    "BRANCH_OR_TAG",
    "ENVIRONMENT",
    "CLUSTER",
    "NAMESPACE",
    "GATEWRIGHT_PIPELINE",
    "GATEWRIGHT_RELEASE",
    "IMAGE",
    "IMAGE_DIGEST",
    "ARTIFACT",
    "ARTIFACT_SHA256",
    "WEIGHT",
    "PREVIEW",
    "ACTIVE",
];

/// Checks `env` and `exports` of all stages, and the variables that deploys get
/// for their artifacts.
pub(super) fn check(raw: &RawPipeline, sink: &Sink) {
    let of_artifacts = of_artifacts(raw, sink);
    let taken = |name: &str| {
        TAKEN.contains(&name)
            || name.starts_with("GATEWRIGHT_")
            || of_artifacts.iter().any(|(taken, _)| taken == name)
    };
    let settings = raw.stages.stages.iter().map(|stage| &stage.settings);
    let names = settings
        .chain([&raw.defaults])
        .flat_map(|settings| settings.env.iter().map(|(name, _)| name));
    for name in names.filter(|name| taken(&name.value)) {
        sink.error_help(
            &name.at,
            format!("{} is set by gatewright for every build", name.value),
            "what is set here would be ignored; use another name",
        );
    }
    for stage in &raw.stages.stages {
        let exports = &stage.build.exports;
        for (index, name) in exports.iter().enumerate() {
            if taken(&name.value) && name.value != "VERSION" {
                sink.error_help(
                    &name.at,
                    format!("{} is set by gatewright for every build", name.value),
                    "export under another name",
                );
            }
            if exports[..index].iter().any(|n| n.value == name.value) {
                sink.error(&name.at, format!("{} is exported twice", name.value));
            }
        }
    }
    exported_by_one(raw, sink);
}

/// Stages side by side cannot export the same variable: which would win?
fn exported_by_one(raw: &RawPipeline, sink: &Sink) {
    for group in &raw.stages.groups {
        let members = &raw.stages.stages[group.members.clone()];
        let mut seen: Vec<&Marked<String>> = Vec::new();
        for (index, stage) in members.iter().enumerate() {
            for name in &stage.build.exports {
                let earlier = members[..index]
                    .iter()
                    .any(|s| s.build.exports.iter().any(|n| n.value == name.value));
                if earlier && !seen.iter().any(|n| n.at == name.at) {
                    sink.error_help(
                        &name.at,
                        format!(
                            "{} is exported by stages that run side by side: which one would win?",
                            name.value
                        ),
                        "give each its own name; in a matrix with `${{ matrix.… }}` in it",
                    );
                    seen.push(name);
                }
            }
        }
    }
}

/// The variables of deploys, each with the artifact that it is for.
fn of_artifacts(raw: &RawPipeline, sink: &Sink) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, artifact) in &raw.artifacts {
        let Some(artifact) = artifact else { continue };
        let upper = name.value.to_uppercase().replace('-', "_");
        let made = match artifact.form {
            Form::Image { .. } => vec![format!("IMAGE_{upper}"), format!("IMAGE_{upper}_DIGEST")],
            Form::Archive { .. } | Form::Plan { .. } | Form::Files { .. } => {
                vec![format!("ARTIFACT_{upper}")]
            }
        };
        for variable in made {
            let other = all.iter().find(|(taken, _)| *taken == variable);
            let owner = match other {
                Some((_, owner)) => Some(format!("the artifact {owner:?}")),
                None if TAKEN.contains(&variable.as_str()) => Some("every build".to_owned()),
                None => None,
            };
            if let Some(owner) = owner {
                sink.error_help(
                    &name.at,
                    format!(
                        "deploys would get ${variable} for this artifact, and it is set for {owner}"
                    ),
                    "give the artifact another name",
                );
            }
            all.push((variable, name.value.clone()));
        }
    }
    all
}
