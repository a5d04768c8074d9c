//! How a new version takes over, as written.

use super::build::steps;
use super::fields::{self, Fields};
use super::language;
use super::sink::{Sink, Span};
use super::tree::{Node, Value};
use super::values;
use super::watch::{self, Watched};
use gatewright_domain::pipeline::{Seconds, Step, Strategy, StrategyKind};

/// What `strategy` says.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// What the rest of Gatewright knows of it.
    pub(crate) strategy: Option<Strategy>,
    /// What stages are made from.
    pub(crate) takeover: Option<Takeover>,
}

/// A new version beside the old one.
#[derive(Debug, Clone)]
pub(crate) struct Takeover {
    /// The percentages of traffic, 100 at the end.
    pub(crate) percents: Vec<u32>,
    /// How long each but the last is watched.
    pub(crate) pause: Seconds,
    /// How the old version goes, where it stays at first.
    pub(crate) blue_green: Option<BlueGreen>,
    /// Commands that move the traffic.
    pub(crate) shift: Vec<Step>,
    /// Commands that scale the old version down.
    pub(crate) retire: Vec<Step>,
    /// What is judged while it is watched, where anything is.
    pub(crate) watched: Option<Watched>,
}

/// Blue-green, as written.
#[derive(Debug, Clone)]
pub(crate) struct BlueGreen {
    pub(crate) preview: Option<String>,
    pub(crate) active: Option<String>,
    pub(crate) watch: Seconds,
    pub(crate) keep: Seconds,
}

const WATCH: Seconds = Seconds(5 * 60);
const KEEP: Seconds = Seconds(10 * 60);
const PAUSE: Seconds = Seconds(10 * 60);

/// Reads the strategy of the environment `of`.
pub(crate) fn read(of: &Fields<'_>, sink: &Sink) -> Taken {
    let Some((at, node)) = of.entry("strategy") else {
        return Taken {
            strategy: Some(Strategy::default()),
            ..Taken::default()
        };
    };
    if matches!(node.value, Value::Map(_)) {
        return taken(at, node, sink);
    }
    Taken {
        strategy: word(node, sink),
        ..Taken::default()
    }
}

fn word(node: &Node, sink: &Sink) -> Option<Strategy> {
    if let Value::Text(word) = &node.value
        && ["blue-green", "canary"].contains(&word.as_str())
    {
        sink.error_help(
            &node.at,
            format!("{word} needs more than a word: the commands that shift the traffic"),
            match word.as_str() {
                "canary" => "write `strategy: { canary: { steps: [10, 50, 100] }, shift: [COMMAND with $WEIGHT] }`",
                _ => "write `strategy: { blue-green: { watch: 5m }, shift: [COMMAND] }`",
            },
        );
        return None;
    }
    let word = fields::one_of(node, "strategy", language::STRATEGIES, sink)?;
    let kind = match word.value {
        "rolling" => StrategyKind::Rolling,
        _ => StrategyKind::Direct,
    };
    Some(Strategy {
        kind,
        ..Strategy::default()
    })
}

fn taken(at: &Span, node: &Node, sink: &Sink) -> Taken {
    let Some(of) = Fields::of(node, at, &language::STRATEGY, sink) else {
        return Taken::default();
    };
    let blue_green = of
        .entry("blue-green")
        .map(|(at, node)| blue_green(at, node, sink));
    let canary = of.entry("canary").map(|(at, node)| canary(at, node, sink));
    let kind = match (&blue_green, &canary) {
        (Some(_), Some(_)) => Some(StrategyKind::BlueGreenCanary),
        (Some(_), None) => Some(StrategyKind::BlueGreen),
        (None, Some(_)) => Some(StrategyKind::Canary),
        // Which one it was to be is said where it is misspelt.
        (None, None)
            if ["blue-green", "canary"]
                .iter()
                .any(|key| of.is_misspelt(key)) =>
        {
            None
        }
        (None, None) => {
            sink.error_help(
                at,
                "this strategy is none: it has neither \"blue-green\" nor \"canary\"",
                "for what needs no more, write `strategy: direct` or `strategy: rolling`",
            );
            None
        }
    };
    let shift = of.required("shift").map(|n| steps(n, "shift", sink));
    let retire = of.entry("retire").map(|(at, node)| {
        if blue_green.is_none() && !of.is_misspelt("blue-green") {
            sink.error_help(
                at,
                "retire means nothing here: without \"blue-green\" no old version is kept",
                "remove it, or add `blue-green: { keep: 10m }`",
            );
        }
        steps(node, "retire", sink)
    });
    let (percents, pause) = match canary {
        Some(canary) => canary.unzip(),
        None => (Some(vec![100]), Some(PAUSE)),
    };
    if let (Some(percents), Some((at, _)), Some(shift)) = (&percents, of.entry("shift"), &shift) {
        all_at_once(percents, at, shift, sink);
    }
    // What cannot be read may be the pause that is missing.
    let unclear = percents.is_none()
        || matches!(blue_green, Some(None))
        || ["blue-green", "canary"]
            .iter()
            .any(|key| of.is_misspelt(key));
    let blue_green = blue_green.flatten();
    let pauses = (!unclear).then(|| pauses(percents.as_deref(), pause, blue_green.as_ref()));
    let watched = watch::read(&of, pauses.as_deref(), sink);
    let watch = watched.as_ref().map(|w| w.watch.clone());
    let strategy = kind.zip(percents.clone()).map(|(kind, steps)| Strategy {
        kind,
        steps,
        watch: watch.unwrap_or_default(),
    });
    let takeover = percents
        .zip(pause)
        .zip(shift)
        .map(|((percents, pause), shift)| Takeover {
            percents,
            pause,
            blue_green,
            shift,
            retire: retire.unwrap_or_default(),
            watched,
        });
    Taken { strategy, takeover }
}

