//! The table in DynamoDB.
//!
//! Attributes: `pk`, `sk`, `rev` (number), `body` (map); `due_group` and `due`
//! (RFC 3339 text) only on items that the sweep should look at, which keeps the
//! sparse index `due` small.

use super::{Item, Key, Range, Table, TableError, When, Write};
use crate::error::{Kind, ServiceError, classify};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use gatewright_domain::Timestamp;
use serde_json::Value;
use std::collections::HashMap;

/// The partition of the sparse index that holds everything that is due.
const DUE_GROUP: &str = "due";

type Attributes = HashMap<String, AttributeValue>;

/// The table, reached through the SDK.
#[derive(Debug, Clone)]
pub struct DynamoTable {
    client: Client,
    name: String,
}

impl DynamoTable {
    /// The table of that name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }

    fn transact(&self, write: Write) -> Result<TransactWriteItem, TableError> {
        let (condition, values) = condition(when_of(&write));
        let values = (!values.is_empty()).then_some(values);
        let item = TransactWriteItem::builder();
        Ok(match write {
            Write::Put {
                key,
                due,
                body,
                when,
            } => {
                let put = Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(attributes(key, due, body, next_rev(when))?))
                    .set_condition_expression(condition)
                    .set_expression_attribute_values(values)
                    .build();
                item.put(put.map_err(|e| bug(&e))?).build()
            }
            Write::Delete { key, .. } => {
                let delete = Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_attributes(&key)))
                    .set_condition_expression(condition)
                    .set_expression_attribute_values(values)
                    .build();
                item.delete(delete.map_err(|e| bug(&e))?).build()
            }
            Write::Check { key, .. } => {
                let check = ConditionCheck::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_attributes(&key)))
                    .condition_expression(
                        condition.unwrap_or_else(|| "attribute_exists(pk)".to_owned()),
                    )
                    .set_expression_attribute_values(values)
                    .build();
                item.condition_check(check.map_err(|e| bug(&e))?).build()
            }
        })
    }
}

impl Table for DynamoTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        let reply = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key_attributes(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| classify("dynamodb:GetItem", &e))?;
        reply.item.map(item).transpose()
    }

    async fn query(&self, pk: &str, range: Range) -> Result<Vec<Item>, TableError> {
        let text = |s: &str| AttributeValue::S(s.to_owned());
        let mut request = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .scan_index_forward(!range.newest_first)
            .expression_attribute_values(":pk", text(pk));
        request = if range.prefix.is_empty() {
            request.key_condition_expression("pk = :pk")
        } else {
            request
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", text(&range.prefix))
        };
        let mut start = range
            .beyond
            .as_ref()
            .map(|sk| key_attributes(&Key::new(pk, sk)));
        let mut found = Vec::new();
        loop {
            let remaining = range
                .limit
                .map(|limit| limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX)));
            if remaining == Some(0) {
                return Ok(found);
            }
            let page = request
                .clone()
                .set_limit(remaining.and_then(|r| i32::try_from(r).ok()))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|e| classify("dynamodb:Query", &e))?;
            for attributes in page.items.unwrap_or_default() {
                found.push(item(attributes)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    async fn due(&self, until: Timestamp, limit: u32) -> Result<Vec<Item>, TableError> {
        let page = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("due")
            .key_condition_expression("due_group = :group AND due <= :until")
            .expression_attribute_values(":group", AttributeValue::S(DUE_GROUP.to_owned()))
            .expression_attribute_values(":until", AttributeValue::S(sortable(until)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|e| classify("dynamodb:Query", &e))?;
        page.items
            .unwrap_or_default()
            .into_iter()
            .map(item)
            .collect()
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let keys: Vec<String> = writes
            .iter()
            .map(|w| format!("{} {}", w.key().pk, w.key().sk))
            .collect();
        let items = writes
            .into_iter()
            .map(|write| self.transact(write))
            .collect::<Result<Vec<_>, _>>()?;
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    refused(&keys, cancelled.cancellation_reasons())
                }
                _ => classify("dynamodb:TransactWriteItems", &error).into(),
            }),
        }
    }
}

