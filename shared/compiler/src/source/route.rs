//! Which stages a trigger runs, as written.

use super::fields::{self, Fields};
use super::sink::{Marked, Sink};
use super::tree::{Node, Value};

/// Which stages a trigger runs, as written.
#[derive(Debug, Clone)]
pub(crate) struct RawRoute {
    pub(crate) deploy: Deploys,
    /// Exactly these.
    pub(crate) stages: Option<Vec<Marked<String>>>,
    pub(crate) skip: Vec<Marked<String>>,
}

/// The environments of a route.
#[derive(Debug, Clone)]
pub(crate) enum Deploys {
    /// All of them.
    All,
    /// These; none at all when it is empty.
    These(Vec<Marked<String>>),
}

/// The keys that say which stages run.
pub(crate) fn read(of: &Fields<'_>, sink: &Sink) -> Option<RawRoute> {
    let names = |key| of.get(key).map(|n| fields::texts(n, key, "a stage", sink));
    let (stages, skip) = (names("stages"), names("skip"));
    if let (Some(_), Some(other)) = (
        &stages,
        ["deploy", "skip"].iter().find(|key| of.get(key).is_some()),
    ) {
        let at = of.entry(other).map_or(&of.at, |(at, _)| at);
        sink.error_help(
            at,
            format!(
                "{other:?} means nothing beside \"stages\": those are exactly the stages that run"
            ),
            "keep one of them",
        );
        return None;
    }
    if let (Some(said), Some((at, _))) = (&stages, of.entry("stages"))
        && said.is_empty()
    {
        sink.error(at, "stages is empty: the release would do nothing");
        return None;
    }
    let deploy = of
        .get("deploy")
        .map_or(Some(Deploys::All), |n| deploys(n, sink));
    Some(RawRoute {
        deploy: deploy?,
        stages,
        skip: skip.unwrap_or_default(),
    })
}

fn deploys(node: &Node, sink: &Sink) -> Option<Deploys> {
    if let Value::List(items) = &node.value {
        let named = fields::texts(node, "deploy", "an environment", sink);
        if let Some(word) = named
            .iter()
            .find(|n| ["none", "all"].contains(&n.value.as_str()))
        {
            sink.error_help(
                &word.at,
                format!("{:?} stands alone", word.value),
                format!("write `deploy: {}`", word.value),
            );
            return None;
        }
        return (named.len() == items.len()).then_some(Deploys::These(named));
    }
    let said = fields::text(node, "deploy", sink)?;
    Some(match said.value.as_str() {
        "all" => Deploys::All,
        "none" => Deploys::These(Vec::new()),
        _ => Deploys::These(vec![said]),
    })
}
