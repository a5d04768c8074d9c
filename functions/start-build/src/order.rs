//! What CodeBuild is asked for: the stage's buildspec, and the variables in which
//! a build finds its release, its environment and its artifacts.

use gatewright_aws::builds::BuildOrder;
use gatewright_aws::config::Config;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_compiler::buildspec::buildspec;
use gatewright_domain::decide::undo::{still_runs, undoes_itself};
use gatewright_domain::evidence::{ArtifactEvidence, Evidence};
use gatewright_domain::exported::shouted;
use gatewright_domain::pipeline::{Build, Definition, Form, Purpose, Stage, Variable};
use gatewright_domain::release::{StageRecord, evidence_before};
use gatewright_domain::trigger::{Ref, TriggerInput, version_of_tag};
use gatewright_domain::{CommitSha, Digest, ErrorName, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_steps::{BuildKey, Running, ran_before};
use std::collections::BTreeMap;

/// The shortest time limit that CodeBuild takes, in minutes.
const LEAST_MINUTES: i64 = 5;

type Env = BTreeMap<String, String>;

/// The order for one attempt at a stage.
pub(crate) async fn order<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    build: &Build,
    record: &StageRecord,
    config: &Config,
    now: Timestamp,
) -> Result<BuildOrder, Failure> {
    let head = &running.head.value;
    let trigger = head
        .trigger
        .as_ref()
        .ok_or_else(|| Failure::bug("a release without a trigger"))?;
    let key = BuildKey {
        release: head.release.clone(),
        index: record.index,
        attempt: record.attempt,
    };
    let minutes = minutes(running, build, now)?;
    let (commit, artifacts, exported) =
        material(store, running, stage, record.index, trigger).await?;
    let mut env: Env = exported;
    env.extend(key.to_env());
    env.insert("GATEWRIGHT_PIPELINE".to_owned(), head.pipeline.to_string());
    env.insert("ECR_REGISTRY".to_owned(), config.ecr_registry());
    env.insert("COMMIT_SHA".to_owned(), commit.to_string());
    env.insert("IMAGE_TAG".to_owned(), commit.to_string());
    env.extend(of_ref(
        trigger,
        &commit,
        version(stage, running, &env, &artifacts),
    ));
    env.extend(of_environment(&running.definition, stage));
    env.extend(of_artifacts(&running.definition, &artifacts, config));
    if let Some(bucket) = &config.artifacts {
        env.insert("ARTIFACTS_BUCKET".to_owned(), bucket.clone());
    }
    for (name, variable) in &build.env {
        if let Variable::Plain { value } = variable {
            env.insert(name.clone(), value.clone());
        }
    }
    Ok(BuildOrder {
        project: build.project.clone(),
        // CodeBuild takes at most 64 characters; a digest's hex is exactly that.
        idempotency: Digest::of(&(&key.release, key.index, key.attempt))?
            .hex()
            .to_owned(),
        repository: running.definition.source.repository.clone(),
        commit: commit.to_string(),
        image: build.image.clone(),
        compute: build.compute.clone(),
        timeout_minutes: minutes,
        buildspec: buildspec(&running.definition, stage).to_string(),
        env,
    })
}

/// The build's own time limit, or what the route's budget leaves of it. A build
/// that begins within the budget may run over it by the five minutes that are
/// CodeBuild's least.
fn minutes(running: &Running, build: &Build, now: Timestamp) -> Result<i32, Failure> {
    let own = i64::from(build.timeout.0.div_ceil(60));
    let Some(budget) = running.route().and_then(|route| route.budget) else {
        return Ok(i32::try_from(own).unwrap_or(i32::MAX));
    };
    let until = after(running.head.value.started_at, budget.get());
    let left = until.as_second() - now.as_second();
    if left <= 0 {
        let why = format!(
            "the route's budget of {} is used up before this stage began",
            gatewright_domain::text::spoken(budget.get())
        );
        return Err(Failure::new(ErrorName::BuildTimedOut, why));
    }
    let minutes = own.min((left + 59) / 60).max(LEAST_MINUTES);
    Ok(i32::try_from(minutes).unwrap_or(i32::MAX))
}