/// What a cancelled transaction means: a failed condition or a faster
/// transaction is a conflict, throttling is transient, anything else is ours.
fn refused(keys: &[String], reasons: &[aws_sdk_dynamodb::types::CancellationReason]) -> TableError {
    let code =
        |r: &aws_sdk_dynamodb::types::CancellationReason| r.code().unwrap_or("None").to_owned();
    let failed: Vec<String> = reasons
        .iter()
        .zip(keys)
        .filter(|(r, _)| {
            matches!(
                code(r).as_str(),
                "ConditionalCheckFailed" | "TransactionConflict"
            )
        })
        .map(|(_, key)| key.clone())
        .collect();
    if !failed.is_empty() {
        return TableError::Conflict(failed);
    }
    let codes: Vec<String> = reasons.iter().map(code).filter(|c| c != "None").collect();
    let throttled = codes
        .iter()
        .any(|c| c == "ThrottlingError" || c == "ProvisionedThroughputExceeded");
    let kind = if throttled {
        Kind::Transient
    } else {
        Kind::Other
    };
    let said: Vec<&str> = reasons.iter().filter_map(|r| r.message()).collect();
    ServiceError::of(
        "dynamodb:TransactWriteItems",
        kind,
        format!("cancelled: {codes:?} {said:?}"),
    )
    .into()
}

fn when_of(write: &Write) -> When {
    match write {
        Write::Put { when, .. } | Write::Delete { when, .. } | Write::Check { when, .. } => *when,
    }
}

fn condition(when: When) -> (Option<String>, Attributes) {
    match when {
        When::Any => (None, Attributes::new()),
        When::Absent => (
            Some("attribute_not_exists(pk)".to_owned()),
            Attributes::new(),
        ),
        When::Rev(rev) => (
            Some("rev = :rev".to_owned()),
            Attributes::from([(":rev".to_owned(), AttributeValue::N(rev.to_string()))]),
        ),
    }
}

/// The revision after the write. An unconditional put starts anew: what is
/// written so is never read for its revision.
fn next_rev(when: When) -> u64 {
    match when {
        When::Absent | When::Any => 1,
        When::Rev(rev) => rev + 1,
    }
}

fn key_attributes(key: &Key) -> Attributes {
    Attributes::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

fn attributes(
    key: Key,
    due: Option<Timestamp>,
    body: Value,
    rev: u64,
) -> Result<Attributes, TableError> {
    let mut all = key_attributes(&key);
    all.insert("rev".to_owned(), AttributeValue::N(rev.to_string()));
    let body = serde_dynamo::to_attribute_value(body).map_err(|e| bug(&e))?;
    all.insert("body".to_owned(), body);
    if let Some(due) = due {
        all.insert(
            "due_group".to_owned(),
            AttributeValue::S(DUE_GROUP.to_owned()),
        );
        all.insert("due".to_owned(), AttributeValue::S(sortable(due)));
    }
    Ok(all)
}

/// An item from its attributes, wherever they came from.
fn item(mut all: Attributes) -> Result<Item, TableError> {
    let damaged = |what: &str| {
        ServiceError::of(
            "dynamodb:GetItem",
            Kind::Other,
            format!("an item without {what}"),
        )
    };
    let mut text = |name: &str| match all.remove(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    };
    let key = Key {
        pk: text("pk").ok_or_else(|| damaged("pk"))?,
        sk: text("sk").ok_or_else(|| damaged("sk"))?,
    };
    let due = text("due").and_then(|t| t.parse().ok());
    let rev = match all.remove("rev") {
        Some(AttributeValue::N(n)) => n.parse().map_err(|_| damaged("a revision"))?,
        _ => return Err(damaged("a revision").into()),
    };
    let body = all.remove("body").ok_or_else(|| damaged("a body"))?;
    let body = serde_dynamo::from_attribute_value(body).map_err(|e| bug(&e))?;
    Ok(Item {
        key,
        rev,
        due,
        body,
    })
}

/// Whole seconds, so that text order is time order.
fn sortable(at: Timestamp) -> String {
    format!("{at:.0}")
}

fn bug(error: &dyn std::fmt::Display) -> TableError {
    ServiceError::of("dynamodb", Kind::Other, error.to_string()).into()
}
