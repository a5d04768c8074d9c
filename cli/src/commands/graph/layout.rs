//! Where everything of a graph stands: one row a rank from top to bottom, stages
//! side by side in their row, the ways back in a lane to the right.

use super::model::{Graph, Kind, Node};

/// Lines of a label are so high, in pixels of the picture.
pub const LINE: i32 = 17;
const PADDING: i32 = 11;
const GAP: i32 = 30;
const BESIDE: i32 = 18;
const HEADING: i32 = 26;
const AROUND: i32 = 16;
const MARGIN: i32 = 24;
const NARROW: i32 = 200;
const WIDE: i32 = 380;

/// A rectangle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Area {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

impl Area {
    /// The right edge.
    pub fn right(&self) -> i32 {
        self.x + self.width
    }

    /// The lower edge.
    pub fn bottom(&self) -> i32 {
        self.y + self.height
    }

    /// The middle, from left to right.
    pub fn middle(&self) -> i32 {
        self.x + self.width / 2
    }

    /// Whether the two share a place.
    #[cfg(test)]
    pub fn meets(&self, other: &Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }
}

/// Where everything is.
#[derive(Debug)]
pub struct Layout {
    /// Of each node, in the graph's order.
    pub boxes: Vec<Area>,
    /// The text in each node: wrapped, the label first.
    pub texts: Vec<Vec<(String, bool)>>,
    /// Of each environment.
    pub environments: Vec<Area>,
    /// Of each group.
    pub groups: Vec<Area>,
    /// All of it.
    pub size: (i32, i32),
}

impl Layout {
    /// Places everything.
    pub fn of(graph: &Graph) -> Self {
        let texts: Vec<_> = graph.nodes.iter().map(text).collect();
        let mut boxes: Vec<Area> = texts.iter().map(|text| size(text)).collect();
        let ranks = graph.nodes.iter().map(|n| n.rank).max().unwrap_or(0);
        let main = |index: usize| graph.nodes[index].kind != Kind::Undo;
        let row = |rank: usize| -> Vec<usize> {
            let all = 0..graph.nodes.len();
            all.filter(|i| graph.nodes[*i].rank == rank && main(*i))
                .collect()
        };
        let width_of = |row: &[usize], boxes: &[Area]| -> i32 {
            let widths: i32 = row.iter().map(|i| boxes[*i].width).sum();
            widths + BESIDE * (i32::try_from(row.len()).unwrap_or(1) - 1).max(0)
        };
        let alone: Vec<usize> = (0..=ranks)
            .map(row)
            .filter(|r| r.len() == 1)
            .flatten()
            .collect();
        let even = alone.iter().map(|i| boxes[*i].width).max().unwrap_or(0);
        for index in alone {
            boxes[index].width = even;
        }
        let widest = (0..=ranks).map(|r| width_of(&row(r), &boxes)).max();
        let centre = MARGIN + AROUND * 2 + widest.unwrap_or(0) / 2;
        let mut y = MARGIN + 24;
        for rank in 0..=ranks {
            let here = row(rank);
            y += headings(graph, rank) * HEADING;
            let mut x = centre - width_of(&here, &boxes) / 2;
            let tallest = here.iter().map(|i| boxes[*i].height).max().unwrap_or(0);
            for index in here {
                boxes[index].x = x;
                boxes[index].y = y;
                boxes[index].height = tallest;
                x += boxes[index].width + BESIDE;
            }
            y += tallest + GAP + endings(graph, rank) * AROUND;
        }
        for index in (0..graph.nodes.len()).filter(|i| !main(*i)) {
            place_undo(graph, index, &mut boxes);
        }
        let groups = groups(graph, &boxes);
        let environments = environments(graph, &boxes, &groups);
        let right = boxes.iter().chain(&environments).map(Area::right).max();
        Self {
            size: (right.unwrap_or(0) + MARGIN, y + MARGIN - GAP),
            boxes,
            texts,
            environments,
            groups,
        }
    }
}

