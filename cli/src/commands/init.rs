//! `gatewright init`: a first definition.
//!
//! The definitions are files beside this one. `{{id}}`, `{{name}}` and so on are
//! replaced with what was said, as YAML scalars; nothing else is a template.

use super::start::git_says;
use crate::args::{Init as Args, Kind};
use crate::error::{Code, Failed, file};
use crate::files::APPROVERS;
use crate::out::Out;
use crate::style::{COPY, GOOD, SOFT, paint};
use crate::yaml::scalar;
use clap::ValueEnum;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Input, Select};
use gatewright_domain::{GroupName, PipelineId};
use serde::Serialize;
use serde_json::json;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// What was said, by flags or by answers.
#[derive(Debug)]
struct Said {
    kind: Kind,
    id: PipelineId,
    repository: String,
    name: String,
    approvers: GroupName,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Is {
    New,
    Replaced,
    Kept,
}

/// Asks for what the flags do not say, and writes.
///
/// # Errors
/// When something is missing and nobody is there to be asked, or a definition is
/// there already.
pub fn run(args: &Args, out: &Out) -> Result<Code, Failed> {
    let said = said(args, out)?;
    let files = files(args, &said)?;
    tell(&said, &files, out);
    Ok(Code::Done)
}

/// Writes the definition, and the approvers where there are none.
fn files(args: &Args, said: &Said) -> Result<Vec<(PathBuf, Is)>, Failed> {
    let path = args.folder.join(format!("{}.yaml", said.id));
    std::fs::create_dir_all(&args.folder).map_err(|error| file(&args.folder, &error))?;
    let there = path.exists();
    write(&path, &definition(said, args), args.force)?;
    let mut files = vec![(path, if there { Is::Replaced } else { Is::New })];
    let approvers = args.folder.join(APPROVERS);
    if approvers.exists() {
        files.push((approvers, Is::Kept));
    } else {
        write(&approvers, &people(said), false)?;
        files.push((approvers, Is::New));
    }
    Ok(files)
}

fn tell(said: &Said, files: &[(PathBuf, Is)], out: &Out) {
    if out.json {
        let files: Vec<_> = files
            .iter()
            .map(|(path, is)| json!({ "file": path, "is": is }))
            .collect();
        let kind = word(said.kind);
        out.json(&json!({ "pipeline": said.id, "kind": kind, "files": files }));
        return;
    }
    for (path, is) in files {
        let is = match is {
            Is::New => paint(GOOD, "new     "),
            Is::Replaced => paint(GOOD, "replaced"),
            Is::Kept => paint(SOFT, "kept    "),
        };
        out.line(format!("{is}  {}", path.display()));
    }
    let (validate, plan) = (
        "gatewright validate",
        format!("gatewright plan {}", said.id),
    );
    out.aside(format!(
        "say in them what is yours, then {} and {}",
        paint(COPY, validate),
        paint(COPY, plan)
    ));
}

/// Writes a file that is not there, unless `force` is said.
fn write(path: &Path, text: &str, force: bool) -> Result<(), Failed> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).truncate(true);
    if force {
        options.create(true);
    } else {
        options.create_new(true);
    }
    let opened = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failed::refused(format!("{} is there already", path.display()))
            .help("choose another --id, or write over it with --force"),
        _ => file(path, &error),
    });
    opened?
        .write_all(text.as_bytes())
        .map_err(|error| file(path, &error))
}

fn said(args: &Args, out: &Out) -> Result<Said, Failed> {
    let asks = !out.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let prompt = Prompt {
        asks,
        theme: if out.colour {
            Box::new(ColorfulTheme::default())
        } else {
            Box::new(SimpleTheme)
        },
    };
    let kind = match args.kind {
        Some(kind) => kind,
        None => prompt.kind()?,
    };
    let id = match &args.id {
        Some(id) => id.clone(),
        None => prompt.text("--id", "The pipeline's id", here(), |text| {
            text.parse::<PipelineId>()
                .map(|_| ())
                .map_err(|e| e.to_string())
        })?,
    };
    let repository = match &args.repository {
        Some(url) => url.clone(),
        None => prompt.text("--repository", "The repository's URL", origin(), |text| {
            let url = text.starts_with("https://") && !text.contains(char::is_whitespace);
            url.then_some(())
                .ok_or_else(|| "it must be an https:// URL".to_owned())
        })?,
    };
    let wrong = |error: &dyn std::fmt::Display| Failed::usage(error.to_string());
    Ok(Said {
        kind,
        name: args.name.clone().unwrap_or_else(|| titled(&id)),
        approvers: args.approvers.parse().map_err(|error| wrong(&error))?,
        id: id.parse().map_err(|error| wrong(&error))?,
        repository,
    })
}

/// Asks a person, or says which flag would have answered.
struct Prompt {
    asks: bool,
    theme: Box<dyn Theme>,
}

