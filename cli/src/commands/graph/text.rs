//! A graph for a terminal.

use super::model::{Graph, Kind, Node};
use crate::style::{BAD, COPY, GOOD, HEAD, SOFT, WAITING, padded, paint, widest};
use anstyle::Style;

/// The graph in lines.
pub fn told(graph: &Graph) -> Vec<String> {
    let title = format!("{}  {}", graph.pipeline, graph.name);
    let mut told = vec![paint(HEAD, title), String::new()];
    let width = widest(graph.nodes.iter().map(|node| node.label.as_str())) + 2;
    let mut area = None;
    let last = graph.nodes.iter().map(|node| node.rank).max();
    for rank in 0..=last.unwrap_or(0) {
        let here: Vec<&Node> = graph.nodes.iter().filter(|n| n.rank == rank).collect();
        let next = here.first().and_then(|node| graph.area_of(node));
        if rank > 0 && area == next {
            told.push(bar(area.is_some(), "│"));
        }
        if area != next {
            if area.is_some() {
                told.push(paint(SOFT, "└──"));
            }
            told.push(paint(SOFT, "  │"));
            if let Some(index) = next {
                let about = &graph.environments[index].about;
                told.push(format!("{} {}", paint(SOFT, "┌──"), paint(COPY, about)));
            }
            area = next;
        }
        let group = graph.groups.iter().find(|group| group.rank == rank);
        if let Some(group) = group {
            let kind = if group.matrix {
                "matrix"
            } else {
                "side by side"
            };
            let name = paint(HEAD, &group.name);
            let text = format!("╞ {name} {}", paint(SOFT, format!("({kind})")));
            told.push(bar(area.is_some(), &text));
        }
        for node in here {
            told.extend(lines(node, group.is_some(), area.is_some(), width));
        }
    }
    told
}

fn bar(inside: bool, text: &str) -> String {
    let edge = if inside { "│ " } else { "  " };
    format!("{}{text}", paint(SOFT, edge))
}

fn lines(node: &Node, beside: bool, inside: bool, width: usize) -> Vec<String> {
    let (mark, style) = mark(node.kind);
    let indent = match (node.kind, beside) {
        (Kind::Undo, _) => "╰╌ fails ╌▸ ",
        (_, true) => "│ ",
        (_, false) => "",
    };
    let mut notes = node.notes.clone();
    notes.extend(node.condition());
    let label = format!("{indent}{}", paint(style, format!("{mark} {}", node.label)));
    let used = indent.chars().count() + 2 + node.label.chars().count();
    let gap = " ".repeat((width + 4).saturating_sub(used).max(2));
    let first = notes
        .first()
        .map_or_else(String::new, |note| format!("{gap}{}", paint(SOFT, note)));
    let mut told = vec![bar(inside, &format!("{label}{first}"))];
    let under = if beside { "│ " } else { "│" };
    for note in notes.iter().skip(1) {
        let place = padded(under, width + 4);
        told.push(bar(inside, &paint(SOFT, format!("{place}{note}"))));
    }
    told
}

fn mark(kind: Kind) -> (&'static str, Style) {
    match kind {
        Kind::Start => ("○", HEAD),
        Kind::Build => ("■", Style::new()),
        Kind::Deploy => ("▲", GOOD),
        Kind::Approval => ("◆", WAITING),
        Kind::Pause => ("◷", SOFT),
        Kind::Undo => ("↩", BAD),
        Kind::End => ("●", HEAD),
    }
}
