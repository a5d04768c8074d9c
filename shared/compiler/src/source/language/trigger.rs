//! What starts a release.

use super::{ENVIRONMENT_NAME, ID, Key, Kind, Object, default, examples, optional, required};

/// Patterns for the names of refs.
const PATTERNS: Kind = Kind::List(&Kind::Form(
    "^[^/\\s~^:\\[\\]\\\\{}()|+$][^\\s~^:\\[\\]\\\\{}()|+$]*$",
    "a pattern",
));
const TRIGGER_NAME: Kind = Kind::Form("^[^'\"\\\\`{}]{1,60}$", "a trigger's name");

const NAMED: Key = default(
    "name",
    TRIGGER_NAME,
    "made from what it matches",
    "What people and stages call this trigger.",
);
const DEPLOYS: Key = default(
    "deploy",
    Kind::Either(&[
        Kind::Word(&["none", "all"]),
        ENVIRONMENT_NAME,
        Kind::List(&ENVIRONMENT_NAME),
    ]),
    "`all`",
    "The environments whose stages run: `none`, `all`, one, or a list. Stages without an environment run in any case.",
);
const STAGES: Key = optional(
    "stages",
    Kind::List(&Kind::Text),
    "Exactly these stages run, instead of what `deploy` chooses. A matrix or a group means all its members; a deploy brings what is made from it.",
);
const SKIP: Key = optional("skip", Kind::List(&Kind::Text), "These stages do not run.");
const BUDGET: Key = optional(
    "budget",
    Kind::Duration,
    "How long a release on this route may take. It has to hold the time limits of the stages, the longest of those side by side. When it is used up, no further build begins.",
);

/// `on`.
pub(crate) static ON: Object = Object {
    name: "on",
    what: "on",
    doc: "What starts a release, and which stages it then runs: every trigger has a *route*. Each kind is one mapping, or a list of mappings where several of the kind differ. Two triggers of a kind must not match the same ref with different routes.",
    keys: &[
        optional("push", Kind::OneOrMore(&PUSH), "A push to a branch."),
        optional(
            "pull-request",
            Kind::OneOrMore(&PULL_REQUEST),
            "A pull request.",
        ),
        optional("tag", Kind::OneOrMore(&TAG), "A tag."),
        optional(
            "manual",
            Kind::Either(&[Kind::Flag, Kind::OneOrMore(&MANUAL)]),
            "A person, on any branch or tag. `true` runs every stage.",
        ),
        optional("schedule", Kind::OneOrMore(&SCHEDULE), "A clock."),
        optional(
            "upstream",
            Kind::OneOrMore(&UPSTREAM),
            "A successful release of another pipeline.",
        ),
    ],
    example: examples::ON,
};

/// A push.
pub(crate) static PUSH: Object = Object {
    name: "push",
    what: "a push",
    doc: "A push to a branch.",
    keys: &[
        required(
            "branches",
            PATTERNS,
            "Patterns for the branch's name: `*` stands for any text, `?` for one character.",
        ),
        NAMED,
        DEPLOYS,
        STAGES,
        SKIP,
        BUDGET,
    ],
    example: examples::ON,
};

/// A pull request.
pub(crate) static PULL_REQUEST: Object = Object {
    name: "pull-request",
    what: "a pull request",
    doc: "A pull request that is opened or changed.",
    keys: &[
        required(
            "into",
            PATTERNS,
            "Patterns for the name of the branch that it wants to change.",
        ),
        NAMED,
        DEPLOYS,
        STAGES,
        SKIP,
        BUDGET,
    ],
    example: examples::ON,
};

/// A tag.
pub(crate) static TAG: Object = Object {
    name: "tag",
    what: "a tag",
    doc: "A tag that is pushed.",
    keys: &[
        required("patterns", PATTERNS, "Patterns for the tag's name."),
        NAMED,
        DEPLOYS,
        STAGES,
        SKIP,
        BUDGET,
    ],
    example: examples::ON,
};

/// A person.
pub(crate) static MANUAL: Object = Object {
    name: "manual",
    what: "a manual trigger",
    doc: "A person who asks for a release, with `gatewright start`. With `environments`, the person chooses one of them, and the release runs that environment's stages after those without an environment; each is a trigger of its own, `manual to staging`.",
    keys: &[
        optional(
            "environments",
            Kind::List(&ENVIRONMENT_NAME),
            "The environments to choose from.",
        ),
        NAMED,
        DEPLOYS,
        STAGES,
        SKIP,
        BUDGET,
    ],
    example: examples::MANUAL,
};

/// A clock.
pub(crate) static SCHEDULE: Object = Object {
    name: "schedule",
    what: "a schedule",
    doc: "A clock: Amazon EventBridge Scheduler starts a release of the commit that was released last on the branch.",
    keys: &[
        required(
            "name",
            Kind::Form("^[0-9A-Za-z_.-]{1,60}$", "a schedule's name"),
            "What people and stages call this trigger; the schedule is named by it in AWS.",
        ),
        required(
            "cron",
            Kind::Text,
            "Five fields as in crontab: minute, hour, day of month, month, day of week.",
        ),
        default(
            "time-zone",
            Kind::Text,
            "`UTC`",
            "The IANA time zone of the fields.",
        ),
        required("branch", Kind::Text, "The branch that is released."),
        DEPLOYS,
        STAGES,
        SKIP,
        BUDGET,
    ],
    example: examples::SCHEDULE,
};

/// Another pipeline.
pub(crate) static UPSTREAM: Object = Object {
    name: "upstream",
    what: "an upstream trigger",
    doc: "A successful release of another pipeline, which names this one in `downstream`. Its artifacts arrive by digest, under the names that `artifacts` gives them with `from`.",
    keys: &[
        required("pipeline", ID, "The other pipeline."),
        required(
            "branch",
            Kind::Text,
            "The branch of this pipeline's source whose last commit the steps come from.",
        ),
        NAMED,
        DEPLOYS,
        STAGES,
        SKIP,
        BUDGET,
    ],
    example: examples::UPSTREAM,
};
