//! Requests for approval and the decisions on them.

use super::{Seen, Store, StoreError, body, keys, read};
use crate::table::{Range, Table, When, Write};
use gatewright_domain::ReleaseId;
use gatewright_domain::approval::{Decision, Request};

/// Writes one person's decision. Its key makes a second one impossible.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn decision_write(request: &Request, decision: &Decision) -> Result<Write, StoreError> {
    let key = keys::decision(&request.release, request.index, &decision.person);
    Ok(Write::Put {
        key,
        due: None,
        body: body(decision)?,
        when: When::Absent,
    })
}

impl<T: Table> Store<T> {
    /// The request of the approval stage at `index`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn approval(
        &self,
        release: &ReleaseId,
        index: usize,
    ) -> Result<Option<Seen<Request>>, StoreError> {
        self.table
            .get(&keys::approval(release, index))
            .await?
            .map(read)
            .transpose()
    }

    /// All requests of a release.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn approvals(&self, release: &ReleaseId) -> Result<Vec<Request>, StoreError> {
        self.part(release, "APPROVAL#").await
    }

    /// Writes a request.
    ///
    /// # Errors
    /// Never for records of this crate; the signature is serde's.
    pub fn approval_write(request: &Request, when: When) -> Result<Write, StoreError> {
        let key = keys::approval(&request.release, request.index);
        Ok(Write::Put {
            key,
            due: None,
            body: body(request)?,
            when,
        })
    }

    /// The decisions on the request of the approval stage at `index`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn decisions(
        &self,
        release: &ReleaseId,
        index: usize,
    ) -> Result<Vec<Decision>, StoreError> {
        let range = Range {
            prefix: keys::decisions(index),
            ..Range::default()
        };
        let items = self.table.query(&keys::release(release), range).await?;
        items
            .into_iter()
            .map(|item| Ok(read(item)?.value))
            .collect()
    }
}
