//! `gatewright compile`: from definitions to the files that are deployed. For each
//! pipeline its state machine, the one for rollbacks where it deploys something,
//! and the template of its stack.

mod difference;

use crate::args::Compile;
use crate::error::{Code, Failed, file};
use crate::files::{Project, usual};
use crate::out::Out;
use crate::style::{GOOD, SOFT, paint};
use difference::{Difference, difference};
use gatewright_compiler::{compile, stack, to_json};
use gatewright_domain::Digest;
use gatewright_domain::pipeline::Definition;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What machines' files end with.
const MACHINE: &str = ".asl.json";
/// What templates' files end with.
const TEMPLATE: &str = ".template.json";

/// How a compiled file compares with the one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Is {
    Unchanged,
    Changed,
    New,
}

/// What a file is to its pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Machine,
    Rollback,
    Template,
}

#[derive(Debug, Serialize)]
struct Made {
    pipeline: String,
    version: Digest,
    kind: Kind,
    file: PathBuf,
    is: Is,
    first_difference: Option<Difference>,
    #[serde(skip)]
    about: String,
    #[serde(skip)]
    source: PathBuf,
    #[serde(skip)]
    text: String,
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
    let mut made = Vec::new();
    for (path, definition) in &project.definitions {
        made.extend(all_of(path, definition, args)?);
    }
    // Only who has seen every definition can tell that one is gone.
    let gone = if args.files.is_empty() {
        gone(&made, args)?
    } else {
        Vec::new()
    };
    let current = gone.is_empty() && made.iter().all(|made| made.is == Is::Unchanged);
    if !args.check {
        write(&made)?;
    }
    if out.json {
        out.json(&serde_json::json!({ "current": current, "files": made, "gone": gone }));
    } else if args.check {
        made.iter().for_each(|made| tell_difference(made, out));
    } else {
        made.iter().for_each(|made| tell_written(made, out));
    }
    if !out.json {
        gone.iter().for_each(|path| tell_gone(path, out));
    }
    Ok(if args.check && !current {
        Code::Refused
    } else {
        Code::Done
    })
}

/// Every file of a pipeline.
fn all_of(source: &Path, definition: &Definition, args: &Compile) -> Result<Vec<Made>, Failed> {
    let refused = |why: String| Failed::refused(format!("{}: {why}", source.display()));
    let id = &definition.id;
    let machine = |of: &Definition| {
        let machine = compile(of).map_err(|error| refused(error.to_string()))?;
        let about = format!("{} states", machine.states.len());
        Ok::<_, Failed>((about, to_json(&machine)))
    };
    let mut texts = vec![(
        Kind::Machine,
        args.out.join(format!("{id}{MACHINE}")),
        machine(definition)?,
    )];
    if let Some(rollback) = definition.rollback() {
        let path = args.out.join(format!("{id}.rollback{MACHINE}"));
        texts.push((Kind::Rollback, path, machine(&rollback)?));
    }
    let template = stack::template(definition);
    let resources = template["Resources"].as_object();
    let about = format!("{} resources", resources.map_or(0, |all| all.len()));
    let path = args.templates.join(format!("{id}{TEMPLATE}"));
    texts.push((Kind::Template, path, (about, stack::to_json(&template))));

    let version = definition
        .version()
        .map_err(|error| refused(error.to_string()))?;
    texts
        .into_iter()
        .map(|(kind, path, (about, text))| {
            let (is, first_difference) = compared(&path, &text)?;
            Ok(Made {
                pipeline: id.to_string(),
                version: version.clone(),
                kind,
                file: path,
                is,
                first_difference,
                about,
                source: source.to_owned(),
                text,
            })
        })
        .collect()
}

fn compared(path: &Path, text: &str) -> Result<(Is, Option<Difference>), Failed> {
    match std::fs::read_to_string(path) {
        Ok(there) if there == text => Ok((Is::Unchanged, None)),
        Ok(there) => Ok((Is::Changed, difference(&there, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((Is::New, None)),
        Err(error) => Err(file(path, &error)),
    }
}

/// The compiled files that no definition compiles to any more.
fn gone(made: &[Made], args: &Compile) -> Result<Vec<PathBuf>, Failed> {
    let mut gone = Vec::new();
    for (folder, ending) in [(&args.out, MACHINE), (&args.templates, TEMPLATE)] {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(file(folder, &error)),
        };
        for entry in entries {
            let name = entry.map_err(|error| file(folder, &error))?.file_name();
            let path = folder.join(&name);
            let ours = name.to_string_lossy().ends_with(ending);
            if ours && !made.iter().any(|made| made.file == path) {
                gone.push(path);
            }
        }
    }
    gone.sort();
    Ok(gone)
}

fn write(made: &[Made]) -> Result<(), Failed> {
    for made in made.iter().filter(|made| made.is != Is::Unchanged) {
        if let Some(folder) = made.file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| file(folder, &error))?;
        }
        std::fs::write(&made.file, &made.text).map_err(|error| file(&made.file, &error))?;
    }
    Ok(())
}

fn tell_written(made: &Made, out: &Out) {
    let did = match made.is {
        Is::Unchanged => paint(SOFT, "unchanged"),
        Is::Changed => paint(GOOD, "changed  "),
        Is::New => paint(GOOD, "new      "),
    };
    let about = format!("{}, version {}", made.about, made.version.short());
    let path = made.file.display();
    out.line(format!("{did}  {path}  {}", paint(SOFT, about)));
}

fn tell_difference(made: &Made, out: &Out) {
    let (path, source) = (made.file.display(), made.source.display());
    match (made.is, &made.first_difference) {
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

fn tell_gone(path: &Path, out: &Out) {
    out.line(format!(
        "{} is what no definition compiles to: its definition is gone. Delete its stack on AWS, then the file",
        path.display()
    ));
}
