//! What a build does: its steps, what runs beside them, what they leave behind.

use super::codedeploy;
use super::fields::{self, Fields};
use super::gates;
use super::language;
use super::settings::{refuse_secret, variable_name};
use super::sink::{Marked, Sink};
use super::tree::{Node, Value};
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::{Report, Service, Step};
use gatewright_domain::text;
use indexmap::IndexMap;

/// A build as written.
#[derive(Debug, Default)]
pub(crate) struct RawBuild {
    /// Names as written; the service where it could be read.
    pub(crate) services: Vec<(Marked<String>, Option<Service>)>,
    pub(crate) steps: Vec<Step>,
    pub(crate) finally: Vec<Step>,
    pub(crate) exports: Vec<Marked<String>>,
    /// Names as written; the report where it could be read.
    pub(crate) reports: Vec<(Marked<String>, Option<Report>)>,
    pub(crate) produces: Option<Marked<String>>,
    pub(crate) gates: Vec<Marked<Gate>>,
}

/// Reads the keys of a stage that only builds and deploys have.
pub(crate) fn read(of: &Fields<'_>, sink: &Sink) -> RawBuild {
    let list = |key| of.get(key).map(|n| steps(n, key, sink)).unwrap_or_default();
    let exports = of
        .get("exports")
        .map(|n| fields::texts(n, "exports", "a variable of exports", sink))
        .unwrap_or_default();
    RawBuild {
        services: of
            .get("services")
            .map(|n| services(n, sink))
            .unwrap_or_default(),
        steps: list("steps"),
        finally: list("finally"),
        exports: exports
            .into_iter()
            .filter(|name| variable_name(name, sink))
            .collect(),
        reports: of
            .get("reports")
            .map(|n| gates::reports(n, sink))
            .unwrap_or_default(),
        produces: of
            .get("produces")
            .and_then(|n| fields::text(n, "produces", sink)),
        gates: gates::read(of, sink),
    }
}

/// A list of steps under this key.
pub(crate) fn steps(node: &Node, key: &str, sink: &Sink) -> Vec<Step> {
    let items = fields::list(node, key, sink).unwrap_or_default();
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        let message = match key {
            "steps" => "steps is empty: a stage that runs nothing would always pass".to_owned(),
            _ => format!("{key} is empty: name its commands, or leave it out"),
        };
        sink.error(&node.at, message);
    }
    items.iter().filter_map(|item| step(item, sink)).collect()
}

/// A step: its command alone, or a name and a command.
fn step(node: &Node, sink: &Sink) -> Option<Step> {
    if !matches!(node.value, Value::Map(_)) {
        let run = fields::text(node, "a step", sink)?;
        refuse_secret(&run, sink);
        let name = text::shortened(run.value.trim().lines().next().unwrap_or_default(), 80);
        return Some(Step {
            name,
            run: run.value,
            codedeploy: None,
        });
    }
    if let Value::Map(entries) = &node.value
        && let [(key, _)] = entries.as_slice()
        && key.value.contains([' ', '"', '\'', '$'])
    {
        sink.error_help(
            &node.at,
            "this command was taken apart at its colon: YAML reads a colon and a space as a mapping",
            "write it after `|`, on a line of its own, or put all of it in quotes",
        );
        return None;
    }
    if is_codedeploy(node) {
        return codedeploy::step(node, sink);
    }
    let of = Fields::of(node, &node.at, &language::STEP, sink)?;
    let name = of
        .required("name")
        .and_then(|n| fields::text(n, "name", sink));
    let run = of
        .required("run")
        .and_then(|n| fields::text(n, "run", sink));
    if let Some(run) = &run {
        refuse_secret(run, sink);
    }
    if let Some(name) = name
        .as_ref()
        .filter(|n| n.value.chars().any(char::is_control))
    {
        sink.error(&name.at, "a step's name is one line of text");
    }
    Some(Step {
        name: name?.value,
        run: run?.value,
        codedeploy: None,
    })
}

