//! Conditions: read, and decided for an event as far as that is known before it
//! happens.

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    Text(String),
    Name(String),
    Call(String, Vec<Expression>),
    Not(Box<Expression>),
    Both(Box<Expression>, Box<Expression>),
    Either(Box<Expression>, Box<Expression>),
    Same(Box<Expression>, Box<Expression>),
}

/// What happened, as GitHub's contexts say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Happened {
    /// `push`, `pull_request`, …
    pub event: String,
    /// `refs/heads/main`.
    pub reference: String,
    /// The base branch of a pull request.
    pub base: String,
}

/// What an expression comes to; nothing is known of what only a run knows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Flag(bool),
    Unknown,
}

/// Reads an expression, with or without `${{ }}` around it; `None` when it is
/// none that we know.
pub fn parse(text: &str) -> Option<Expression> {
    let text = text.trim();
    let inner = text
        .strip_prefix("${{")
        .and_then(|rest| rest.strip_suffix("}}"));
    let mut words = words(inner.unwrap_or(text))?.into_iter().peekable();
    let read = either(&mut words)?;
    words.next().is_none().then_some(read)
}

/// Whether the condition holds; `None` when that depends on what only the run
/// knows.
pub fn holds(expression: &Expression, happened: &Happened) -> Option<bool> {
    truth(&value(expression, happened))
}

/// Whether it says `always()`, or anything else that runs after a failure.
pub fn calls(expression: &Expression, function: &str) -> bool {
    match expression {
        Expression::Text(_) | Expression::Name(_) => false,
        Expression::Call(name, arguments) => {
            name.eq_ignore_ascii_case(function) || arguments.iter().any(|a| calls(a, function))
        }
        Expression::Not(inner) => calls(inner, function),
        Expression::Both(a, b) | Expression::Either(a, b) | Expression::Same(a, b) => {
            calls(a, function) || calls(b, function)
        }
    }
}

/// The branches that it names.
pub fn branches(expression: &Expression) -> Vec<String> {
    match expression {
        Expression::Same(a, b) => match (&**a, &**b) {
            (Expression::Name(name), Expression::Text(text))
            | (Expression::Text(text), Expression::Name(name)) => match name.as_str() {
                "github.ref" => text
                    .strip_prefix("refs/heads/")
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
                "github.ref_name" => vec![text.clone()],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        },
        Expression::Not(inner) => branches(inner),
        Expression::Both(a, b) | Expression::Either(a, b) => {
            let mut all = branches(a);
            all.extend(branches(b));
            all
        }
        Expression::Text(_) | Expression::Name(_) | Expression::Call(..) => Vec::new(),
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(*flag),
        Value::Text(text) => Some(!text.is_empty()),
        Value::Unknown => None,
    }
}

fn value(expression: &Expression, happened: &Happened) -> Value {
    let of = |flag: Option<bool>| flag.map_or(Value::Unknown, Value::Flag);
    match expression {
        Expression::Text(text) => Value::Text(text.clone()),
        Expression::Name(name) => named(name, happened),
        Expression::Call(name, arguments) => {
            let arguments: Vec<Value> = arguments.iter().map(|a| value(a, happened)).collect();
            called(&name.to_lowercase(), &arguments)
        }
        Expression::Not(inner) => of(holds(inner, happened).map(|flag| !flag)),
        Expression::Both(a, b) => of(match (holds(a, happened), holds(b, happened)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }),
        Expression::Either(a, b) => of(match (holds(a, happened), holds(b, happened)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }),
        Expression::Same(a, b) => match (value(a, happened), value(b, happened)) {
            // GitHub compares text without regard to case.
            (Value::Text(a), Value::Text(b)) => Value::Flag(a.eq_ignore_ascii_case(&b)),
            (Value::Flag(a), Value::Flag(b)) => Value::Flag(a == b),
            _ => Value::Unknown,
        },
    }
}

fn named(name: &str, happened: &Happened) -> Value {
    let reference = &happened.reference;
    let (branch, tag) = (
        reference.strip_prefix("refs/heads/"),
        reference.strip_prefix("refs/tags/"),
    );
    let text = |text: &str| Value::Text(text.to_owned());
    match name {
        "true" => Value::Flag(true),
        "false" => Value::Flag(false),
        "github.event_name" => text(&happened.event),
        "github.ref" => text(reference),
        "github.ref_name" => text(branch.or(tag).unwrap_or(reference)),
        "github.ref_type" if tag.is_some() => text("tag"),
        "github.ref_type" => text("branch"),
        "github.base_ref" => text(&happened.base),
        _ => Value::Unknown,
    }
}

fn called(name: &str, arguments: &[Value]) -> Value {
    match (name, arguments) {
        ("always" | "success", _) => Value::Flag(true),
        ("failure" | "cancelled", _) => Value::Flag(false),
        ("startswith", [Value::Text(a), Value::Text(b)]) => {
            Value::Flag(a.to_lowercase().starts_with(&b.to_lowercase()))
        }
        ("endswith", [Value::Text(a), Value::Text(b)]) => {
            Value::Flag(a.to_lowercase().ends_with(&b.to_lowercase()))
        }
        ("contains", [Value::Text(a), Value::Text(b)]) => {
            Value::Flag(a.to_lowercase().contains(&b.to_lowercase()))
        }
        _ => Value::Unknown,
    }
}

/// What an expression is written with.
#[derive(Debug, Clone, PartialEq)]
enum Word {
    Text(String),
    Name(String),
    Sign(&'static str),
}

const SIGNS: [&str; 8] = ["==", "!=", "&&", "||", "!", "(", ")", ","];

fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            words.push(Word::Sign(sign));
            rest = &rest[sign.len()..];
        } else if first == '\'' {
            let (text, after) = quoted(&rest[1..])?;
            words.push(Word::Text(text));
            rest = after;
        } else {
            let is_name = |c: char| c.is_alphanumeric() || "._-*[]".contains(c);
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            words.push(Word::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Some(words)
}

/// Up to the closing quote; two quotes are one inside the text.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        found.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                found.push('\'');
                rest = after;
            }
            None => return Some((found, rest)),
        }
    }
}

