//! What ECR would delete: every committed repository policy, against histories of
//! builds, deployments, failures and rollbacks. The evaluation of the policies is
//! written from AWS's documentation and shares no code with what makes them.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod ecr;

use ecr::{Image, Policy};
use gatewright_compiler::{read, read_directory};
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::pipeline::{Artifact, Definition, Versioning};
use gatewright_domain::release::Deployment;
use gatewright_domain::retention::{self, GENERATIONS};
use gatewright_domain::{Digest, EnvironmentName, Timestamp, after};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A repository of a committed template, with the pipeline that builds its images.
struct Repository {
    title: String,
    policy: Policy,
    pipeline: Definition,
    keep: usize,
    versions: bool,
}

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// Every repository that a committed template makes.
fn repositories() -> Vec<Repository> {
    let directory = read_directory("approvers.yaml", &text("pipelines/approvers.yaml")).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(ROOT).join("infra/pipelines")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(id) = file.strip_suffix(".template.json") else {
            continue;
        };
        let template: Value =
            serde_json::from_str(&text(&format!("infra/pipelines/{file}"))).unwrap();
        let source = text(&format!("pipelines/{id}.yaml"));
        let pipeline = read(id, &source, Some(&directory)).unwrap_or_else(|d| panic!("{d}"));
        for resource in template["Resources"].as_object().unwrap().values() {
            if resource["Type"] != "AWS::ECR::Repository" {
                continue;
            }
            let properties = &resource["Properties"];
            let name = properties["RepositoryName"].as_str().unwrap();
            let rules = properties["LifecyclePolicy"]["LifecyclePolicyText"]
                .as_str()
                .unwrap();
            let policy = Policy::parse(rules).unwrap_or_else(|why| panic!("{file}, {name}: {why}"));
            let built = |a: &&Artifact| a.from.is_none() && a.repository() == Some(name);
            let artifacts = || pipeline.definition.artifacts.values().filter(built);
            found.push(Repository {
                title: format!("{id}, {name}"),
                policy,
                keep: artifacts().map(|a| a.keep).max().unwrap() as usize,
                versions: artifacts().any(|a| a.version == Versioning::Semver),
                pipeline: pipeline.definition.clone(),
            });
        }
    }
    found
}

/// A repository as time goes on, with what its images are used for.
struct Story<'r> {
    of: &'r Repository,
    now: i64,
    images: Vec<Image>,
    built: Vec<Digest>,
    /// What ran in each environment, the newest first.
    ran: BTreeMap<&'r EnvironmentName, Vec<Deployment>>,
    released: BTreeSet<Digest>,
    /// What was tried in a protected environment and failed there. It keeps its
    /// tag, like what was released.
    tried: BTreeSet<Digest>,
    expired: usize,
}

impl<'r> Story<'r> {
    fn new(of: &'r Repository) -> Self {
        Self {
            of,
            now: 0,
            images: Vec::new(),
            built: Vec::new(),
            ran: BTreeMap::new(),
            released: BTreeSet::new(),
            tried: BTreeSet::new(),
            expired: 0,
        }
    }

    /// A build pushes an image under its commit, some under a version too; signed
    /// ones leave a signature beside it, which has no tag.
    fn push(&mut self, signed: bool, version: bool) {
        let n = self.built.len();
        let digest = Digest::of_bytes(format!("{} {n}", self.of.title).as_bytes());
        let commit = Digest::of_bytes(format!("commit {n}").as_bytes());
        let mut tags = BTreeSet::from([commit.hex()[..40].to_owned()]);
        if version && self.of.versions {
            tags.insert(format!("1.4.{n}"));
            self.released.insert(digest.clone());
        }
        self.add(digest.as_str(), tags);
        if signed {
            self.add(&format!("signature of {digest}"), BTreeSet::new());
        }
        self.built.push(digest);
    }

    fn add(&mut self, digest: &str, tags: BTreeSet<String>) {
        self.images.push(Image {
            digest: digest.to_owned(),
            tags,
            pushed_at: self.now,
        });
    }

    fn has(&self, digest: &Digest) -> bool {
        self.images
            .iter()
            .any(|image| image.digest == digest.as_str())
    }

    /// A deployment is cleared: the image gets its tag, and those that are no way
    /// back lose theirs. When it works, the environment runs the image.
    fn deploy(&mut self, environment: &'r EnvironmentName, digest: &Digest, works: bool) {
        let Definition {
            id, environments, ..
        } = &self.of.pipeline;
        let protected = environments[environment].protected;
        let tag = retention::tag(id, environment, protected, digest);
        let image = self.images.iter_mut().find(|i| i.digest == digest.as_str());
        image.unwrap().tags.insert(tag);
        let history = self.ran.entry(environment).or_default();
        let mut kept = retention::kept(history);
        kept.insert(digest);
        let tagged: Vec<(String, Digest)> = (self.images.iter())
            .flat_map(|image| image.tags.iter().map(|tag| (tag, &image.digest)))
            .map(|(tag, digest)| (tag.clone(), digest.parse().unwrap()))
            .collect();
        for tag in retention::outdated(id, environment, &tagged, &kept) {
            for image in &mut self.images {
                let last = image.tags.len() == 1;
                assert!(!image.tags.remove(tag) || !last, "{tag} was the last tag");
            }
        }
        if works {
            let ran = deployment(&self.of.pipeline, environment, digest, self.now);
            history.insert(0, ran);
            if protected {
                self.released.insert(digest.clone());
            }
        } else if protected {
            self.tried.insert(digest.clone());
        }
    }

