//! `gatewright import`.

use super::init::origin;
use crate::args::{Import, WorkflowFile};
use crate::error::{Code, Failed, file};
use crate::import::{DECIDE, Draft, Known, draft};
use crate::out::Out;
use crate::style::{COPY, GOOD, WAITING, paint};
use crate::words::count;
use serde_json::json;
use std::io::Write;

/// Drafts.
///
/// # Errors
/// When the file cannot be read or is no workflow, or the draft cannot be
/// written.
pub fn run(args: &Import, out: &Out) -> Result<Code, Failed> {
    let Import::GithubWorkflow(args) = args;
    let text = std::fs::read_to_string(&args.file).map_err(|error| file(&args.file, &error))?;
    let known = Known {
        id: args.id.clone(),
        repository: args.repository.clone().or_else(origin),
        file: args.file.display().to_string(),
    };
    let draft = draft(&text, &known).map_err(|why| {
        Failed::refused(format!("{}: {why}", args.file.display()))
            .help("a workflow is a file in .github/workflows/")
    })?;
    if let Some(path) = &args.output {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).truncate(true);
        let options = if args.force {
            options.create(true)
        } else {
            options.create_new(true)
        };
        let opened = options.open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failed::refused(format!("{} is there already", path.display()))
                    .help("name another --output, or write over it with --force")
            }
            _ => file(path, &error),
        });
        opened?
            .write_all(draft.text.as_bytes())
            .map_err(|error| file(path, &error))?;
    }
    tell(args, &draft, out);
    Ok(Code::Done)
}

fn tell(args: &WorkflowFile, draft: &Draft, out: &Out) {
    if out.json {
        let text = args.output.is_none().then_some(&draft.text);
        out.json(&json!({
            "pipeline": draft.id, "jobs": draft.jobs.0, "jobs_carried": draft.jobs.1,
            "steps": draft.steps.0, "steps_carried": draft.steps.1,
            "decide": draft.decide, "draft": text, "file": args.output,
        }));
        return;
    }
    if args.output.is_none() {
        out.raw(&draft.text);
    }
    let ((jobs, carried), (steps, kept)) = (draft.jobs, draft.steps);
    out.aside(format!(
        "{} {carried} of {} and {kept} of {} carried over to {}",
        paint(GOOD, "drafted:"),
        count(jobs, "job"),
        count(steps, "step"),
        draft.id
    ));
    let places = count(draft.decide.len(), "place");
    let search = paint(COPY, DECIDE.trim());
    out.aside(format!(
        "{} {places} to decide; search the draft for {search}",
        paint(WAITING, "open:")
    ));
    if let Some(path) = &args.output {
        let check = paint(COPY, format!("gatewright validate {}", path.display()));
        out.aside(format!("then {check}"));
    }
}
