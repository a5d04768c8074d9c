//! A table in memory that evaluates the conditions of writes and can fail.

use gatewright_aws::error::{Kind, ServiceError};
use gatewright_aws::table::{Item, Key, Range, Table, TableError, When, Write};
use gatewright_domain::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Inside {
    items: BTreeMap<Key, Item>,
    writes: usize,
    crash_after: Option<usize>,
    crash_before: Option<usize>,
}

/// A table in memory.
#[derive(Debug, Default)]
pub struct MemoryTable {
    inside: Mutex<Inside>,
}

impl MemoryTable {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The write numbered `n` from now (0: the next) is done, but its caller is
    /// told that the service could not be reached: a crash after the write.
    pub fn crash_after(&self, n: usize) {
        let mut inside = self.lock();
        inside.crash_after = Some(inside.writes + n);
    }

    /// The write numbered `n` from now is not done, and its caller is told so.
    pub fn crash_before(&self, n: usize) {
        let mut inside = self.lock();
        inside.crash_before = Some(inside.writes + n);
    }

    /// How many transactions were written or refused.
    pub fn writes(&self) -> usize {
        self.lock().writes
    }

    /// Everything in the table.
    pub fn items(&self) -> Vec<Item> {
        self.lock().items.values().cloned().collect()
    }

    /// The items whose partition begins so.
    pub fn items_in(&self, prefix: &str) -> Vec<Item> {
        self.items()
            .into_iter()
            .filter(|item| item.key.pk.starts_with(prefix))
            .collect()
    }
}

fn unreachable() -> TableError {
    ServiceError::of(
        "dynamodb:TransactWriteItems",
        Kind::Transient,
        "a crash that the test asked for",
    )
    .into()
}

fn holds(found: Option<&Item>, when: When) -> bool {
    match when {
        When::Any => true,
        When::Absent => found.is_none(),
        When::Rev(rev) => found.is_some_and(|item| item.rev == rev),
    }
}

impl Table for MemoryTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        Ok(self.lock().items.get(key).cloned())
    }

    async fn query(&self, pk: &str, range: Range) -> Result<Vec<Item>, TableError> {
        let inside = self.lock();
        let mut found: Vec<Item> = inside
            .items
            .values()
            .filter(|i| i.key.pk == pk && i.key.sk.starts_with(&range.prefix))
            .cloned()
            .collect();
        if range.newest_first {
            found.reverse();
        }
        if let Some(beyond) = &range.beyond {
            found.retain(|i| {
                if range.newest_first {
                    &i.key.sk < beyond
                } else {
                    &i.key.sk > beyond
                }
            });
        }
        if let Some(limit) = range.limit {
            found.truncate(limit as usize);
        }
        Ok(found)
    }

    async fn due(&self, until: Timestamp, limit: u32) -> Result<Vec<Item>, TableError> {
        let inside = self.lock();
        let mut found: Vec<Item> = inside
            .items
            .values()
            .filter(|i| i.due.is_some_and(|due| due <= until))
            .cloned()
            .collect();
        found.sort_by_key(|item| item.due);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let mut inside = self.lock();
        let number = inside.writes;
        inside.writes += 1;
        if inside.crash_before == Some(number) {
            return Err(unreachable());
        }
        assert!(
            writes.len() <= 100,
            "a transaction holds at most 100 actions, this one {}",
            writes.len()
        );
        let mut keys: Vec<&Key> = writes.iter().map(Write::key).collect();
        keys.sort();
        assert!(
            keys.windows(2).all(|pair| pair[0] != pair[1]),
            "a transaction may name an item once only: {keys:?}"
        );
        let refused: Vec<String> = writes
            .iter()
            .filter(|write| {
                let (Write::Put { when, .. }
                | Write::Delete { when, .. }
                | Write::Check { when, .. }) = write;
                !holds(inside.items.get(write.key()), *when)
            })
            .map(|write| format!("{} {}", write.key().pk, write.key().sk))
            .collect();
        if !refused.is_empty() {
            return Err(TableError::Conflict(refused));
        }
        for write in writes {
            match write {
                Write::Put {
                    key,
                    due,
                    body,
                    when,
                } => {
                    let rev = if let When::Rev(rev) = when {
                        rev + 1
                    } else {
                        1
                    };
                    inside.items.insert(
                        key.clone(),
                        Item {
                            key,
                            rev,
                            due,
                            body,
                        },
                    );
                }
                Write::Delete { key, .. } => {
                    inside.items.remove(&key);
                }
                Write::Check { .. } => {}
            }
        }
        if inside.crash_after == Some(number) {
            Err(unreachable())
        } else {
            Ok(())
        }
    }
}
