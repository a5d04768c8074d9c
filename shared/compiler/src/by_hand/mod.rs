//! What a build would do, as commands for a person: how an environment is looked
//! at, brought back and handed over when nobody else can do it any more.
//!
//! The commands are those of the build that goes back ([`Deploy::undone_by`]),
//! the variables those that it would get (`gatewright_domain::given`). So a
//! procedure cannot say anything else than what the pipeline does.
//!
//! [`Deploy::undone_by`]: gatewright_domain::pipeline::Deploy::undone_by

mod back;
mod shell;

use crate::buildspec::quoted;
use gatewright_domain::given::{self, Stores, Variables};
use gatewright_domain::pipeline::Definition;
use gatewright_domain::undo::Target;
use gatewright_domain::{EnvironmentName, ReleaseId, StageName};
use serde::Serialize;
use shell::{filled_in, plain};

/// What stands above every procedure: going back and scaling to zero are
/// alternatives, and nobody should run both because they stand in one text.
pub const ONE_AT_A_TIME: &str = "Not to be run as a whole: one part at a time, and each command only when the one before has succeeded.";

/// What is known on the day when somebody needs a procedure.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The release that left the environment in doubt or changes it now.
    pub holder: Option<&'a ReleaseId>,
    /// The stage of that release whose log says most about the environment.
    pub log: Option<&'a StageName>,
    /// Whether that release still goes on.
    pub running: bool,
    /// Whether a person keeps the environment from everybody new.
    pub held: bool,
    /// Whether a release left it unknown.
    pub doubted: bool,
    /// What the environment goes back to.
    pub back_to: Option<&'a Target>,
    /// Whether the record could be read: without it nobody knows what ran before.
    pub record: bool,
    /// Where artifacts are; `None` when the account is not known.
    pub stores: Option<&'a Stores>,
}

/// A procedure for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Procedure {
    /// Its parts, in the order in which they are done.
    pub sections: Vec<Section>,
    /// The commands that go back, with their values in them: enough for who has
    /// the source at hand.
    pub short: Vec<Command>,
    /// What it could not know, in sentences.
    pub unknown: Vec<String>,
}

/// A part of a procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What it is.
    pub part: Part,
    /// What it does.
    pub title: String,
    /// What to know before it, in sentences.
    pub notes: Vec<String>,
    /// Its commands, in order; each is to succeed before the next.
    pub commands: Vec<Command>,
}

/// What a part of a procedure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Seeing how it stands.
    Look,
    /// Going back to what ran before.
    RollBack,
    /// What the definition has people do by hand.
    Manual,
    /// Telling Gatewright what was done.
    Afterwards,
}

/// A command, and what it is for where that is not plain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// The command; several lines belong together.
    pub run: String,
}

impl Command {
    fn new(run: impl Into<String>) -> Self {
        Self {
            what: None,
            run: run.into(),
        }
    }

    fn of(what: impl Into<String>, run: impl Into<String>) -> Self {
        Self {
            what: Some(what.into()),
            run: run.into(),
        }
    }
}

/// The procedure for an environment; `None` when the definition has no such
/// environment.
pub fn by_hand(
    definition: &Definition,
    environment: &EnvironmentName,
    known: &Known<'_>,
) -> Option<Procedure> {
    let declared = definition.environments.get(environment)?;
    let of_environment = given::of_environment(definition, Some(environment));
    let mut unknown = Vec::new();
    let way = back::way_back(definition, environment);
    let mut sections = vec![look(definition, environment, way.as_ref(), known)];
    match &way {
        Some(way) => sections.push(back::section(definition, environment, way, known, &mut unknown)),
        None => unknown.push(format!(
            "Nothing in this definition deploys into {environment}, so there are no commands that would go back."
        )),
    }
    for (title, commands) in &declared.manual {
        sections.push(Section {
            part: Part::Manual,
            title: title.clone(),
            notes: Vec::new(),
            commands: commands
                .iter()
                .map(|command| Command::new(filled_in(command, &of_environment)))
                .collect(),
        });
    }
    sections.push(afterwards(definition, environment, known));
    let short = way.map(|way| back::short(definition, environment, &way, known));
    Some(Procedure {
        sections,
        short: short.unwrap_or_default(),
        unknown,
    })
}