    /// The last different versions that an environment ran, the newest first.
    fn versions(&self, environment: &EnvironmentName) -> Vec<Digest> {
        let mut versions = Vec::new();
        for deployment in self.ran.get(environment).into_iter().flatten() {
            let digest = deployment.artifacts[0].digest.clone();
            if !versions.contains(&digest) {
                versions.push(digest);
            }
        }
        versions.truncate(GENERATIONS);
        versions
    }

    /// ECR applies the policy; nothing that somebody needs may go, and nothing may
    /// stay without a reason.
    fn expire(&mut self) {
        let gone: BTreeSet<String> = self.of.policy.expired(&self.images, self.now);
        self.expired += gone.len();
        self.images.retain(|image| !gone.contains(&image.digest));
        let title = &self.of.title;
        let mut needed: BTreeSet<Digest> = self.released.clone();
        for environment in self.of.pipeline.environments.keys() {
            needed.extend(self.versions(environment));
        }
        let last = self.built.len().saturating_sub(self.of.keep);
        needed.extend(self.built[last..].iter().cloned());
        for digest in &needed {
            assert!(self.has(digest), "{title}: {digest} is needed and expired");
        }
        // Of each environment, one may have kept its tag until the next deployment:
        // the version that went out of reach, or one whose deployment failed.
        let reason = |d: &Digest| needed.contains(d) || self.tried.contains(d);
        let hoarded = (self.built.iter()).filter(|d| self.has(d) && !reason(d));
        let most = self.of.pipeline.environments.len();
        let hoarded = hoarded.count();
        assert!(hoarded <= most, "{title}: {hoarded} images are hoarded");
    }
}

fn deployment(
    pipeline: &Definition,
    environment: &EnvironmentName,
    digest: &Digest,
    at: i64,
) -> Deployment {
    Deployment {
        pipeline: pipeline.id.clone(),
        environment: environment.clone(),
        release: format!("r{at}").parse().unwrap(),
        title: String::new(),
        number: None,
        commit: "0".repeat(40).parse().unwrap(),
        artifacts: vec![ArtifactEvidence {
            name: "image".to_owned(),
            digest: digest.clone(),
            location: String::new(),
            version: None,
        }],
        restored: None,
        at: after(Timestamp::UNIX_EPOCH, at),
        fencing: 1,
    }
}

/// What happens next; the numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
enum Next {
    Push {
        signed: bool,
        version: bool,
    },
    Deploy {
        environment: usize,
        back: usize,
        works: bool,
    },
    Rollback {
        environment: usize,
        to: usize,
    },
    Expire,
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![
        8 => (any::<bool>(), any::<bool>()).prop_map(|(signed, version)| Next::Push { signed, version }),
        4 => (0..9_usize, 0..4_usize, prop::bool::weighted(0.8))
            .prop_map(|(environment, back, works)| Next::Deploy { environment, back, works }),
        1 => (0..9_usize, 0..GENERATIONS).prop_map(|(environment, to)| Next::Rollback { environment, to }),
        2 => Just(Next::Expire),
    ]
}

fn tell(story: &mut Story<'_>, next: Next) {
    story.now += 3_600;
    let environments: Vec<&EnvironmentName> = story.of.pipeline.environments.keys().collect();
    let chosen = |n: usize| environments.get(n % environments.len().max(1)).copied();
    match next {
        Next::Push { signed, version } => story.push(signed, version),
        Next::Deploy {
            environment,
            back,
            works,
        } => {
            let digest = story.built.iter().rev().nth(back).cloned();
            if let (Some(environment), Some(digest)) = (chosen(environment), digest) {
                story.deploy(environment, &digest, works);
            }
        }
        Next::Rollback { environment, to } => {
            let Some(environment) = chosen(environment) else {
                return;
            };
            if let Some(digest) = story.versions(environment).get(to).cloned() {
                assert!(
                    story.has(&digest),
                    "{}: no way back to {digest}",
                    story.of.title
                );
                story.deploy(environment, &digest, true);
            }
        }
        Next::Expire => story.expire(),
    }
}

#[test]
fn nothing_that_runs_can_be_gone_back_to_or_was_released_expires() {
    let repositories = repositories();
    assert!(
        repositories.len() >= 7,
        "only {} repositories",
        repositories.len()
    );
    for repository in &repositories {
        let expired = Cell::new(0);
        let config = Config {
            cases: 8,
            failure_persistence: None,
            ..Config::default()
        };
        let told = TestRunner::new_with_rng(config, seeded()).run(
            &prop::collection::vec(next(), 200..500),
            |history| {
                let mut story = Story::new(repository);
                history.into_iter().for_each(|next| tell(&mut story, next));
                story.expire();
                expired.set(expired.get() + story.expired);
                Ok(())
            },
        );
        told.unwrap_or_else(|error| panic!("{}: {error}", repository.title));
        assert!(
            expired.get() > 100,
            "{}: only {} expired",
            repository.title,
            expired.get()
        );
    }
}

/// The same histories each time: what fails here fails for everybody.
fn seeded() -> proptest::test_runner::TestRng {
    use proptest::test_runner::{RngAlgorithm, TestRng};
    TestRng::deterministic_rng(RngAlgorithm::ChaCha)
}

#[test]
fn without_their_tags_images_that_run_would_expire() {
    for repository in repositories() {
        let Some(environment) = repository.pipeline.environments.keys().next() else {
            continue;
        };
        let mut story = Story::new(&repository);
        story.push(false, false);
        let first = story.built[0].clone();
        story.deploy(environment, &first, true);
        for image in &mut story.images {
            image.tags.retain(|tag| tag.len() == 40);
        }
        for _ in 0..repository.keep {
            story.now += 1;
            story.push(false, false);
        }
        let gone = repository.policy.expired(&story.images, story.now);
        assert_eq!(
            gone,
            BTreeSet::from([first.to_string()]),
            "{}",
            repository.title
        );
    }
}