/// CodeDeploy moves the traffic as its configuration says, whatever `$WEIGHT` is:
/// the first step of several would move all of it.
fn all_at_once(percents: &[u32], at: &Span, shift: &[Step], sink: &Sink) {
    let deploys = shift.iter().any(|step| step.codedeploy.is_some());
    if let ([first, _, ..], true) = (percents, deploys) {
        sink.error_help(
            at,
            format!(
                "CodeDeploy knows no $WEIGHT: the step of {first} % would move all that its configuration moves"
            ),
            "let CodeDeploy take the steps: a deploy without `strategy`, with a `config` such as CodeDeployDefault.ECSCanary10Percent5Minutes and alarms on the deployment group; with `blue-green` and no `canary`, `watch` judges after it",
        );
    }
}

/// How long each share of the traffic is left for a while: the canary's but the
/// last, and all of it after a blue-green switch.
fn pauses(
    percents: Option<&[u32]>,
    pause: Option<Seconds>,
    blue_green: Option<&BlueGreen>,
) -> Vec<Seconds> {
    let shares = percents.is_some_and(|percents| percents.len() > 1);
    let canary = pause.filter(|_| shares);
    canary
        .into_iter()
        .chain(blue_green.map(|said| said.watch))
        .collect()
}

fn blue_green(at: &Span, node: &Node, sink: &Sink) -> Option<BlueGreen> {
    let of = Fields::of(node, at, &language::BLUE_GREEN, sink)?;
    let say = |key| {
        of.get(key)
            .and_then(|n| fields::text(n, key, sink))
            .map(|said| said.value)
    };
    let lasts = |key, default| {
        of.get(key).map_or(Some(default), |n| {
            values::duration(n, key, sink).map(|d| d.value)
        })
    };
    let (watch, keep) = (lasts("watch", WATCH), lasts("keep", KEEP));
    Some(BlueGreen {
        preview: say("preview"),
        active: say("active"),
        watch: watch?,
        keep: keep?,
    })
}

fn canary(at: &Span, node: &Node, sink: &Sink) -> Option<(Vec<u32>, Seconds)> {
    let of = Fields::of(node, at, &language::CANARY, sink)?;
    let pause = of.get("pause").map_or(Some(PAUSE), |n| {
        values::duration(n, "pause", sink).map(|d| d.value)
    });
    let (key, node) = (of.required("steps")?, of.entry("steps")?.0);
    let items = fields::list(key, "steps", sink)?;
    let percents: Vec<u32> = items
        .iter()
        .filter_map(|n| fields::count(n, "a step of a canary", 1..=100, sink))
        .collect();
    if percents.len() < items.len() {
        return None;
    }
    if !percents.is_sorted_by(|a, b| a < b) || percents.last() != Some(&100) {
        let shown: Vec<String> = percents.iter().map(u32::to_string).collect();
        sink.error_help(
            node,
            format!(
                "a canary's steps rise to 100 percent, and these are {}",
                if shown.is_empty() {
                    "none".to_owned()
                } else {
                    shown.join(", ")
                }
            ),
            "for instance [5, 25, 100]; after the last the new version has all traffic",
        );
        return None;
    }
    Some((percents, pause?))
}
