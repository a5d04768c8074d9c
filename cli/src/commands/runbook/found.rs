//! What the record knows of an environment on the day when somebody has to act.

use crate::error::Failed;
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::decide::undo::{targets, way_back};
use gatewright_domain::given::Stores;
use gatewright_domain::lock::{Doubt, Hold, Lock};
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Deployment, Head, StageRecord, Status, log_to_read};
use gatewright_domain::undo::Target;
use gatewright_domain::{EnvironmentName, PipelineId, ReleaseId, StageName, Timestamp};
use gatewright_stack::Connection;
use gatewright_views::words;
use serde::Serialize;

/// How many other versions are named.
const OTHERS: usize = 5;

/// The release that changes an environment now, or left it in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The release.
    pub release: ReleaseId,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// Since when it has the environment's lock, if it has it.
    pub since: Option<Timestamp>,
    /// Why it ended, in sentences.
    pub why: Vec<String>,
    /// The stage whose log says most about the environment, if one has a log.
    pub log: Option<StageName>,
}

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether the record could be read.
    pub record: bool,
    /// The live definition, when the record has one.
    pub definition: Option<Definition>,
    /// Who changes the environment now, or left it in doubt.
    pub held: Option<Held>,
    /// The person who keeps the environment from everybody new.
    pub hold: Option<Hold>,
    /// Why nobody knows what it runs.
    pub doubts: Vec<Doubt>,
    /// What runs there, as far as the record knows.
    pub current: Option<Deployment>,
    /// What it goes back to.
    pub back_to: Option<Target>,
    /// What else ran there, newest first, each version once.
    pub others: Vec<Target>,
    /// What could not be known, in sentences.
    pub unknown: Vec<String>,
}

/// Reads it. `to` names the release whose deployment it is to go back to.
///
/// # Errors
/// When the record cannot be read, or `to` never ran there.
pub async fn found<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    to: Option<&ReleaseId>,
) -> Result<Found, Failed> {
    let definition = store.live_definition(pipeline).await?;
    let (lock, _) = store.lock(pipeline, environment).await?;
    let mut ways = store.ways_back(pipeline, environment).await?;
    let held = held(store, &lock).await?;
    // A change that is under way is not known to be whole either.
    ways.doubted
        .extend(held.as_ref().map(|held| held.release.clone()));
    let back_to = way_back(&ways, to);
    if let (Some(to), None) = (to, &back_to) {
        let what = format!("{to} never ran in {environment}");
        return Err(Failed::not_found(what).help(format!(
            "see what did: gatewright history {pipeline} --environment {environment}"
        )));
    }
    let others = targets(&ways).into_iter();
    let others = others.filter(|other| Some(other) != back_to.as_ref());
    Ok(Found {
        record: true,
        definition,
        held,
        hold: lock.hold,
        doubts: lock.doubts,
        others: others.take(OTHERS).collect(),
        current: ways.current,
        back_to,
        unknown: Vec::new(),
    })
}

/// Whose change is in doubt: of the release that left the newest doubt, otherwise of
/// the one that has the lock.
async fn held<T: Table>(store: &Store<T>, lock: &Lock) -> Result<Option<Held>, Failed> {
    let doubted = lock.doubts.last().map(|doubt| (&doubt.release, None));
    let holder = lock.holder.as_ref().map(|h| (&h.release, Some(h.since)));
    let Some((release, since)) = doubted.or(holder) else {
        return Ok(None);
    };
    let Some(seen) = store.head(release).await? else {
        return Ok(None);
    };
    let records = store.stages(release).await?;
    Ok(Some(of(&seen.value, &records, &lock.environment, since)))
}

fn of(
    head: &Head,
    records: &[StageRecord],
    environment: &EnvironmentName,
    since: Option<Timestamp>,
) -> Held {
    Held {
        log: log_to_read(records, Some(environment)).map(|record| record.stage.clone()),
        release: head.release.clone(),
        title: head.title(),
        status: head.status,
        since,
        why: head
            .failure
            .as_ref()
            .map(words::failure)
            .unwrap_or_default(),
    }
}

/// Where artifacts are, as far as a connection says: the account is in the ARNs
/// of its machines.
pub fn stores(connection: &Connection) -> Option<Stores> {
    let arn = connection.machines.values().next()?;
    let account = arn.split(':').nth(4).filter(|part| !part.is_empty())?;
    Some(Stores {
        registry: format!("{account}.dkr.ecr.{}.amazonaws.com", connection.region),
        bucket: connection.artifacts.clone(),
    })
}
