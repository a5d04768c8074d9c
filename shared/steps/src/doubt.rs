//! A person has looked: an environment that releases left unknown is known again.

use crate::undo::{Bad, Wanted, Was, bad_by_hand, left_by, undone};
use gatewright_aws::store::{self as aws, Commit, Store, current_write, deployment_write};
use gatewright_aws::table::Table;
use gatewright_domain::control::Said;
use gatewright_domain::ledger::Fact;
use gatewright_domain::lock::{Doubt, Lock};
use gatewright_domain::order::Runs;
use gatewright_domain::release::{Deployment, Head};
use gatewright_domain::{EnvironmentName, PipelineId, ReleaseId};
use gatewright_handler::Failure;

/// How far back a version is looked for that a person says runs.
const DEPLOYMENTS: u32 = 200;

/// Ends the doubts of an environment as a person says what it runs. That becomes
/// its record; where it is something else than what was left half deployed, that
/// stays back, and the way back is history, exactly as if a release had gone it.
/// All of it is in the ledger of the release that left the last doubt.
///
/// # Errors
/// `BadInput` when nobody says what runs, or it never was there.
pub(crate) async fn known_again<T: Table>(
    store: &Store<T>,
    (lock, rev): (&Lock, Option<u64>),
    runs: Option<&Runs>,
    said: Said,
) -> Result<Commit, Failure> {
    let newest = lock
        .doubts
        .last()
        .ok_or_else(|| Failure::bug("an end of no doubt"))?;
    let seen = Seen::read(store, lock, newest).await?;
    let commit = Commit::of(&seen.head)
        .write(Store::<T>::lock_write(&lock.known(), rev)?)
        .fact(Fact::EnvironmentFreed {
            environment: lock.environment.clone(),
        });
    match runs {
        None => Err(seen.unsaid()),
        Some(Runs::Nothing) if seen.before.is_some() => Err(seen.unsaid()),
        Some(Runs::Nothing) => Ok(commit),
        Some(Runs::Release(release)) => seen.runs(store, release, said, commit).await,
    }
}

/// What is known of an environment that nobody knows.
struct Seen<'a> {
    lock: &'a Lock,
    newest: &'a Doubt,
    /// The release that left the newest doubt.
    head: aws::Seen<Head>,
    /// What is on record as running.
    before: Option<Deployment>,
}

impl<'a> Seen<'a> {
    async fn read<T: Table>(
        store: &Store<T>,
        lock: &'a Lock,
        newest: &'a Doubt,
    ) -> Result<Self, Failure> {
        let before = store.current(&lock.pipeline, &lock.environment).await?;
        Ok(Self {
            lock,
            newest,
            head: store.known_head(&newest.release).await?,
            before,
        })
    }

    fn place(&self) -> (&PipelineId, &EnvironmentName) {
        (&self.lock.pipeline, &self.lock.environment)
    }

    fn unsaid(&self) -> Failure {
        let (pipeline, environment) = self.place();
        let left = &self.newest.release;
        let record = match &self.before {
            Some(before) => format!("on record is {}", before.version_of()),
            None => "nothing is on record, so it may be `nothing`".to_owned(),
        };
        Failure::bad_input(format!(
            "nobody knows what {pipeline}/{environment} runs since {left} ended dirty: look, and say the release whose version runs there (`--runs RELEASE`); {record}, and {left} may have put its own there"
        ))
    }

    /// Records that the environment runs the version of `release`.
    async fn runs<T: Table>(
        &self,
        store: &Store<T>,
        release: &ReleaseId,
        said: Said,
        commit: Commit,
    ) -> Result<Commit, Failure> {
        let left = match self.lock.doubts.iter().find(|d| &d.release == release) {
            Some(_) => left_by(store, release, &self.lock.environment).await?,
            None => None,
        };
        // What only migrated has put nothing there.
        if let Some(left) = left.filter(|left| !left.artifacts.is_empty()) {
            return self.whole(left, &said, commit);
        }
        let deployment = self.again(store, release, &said).await?;
        let was = Was {
            before: self.before.as_ref(),
            doubts: &self.lock.doubts,
        };
        let wanted = Wanted {
            automatic: false,
            blames: true,
            by: Some(said.by.to_string()),
            why: said.reason.clone(),
            failed_at: self.lock.doubts.first().map_or(said.at, |d| d.since),
        };
        let bad = bad_by_hand(store, &deployment, was).await?;
        let commit = self.recorded(&deployment, commit)?;
        undone(store, &deployment, wanted, bad, commit).await
    }

    /// What was half deployed is whole after all.
    fn whole(&self, left: Bad, said: &Said, commit: Commit) -> Result<Commit, Failure> {
        let Bad { head, artifacts } = left;
        let known = self.before.as_ref().map(Deployment::version_of);
        if known == Some(&head.release) {
            return Ok(commit);
        }
        let trigger = head
            .trigger
            .as_ref()
            .ok_or_else(|| Failure::bug("a release without a trigger"))?;
        let deployment = Deployment {
            pipeline: head.pipeline.clone(),
            environment: self.lock.environment.clone(),
            release: head.release.clone(),
            title: head.title(),
            number: head.number,
            commit: trigger.commit.clone(),
            artifacts,
            restored: None,
            at: said.at,
            fencing: self.lock.fencing,
        };
        self.recorded(&deployment, commit)
    }

    /// What ran before and runs again: brought back in the name of the release that
    /// left the doubt.
    async fn again<T: Table>(
        &self,
        store: &Store<T>,
        release: &ReleaseId,
        said: &Said,
    ) -> Result<Deployment, Failure> {
        let (pipeline, environment) = self.place();
        let history = store
            .deployments(pipeline, environment, DEPLOYMENTS)
            .await?;
        let of = |deployment: &Deployment| deployment.version_of() == release;
        let Some(ran) = history.into_iter().find(of) else {
            let why = format!("{release} never ran in {pipeline}/{environment}");
            return Err(Failure::bad_input(format!(
                "{why}; see what did: `gatewright history {pipeline} --environment {environment}`"
            )));
        };
        let head = &self.head.value;
        Ok(Deployment {
            release: head.release.clone(),
            title: head.title(),
            number: head.number,
            restored: Some(release.clone()),
            at: said.at,
            fencing: self.lock.fencing,
            ..ran
        })
    }

    fn recorded(&self, deployment: &Deployment, commit: Commit) -> Result<Commit, Failure> {
        Ok(commit
            .write(current_write(deployment)?)
            .write(deployment_write(deployment)?)
            .fact(Fact::EnvironmentChanged {
                environment: deployment.environment.clone(),
                digest: deployment.digest(),
                previous: self.before.as_ref().map(Deployment::digest),
            }))
    }
}
