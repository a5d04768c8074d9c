//! What people have ordered: what is in force, and the orders' ledger.

use super::{Seen, Store, StoreError, body, read};
use crate::table::{Key, Range, Table, When, Write};
use gatewright_domain::control::Controls;
use gatewright_domain::order::Given;

const PARTITION: &str = "CONTROL";

/// What is in force, with the revision that a change of it, or a step that relies
/// on it, must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// What is in force.
    pub controls: Controls,
    /// Its revision; none before the first order.
    pub rev: Option<u64>,
}

impl InForce {
    /// A condition that nothing else is in force by now.
    pub fn check(&self) -> Write {
        Write::Check {
            key: Key::new(PARTITION, "STATE"),
            when: When::still(self.rev),
        }
    }

    /// Puts `next` into force and records the order that did it.
    ///
    /// # Errors
    /// Never for records of this crate; the signature is serde's.
    pub fn writes(&self, next: &Controls, given: &Given) -> Result<[Write; 2], StoreError> {
        Ok([
            Write::Put {
                key: Key::new(PARTITION, "STATE"),
                due: None,
                body: body(next)?,
                when: When::still(self.rev),
            },
            Write::Put {
                key: Key::new(PARTITION, format!("ORDER#{:06}", given.seq)),
                due: None,
                body: body(given)?,
                when: When::Absent,
            },
        ])
    }
}

impl<T: Table> Store<T> {
    /// What is in force of people's orders.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn controls(&self) -> Result<InForce, StoreError> {
        let item = self.table.get(&Key::new(PARTITION, "STATE")).await?;
        Ok(match item {
            Some(item) => {
                let Seen { value, rev } = read(item)?;
                InForce {
                    controls: value,
                    rev: Some(rev),
                }
            }
            None => InForce {
                controls: Controls::default(),
                rev: None,
            },
        })
    }

    /// The orders that people gave, newest first; all of them without a limit.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn orders(&self, limit: Option<u32>) -> Result<Vec<Given>, StoreError> {
        let range = Range {
            prefix: "ORDER#".to_owned(),
            newest_first: true,
            limit,
            beyond: None,
        };
        let items = self.table.query(PARTITION, range).await?;
        items
            .into_iter()
            .map(|item| Ok(read(item)?.value))
            .collect()
    }
}
