//! Is this person allowed to decide, and does the decision complete the quorum?

use crate::Timestamp;
use crate::approval::{Choice, Decision, Request, Standing, State, standing};
use crate::ids::PersonId;
use crate::people::Directory;

/// Why a decision does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The person is in none of the groups that are asked.
    #[error("{0} is in none of the groups that are asked")]
    NotAsked(PersonId),
    /// The person requested the release or authored the commit.
    #[error("{0} requested this release or authored its commit and cannot decide on it")]
    OwnWork(PersonId),
    /// The person has decided already.
    #[error("{person} has already decided ({choice}); a decision counts once", choice = match .choice { Choice::Approve => "approved", Choice::Reject => "rejected" })]
    AlreadyDecided {
        /// Who.
        person: PersonId,
        /// What they decided.
        choice: Choice,
    },
    /// The request is over.
    #[error("the request is over: {0}")]
    Over(String),
    /// The link or button was made for other evidence.
    #[error(
        "this was issued for other evidence than what is asked for now; use the newest request"
    )]
    OtherEvidence,
    /// A rejection must say why.
    #[error("a rejection must say why")]
    NoReason,
}

/// What a decision that counts does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is recorded; others are still needed.
    Open(Standing),
    /// It completes the quorum.
    Approved(Standing),
    /// It ends the request.
    Rejected,
}

/// Judges `new` on `request`, given the decisions so far and who is who now.
///
/// # Errors
/// Why the decision does not count.
pub fn answer(
    request: &Request,
    so_far: &[Decision],
    directory: &Directory,
    new: &Decision,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    if let Some(earlier) = so_far.iter().find(|d| d.person == new.person) {
        return Err(Refusal::AlreadyDecided {
            person: new.person.clone(),
            choice: earlier.choice,
        });
    }
    match &request.state {
        State::Open if now >= request.expires_at => {
            return Err(Refusal::Over("it has expired".to_owned()));
        }
        State::Open => {}
        State::Approved { .. } => return Err(Refusal::Over("it is approved".to_owned())),
        State::Rejected { by, .. } => return Err(Refusal::Over(format!("{by} rejected it"))),
        State::Closed { reason } => return Err(Refusal::Over(reason.clone())),
    }
    if new.evidence != request.evidence {
        return Err(Refusal::OtherEvidence);
    }
    if !request
        .quorum
        .iter()
        .any(|q| directory.is_member(&new.person, &q.group))
    {
        return Err(Refusal::NotAsked(new.person.clone()));
    }
    if is_excluded(request, directory, &new.person) {
        return Err(Refusal::OwnWork(new.person.clone()));
    }
    if new.choice == Choice::Reject {
        return if new.reason.trim().is_empty() {
            Err(Refusal::NoReason)
        } else {
            Ok(Outcome::Rejected)
        };
    }
    let approvers: Vec<PersonId> = so_far
        .iter()
        .filter(|d| d.choice == Choice::Approve && d.evidence == request.evidence)
        .filter(|d| !is_excluded(request, directory, &d.person))
        .map(|d| d.person.clone())
        .chain([new.person.clone()])
        .collect();
    let reached = standing(&request.quorum, &approvers, directory);
    Ok(if reached.is_reached() {
        Outcome::Approved(reached)
    } else {
        Outcome::Open(reached)
    })
}

/// Whether the person requested the release or authored the commit. A person
/// whom the directory no longer knows is excluded as well.
pub(super) fn is_excluded(request: &Request, directory: &Directory, person: &PersonId) -> bool {
    directory
        .person(person)
        .is_none_or(|known| request.excluded.iter().any(|identity| known.is(identity)))
}
