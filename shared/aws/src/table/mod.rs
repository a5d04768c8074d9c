//! The single table, as the store sees it: items under a key with a revision,
//! written all or nothing under conditions.
//!
//! Conditions are few on purpose: *absent*, *at this revision*, *any*. They say
//! everything that optimistic concurrency needs, a fake can evaluate them
//! honestly, and no update expression can change an item in place.

pub mod dynamo;

use crate::error::ServiceError;
use gatewright_domain::Timestamp;
use serde_json::Value;

/// An item's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The place in it.
    pub sk: String,
}

impl Key {
    /// A key.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            sk: sk.into(),
        }
    }
}

/// An item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// Its revision: 1 when new, one more with every change.
    pub rev: u64,
    /// When the sweep should look at it, if ever.
    pub due: Option<Timestamp>,
    /// What it says.
    pub body: Value,
}

/// Under which condition something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Only if there is no such item.
    Absent,
    /// Only if the item is at this revision.
    Rev(u64),
    /// Whatever is there.
    Any,
}

impl When {
    /// The condition under which a snapshot still holds: its revision, or that
    /// there is still nothing.
    pub fn still(seen: Option<u64>) -> Self {
        seen.map_or(Self::Absent, Self::Rev)
    }
}

/// One change, or one condition, of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Puts the whole item.
    Put {
        /// Its key.
        key: Key,
        /// When the sweep should look at it.
        due: Option<Timestamp>,
        /// What it says.
        body: Value,
        /// Under which condition.
        when: When,
    },
    /// Deletes the item.
    Delete {
        /// Its key.
        key: Key,
        /// Under which condition.
        when: When,
    },
    /// Changes nothing and demands that the condition holds.
    Check {
        /// Its key.
        key: Key,
        /// The condition.
        when: When,
    },
}

impl Write {
    /// The key that it is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }
}

/// Why the table did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A condition did not hold, or another transaction was faster. Nothing was
    /// written.
    #[error("somebody else changed {0:?} first")]
    Conflict(Vec<String>),
    /// The service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Which items of a partition are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Only places that begin so.
    pub prefix: String,
    /// Newest (highest place) first.
    pub newest_first: bool,
    /// At most so many; `None`: all of them.
    pub limit: Option<u32>,
    /// Only beyond this place, in the direction of reading.
    pub beyond: Option<String>,
}

/// The table.
pub trait Table: Send + Sync {
    /// The item, read consistently.
    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Item>, TableError>> + Send;

    /// Items of one partition, read consistently, in order.
    fn query(
        &self,
        pk: &str,
        range: Range,
    ) -> impl Future<Output = Result<Vec<Item>, TableError>> + Send;

    /// Items that are due, the longest overdue first.
    fn due(
        &self,
        until: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Item>, TableError>> + Send;

    /// Writes all or nothing; at most 100 writes (the limit of a transaction).
    fn write(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), TableError>> + Send;
}
