//! A graph as a picture of its own: no script, no font, light and dark.

use super::layout::{Area, LINE, Layout};
use super::model::{Graph, Kind, Leads};
use std::fmt::Write;

const STYLE: &str = "\
:root{--paper:#fff;--ink:#1f2328;--soft:#59636e;--line:#8c959f;--card:#fff;--area:#f6f8fa;--edge:#d1d9e0;\
--build:#0969da;--deploy:#1a7f37;--approval:#bc4c00;--pause:#6e7781;--undo:#cf222e;--start:#6e7781}\
@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#656c76;--card:#161b22;\
--area:#10161e;--edge:#30363d;--build:#4493f8;--deploy:#3fb950;--approval:#db6d28;--pause:#9198a1;--undo:#f85149;--start:#9198a1}}\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;fill:var(--ink)}\
.paper{fill:var(--paper)}.title{font-size:15px;font-weight:600}.label{font-size:13px;font-weight:600}\
.note,.heading{font-size:11px;fill:var(--soft)}.heading{font-weight:600;letter-spacing:.02em;paint-order:stroke;stroke:var(--paper);stroke-width:5px;stroke-linejoin:round}.inside{stroke:var(--area)}\
.area{fill:var(--area);stroke:var(--edge)}.protected{stroke:var(--approval);stroke-width:1.5}\
.group{fill:none;stroke:var(--line);stroke-dasharray:2 3}.card{fill:var(--card);stroke:var(--edge)}\
.next{fill:none;stroke:var(--line);stroke-width:1.4}.failure{fill:none;stroke:var(--undo);stroke-width:1.3;stroke-dasharray:5 4}\
.head{fill:var(--line)}.head-failure{fill:var(--undo)}.guard{fill:var(--approval)}\
.build{fill:var(--build)}.deploy{fill:var(--deploy)}.approval{fill:var(--approval)}.pause{fill:var(--pause)}.undo{fill:var(--undo)}.start,.end{fill:var(--start)}\
";

/// The graph as SVG.
pub fn drawn(graph: &Graph) -> String {
    let layout = Layout::of(graph);
    let (width, height) = layout.size;
    let title = escaped(&format!("{}  {}", graph.pipeline, graph.name));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <defs>{}{}</defs>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"24\" y=\"32\">{title}</text>\n",
        head("head"),
        head("head-failure")
    );
    boxes(graph, &layout, &mut svg);
    edges(graph, &layout, &mut svg);
    headings(graph, &layout, &mut svg);
    for index in 0..graph.nodes.len() {
        node(graph, &layout, index, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

fn head(id: &str) -> String {
    format!(
        "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"{id}\" d=\"M0 0 8 4 0 8z\"/></marker>"
    )
}

fn boxes(graph: &Graph, layout: &Layout, svg: &mut String) {
    for (area, known) in layout.environments.iter().zip(&graph.environments) {
        let class = if known.protected {
            "area protected"
        } else {
            "area"
        };
        rect(area, class, 10, svg);
    }
    for area in &layout.groups {
        rect(area, "group", 8, svg);
    }
}

/// Above the lines that lead into the boxes.
fn headings(graph: &Graph, layout: &Layout, svg: &mut String) {
    for (area, known) in layout.environments.iter().zip(&graph.environments) {
        heading(area, "heading inside", &known.about, svg);
    }
    for (area, known) in layout.groups.iter().zip(&graph.groups) {
        let kind = if known.matrix {
            "matrix"
        } else {
            "side by side"
        };
        heading(area, "heading", &format!("{} ({kind})", known.name), svg);
    }
}

fn rect(area: &Area, class: &str, round: i32, svg: &mut String) {
    let Area {
        x,
        y,
        width,
        height,
    } = area;
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>"
    );
}

fn heading(area: &Area, class: &str, text: &str, svg: &mut String) {
    let (x, y) = (area.x + 12, area.y + 17);
    let text = escaped(text);
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
    );
}

/// What follows: from the lower edge to the upper, bent where they are not in
/// line. What fails: along one dashed line into the lane of the ways back.
fn edges(graph: &Graph, layout: &Layout, svg: &mut String) {
    let place = |id: &str| {
        let node = graph.nodes.iter().position(|node| node.id == id);
        let group = graph.groups.iter().position(|group| group.id == id);
        node.map(|index| layout.boxes[index])
            .or(group.map(|index| layout.groups[index]))
    };
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (place(&edge.from), place(&edge.to)) else {
            continue;
        };
        let _ = match edge.kind {
            Leads::Next => {
                let (x1, y1, x2, y2) = (from.middle(), from.bottom(), to.middle(), to.y);
                let bend = if x1 == x2 {
                    String::new()
                } else {
                    let half = (y1 + y2) / 2;
                    format!("C{x1} {half} {x2} {half} ")
                };
                let line = if bend.is_empty() { "L" } else { "" };
                writeln!(
                    svg,
                    "<path class=\"next\" marker-end=\"url(#head)\" d=\"M{x1} {y1}{bend}{line}{x2} {y2}\"/>"
                )
            }
            Leads::Failure => {
                let (x1, y1) = (from.right(), from.y + from.height / 2);
                let (lane, y2) = (to.x - 22, to.y + to.height / 2);
                writeln!(
                    svg,
                    "<path class=\"failure\" marker-end=\"url(#head-failure)\" d=\"M{x1} {y1}H{lane}V{y2}H{}\"/>",
                    to.x
                )
            }
        };
    }
}

fn node(graph: &Graph, layout: &Layout, index: usize, svg: &mut String) {
    let (node, area) = (&graph.nodes[index], layout.boxes[index]);
    let class = match node.kind {
        Kind::Start => "start",
        Kind::Build => "build",
        Kind::Deploy => "deploy",
        Kind::Approval => "approval",
        Kind::Pause => "pause",
        Kind::Undo => "undo",
        Kind::End => "end",
    };
    let round = match node.kind {
        Kind::Start | Kind::End | Kind::Pause => area.height.min(36) / 2,
        Kind::Build | Kind::Deploy | Kind::Approval | Kind::Undo => 6,
    };
    svg.push_str("<g>\n");
    rect(&area, "card", round, svg);
    let (x, mut y) = (area.x + 20, area.y + 23);
    let (dot_x, dot_y) = (area.x + 11, area.y + 18);
    let _ = match node.kind {
        Kind::Approval => writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{dot_x} {}l6 6-6 6-6-6z\"/>",
            dot_y - 6
        ),
        Kind::Deploy => writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{dot_x} {}l5.5 9.5h-11z\"/>",
            dot_y - 6
        ),
        Kind::Build | Kind::Undo => writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"9\" height=\"9\" rx=\"2\"/>",
            dot_x - 5,
            dot_y - 4
        ),
        Kind::Start | Kind::Pause | Kind::End => {
            writeln!(
                svg,
                "<circle class=\"{class}\" cx=\"{dot_x}\" cy=\"{dot_y}\" r=\"4\"/>"
            )
        }
    };
    for (text, label) in &layout.texts[index] {
        let class = if *label { "label" } else { "note" };
        let text = escaped(text);
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
        );
        y += LINE;
    }
    svg.push_str("</g>\n");
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}