/// A way back stands in its lane, beside the middle of what leads to it.
fn place_undo(graph: &Graph, index: usize, boxes: &mut [Area]) {
    let id = &graph.nodes[index].id;
    let from = graph.edges.iter().filter(|edge| &edge.to == id);
    let leads: Vec<Area> = from
        .filter_map(|edge| graph.nodes.iter().position(|n| n.id == edge.from))
        .map(|position| boxes[position])
        .collect();
    let top = leads.iter().map(|area| area.y).min().unwrap_or(0);
    let bottom = leads.iter().map(Area::bottom).max().unwrap_or(0);
    let right = leads.iter().map(Area::right).max().unwrap_or(0);
    boxes[index].x = right + AROUND * 4;
    boxes[index].y = (top + bottom - boxes[index].height) / 2;
}

/// How many headings stand above a rank.
fn headings(graph: &Graph, rank: usize) -> i32 {
    let groups = graph.groups.iter().filter(|group| group.rank == rank);
    let environments = graph.environments.iter().filter(|e| e.ranks.0 == rank);
    i32::try_from(groups.count() + environments.count()).unwrap_or(0)
}

/// How many boxes end below a rank.
fn endings(graph: &Graph, rank: usize) -> i32 {
    let groups = graph.groups.iter().filter(|group| group.rank == rank);
    let environments = graph.environments.iter().filter(|e| e.ranks.1 == rank);
    i32::try_from(groups.count() + environments.count()).unwrap_or(0)
}

fn around<'a>(areas: impl Iterator<Item = &'a Area> + Clone) -> Option<Area> {
    let x = areas.clone().map(|a| a.x).min()? - AROUND;
    let y = areas.clone().map(|a| a.y).min()? - HEADING;
    let right = areas.clone().map(Area::right).max()? + AROUND;
    let bottom = areas.map(Area::bottom).max()? + AROUND;
    Some(Area {
        x,
        y,
        width: right - x,
        height: bottom - y,
    })
}

fn groups(graph: &Graph, boxes: &[Area]) -> Vec<Area> {
    let of = |rank: usize| {
        let both = graph.nodes.iter().zip(boxes);
        let here = both.filter(move |(node, _)| node.rank == rank && node.kind != Kind::Undo);
        around(here.map(|(_, area)| area)).unwrap_or_default()
    };
    graph.groups.iter().map(|group| of(group.rank)).collect()
}

fn environments(graph: &Graph, boxes: &[Area], groups: &[Area]) -> Vec<Area> {
    let of = |index: usize| {
        let both = graph.nodes.iter().zip(boxes);
        let nodes = both.filter(move |(node, _)| graph.area_of(node) == Some(index));
        let ranks = graph.environments[index].ranks;
        let beside = graph.groups.iter().zip(groups);
        let beside = beside.filter(move |(g, _)| (ranks.0..=ranks.1).contains(&g.rank));
        let inside = nodes.map(|(_, a)| a).chain(beside.map(|(_, a)| a));
        around(inside).unwrap_or_default()
    };
    (0..graph.environments.len()).map(of).collect()
}

/// A node's text in lines that fit, each with whether it is the label.
fn text(node: &Node) -> Vec<(String, bool)> {
    let mut lines: Vec<(String, bool)> = wrapped(&node.label, 38)
        .into_iter()
        .map(|line| (line, true))
        .collect();
    for note in node.notes.iter().cloned().chain(node.condition()) {
        lines.extend(wrapped(&note, 54).into_iter().map(|line| (line, false)));
    }
    lines
}

fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Large enough for the text in any usual sans serif: 7.8 pixels a letter of a
/// label, 6.3 of a note.
fn size(text: &[(String, bool)]) -> Area {
    let of = |(line, label): &(String, bool)| {
        let letters = i32::try_from(line.chars().count()).unwrap_or(0);
        letters * if *label { 78 } else { 63 } / 10
    };
    let widest = text.iter().map(of).max().unwrap_or(0);
    let lines = i32::try_from(text.len()).unwrap_or(1);
    Area {
        x: 0,
        y: 0,
        width: (widest + 3 * PADDING).clamp(NARROW, WIDE),
        height: lines * LINE + 2 * PADDING - 3,
    }
}
