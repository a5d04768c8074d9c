//! Environments, as written.

use super::approval::{self, Line, lowered};
use super::build::steps;
use super::by_hand;
use super::fields::{self, Fields};
use super::language;
use super::sink::{Marked, Sink, Span};
use super::strategy::{self, Takeover};
use super::tree::{Node, Value};
use super::{time, values};
use gatewright_domain::ids::{EnvironmentName, GroupName};
use gatewright_domain::pipeline::{Environment, Queue, Seconds, Step, Undo, Window};

/// An environment as written: what the rest of Gatewright knows of it, and what
/// the compiler makes stages from.
#[derive(Debug)]
pub(crate) struct RawEnvironment {
    pub(crate) name: EnvironmentName,
    pub(crate) environment: Environment,
    /// How a new version takes over, where it is beside the old one first.
    pub(crate) takeover: Option<Takeover>,
    pub(crate) verify: Verify,
    pub(crate) smoke: Vec<Step>,
    /// What looks whether it went back, where `rollback` has steps of its own.
    pub(crate) verify_back: Verify,
    /// Where `rollback` is.
    pub(crate) rollback_at: Option<Span>,
    /// Where `soak` is.
    pub(crate) soak_at: Option<Span>,
    /// The groups that may ask for a rollback, with their places.
    pub(crate) groups: Vec<Marked<GroupName>>,
    /// Who has to agree to a rollback by hand.
    pub(crate) quorum: Option<Marked<Vec<Line>>>,
}

/// What looks whether a deploy did what it should.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Nobody says.
    #[default]
    Unsaid,
    /// Nothing does, on purpose.
    Nothing,
    /// These steps, after a deploy's own.
    Steps(Vec<Step>),
}

impl Verify {
    /// The steps, if there are some.
    pub(crate) fn steps(&self) -> &[Step] {
        match self {
            Self::Steps(steps) => steps,
            Self::Unsaid | Self::Nothing => &[],
        }
    }
}

/// After two hours without a sign of life a lock counts as abandoned: longer
/// than any deploy should take, shorter than a night.
const LEASE: Seconds = Seconds(2 * 3_600);

/// Reads one entry of `environments`.
pub(crate) fn read(key: &Marked<String>, node: &Node, sink: &Sink) -> Option<RawEnvironment> {
    let name = fields::parsed::<EnvironmentName>(key, sink);
    let of = Fields::of(node, &key.at, &language::ENVIRONMENT, sink)?;
    let say = |key| {
        of.get(key)
            .and_then(|n| fields::text(n, key, sink))
            .map(|said| said.value)
    };
    let protected = of.get("protected").map_or_else(
        || Some(sounds_like_production(&key.value)),
        |node| fields::flag(node, "protected", sink),
    );
    let lasts = |key| {
        of.get(key)
            .map(|n| values::duration(n, key, sink).map(|d| d.value))
    };
    let lease = lasts("lease").unwrap_or(Some(LEASE));
    let soak = of
        .get("soak")
        .map(|n| values::perhaps_none(n, "soak", sink).map(|d| d.value));
    let taken = strategy::read(&of, sink);
    let verify = self::verify(&of, sink);
    let smoke = of.get("smoke").map(|n| steps(n, "smoke", sink));
    let mut back = rollback(&of, sink);
    // A strategy's `verify` looks at the version beside, which a way back removes.
    let looks_there = taken.takeover.is_some() && verify != Verify::Nothing;
    if back.verify == Verify::Unsaid && !looks_there {
        back.verify = verify.clone();
    }
    let windows = of
        .get("windows")
        .map(|n| windows(n, sink))
        .unwrap_or_default();
    let queue = of.get("queue").map_or(Some(Queue::InOrder), |node| {
        let word = fields::one_of(node, "queue", language::QUEUES, sink)?;
        Some(match word.value {
            "newest" => Queue::Newest,
            _ => Queue::InOrder,
        })
    });
    let wait = wait(&of, &windows, soak.flatten(), sink);
    Some(RawEnvironment {
        name: name?.value,
        environment: Environment {
            description: say("description").unwrap_or_default(),
            cluster: say("cluster"),
            namespace: say("namespace"),
            role: say("role"),
            url: say("url"),
            data: say("data"),
            access: of
                .get("access")
                .map(|n| fields::texts(n, "access", "a word of access", sink))
                .unwrap_or_default()
                .into_iter()
                .map(|said| said.value)
                .collect(),
            protected: protected?,
            lease: lease?,
            strategy: taken.strategy?,
            rollback: with_verify(back.undo?, &back.verify),
            windows,
            soak: soak.flatten(),
            queue: queue?,
            wait: wait?,
            manual: by_hand::read(&of, sink),
        },
        takeover: taken.takeover,
        verify,
        smoke: smoke.unwrap_or_default(),
        verify_back: back.verify,
        rollback_at: of.entry("rollback").map(|(at, _)| at.clone()),
        soak_at: of.entry("soak").map(|(at, _)| at.clone()),
        groups: back.by,
        quorum: back.quorum,
    })
}

/// Whether a name means production. `pre-production` does too: somebody who
/// means otherwise says `protected: false`.
fn sounds_like_production(name: &str) -> bool {
    name.split('-')
        .any(|part| ["prod", "production", "prd", "live"].contains(&part))
}

