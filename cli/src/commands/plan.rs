//! `gatewright plan`: what a release would do, from the files alone.

mod around;
mod cost;
mod stage;
mod tell;
mod triggers;

use crate::args::Plan as Args;
use crate::error::{Code, Failed};
use crate::meant::{Meant, meant};
use crate::out::Out;
use crate::trigger::{self, Found};
use around::{Around, Group, Unenforced, around, groups, unenforced};
use cost::{Cost, states, usd_of_transitions};
use gatewright_compiler::compile;
use gatewright_domain::decide::{Admission, admit};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::{Definition, Stage as Defined, Trigger, Work};
use gatewright_domain::trigger::{Cause, TriggerInput};
use gatewright_domain::{CommitSha, Digest, ErrorName};
use serde::Serialize;
use stage::{Stage, planned};

/// The commit that is planned when none is named: any is planned the same way.
const ANY_COMMIT: &str = "0000000000000000000000000000000000000000";

/// What a release would do. Its JSON is described in `args::help`.
#[derive(Debug, Serialize)]
pub struct Plan {
    pipeline: String,
    name: String,
    version: Digest,
    #[serde(rename = "ref")]
    reference: String,
    admitted: bool,
    cause: Option<Cause>,
    route: Option<String>,
    refused: Option<Refused>,
    stages: Vec<Stage>,
    groups: Vec<Group>,
    ways_back: Vec<Stage>,
    environments: Vec<Around>,
    unenforced: Vec<Unenforced>,
    path: Vec<String>,
    transitions: usize,
    usd: f64,
    work_seconds: i64,
    waiting_seconds: i64,
    longest_seconds: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    #[serde(skip)]
    all_stages: usize,
    #[serde(skip)]
    budget: i64,
}

#[derive(Debug, Serialize)]
struct Refused {
    error: ErrorName,
    why: String,
}

/// Plans.
///
/// # Errors
/// When there is no such definition, or it is wrong.
pub fn run(args: &Args, out: &Out) -> Result<Code, Failed> {
    let Meant {
        definition,
        directory,
        ..
    } = meant(args.pipeline.as_deref(), out)?;
    if !args.asked.is_said() && args.commit.is_none() && definition.triggers.len() > 1 {
        let table = triggers::table(&definition, &directory)?;
        if out.json {
            out.json(&table);
        } else {
            table.told().iter().for_each(|line| out.line(line));
        }
        return Ok(Code::Done);
    }
    let definition = purposeful(args, definition)?;
    let input = input(args, &definition)?;
    let plan = plan(&definition, &directory, &input, args.cost)?;
    if out.json {
        out.json(&plan);
    } else {
        plan.told().iter().for_each(|line| out.line(line));
    }
    Ok(if plan.admitted {
        Code::Done
    } else {
        Code::Refused
    })
}

/// The definition that the trigger is judged against: a rollback has its own.
fn purposeful(args: &Args, definition: Definition) -> Result<Definition, Failed> {
    if args.asked.rollback.is_none() {
        return Ok(definition);
    }
    definition.rollback().ok_or_else(|| {
        Failed::refused(format!(
            "{} deploys nowhere, so there is nothing to bring back",
            definition.id
        ))
    })
}

fn input(args: &Args, definition: &Definition) -> Result<TriggerInput, Failed> {
    let main = Some("refs/heads/main".to_owned());
    let said = trigger::said(&args.asked, Some(definition), main)?;
    let commit: CommitSha = args
        .commit
        .as_deref()
        .unwrap_or(ANY_COMMIT)
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    // Which of the other pipeline's releases it is makes no difference to a plan.
    let any = Found {
        upstream: "any".parse().ok(),
        ..Found::default()
    };
    let mut input = trigger::input(&args.asked, said, definition.id.clone(), commit, any)?;
    if args.asked.rollback.is_some() && input.reason.is_none() {
        input.reason = Some("planned".to_owned());
    }
    Ok(input)
}

