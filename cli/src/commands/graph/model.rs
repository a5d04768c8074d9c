//! What there is to draw.

use crate::words::quorum;
use gatewright_domain::pipeline::{Definition, GroupKind, Stage, StrategyKind, Trigger, Work};
use gatewright_domain::text::spoken;
use gatewright_views::text::line;
use serde::Serialize;

/// A pipeline, or one route of it. Its JSON is described in `args::help`.
#[derive(Debug, Serialize)]
pub struct Graph {
    pub pipeline: String,
    #[serde(skip)]
    pub name: String,
    pub route: Option<String>,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    #[serde(skip)]
    pub environments: Vec<Area>,
    pub groups: Vec<Beside>,
}

/// Something that happens.
#[derive(Debug, Serialize)]
pub struct Node {
    /// `n0`, `n1`, … in order.
    pub id: String,
    pub label: String,
    pub kind: Kind,
    pub environment: Option<String>,
    pub group: Option<String>,
    /// What it is, in a few words each.
    pub notes: Vec<String>,
    /// Its place from the top; those side by side share one.
    pub rank: usize,
    /// The triggers that run it, when some do not.
    pub only: Vec<String>,
    /// The triggers that do not run it.
    #[serde(skip)]
    pub without: Vec<String>,
}

impl Node {
    /// On which triggers it runs, when that is not on all of them: whichever way
    /// of saying it is shorter.
    pub fn condition(&self) -> Option<String> {
        if self.only.is_empty() {
            None
        } else if self.without.len() < self.only.len() {
            Some(format!("not on {}", self.without.join(", ")))
        } else {
            Some(format!("only on {}", self.only.join(", ")))
        }
    }
}

/// What kind of thing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Start,
    Build,
    Deploy,
    Approval,
    Pause,
    Undo,
    End,
}

/// What leads where.
#[derive(Debug, Serialize)]
pub struct Edge {
    pub from: String,
    pub to: String,
    pub kind: Leads,
}

/// When it leads there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leads {
    /// When all went well.
    Next,
    /// When it failed.
    Failure,
}

/// An environment's neighbouring ranks: a box.
#[derive(Debug, PartialEq, Eq)]
pub struct Area {
    pub name: String,
    pub about: String,
    pub protected: bool,
    /// First and last rank.
    pub ranks: (usize, usize),
}

/// Stages side by side: a box.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// `g0`, `g1`, … in order.
    pub id: String,
    pub name: String,
    pub matrix: bool,
    pub rank: usize,
}

impl Graph {
    /// The graph of a definition, or of one of its routes.
    pub fn of(definition: &Definition, route: Option<&Trigger>) -> Self {
        let mut graph = Self {
            pipeline: definition.id.to_string(),
            name: line(&definition.name),
            route: route.map(|route| route.name.clone()),
            nodes: vec![start(definition, route)],
            edges: Vec::new(),
            environments: Vec::new(),
            groups: Vec::new(),
        };
        for (_, stage) in definition.path(route) {
            graph.add(definition, route, stage);
        }
        let last = graph.rank() + 1;
        graph.nodes.push(Node {
            rank: last,
            ..plain(graph.nodes.len(), "succeeded", Kind::End)
        });
        graph.connect();
        graph.undo(definition, route);
        graph.environments = graph.areas(definition);
        graph
    }

