//! What CodeBuild is asked for: the stage's buildspec, and the variables in which
//! a build finds its release, its environment and its artifacts.

use gatewright_aws::builds::BuildOrder;
use gatewright_aws::config::Config;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_compiler::buildspec::buildspec;
use gatewright_domain::decide::undo::{still_runs, undoes_itself};
use gatewright_domain::evidence::{ArtifactEvidence, Evidence};
use gatewright_domain::given::{self, Stores, Variables};
use gatewright_domain::pipeline::{Build, Purpose, Stage};
use gatewright_domain::release::{StageRecord, evidence_before};
use gatewright_domain::trigger::{Ref, TriggerInput, version_of_tag};
use gatewright_domain::{CommitSha, Digest, ErrorName, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_steps::{BuildKey, Running, ran_before};

/// The shortest time limit that CodeBuild takes, in minutes.
const LEAST_MINUTES: i64 = 5;

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
    let minutes = minutes(running, stage, build, now)?;
    let (commit, artifacts, exported) =
        material(store, running, stage, record.index, trigger).await?;
    let mut env: Variables = exported;
    env.extend(key.to_env());
    let stores = Stores {
        registry: config.ecr_registry(),
        bucket: config.artifacts.clone(),
    };
    env.extend(given::of_stores(&running.definition, &stores));
    env.extend(given::of_commit(&commit));
    env.extend(of_ref(
        trigger,
        &commit,
        version(stage, running, &env, &artifacts),
    ));
    env.extend(given::of_environment(
        &running.definition,
        stage.environment.as_ref(),
    ));
    env.extend(given::of_artifacts(
        &running.definition,
        &artifacts,
        &stores.registry,
    ));
    env.extend(given::of_build(&build.env));
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
/// CodeBuild's least. What undoes a change has its own time, whatever is left: a
/// budget that is used up is a reason to go back, not to stay half way.
fn minutes(
    running: &Running,
    stage: &Stage,
    build: &Build,
    now: Timestamp,
) -> Result<i32, Failure> {
    let own = i64::from(build.timeout.0.div_ceil(60));
    let budget = running.route().and_then(|route| route.budget);
    let Some(budget) = budget.filter(|_| !stage.undoes()) else {
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
) -> Result<(CommitSha, Vec<ArtifactEvidence>, Variables), Failure> {
    let head = &running.head.value;
    let records = store.stages(&head.release).await?;
    let evidence = evidence_before(head, &records, index)
        .ok_or_else(|| Failure::bug("a release without a trigger"))?;
    let wanted = given::artifacts_of(&running.definition, stage);
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
        return Ok((before.commit, artifacts.collect(), Variables::new()));
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
    exported: &Variables,
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
fn of_ref(trigger: &TriggerInput, commit: &CommitSha, version: Option<String>) -> Variables {
    let short = match Ref::parse(&trigger.reference) {
        Some(Ref::Branch(name) | Ref::Tag(name)) => name.to_owned(),
        Some(Ref::Pull(number)) => format!("pull-{number}"),
        None => String::new(),
    };
    let version = version.unwrap_or_else(|| given::unnamed_version(commit));
    [
        ("REF", trigger.reference.clone()),
        ("BRANCH_OR_TAG", short),
        ("VERSION", version),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
