//! A sentence for every fact about going back.

use super::fact::{MOST, named, of_kind};
use crate::text::{line, listed, short_line};
use gatewright_domain::ledger::Fact;
use gatewright_domain::undo::{Flag, Standing, Target};

/// What people should know before they let a release through, as a sentence.
pub fn flag(flag: &Flag) -> String {
    let why = short_line(&flag.why, 300);
    let because = if why.is_empty() {
        String::new()
    } else {
        format!(" (because: {why})")
    };
    format!("This release {}{because}", line(&flag.told()))
}

/// What somebody should know before they go back to this version by hand, a
/// sentence each; nothing when it was good and no data stands in the way.
pub fn careful(target: &Target) -> Vec<String> {
    let mut sentences = Vec::new();
    match &target.standing {
        Standing::Good | Standing::Runs => {}
        Standing::Failed => {
            sentences.push("Careful: a stage of its release failed there.".to_owned())
        }
        Standing::TakenBack { why } => sentences.push(format!(
            "Careful: it was taken back: {}",
            short_line(why, MOST)
        )),
    }
    if !target.across.is_empty() {
        let titles: Vec<String> = target.across.iter().map(|title| line(title)).collect();
        sentences.push(format!(
            "Careful: since then {} migrated the data forward only, or may have: the older version meets newer data.",
            listed(&titles)
        ));
    }
    sentences
}

/// What happened, when it is about going back.
pub(super) fn of_undo(fact: &Fact) -> String {
    match fact {
        Fact::Flagged { flag: known } => flag(known),
        Fact::SchemaMigrated {
            stage,
            environment,
            kind,
        } => format!(
            "{} migrated the data of {environment}, {kind}",
            named(stage)
        ),
        Fact::MigrationAcknowledged {
            environment,
            by,
            typed,
            migrated,
        } => {
            let who = by.as_deref().map_or_else(|| "Somebody".to_owned(), line);
            let migrated: Vec<String> = migrated.iter().map(|title| line(title)).collect();
            format!(
                "{who} accepted, by typing “{}”, that {environment} goes back across what {} migrated forward only",
                line(typed),
                listed(&migrated)
            )
        }
        Fact::TakenBack {
            environment,
            title,
            digest,
            why,
        } => format!(
            "{} ({}) was taken back from {environment} and stays back until somebody lifts that: {}",
            line(title),
            digest.short(),
            short_line(why, MOST)
        ),
        Fact::Lifted {
            environment,
            by,
            reason,
            digest,
        } => format!(
            "{} allowed {} in {environment} again: {}",
            line(by),
            digest.short(),
            short_line(reason, MOST)
        ),
        Fact::RollbackResolved {
            environment,
            by,
            text,
        } => format!(
            "{} wrote down what became of the rollback of {environment}: {}",
            line(by),
            short_line(text, MOST)
        ),
        other => of_kind(other),
    }
}
