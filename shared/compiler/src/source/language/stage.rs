//! Stages and what they are made of.

use super::{
    CODEDEPLOY_NAME, ENVIRONMENT_NAME, GATE, Key, Kind, NAME, NAME_OR_FILLED, Object, PATH, REPORT,
    STAGE_NAME, STEPS, default, examples, optional, required,
};

/// The sizes of builds.
pub(crate) const COMPUTE: &[&str] = &["small", "medium", "large", "xlarge", "2xlarge"];
/// What a migration allows afterwards.
pub(crate) const MIGRATIONS: &[&str] = &["forward-only", "reversible"];
/// What `defaults` and stages share.
pub(crate) const SETTINGS_KEYS: &[&str] = &[
    "project", "image", "compute", "timeout", "retries", "runtimes", "env", "cache", "install",
];
/// What else only stages with a build have.
pub(crate) const BUILD_KEYS: &[&str] = &[
    "services", "steps", "finally", "exports", "reports", "produces", "gates",
];

// Constants cannot hold references to objects, only to what holds them.
static VARIABLES: Kind = Kind::Either(&[Kind::Written, Kind::Object(&VARIABLE)]);
static A_SERVICE: Kind = Kind::Object(&SERVICE);
static A_REPORT: Kind = Kind::Object(&REPORT);
static A_GATE: Kind = Kind::Either(&[Kind::Word(&["steps"]), Kind::Object(&GATE)]);

pub(super) const PROJECT: Key = default(
    "project",
    Kind::Form("^[A-Za-z0-9][A-Za-z0-9_-]{1,149}$", "a CodeBuild project"),
    "`gatewright-<id>`, or `gatewright-<id>-<environment>`",
    "The CodeBuild project.",
);
pub(super) const IMAGE: Key = default(
    "image",
    Kind::Form("^(\\S+|.*\\$\\{\\{.*)$", "an image"),
    "CodeBuild's Amazon Linux 2023",
    "The build image.",
);
pub(super) const COMPUTE_KEY: Key = default(
    "compute",
    Kind::Word(COMPUTE),
    "`small`",
    "The size of the build's machine; `large` has 8 vCPUs and 16 GB.",
);
pub(super) const TIMEOUT: Key = default(
    "timeout",
    Kind::Duration,
    "`15m`",
    "How long the build may take: whole minutes, 5 at least.",
);
pub(super) const RETRIES: Key = default(
    "retries",
    Kind::Count(0, 5),
    "`1`",
    "How often a build starts anew when CodeBuild's own infrastructure failed. A red test is never retried.",
);
pub(super) const RUNTIMES: Key = optional(
    "runtimes",
    Kind::Map(&Kind::Written),
    "Language runtimes and their versions, in quotes: `python: \"3.11\"`.",
);
pub(super) const ENV: Key = optional(
    "env",
    Kind::Map(&VARIABLES),
    "Environment variables: text, or a reference to a secret or a parameter.",
);
pub(super) const CACHE: Key = optional(
    "cache",
    Kind::List(&Kind::Text),
    "Patterns of files that are kept from build to build.",
);
pub(super) const INSTALL: Key = optional(
    "install",
    Kind::List(&Kind::Text),
    "Commands that prepare the machine.",
);
const SERVICES: Key = optional(
    "services",
    Kind::Map(&A_SERVICE),
    "Servers in containers that run beside the steps, such as a database.",
);
const STAGE_STEPS: Key = optional(
    "steps",
    STEPS,
    "What the stage does, in order. Every build and deploy has steps, but one with a `signature` gate needs no others than the gate's own.",
);
const FINALLY: Key = optional("finally", STEPS, "What runs last, also after a failure.");
const EXPORTS: Key = optional(
    "exports",
    Kind::List(&Kind::Text),
    "Variables that later stages get. A step sets one with `export NAME=value`; the steps of a stage share one shell. Of several stages that export the same, the latest counts. `VERSION` names the release's artifacts.",
);
const REPORTS: Key = optional(
    "reports",
    Kind::Map(&A_REPORT),
    "Files that gates and people read, by name.",
);
const PRODUCES: Key = optional(
    "produces",
    NAME_OR_FILLED,
    "The artifact that the steps build.",
);
const GATES: Key = default(
    "gates",
    Kind::List(&A_GATE),
    "`[steps]`",
    "What must hold of the evidence, or the release ends here.",
);
const DESCRIPTION: Key = optional("description", Kind::Text, "What it is for.");
const STAGE_ON: Key = optional(
    "on",
    Kind::List(&Kind::Text),
    "Only these triggers run it, by kind (`push`) or by name (`nightly`).",
);
const IN: Key = optional(
    "environment",
    ENVIRONMENT_NAME,
    "The environment that the stage works in, or asks about.",
);

