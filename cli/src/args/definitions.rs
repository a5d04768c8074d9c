//! The commands about definitions.

use super::trigger::Asked;
use super::values::{parse_commit, parse_id};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

use super::help;

/// `validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// The files [default: pipelines/*.yaml]
    pub files: Vec<PathBuf>,
}

/// `compile`.
#[derive(Debug, Args)]
pub struct Compile {
    /// The files [default: pipelines/*.yaml]
    pub files: Vec<PathBuf>,
    /// Write nothing; say what differs from what is there
    #[arg(long)]
    pub check: bool,
    /// Where the state machines are
    #[arg(long, value_name = "DIR", default_value = "statemachines")]
    pub out: PathBuf,
    /// Where the templates of the pipelines' stacks are
    #[arg(long, value_name = "DIR", default_value = "infra/pipelines")]
    pub templates: PathBuf,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// A pipeline's id, or its file [default: the only one in pipelines/]
    #[arg(value_name = "PIPELINE|FILE")]
    pub pipeline: Option<String>,
    /// What starts it; without it, all triggers and their routes are listed
    #[command(flatten)]
    pub asked: Asked,
    /// The commit
    #[arg(long, value_name = "SHA", value_parser = parse_commit, help_heading = "Trigger")]
    pub commit: Option<String>,
    /// What each state costs at its limits
    #[arg(long)]
    pub cost: bool,
}

/// `start`.
#[derive(Debug, Args)]
pub struct Start {
    /// The pipeline's id
    pub pipeline: String,
    /// What starts it
    #[command(flatten)]
    pub asked: Asked,
    /// The commit, in full [default with --schedule and --upstream: the branch's last released one;
    /// with --rollback: the one that runs]
    #[arg(
        long, value_name = "SHA", value_parser = parse_commit, help_heading = "Trigger",
        required_unless_present_any = ["git", "schedule", "upstream", "rollback"]
    )]
    pub commit: Option<String>,
    /// Take commit, ref, author and message from the Git repository here
    #[arg(long, help_heading = "Trigger")]
    pub git: bool,
    /// The commit's message, for people
    #[arg(long, value_name = "TEXT", help_heading = "Trigger")]
    pub message: Option<String>,
    /// The release's id; the same id with the same input is the same release [default: a new one]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Follow it until it ends
    #[arg(long)]
    pub watch: bool,
}

/// In what a pipeline is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for a terminal
    Text,
    /// Mermaid, for Markdown
    Mermaid,
    /// A picture
    Svg,
}

/// `graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// A pipeline's id, or its file [default: the only one in pipelines/]
    #[arg(value_name = "PIPELINE|FILE")]
    pub pipeline: Option<String>,
    /// As what [default: text, or what the name of --output ends with: .mmd, .md or .svg]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Only the stages of this trigger's route
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
    /// Write it here instead of printing it
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// What was: a file, a pipeline's id (its file here), PIPELINE@VERSION or PIPELINE@live
    #[arg(value_name = "A")]
    pub before: String,
    /// What is; without it, A is compared with what is live
    #[arg(value_name = "B")]
    pub after: Option<String>,
}

/// `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// Only these pipelines, by id [default: all in pipelines/]
    pub pipelines: Vec<String>,
    /// Why; needed when a protected environment is protected less afterwards
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who applies it, for the record [default: git's user.email, or $USER]
    #[arg(long, value_name = "WHO")]
    pub by: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `versions`.
#[derive(Debug, Args)]
pub struct Versions {
    /// The pipeline's id
    pub pipeline: String,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

/// What a first definition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A Python service in a container image, on Kubernetes
    PythonService,
    /// A Node.js service in a container image, on Kubernetes
    NodeService,
    /// Infrastructure: the plan that people read is the plan that is applied
    Terraform,
    /// A versioned archive, such as a module or a Lambda function's code
    Archive,
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// What it releases; asked for on a terminal
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// The pipeline's id; asked for on a terminal
    #[arg(long, value_parser = parse_id)]
    pub id: Option<String>,
    /// The repository's URL; asked for on a terminal [default: git's origin]
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,
    /// The folder in the repository that is released
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub path: String,
    /// Its name for people [default: made from the id]
    #[arg(long)]
    pub name: Option<String>,
    /// The AWS region
    #[arg(long, default_value = "ap-south-1")]
    pub region: String,
    /// Who approves production: a group's name in approvers.yaml
    #[arg(long, value_name = "GROUP", default_value = "release-manager")]
    pub approvers: String,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = crate::files::FOLDER)]
    pub folder: PathBuf,
    /// Write over a definition that is there
    #[arg(long)]
    pub force: bool,
}

/// What can be turned into a draft.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Turn a GitHub Actions workflow into a draft of a definition
    #[command(after_long_help = help::IMPORT_GITHUB)]
    GithubWorkflow(WorkflowFile),
}

/// `import github-workflow`.
#[derive(Debug, Args)]
pub struct WorkflowFile {
    /// The workflow, such as .github/workflows/main.yml
    pub file: PathBuf,
    /// Write it here instead of printing it
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The pipeline's id [default: made from the workflow's name]
    #[arg(long, value_parser = parse_id)]
    pub id: Option<String>,
    /// The repository's URL [default: git's origin]
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}
