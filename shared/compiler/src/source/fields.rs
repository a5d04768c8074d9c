//! Reading a tree: mappings key by key, scalars by kind. Every reader reports
//! what is wrong and goes on.

use super::language::Object;
use super::sink::{Marked, Sink, Span};
use super::tree::{Node, Value};
use gatewright_domain::text;

/// A mapping being read.
pub(crate) struct Fields<'a> {
    /// Where the mapping is, for what is missing in it.
    pub(crate) at: Span,
    object: &'static Object,
    entries: &'a [(Marked<String>, Node)],
    sink: &'a Sink,
}

impl<'a> Fields<'a> {
    /// `node` as such an object of the language. `at` is where a missing key is
    /// reported.
    pub(crate) fn of(
        node: &'a Node,
        at: &Span,
        object: &'static Object,
        sink: &'a Sink,
    ) -> Option<Self> {
        let entries = entries(node, object.what, sink)?;
        for (key, _) in entries {
            if !object.has(&key.value) {
                unknown_key(key, object, sink);
            }
        }
        Some(Self {
            at: at.clone(),
            object,
            entries,
            sink,
        })
    }

    /// The value of `key`, when the mapping has it.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The place of `key` itself and its value.
    pub(crate) fn entry(&self, key: &str) -> Option<(&'a Span, &'a Node)> {
        debug_assert!(
            self.object.has(key),
            "{:?} is no key of {}",
            key,
            self.object.what
        );
        self.entries
            .iter()
            .find(|(name, _)| name.value == key)
            .map(|(name, node)| (&name.at, node))
    }

    /// The value of `key`, whose absence is an error.
    pub(crate) fn required(&self, key: &str) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() && !self.is_misspelt(key) {
            self.sink
                .error(&self.at, format!("{} needs {key:?}", self.object.what));
        }
        node
    }

    /// Whether some unknown key, which is reported, looks like this one.
    pub(crate) fn is_misspelt(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| {
            !self.object.has(&name.value)
                && text::nearest(&name.value, self.object.names()) == Some(key)
        })
    }

    /// The keys that are present, with their places.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a Marked<String>> {
        self.entries.iter().map(|(key, _)| key)
    }
}

fn unknown_key(key: &Marked<String>, object: &Object, sink: &Sink) {
    let message = format!("{} has no key {:?}", object.what, key.value);
    let help = match text::nearest(&key.value, object.names()) {
        _ if ["freeze", "freezes"].contains(&key.value.as_str()) => {
            "freezes are orders and no part of a definition: `gatewright freeze PIPELINE/ENVIRONMENT`; times at which it may be changed are `windows` of an environment".to_owned()
        }
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let known: Vec<&str> = object.names().collect();
            format!("the keys are {}", known.join(", "))
        }
    };
    sink.error_help(&key.at, message, help);
}

/// `node` as a mapping with keys of the author's choosing, none of them twice.
pub(crate) fn entries<'a>(
    node: &'a Node,
    what: &str,
    sink: &Sink,
) -> Option<&'a [(Marked<String>, Node)]> {
    let Value::Map(entries) = &node.value else {
        wrong(node, what, "a mapping (`key: value` lines)", sink);
        return None;
    };
    for (index, (key, _)) in entries.iter().enumerate() {
        if entries[..index].iter().any(|(k, _)| k.value == key.value) {
            sink.error_help(
                &key.at,
                format!("{:?} is here twice", key.value),
                "keep one; YAML would silently keep only one of them",
            );
        }
    }
    Some(entries)
}

/// `node` as a list.
pub(crate) fn list<'a>(node: &'a Node, what: &str, sink: &Sink) -> Option<&'a [Node]> {
    if let Value::List(items) = &node.value {
        return Some(items);
    }
    wrong(node, what, "a list (`- item` lines, or `[a, b]`)", sink);
    None
}

/// `node` as text that is not empty.
pub(crate) fn text(node: &Node, what: &str, sink: &Sink) -> Option<Marked<String>> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => {
            sink.error(&node.at, format!("{what} must not be empty"));
            None
        }
        Value::Text(text) => Some(Marked::new(text.clone(), &node.at)),
        Value::Number(_) | Value::Bool(_) | Value::Null | Value::List(_) | Value::Map(_) => {
            wrong(node, what, "text", sink);
            None
        }
    }
}