const MIGRATION: Key = optional(
    "migration",
    Kind::Word(MIGRATIONS),
    "Of a build or deploy in an environment: it changes the environment's data, and is cleared and locked like a deploy: not during a freeze, outside the windows, under a hold, beside another release or for a version that may not be deployed. It runs alone, and the deploy after it is cleared again. `forward-only`: no older version is put on top of it by itself, and by hand only by somebody who types which migration that leads across. `reversible`: what ran before can live with the data, or the way back takes it along; so where the environment undoes itself, one that fails ahead of the first deploy of all its routes leads to that deploy's way back.",
);

/// A stage.
pub(crate) static STAGE: Object = Object {
    name: "stage",
    what: "a stage",
    doc: "A step of a release, and a state of its machine. It builds (`steps`), deploys (`deploy` and `steps`), asks people (`approval`), or holds stages that run side by side (`parallel`). Text in a stage with a `matrix` may hold `${{ matrix.<variable> }}`.",
    keys: &[
        required(
            "name",
            STAGE_NAME,
            "Its name, and the state's: at most 60 characters.",
        ),
        DESCRIPTION,
        STAGE_ON,
        IN,
        optional(
            "deploy",
            Kind::Object(&DEPLOY),
            "What is deployed, and where.",
        ),
        optional(
            "approval",
            Kind::Object(&APPROVAL),
            "Who has to agree before the release goes on.",
        ),
        optional(
            "matrix",
            Kind::Map(&Kind::List(&Kind::Written)),
            "Variables with their values: one build for each combination, side by side, called `<name> (<values>)`. Builds only, 50 at most.",
        ),
        optional(
            "parallel",
            Kind::List(&Kind::Object(&MEMBER)),
            "Stages that run side by side. Builds only.",
        ),
        default(
            "fail-fast",
            Kind::Flag,
            "`true`",
            "Of a matrix or a group: whether the first failure stops the others.",
        ),
        PROJECT,
        IMAGE,
        COMPUTE_KEY,
        TIMEOUT,
        RETRIES,
        RUNTIMES,
        SERVICES,
        CACHE,
        ENV,
        INSTALL,
        STAGE_STEPS,
        FINALLY,
        EXPORTS,
        REPORTS,
        PRODUCES,
        MIGRATION,
        GATES,
    ],
    example: examples::STAGE,
};

/// A stage of a group.
pub(crate) static MEMBER: Object = Object {
    name: "member",
    what: "a stage of a group",
    doc: "One of the stages in `parallel`: a build.",
    keys: &[
        required("name", STAGE_NAME, "Its name, and the state's."),
        DESCRIPTION,
        STAGE_ON,
        IN,
        PROJECT,
        IMAGE,
        COMPUTE_KEY,
        TIMEOUT,
        RETRIES,
        RUNTIMES,
        SERVICES,
        CACHE,
        ENV,
        INSTALL,
        STAGE_STEPS,
        FINALLY,
        EXPORTS,
        REPORTS,
        PRODUCES,
        MIGRATION,
        GATES,
    ],
    example: examples::PARALLEL,
};

/// A step.
pub(crate) static STEP: Object = Object {
    name: "step",
    what: "a step",
    doc: "One command, or several lines of them, run by bash. The first line that fails fails the step. A step may also be its command alone.",
    keys: &[
        required("name", Kind::Text, "Its headline in the log."),
        required("run", Kind::Text, "The commands."),
    ],
    example: examples::STAGE,
};

/// A step that deploys through CodeDeploy.
pub(crate) static CODEDEPLOY_STEP: Object = Object {
    name: "codedeploy-step",
    what: "a CodeDeploy step",
    doc: "Deploys a service on ECS or a Lambda function through AWS CodeDeploy, which moves the traffic and brings back the old version by itself when that fails. It may stand wherever steps of an environment do: among a deploy's, in `verify` or `rollback`, and in `shift` where that moves all traffic in one step. CodeDeploy knows no `$WEIGHT`, so a canary's steps are its own: a configuration such as `CodeDeployDefault.ECSCanary10Percent5Minutes` or `CodeDeployDefault.LambdaLinear10PercentEvery1Minute`, in one step, with CloudWatch alarms on the deployment group to end it; what `watch` judges comes after it. It passes when the deployment has succeeded, or on ECS when the new tasks have all traffic and only the end of the old ones is waited for, however long that takes within the stage's `timeout`; a minute before, or when the build is stopped, it stops the deployment. What an earlier build left under way is stopped first.",
    keys: &[
        default(
            "name",
            Kind::Text,
            "`CodeDeploy: <application> to <group>`",
            "Its headline in the log.",
        ),
        required(
            "codedeploy",
            Kind::Object(&CODEDEPLOY),
            "What is deployed, and how.",
        ),
    ],
    example: examples::CODEDEPLOY,
};

