//! A stage of a plan, and who is asked in it.

use gatewright_domain::PersonId;
use gatewright_domain::approval::standing;
use gatewright_domain::people::{Directory, Person};
use gatewright_domain::pipeline::{
    Approval, Definition, Migration, Quorum, Stage as Defined, Versioning, Work,
};
use gatewright_views::asked;
use serde::Serialize;

/// A stage.
#[derive(Debug, Serialize)]
pub struct Stage {
    pub name: String,
    pub kind: &'static str,
    pub of: Option<String>,
    pub group: Option<String>,
    pub environment: Option<String>,
    pub protected: bool,
    pub artifact: Option<String>,
    pub produces: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    pub steps: Vec<String>,
    pub gates: Vec<String>,
    pub seconds: i64,
    pub retries: u32,
    pub asked: Vec<Asked>,
    pub reachable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    pub on_failure: Option<String>,
}

/// One line of a quorum, and who can stand for it.
#[derive(Debug, Serialize)]
pub struct Asked {
    pub group: String,
    pub title: String,
    pub count: u32,
    pub people: Vec<String>,
    pub excluded: Vec<String>,
}

/// The stage, and for an approval who can answer it when `excluded` do not count.
pub fn planned(
    definition: &Definition,
    stage: &Defined,
    directory: &Directory,
    excluded: &[&str],
) -> Stage {
    let environment = stage.environment.as_ref();
    let about = environment.and_then(|name| definition.environments.get(name));
    let build = stage.build();
    let (asked, reachable) = match &stage.work {
        Work::Approval(approval) => {
            let lines = approval.quorum.iter();
            let asked = lines.map(|q| asked_for(q, directory, excluded)).collect();
            (asked, Some(reachable(approval, directory, excluded)))
        }
        Work::Build(_) | Work::Deploy(_) | Work::Watch(_) | Work::Pause(_) => (Vec::new(), None),
    };
    let watched = stage.watching().into_iter().flat_map(|w| &w.watch);
    let steps = build.iter().flat_map(|b| &b.steps);
    Stage {
        name: stage.name.to_string(),
        kind: kind(stage),
        of: stage.of.as_ref().map(ToString::to_string),
        group: definition
            .group_of(&stage.name)
            .map(|group| group.name.to_string()),
        environment: environment.map(ToString::to_string),
        protected: about.is_some_and(|environment| environment.protected),
        artifact: stage.deploy().map(|deploy| deploy.artifacts.join(", ")),
        produces: build.and_then(|build| build.produces.clone()),
        kept: build.and_then(|build| kept(definition, build.produces.as_ref()?)),
        steps: steps.map(|step| step.name.clone()).collect(),
        gates: stage
            .gates
            .iter()
            .map(gatewright_domain::gate::Gate::demand)
            .chain(watched.map(|w| w.demand()))
            .collect(),
        seconds: stage.time_limit().get(),
        retries: build.map_or(0, |build| build.retries),
        asked,
        reachable,
        migration: stage.migration,
        on_failure: stage.on_failure.as_ref().map(ToString::to_string),
    }
}

/// What a registry never lets go of what is produced, where builds may fill it: it
/// cannot tell a version that was released from one that a build made up.
fn kept(definition: &Definition, produces: &str) -> Option<String> {
    let artifact = definition.artifacts.get(produces)?;
    let repository = artifact.repository()?;
    (artifact.version == Versioning::Semver).then(|| {
        format!(
            "in {repository} for ever where the build pushes a tag like 1.2.3 or 1.2.3-main.4; otherwise while it is deployed, or one of the last {}",
            artifact.keep
        )
    })
}

/// The word for what a stage does.
pub fn kind(stage: &Defined) -> &'static str {
    match stage.work {
        Work::Build(_) => "build",
        Work::Deploy(_) => "deploy",
        Work::Approval(_) => "approval",
        Work::Watch(_) => "watch",
        Work::Pause(_) => "pause",
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