/// Plans a release of `definition` for `input`.
///
/// # Errors
/// When the definition does not compile.
pub fn plan(
    definition: &Definition,
    directory: &Directory,
    input: &TriggerInput,
    with_cost: bool,
) -> Result<Plan, Failed> {
    let version = checked(definition)?;
    let (cause, route, refused) = match admit(definition, input) {
        Admission::Admitted { cause, route } => (Some(cause), Some(route), None),
        Admission::Refused { error, why } => (None, None, Some(Refused { error, why })),
    };
    let trigger = route.as_deref().and_then(|name| definition.trigger(name));
    let excluded: Vec<&str> = [&input.requester, &input.author]
        .into_iter()
        .filter_map(|who| who.as_deref())
        .collect();
    let stage = |stage: &Defined| planned(definition, stage, directory, &excluded);
    let path = states(definition, trigger);
    let transitions = path.len() + 1;
    let took = Took::of(definition, trigger);
    let budget = trigger
        .and_then(|route| route.budget)
        .unwrap_or(definition.budget);
    Ok(Plan {
        pipeline: definition.id.to_string(),
        name: definition.name.clone(),
        version,
        reference: input.reference.clone(),
        admitted: refused.is_none(),
        cause,
        refused,
        stages: definition.path(trigger).map(|(_, s)| stage(s)).collect(),
        groups: groups(definition, trigger),
        ways_back: ways_back(definition, trigger)
            .iter()
            .map(|s| stage(s))
            .collect(),
        environments: around(definition, trigger),
        unenforced: unenforced(definition),
        path,
        transitions,
        usd: usd_of_transitions(transitions),
        work_seconds: took.work,
        waiting_seconds: took.waiting,
        longest_seconds: longest(definition, trigger),
        cost: with_cost.then(|| Cost::of(definition, trigger)),
        all_stages: definition.stages.iter().filter(|s| !s.undoes()).count(),
        budget: budget.get(),
        route,
    })
}

/// The version of a definition that compiles.
fn checked(definition: &Definition) -> Result<Digest, Failed> {
    // The machine of rollbacks is made from what was compiled already.
    if definition.purpose == gatewright_domain::pipeline::Purpose::Release {
        compile(definition).map_err(|error| Failed::refused(error.to_string()))?;
    }
    definition
        .version()
        .map_err(|error| Failed::refused(error.to_string()))
}

/// The stages that undo what the route's stages do, when those fail.
fn ways_back<'a>(definition: &'a Definition, route: Option<&Trigger>) -> Vec<&'a Defined> {
    let named: Vec<_> = definition
        .path(route)
        .filter_map(|(_, stage)| stage.on_failure.as_ref())
        .collect();
    definition
        .stages
        .iter()
        .filter(|stage| stage.undoes() && named.contains(&&stage.name))
        .collect()
}

/// The time limits along a route's critical path: of stages that run side by
/// side only the longest counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Took {
    /// Builds and pauses, in seconds.
    work: i64,
    /// People, in seconds.
    waiting: i64,
}

impl Took {
    fn of(definition: &Definition, route: Option<&Trigger>) -> Self {
        let mut took = Self::default();
        let mut beside = (None, 0);
        for (_, stage) in definition.path(route) {
            let limit = stage.time_limit().get();
            let group = definition.group_of(&stage.name).map(|group| &group.name);
            match &stage.work {
                Work::Approval(_) => took.waiting += limit,
                Work::Build(_) | Work::Deploy(_) | Work::Watch(_) | Work::Pause(_)
                    if group.is_some() && beside.0 == group =>
                {
                    took.work += (limit - beside.1).max(0);
                    beside.1 = beside.1.max(limit);
                    continue;
                }
                Work::Build(_) | Work::Deploy(_) | Work::Watch(_) | Work::Pause(_) => {
                    took.work += limit
                }
            }
            beside = (group, limit);
        }
        took
    }
}

/// How long the route takes when every time limit and every retry is used up.
fn longest(definition: &Definition, route: Option<&Trigger>) -> i64 {
    let only = Definition {
        stages: definition.path(route).map(|(_, s)| s.clone()).collect(),
        ..definition.clone()
    };
    gatewright_compiler::compile::longest(&only)
}

#[cfg(test)]
mod tests;
