//! The ECR repositories of the images that the pipeline builds.

use super::cfn::{Template, filled, logical};
use gatewright_domain::pipeline::{Artifact, Definition, Versioning};
use gatewright_domain::retention::{DEPLOYED, RELEASED};
use indexmap::IndexMap;
use serde_json::{Value, json};

/// The tag that lets Gatewright's functions look at a repository and have it
/// scanned: they serve all pipelines, so the core cannot name repositories.
const TAG: (&str, &str) = ("gatewright", "image-repository");

/// ECR has no rule that keeps for ever, and no limit on this number but that it is
/// positive. As many images as ECR lets a repository have (its quota, unless it is
/// raised): the rule never finds one too many.
const ALL: u32 = 100_000;

/// What a repository must do for the artifacts in it.
struct Kept {
    most: u32,
    semver: bool,
}

/// Adds a repository for each image that is built here and not elsewhere.
pub(super) fn add(template: &mut Template, definition: &Definition) {
    let repositories = kept(definition);
    if repositories.is_empty() {
        return;
    }
    template.option(
        "CreateImageRepositories",
        "false when the ECR repositories are there already, say from an earlier stack: they outlive their stack. They need the tag gatewright=image-repository.",
        json!({ "Default": "true", "AllowedValues": ["true", "false"] }),
    );
    let condition = json!({ "Fn::Equals": [{ "Ref": "CreateImageRepositories" }, "true"] });
    template.condition("CreatesImageRepositories", condition);
    let mut taken = Vec::new();
    for (name, kept) in &repositories {
        let logical = format!("Repository{}", logical(name, &mut taken));
        template.resource_with(
            &logical,
            "AWS::ECR::Repository",
            json!({
                "Condition": "CreatesImageRepositories",
                // What runs in production is pulled from here, with or without
                // this stack.
                "DeletionPolicy": "RetainExceptOnCreate",
                "UpdateReplacePolicy": "Retain",
            }),
            repository(name, kept),
        );
        let uri =
            format!("${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.${{AWS::URLSuffix}}/{name}");
        template.output(
            &format!("{logical}Uri"),
            "Where images are pushed",
            filled(&uri),
        );
    }
}

fn kept(definition: &Definition) -> IndexMap<&str, Kept> {
    let mut all: IndexMap<&str, Kept> = IndexMap::new();
    let own = |artifact: &&Artifact| artifact.from.is_none();
    for artifact in definition.artifacts.values().filter(own) {
        let Some(repository) = artifact.repository() else {
            continue;
        };
        let kept = all.entry(repository).or_insert(Kept {
            most: 0,
            semver: false,
        });
        kept.most = kept.most.max(artifact.keep);
        kept.semver |= artifact.version == Versioning::Semver;
    }
    all
}

fn repository(name: &str, kept: &Kept) -> Value {
    json!({
        "RepositoryName": name,
        "ImageTagMutability": "IMMUTABLE",
        // Off: the pipeline starts the scan itself, of the digest that it pinned.
        // Basic scanning allows one scan an image a day, which a scan on push would
        // have used up before the pipeline asked.
        "ImageScanningConfiguration": { "ScanOnPush": false },
        "LifecyclePolicy": { "LifecyclePolicyText": lifecycle(kept).to_string() },
        "Tags": [{ "Key": TAG.0, "Value": TAG.1 }],
    })
}

/// The last so many images, and before that rules that claim what must stay: an
/// image that a rule claims cannot be expired by one that comes later. Gatewright
/// tags what it deploys (decision 0011).
///
/// The last rule counts what has a tag, which is every build. Signatures and the
/// parts of images for several platforms have none: counted, they would push
/// builds out, and a signature could go before its image.
///
/// Images that are also known by a semantic version have it without a `v`. Those
/// that were never released may have one too (`0.0.0-<commit>`), and ECR's
/// patterns cannot tell: they are kept as well, which costs storage and no image.
fn lifecycle(kept: &Kept) -> Value {
    let stay = |description: &str, pattern: String| newest(description, &pattern, ALL);
    let mut rules = vec![
        stay("keep what was released", "v*".to_owned()),
        stay(
            "keep what went to a protected environment",
            format!("{RELEASED}*"),
        ),
        stay("keep what environments go back to", format!("{DEPLOYED}*")),
    ];
    if kept.semver {
        rules.push(stay("keep what has a version", "*.*.*".to_owned()));
    }
    let description = format!("keep the last {}", kept.most);
    rules.push(newest(&description, "*", kept.most));
    let rules: Vec<Value> = (1..)
        .zip(rules)
        .map(|(priority, (description, selection))| {
            json!({
                "rulePriority": priority,
                "description": description,
                "selection": selection,
                "action": { "type": "expire" },
            })
        })
        .collect();
    json!({ "rules": rules })
}

/// A rule that keeps so many of the images with such a tag. A rule has one pattern:
/// of several, an image would have to match them all.
fn newest(description: &str, pattern: &str, most: u32) -> (String, Value) {
    let selection = json!({
        "tagStatus": "tagged", "tagPatternList": [pattern],
        "countType": "imageCountMoreThan", "countNumber": most,
    });
    (description.to_owned(), selection)
}
