//! `gatewright compile`.

use crate::args::Compile;
use crate::error::{Code, Failed, file};
use crate::files::{Project, usual};
use crate::out::Out;
use crate::style::{BAD, GOOD, SOFT, paint};
use gatewright_compiler::{compile, to_json};
use gatewright_domain::Digest;
use gatewright_domain::pipeline::Definition;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How many lines of each side a difference shows.
const SHOWN: usize = 6;

/// How a compiled machine compares with the file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Is {
    Unchanged,
    Changed,
    New,
}

#[derive(Debug, Serialize)]
struct Machine {
    pipeline: String,
    version: Digest,
    file: PathBuf,
    is: Is,
    states: usize,
    first_difference: Option<Difference>,
    #[serde(skip)]
    source: PathBuf,
    #[serde(skip)]
    text: String,
}

/// Where two texts part, and what each says there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Difference {
    line: usize,
    there: Vec<String>,
    compiled: Vec<String>,
}

/// Compiles, and writes or compares.
///
/// # Errors
/// When a definition is wrong or a file cannot be read or written.
pub fn run(args: &Compile, out: &Out) -> Result<Code, Failed> {
    let files = if args.files.is_empty() {
        usual()?
    } else {
        args.files.clone()
    };
    let project = Project::read(&files, out.colour)?;
    let mut machines = Vec::new();
    for (path, definition) in &project.definitions {
        machines.push(machine(path, definition, &args.out)?);
    }
    let current = machines.iter().all(|machine| machine.is == Is::Unchanged);
    if !args.check {
        write(&machines, &args.out)?;
    }
    if out.json {
        out.json(&serde_json::json!({ "current": current, "machines": machines }));
    } else if args.check {
        machines
            .iter()
            .for_each(|machine| tell_difference(machine, out));
    } else {
        machines
            .iter()
            .for_each(|machine| tell_written(machine, out));
    }
    Ok(if args.check && !current {
        Code::Refused
    } else {
        Code::Done
    })
}

fn machine(source: &Path, definition: &Definition, folder: &Path) -> Result<Machine, Failed> {
    let refused = |why: String| Failed::refused(format!("{}: {why}", source.display()));
    let compiled = compile(definition).map_err(|error| refused(error.to_string()))?;
    let version = definition
        .version()
        .map_err(|error| refused(error.to_string()))?;
    let text = to_json(&compiled);
    let path = folder.join(format!("{}.asl.json", definition.id));
    let there = match std::fs::read_to_string(&path) {
        Ok(there) => Some(there),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(file(&path, &error)),
    };
    let first_difference = there.as_deref().and_then(|there| difference(there, &text));
    let is = match &there {
        None => Is::New,
        Some(there) if there == &text => Is::Unchanged,
        Some(_) => Is::Changed,
    };
    Ok(Machine {
        pipeline: definition.id.to_string(),
        version,
        file: path,
        is,
        states: compiled.states.len(),
        first_difference,
        source: source.to_owned(),
        text,
    })
}

fn write(machines: &[Machine], folder: &Path) -> Result<(), Failed> {
    std::fs::create_dir_all(folder).map_err(|error| file(folder, &error))?;
    for machine in machines
        .iter()
        .filter(|machine| machine.is != Is::Unchanged)
    {
        std::fs::write(&machine.file, &machine.text)
            .map_err(|error| file(&machine.file, &error))?;
    }
    Ok(())
}

fn tell_written(machine: &Machine, out: &Out) {
    let did = match machine.is {
        Is::Unchanged => paint(SOFT, "unchanged"),
        Is::Changed => paint(GOOD, "changed  "),
        Is::New => paint(GOOD, "new      "),
    };
    let about = format!(
        "{} states, version {}",
        machine.states,
        machine.version.short()
    );
    out.line(format!(
        "{did}  {}  {}",
        machine.file.display(),
        paint(SOFT, about)
    ));
}

fn tell_difference(machine: &Machine, out: &Out) {
    let (path, source) = (machine.file.display(), machine.source.display());
    match (machine.is, &machine.first_difference) {
        (Is::Unchanged, _) => return,
        (Is::New, _) => out.line(format!("{path} is missing; {source} compiles to it")),
        (Is::Changed, found) => {
            out.line(format!("{path} is not what {source} compiles to"));
            for text in found.iter().flat_map(Difference::drawn) {
                out.line(text);
            }
        }
    }
    out.line("run `gatewright compile` and commit the file with the definition");
}

/// The first place where two texts part, up to where they meet again at the end.
/// `None` when only the ends of lines differ, or nothing.
fn difference(there: &str, compiled: &str) -> Option<Difference> {
    let (there, compiled): (Vec<&str>, Vec<&str>) =
        (there.lines().collect(), compiled.lines().collect());
    let same = |(one, two): &(&&str, &&str)| one == two;
    let before = there.iter().zip(&compiled).take_while(same).count();
    let (there, compiled) = (&there[before..], &compiled[before..]);
    let after = there
        .iter()
        .rev()
        .zip(compiled.iter().rev())
        .take_while(same)
        .count();
    let part = |lines: &[&str]| -> Vec<String> {
        let lines = &lines[..lines.len() - after];
        lines.iter().map(|line| (*line).to_owned()).collect()
    };
    let found = Difference {
        line: before + 1,
        there: part(there),
        compiled: part(compiled),
    };
    (!found.there.is_empty() || !found.compiled.is_empty()).then_some(found)
}

impl Difference {
    fn drawn(&self) -> Vec<String> {
        let side = |style, sign: &str, lines: &[String]| -> Vec<String> {
            let shown = lines.iter().take(SHOWN);
            let mut drawn: Vec<String> = shown
                .map(|line| paint(style, format!("  {sign} {line}")))
                .collect();
            if lines.len() > SHOWN {
                drawn.push(paint(
                    SOFT,
                    format!("  {sign} … {} more", lines.len() - SHOWN),
                ));
            }
            drawn
        };
        let mut drawn = vec![format!("  line {}:", self.line)];
        drawn.extend(side(BAD, "-", &self.there));
        drawn.extend(side(GOOD, "+", &self.compiled));
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(there: &str, compiled: &str, expected: Option<(usize, &[&str], &[&str])>) {
        let expected = expected.map(|(line, there, compiled)| Difference {
            line,
            there: there.iter().map(|s| (*s).to_owned()).collect(),
            compiled: compiled.iter().map(|s| (*s).to_owned()).collect(),
        });
        assert_eq!(difference(there, compiled), expected);
    }

    #[test]
    fn a_difference_begins_where_the_texts_part_and_ends_where_they_meet() {
        check("a\nb\nc\n", "a\nx\nc\n", Some((2, &["b"], &["x"])));
        check("a\nc\n", "a\nb\nc\n", Some((2, &[], &["b"])));
        check("a\na\n", "a\n", Some((2, &["a"], &[])));
        check("", "a\n", Some((1, &[], &["a"])));
        check("a\n", "a\n", None);
        check("a", "a\n", None);
    }

    #[test]
    fn a_long_difference_is_cut() {
        let lines: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let found = difference("x\n", &lines.join("\n")).unwrap();
        assert_eq!(found.drawn().len(), 1 + 1 + SHOWN + 1);
    }
}
