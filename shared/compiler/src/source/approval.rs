//! Approvals and quorums, as written.

use super::fields::{self, Fields};
use super::language;
use super::settings::refuse_secret;
use super::sink::{Marked, Sink, Span};
use super::tree::Node;
use super::values;
use gatewright_domain::ids::GroupName;
use gatewright_domain::pipeline::{Quorum, Seconds};

/// So many people of a group.
pub(crate) type Line = (Marked<GroupName>, u32);

/// The lines of a quorum, as the rest of Gatewright knows them.
pub(crate) fn lowered(lines: &[Line]) -> Vec<Quorum> {
    lines
        .iter()
        .map(|(group, count)| Quorum {
            group: group.value.clone(),
            count: *count,
        })
        .collect()
}

/// An approval as written.
#[derive(Debug)]
pub(crate) struct RawApproval {
    /// The lines of the quorum, at the place of all of it.
    pub(crate) quorum: Marked<Vec<Line>>,
    pub(crate) checklist: Vec<String>,
    pub(crate) expires: Seconds,
    pub(crate) remind: Seconds,
}

/// Nobody should have to answer on a Sunday; after three days the question is
/// stale.
const EXPIRES: Seconds = Seconds(3 * 86_400);
/// Half a working day.
const REMIND: Seconds = Seconds(4 * 3_600);

/// Reads the approval of the stage `of`.
pub(crate) fn read(of: &Fields<'_>, key: &Span, node: &Node, sink: &Sink) -> Option<RawApproval> {
    for name in of.keys() {
        let word = name.value.as_str();
        if language::BUILD_KEYS.contains(&word) || language::SETTINGS_KEYS.contains(&word) {
            sink.error(
                &name.at,
                format!("{word:?} means nothing here: a stage that asks people runs no build"),
            );
        }
    }
    if of.get("environment").is_none() {
        sink.error_help(
            key,
            "an approval needs an \"environment\": what it lets the release change",
            "add it to the stage, beside \"approval\"",
        );
    }
    let approval = Fields::of(node, key, &language::APPROVAL, sink)?;
    let lasts = |key: &'static str, default| {
        approval.get(key).map_or(Some(default), |n| {
            Some(values::duration(n, key, sink)?.value)
        })
    };
    let (expires, remind) = (lasts("expires", EXPIRES), lasts("remind", REMIND));
    let checklist = approval
        .get("checklist")
        .map(|n| fields::texts(n, "checklist", "a point of the checklist", sink))
        .unwrap_or_default();
    checklist
        .iter()
        .for_each(|point| refuse_secret(point, sink));
    approval.required("quorum")?;
    let (at, lines) = approval.entry("quorum")?;
    let quorum = quorum(at, lines, sink)?;
    if let (Some((at, _)), Some(expires), Some(remind)) =
        (approval.entry("remind"), expires, remind)
        && remind >= expires
    {
        sink.warn(
            at,
            "nobody is reminded: the request expires before",
            "remind earlier than it expires",
        );
    }
    Some(RawApproval {
        quorum,
        checklist: checklist.into_iter().map(|c| c.value).collect(),
        expires: expires?,
        remind: remind?,
    })
}

/// The lines of a quorum; `at` is its key.
pub(crate) fn quorum(at: &Span, node: &Node, sink: &Sink) -> Option<Marked<Vec<Line>>> {
    let items = fields::list(node, "quorum", sink)?;
    if items.is_empty() {
        sink.error_help(
            at,
            "the quorum is empty: nobody would have to agree",
            "name who must: `quorum: [{ group: NAME, count: 1 }]`",
        );
    }
    let lines = items.iter().filter_map(|item| {
        let line = Fields::of(item, &item.at, &language::QUORUM, sink)?;
        let group = line
            .required("group")
            .and_then(|n| fields::id(n, "group", sink));
        let count = line
            .get("count")
            .map_or(Some(1), |n| fields::count(n, "count", 1..=50, sink));
        Some((group?, count?))
    });
    Some(Marked::new(lines.collect(), at))
}
