//! The top of a definition.

use super::stage::{CACHE, COMPUTE_KEY, ENV, IMAGE, INSTALL, PROJECT, RETRIES, RUNTIMES, TIMEOUT};
use super::{
    ENVIRONMENT, ID, Kind, NAME, ON, Object, PATH, STAGE, default, examples, optional, required,
};

/// The forms of artifacts.
pub(crate) const ARTIFACT_TYPES: &[&str] = &["image", "archive", "plan", "files"];
/// How artifacts are called.
pub(crate) const VERSIONS: &[&str] = &["commit", "semver"];
/// The delivery metrics.
pub(crate) const TARGETS: &[&str] = &[
    "success-rate",
    "mean-time-to-recovery",
    "deployment-frequency",
    "lead-time",
    "change-failure-rate",
];
/// What people can hear of.
pub(crate) const EVENTS: &[&str] = &[
    "build-failure",
    "validation-failure",
    "security-alert",
    "plan",
    "deploy-succeeded",
    "deploy-failed",
    "production-deploy",
    "blocked",
    "recovery-needed",
    "release-ended",
    "daily-summary",
];
/// What can be accepted although nothing enforces it.
pub(crate) const FEATURES: &[&str] =
    &["only-new", "waiver", "sign-off", "notify-routes", "targets"];

/// The root.
pub(crate) static PIPELINE: Object = Object {
    name: "pipeline",
    what: "a pipeline",
    doc: "The file itself.",
    keys: &[
        required(
            "language",
            Kind::Count(1, 1),
            "The version of this language: 1.",
        ),
        required(
            "id",
            ID,
            "The pipeline's id; its state machine and its CodeBuild projects are named by it.",
        ),
        required("name", Kind::Text, "Its name for people."),
        optional(
            "description",
            Kind::Text,
            "What it releases, in a sentence.",
        ),
        required(
            "region",
            Kind::Form("^[a-z]+(-[a-z]+)+-[0-9]+$", "an AWS region"),
            "The AWS region that it builds and deploys in.",
        ),
        required(
            "source",
            Kind::Object(&SOURCE),
            "Where the source comes from.",
        ),
        required(
            "on",
            Kind::Object(&ON),
            "What starts a release, and which stages it then runs.",
        ),
        optional(
            "artifacts",
            Kind::Map(&Kind::Object(&ARTIFACT)),
            "What the stages produce and deploy, by name.",
        ),
        optional(
            "environments",
            Kind::Map(&Kind::Object(&ENVIRONMENT)),
            "Where it deploys to, by name, in the order of promotion.",
        ),
        optional(
            "defaults",
            Kind::Object(&DEFAULTS),
            "What the builds have in common.",
        ),
        required(
            "stages",
            Kind::List(&Kind::Object(&STAGE)),
            "What a release does, in order.",
        ),
        optional(
            "downstream",
            Kind::List(&ID),
            "The pipelines that a successful release starts, with the digests of its artifacts.",
        ),
        optional(
            "notify",
            Kind::Object(&NOTIFY),
            "Where people hear about releases.",
        ),
        optional(
            "targets",
            Kind::Map(&Kind::Object(&TARGET)),
            "What the delivery metrics should be, by metric: `success-rate`, `mean-time-to-recovery`, `deployment-frequency`, `lead-time`, `change-failure-rate`. *Not enforced yet*.",
        ),
        optional(
            "accept-unenforced",
            Kind::List(&Kind::Word(FEATURES)),
            "Features that a protected environment relies on although nothing enforces them yet.",
        ),
        default(
            "budget",
            Kind::Duration,
            "`7d`, or as many days as everything in it may take",
            "How long a whole release may take. It has to hold everything that may be waited for: each build with its queueing and retries, each approval until it expires, the `wait` of the environment before each deploy.",
        ),
    ],
    example: examples::PIPELINE,
};

/// The source.
pub(crate) static SOURCE: Object = Object {
    name: "source",
    what: "a source",
    doc: "Where the source comes from.",
    keys: &[
        required(
            "repository",
            Kind::Text,
            "The repository's URL, without a password.",
        ),
        default(
            "path",
            PATH,
            "`.`",
            "The folder inside the repository that the pipeline releases; steps start in it.",
        ),
    ],
    example: examples::PIPELINE,
};

