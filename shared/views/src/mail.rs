//! Mails through SNS: what is worth one, and the attributes that subscribers
//! filter by. A topic's mail goes to everybody who subscribes, so it never
//! carries a personal link.

use crate::text::{line, safe_url, short_line};
use crate::words;
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Head, StageRecord};
use std::collections::BTreeMap;

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its subject, one line.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// `pipeline`, `release`, `status` and, where there is one, `environment`.
    pub attributes: BTreeMap<&'static str, String>,
}

/// The mail about a fact, when it is worth one. `records`, of the release's stages,
/// are needed for its end alone.
pub fn for_fact(
    fact: &Fact,
    head: &Head,
    definition: &Definition,
    records: &[StageRecord],
    page_url: &str,
) -> Option<Mail> {
    let environment_of = |stage: &gatewright_domain::StageName| {
        definition
            .stage(stage)
            .and_then(|(_, s)| s.environment.as_ref())
            .map(ToString::to_string)
    };
    let (status, environment) = match fact {
        Fact::ApprovalRequested { stage, .. } => ("approval-requested", environment_of(stage)),
        Fact::ApprovalReminded { stage } => ("approval-reminded", environment_of(stage)),
        Fact::ApprovalClosed { stage, .. } => ("approval-closed", environment_of(stage)),
        Fact::EnvironmentChanged { environment, .. } => ("deployed", Some(environment.to_string())),
        Fact::TriggerRefused { .. } => ("refused", None),
        Fact::GlassBroken { .. } => ("glass-broken", None),
        Fact::EnvironmentHeld { environment, .. } => ("held", Some(environment.to_string())),
        Fact::ReleaseEnded { status, .. } => {
            let at = head.stage.as_ref().and_then(environment_of);
            (status.as_str(), at)
        }
        Fact::ReleaseAdmitted { .. }
        | Fact::StageStarted { .. }
        | Fact::BuildJudged { .. }
        | Fact::ArtifactPinned { .. }
        | Fact::ScanJudged { .. }
        | Fact::WatchJudged { .. }
        | Fact::StagePassed { .. }
        | Fact::StageFailed { .. }
        | Fact::DeployDelayed { .. }
        | Fact::ReleaseHalted { .. }
        | Fact::ReleaseResumed { .. }
        | Fact::EnvironmentFreed { .. }
        | Fact::DeployCleared { .. }
        | Fact::LockReleased { .. }
        | Fact::DownstreamStarted { .. }
        | Fact::Flagged { .. }
        | Fact::SchemaMigrated { .. }
        | Fact::MigrationAcknowledged { .. }
        | Fact::TakenBack { .. }
        | Fact::Lifted { .. }
        | Fact::RollbackResolved { .. }
        | Fact::DecisionRecorded { .. }
        | Fact::ApprovalReached { .. } => return None,
    };
    let mut text = vec![
        format!("{} ({})", line(&definition.name), head.title()),
        String::new(),
        words::fact(fact),
    ];
    if matches!(fact, Fact::ReleaseEnded { .. }) {
        text.extend(words::ending(head, Some(definition), records));
    }
    if let Some(trigger) = &head.trigger {
        let subject = trigger
            .message
            .as_deref()
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        text.push(String::new());
        text.push(format!(
            "Commit {} {}",
            trigger.commit.short(),
            short_line(subject, 200)
        ));
    }
    if let Some(url) = safe_url(page_url) {
        text.push(format!("The whole story: {url}"));
    }
    let mut attributes = BTreeMap::from([
        ("pipeline", head.pipeline.to_string()),
        ("release", head.release.to_string()),
        ("status", status.to_owned()),
    ]);
    if let Some(environment) = environment {
        attributes.insert("environment", environment);
    }
    let subject = short_line(
        &format!("{} {}", head.title(), status.replace('-', " ")),
        95,
    );
    Some(Mail {
        subject,
        text: text.join("\n"),
        attributes,
    })
}
