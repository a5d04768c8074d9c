//! The JSON Schema that editors complete and check definitions with.

use super::{Kind, Need, OBJECTS, Object, PIPELINE};
use serde_json::{Map, Value, json};

/// The schema of a pipeline's definition, JSON Schema 2020-12, with a newline at
/// its end. It knows the keys and the forms of values; what must hold between the
/// parts of a definition only the compiler knows.
pub fn schema() -> String {
    let definitions: Map<String, Value> = OBJECTS
        .iter()
        .filter(|one| !std::ptr::eq(**one, &PIPELINE))
        .filter(|one| is_used(one))
        .map(|one| (one.name.to_owned(), object(one)))
        .collect();
    let mut root = Map::new();
    root.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    root.insert("title".to_owned(), json!("A pipeline of Gatewright"));
    if let Value::Object(pipeline) = object(&PIPELINE) {
        root.extend(pipeline);
    }
    root.insert("$defs".to_owned(), Value::Object(definitions));
    // Only maps with keys that are no strings can fail here, and ours are.
    let mut text = serde_json::to_string_pretty(&root).unwrap_or_default();
    text.push('\n');
    text
}

/// Whether a definition can hold the object; the directory of approvers is a file
/// of its own.
fn is_used(one: &'static Object) -> bool {
    let by = |kind: &Kind| refers(kind, one);
    OBJECTS
        .iter()
        .filter(|other| !matches!(other.name, "approvers.yaml" | "person" | "group"))
        .any(|other| other.keys.iter().any(|key| by(&key.kind)))
}

fn refers(kind: &Kind, one: &'static Object) -> bool {
    match kind {
        Kind::Object(object) | Kind::OneOrMore(object) => std::ptr::eq(*object, one),
        Kind::List(inner) | Kind::Map(inner) => refers(inner, one),
        Kind::Either(kinds) => kinds.iter().any(|kind| refers(kind, one)),
        Kind::Text
        | Kind::Written
        | Kind::Flag
        | Kind::Count(..)
        | Kind::Percent
        | Kind::Number
        | Kind::Duration
        | Kind::Word(_)
        | Kind::Form(..) => false,
    }
}

fn object(one: &Object) -> Value {
    let mut properties = Map::new();
    for key in one.keys {
        let mut value = match kind(&key.kind) {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        value.insert("description".to_owned(), json!(plain(key.doc, &key.need)));
        properties.insert(key.name.to_owned(), Value::Object(value));
    }
    let required: Vec<&str> = one
        .keys
        .iter()
        .filter(|key| matches!(key.need, Need::Required))
        .map(|key| key.name)
        .collect();
    let mut schema = Map::new();
    schema.insert("description".to_owned(), json!(one.doc));
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    Value::Object(schema)
}

fn plain(doc: &str, need: &Need) -> String {
    match need {
        Need::Default(value) => format!("{doc} Default: {value}."),
        Need::Required | Need::Optional => doc.to_owned(),
    }
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Text => json!({ "type": "string", "pattern": "\\S" }),
        Kind::Written => json!({ "type": ["string", "number"] }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Count(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Percent => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 100 }),
        Kind::Number => json!({ "type": "number", "minimum": 0 }),
        Kind::Duration => json!({
            "type": "string",
            "pattern": "^[0-9]+[smhd]$",
            "examples": ["90s", "10m", "4h", "3d"],
        }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Form(pattern, _) => json!({ "type": "string", "pattern": pattern }),
        Kind::List(item) => json!({ "type": "array", "items": kind(item) }),
        Kind::Map(value) => json!({ "type": "object", "additionalProperties": kind(value) }),
        Kind::Object(object) => reference(object),
        Kind::OneOrMore(object) => {
            json!({ "anyOf": [reference(object), { "type": "array", "items": reference(object) }] })
        }
        Kind::Either(kinds) => {
            json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() })
        }
    }
}

fn reference(object: &Object) -> Value {
    json!({ "$ref": format!("#/$defs/{}", object.name) })
}
