//! Waits: what a release waits for, found again by the event that it waits for.

use super::{Seen, Store, StoreError, body, keys, read};
use crate::table::{Item, Key, Range, Table, TableError, When, Write};
use gatewright_domain::lock::Lock;
use gatewright_domain::release::Head;
use gatewright_domain::wait::{Awaited, Wait};
use gatewright_domain::{Digest, ReleaseId, Timestamp};

/// Where a wait is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitKey(Key);

impl WaitKey {
    /// A build's wait.
    pub fn build(release: &ReleaseId, index: usize, attempt: u32) -> Self {
        Self(Key::new(
            format!("WAIT#build#{release}#{index:03}#{attempt:03}"),
            "WAIT",
        ))
    }

    /// An image's scan, waited for by one of perhaps several releases.
    pub fn scan(digest: &Digest, release: &ReleaseId) -> Self {
        Self(Key::new(
            format!("WAIT#scan#{}", digest.hex()),
            release.as_str(),
        ))
    }

    /// An approval.
    pub fn approval(release: &ReleaseId, index: usize) -> Self {
        Self(Key::new(
            format!("WAIT#approval#{release}#{index:03}"),
            "WAIT",
        ))
    }

    /// A watch.
    pub fn watch(release: &ReleaseId, index: usize) -> Self {
        Self(Key::new(format!("WAIT#watch#{release}#{index:03}"), "WAIT"))
    }

    /// An environment's lock.
    pub fn lock(release: &ReleaseId, index: usize) -> Self {
        Self(Key::new(format!("WAIT#lock#{release}#{index:03}"), "WAIT"))
    }

    /// An answer that is on its way. One task gives one answer, so the token's
    /// own hash tells answers apart without showing it.
    fn answered(wait: &Wait) -> Self {
        let token = Digest::of_bytes(wait.token.reveal().as_bytes());
        Self(Key::new(
            format!("WAIT#answer#{}", wait.release),
            token.hex(),
        ))
    }

    /// The key of this wait.
    pub fn of(wait: &Wait) -> Self {
        match &wait.awaited {
            Awaited::Build { attempt, .. } => Self::build(&wait.release, wait.index, *attempt),
            Awaited::Scan { digest, .. } => Self::scan(digest, &wait.release),
            Awaited::Approval => Self::approval(&wait.release, wait.index),
            Awaited::Watch { .. } => Self::watch(&wait.release, wait.index),
            Awaited::Lock { .. } => Self::lock(&wait.release, wait.index),
            Awaited::Nothing => Self::answered(wait),
        }
    }
}

/// Writes a wait.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn wait_write(wait: &Wait, when: When) -> Result<Write, StoreError> {
    Ok(Write::Put {
        key: WaitKey::of(wait).0,
        due: Some(wait.due),
        body: body(wait)?,
        when,
    })
}

/// Deletes a wait that was read at `rev`.
pub fn wait_delete(wait: &Wait, rev: u64) -> Write {
    Write::Delete {
        key: WaitKey::of(wait).0,
        when: When::Rev(rev),
    }
}

/// What the sweep finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// A wait that should be looked after.
    Wait(Seen<Wait>),
    /// A lock whose lease has run out.
    Lock(Seen<Lock>),
    /// A running release to which nothing has happened for long.
    Release(Box<Seen<Head>>),
}

/// Something that is due, as it lies in the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Overdue(Item);

impl Overdue {
    /// Where it lies, for logs.
    pub fn place(&self) -> String {
        format!("{} {}", self.0.key.pk, self.0.key.sk)
    }

    /// What it is.
    ///
    /// # Errors
    /// When it does not read.
    pub fn read(&self) -> Result<Due, StoreError> {
        let item = self.0.clone();
        match item.key.sk.as_str() {
            "LOCK" => read(item).map(Due::Lock),
            keys::HEAD => read(item).map(|seen| Due::Release(Box::new(seen))),
            _ => read(item).map(Due::Wait),
        }
    }
}

impl<T: Table> Store<T> {
    /// The wait there.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn wait(&self, key: &WaitKey) -> Result<Option<Seen<Wait>>, StoreError> {
        self.table.get(&key.0).await?.map(read).transpose()
    }

    /// All releases that wait for the scan of this image.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn waits_for_scan(&self, digest: &Digest) -> Result<Vec<Seen<Wait>>, StoreError> {
        let items = self
            .table
            .query(&format!("WAIT#scan#{}", digest.hex()), Range::default())
            .await?;
        items.into_iter().map(read).collect()
    }

    /// What is due, the longest overdue first, at most `limit`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Overdue>, StoreError> {
        let items = self.table.due(now, limit).await?;
        Ok(items.into_iter().map(Overdue).collect())
    }

    /// Lets something be due at another time, unless somebody has changed it since
    /// it was found.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_off(&self, overdue: &Overdue, due: Timestamp) -> Result<(), StoreError> {
        let Overdue(item) = overdue;
        let write = Write::Put {
            key: item.key.clone(),
            due: Some(due),
            body: item.body.clone(),
            when: When::Rev(item.rev),
        };
        match self.table.write(vec![write]).await {
            Ok(()) | Err(TableError::Conflict(_)) => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }
}