fn look(
    definition: &Definition,
    environment: &EnvironmentName,
    way: Option<&back::WayBack>,
    known: &Known<'_>,
) -> Section {
    let id = &definition.id;
    let mut commands = Vec::new();
    if let Some(holder) = known.holder {
        if known.running {
            commands.push(Command::of(
                "It still goes on: halt it before you change anything",
                format!("gatewright halt {holder} --reason TEXT"),
            ));
        }
        commands.push(Command::new(format!("gatewright explain {holder}")));
        let stage = known
            .log
            .map_or_else(String::new, |stage| format!(" {}", quoted(stage.as_str())));
        commands.push(Command::new(format!("gatewright logs {holder}{stage}")));
    }
    commands.push(Command::new(format!(
        "gatewright history {id} --environment {environment}"
    )));
    let of_environment: Variables = given::of_environment(definition, Some(environment));
    let ways_in = way.map_or(&[][..], |way| way.ways_in());
    let ways_in = ways_in.iter().enumerate().map(|(index, command)| Command {
        what: (index == 0).then(|| format!("The way into {environment}")),
        run: filled_in(command, &of_environment),
    });
    commands.extend(ways_in);
    Section {
        part: Part::Look,
        title: "Look".to_owned(),
        notes: Vec::new(),
        commands,
    }
}

fn afterwards(
    definition: &Definition,
    environment: &EnvironmentName,
    known: &Known<'_>,
) -> Section {
    let did = quoted("what you did, and what runs now");
    let mut notes = vec![format!(
        "Gatewright does not see what is done by hand: its record of {environment} changes when somebody says what runs there, or with the next deploy that passes."
    )];
    let place = format!("{}/{environment}", definition.id);
    let runs = match known.back_to {
        Some(back_to) => back_to.deployment.version_of().as_str(),
        None if known.record => "nothing",
        None => "RELEASE",
    };
    let give_back =
        |runs: &str| Command::new(format!("gatewright unhold {place}{runs} --reason {did}"));
    let say = give_back(&format!(" --runs {runs}"));
    let mut commands = Vec::new();
    if known.held {
        commands.push(give_back(""));
    }
    match (known.record, known.doubted) {
        (true, true) => commands.push(say),
        (true, false) if known.held => {}
        (true, false) => notes.push(format!(
            "Nothing keeps {environment} from others, so there is nothing to give back."
        )),
        (false, _) => commands.push(Command {
            what: Some(format!(
                "When a release left {environment} unknown, say what runs there"
            )),
            ..say
        }),
    }
    Section {
        part: Part::Afterwards,
        title: "Tell Gatewright".to_owned(),
        notes,
        commands,
    }
}

impl Procedure {
    /// The part of that kind, the first if there are several.
    pub fn part(&self, part: Part) -> Option<&Section> {
        self.sections.iter().find(|section| section.part == part)
    }

    /// The procedure as text to copy from: everything that is not a command is a
    /// comment of the shell.
    pub fn shell(&self) -> String {
        let mut said = format!("# {ONE_AT_A_TIME}\n");
        for (number, section) in (1..).zip(&self.sections) {
            said.push_str(&format!("\n# {number}. {}\n", plain(&section.title)));
            said.push_str(&section.shell());
        }
        if !self.unknown.is_empty() {
            said.push_str("\n# What could not be known\n");
            for sentence in &self.unknown {
                said.push_str(&format!("# {}\n", plain(sentence)));
            }
        }
        said
    }
}

impl Section {
    /// Its notes as comments and its commands.
    pub fn shell(&self) -> String {
        let mut said = String::new();
        for note in &self.notes {
            said.push_str(&format!("# {}\n", plain(note)));
        }
        for command in &self.commands {
            if let Some(what) = &command.what {
                said.push_str(&format!("# {}\n", plain(what)));
            }
            said.push_str(&shell::printable(&command.run));
            said.push('\n');
        }
        said
    }
}
