//! Environments: what runs, who holds them, who waits.

use super::{Seen, Store, StoreError, body, keys, read};
use crate::table::{Key, Range, Table, When, Write};
use gatewright_domain::lock::{Lock, Waiting};
use gatewright_domain::release::Deployment;
use gatewright_domain::{EnvironmentName, PipelineId};

fn queue_key(pipeline: &PipelineId, environment: &EnvironmentName, entry: &Waiting) -> Key {
    let place = format!("QUEUE#{:.3}#{}", entry.since, entry.release);
    Key::new(keys::environment(pipeline, environment), place)
}

/// Puts a release into an environment's queue.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn queue_write(
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    entry: &Waiting,
) -> Result<Write, StoreError> {
    Ok(Write::Put {
        key: queue_key(pipeline, environment, entry),
        due: None,
        body: body(entry)?,
        when: When::Any,
    })
}

/// Takes a release out of an environment's queue.
pub fn queue_delete(
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    entry: &Waiting,
) -> Write {
    Write::Delete {
        key: queue_key(pipeline, environment, entry),
        when: When::Any,
    }
}

/// Records what runs in an environment now.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn current_write(deployment: &Deployment) -> Result<Write, StoreError> {
    let pk = keys::environment(&deployment.pipeline, &deployment.environment);
    Ok(Write::Put {
        key: Key::new(pk, "CURRENT"),
        due: None,
        body: body(deployment)?,
        when: When::Any,
    })
}

/// Adds to an environment's deployment history.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn deployment_write(deployment: &Deployment) -> Result<Write, StoreError> {
    let pk = keys::environment(&deployment.pipeline, &deployment.environment);
    let sk = format!("DEPLOYMENT#{:.3}#{}", deployment.at, deployment.release);
    Ok(Write::Put {
        key: Key::new(pk, sk),
        due: None,
        body: body(deployment)?,
        when: When::Absent,
    })
}

impl<T: Table> Store<T> {
    /// An environment's lock; a free one that does not exist yet has no revision.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn lock(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
    ) -> Result<(Lock, Option<u64>), StoreError> {
        let key = Key::new(keys::environment(pipeline, environment), "LOCK");
        Ok(match self.table.get(&key).await? {
            Some(item) => {
                let seen: Seen<Lock> = read(item)?;
                (seen.value, Some(seen.rev))
            }
            None => (Lock::free(pipeline.clone(), environment.clone()), None),
        })
    }

    /// Writes a lock that was read at `seen`. While it is held, the sweep looks at
    /// it when its lease ends.
    ///
    /// # Errors
    /// Never for records of this crate; the signature is serde's.
    pub fn lock_write(lock: &Lock, seen: Option<u64>) -> Result<Write, StoreError> {
        let key = Key::new(keys::environment(&lock.pipeline, &lock.environment), "LOCK");
        let due = lock.holder.as_ref().map(|holder| holder.lease_until);
        Ok(Write::Put {
            key,
            due,
            body: body(lock)?,
            when: When::still(seen),
        })
    }

    /// A condition that the lock is still as it was read.
    pub fn lock_check(lock: &Lock, seen: u64) -> Write {
        let key = Key::new(keys::environment(&lock.pipeline, &lock.environment), "LOCK");
        Write::Check {
            key,
            when: When::Rev(seen),
        }
    }

    /// Who waits for an environment, the longest waiting first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn queue(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
    ) -> Result<Vec<Waiting>, StoreError> {
        let range = Range {
            prefix: "QUEUE#".to_owned(),
            ..Range::default()
        };
        let items = self
            .table
            .query(&keys::environment(pipeline, environment), range)
            .await?;
        items
            .into_iter()
            .map(|item| Ok(read(item)?.value))
            .collect()
    }

    /// What runs in an environment.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn current(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
    ) -> Result<Option<Deployment>, StoreError> {
        let key = Key::new(keys::environment(pipeline, environment), "CURRENT");
        Ok(self
            .table
            .get(&key)
            .await?
            .map(read)
            .transpose()?
            .map(|seen| seen.value))
    }

    /// What ran in an environment, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn deployments(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
        limit: u32,
    ) -> Result<Vec<Deployment>, StoreError> {
        let range = Range {
            prefix: "DEPLOYMENT#".to_owned(),
            newest_first: true,
            limit: Some(limit),
            beyond: None,
        };
        let items = self
            .table
            .query(&keys::environment(pipeline, environment), range)
            .await?;
        items
            .into_iter()
            .map(|item| Ok(read(item)?.value))
            .collect()
    }
}
