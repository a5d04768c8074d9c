//! A graph in Mermaid's language, as GitHub and GitLab draw it in Markdown.

use super::model::{Graph, Kind, Leads, Node};
use std::fmt::Write;

const CLASSES: &str = "  classDef start fill:none,stroke:#6b7280
  classDef build fill:#dbeafe,stroke:#2563eb,color:#111827
  classDef deploy fill:#dcfce7,stroke:#16a34a,color:#111827
  classDef approval fill:#fef3c7,stroke:#d97706,color:#111827
  classDef pause fill:#f3f4f6,stroke:#6b7280,color:#111827
  classDef undo fill:#fee2e2,stroke:#dc2626,color:#111827,stroke-dasharray:4 3
";

/// The graph as a flowchart.
pub fn drawn(graph: &Graph) -> String {
    let mut text = String::from("flowchart TB\n");
    let mut area = None;
    for rank in 0..=graph.nodes.iter().map(|n| n.rank).max().unwrap_or(0) {
        let here: Vec<&Node> = graph.nodes.iter().filter(|n| n.rank == rank).collect();
        let next = here.first().and_then(|node| graph.area_of(node));
        if area != next {
            if area.is_some() {
                text.push_str("  end\n");
            }
            if let Some(index) = next {
                let title = quoted(&graph.environments[index].about);
                let _ = writeln!(text, "  subgraph e{index}[{title}]");
            }
            area = next;
        }
        rank_of(graph, rank, &here, &mut text);
    }
    if area.is_some() {
        text.push_str("  end\n");
    }
    for edge in &graph.edges {
        let arrow = match edge.kind {
            Leads::Next => "-->",
            Leads::Failure => "-. fails .->",
        };
        let _ = writeln!(text, "  {} {arrow} {}", edge.from, edge.to);
    }
    text.push_str(CLASSES);
    text
}

fn rank_of(graph: &Graph, rank: usize, here: &[&Node], text: &mut String) {
    let group = graph.groups.iter().position(|group| group.rank == rank);
    if let Some(index) = group {
        let (id, title) = (&graph.groups[index].id, quoted(&graph.groups[index].name));
        let _ = writeln!(text, "  subgraph {id}[{title}]");
        text.push_str("  direction LR\n");
    }
    for node in here.iter().filter(|node| node.kind != Kind::Undo) {
        node_of(node, text);
    }
    if group.is_some() {
        text.push_str("  end\n");
    }
    for node in here.iter().filter(|node| node.kind == Kind::Undo) {
        node_of(node, text);
    }
}

fn node_of(node: &Node, text: &mut String) {
    let (open, close, class) = match node.kind {
        Kind::Start | Kind::End => ("([", "])", "start"),
        Kind::Build => ("[", "]", "build"),
        Kind::Deploy => ("[[", "]]", "deploy"),
        Kind::Approval => ("{{", "}}", "approval"),
        Kind::Pause => ("(", ")", "pause"),
        Kind::Undo => ("[", "]", "undo"),
    };
    let mut label = escaped(&node.label);
    let notes = node.notes.iter().cloned();
    for note in notes.chain(node.condition()) {
        let _ = write!(label, "<br/><small>{}</small>", escaped(&note));
    }
    let _ = writeln!(text, "  {}{open}\"{label}\"{close}:::{class}", node.id);
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Mermaid's own entities: a label is HTML, ends at a quote, and is Markdown when
/// it begins with a backtick.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => safe.push_str("#quot;"),
            '#' => safe.push_str("#35;"),
            ';' => safe.push_str("#59;"),
            '<' => safe.push_str("#lt;"),
            '>' => safe.push_str("#gt;"),
            '&' => safe.push_str("#amp;"),
            '`' => safe.push_str("#96;"),
            c => safe.push(c),
        }
    }
    safe
}
