//! What surrounds the stages of a plan: groups, environments, and what the
//! definition says without anybody enforcing it yet.

use crate::words::window;
use gatewright_domain::pipeline::{
    Definition, Environment, Group as Defined, GroupKind, Purpose, StrategyKind, Trigger,
};
use gatewright_domain::text::spoken;
use gatewright_domain::{EnvironmentName, StageName};
use serde::Serialize;

/// Stages that run side by side.
#[derive(Debug, Serialize)]
pub struct Group {
    pub name: String,
    pub kind: GroupKind,
    pub stages: Vec<String>,
    pub fail_fast: bool,
}

/// An environment that the route works in.
#[derive(Debug, Serialize)]
pub struct Around {
    pub name: String,
    pub protected: bool,
    pub strategy: String,
    pub rollback: &'static str,
    pub windows: Vec<String>,
    pub soak_seconds: Option<i64>,
    /// Of a rollback: what it need not wait for is not among the rest.
    #[serde(skip)]
    goes_back: bool,
}

/// Something that the definition says and nothing enforces yet.
#[derive(Debug, Serialize)]
pub struct Unenforced {
    pub feature: &'static str,
    pub place: String,
    pub protected: bool,
    pub accepted: bool,
    pub instead: &'static str,
}

/// The groups on the route, with those of their stages that are on it.
pub fn groups(definition: &Definition, route: Option<&Trigger>) -> Vec<Group> {
    let runs = |stage: &&StageName| route.is_none_or(|route| route.runs(stage));
    let group = |group: &Defined| Group {
        name: group.name.to_string(),
        kind: group.kind,
        stages: group
            .stages
            .iter()
            .filter(runs)
            .map(ToString::to_string)
            .collect(),
        fail_fast: group.fail_fast,
    };
    let all = definition.groups.iter().map(group);
    all.filter(|group| !group.stages.is_empty()).collect()
}

/// The environments that the route works in, in the order of promotion.
pub fn around(definition: &Definition, route: Option<&Trigger>) -> Vec<Around> {
    let used = |name: &EnvironmentName| {
        let mut stages = definition.path(route);
        stages.any(|(_, stage)| stage.works_in() == Some(name))
    };
    let goes_back = definition.purpose == Purpose::Rollback;
    // One window that holds for rollbacks is enough for all of them to.
    let waits = |e: &Environment| !goes_back || e.windows.iter().any(|w| w.rollbacks);
    let windows = |e: &Environment| match waits(e) {
        true => e.windows.iter().map(window).collect(),
        false => Vec::new(),
    };
    let here = definition.environments.iter();
    here.filter(|(name, _)| used(name))
        .map(|(name, environment)| Around {
            name: name.to_string(),
            protected: environment.protected,
            strategy: strategy(environment),
            rollback: if environment.rollback.automatic {
                "automatic"
            } else {
                "manual"
            },
            windows: windows(environment),
            soak_seconds: environment.soak.filter(|_| !goes_back).map(|s| s.get()),
            goes_back,
        })
        .collect()
}

/// `canary, 5 % then 25 % then 100 %`.
fn strategy(environment: &Environment) -> String {
    let strategy = &environment.strategy;
    let kind = strategy.kind.as_str();
    let steps: Vec<String> = strategy.steps.iter().map(|s| format!("{s} %")).collect();
    match strategy.kind {
        StrategyKind::Canary | StrategyKind::BlueGreenCanary if !steps.is_empty() => {
            format!("{kind}, {}", steps.join(" then "))
        }
        StrategyKind::Direct
        | StrategyKind::Rolling
        | StrategyKind::BlueGreen
        | StrategyKind::Canary
        | StrategyKind::BlueGreenCanary => kind.to_owned(),
    }
}

/// What is not enforced yet.
pub fn unenforced(definition: &Definition) -> Vec<Unenforced> {
    let mut all = definition.unenforced();
    // Two gates of one stage may say the same.
    all.dedup();
    let all = all.into_iter();
    all.map(|found| Unenforced {
        feature: found.feature.as_str(),
        place: found.place,
        protected: found.protected,
        accepted: definition.accepts.contains(&found.feature),
        instead: found.feature.instead(),
    })
    .collect()
}

impl Around {
    /// `production  protected; canary, 5 % then 100 %; rolled back automatically`.
    pub fn told(&self) -> String {
        let mut said = Vec::new();
        if self.protected {
            said.push("protected".to_owned());
        }
        said.push(self.strategy.clone());
        said.push(match self.rollback {
            "automatic" => "rolled back automatically when a change fails".to_owned(),
            _ => "rolled back by hand".to_owned(),
        });
        if !self.windows.is_empty() {
            said.push(format!("only {}", self.windows.join(" or ")));
        }
        if let Some(soak) = self.soak_seconds {
            said.push(match soak {
                0 => "what has passed in the environment before".to_owned(),
                soak => format!("after {} in the environment before", spoken(soak)),
            });
        }
        if self.goes_back {
            let exempt = match self.windows.as_slice() {
                [] => {
                    "a rollback comes first and waits for no window and no soak time, only for the release that is in there"
                }
                _ => "a rollback comes first and waits for no soak time",
            };
            said.push(exempt.to_owned());
        }
        said.join("; ")
    }
}

impl Unenforced {
    /// `window in production: a deploy may happen at any time`.
    pub fn told(&self) -> String {
        let accepted = match (self.protected, self.accepted) {
            (true, true) => " (protected; accepted by name)",
            (true, false) => " (protected; not accepted)",
            (false, _) => "",
        };
        format!(
            "{} in {}{accepted}: {}",
            self.feature, self.place, self.instead
        )
    }
}
