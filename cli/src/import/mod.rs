//! From a GitHub Actions workflow to a draft of a definition.
//!
//! ```text
//! YAML --workflow--> jobs --order--> in a line, side by side where they may
//!                      |--job, step, actions--> stages      --write--> YAML with comments
//! on, if --expression--> triggers and their routes --'
//! ```
//!
//! Whatever cannot be carried over as it is becomes a comment `# DECIDE: …` at its
//! place and a placeholder that a definition can have. Nothing is left out
//! without a word, and no placeholder passes where the workflow would have
//! stopped: commands that are missing fail.

mod actions;
mod docker;
mod expression;
mod job;
mod order;
mod routes;
mod stage;
mod step;
mod text;
mod workflow;
mod write;

#[cfg(test)]
mod tests;

use workflow::Workflow;

/// How a decision begins in a draft.
pub const DECIDE: &str = "# DECIDE: ";

/// What the caller knows besides the workflow.
#[derive(Debug, Default)]
pub struct Known {
    /// The pipeline's id.
    pub id: Option<String>,
    /// The repository's URL.
    pub repository: Option<String>,
    /// What the workflow's file is called.
    pub file: String,
}

/// A draft of a definition.
#[derive(Debug)]
pub struct Draft {
    /// The pipeline's id.
    pub id: String,
    /// The definition.
    pub text: String,
    /// How many jobs the workflow has, and how many of them became stages.
    pub jobs: (usize, usize),
    /// How many steps the jobs have, and how many of them were carried over or
    /// are not needed.
    pub steps: (usize, usize),
    /// What a person must decide, in the draft's order.
    pub decide: Vec<String>,
}

/// Drafts a definition.
///
/// # Errors
/// When the text is no workflow; with what would be right.
pub fn draft(text: &str, known: &Known) -> Result<Draft, String> {
    let workflow = Workflow::read(text)?;
    let name = workflow.name.clone().unwrap_or_else(|| {
        let stem = known.file.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = stem.split('.').next().unwrap_or_default();
        crate::commands::init::titled(stem)
    });
    let id = known.id.clone().unwrap_or_else(|| id_of(&name));
    let ordered = order::ordered(&workflow.jobs)?;
    let pipeline = stage::pipeline(&workflow, &ordered);
    let routes = routes::routes(&workflow, &pipeline);
    let text = write::written(&id, &name, known, &workflow, &pipeline, &routes);
    let decide = text
        .lines()
        .filter_map(|line| line.split_once(DECIDE).map(|(_, what)| what.to_owned()))
        .collect();
    Ok(Draft {
        id,
        text,
        jobs: (workflow.jobs.len(), pipeline.jobs),
        steps: (
            workflow.jobs.iter().map(|job| job.steps.len()).sum(),
            pipeline.steps,
        ),
        decide,
    })
}

/// `smart-dairy` of `Smart Dairy CI/CD Pipeline`.
fn id_of(name: &str) -> String {
    let words: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(str::to_ascii_lowercase)
        .filter(|word| !matches!(word.as_str(), "" | "ci" | "cd" | "pipeline" | "workflow"))
        .collect();
    let id: String = words.join("-").chars().take(60).collect();
    let id = id.trim_end_matches('-').to_owned();
    if id.is_empty() {
        "imported".to_owned()
    } else {
        id
    }
}
