//! `gatewright plan`: what a release would do, from the files alone.

mod tell;

use crate::args::Plan as Args;
use crate::error::{Code, Failed};
use crate::files::{FOLDER, Project, usual};
use crate::out::Out;
use gatewright_compiler::{compile, happy_path, transitions};
use gatewright_domain::approval::standing;
use gatewright_domain::decide::{Admission, admit};
use gatewright_domain::people::{Directory, Person};
use gatewright_domain::pipeline::{Approval, Definition, Quorum, Stage as Defined, Work};
use gatewright_domain::text::did_you_mean;
use gatewright_domain::trigger::{Cause, TriggerInput};
use gatewright_domain::{CommitSha, Digest, ErrorName, PersonId};
use gatewright_views::asked;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// US dollars for a thousand state transitions of a Standard workflow in
/// ap-south-1, beyond the free tier (AWS Step Functions pricing, 2026).
const USD_PER_THOUSAND: f64 = 0.0285;

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
    refused: Option<Refused>,
    stages: Vec<Stage>,
    path: Vec<String>,
    transitions: usize,
    usd: f64,
    longest_seconds: i64,
}

#[derive(Debug, Serialize)]
struct Refused {
    error: ErrorName,
    why: String,
}

#[derive(Debug, Serialize)]
struct Stage {
    name: String,
    kind: &'static str,
    environment: Option<String>,
    protected: bool,
    artifact: Option<String>,
    produces: Option<String>,
    steps: Vec<String>,
    gates: Vec<String>,
    seconds: i64,
    retries: u32,
    asked: Vec<Asked>,
    reachable: Option<bool>,
}

/// One line of a quorum, and who can stand for it.
#[derive(Debug, Serialize)]
struct Asked {
    group: String,
    title: String,
    count: u32,
    people: Vec<String>,
    excluded: Vec<String>,
}

/// Plans.
///
/// # Errors
/// When there is no such definition, or it is wrong.
pub fn run(args: &Args, out: &Out) -> Result<Code, Failed> {
    let (file, files) = meant(args.pipeline.as_deref())?;
    let project = Project::read(&files, out.colour)?;
    let (path, definition) = choose(&project, args.pipeline.as_deref(), file)?;
    let directory = project.directory(path).cloned().unwrap_or_default();
    let input = input(args, definition)?;
    let plan = plan(definition, &directory, &input)?;
    if out.json {
        out.json(&plan);
    } else {
        for line in plan.told() {
            out.line(line);
        }
    }
    Ok(if plan.admitted {
        Code::Done
    } else {
        Code::Refused
    })
}

/// Whether a file is meant, and which files are read.
fn meant(named: Option<&str>) -> Result<(bool, Vec<PathBuf>), Failed> {
    match named.map(Path::new) {
        Some(path) if path.extension().is_some_and(|e| e == "yaml" || e == "yml") => {
            Ok((true, vec![path.to_owned()]))
        }
        _ => Ok((false, usual()?)),
    }
}

fn choose<'a>(
    project: &'a Project,
    named: Option<&str>,
    file: bool,
) -> Result<(&'a Path, &'a Definition), Failed> {
    let known: Vec<&str> = project
        .definitions
        .iter()
        .map(|(_, d)| d.id.as_str())
        .collect();
    let mut meant = project
        .definitions
        .iter()
        .filter(|(_, d)| file || named.is_none_or(|id| d.id.as_str() == id));
    match (meant.next(), meant.next()) {
        (Some((path, definition)), None) => Ok((path, definition)),
        (Some(_), Some(_)) => Err(Failed::usage("there is more than one pipeline here")
            .help(format!("say which: {}", known.join(", ")))),
        (None, _) => {
            let named = named.unwrap_or_default();
            let near = did_you_mean(named, known.iter().copied());
            Err(Failed::not_found(format!(
                "no definition in {FOLDER}/ has the id {named:?}{near}"
            ))
            .help(format!("there is: {}", known.join(", "))))
        }
    }
}

fn input(args: &Args, definition: &Definition) -> Result<TriggerInput, Failed> {
    let reference = args.reference.full();
    // Any commit is planned the same way.
    let commit = args.commit.clone().unwrap_or_else(|| "0".repeat(40));
    let commit: CommitSha = commit
        .parse()
        .map_err(|error| Failed::usage(format!("{error}")))?;
    let asked = args.requester.clone();
    let requester = if args.manual {
        asked.or_else(super::start::user)
    } else {
        asked
    };
    let reference = reference.unwrap_or_else(|| "refs/heads/main".to_owned());
    Ok(TriggerInput {
        cause: args.manual.then_some(Cause::Manual),
        author: args.author.clone(),
        requester,
        ..TriggerInput::new(definition.id.clone(), reference, commit)
    })
}

