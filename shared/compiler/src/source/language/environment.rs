//! Environments, and how new versions get into them.

use super::{Kind, NAME, Object, QUORUM, STEPS, default, examples, optional, required};

/// The units that are converted.
pub(crate) const UNITS: &[&str] = &["seconds"];

/// The strategies that need no more than a word.
pub(crate) const STRATEGIES: &[&str] = &["direct", "rolling"];
/// Who comes next.
pub(crate) const QUEUES: &[&str] = &["in-order", "newest"];
/// The metrics that can be watched.
pub(crate) const METRICS: &[&str] = &["error-rate", "latency-p90", "latency-p99", "health"];
/// The days of a week.
pub(crate) const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const STATISTIC: &str = "^(Average|Minimum|Maximum|Sum|SampleCount|p[0-9]{1,2}(\\.[0-9]{1,2})?)$";
const TIME: Kind = Kind::Form("^([01][0-9]|2[0-3]):[0-5][0-9]$", "a time, `HH:MM`");

/// An environment.
pub(crate) static ENVIRONMENT: Object = Object {
    name: "environment",
    what: "an environment",
    doc: "Where artifacts are deployed. The order of the environments is the order of promotion. Everything that works in an environment runs in its own CodeBuild project, with that environment's rights and no other's. From the first stage of a release that changes the environment, a deploy or a `migration`, until the last one that works there, the release has it to itself. A build before that, such as one that makes a plan, waits for nobody and must change nothing.",
    keys: &[
        optional("description", Kind::Text, "What it is for."),
        optional(
            "cluster",
            Kind::Text,
            "The cluster, for the steps: `$CLUSTER`.",
        ),
        optional(
            "namespace",
            Kind::Text,
            "The namespace in it, for the steps: `$NAMESPACE`.",
        ),
        optional(
            "role",
            Kind::Text,
            "The IAM role that deploys assume, where it is not the project's own.",
        ),
        optional("url", Kind::Text, "Where people find it."),
        optional("data", Kind::Text, "What kind of data it holds."),
        optional(
            "access",
            Kind::List(&Kind::Text),
            "Who may get in, for people to read: IAM and the cluster decide it.",
        ),
        default(
            "protected",
            Kind::Flag,
            "`true` when the name sounds like production",
            "Changing it needs an approval: a route that changes it without one is refused.",
        ),
        default(
            "lease",
            Kind::Duration,
            "`2h`",
            "How long a release may hold it before somebody looks whether the release still lives.",
        ),
        default(
            "strategy",
            Kind::Either(&[Kind::Word(STRATEGIES), Kind::Object(&STRATEGY)]),
            "`direct`",
            "How a new version takes over: `direct`, `rolling` (as the platform does it), or beside the old one.",
        ),
        optional(
            "verify",
            Kind::Either(&[Kind::Word(&["none"]), STEPS]),
            "Steps that run after every deploy's own, in the same build, and after a way back. Where a strategy puts the new version beside the old one, they look at the new one before it gets traffic, and `rollback` has a `verify` of its own. `none` says that nothing verifies a deploy, on purpose.",
        ),
        optional(
            "smoke",
            STEPS,
            "Steps that run after every deploy, as a stage of their own: `<deploy>: smoke test`; also after a rollback by hand, but where a strategy puts the new version beside the old one: there they test the new one before it gets traffic.",
        ),
        default(
            "rollback",
            Kind::Either(&[
                Kind::Word(&["automatic", "manual"]),
                Kind::Object(&ROLLBACK),
            ]),
            "`manual`",
            "What happens when a change of it fails.",
        ),
        optional(
            "windows",
            Kind::List(&Kind::Object(&WINDOW)),
            "When it may be changed. A deploy that comes at another time waits for the next one to open; whoever may break the glass lets it pass. Freezes are no part of a definition: they are orders, `gatewright freeze`, once, each week or each year.",
        ),
        optional(
            "soak",
            Kind::Duration,
            "How long an artifact must have run in the environment before this one: the same digests, without something else in between, put there by a release that passed all its stages there. A deploy that comes too early waits; one of what never ran there is refused. With `0s` it only has to have passed there. Rollbacks are exempt.",
        ),
        default(
            "queue",
            Kind::Word(QUEUES),
            "`in-order`",
            "Who comes next when several releases wait for it: each in its turn, or the `newest`, and older ones that still wait end as superseded. A rollback always comes first. In a protected environment no release replaces what a newer one put there, whatever this says.",
        ),
        default(
            "wait",
            Kind::Duration,
            "`1d`, with windows `8d`, and the soak time",
            "How long a release waits for it at most: for other releases, windows, freezes, holds and soak times. Then it ends.",
        ),
        optional(
            "manual",
            Kind::Map(&Kind::List(&Kind::Text)),
            "What people do here by hand when nothing else helps: commands by what they are for. Nothing runs them; `gatewright runbook` prints them with `$CLUSTER`, `$NAMESPACE` and the like filled in.",
        ),
    ],
    example: examples::ENVIRONMENT,
};

