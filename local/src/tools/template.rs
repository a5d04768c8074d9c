//! The part of Go's templates that charts on the laptop use.
//!
//! Played: `{{ .Values.a.b }}`, `.Release.…` and `.Chart.…`; `if`, `else if`,
//! `else` and `end`; comments; the functions `quote`, `default`, `required`,
//! `eq`, `ne`, `not`, `and`, `or`, `lower`, `trunc`, `sub` and `add`, called
//! directly, in parentheses or by a pipe; and `-` next to the braces, which
//! takes the white space away. Anything else is refused by name, so that a
//! chart never comes out differently from what real Helm makes of it.

use serde_json::{Value, json};

/// Fills a template in.
///
/// # Errors
/// What is not played, or what is wrong.
pub(super) fn fill(template: &str, data: &Value) -> Result<String, String> {
    let pieces = pieces(template)?;
    let mut at = 0;
    let mut out = String::new();
    block(&pieces, &mut at, data, true, &mut out)?;
    match pieces.get(at) {
        None => Ok(out),
        Some(Piece::Action(action)) => Err(format!("{{{{ {action} }}}} without an `if`")),
        Some(Piece::Text(_)) => Err("the template ends too early".to_owned()),
    }
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Action(String),
}

fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut trim_next = false;
    loop {
        let (text, after) = match rest.split_once("{{") {
            Some((text, after)) => (text, Some(after)),
            None => (rest, None),
        };
        let mut text = if trim_next { text.trim_start() } else { text };
        let trims = after.is_some_and(|after| after.starts_with("- "));
        if trims {
            text = text.trim_end();
        }
        pieces.push(Piece::Text(text.to_owned()));
        let Some(after) = after else {
            return Ok(pieces);
        };
        let (action, next) = after
            .split_once("}}")
            .ok_or_else(|| format!("`{{{{{after}` is not closed"))?;
        let action = if trims { &action[1..] } else { action };
        trim_next = action.ends_with(" -");
        let action = action.strip_suffix(" -").unwrap_or(action).trim();
        if !action.starts_with("/*") {
            pieces.push(Piece::Action(action.to_owned()));
        }
        rest = next;
    }
}

/// Goes through pieces up to the `else` or `end` that closes this block. What
/// is not shown is still read, to find its end.
fn block(
    pieces: &[Piece],
    at: &mut usize,
    data: &Value,
    shown: bool,
    out: &mut String,
) -> Result<(), String> {
    while let Some(piece) = pieces.get(*at) {
        match piece {
            Piece::Text(text) => {
                if shown {
                    out.push_str(text);
                }
                *at += 1;
            }
            Piece::Action(action) => {
                let word = action.split_whitespace().next().unwrap_or_default();
                match word {
                    "end" | "else" => return Ok(()),
                    "if" => condition(pieces, at, data, shown, out)?,
                    _ => {
                        if shown {
                            let value = evaluate(action, data)?;
                            out.push_str(&written(&value));
                        }
                        *at += 1;
                    }
                }
            }
        }
    }
    Ok(())
}

fn condition(
    pieces: &[Piece],
    at: &mut usize,
    data: &Value,
    shown: bool,
    out: &mut String,
) -> Result<(), String> {
    let mut decided = false;
    loop {
        let Some(Piece::Action(action)) = pieces.get(*at) else {
            return Err("an `if` without `end`".to_owned());
        };
        let action = action
            .strip_prefix("else")
            .map_or(action.as_str(), str::trim);
        *at += 1;
        let holds = match action.strip_prefix("if ") {
            Some(_) if decided || !shown => false,
            Some(test) => truth(&evaluate(test, data)?),
            None if action == "end" => return Ok(()),
            None if action.is_empty() => !decided,
            None => return Err(format!("`else {action}` is not played")),
        };
        block(pieces, at, data, shown && holds, out)?;
        decided |= holds;
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(Value),
    Word(String),
    Open,
    Close,
    Pipe,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '|' => (Token::Pipe, 1),
            '"' => {
                let end = rest[1..].find('"').ok_or("a quote is not closed")? + 2;
                (Token::Literal(rest[1..end - 1].into()), end)
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "()|".contains(c))
                    .unwrap_or(rest.len());
                let word = &rest[..end];
                let token = match (word, word.parse::<i64>()) {
                    (_, Ok(number)) => Token::Literal(number.into()),
                    ("true" | "false", _) => Token::Literal((word == "true").into()),
                    _ => Token::Word(word.to_owned()),
                };
                (token, end)
            }
        };
        found.push(taken.0);
        rest = rest[taken.1..].trim_start();
    }
    Ok(found)
}

fn evaluate(text: &str, data: &Value) -> Result<Value, String> {
    let tokens = tokens(text)?;
    let mut at = 0;
    let value = pipeline(&tokens, &mut at, data)?;
    if at < tokens.len() {
        return Err(format!("`{text}` is not played"));
    }
    Ok(value)
}

