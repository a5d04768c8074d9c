//! Deploying through CodeDeploy: a step that says what, and becomes the commands
//! that do it.

use super::fields::{self, Fields};
use super::language;
use super::sink::Sink;
use super::tree::Node;
use super::values;
use crate::buildspec::quoted;
use gatewright_domain::pipeline::{CodeDeploy, Seconds, Step};
use gatewright_domain::text::did_you_mean;

/// What the step runs, behind its variables. In a shell of its own, so that its
/// traps and exits are not the other steps'.
const SCRIPT: &str = include_str!("codedeploy.sh");

/// CodeDeploy's limit on names, in characters.
const LONGEST: usize = 100;

/// What CodeDeploy's own configurations begin with.
const DEFAULTS: &str = "CodeDeployDefault.";

/// CodeDeploy's own configurations for ECS and Lambda, and how many minutes pass
/// between the first share of the traffic and the last.
const CONFIGS: &[(&str, u32)] = &[
    ("ECSAllAtOnce", 0),
    ("ECSCanary10Percent5Minutes", 5),
    ("ECSCanary10Percent15Minutes", 15),
    ("ECSLinear10PercentEvery1Minutes", 9),
    ("ECSLinear10PercentEvery3Minutes", 27),
    ("LambdaAllAtOnce", 0),
    ("LambdaCanary10Percent5Minutes", 5),
    ("LambdaCanary10Percent10Minutes", 10),
    ("LambdaCanary10Percent15Minutes", 15),
    ("LambdaCanary10Percent30Minutes", 30),
    ("LambdaLinear10PercentEvery1Minute", 9),
    ("LambdaLinear10PercentEvery2Minutes", 18),
    ("LambdaLinear10PercentEvery3Minutes", 27),
    ("LambdaLinear10PercentEvery10Minutes", 90),
];

/// How long a build's deployments take at least, as far as their configurations
/// are known.
pub(crate) fn least(steps: &[Step]) -> Seconds {
    let configs = steps
        .iter()
        .filter_map(|step| step.codedeploy.as_ref()?.config.as_deref());
    let minutes = configs.filter_map(|config| {
        let name = config.strip_prefix(DEFAULTS)?;
        CONFIGS.iter().find(|(known, _)| *known == name)
    });
    Seconds(minutes.map(|(_, minutes)| minutes * 60).sum())
}

/// Warns of a configuration that CodeDeploy is not known to have.
fn known(config: &str, node: &Node, sink: &Sink) {
    let Some(name) = config.strip_prefix(DEFAULTS) else {
        return;
    };
    let names = || CONFIGS.iter().map(|(known, _)| *known);
    if !names().any(|known| known == name) {
        let hint = did_you_mean(name, names());
        sink.warn(
            &node.at,
            format!("CodeDeploy is not known to have the configuration {config:?}{hint}"),
            "an unknown one fails the deployment before it begins",
        );
    }
}

/// A step that deploys through CodeDeploy.
pub(crate) fn step(node: &Node, sink: &Sink) -> Option<Step> {
    let of = Fields::of(node, &node.at, &language::CODEDEPLOY_STEP, sink)?;
    let said = of.get("name").map(|n| fields::text(n, "name", sink));
    let at = of.entry("codedeploy").map_or(&node.at, |(at, _)| at);
    let deployed = of.required("codedeploy").and_then(|deploy| {
        let of = Fields::of(deploy, at, &language::CODEDEPLOY, sink)?;
        let named = |key| of.required(key).and_then(|n| name(n, key, sink));
        let (application, group) = (named("application"), named("group"));
        let appspec = of.get("appspec").map_or(Some(APPSPEC.to_owned()), |n| {
            values::path(n, "appspec", sink).map(|said| said.value)
        });
        let config = of.get("config").map(|n| {
            let config = name(n, "config", sink);
            config.inspect(|config| known(config, n, sink))
        });
        let deploy = CodeDeploy {
            application: application?,
            group: group?,
            // One that could not be read is reported, and is not "none".
            config: config.map_or(Some(None), |config| config.map(Some))?,
        };
        Some((deploy, appspec?))
    });
    let name = match said {
        None => None,
        Some(said) => Some(one_line(&said?.value, node, sink)?),
    };
    let (deploy, appspec) = deployed?;
    let title = format!("CodeDeploy: {} to {}", deploy.application, deploy.group);
    Some(Step {
        name: name.unwrap_or(title),
        run: script(&deploy, &appspec),
        codedeploy: Some(deploy),
    })
}

/// The application specification where none is named.
const APPSPEC: &str = "appspec.yaml";

fn one_line(name: &str, node: &Node, sink: &Sink) -> Option<String> {
    if name.chars().any(char::is_control) {
        sink.error(&node.at, "a step's name is one line of text");
        return None;
    }
    Some(name.to_owned())
}

/// The name of something in CodeDeploy. It stands in a policy too, so it is
/// written out and no variable.
fn name(node: &Node, what: &str, sink: &Sink) -> Option<String> {
    let said = fields::text(node, what, sink)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+=,@-".contains(c);
    if said.value.len() > LONGEST || !said.value.chars().all(allowed) {
        sink.error_help(
            &said.at,
            format!("{:?} is no name in CodeDeploy", said.value),
            "at most 100 letters, digits and `. _ + = , @ -`, written out: the build's rights name it too",
        );
        return None;
    }
    Some(said.value)
}

fn script(deploy: &CodeDeploy, appspec: &str) -> String {
    let variables = [
        ("application", deploy.application.as_str()),
        ("group", &deploy.group),
        ("config", deploy.config.as_deref().unwrap_or_default()),
        ("appspec", appspec),
    ];
    let set = variables.map(|(name, value)| format!("{name}={}\n", quoted(value)));
    // Inside of the parentheses: no other step shall see them.
    let commands = SCRIPT.strip_prefix("(\n").unwrap_or(SCRIPT);
    format!("(\n{}{commands}", set.concat())
}