/// A strategy.
pub(crate) static STRATEGY: Object = Object {
    name: "strategy",
    what: "a strategy",
    doc: "A new version beside the old one. The deploy's own steps put it there without traffic. Then follow, each as a stage of its own: `<deploy>: smoke test`, `<deploy>: 5 %`, `<deploy>: watch 5 %`, and so on; after a blue-green switch `<deploy>: watch 100 %`, `<deploy>: keep the old` and `<deploy>: retire the old`.",
    keys: &[
        optional(
            "blue-green",
            Kind::Object(&BLUE_GREEN),
            "The old version stays until the new one has proved itself.",
        ),
        optional(
            "canary",
            Kind::Object(&CANARY),
            "The traffic moves in steps. Without it, all of it moves at once.",
        ),
        required(
            "shift",
            STEPS,
            "Commands that give the new version `$WEIGHT` percent of the traffic.",
        ),
        optional(
            "retire",
            STEPS,
            "Commands that scale the old version down; blue-green only. What fails here undoes nothing, because the new version has proved itself: the release ends `failed-clean`, and the new version runs.",
        ),
        optional(
            "watch",
            Kind::List(&Kind::Object(&WATCH)),
            "What is judged in each pause with a share of the traffic. What fails leads to the rollback; what does not tell pauses the release and asks one person of each group that approves changes of the environment. Without it the pauses only pass.",
        ),
        default(
            "warm-up",
            Kind::Duration,
            "`1m`",
            "How much of each pause, at its beginning, does not count.",
        ),
        default(
            "decide-within",
            Kind::Duration,
            "`1h`",
            "How long people have when the numbers do not tell; after that, it counts as a failure.",
        ),
    ],
    example: examples::STRATEGY,
};

/// Blue-green.
pub(crate) static BLUE_GREEN: Object = Object {
    name: "blue-green",
    what: "blue-green",
    doc: "Two versions side by side, one of which has the traffic.",
    keys: &[
        optional(
            "preview",
            Kind::Text,
            "What leads to the new version before the switch, for the steps: `$PREVIEW`.",
        ),
        optional(
            "active",
            Kind::Text,
            "What leads to the version with the traffic, for the steps: `$ACTIVE`.",
        ),
        default(
            "watch",
            Kind::Duration,
            "`5m`",
            "How long the new version is watched after the switch.",
        ),
        default(
            "keep",
            Kind::Duration,
            "`10m`",
            "How long the old version stays after that.",
        ),
    ],
    example: examples::STRATEGY,
};

/// Canary.
pub(crate) static CANARY: Object = Object {
    name: "canary",
    what: "a canary",
    doc: "A growing share of the traffic.",
    keys: &[
        required(
            "steps",
            Kind::List(&Kind::Count(1, 100)),
            "The percentages, rising, 100 at the end.",
        ),
        default(
            "pause",
            Kind::Duration,
            "`10m`",
            "How long each share is watched.",
        ),
    ],
    example: examples::STRATEGY,
};

/// A metric.
pub(crate) static WATCH: Object = Object {
    name: "watch",
    what: "a metric",
    doc: "A number, or an alarm, that says whether the new version does well. Each minute CloudWatch is asked for the numbers since the warm-up: a sample a minute. Two samples beyond the limit, or an alarm in `ALARM`, fail at once; at the end their mean decides. It takes four of five samples, and the newest: a version that crashed falls silent. Fewer, or an alarm that is not `OK`, tell nothing: after two more minutes for what comes late, people are asked. During the warm-up nothing is judged, alarms neither.",
    keys: &[
        required(
            "metric",
            Kind::Word(METRICS),
            "`error-rate` in percent, `latency-p90` or `latency-p99` in milliseconds, or `health`.",
        ),
        optional(
            "at-most",
            Kind::Number,
            "The most that passes, with at most six decimals.",
        ),
        optional(
            "new",
            NUMBER,
            "Where the new version's number is in CloudWatch.",
        ),
        optional(
            "old",
            NUMBER,
            "Where the old version's number is, to compare with in the same minutes: in the same unit, with the same statistic. Only where the new version has a share of the traffic first: blue-green without a canary has nothing to compare with.",
        ),
        optional(
            "at-most-times-old",
            Kind::Number,
            "How many times the old version's mean still passes. Missing numbers of the old version tell nothing; where its mean is 0, and while the new version has all of the traffic, `at-most` decides alone.",
        ),
        optional(
            "alarm",
            Kind::Text,
            "Instead of numbers: the name of the CloudWatch alarm that must be `OK`.",
        ),
    ],
    example: examples::STRATEGY,
};