/// `node` as text, or as a number in the very digits that were written.
pub(crate) fn as_written(node: &Node, what: &str, sink: &Sink) -> Option<Marked<String>> {
    match &node.value {
        Value::Number(digits) => Some(Marked::new(digits.clone(), &node.at)),
        Value::Text(text) => Some(Marked::new(text.clone(), &node.at)),
        Value::Bool(_) | Value::Null | Value::List(_) | Value::Map(_) => {
            wrong(node, what, "text", sink);
            None
        }
    }
}

/// `node` as `true` or `false`.
pub(crate) fn flag(node: &Node, what: &str, sink: &Sink) -> Option<bool> {
    if let Value::Bool(value) = node.value {
        return Some(value);
    }
    wrong(node, what, "true or false", sink);
    None
}

/// `node` as a whole number within `range`.
pub(crate) fn count(
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<u32>,
    sink: &Sink,
) -> Option<u32> {
    let Value::Number(digits) = &node.value else {
        wrong(node, what, "a whole number", sink);
        return None;
    };
    let number = digits.parse::<u32>().ok().filter(|n| range.contains(n));
    if number.is_none() {
        let (least, most) = (range.start(), range.end());
        sink.error(
            &node.at,
            format!("{what} must be a whole number from {least} to {most}, not {digits}"),
        );
    }
    number
}

/// `node` as an identifier of ours.
pub(crate) fn id<T>(node: &Node, what: &str, sink: &Sink) -> Option<Marked<T>>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    parsed(&text(node, what, sink)?, sink)
}

/// Text as an identifier of ours.
pub(crate) fn parsed<T>(said: &Marked<String>, sink: &Sink) -> Option<Marked<T>>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    match T::try_from(said.value.clone()) {
        Ok(value) => Some(Marked::new(value, &said.at)),
        Err(error) => {
            sink.error(&said.at, error.to_string());
            None
        }
    }
}

/// One of `words`.
pub(crate) fn one_of<'w>(
    node: &Node,
    what: &str,
    words: &[&'w str],
    sink: &Sink,
) -> Option<Marked<&'w str>> {
    let said = match &node.value {
        // `true` in quotes would be no better a word.
        Value::Bool(said) => Marked::new(said.to_string(), &node.at),
        Value::Text(_) | Value::Number(_) | Value::Null | Value::List(_) | Value::Map(_) => {
            as_written(node, what, sink)?
        }
    };
    let found = words.iter().find(|word| **word == said.value);
    if found.is_none() {
        let help = match text::nearest(&said.value, words.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("it is one of {}", words.join(", ")),
        };
        sink.error_help(&said.at, format!("{what} cannot be {:?}", said.value), help);
    }
    found.map(|word| Marked::new(*word, &said.at))
}

/// Every item of a list of text.
pub(crate) fn texts(node: &Node, what: &str, item: &str, sink: &Sink) -> Vec<Marked<String>> {
    list(node, what, sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|node| text(node, item, sink))
        .collect()
}

/// Reports that `node` is not what it should be.
pub(crate) fn wrong(node: &Node, what: &str, wanted: &str, sink: &Sink) {
    let message = match &node.value {
        Value::Null => format!("{what} is empty; it must be {wanted}"),
        value => format!("{what} must be {wanted}, but this is {}", value.noun()),
    };
    match (&node.value, wanted) {
        (Value::Number(said), "text") => {
            sink.error_help(&node.at, message, format!("put it in quotes: \"{said}\""));
        }
        (Value::Bool(said), "text") => {
            sink.error_help(&node.at, message, format!("put it in quotes: \"{said}\""));
        }
        (Value::Map(_), "text") => sink.error_help(
            &node.at,
            message,
            "text with `: ` in it needs quotes, or its own lines after `|`",
        ),
        (Value::Null, "text") => sink.error_help(
            &node.at,
            message,
            "what follows ` #` is a comment; text that starts with # needs quotes",
        ),
        _ => sink.error(&node.at, message),
    }
}
