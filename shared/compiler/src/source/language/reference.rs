//! The reference page, for people.

use super::examples::HEAD;
use super::{FEATURES, Key, Kind, Need, OBJECTS, Object};
use gatewright_domain::pipeline::Feature;
use std::fmt::Write;

/// What comes before the objects: from nothing to a pipeline that deploys.
const INTRODUCTION: &str = include_str!("introduction.md");

/// The page, Markdown with a newline at its end.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Everything there is\n\n");
    page.push_str("Every example below is a definition that works, together with what every file starts with:\n\n");
    page.push_str(&fenced(HEAD));
    page.push_str("\nand, where the example has none, a trigger and a stage:\n\n");
    page.push_str(&fenced(FILLING));
    for (index, object) in OBJECTS.iter().enumerate() {
        page.push_str(&section(object, &OBJECTS[..index]));
    }
    page.push_str(&unenforced());
    page
}

/// What an example is filled up with.
pub(super) const FILLING: &str = "\
on: { manual: true }
stages: [{ name: Build, steps: [make] }]
";

/// Text between fences. Writing into a string cannot fail.
fn fenced(yaml: &str) -> String {
    format!("```yaml\n{yaml}```\n")
}

fn section(object: &Object, before: &[&Object]) -> String {
    let mut text = format!("\n### {}\n\n{}\n\n", title(object), object.doc);
    text.push_str("| key | value | when it is left out | |\n|---|---|---|---|\n");
    for key in object.keys {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            key.name,
            words(&key.kind).replace('|', "\\|"),
            left_out(key),
            key.doc
        );
    }
    text.push('\n');
    match before.iter().find(|o| o.example == object.example) {
        Some(shown) => {
            let _ = writeln!(
                text,
                "The example of [{}](#{}) shows it.",
                title(shown),
                anchor(shown)
            );
        }
        None => text.push_str(&fenced(object.example)),
    }
    text
}

fn title(object: &Object) -> String {
    format!("`{}`", object.name)
}

/// The anchor that a heading gets on the web: letters, digits and hyphens.
fn anchor(object: &Object) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    object.name.to_lowercase().chars().filter(kept).collect()
}

fn left_out(key: &Key) -> String {
    match key.need {
        Need::Required => "it must be there".to_owned(),
        Need::Optional => String::new(),
        Need::Default(value) => value.to_owned(),
    }
}

fn words(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Written => "text or a number".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Count(least, most) if least == most => format!("`{least}`"),
        Kind::Count(least, most) => format!("a whole number, {least} to {most}"),
        Kind::Percent => "a number above 0, up to 100".to_owned(),
        Kind::Number => "a number".to_owned(),
        Kind::Duration => "a duration: `90s`, `10m`, `4h`, `3d`".to_owned(),
        Kind::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Kind::Form(_, name) => (*name).to_owned(),
        Kind::List(item) => format!("a list: {}", words(item)),
        Kind::Map(value) => format!("a mapping from names: {}", words(value)),
        Kind::Object(object) => link(object),
        Kind::OneOrMore(object) => format!("{}, or a list of them", link(object)),
        Kind::Either(kinds) => {
            let all: Vec<String> = kinds.iter().map(words).collect();
            all.join("; or ")
        }
    }
}

fn link(object: &Object) -> String {
    format!("[{}](#{})", title(object), anchor(object))
}

/// What a definition can say and this version does not do.
fn unenforced() -> String {
    let mut text = String::from(
        "\n## What is not enforced yet\n\nA definition can say more than this version does, and nothing of it is silently weaker than it reads: a protected environment that relies on something that lets more through than it says is refused until `accept-unenforced` names it.\n\n| word | what happens instead | a protected environment needs it accepted |\n|---|---|---|\n",
    );
    for word in FEATURES {
        let Some(feature) = Feature::ALL.iter().find(|f| f.as_str() == *word) else {
            continue;
        };
        let accepted = if feature.lets_more_through() {
            "yes"
        } else {
            "no"
        };
        let _ = writeln!(text, "| `{word}` | {} | {accepted} |", feature.instead());
    }
    text
}
