//! `gatewright graph`: a pipeline as people think of it.
//!
//! `model` says what there is, `layout` where it stands, and one file a format
//! draws it. There is no graph library below: a pipeline is a line with stages
//! side by side in places, and for that a rank is enough.

mod layout;
mod mermaid;
mod model;
mod svg;
mod text;

use crate::args::{Format, Graph as Args};
use crate::error::{Code, Failed, file};
use crate::meant::meant;
use crate::out::Out;
use crate::style::{COPY, paint};
use gatewright_domain::pipeline::{Definition, Trigger};
use gatewright_domain::text::did_you_mean;
use model::Graph;
use serde_json::json;
use std::path::Path;

/// Draws.
///
/// # Errors
/// When there is no such definition or route, or the file cannot be written.
pub fn run(args: &Args, out: &Out) -> Result<Code, Failed> {
    let definition = meant(args.pipeline.as_deref(), out)?.definition;
    let route = args
        .route
        .as_deref()
        .map(|name| route(&definition, name))
        .transpose()?;
    let graph = Graph::of(&definition, route);
    let format = format(args);
    if out.json && args.output.is_none() {
        out.json(&graph);
        return Ok(Code::Done);
    }
    let Some(path) = &args.output else {
        match format {
            Format::Text => text::told(&graph).iter().for_each(|line| out.line(line)),
            Format::Mermaid => out.raw(&mermaid::drawn(&graph)),
            Format::Svg => out.raw(&svg::drawn(&graph)),
        }
        return Ok(Code::Done);
    };
    let drawn = match format {
        Format::Text => plain(&text::told(&graph)),
        Format::Mermaid if is_markdown(path) => {
            format!("```mermaid\n{}```\n", mermaid::drawn(&graph))
        }
        Format::Mermaid => mermaid::drawn(&graph),
        Format::Svg => svg::drawn(&graph),
    };
    std::fs::write(path, drawn).map_err(|error| file(path, &error))?;
    if out.json {
        out.json(&json!({ "file": path }));
    } else {
        out.aside(format!("drawn to {}", paint(COPY, path.display())));
    }
    Ok(Code::Done)
}

/// The lines without their styles.
fn plain(lines: &[String]) -> String {
    let text = format!("{}\n", lines.join("\n"));
    anstream::adapter::strip_str(&text).to_string()
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "md")
}

/// What is asked for, or what the file's name says.
fn format(args: &Args) -> Format {
    let extension = args.output.as_deref().and_then(Path::extension);
    match (args.format, extension.and_then(|e| e.to_str())) {
        (Some(format), _) => format,
        (None, Some("svg")) => Format::Svg,
        (None, Some("mmd" | "mermaid" | "md")) => Format::Mermaid,
        (None, _) => Format::Text,
    }
}

fn route<'a>(definition: &'a Definition, name: &str) -> Result<&'a Trigger, Failed> {
    definition.trigger(name).ok_or_else(|| {
        let known: Vec<&str> = definition.triggers.iter().map(|t| &*t.name).collect();
        let near = did_you_mean(name, known.iter().copied());
        let what = format!("{} has no route {name:?}{near}", definition.id);
        Failed::not_found(what).help(format!("there is: {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::shop::shop;
    use gatewright_fakes::definition;

    #[test]
    fn a_pipeline_is_drawn_in_text() {
        insta::assert_snapshot!(plain(&text::told(&Graph::of(&shop(), None))));
    }

    #[test]
    fn a_pipeline_is_drawn_in_mermaid() {
        insta::assert_snapshot!(mermaid::drawn(&Graph::of(&shop(), None)));
    }

    #[test]
    fn a_route_is_drawn_with_no_more_than_its_stages() {
        let shop = shop();
        let graph = Graph::of(&shop, shop.trigger("main"));
        let labels: Vec<&str> = graph.nodes.iter().map(|n| n.label.as_str()).collect();
        assert!(labels.contains(&"Integration Test"), "{labels:?}");
        assert!(!labels.contains(&"Deploy to Production"), "{labels:?}");
        let only = graph.nodes.iter().all(|node| node.only.is_empty());
        assert!(only, "on a route, nothing is conditional");
    }

    #[test]
    fn the_picture_is_well_formed_and_nothing_overlaps() {
        for definition in [shop(), definition()] {
            let graph = Graph::of(&definition, None);
            let layout = layout::Layout::of(&graph);
            for (index, one) in layout.boxes.iter().enumerate() {
                for two in &layout.boxes[index + 1..] {
                    assert!(!one.meets(two), "{one:?} and {two:?}");
                }
            }
            let svg = svg::drawn(&graph);
            let opened = svg.matches("<g").count();
            assert_eq!(opened, svg.matches("</g>").count());
            for stage in &definition.stages {
                let name = stage.name.as_str().replace('&', "&amp;");
                assert!(svg.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn stages_of_several_environments_side_by_side_are_in_no_box() {
        let mut shop = shop();
        shop.stages[1].environment = Some("staging".parse().unwrap());
        let graph = Graph::of(&shop, None);
        let first = &graph.environments[0];
        assert_eq!((first.name.as_str(), first.ranks), ("staging", (3, 4)));
        assert_eq!(graph.nodes[2].notes[0], "in staging");
    }

    #[test]
    fn text_from_a_definition_cannot_break_out_of_a_drawing() {
        let mut definition = definition();
        definition.stages[0].name = "a\"]; click x `b` <script> #1 & --> c".parse().unwrap();
        let graph = Graph::of(&definition, None);
        let mermaid = mermaid::drawn(&graph);
        let line = mermaid.lines().find(|line| line.contains("click")).unwrap();
        assert_eq!(
            line.trim(),
            "n1[\"a#quot;]#59; click x #96;b#96; #lt;script#gt; #35;1 #amp; --#gt; c<br/><small>build, at most 10 min</small>\"]:::build"
        );
        let svg = svg::drawn(&graph);
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"));
    }
}
