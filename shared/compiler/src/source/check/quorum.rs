//! Can the people who must agree agree? A quorum that nobody can reach is found
//! here and not at the first live release.

use super::unknown;
use crate::source::approval::{RawApproval, lowered};
use crate::source::pipeline::RawPipeline;
use crate::source::sink::{Marked, Sink};
use crate::source::stage::Kind;
use gatewright_domain::approval::standing;
use gatewright_domain::ids::PersonId;
use gatewright_domain::people::Directory;

/// Checks every approval's quorum, against the directory where there is one.
pub(crate) fn check(raw: &RawPipeline, directory: Option<&Directory>, sink: &Sink) {
    for stage in &raw.stages.stages {
        if let Kind::Approval(approval) = &stage.kind {
            distinct(approval, sink);
            if let Some(directory) = directory
                && groups_exist(approval, directory, sink)
            {
                reachable(approval, directory, sink);
            }
        }
    }
}

fn distinct(approval: &RawApproval, sink: &Sink) {
    for (index, (group, _)) in approval.quorum.value.iter().enumerate() {
        if approval.quorum.value[..index]
            .iter()
            .any(|(g, _)| g.value == group.value)
        {
            sink.error_help(
                &group.at,
                format!("the group {:?} is here twice", group.value.as_str()),
                "keep one line and add up its count",
            );
        }
    }
}

fn groups_exist(approval: &RawApproval, directory: &Directory, sink: &Sink) -> bool {
    let known: Vec<&str> = directory.groups.iter().map(|g| g.name.as_str()).collect();
    let mut all = true;
    for (group, _) in &approval.quorum.value {
        let said = Marked::new(group.value.to_string(), &group.at);
        all &= unknown(&said, "group", &known, sink);
    }
    all
}

fn reachable(approval: &RawApproval, directory: &Directory, sink: &Sink) {
    let quorum = lowered(&approval.quorum.value);
    let everyone: Vec<PersonId> = directory.people.iter().map(|p| p.id.clone()).collect();
    let missing = standing(&quorum, &everyone, directory).missing;
    if !missing.is_empty() {
        let lacking: Vec<String> = missing
            .iter()
            .map(|(group, count)| format!("{count} more in {group}"))
            .collect();
        sink.error_help(
            &approval.quorum.at,
            format!(
                "nobody can reach this quorum: it needs {}",
                lacking.join(" and ")
            ),
            "each person counts once, even in several groups; add members or ask for fewer",
        );
        return;
    }
    let stuck: Vec<&str> = everyone
        .iter()
        .filter(|absent| {
            let others: Vec<PersonId> = everyone.iter().filter(|p| p != absent).cloned().collect();
            !standing(&quorum, &others, directory).is_reached()
        })
        .map(PersonId::as_str)
        .collect();
    if !stuck.is_empty() {
        sink.warn(
            &approval.quorum.at,
            format!("without {} nobody can reach this quorum", stuck.join(" or without ")),
            "who requests a release or wrote its commit does not count; with one more member it would always be possible",
        );
    }
}