    fn rank(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.rank)
    }

    fn add(&mut self, definition: &Definition, route: Option<&Trigger>, stage: &Stage) {
        let group = definition.group_of(&stage.name);
        let name = group.map(|group| group.name.to_string());
        let beside = name.is_some() && self.nodes.last().is_some_and(|node| node.group == name);
        let rank = if beside { self.rank() } else { self.rank() + 1 };
        if let Some(group) = group.filter(|_| !beside) {
            self.groups.push(Beside {
                id: format!("g{}", self.groups.len()),
                name: line(group.name.as_str()),
                matrix: group.kind == GroupKind::Matrix,
                rank,
            });
        }
        let triggers = &definition.triggers;
        let (runs, without): (Vec<&Trigger>, Vec<&Trigger>) = triggers
            .iter()
            .partition(|trigger| trigger.runs(&stage.name));
        let names = |those: Vec<&Trigger>| those.iter().map(|t| line(&t.name)).collect();
        let all = route.is_some() || without.is_empty();
        let mut notes = notes(stage);
        if let Some(environment) = stage.environment.as_ref().filter(|_| group.is_some()) {
            notes.insert(0, format!("in {environment}"));
        }
        self.nodes.push(Node {
            environment: stage.environment.as_ref().map(ToString::to_string),
            group: name,
            notes,
            rank,
            only: if all { Vec::new() } else { names(runs) },
            without: if all { Vec::new() } else { names(without) },
            ..plain(self.nodes.len(), stage.name.as_str(), kind(stage))
        });
    }

    /// Every rank leads to the next: its only node, or its group as a whole.
    fn connect(&mut self) {
        for rank in 0..self.rank() {
            if let (Some(from), Some(to)) = (self.whole(rank), self.whole(rank + 1)) {
                self.edges.push(Edge {
                    from,
                    to,
                    kind: Leads::Next,
                });
            }
        }
    }

    /// What stands at a rank.
    fn whole(&self, rank: usize) -> Option<String> {
        let group = self.groups.iter().find(|group| group.rank == rank);
        let node = self.nodes.iter().find(|node| node.rank == rank);
        group.map(|g| g.id.clone()).or(node.map(|n| n.id.clone()))
    }

    /// The ways back, beside the stages that lead to them.
    fn undo(&mut self, definition: &Definition, route: Option<&Trigger>) {
        for stage in definition.stages.iter().filter(|stage| stage.undoes()) {
            let fails: Vec<(String, usize)> = definition
                .path(route)
                .filter(|(_, other)| other.on_failure.as_ref() == Some(&stage.name))
                .filter_map(|(_, other)| self.named(other.name.as_str()))
                .collect();
            let Some((_, first)) = fails.first() else {
                continue;
            };
            let node = Node {
                environment: stage.environment.as_ref().map(ToString::to_string),
                notes: vec!["when a change fails: what ran before".to_owned()],
                rank: *first,
                ..plain(self.nodes.len(), stage.name.as_str(), Kind::Undo)
            };
            for (from, _) in fails {
                self.edges.push(Edge {
                    from,
                    to: node.id.clone(),
                    kind: Leads::Failure,
                });
            }
            self.nodes.push(node);
        }
    }

    fn named(&self, stage: &str) -> Option<(String, usize)> {
        let label = line(stage);
        let node = self.nodes.iter().find(|node| node.label == label)?;
        Some((node.id.clone(), node.rank))
    }

    /// Neighbouring ranks of one environment. Stages side by side that are not all
    /// of one environment are in no box.
    fn areas(&self, definition: &Definition) -> Vec<Area> {
        let mut areas: Vec<Area> = Vec::new();
        let last = self.nodes.iter().map(|node| node.rank).max().unwrap_or(0);
        for rank in 0..=last {
            let here = || {
                let main = self.nodes.iter().filter(|node| node.kind != Kind::Undo);
                main.filter(move |node| node.rank == rank)
            };
            let first = here().next().and_then(|node| node.environment.as_ref());
            let Some(name) = first else {
                continue;
            };
            if here().any(|node| node.environment.as_ref() != Some(name)) {
                continue;
            }
            match areas.last_mut() {
                Some(area) if &area.name == name && area.ranks.1 + 1 == rank => {
                    area.ranks.1 = rank;
                }
                _ => areas.push(area(definition, name, rank)),
            }
        }
        areas
    }

    /// The environment's box that a node stands in.
    pub fn area_of(&self, node: &Node) -> Option<usize> {
        let inside = |area: &Area| (area.ranks.0..=area.ranks.1).contains(&node.rank);
        let mut areas = self.environments.iter();
        areas.position(|area| node.environment.as_ref() == Some(&area.name) && inside(area))
    }
}

fn plain(number: usize, label: &str, kind: Kind) -> Node {
    Node {
        id: format!("n{number}"),
        label: line(label),
        kind,
        environment: None,
        group: None,
        notes: Vec::new(),
        rank: 0,
        only: Vec::new(),
        without: Vec::new(),
    }
}

fn start(definition: &Definition, route: Option<&Trigger>) -> Node {
    let events = match route {
        Some(route) => vec![line(&route.event.to_string())],
        None => definition
            .triggers
            .iter()
            .map(|trigger| line(&trigger.event.to_string()))
            .collect(),
    };
    let label = route.map_or("a trigger", |route| route.name.as_str());
    Node {
        notes: events,
        ..plain(0, label, Kind::Start)
    }
}

fn kind(stage: &Stage) -> Kind {
    match stage.work {
        Work::Build(_) => Kind::Build,
        Work::Deploy(_) => Kind::Deploy,
        Work::Approval(_) => Kind::Approval,
        Work::Watch(_) | Work::Pause(_) => Kind::Pause,
    }
}

fn notes(stage: &Stage) -> Vec<String> {
    let limit = spoken(stage.time_limit().get());
    let mut notes = match &stage.work {
        Work::Build(build) => {
            let makes = build.produces.iter().map(|made| format!("makes {made}"));
            let mut notes = vec![format!("build, at most {limit}")];
            notes.extend(makes);
            notes
        }
        Work::Deploy(deploy) => vec![format!("deploys {}", deploy.artifacts.join(", "))],
        Work::Approval(approval) => vec![format!("{}, within {limit}", quorum(&approval.quorum))],
        Work::Watch(watching) => {
            let demands = watching.watch.iter().map(|w| w.demand());
            std::iter::once(format!("watched for {limit}"))
                .chain(demands)
                .collect()
        }
        Work::Pause(_) => vec![format!("{limit} pass")],
    };
    let gates = stage.gates.iter();
    let gates = gates.filter(|gate| !matches!(gate, gatewright_domain::gate::Gate::Steps));
    notes.extend(gates.map(gatewright_domain::gate::Gate::demand));
    notes.extend(stage.migration.map(|kind| format!("migrates data, {kind}")));
    notes.into_iter().map(|note| line(&note)).collect()
}

fn area(definition: &Definition, name: &str, rank: usize) -> Area {
    let mut environments = definition.environments.iter();
    let known = environments.find(|(known, _)| known.as_str() == name);
    let strategy = known.map(|(_, e)| e.strategy.kind);
    let protected = known.is_some_and(|(_, e)| e.protected);
    let mut about = vec![name.to_owned()];
    if protected {
        about.push("protected".to_owned());
    }
    if let Some(kind) = strategy.filter(|kind| *kind != StrategyKind::Direct) {
        about.push(kind.as_str().to_owned());
    }
    Area {
        name: name.to_owned(),
        about: about.join(", "),
        protected,
        ranks: (rank, rank),
    }
}
