//! The definition language as data: every object with its keys, their kinds,
//! defaults and a sentence each. The reader takes its known keys from here, the
//! reference page and the JSON Schema are written from here; so none of the
//! three can know a key that another does not.

mod directory;
mod environment;
mod examples;
mod gate;
mod pipeline;
mod reference;
mod schema;
mod stage;
mod trigger;

pub use reference::reference;
pub use schema::schema;

pub(crate) use directory::{DIRECTORY, GROUP, PERSON};
pub(crate) use environment::{
    BLUE_GREEN, CANARY, DAYS, ENVIRONMENT, METRICS, QUEUES, RATE, ROLLBACK, SERIES, STRATEGIES,
    STRATEGY, UNITS, WATCH, WINDOW,
};
pub(crate) use gate::{COVERAGE, FINDINGS, FORMATS, GATE, REPORT, SCAN, SEVERITIES, SIGN_OFF};
pub(crate) use pipeline::{
    ARTIFACT, ARTIFACT_TYPES, DEFAULTS, EVENTS, FEATURES, FROM, NOTIFY, NOTIFY_ROUTE, PIPELINE,
    SOURCE, TARGET, TARGETS, VERSIONS,
};
pub(crate) use stage::{
    APPROVAL, BUILD_KEYS, CODEDEPLOY, CODEDEPLOY_STEP, COMPUTE, DEPLOY, MEMBER, MIGRATIONS, QUORUM,
    SERVICE, SETTINGS_KEYS, STAGE, STEP, VARIABLE,
};
pub(crate) use trigger::{MANUAL, ON, PULL_REQUEST, PUSH, SCHEDULE, TAG, UPSTREAM};

/// One object of the language: a mapping with known keys.
pub(crate) struct Object {
    /// Its heading in the reference, and its name in the schema.
    pub(crate) name: &'static str,
    /// What it is called in messages, with its article.
    pub(crate) what: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Its keys, in the order in which people write them.
    pub(crate) keys: &'static [Key],
    /// A part of a definition that shows all of its keys.
    pub(crate) example: &'static str,
}

impl Object {
    /// The names of its keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// Whether it has this key.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }
}

/// A key of an object.
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its value can be.
    pub(crate) kind: Kind,
    /// Whether it must be there.
    pub(crate) need: Need,
    /// What it says, in a sentence.
    pub(crate) doc: &'static str,
}

/// Whether a key must be there.
pub(crate) enum Need {
    /// It must.
    Required,
    /// It may be left out, and then nothing of the kind happens.
    Optional,
    /// It may be left out, and then means this.
    Default(&'static str),
}

/// What a value can be.
pub(crate) enum Kind {
    /// Text.
    Text,
    /// Text, or a number in the digits that were written.
    Written,
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds.
    Count(u32, u32),
    /// A number from 0 to 100 with at most two decimals.
    Percent,
    /// A number.
    Number,
    /// A duration: `90s`, `10m`, `4h`, `3d`.
    Duration,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text of this form: a regular expression, and what to call it.
    Form(&'static str, &'static str),
    /// A list.
    List(&'static Kind),
    /// A mapping from names of the author's choosing.
    Map(&'static Kind),
    /// An object of the language.
    Object(&'static Object),
    /// One object of the language, or a list of them.
    OneOrMore(&'static Object),
    /// One of several.
    Either(&'static [Kind]),
}

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        need: Need::Required,
        doc,
    }
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        need: Need::Optional,
        doc,
    }
}

const fn default(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        need: Need::Default(default),
        doc,
    }
}

/// A pipeline's id.
const ID: Kind = Kind::Form("^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$", "an id");
/// A name of the author's choosing.
const NAME: Kind = Kind::Form("^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$", "a name");
/// The name of an environment.
const ENVIRONMENT_NAME: Kind = Kind::Form("^[a-z0-9][a-z0-9-]{0,39}$", "an environment");
/// The name of a stage.
const STAGE_NAME: Kind = Kind::Form("^\\S(.{0,58}\\S)?$", "a stage's name");
/// A name, in a stage that a matrix may fill in.
const NAME_OR_FILLED: Kind = Kind::Form("^([A-Za-z0-9][A-Za-z0-9_-]*|.*\\$\\{\\{.*)$", "a name");
/// A path inside the source.
const PATH: Kind = Kind::Form("^[^/\\\\]([^\\\\]*[^/\\\\])?$", "a path");
/// Steps, in order.
const STEPS: Kind = Kind::List(&Kind::Either(&[
    Kind::Text,
    Kind::Object(&STEP),
    Kind::Object(&CODEDEPLOY_STEP),
]));
/// The name of something in CodeDeploy.
const CODEDEPLOY_NAME: Kind = Kind::Form("^[A-Za-z0-9._+=,@-]{1,100}$", "a name in CodeDeploy");
/// All objects, in the order of the reference.
pub(crate) static OBJECTS: &[&Object] = &[
    &PIPELINE,
    &SOURCE,
    &ON,
    &PUSH,
    &PULL_REQUEST,
    &TAG,
    &MANUAL,
    &SCHEDULE,
    &UPSTREAM,
    &ARTIFACT,
    &FROM,
    &ENVIRONMENT,
    &STRATEGY,
    &BLUE_GREEN,
    &CANARY,
    &WATCH,
    &SERIES,
    &RATE,
    &ROLLBACK,
    &WINDOW,
    &DEFAULTS,
    &STAGE,
    &MEMBER,
    &STEP,
    &CODEDEPLOY_STEP,
    &CODEDEPLOY,
    &VARIABLE,
    &SERVICE,
    &REPORT,
    &GATE,
    &COVERAGE,
    &SCAN,
    &FINDINGS,
    &SIGN_OFF,
    &DEPLOY,
    &APPROVAL,
    &QUORUM,
    &NOTIFY,
    &NOTIFY_ROUTE,
    &TARGET,
    &DIRECTORY,
    &PERSON,
    &GROUP,
];

#[cfg(test)]
mod tests;
