//! The table's stream, as its readers get it.

use crate::World;
use crate::world::attribute;
use serde_json::{Value, json};

/// The stream's batch with every event of the ledger.
pub fn batch(world: &World) -> Value {
    let events = world
        .store
        .table()
        .items()
        .into_iter()
        .filter(|item| item.key.sk.starts_with("EVENT#"));
    let records: Vec<Value> = events
        .enumerate()
        .map(|(n, item)| {
            json!({
                "awsRegion": "ap-south-1", "eventID": "1", "eventName": "INSERT", "eventSource": "aws:dynamodb",
                "eventVersion": "1.1", "eventSourceARN": "arn",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1, "SizeBytes": 1, "SequenceNumber": n.to_string(), "StreamViewType": "NEW_IMAGE",
                    "Keys": { "pk": {"S": item.key.pk}, "sk": {"S": item.key.sk} },
                    "NewImage": { "pk": {"S": item.key.pk}, "sk": {"S": item.key.sk}, "rev": {"N": "1"}, "body": attribute(&item.body) },
                },
            })
        })
        .collect();
    json!({ "Records": records })
}
