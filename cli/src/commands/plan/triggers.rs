//! The triggers of a pipeline and their routes, when none was asked for.

use super::around::{Unenforced, unenforced};
use super::{Took, checked};
use crate::error::Failed;
use crate::style::{HEAD, SOFT, paint};
use crate::table::drawn;
use crate::words::count;
use gatewright_domain::Digest;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::{Definition, GroupKind, Trigger, Work};
use gatewright_domain::text::spoken;
use gatewright_views::asked::title;
use gatewright_views::text::{line, listed};
use serde::Serialize;

/// The triggers. Its JSON is described in `args::help`.
#[derive(Debug, Serialize)]
pub struct Triggers {
    pipeline: String,
    name: String,
    version: Digest,
    triggers: Vec<Row>,
    unenforced: Vec<Unenforced>,
    #[serde(skip)]
    all_stages: usize,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    matches: String,
    stages: Vec<String>,
    environments: Vec<String>,
    approvals: Vec<String>,
    work_seconds: i64,
    #[serde(skip)]
    way: String,
}

/// Lists the triggers.
///
/// # Errors
/// When the definition does not compile.
pub fn table(definition: &Definition, directory: &Directory) -> Result<Triggers, Failed> {
    Ok(Triggers {
        pipeline: definition.id.to_string(),
        name: definition.name.clone(),
        version: checked(definition)?,
        triggers: definition
            .triggers
            .iter()
            .map(|trigger| row(definition, directory, trigger))
            .collect(),
        unenforced: unenforced(definition),
        all_stages: definition.stages.iter().filter(|s| !s.undoes()).count(),
    })
}

fn row(definition: &Definition, directory: &Directory, trigger: &Trigger) -> Row {
    let mut environments: Vec<String> = Vec::new();
    let mut approvals = Vec::new();
    for (_, stage) in definition.path(Some(trigger)) {
        if let Some(name) = stage.works_in().map(ToString::to_string)
            && !environments.contains(&name)
        {
            environments.push(name);
        }
        if let Work::Approval(approval) = &stage.work {
            let each = approval.quorum.iter();
            let lines: Vec<String> = each
                .map(|q| format!("{} × {}", q.count, line(&title(directory, &q.group))))
                .collect();
            approvals.push(listed(&lines));
        }
    }
    let path = definition.path(Some(trigger));
    Row {
        name: trigger.name.clone(),
        matches: trigger.event.to_string(),
        stages: path.map(|(_, stage)| stage.name.to_string()).collect(),
        environments,
        approvals,
        work_seconds: Took::of(definition, Some(trigger)).work,
        way: way(definition, trigger),
    }
}

/// `(Lint ∥ Unit Tests) → Build Images × 3 → Deploy to Staging`.
fn way(definition: &Definition, trigger: &Trigger) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut inside = None;
    for (_, stage) in definition.path(Some(trigger)) {
        let Some(group) = definition.group_of(&stage.name) else {
            inside = None;
            parts.push(line(stage.name.as_str()));
            continue;
        };
        if inside == Some(&group.name) {
            continue;
        }
        inside = Some(&group.name);
        let here = group.stages.iter().filter(|stage| trigger.runs(stage));
        let here: Vec<String> = here.map(|stage| line(stage.as_str())).collect();
        parts.push(match group.kind {
            GroupKind::Matrix => format!("{} × {}", line(group.name.as_str()), here.len()),
            GroupKind::Parallel => format!("({})", here.join(" ∥ ")),
        });
    }
    parts.join(" → ")
}

impl Triggers {
    /// The ways that are not the whole pipeline, each with the triggers that take
    /// it.
    fn ways(&self) -> Vec<(String, &str)> {
        let mut ways: Vec<(String, &str)> = Vec::new();
        let partly = self
            .triggers
            .iter()
            .filter(|row| row.stages.len() < self.all_stages);
        for row in partly {
            let name = line(&row.name);
            match ways.iter_mut().find(|(_, way)| *way == row.way) {
                Some((names, _)) => names.push_str(&format!(", {name}")),
                None => ways.push((name, &row.way)),
            }
        }
        ways
    }

    /// The triggers in lines.
    pub fn told(&self) -> Vec<String> {
        let title = paint(HEAD, format!("{}  {}", self.pipeline, line(&self.name)));
        let version = paint(SOFT, format!("definition {}", self.version.short()));
        let all = self.all_stages;
        let rows = self.triggers.iter().map(|row| {
            let stages = match row.stages.len() {
                n if n == all => format!("all {all}"),
                n => format!("{n} of {all}"),
            };
            vec![
                line(&row.name),
                line(&row.matches),
                stages,
                or_none(row.environments.join(", ")),
                or_none(row.approvals.join("; ")),
                spoken(row.work_seconds),
            ]
        });
        let head = [
            "trigger",
            "matches",
            "stages",
            "environments",
            "approvals",
            "work at most",
        ];
        let mut told = vec![format!("{title}  {version}"), String::new()];
        told.push(drawn(&head, rows.collect(), &[]));
        told.push(String::new());
        for (names, way) in self.ways() {
            told.push(paint(HEAD, names));
            told.push(format!("  {}", or_none(way.to_owned())));
            told.push(String::new());
        }
        super::tell::unenforced(&self.unenforced, &mut told);
        told.push(paint(
            SOFT,
            format!(
                "{}; see one with --branch, --tag, --pull-request, --manual, --schedule, --upstream or --rollback",
                count(self.triggers.len(), "trigger")
            ),
        ));
        told
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}