/// Where a number is.
const NUMBER: Kind = Kind::Either(&[Kind::Object(&SERIES), Kind::Object(&RATE)]);

/// How many of what was counted.
pub(crate) static RATE: Object = Object {
    name: "rate",
    what: "a rate",
    doc: "An `error-rate` of two things that CloudWatch counts: each minute, how many percent the one is of the other. AWS's own metrics count errors only when there are some, so that a missing count is 0 wherever there is a count of everything; a minute in which nothing was asked for has no rate.",
    keys: &[
        required(
            "of",
            Kind::Object(&SERIES),
            "The errors: `HTTPCode_Target_5XX_Count` of a load balancer, `Errors` of a function.",
        ),
        required(
            "per",
            Kind::Object(&SERIES),
            "Everything: `RequestCount`, `Invocations`.",
        ),
    ],
    example: examples::WATCH,
};

/// A metric in CloudWatch.
pub(crate) static SERIES: Object = Object {
    name: "series",
    what: "a series",
    doc: "A metric in CloudWatch, in the pipeline's region: an error rate in percent, a latency in milliseconds. AWS's own metrics are often in other units, and known ones are refused as they are.",
    keys: &[
        required("namespace", Kind::Text, "Its namespace."),
        required("name", Kind::Text, "Its name."),
        default(
            "statistic",
            Kind::Form(STATISTIC, "a statistic"),
            "`Average`; `p90` and `p99` for latencies, `Sum` in a rate",
            "What a minute's numbers are summed up to.",
        ),
        optional(
            "unit",
            Kind::Word(UNITS),
            "Of a latency that is measured in seconds, such as a load balancer's `TargetResponseTime`: it is converted.",
        ),
        optional(
            "dimensions",
            Kind::Map(&Kind::Written),
            "Its dimensions, all of them: CloudWatch knows a metric by them.",
        ),
    ],
    example: examples::WATCH,
};

/// Going back.
pub(crate) static ROLLBACK: Object = Object {
    name: "rollback",
    what: "a rollback",
    doc: "Going back to what ran before. Automatic: whatever fails after a deploy into the environment began, until the release works somewhere else, leads to the stage `<deploy>: roll back`, which runs from the commit of what ran before. So does a `reversible` migration of its own stage ahead of the deploy; one that passed needs no way back as long as the deploy has not begun. The first deploy into an environment has nothing to go back to: when it fails, the release ends `failed-dirty`. An approval that is rejected undoes nothing. Nothing is undone by itself after a `forward-only` migration of the same release: it then ends `failed-dirty`. By hand: `gatewright rollback ID ENVIRONMENT --reason TEXT`; where it asks for a quorum, its approval expires after an hour. What was taken back stays back until somebody lifts that.",
    keys: &[
        default(
            "automatic",
            Kind::Flag,
            "`false`",
            "Whether a change that fails is undone at once.",
        ),
        optional(
            "steps",
            STEPS,
            "The commands that go back; without them the deploy's own run again, with what ran before. A `strategy` needs them, and the same steps serve both cases: within a rollout, when the old version still stands, and by hand days later, when it is long gone. So they first put what ran before there again (`$IMAGE` is its digest), which changes nothing where it still runs, and then give it the traffic.",
        ),
        optional(
            "verify",
            Kind::Either(&[Kind::Word(&["none"]), STEPS]),
            "Steps that run after `steps`, in the same build, and look whether what ran before serves again. Without them the environment's `verify` does, but not with a `strategy`, whose `verify` looks at the version beside.",
        ),
        optional(
            "by",
            Kind::List(&NAME),
            "The groups that may ask for it by hand; without it, those who approve changes.",
        ),
        optional(
            "quorum",
            Kind::List(&Kind::Object(&QUORUM)),
            "Who has to agree when it is done by hand; nobody when it is left out.",
        ),
    ],
    example: examples::ROLLBACK,
};

/// A maintenance window.
pub(crate) static WINDOW: Object = Object {
    name: "window",
    what: "a window",
    doc: "A time in the week in which an environment may be changed, by the wall clock of its time zone: a window from two to four is one from two to four in summer and in winter. What is under way when it closes goes on to its end.",
    keys: &[
        required(
            "days",
            Kind::List(&Kind::Word(DAYS)),
            "The days on which it opens.",
        ),
        required("from", TIME, "When it opens."),
        required(
            "to",
            TIME,
            "When it closes; on the next day when that is not after `from`.",
        ),
        default(
            "time-zone",
            Kind::Text,
            "`UTC`",
            "The IANA time zone of both.",
        ),
        default(
            "rollbacks",
            Kind::Flag,
            "`false`",
            "Whether rollbacks have to wait for a window too. One window that says so is enough.",
        ),
    ],
    example: examples::WINDOW,
};
