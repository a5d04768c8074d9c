//! A sentence for every fact of the ledger.

use super::obstacle::{obstacles, of_order};
use super::{choice, reference, sentence, status, via, what_failed};
use crate::text::{line, listed, short_line, utc};
use gatewright_domain::Digest;
use gatewright_domain::gate::Judged;
use gatewright_domain::ids::StageName;
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Quorum;

/// How much of a cause or a reason a sentence holds; the record has all of it.
pub(super) const MOST: usize = 2_000;

/// What happened, in one sentence.
pub fn fact(fact: &Fact) -> String {
    sentence(&match fact {
        Fact::ReleaseAdmitted {
            number,
            version,
            commit,
            reference: full,
            route,
            requester,
            author,
        } => {
            let route = clause("route", route.as_deref());
            let asked = clause("requested by", requester.as_deref());
            let wrote = clause("authored by", author.as_deref());
            format!(
                "Release #{number} began on commit {} of {}{route}{asked}{wrote}, under definition {}",
                commit.short(),
                reference(full),
                version.short()
            )
        }
        Fact::TriggerRefused { failure } => {
            format!("The trigger was refused: {}", what_failed(failure))
        }
        Fact::ArtifactPinned {
            artifact,
            digest,
            location,
        } => format!(
            "Artifact {} is {} from here on, at {}",
            quoted(artifact),
            digest.short(),
            line(location)
        ),
        Fact::EnvironmentChanged {
            environment,
            digest,
            previous,
        } => format!(
            "{environment} runs {} now{}",
            digest.short(),
            before(digest, previous.as_ref())
        ),
        Fact::LockReleased { environment } => format!("The lock of {environment} was given back"),
        Fact::DownstreamStarted {
            pipeline,
            release,
            problem,
        } => match (release, problem) {
            (Some(release), _) => format!("It started {pipeline}: release {release}"),
            (None, why) => format!(
                "It could not start {pipeline}: {}",
                short_line(why.as_deref().unwrap_or("no reason was given"), MOST)
            ),
        },
        Fact::ReleaseEnded {
            status: how,
            failure,
        } => match failure {
            None => format!("The release {}", ended(*how)),
            Some(failure) => format!("The release {}: {}", ended(*how), what_failed(failure)),
        },
        Fact::StageStarted { .. }
        | Fact::BuildJudged { .. }
        | Fact::ScanJudged { .. }
        | Fact::WatchJudged { .. }
        | Fact::StagePassed { .. }
        | Fact::StageFailed { .. }
        | Fact::DeployCleared { .. } => of_stage(fact),
        Fact::Flagged { .. }
        | Fact::SchemaMigrated { .. }
        | Fact::MigrationAcknowledged { .. }
        | Fact::TakenBack { .. }
        | Fact::Lifted { .. }
        | Fact::RollbackResolved { .. } => super::undo::of_undo(fact),
        Fact::ApprovalRequested { .. }
        | Fact::ApprovalReminded { .. }
        | Fact::DecisionRecorded { .. }
        | Fact::ApprovalReached { .. }
        | Fact::ApprovalClosed { .. } => of_approval(fact),
        Fact::DeployDelayed { .. }
        | Fact::ReleaseHalted { .. }
        | Fact::ReleaseResumed { .. }
        | Fact::GlassBroken { .. }
        | Fact::EnvironmentHeld { .. }
        | Fact::EnvironmentFreed { .. } => of_order(fact),
    })
}