/// An artifact.
pub(crate) static ARTIFACT: Object = Object {
    name: "artifact",
    what: "an artifact",
    doc: "Something that is built once and deployed as it was built, known by its digest.",
    keys: &[
        required(
            "type",
            Kind::Word(ARTIFACT_TYPES),
            "`image` in Amazon ECR; `archive`, one file; `plan`, a file such as Terraform's; `files`, a set of them.",
        ),
        optional(
            "repository",
            Kind::Text,
            "The ECR repository of an `image`.",
        ),
        optional(
            "path",
            PATH,
            "The file of an `archive` or a `plan`, relative to the source path.",
        ),
        optional(
            "paths",
            Kind::List(&PATH),
            "The patterns of `files`, as a shell expands them.",
        ),
        default(
            "version",
            Kind::Word(VERSIONS),
            "`commit`",
            "What people call it: the commit, or a semantic version from the tag or from what a stage exports as `VERSION`; without either it is `0.0.0-<commit>`.",
        ),
        default(
            "keep",
            Kind::Count(1, 10_000),
            "`20`",
            "Of an `image`: how many builds its repository keeps, by their tags; what is deployed is kept anyway, and so is every image with a semantic version (`version: semver`), also when each build pushes one. Archives, plans and files are all kept: their store can neither count them nor tell which were released.",
        ),
        default(
            "signed",
            Kind::Flag,
            "`false`",
            "Of an `image`: it is deployed only when a `signature` gate of the same release has verified the signature of its very digest. A stage before each deploy has that gate. Ways back verify the signature of what they bring back before their own steps.",
        ),
        optional(
            "from",
            Kind::Object(&FROM),
            "The pipeline that builds it, when it is not this one.",
        ),
    ],
    example: examples::ARTIFACT,
};

/// Another pipeline's artifact.
pub(crate) static FROM: Object = Object {
    name: "from",
    what: "from",
    doc: "An artifact of another pipeline; it arrives with an upstream trigger.",
    keys: &[
        required("pipeline", ID, "The other pipeline."),
        required("artifact", NAME, "The artifact's name there."),
    ],
    example: examples::UPSTREAM,
};

/// `defaults`.
pub(crate) static DEFAULTS: Object = Object {
    name: "defaults",
    what: "defaults",
    doc: "What the builds have in common. A stage that says the same key for itself wins; `env` and `runtimes` are merged name by name, `install` and `cache` come before the stage's own.",
    keys: &[
        PROJECT,
        IMAGE,
        COMPUTE_KEY,
        TIMEOUT,
        RETRIES,
        RUNTIMES,
        ENV,
        CACHE,
        INSTALL,
    ],
    example: examples::DEFAULTS,
};

/// `notify`.
pub(crate) static NOTIFY: Object = Object {
    name: "notify",
    what: "notify",
    doc: "Where people hear about releases.",
    keys: &[
        optional(
            "slack",
            Kind::Form("^#\\S+$", "a Slack channel"),
            "The Slack channel that hears of everything, in quotes: `\"#releases\"`.",
        ),
        optional(
            "routes",
            Kind::List(&Kind::Object(&NOTIFY_ROUTE)),
            "Who else hears of what. *Not enforced yet*, but for `pagerduty` with `recovery-needed`.",
        ),
    ],
    example: examples::NOTIFY,
};

/// A route of notifications.
pub(crate) static NOTIFY_ROUTE: Object = Object {
    name: "notify-route",
    what: "a route of notify",
    doc: "Who hears of certain events. `pagerduty` with `on: [recovery-needed]` is paged when a release ends `failed-dirty`; where no route says so, the service `default` is. Everything else is *not enforced yet*: the pipeline's own channel hears of everything, no other does.",
    keys: &[
        required("on", Kind::List(&Kind::Word(EVENTS)), "Of what."),
        optional(
            "slack",
            Kind::List(&Kind::Form("^#\\S+$", "a Slack channel")),
            "Slack channels.",
        ),
        optional(
            "email",
            Kind::List(&Kind::Form("^[^@\\s]+@[^@\\s]+$", "an e-mail address")),
            "E-mail addresses.",
        ),
        optional(
            "pagerduty",
            Kind::Text,
            "A PagerDuty service: a name in the secret with the routing keys. One that is not there is paged as `default`.",
        ),
    ],
    example: examples::NOTIFY,
};

/// A target.
pub(crate) static TARGET: Object = Object {
    name: "target",
    what: "a target",
    doc: "What a delivery metric should be. *Not enforced yet*: nothing is computed and nobody is told.",
    keys: &[
        required("target", Kind::Text, "What is aimed at."),
        optional("alert", Kind::Text, "When somebody should be told."),
    ],
    example: examples::NOTIFY,
};
