//! What a release costs: Step Functions counts transitions, CodeBuild minutes.

use gatewright_compiler::compile;
use gatewright_compiler::compile::entered_on;
use gatewright_domain::pipeline::{Build, Definition, Stage, Trigger};
use serde::Serialize;
use std::collections::BTreeMap;

/// US dollars for a thousand state transitions of a Standard workflow in
/// ap-south-1, beyond the free tier (AWS Step Functions pricing, 2026).
const USD_PER_THOUSAND_TRANSITIONS: f64 = 0.0285;

/// US dollars for a minute of an on-demand Linux build (AWS `CodeBuild` pricing,
/// list prices as of 2026, beyond the free tier of 100 small minutes a month).
/// A region's own price may differ by a little; a minute that has begun counts.
const USD_PER_MINUTE: &[(&str, f64)] = &[
    ("BUILD_GENERAL1_SMALL", 0.005),
    ("BUILD_GENERAL1_MEDIUM", 0.01),
    ("BUILD_GENERAL1_LARGE", 0.02),
    ("BUILD_GENERAL1_XLARGE", 0.1),
    ("BUILD_GENERAL1_2XLARGE", 0.2),
];

/// What a release costs when every build uses up its time limit.
#[derive(Debug, Serialize)]
pub struct Cost {
    pub states: Vec<Row>,
    /// Minutes by compute type.
    pub minutes: BTreeMap<String, i64>,
    pub transitions_usd: f64,
    pub builds_usd: f64,
    pub usd: f64,
}

/// What one state costs.
#[derive(Debug, Serialize)]
pub struct Row {
    pub state: String,
    pub transitions: usize,
    pub compute: Option<String>,
    pub minutes: Option<i64>,
    pub usd: f64,
}

/// The states that a release on the route enters when all goes well, in order;
/// those of stages side by side one after the other, behind their group's.
pub fn states(definition: &Definition, route: Option<&Trigger>) -> Vec<String> {
    let rows = rows(definition, route);
    rows.into_iter().map(|row| row.state).collect()
}

/// US dollars for so many transitions.
pub fn usd_of_transitions(transitions: usize) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a machine has a few hundred states at most"
    )]
    let transitions = transitions as f64;
    transitions * USD_PER_THOUSAND_TRANSITIONS / 1000.0
}

impl Cost {
    /// Counts.
    pub fn of(definition: &Definition, route: Option<&Trigger>) -> Self {
        let states = rows(definition, route);
        let mut minutes: BTreeMap<String, i64> = BTreeMap::new();
        for row in &states {
            if let (Some(compute), Some(more)) = (&row.compute, row.minutes) {
                *minutes.entry(compute.clone()).or_default() += more;
            }
        }
        let each = minutes.iter();
        let builds_usd = each.map(|(compute, m)| usd_of_build(compute, *m)).sum();
        // One more: the start.
        let transitions_usd = usd_of_transitions(states.len() + 1);
        Self {
            states,
            minutes,
            transitions_usd,
            builds_usd,
            usd: transitions_usd + builds_usd,
        }
    }
}

fn rows(definition: &Definition, route: Option<&Trigger>) -> Vec<Row> {
    let route = route.map(|route| route.name.as_str());
    // What does not compile was refused before.
    let machine = compile(definition).ok();
    let entered = machine
        .iter()
        .flat_map(|machine| entered_on(machine, route));
    let row = |state: String| {
        let mut row = Row {
            transitions: 1,
            compute: None,
            minutes: None,
            usd: usd_of_transitions(1),
            state,
        };
        let stage = definition
            .stages
            .iter()
            .find(|s| s.name.as_str() == row.state);
        if let Some(stage) = stage {
            row.builds(stage);
        }
        row
    };
    entered.map(row).collect()
}

impl Row {
    /// With the build that the state runs.
    fn builds(&mut self, stage: &Stage) {
        let Some(Build {
            compute, timeout, ..
        }) = stage.build()
        else {
            return;
        };
        let minutes = (timeout.get() + 59) / 60;
        self.usd += usd_of_build(compute, minutes);
        self.compute = Some(compute.clone());
        self.minutes = Some(minutes);
    }
}

/// US dollars for so many minutes; nothing for a compute type without a price.
fn usd_of_build(compute: &str, minutes: i64) -> f64 {
    let known = USD_PER_MINUTE.iter().find(|(name, _)| *name == compute);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a build has 2160 minutes at most"
    )]
    let minutes = minutes as f64;
    known.map_or(0.0, |(_, usd)| usd * minutes)
}

/// `small` of `BUILD_GENERAL1_SMALL`.
pub fn short(compute: &str) -> String {
    let short = compute.strip_prefix("BUILD_GENERAL1_").unwrap_or(compute);
    short.to_ascii_lowercase()
}
