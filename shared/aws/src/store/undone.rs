//! What was undone in an environment: versions that stay back, migrations, and
//! the history of rollbacks.

use super::{Seen, Store, StoreError, body, keys, read};
use crate::table::{Key, Range, Table, When, Write};
use gatewright_domain::release::{StageRecord, last_attempts};
use gatewright_domain::undo::{Migrated, RolledBack, TakenBack, WaysBack};
use gatewright_domain::{Digest, EnvironmentName, PipelineId, Timestamp};
use std::collections::BTreeSet;

/// How far back the ways back are looked for.
const DEPLOYMENTS: u32 = 50;
/// How many versions are asked whether they were good; older ones are not.
const VERSIONS: usize = 12;

/// Writes that a version was taken back, or that this was lifted.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn taken_back_write(back: &TakenBack, when: When) -> Result<Write, StoreError> {
    Ok(Write::Put {
        key: back_key(&back.pipeline, &back.environment, &back.digest),
        due: None,
        body: body(back)?,
        when,
    })
}

/// Writes that the stage at `index` of a release that began at `began` migrates
/// data, or has migrated it.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn migrated_write(
    migrated: &Migrated,
    index: usize,
    began: Timestamp,
) -> Result<Write, StoreError> {
    let place = format!("MIGRATION#{began:.3}#{}#{index:03}", migrated.release);
    let pk = keys::environment(&migrated.pipeline, &migrated.environment);
    Ok(Write::Put {
        key: Key::new(pk, place),
        due: None,
        body: body(migrated)?,
        when: When::Any,
    })
}

/// Adds to an environment's history of rollbacks, or changes a resolution.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn rolled_back_write(rolled: &RolledBack, when: When) -> Result<Write, StoreError> {
    let place = format!("ROLLBACK#{:.3}#{}", rolled.at, rolled.release);
    Ok(Write::Put {
        key: Key::new(
            keys::environment(&rolled.pipeline, &rolled.environment),
            place,
        ),
        due: None,
        body: body(rolled)?,
        when,
    })
}

fn back_key(pipeline: &PipelineId, environment: &EnvironmentName, digest: &Digest) -> Key {
    let place = format!("BACK#{}", digest.hex());
    Key::new(keys::environment(pipeline, environment), place)
}

impl<T: Table> Store<T> {
    /// What is known of a version's having been taken back from an environment:
    /// also when that was lifted since.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn taken_back(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
        digest: &Digest,
    ) -> Result<Option<Seen<TakenBack>>, StoreError> {
        let key = back_key(pipeline, environment, digest);
        self.table.get(&key).await?.map(read).transpose()
    }

    /// Everything that was ever taken back from an environment.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn all_taken_back(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
    ) -> Result<Vec<Seen<TakenBack>>, StoreError> {
        self.all_of(pipeline, environment, "BACK#", None).await
    }

    /// The migrations of an environment's data, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn migrations(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
    ) -> Result<Vec<Migrated>, StoreError> {
        let all = self
            .all_of(pipeline, environment, "MIGRATION#", None)
            .await?;
        let mut all: Vec<Migrated> = all.into_iter().map(|seen: Seen<_>| seen.value).collect();
        all.sort_by_key(|migrated| std::cmp::Reverse(migrated.at));
        Ok(all)
    }

    /// The rollbacks of an environment, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn rollbacks(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
        limit: u32,
    ) -> Result<Vec<Seen<RolledBack>>, StoreError> {
        self.all_of(pipeline, environment, "ROLLBACK#", Some(limit))
            .await
    }

    /// All that is known of an environment's ways back.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn ways_back(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
    ) -> Result<WaysBack, StoreError> {
        let taken_back = self.all_taken_back(pipeline, environment).await?;
        let history = self.deployments(pipeline, environment, DEPLOYMENTS).await?;
        let (lock, _) = self.lock(pipeline, environment).await?;
        let mut versions = Vec::new();
        for deployment in &history {
            let version = deployment.version_of();
            if !versions.contains(version) && versions.len() < VERSIONS {
                versions.push(version.clone());
            }
        }
        let mut failed = BTreeSet::new();
        for version in versions {
            let records = self.stages(&version).await?;
            let here = |record: &&StageRecord| record.environment.as_ref() == Some(environment);
            let mut here = last_attempts(&records).into_iter().filter(here);
            if here.any(|record| record.failure.is_some()) {
                failed.insert(version);
            }
        }
        Ok(WaysBack {
            current: self.current(pipeline, environment).await?,
            history,
            taken_back: taken_back.into_iter().map(|seen| seen.value).collect(),
            migrations: self.migrations(pipeline, environment).await?,
            failed,
            doubted: lock.doubts.into_iter().map(|doubt| doubt.release).collect(),
        })
    }

    async fn all_of<V: serde::de::DeserializeOwned>(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
        prefix: &str,
        limit: Option<u32>,
    ) -> Result<Vec<Seen<V>>, StoreError> {
        let range = Range {
            prefix: prefix.to_owned(),
            newest_first: true,
            limit,
            beyond: None,
        };
        let pk = keys::environment(pipeline, environment);
        let items = self.table.query(&pk, range).await?;
        items.into_iter().map(read).collect()
    }
}