/// From which commit the build runs, with which artifacts, and with what earlier
/// builds exported. A way back uses what ran before, from its own commit.
async fn material<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    index: usize,
    trigger: &TriggerInput,
) -> Result<(CommitSha, Vec<ArtifactEvidence>, Env), Failure> {
    let head = &running.head.value;
    let records = store.stages(&head.release).await?;
    let evidence = evidence_before(head, &records, index)
        .ok_or_else(|| Failure::bug("a release without a trigger"))?;
    let wanted = wanted(&running.definition, stage);
    may_go_back(store, running, stage, &records, trigger).await?;
    if let (true, Some(environment)) = (stage.undoes(), &stage.environment) {
        let before = ran_before(store, &head.pipeline, environment, &head.release).await?;
        let Some(before) = before else {
            let why =
                format!("nothing ran in {environment} before, so there is nothing to go back to");
            return Err(Failure::new(ErrorName::GateDenied, why));
        };
        let artifacts = before.artifacts.into_iter();
        let artifacts = artifacts.filter(|a| wanted.as_ref().is_none_or(|w| w.contains(&a.name)));
        // What this release's builds exported is about what is being undone.
        return Ok((before.commit, artifacts.collect(), Env::new()));
    }
    let artifacts = pinned(&evidence, wanted.as_deref());
    Ok((trigger.commit.clone(), artifacts, evidence.exported()))
}

/// The last moment of a way back: by hand it changes what its requester saw, and
/// by itself it leads across no migration that only goes forward.
async fn may_go_back<T: Table>(
    store: &Store<T>,
    running: &Running,
    stage: &Stage,
    records: &[StageRecord],
    trigger: &TriggerInput,
) -> Result<(), Failure> {
    let (Some(_), Some(environment)) = (stage.deploy(), &stage.environment) else {
        return Ok(());
    };
    let refused = if stage.undoes() {
        undoes_itself(&running.definition, records, environment)
    } else if running.definition.purpose == Purpose::Rollback {
        let pipeline = &running.head.value.pipeline;
        let current = store.current(pipeline, environment).await?;
        still_runs(trigger, current.as_ref())
    } else {
        None
    };
    refused.map_or(Ok(()), |(error, why)| Err(Failure::new(error, why)))
}

/// The artifacts that a stage is about: those of its deploy, or of the deploy
/// that it was made from; all that there are otherwise.
fn wanted(definition: &Definition, stage: &Stage) -> Option<Vec<String>> {
    let deploy = stage.deploy().or_else(|| {
        let (_, origin) = definition.stage(stage.of.as_ref()?)?;
        origin.deploy()
    });
    deploy.map(|deploy| deploy.artifacts.clone())
}

fn pinned(evidence: &Evidence, wanted: Option<&[String]>) -> Vec<ArtifactEvidence> {
    match wanted {
        Some(names) => names
            .iter()
            .filter_map(|name| evidence.artifact(name).cloned())
            .collect(),
        None => evidence.artifacts().cloned().collect(),
    }
}

/// The semantic version of what the build is about: of what ran before in a way
/// back, otherwise the tag's, or what an earlier build exported.
fn version(
    stage: &Stage,
    running: &Running,
    exported: &Env,
    artifacts: &[ArtifactEvidence],
) -> Option<String> {
    let back = stage.undoes() || running.definition.purpose == Purpose::Rollback;
    let of_artifacts = artifacts.iter().find_map(|a| a.version.clone());
    let trigger = running.head.value.trigger.as_ref();
    let of_tag = trigger.and_then(|t| version_of_tag(&t.reference));
    if back {
        return of_artifacts;
    }
    of_tag
        .or_else(|| exported.get("VERSION").cloned())
        .or(of_artifacts)
}

/// What the ref says: its name, and the release's semantic version.
fn of_ref(trigger: &TriggerInput, commit: &CommitSha, version: Option<String>) -> Env {
    let short = match Ref::parse(&trigger.reference) {
        Some(Ref::Branch(name) | Ref::Tag(name)) => name.to_owned(),
        Some(Ref::Pull(number)) => format!("pull-{number}"),
        None => String::new(),
    };
    let version = version.unwrap_or_else(|| format!("0.0.0-{}", &commit.as_str()[..12]));
    [
        ("REF", trigger.reference.clone()),
        ("BRANCH_OR_TAG", short),
        ("VERSION", version),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn of_environment(definition: &Definition, stage: &Stage) -> Env {
    let known = stage
        .environment
        .as_ref()
        .and_then(|name| definition.environments.get_key_value(name));
    let Some((name, environment)) = known else {
        return Env::new();
    };
    let said = [
        ("ENVIRONMENT", Some(name.to_string())),
        ("CLUSTER", environment.cluster.clone()),
        ("NAMESPACE", environment.namespace.clone()),
        ("DEPLOY_ROLE", environment.role.clone()),
        ("ENVIRONMENT_URL", environment.url.clone()),
    ];
    said.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The artifacts by digest: nothing after packaging is addressed by tag.
fn of_artifacts(definition: &Definition, artifacts: &[ArtifactEvidence], config: &Config) -> Env {
    let mut env = Env::new();
    let mut first = true;
    for artifact in artifacts {
        let Some(declared) = definition.artifacts.get(&artifact.name) else {
            continue;
        };
        let name = shouted(&artifact.name);
        match &declared.form {
            Form::Image { repository } => {
                let image = format!("{}/{repository}@{}", config.ecr_registry(), artifact.digest);
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