type Words = std::iter::Peekable<std::vec::IntoIter<Word>>;

fn either(words: &mut Words) -> Option<Expression> {
    let mut left = both(words)?;
    while words.next_if_eq(&Word::Sign("||")).is_some() {
        left = Expression::Either(Box::new(left), Box::new(both(words)?));
    }
    Some(left)
}

fn both(words: &mut Words) -> Option<Expression> {
    let mut left = same(words)?;
    while words.next_if_eq(&Word::Sign("&&")).is_some() {
        left = Expression::Both(Box::new(left), Box::new(same(words)?));
    }
    Some(left)
}

fn same(words: &mut Words) -> Option<Expression> {
    let left = single(words)?;
    if words.next_if_eq(&Word::Sign("==")).is_some() {
        return Some(Expression::Same(Box::new(left), Box::new(single(words)?)));
    }
    if words.next_if_eq(&Word::Sign("!=")).is_some() {
        let same = Expression::Same(Box::new(left), Box::new(single(words)?));
        return Some(Expression::Not(Box::new(same)));
    }
    Some(left)
}

fn single(words: &mut Words) -> Option<Expression> {
    match words.next()? {
        Word::Text(text) => Some(Expression::Text(text)),
        Word::Sign("!") => Some(Expression::Not(Box::new(single(words)?))),
        Word::Sign("(") => {
            let inner = either(words)?;
            words.next_if_eq(&Word::Sign(")"))?;
            Some(inner)
        }
        Word::Sign(_) => None,
        Word::Name(name) => {
            if words.next_if_eq(&Word::Sign("(")).is_none() {
                return Some(Expression::Name(name));
            }
            let mut arguments = Vec::new();
            while words.next_if_eq(&Word::Sign(")")).is_none() {
                arguments.push(either(words)?);
                words.next_if_eq(&Word::Sign(","));
            }
            Some(Expression::Call(name, arguments))
        }
    }
}