/// What is deployed through CodeDeploy.
pub(crate) static CODEDEPLOY: Object = Object {
    name: "codedeploy",
    what: "codedeploy",
    doc: "A deployment of CodeDeploy. Application and group are there already; the environment's build may deploy to this group and to no other. In the application specification `$NAME` and `${NAME}` stand for exported variables, such as `$IMAGE`, and `$$` for a dollar sign; a variable that is missing or empty fails the step.",
    keys: &[
        required("application", CODEDEPLOY_NAME, "The application."),
        required("group", CODEDEPLOY_NAME, "The deployment group."),
        default(
            "appspec",
            PATH,
            "`appspec.yaml`",
            "The application specification, YAML or JSON, from the folder that the steps are in.",
        ),
        default(
            "config",
            CODEDEPLOY_NAME,
            "the group's own",
            "The deployment configuration, such as `CodeDeployDefault.ECSCanary10Percent5Minutes`.",
        ),
    ],
    example: examples::CODEDEPLOY,
};

/// A variable from elsewhere.
pub(crate) static VARIABLE: Object = Object {
    name: "variable",
    what: "a variable",
    doc: "A variable whose value CodeBuild looks up where it is used. A secret never stands in a definition.",
    keys: &[
        optional(
            "secret",
            Kind::Text,
            "The name or ARN of a secret in AWS Secrets Manager; `:json-key` may follow. On the laptop stack it gets a made-up value.",
        ),
        optional(
            "parameter",
            Kind::Text,
            "The name of a parameter in AWS Systems Manager. The laptop stack knows those of the examples only.",
        ),
    ],
    example: examples::STAGE,
};

/// A service.
pub(crate) static SERVICE: Object = Object {
    name: "service",
    what: "a service",
    doc: "A server in a container beside the steps; it lives as long as the build.",
    keys: &[
        required("image", Kind::Text, "The container image, with its tag."),
        optional(
            "env",
            Kind::Map(&Kind::Written),
            "Its environment. Never a secret that matters elsewhere.",
        ),
        optional(
            "ports",
            Kind::List(&Kind::Count(1, 65_535)),
            "The ports that the steps find on localhost.",
        ),
        optional(
            "health",
            Kind::Text,
            "A command in the container that succeeds once the server is ready; the steps wait for it.",
        ),
    ],
    example: examples::STAGE,
};

/// A deploy.
pub(crate) static DEPLOY: Object = Object {
    name: "deploy",
    what: "a deploy",
    doc: "What is deployed, and where. The release first waits for the environment; what is deployed is the digest that was built, scanned and approved. A route deploys into an environment once, because there is one version to go back to: what belongs together is one deploy of several `artifacts`.",
    keys: &[
        optional("artifact", NAME, "The artifact."),
        optional(
            "artifacts",
            Kind::List(&NAME),
            "The artifacts, when it is more than one.",
        ),
        required("environment", ENVIRONMENT_NAME, "The environment."),
    ],
    example: examples::DEPLOY,
};

/// An approval.
pub(crate) static APPROVAL: Object = Object {
    name: "approval",
    what: "an approval",
    doc: "Who has to agree before the release goes on. Whoever asked for the release or wrote its commit does not count.",
    keys: &[
        required(
            "quorum",
            Kind::List(&Kind::Object(&QUORUM)),
            "Who has to agree: every line of it, with different people.",
        ),
        optional(
            "checklist",
            Kind::List(&Kind::Text),
            "What an approver confirms by approving.",
        ),
        default(
            "expires",
            Kind::Duration,
            "`3d`",
            "After how long the request expires.",
        ),
        default(
            "remind",
            Kind::Duration,
            "`4h`",
            "After how long those who have not answered are reminded.",
        ),
    ],
    example: examples::DEPLOY,
};

/// A line of a quorum.
pub(crate) static QUORUM: Object = Object {
    name: "quorum",
    what: "a line of a quorum",
    doc: "So many people of a group.",
    keys: &[
        required("group", NAME, "The group, from `approvers.yaml`."),
        default(
            "count",
            Kind::Count(1, 50),
            "`1`",
            "How many of its people.",
        ),
    ],
    example: examples::DEPLOY,
};
