//! Attempts at stages, and the artifacts that they pin.

use super::{Seen, Store, StoreError, body, keys, read};
use crate::table::{Table, When, Write};
use gatewright_domain::ReleaseId;
use gatewright_domain::evidence::ArtifactEvidence;
use gatewright_domain::release::StageRecord;

/// Writes an attempt at a stage.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn stage_write(record: &StageRecord, when: When) -> Result<Write, StoreError> {
    let key = keys::stage(&record.release, record.index, record.attempt);
    Ok(Write::Put {
        key,
        due: None,
        body: body(record)?,
        when,
    })
}

/// Pins an artifact to a release. A second attempt at the stage may pin it again.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn artifact_write(
    release: &ReleaseId,
    artifact: &ArtifactEvidence,
) -> Result<Write, StoreError> {
    let key = keys::artifact(release, &artifact.name);
    Ok(Write::Put {
        key,
        due: None,
        body: body(artifact)?,
        when: When::Any,
    })
}

impl<T: Table> Store<T> {
    /// One attempt at a stage.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn stage(
        &self,
        release: &ReleaseId,
        index: usize,
        attempt: u32,
    ) -> Result<Option<Seen<StageRecord>>, StoreError> {
        self.table
            .get(&keys::stage(release, index, attempt))
            .await?
            .map(read)
            .transpose()
    }

    /// The last attempt at a stage.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn last_attempt(
        &self,
        release: &ReleaseId,
        index: usize,
    ) -> Result<Option<Seen<StageRecord>>, StoreError> {
        let last = self
            .stages(release)
            .await?
            .into_iter()
            .filter(|r| r.index == index)
            .map(|r| r.attempt)
            .max();
        match last {
            Some(attempt) => self.stage(release, index, attempt).await,
            None => Ok(None),
        }
    }
}
