//! What starts a release, as flags: the same for `plan` and for `start`.

use clap::{ArgGroup, Args};

/// What starts the release.
#[derive(Debug, Clone, Default, Args)]
#[command(group(ArgGroup::new("which").args(["branch", "tag", "reference", "pull_request"])))]
#[command(group(ArgGroup::new("why").args(["manual", "pull_request", "schedule", "upstream", "rollback"])))]
#[group(skip)]
pub struct Asked {
    /// A push to this branch; with another trigger, its branch
    #[arg(long, value_name = "BRANCH", help_heading = "Trigger")]
    pub branch: Option<String>,
    /// A tag
    #[arg(long, value_name = "TAG", help_heading = "Trigger")]
    pub tag: Option<String>,
    /// The full ref: refs/heads/BRANCH, refs/tags/TAG or refs/pull/NUMBER/head
    #[arg(long = "ref", value_name = "REF", help_heading = "Trigger")]
    pub reference: Option<String>,
    /// A pull request
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "into",
        help_heading = "Trigger"
    )]
    pub pull_request: Option<u64>,
    /// The branch that the pull request wants to change
    #[arg(
        long,
        value_name = "BRANCH",
        requires = "pull_request",
        help_heading = "Trigger"
    )]
    pub into: Option<String>,
    /// Somebody's request, not a push or a tag
    #[arg(long, help_heading = "Trigger")]
    pub manual: bool,
    /// With --manual: the environment that was chosen, where the definition asks
    #[arg(
        long,
        value_name = "ENV",
        requires = "manual",
        help_heading = "Trigger"
    )]
    pub environment: Option<String>,
    /// The clock of this name
    #[arg(long, value_name = "NAME", help_heading = "Trigger")]
    pub schedule: Option<String>,
    /// A successful release of another pipeline; its newest, or PIPELINE#NUMBER
    #[arg(long, value_name = "PIPELINE", help_heading = "Trigger")]
    pub upstream: Option<String>,
    /// Bring this environment back to what ran before
    #[arg(long, value_name = "ENV", help_heading = "Trigger")]
    pub rollback: Option<String>,
    /// With --rollback: why
    #[arg(
        long,
        value_name = "TEXT",
        requires = "rollback",
        help_heading = "Trigger"
    )]
    pub reason: Option<String>,
    /// With --rollback: the release to go back to [default: the one before]
    #[arg(
        long,
        value_name = "RELEASE",
        requires = "rollback",
        help_heading = "Trigger"
    )]
    pub to: Option<String>,
    /// With --rollback: the title of the release whose forward-only migration it leads across
    #[arg(
        long,
        value_name = "TITLE",
        requires = "rollback",
        help_heading = "Trigger"
    )]
    pub acknowledge: Option<String>,
    /// Who asks for it; never counts towards a quorum [default with --manual or --rollback: $USER]
    #[arg(long, value_name = "WHO", help_heading = "Trigger")]
    pub requester: Option<String>,
    /// Who wrote the commit; never counts towards a quorum
    #[arg(long, value_name = "WHO", help_heading = "Trigger")]
    pub author: Option<String>,
}

impl Asked {
    /// Whether they say what starts the release at all.
    pub fn is_said(&self) -> bool {
        self.full().is_some()
            || self.manual
            || self.schedule.is_some()
            || self.upstream.is_some()
            || self.rollback.is_some()
    }

    /// The full ref, if one is named.
    pub fn full(&self) -> Option<String> {
        let branch = self.branch.iter().map(|name| format!("refs/heads/{name}"));
        let tag = self.tag.iter().map(|name| format!("refs/tags/{name}"));
        let pull = self.pull_request.map(|n| format!("refs/pull/{n}/head"));
        branch
            .chain(tag)
            .chain(self.reference.clone())
            .chain(pull)
            .next()
    }
}
