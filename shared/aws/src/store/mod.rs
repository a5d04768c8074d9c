//! The record: what is known of pipelines, releases, approvals, environments and
//! waits, and the ledger that every change of a release appends to.
//!
//! Every change of a release goes through [`Store::commit`]: the release's head,
//! the ledger's events and whatever else changes are one transaction, and the
//! head's revision makes concurrent changes fail instead of interleave.

mod approvals;
mod controls;
mod environments;
mod keys;
mod pipelines;
mod releases;
mod stages;
mod undone;
mod waits;

pub use approvals::decision_write;
pub use controls::InForce;
pub use environments::{current_write, deployment_write, queue_delete, queue_write};
pub use pipelines::{Applied, Live};
pub use releases::{Commit, Start, start_write};
pub use stages::{artifact_write, stage_write};
pub use undone::{migrated_write, rolled_back_write, taken_back_write};
pub use waits::{Due, Overdue, WaitKey, wait_delete, wait_write};

use crate::table::{Item, Table, TableError};
use gatewright_domain::ErrorName;
use serde::de::DeserializeOwned;

/// The record, in whatever table.
#[derive(Debug, Clone)]
pub struct Store<T> {
    table: T,
}

impl<T: Table> Store<T> {
    /// The record in `table`.
    pub fn new(table: T) -> Self {
        Self { table }
    }

    /// The table below; for tests and for what has no domain meaning.
    pub fn table(&self) -> &T {
        &self.table
    }
}

/// Something read, with the revision that a change of it must name.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<V> {
    /// What was read.
    pub value: V,
    /// Its revision.
    pub rev: u64,
}

/// Why the record could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The table did not do it.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An item does not read as what it should be.
    #[error("the record at {at} does not read: {why}")]
    Damaged {
        /// Where.
        at: String,
        /// Why.
        why: String,
    },
    /// Something that must be there is not.
    #[error("{0}")]
    Missing(String),
}

impl StoreError {
    /// Whether reading anew and deciding anew may help.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Table(TableError::Conflict(_)))
    }

    /// Under which name it stops a release.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Table(TableError::Conflict(_)) => ErrorName::Conflict,
            Self::Table(TableError::Service(error)) => error.name(),
            Self::Missing(_) => ErrorName::BadInput,
            Self::Damaged { .. } => ErrorName::Bug,
        }
    }
}

/// How often a change is decided anew after a conflict before it is left to the
/// caller's own retry. Contention on one release is a handful of events.
pub const CONFLICT_TRIES: usize = 6;

fn read<V: DeserializeOwned>(item: Item) -> Result<Seen<V>, StoreError> {
    match serde_json::from_value(item.body) {
        Ok(value) => Ok(Seen {
            value,
            rev: item.rev,
        }),
        Err(error) => Err(StoreError::Damaged {
            at: format!("{} {}", item.key.pk, item.key.sk),
            why: error.to_string(),
        }),
    }
}

fn body<V: serde::Serialize>(value: &V) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Damaged {
        at: "a new item".to_owned(),
        why: error.to_string(),
    })
}
