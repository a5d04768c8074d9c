//! From a definition to the CloudFormation template of its pipeline: everything
//! on AWS that belongs to one pipeline and not to Gatewright as a whole.
//!
//! One stack a pipeline, beside the core stack (`infra/template.yaml`): a new
//! pipeline changes nothing that others use, and what a pipeline's builds may do
//! is read off its definition instead of being written, and forgotten, by hand.
//! What the core has and a pipeline needs (functions, the log of builds, the
//! bucket) comes in as parameters that are named like the core's outputs.

mod cfn;
mod cron;
mod images;
mod machine;
mod projects;
mod rights;
mod schedules;

use cfn::Template;
use gatewright_domain::PipelineId;
use gatewright_domain::pipeline::Definition;
use serde_json::Value;

/// The template of a pipeline's stack.
///
/// It is the same for the same definition, and it is made from any definition:
/// what a template cannot express, CloudFormation refuses.
pub fn template(definition: &Definition) -> Value {
    let mut template = Template::default();
    machine::add(&mut template, definition);
    projects::add(&mut template, definition);
    images::add(&mut template, definition);
    schedules::add(&mut template, definition);
    template.finish(&format!(
        "Gatewright's pipeline {}, made from pipelines/{0}.yaml by `gatewright compile`; not to be edited.",
        definition.id
    ))
}

/// The template as committed and deployed: indented JSON with a newline at its
/// end.
pub fn to_json(template: &Value) -> String {
    let mut text = serde_json::to_string_pretty(template).unwrap_or_default();
    text.push('\n');
    text
}

/// Where in the bucket a pipeline's artifacts are that are no images: its builds may
/// put things there and nowhere else, and whatever deploys them may get them from
/// there.
pub fn folder(pipeline: &PipelineId) -> String {
    format!("artifacts/{pipeline}")
}