/// Whether a step says, or means to say, that it deploys through CodeDeploy.
fn is_codedeploy(node: &Node) -> bool {
    const KEYS: [&str; 3] = ["name", "run", "codedeploy"];
    let Value::Map(entries) = &node.value else {
        return false;
    };
    let means = |key: &str| text::nearest(key, KEYS) == Some("codedeploy");
    let says = entries.iter().any(|(key, _)| key.value == "run");
    entries
        .iter()
        .any(|(key, _)| key.value == "codedeploy" || (!says && means(&key.value)))
}

fn services(node: &Node, sink: &Sink) -> Vec<(Marked<String>, Option<Service>)> {
    let services: Vec<_> = fields::entries(node, "services", sink)
        .unwrap_or_default()
        .iter()
        .map(|(name, node)| (name.clone(), service(name, node, sink)))
        .collect();
    ports_are_free(&services, sink);
    services
}

fn service(name: &Marked<String>, node: &Node, sink: &Sink) -> Option<Service> {
    // Containers find each other by it: one label of a host's name (RFC 1123).
    let valid = (1..=63).contains(&name.value.len())
        && name.value.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.value.ends_with('-')
        && name
            .value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !valid {
        sink.error(
            &name.at,
            format!(
                "{:?} is not a service's name: lower-case letters, digits and '-', starting with a letter",
                name.value
            ),
        );
    }
    let of = Fields::of(node, &name.at, &language::SERVICE, sink)?;
    let image = of.required("image").and_then(|n| service_image(n, sink));
    let ports = of
        .get("ports")
        .and_then(|n| fields::list(n, "ports", sink))
        .unwrap_or_default()
        .iter()
        .filter_map(|n| fields::count(n, "a port", 1..=65_535, sink))
        .filter_map(|port| u16::try_from(port).ok())
        .collect();
    let health = of
        .get("health")
        .and_then(|n| fields::text(n, "health", sink));
    if let Some(health) = &health {
        refuse_secret(health, sink);
    }
    Some(Service {
        image: image?,
        env: of
            .get("env")
            .map(|n| service_env(n, sink))
            .unwrap_or_default(),
        ports,
        health: health.map(|h| h.value),
    })
}

/// A container image with its tag or digest: without one it would be `latest`,
/// which is another server every month.
fn service_image(node: &Node, sink: &Sink) -> Option<String> {
    let said = fields::text(node, "image", sink)?;
    if said.value.contains(char::is_whitespace) {
        sink.error(&said.at, "a container image is named in one word");
        return None;
    }
    let last = said.value.rsplit('/').next().unwrap_or_default();
    if !last.contains(':') && !last.contains('@') {
        sink.error_help(
            &said.at,
            format!("the image {:?} has no tag", said.value),
            format!(
                "say which version is meant, in quotes: \"{}:16\" for instance",
                said.value
            ),
        );
        return None;
    }
    Some(said.value)
}

fn service_env(node: &Node, sink: &Sink) -> IndexMap<String, String> {
    fields::entries(node, "a service's env", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|(name, node)| {
            let value = fields::as_written(node, "a service's variable", sink)?;
            refuse_secret(&value, sink);
            Some((name.value.clone(), value.value))
        })
        .collect()
}

/// All services of a build share its localhost.
fn ports_are_free(services: &[(Marked<String>, Option<Service>)], sink: &Sink) {
    let mut taken: Vec<(u16, &str)> = Vec::new();
    for (name, service) in services {
        for port in service.iter().flat_map(|s| &s.ports) {
            if let Some((_, owner)) = taken.iter().find(|(p, _)| p == port) {
                sink.error_help(
                    &name.at,
                    format!("{} wants port {port}, which {owner} has", name.value),
                    "the services of a build share its localhost; use another port for one of them",
                );
            }
            taken.push((*port, &name.value));
        }
    }
}
