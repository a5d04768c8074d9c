//! What a watch measured, in words.

use crate::text::short_line;
use gatewright_domain::approval::Request;
use gatewright_domain::evidence::{WatchEvidence, WatchOutcome};

/// How much of what was measured a line holds; the record has all of it.
const MOST: usize = 600;

/// What was measured, a line for each thing that was watched.
pub fn measured(seen: &WatchEvidence) -> Vec<String> {
    let lines = seen.measured.iter();
    lines.map(|m| short_line(&m.because, MOST)).collect()
}

/// What people are asked about, where it is a watch that did not tell: a
/// sentence, then what was measured.
pub fn asked_about(request: &Request) -> Option<Vec<String>> {
    let seen = request.about.as_ref()?;
    let mut said = vec![
        "The new version was watched, and its numbers do not tell whether it does well. May it go on all the same? A rejection undoes the change where the environment can be brought back."
            .to_owned(),
    ];
    said.extend(measured(seen));
    Some(said)
}

/// What a watch says, for people.
pub fn watch_outcome(outcome: WatchOutcome) -> &'static str {
    match outcome {
        WatchOutcome::Going => "not over yet",
        WatchOutcome::Passed => "the new version does well",
        WatchOutcome::Failed => "the new version does not do well",
        WatchOutcome::Inconclusive => "nobody can tell",
    }
}
