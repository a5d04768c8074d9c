//! `gatewright validate`.

use crate::args::Validate;
use crate::error::{Code, Failed};
use crate::files::{Checked, Holds, check, usual};
use crate::out::Out;
use gatewright_compiler::{Diagnostic, Level};
use serde_json::{Value, json};

/// Checks files; says nothing when they are right.
///
/// # Errors
/// When a file cannot be read.
pub fn run(args: &Validate, out: &Out) -> Result<Code, Failed> {
    let files = if args.files.is_empty() {
        usual()?
    } else {
        args.files.clone()
    };
    let checked = check(&files)?;
    let valid = checked.iter().all(Checked::is_valid);
    if out.json {
        let files: Vec<Value> = checked.iter().map(document).collect();
        out.json(&json!({ "valid": valid, "files": files }));
    } else {
        let found = checked.iter().filter(|checked| !checked.found.0.is_empty());
        let drawn: Vec<String> = found.map(|c| c.found.render(out.colour)).collect();
        if !drawn.is_empty() {
            out.line(drawn.join("\n\n"));
        }
    }
    Ok(if valid { Code::Done } else { Code::Refused })
}

fn document(checked: &Checked) -> Value {
    let found: Vec<Value> = checked.found.0.iter().map(diagnostic).collect();
    let mut document = json!({
        "file": checked.path.display().to_string(),
        "kind": "approvers",
        "valid": checked.is_valid(),
        "diagnostics": found,
    });
    if let Holds::Pipeline(definition) = &checked.holds {
        document["kind"] = json!("pipeline");
        document["pipeline"] = json!(definition.as_ref().map(|d| &d.id));
        document["version"] = json!(definition.as_ref().and_then(|d| d.version().ok()));
    }
    document
}

fn diagnostic(found: &Diagnostic) -> Value {
    json!({
        "level": match found.level { Level::Error => "error", Level::Warning => "warning" },
        "line": found.line,
        "column": found.column,
        "width": found.width,
        "message": found.message,
        "help": found.help,
    })
}