fn of_stage(fact: &Fact) -> String {
    match fact {
        Fact::StageStarted { stage, attempt } => match attempt {
            0 | 1 => format!("{} began", named(stage)),
            again => format!("{} began again, attempt {again}", named(stage)),
        },
        Fact::BuildJudged {
            stage,
            attempt,
            build,
            evidence,
            gates,
        } => {
            let again = if *attempt > 1 {
                format!(", attempt {attempt},")
            } else {
                String::new()
            };
            format!(
                "{}{again} was judged by build {}: {} (evidence {})",
                named(stage),
                line(build),
                verdict(gates),
                evidence.short()
            )
        }
        Fact::ScanJudged {
            stage,
            digest,
            findings,
            gate,
        } => format!(
            "{} judged the scan of {}: {} (findings {})",
            named(stage),
            digest.short(),
            verdict(std::slice::from_ref(gate)),
            findings.short()
        ),
        Fact::WatchJudged {
            stage,
            evidence,
            outcome,
            because,
        } => format!(
            "{} was judged: {}, {} (evidence {})",
            named(stage),
            super::watch_outcome(*outcome),
            short_line(&because.join("; "), MOST),
            evidence.short()
        ),
        Fact::StagePassed { stage } => format!("{} passed", named(stage)),
        Fact::StageFailed {
            stage,
            error,
            cause,
        } => format!(
            "{} failed with {}: {}",
            named(stage),
            line(error),
            short_line(cause, MOST)
        ),
        Fact::DeployCleared {
            stage,
            environment,
            digest,
            evidence,
            fencing,
            passed,
        } => {
            let glass = match passed.as_slice() {
                [] => String::new(),
                passed => format!(", although {}", obstacles(passed)),
            };
            let to = digest
                .as_ref()
                .map_or_else(String::new, |digest| format!(" to {}", digest.short()));
            format!(
                "{} may change {environment}{to} on evidence {} under lock number {fencing}{glass}",
                named(stage),
                evidence.short()
            )
        }
        other => of_kind(other),
    }
}

fn of_approval(fact: &Fact) -> String {
    match fact {
        Fact::ApprovalRequested {
            stage,
            evidence,
            quorum,
            expires_at,
        } => format!(
            "{} asks for {} on evidence {}, until {}",
            named(stage),
            asked_for(quorum),
            evidence.short(),
            utc(*expires_at)
        ),
        Fact::ApprovalReminded { stage } => {
            format!("Those who have not answered {} were reminded", named(stage))
        }
        Fact::DecisionRecorded {
            stage,
            person,
            choice: what,
            reason,
            via: how,
            evidence,
        } => {
            let reason = short_line(reason, MOST);
            let because = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            format!(
                "{person} {} {} {}, on evidence {}{because}",
                choice(*what),
                named(stage),
                via(*how),
                evidence.short()
            )
        }
        Fact::ApprovalReached {
            stage,
            by,
            evidence,
        } => {
            let by: Vec<&str> = by.iter().map(|person| person.as_str()).collect();
            format!(
                "{} is approved by {} on evidence {}",
                named(stage),
                listed(&by),
                evidence.short()
            )
        }
        Fact::ApprovalClosed { stage, reason } => format!(
            "{} ended without an approval: {}",
            named(stage),
            short_line(reason, MOST)
        ),
        other => of_kind(other),
    }
}

/// Never reached: `fact` sends every kind to the function that knows it, and a
/// test holds it to that. A record must be readable whatever happens, so this
/// names the stage instead of giving up.
pub(super) fn of_kind(fact: &Fact) -> String {
    fact.stage().map_or_else(String::new, named)
}

fn verdict(gates: &[Judged]) -> String {
    let because = |passed: bool| {
        let reasons: Vec<String> = gates
            .iter()
            .filter(|gate| gate.passed == passed)
            .map(|gate| short_line(&gate.because, MOST))
            .collect();
        reasons.join("; ")
    };
    if gates.is_empty() {
        "it has no gates".to_owned()
    } else if gates.iter().all(|gate| gate.passed) {
        format!("every gate passed, {}", because(true))
    } else {
        format!("denied, {}", because(false))
    }
}

fn asked_for(quorum: &[Quorum]) -> String {
    let lines: Vec<String> = quorum
        .iter()
        .map(|q| format!("{} of {}", q.count, q.group))
        .collect();
    if lines.is_empty() {
        "nobody".to_owned()
    } else {
        listed(&lines)
    }
}

fn before(digest: &Digest, previous: Option<&Digest>) -> String {
    match previous {
        None => "; nothing ran there before".to_owned(),
        Some(same) if same == digest => ", as before".to_owned(),
        Some(other) => format!("; before, it ran {}", other.short()),
    }
}

fn ended(how: gatewright_domain::release::Status) -> String {
    if how.has_ended() {
        status(how).to_owned()
    } else {
        format!("is {}", status(how))
    }
}

fn clause(words: &str, who: Option<&str>) -> String {
    who.map_or_else(String::new, |who| format!(", {words} {}", line(who)))
}

pub(super) fn named(stage: &StageName) -> String {
    quoted(stage.as_str())
}

fn quoted(text: &str) -> String {
    format!("“{}”", line(text))
}
