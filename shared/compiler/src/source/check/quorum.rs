//! Can the people who must agree agree? A quorum that nobody can reach is found
//! here and not at the first live release.

use super::unknown;
use crate::source::approval::{Line, lowered};
use crate::source::pipeline::RawPipeline;
use crate::source::sink::{Marked, Sink};
use crate::source::stage::Kind;
use gatewright_domain::approval::standing;
use gatewright_domain::ids::{GroupName, PersonId};
use gatewright_domain::people::Directory;

/// Checks every approval's quorum, and every group that is named, against the
/// directory where there is one.
pub(super) fn check(raw: &RawPipeline, directory: Option<&Directory>, sink: &Sink) {
    for stage in &raw.stages.stages {
        if let Kind::Approval(approval) = &stage.kind {
            quorum(&approval.quorum, directory, sink);
        }
        let gates = stage.build.gates.iter();
        let may_lift = gates.filter_map(|gate| {
            let group = gate.value.leniency()?.sign_off.clone()?;
            Some(Marked::new(group, &gate.at))
        });
        for group in may_lift {
            exists(&group, directory, sink);
        }
    }
    for (_, environment) in &raw.environments {
        let Some(environment) = environment else {
            continue;
        };
        for group in &environment.groups {
            exists(group, directory, sink);
        }
        if let Some(agreed) = &environment.quorum {
            quorum(agreed, directory, sink);
        }
    }
}

fn quorum(lines: &Marked<Vec<Line>>, directory: Option<&Directory>, sink: &Sink) {
    for (index, (group, _)) in lines.value.iter().enumerate() {
        let before = &lines.value[..index];
        if before.iter().any(|(g, _)| g.value == group.value) {
            sink.error_help(
                &group.at,
                format!("the group {:?} is here twice", group.value.as_str()),
                "keep one line and add up its count",
            );
        }
    }
    let all = lines.value.iter().fold(true, |all, (group, _)| {
        exists(group, directory, sink) && all
    });
    if let Some(directory) = directory
        && all
    {
        reachable(lines, directory, sink);
    }
}

fn exists(group: &Marked<GroupName>, directory: Option<&Directory>, sink: &Sink) -> bool {
    let Some(directory) = directory else {
        return true;
    };
    let known: Vec<&str> = directory.groups.iter().map(|g| g.name.as_str()).collect();
    let said = Marked::new(group.value.to_string(), &group.at);
    unknown(&said, "group", &known, sink)
}

fn reachable(lines: &Marked<Vec<Line>>, directory: &Directory, sink: &Sink) {
    let quorum = lowered(&lines.value);
    let everyone: Vec<PersonId> = directory.people.iter().map(|p| p.id.clone()).collect();
    let missing = standing(&quorum, &everyone, directory).missing;
    if !missing.is_empty() {
        let lacking: Vec<String> = missing
            .iter()
            .map(|(group, count)| format!("{count} more in {group}"))
            .collect();
        sink.error_help(
            &lines.at,
            format!(
                "nobody can reach this quorum: it needs {}",
                lacking.join(" and ")
            ),
            "each person counts once, even in several groups; add members or ask for fewer",
        );
        return;
    }
    let breaks = |absent: &PersonId| {
        let others: Vec<PersonId> = everyone.iter().filter(|p| *p != absent).cloned().collect();
        !standing(&quorum, &others, directory).is_reached()
    };
    let stuck: Vec<&str> = everyone
        .iter()
        .filter(|person| breaks(person))
        .map(PersonId::as_str)
        .collect();
    if stuck.is_empty() {
        return;
    }
    let without = stuck.join(" or without ");
    // Somebody asks for every release and wrote its commit. When everybody who
    // is known is needed, nobody is left to do that.
    if stuck.len() == everyone.len() {
        sink.error_help(
            &lines.at,
            format!("nobody can ever reach this quorum: who requests a release or wrote its commit does not count, and it cannot be reached without {without}"),
            "these are all people in the directory; add a member to one of the groups, or ask for fewer",
        );
        return;
    }
    sink.warn(
        &lines.at,
        format!("without {without} nobody can reach this quorum"),
        "who requests a release or wrote its commit does not count; with one more member it would always be possible",
    );
}