/// How long a release waits: a day; more where it must wait for a window, which may
/// open once a week, or for its soak time.
fn wait(
    of: &Fields<'_>,
    windows: &[Window],
    soak: Option<Seconds>,
    sink: &Sink,
) -> Option<Seconds> {
    let soak = soak.map_or(0, |soak| soak.0);
    let Some((at, node)) = of.entry("wait") else {
        let days = if windows.is_empty() { 1 } else { 8 };
        let usual = Environment::a_day().0.saturating_mul(days);
        return Some(Seconds(usual.saturating_add(soak).min(Seconds::YEAR.0)));
    };
    let said = values::duration(node, "wait", sink)?.value;
    if said.0 <= soak {
        sink.error_help(
            at,
            "a release would be given up before its soak time is over",
            format!(
                "wait longer than `soak`, for instance {}",
                spoken_hours(soak)
            ),
        );
        return None;
    }
    Some(said)
}

/// A time that is longer than these seconds, as one writes it.
fn spoken_hours(seconds: u32) -> String {
    format!("{}h", seconds / 3_600 + 24)
}

fn verify(of: &Fields<'_>, sink: &Sink) -> Verify {
    match of.get("verify") {
        None => Verify::Unsaid,
        Some(node) if matches!(&node.value, Value::Text(word) if word == "none") => Verify::Nothing,
        Some(node) => Verify::Steps(steps(node, "verify", sink)),
    }
}

/// Steps of its own that go back are looked at in the same build.
fn with_verify(mut rollback: Undo, verify: &Verify) -> Undo {
    if !rollback.steps.is_empty() {
        rollback.steps.extend_from_slice(verify.steps());
    }
    rollback
}

/// A rollback as written.
#[derive(Default)]
struct RawRollback {
    undo: Option<Undo>,
    verify: Verify,
    by: Vec<Marked<GroupName>>,
    quorum: Option<Marked<Vec<Line>>>,
}

fn rollback(of: &Fields<'_>, sink: &Sink) -> RawRollback {
    let Some((at, node)) = of.entry("rollback") else {
        return RawRollback {
            undo: Some(Undo::default()),
            ..RawRollback::default()
        };
    };
    if !matches!(node.value, Value::Map(_)) {
        let word = fields::one_of(node, "rollback", &["automatic", "manual"], sink);
        return RawRollback {
            undo: word.map(|word| Undo {
                automatic: word.value == "automatic",
                ..Undo::default()
            }),
            ..RawRollback::default()
        };
    }
    let Some(of) = Fields::of(node, at, &language::ROLLBACK, sink) else {
        return RawRollback::default();
    };
    let automatic = of
        .get("automatic")
        .map_or(Some(false), |n| fields::flag(n, "automatic", sink));
    let by: Vec<Marked<GroupName>> = of
        .get("by")
        .and_then(|n| fields::list(n, "by", sink))
        .unwrap_or_default()
        .iter()
        .filter_map(|n| fields::id::<GroupName>(n, "a group", sink))
        .collect();
    let quorum = of
        .entry("quorum")
        .and_then(|(at, node)| approval::quorum(at, node, sink));
    if let (Some((at, _)), None) = (of.entry("verify"), of.get("steps")) {
        sink.error_help(
            at,
            "verify means nothing here: without \"steps\" the deploy's own go back, and the environment's `verify` looks at them",
            "remove it, or say how to go back: `steps: [COMMAND]`",
        );
    }
    let undo = automatic.map(|automatic| Undo {
        automatic,
        steps: of
            .get("steps")
            .map(|n| steps(n, "steps", sink))
            .unwrap_or_default(),
        by: by.iter().map(|group| group.value.clone()).collect(),
        quorum: quorum.iter().flat_map(|q| lowered(&q.value)).collect(),
    });
    RawRollback {
        undo,
        verify: verify(&of, sink),
        by,
        quorum,
    }
}

fn windows(node: &Node, sink: &Sink) -> Vec<Window> {
    let items = fields::list(node, "windows", sink).unwrap_or_default();
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        sink.error_help(
            &node.at,
            "windows is empty: nothing could ever be deployed",
            "name a window, or leave `windows` out: then there is none",
        );
    }
    items.iter().filter_map(|item| window(item, sink)).collect()
}

fn window(node: &Node, sink: &Sink) -> Option<Window> {
    let of = Fields::of(node, &node.at, &language::WINDOW, sink)?;
    let days: Option<Vec<String>> = of
        .required("days")
        .and_then(|n| fields::list(n, "days", sink))
        .and_then(|items| {
            items
                .iter()
                .map(|n| fields::one_of(n, "a day", language::DAYS, sink))
                .map(|day| day.map(|day| day.value.to_owned()))
                .collect()
        });
    if days.as_ref().is_some_and(Vec::is_empty) {
        sink.error(&node.at, "days is empty: the window never opens");
    }
    let at = |key| of.required(key).and_then(|n| time::of_day(n, key, sink));
    let (from, to) = (at("from"), at("to"));
    let time_zone = time::zone(&of, sink);
    let rollbacks = of
        .get("rollbacks")
        .map_or(Some(false), |n| fields::flag(n, "rollbacks", sink));
    Some(Window {
        days: days?,
        from: from?,
        to: to?,
        time_zone: time_zone?,
        rollbacks: rollbacks?,
    })
}
