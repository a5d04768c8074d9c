//! The tables, the examples and the reader say the same.

use super::examples::{DIRECTORY, HEAD};
use super::reference::FILLING;
use super::{Kind, OBJECTS, Object, examples};
use crate::source::sink::Sink;
use crate::source::tree::{self, Node, Value};
use crate::source::{read, read_directory};
use gatewright_domain::people::Directory;
use std::collections::BTreeSet;

fn people() -> Directory {
    read_directory("approvers.yaml", examples::DIRECTORY).unwrap_or_else(|d| panic!("{d}"))
}

/// What an example is once it is filled up: a whole definition.
fn whole(example: &str) -> String {
    let has = |key: &str| example.lines().any(|line| line.starts_with(key));
    let mut text = String::new();
    if !has("language:") {
        text.push_str(HEAD);
    }
    for line in FILLING.lines() {
        let key = line.split_inclusive(':').next().unwrap_or_default();
        if !has(key) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(example);
    text
}

/// Whether an example is of the directory, which is a file of its own.
fn is_directory(example: &str) -> bool {
    example == DIRECTORY
}

fn refused(text: &str) -> Option<String> {
    let said = if is_directory(text) || text.starts_with("people:") {
        read_directory("approvers.yaml", text).err()
    } else {
        read("example.yaml", text, Some(&people())).err()
    };
    said.map(|d| d.to_string())
}

fn root(text: &str) -> Node {
    tree::parse(text, &Sink::default()).unwrap()
}

#[test]
fn every_example_is_accepted_as_it_stands() {
    for object in OBJECTS {
        if is_directory(object.example) {
            people();
        } else if let Some(said) = refused(&whole(object.example)) {
            panic!("{}: {said}", object.name);
        }
    }
}

#[test]
fn every_example_fits_the_schema() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    let schema = serde_json::from_str(&super::schema()).unwrap();
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    for object in OBJECTS.iter().filter(|o| !is_directory(o.example)) {
        let text = whole(object.example);
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        if let Err(said) = schemas.validate(&value, index) {
            panic!("{}: {said}", object.name);
        }
    }
}

#[test]
fn what_the_introduction_teaches_is_accepted_step_by_step() {
    let page = include_str!("introduction.md");
    let examples: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 6);
    for example in examples {
        let read = read("shop.yaml", example, Some(&people())).unwrap_or_else(|d| panic!("{d}"));
        assert_eq!(read.warnings.to_string(), "", "{example}");
    }
}

/// Every place in `node` that is an object of the language.
fn objects<'a>(kind: &Kind, node: &'a Node, found: &mut Vec<(&'static Object, &'a Node)>) {
    match (kind, &node.value) {
        (Kind::Object(object) | Kind::OneOrMore(object), Value::Map(entries)) => {
            found.push((object, node));
            for (key, node) in entries {
                if let Some(key) = object.keys.iter().find(|k| k.name == key.value) {
                    objects(&key.kind, node, found);
                }
            }
        }
        (Kind::OneOrMore(object), Value::List(items)) => items
            .iter()
            .for_each(|item| objects(&Kind::Object(object), item, found)),
        (Kind::List(kind), Value::List(items)) => {
            items.iter().for_each(|item| objects(kind, item, found));
        }
        (Kind::Map(kind), Value::Map(entries)) => entries
            .iter()
            .for_each(|(_, node)| objects(kind, node, found)),
        (Kind::Either(kinds), _) => kinds.iter().for_each(|kind| objects(kind, node, found)),
        _ => {}
    }
}

fn of_example(example: &'static str) -> Node {
    match is_directory(example) {
        true => root(example),
        false => root(&whole(example)),
    }
}

fn top(example: &str) -> Kind {
    Kind::Object(match is_directory(example) {
        true => &super::DIRECTORY,
        false => &super::PIPELINE,
    })
}

/// The keys of `object` that its example shows.
fn shown(object: &'static Object) -> BTreeSet<String> {
    let node = of_example(object.example);
    let mut found = Vec::new();
    objects(&top(object.example), &node, &mut found);
    let mut keys = BTreeSet::new();
    for (one, node) in found {
        if let (true, Value::Map(entries)) = (std::ptr::eq(one, object), &node.value) {
            keys.extend(entries.iter().map(|(key, _)| key.value.clone()));
        }
    }
    keys
}

#[test]
fn every_key_is_shown_by_an_example() {
    let all: Vec<(&Object, BTreeSet<String>)> = OBJECTS.iter().map(|o| (*o, shown(o))).collect();
    for (object, _) in &all {
        let missing = object.keys.iter().filter(|key| {
            // What several objects share is shown where one of them is.
            !all.iter().any(|(other, shown)| {
                let same = |k: &super::Key| k.name == key.name && k.doc == key.doc;
                shown.contains(key.name) && other.keys.iter().any(same)
            })
        });
        let missing: Vec<&str> = missing.map(|key| key.name).collect();
        assert!(missing.is_empty(), "{} misses {missing:?}", object.name);
    }
}

/// Each key of each example, given a value that nothing can mean, is refused: the
/// reader reads every key that the tables promise.
#[test]
fn every_key_is_read() {
    let mut read = 0;
    for object in OBJECTS {
        let text = match is_directory(object.example) {
            true => object.example.to_owned(),
            false => whole(object.example),
        };
        let node = root(&text);
        let mut found = Vec::new();
        objects(&top(object.example), &node, &mut found);
        for (one, node) in found {
            let Value::Map(entries) = &node.value else {
                continue;
            };
            for (key, _) in entries {
                if !std::ptr::eq(one, *object) {
                    continue;
                }
                let spoilt = spoilt(&text, key.at.start, &key.value);
                assert!(tree::parse(&spoilt, &Sink::default()).is_some(), "{spoilt}");
                assert!(
                    refused(&spoilt).is_some(),
                    "{} of {} is not read:\n{spoilt}",
                    key.value,
                    object.name
                );
                read += 1;
            }
        }
    }
    assert!(read > 240, "{read}");
}

/// `text` with the value of the key at `at` made nonsense of another kind: a
/// mapping where nothing has such a key.
fn spoilt(text: &str, at: usize, key: &str) -> String {
    let after = at + key.len() + 1;
    let rest = &text[after..];
    let line = rest.split_inclusive('\n').next().unwrap_or_default();
    let column = at - text[..at].rfind('\n').map_or(0, |n| n + 1);
    let block = line.trim().is_empty() || line.trim() == "|" || line.trim().ends_with(":");
    let inline = text[..at].rsplit('\n').next().unwrap_or_default();
    let length = if inline.contains('{') || inline.contains("[") {
        flow(rest)
    } else if block || line.trim_start().starts_with('|') {
        // The lines that are further in, or items of a list in the same column.
        let deeper = |l: &str| {
            let indent = l.len() - l.trim_start().len();
            l.trim().is_empty() || indent > column
        };
        line.len()
            + rest[line.len()..]
                .split_inclusive('\n')
                .take_while(|l| deeper(l))
                .map(str::len)
                .sum::<usize>()
            - 1
    } else {
        line.len() - 1
    };
    format!(
        "{} {{ no-such-key: [{{ no-such-key: {{}} }}] }}{}",
        &text[..after],
        &rest[length..]
    )
}

/// How long a value inside brackets is: up to the comma or bracket that ends it.
fn flow(rest: &str) -> usize {
    let (mut depth, mut quoted) = (0_u32, false);
    for (at, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' => depth += 1,
            '}' | ']' | ',' if depth == 0 => return at,
            '}' | ']' => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}