impl Prompt {
    fn kind(&self) -> Result<Kind, Failed> {
        let kinds = Kind::value_variants();
        if !self.asks {
            return Err(missing("--kind", &format!("one of {}", words().join(", "))));
        }
        let of = |kind: &Kind| kind.to_possible_value();
        let items: Vec<String> = kinds
            .iter()
            .filter_map(of)
            .map(|value| {
                let help = value.get_help().map(ToString::to_string);
                format!("{:<16} {}", value.get_name(), help.unwrap_or_default())
            })
            .collect();
        let chosen = Select::with_theme(&*self.theme)
            .with_prompt("What it releases")
            .items(&items)
            .default(0)
            .interact()
            .map_err(ended)?;
        kinds
            .get(chosen)
            .copied()
            .ok_or_else(|| missing("--kind", ""))
    }

    fn text(
        &self,
        flag: &str,
        question: &str,
        usual: Option<String>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String, Failed> {
        if !self.asks {
            // Git's origin is as good as an answer; an id is a decision.
            let usual = usual.filter(|text| flag == "--repository" && check(text).is_ok());
            return usual.ok_or_else(|| missing(flag, question));
        }
        let mut input = Input::<String>::with_theme(&*self.theme)
            .with_prompt(question)
            .validate_with(|text: &String| check(text));
        if let Some(usual) = usual {
            input = input.default(usual);
        }
        input.interact_text().map_err(ended)
    }
}

fn missing(flag: &str, what: &str) -> Failed {
    Failed::usage(format!(
        "{flag} is missing, and nobody is there to be asked"
    ))
    .help(format!("{flag}: {what}"))
}

fn ended(error: dialoguer::Error) -> Failed {
    Failed::refused(format!("nothing was written: {error}"))
}

fn words() -> Vec<&'static str> {
    Kind::value_variants().iter().map(|k| word(*k)).collect()
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::PythonService => "python-service",
        Kind::NodeService => "node-service",
        Kind::Terraform => "terraform",
        Kind::Archive => "archive",
    }
}

/// The name of the folder, if it can be an id.
fn here() -> Option<String> {
    let folder = std::env::current_dir().ok()?;
    let name = folder.file_name()?.to_str()?.to_lowercase();
    name.parse::<PipelineId>().ok().map(String::from)
}

/// Where Git's origin is, as a URL that AWS can fetch from.
pub fn origin() -> Option<String> {
    let origin = git_says(&["remote", "get-url", "origin"])?;
    let url = match origin.strip_prefix("git@").and_then(|o| o.split_once(':')) {
        Some((host, path)) => format!("https://{host}/{path}"),
        None => origin,
    };
    let url = url.strip_suffix(".git").unwrap_or(&url);
    // Never a token that somebody keeps in the address.
    let plain = url.starts_with("https://") && !url.contains('@');
    plain.then(|| url.to_owned())
}

/// `Order Service` of `order-service`.
pub fn titled(id: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            format!("{}{}", first.to_uppercase(), letters.as_str())
        })
    };
    let words = id.split(['-', '_']).filter(|w| !w.is_empty()).map(word);
    words.collect::<Vec<_>>().join(" ")
}

fn template(kind: Kind) -> &'static str {
    match kind {
        Kind::PythonService => include_str!("init/python-service.yaml"),
        Kind::NodeService => include_str!("init/node-service.yaml"),
        Kind::Terraform => include_str!("init/terraform.yaml"),
        Kind::Archive => include_str!("init/archive.yaml"),
    }
}

fn definition(said: &Said, args: &Args) -> String {
    let lower = said.id.as_str().to_ascii_lowercase();
    let values = [
        ("{{id}}", said.id.to_string()),
        ("{{id_lower}}", lower.clone()),
        // Kubernetes knows no underscores in names.
        ("{{id_dns}}", lower.replace('_', "-")),
        ("{{name}}", scalar(&said.name)),
        ("{{repository}}", scalar(&said.repository)),
        ("{{path}}", scalar(&args.path)),
        ("{{region}}", scalar(&args.region)),
        ("{{approvers}}", said.approvers.to_string()),
    ];
    filled(template(said.kind), &values)
}

fn people(said: &Said) -> String {
    let values = [
        ("{{approvers}}", said.approvers.to_string()),
        ("{{title}}", scalar(&titled(said.approvers.as_str()))),
    ];
    filled(include_str!("init/approvers.yaml"), &values)
}

fn filled(template: &str, values: &[(&str, String)]) -> String {
    let mut text = template.to_owned();
    for (mark, value) in values {
        text = text.replace(mark, value);
    }
    text
}

/// The file that a definition of that id is written to.
#[cfg(test)]
fn path_of(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.yaml"))
}

#[cfg(test)]
mod tests;