fn pipeline(tokens: &[Token], at: &mut usize, data: &Value) -> Result<Value, String> {
    let mut value = call(tokens, at, data, None)?;
    while tokens.get(*at) == Some(&Token::Pipe) {
        *at += 1;
        value = call(tokens, at, data, Some(value))?;
    }
    Ok(value)
}

/// A function with its arguments, the piped one last; or one value.
fn call(
    tokens: &[Token],
    at: &mut usize,
    data: &Value,
    piped: Option<Value>,
) -> Result<Value, String> {
    let mut function = None;
    let mut arguments = Vec::new();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token {
            Token::Literal(value) => arguments.push(value.clone()),
            Token::Word(path) if path.starts_with('.') => arguments.push(at_path(data, path)),
            Token::Word(name) if function.is_none() && arguments.is_empty() => {
                function = Some(name.as_str());
            }
            Token::Word(other) => return Err(format!("`{other}` is not played here")),
            Token::Open => {
                arguments.push(pipeline(tokens, at, data)?);
                if tokens.get(*at) != Some(&Token::Close) {
                    return Err("a parenthesis is not closed".to_owned());
                }
                *at += 1;
            }
            Token::Close | Token::Pipe => {
                *at -= 1;
                break;
            }
        }
    }
    arguments.extend(piped);
    match (function, arguments.as_slice()) {
        (Some(name), _) => apply(name, &arguments),
        (None, [value]) => Ok(value.clone()),
        (None, _) => Err("a function's name is missing".to_owned()),
    }
}

fn at_path(data: &Value, path: &str) -> Value {
    (path.split('.').filter(|part| !part.is_empty()))
        .fold(data, |value, part| &value[part])
        .clone()
}

fn apply(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    Ok(match (name, arguments) {
        ("quote", [value]) => json!(Value::from(written(value)).to_string()),
        ("lower", [value]) => json!(written(value).to_lowercase()),
        ("default", [fallback, value]) => {
            let chosen = if truth(value) { value } else { fallback };
            chosen.clone()
        }
        ("required", [message, value]) if value.is_null() || value == "" => {
            return Err(written(message));
        }
        ("required", [_, value]) => value.clone(),
        ("eq", [first, rest @ ..]) => json!(rest.contains(first)),
        ("ne", [one, other]) => json!(one != other),
        ("not", [value]) => json!(!truth(value)),
        ("and", [_, ..]) => json!(arguments.iter().all(truth)),
        ("or", [_, ..]) => json!(arguments.iter().any(truth)),
        ("trunc", [length, value]) => {
            let length = number(length).and_then(|length| usize::try_from(length).ok());
            let text = written(value);
            json!(text.chars().take(length.unwrap_or(0)).collect::<String>())
        }
        ("sub" | "add", [one, other]) => {
            let (Some(one), Some(other)) = (number(one), number(other)) else {
                return Err(format!("{name} takes two numbers"));
            };
            json!(if name == "sub" {
                one - other
            } else {
                one + other
            })
        }
        _ => {
            return Err(format!(
                "the function {name} with {} arguments is not played by the laptop stand-in",
                arguments.len()
            ));
        }
    })
}

/// What Go calls true: anything but false, 0, nothing and what is empty.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let data = json!({"Values": {"a": {"b": 5}, "name": "web", "on": true, "off": false, "none": null},
            "Release": {"Name": "r"}});
        assert_eq!(fill(template, &data).as_deref(), Ok(expected), "{template}");
    }

    #[test]
    fn what_charts_here_use_comes_out_as_with_helm() {
        check("{{ .Release.Name }}-{{ .Values.a.b }}", "r-5");
        check("x: {{ .Values.name | quote }}", "x: \"web\"");
        check("{{ .Values.none | default \"d\" }}", "d");
        check("{{ default 3 .Values.a.b }}", "5");
        check(
            "{{- /* said */ -}} a {{- if .Values.on }} b {{- end }} c",
            "a b c",
        );
        check(
            "{{ if .Values.off }}a{{ else if eq .Values.name \"web\" }}b{{ else }}c{{ end }}",
            "b",
        );
        check("{{ if and .Values.on (not .Values.off) }}x{{ end }}", "x");
        check(
            "{{ if .Values.off }}{{ if .Values.on }}a{{ end }}{{ else }}b{{ end }}",
            "b",
        );
        check("{{ sub 100 .Values.a.b }}", "95");
    }

    #[test]
    fn what_is_not_played_is_named() {
        for (template, named) in [
            ("{{ include \"x\" . }}", "include"),
            ("{{ range .Values.list }}", "range"),
            ("{{ if .Values.on }}", "end"),
            (
                "{{ required \"say which image\" .Values.image }}",
                "say which image",
            ),
            ("{{ .Values.x", "not closed"),
        ] {
            let data = json!({"Values": {"on": true}});
            let error = fill(template, &data).unwrap_err();
            assert!(error.contains(named), "{template}: {error}");
        }
    }
}