/// Plans a release of `definition` for `input`.
///
/// # Errors
/// When the definition does not compile.
pub fn plan(
    definition: &Definition,
    directory: &Directory,
    input: &TriggerInput,
) -> Result<Plan, Failed> {
    let wrong = |error: String| Failed::refused(error);
    let machine = compile(definition).map_err(|error| wrong(error.to_string()))?;
    let version = definition
        .version()
        .map_err(|error| wrong(error.to_string()))?;
    let (cause, route, refused) = match admit(definition, input) {
        Admission::Admitted { cause, route } => (Some(cause), Some(route), None),
        Admission::Refused { error, why } => (None, None, Some(Refused { error, why })),
    };
    let route = route.as_deref().and_then(|name| definition.trigger(name));
    let excluded: Vec<&str> = [&input.requester, &input.author]
        .into_iter()
        .filter_map(|who| who.as_deref())
        .collect();
    let stage = |stage: &Defined| planned(definition, stage, directory, &excluded);
    let transitions = transitions(&machine);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a machine has a few hundred states at most"
    )]
    let usd = transitions as f64 * USD_PER_THOUSAND / 1000.0;
    Ok(Plan {
        pipeline: definition.id.to_string(),
        name: definition.name.clone(),
        version,
        reference: input.reference.clone(),
        admitted: refused.is_none(),
        cause,
        refused,
        stages: definition.path(route).map(|(_, s)| stage(s)).collect(),
        path: happy_path(&machine),
        transitions,
        usd,
        longest_seconds: gatewright_compiler::compile::longest(definition),
    })
}

fn planned(
    definition: &Definition,
    stage: &Defined,
    directory: &Directory,
    excluded: &[&str],
) -> Stage {
    let environment = stage.environment.as_ref();
    let about = environment.and_then(|name| definition.environments.get(name));
    let build = stage.build();
    let (kind, artifact, asked, reachable) = match &stage.work {
        Work::Build(_) => ("build", None, Vec::new(), None),
        Work::Deploy(deploy) => (
            "deploy",
            Some(deploy.artifacts.join(", ")),
            Vec::new(),
            None,
        ),
        Work::Pause(_) => ("pause", None, Vec::new(), None),
        Work::Approval(approval) => {
            let asked = approval
                .quorum
                .iter()
                .map(|q| asked_for(q, directory, excluded));
            let reachable = reachable(approval, directory, excluded);
            ("approval", None, asked.collect(), Some(reachable))
        }
    };
    Stage {
        name: stage.name.to_string(),
        kind,
        environment: environment.map(ToString::to_string),
        protected: about.is_some_and(|environment| environment.protected),
        artifact,
        produces: build.and_then(|build| build.produces.clone()),
        steps: build
            .iter()
            .flat_map(|b| &b.steps)
            .map(|step| step.name.clone())
            .collect(),
        gates: stage
            .gates
            .iter()
            .map(gatewright_domain::gate::Gate::demand)
            .collect(),
        seconds: stage.time_limit().get(),
        retries: build.map_or(0, |build| build.retries),
        asked,
        reachable,
    }
}

fn is_excluded(person: &Person, excluded: &[&str]) -> bool {
    excluded.iter().any(|identity| person.is(identity))
}

fn asked_for(line: &Quorum, directory: &Directory, excluded: &[&str]) -> Asked {
    let members = directory
        .group(&line.group)
        .map(|g| g.members.as_slice())
        .unwrap_or_default();
    let known: Vec<&Person> = members
        .iter()
        .filter_map(|id| directory.person(id))
        .collect();
    let names = |out: bool| {
        let those = known
            .iter()
            .filter(|person| is_excluded(person, excluded) == out);
        those.map(|person| person.name.clone()).collect()
    };
    Asked {
        group: line.group.to_string(),
        title: asked::title(directory, &line.group),
        count: line.count,
        people: names(false),
        excluded: names(true),
    }
}

/// Whether the quorum is reached when everybody who may approves.
fn reachable(approval: &Approval, directory: &Directory, excluded: &[&str]) -> bool {
    let people = directory
        .people
        .iter()
        .filter(|person| !is_excluded(person, excluded));
    let all: Vec<PersonId> = people.map(|person| person.id.clone()).collect();
    standing(&approval.quorum, &all, directory).is_reached()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::{plain, push};
    use gatewright_fakes::{definition, directory};

    fn told(input: &TriggerInput) -> String {
        let plan = plan(&definition(), &directory(), input).unwrap();
        plain(&plan.told().join("\n"))
    }

    #[test]
    fn a_plan_shows_every_stage_who_is_asked_and_the_price() {
        insta::assert_snapshot!(told(&push()));
    }

    #[test]
    fn a_refused_trigger_says_why_and_what_would_do() {
        let input = TriggerInput {
            reference: "refs/heads/mian".to_owned(),
            ..push()
        };
        let told = told(&input);
        assert!(
            told.contains("refused (NotTriggered)") && told.contains("did you mean \"main\"?"),
            "{told}"
        );
    }

    #[test]
    fn whoever_asked_or_wrote_is_excluded_and_the_quorum_may_fail_for_it() {
        let by = |requester: &str, author: &str| TriggerInput {
            requester: Some(requester.to_owned()),
            author: Some(author.to_owned()),
            ..push()
        };
        let approval = |input| {
            let plan = plan(&definition(), &directory(), &input).unwrap();
            plan.stages
                .into_iter()
                .find(|s| s.kind == "approval")
                .unwrap()
        };
        let one = approval(by("priya@example.com", "sam@example.com"));
        assert_eq!(one.asked[0].people, ["Lena Fischer"]);
        assert_eq!(one.asked[0].excluded, ["Priya Raman"]);
        assert_eq!(one.reachable, Some(true));
        // Lena alone cannot stand for both groups.
        let two = approval(by("priya@example.com", "devan@example.com"));
        assert_eq!(two.reachable, Some(false));
    }
}
