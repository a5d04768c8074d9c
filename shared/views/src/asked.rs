//! An approval request with all that is needed to say who is asked, who has
//! agreed and who is missing.

use crate::text::{line, listed};
use gatewright_domain::approval::{Choice, Decision, Request, Standing, State, Via, standing};
use gatewright_domain::decide::{Outcome, Refusal, answer};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Quorum;
use gatewright_domain::{GroupName, PersonId, Timestamp};

/// A request, the decisions on it, and who is who now.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// All decisions on it so far.
    pub decisions: &'a [Decision],
    /// Who is who now.
    pub directory: &'a Directory,
}

impl<'a> Asked<'a> {
    /// A person's name; the id of somebody whom the directory does not know.
    pub fn name(&self, person: &PersonId) -> String {
        name(self.directory, person)
    }

    /// A group's title, such as `DevOps Lead`; its name where it has none.
    pub fn title(&self, group: &GroupName) -> String {
        title(self.directory, group)
    }

    /// The person's decision, if there is one.
    pub fn decision_of(&self, person: &PersonId) -> Option<&'a Decision> {
        self.decisions.iter().find(|d| &d.person == person)
    }

    /// Whether the person requested the release or authored the commit, or is
    /// nobody whom the directory knows: then they never count.
    pub fn is_excluded(&self, person: &PersonId) -> bool {
        self.directory
            .person(person)
            .is_none_or(|known| self.request.excluded.iter().any(|who| known.is(who)))
    }

    /// How far the quorum has come, counted as the decision itself counts.
    pub fn standing(&self) -> Standing {
        let approvers: Vec<PersonId> = self
            .decisions
            .iter()
            .filter(|d| d.choice == Choice::Approve && d.evidence == self.request.evidence)
            .filter(|d| !self.is_excluded(&d.person))
            .map(|d| d.person.clone())
            .collect();
        standing(&self.request.quorum, &approvers, self.directory)
    }

    /// Who could still stand for a group: its members who may decide and have
    /// not.
    pub fn could_decide(&self, group: &GroupName) -> Vec<PersonId> {
        let members = self.directory.group(group).map(|g| g.members.as_slice());
        members
            .unwrap_or_default()
            .iter()
            .filter(|person| !self.is_excluded(person) && self.decision_of(person).is_none())
            .cloned()
            .collect()
    }

    /// The groups of the quorum that a person is in, by title.
    pub fn groups_of(&self, person: &PersonId) -> Vec<String> {
        self.request
            .quorum
            .iter()
            .filter(|q| self.directory.is_member(person, &q.group))
            .map(|q| self.title(&q.group))
            .collect()
    }

    /// Whether the request waits for decisions at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.request.state == State::Open && now < self.request.expires_at
    }

    /// `DevOps Lead is still missing.`; nothing when nobody is.
    pub fn missing_words(&self) -> Option<String> {
        missing(&self.standing(), self.directory)
    }

    /// What the person's approval would do now, or why it would not count: the
    /// same judgement as when it is given.
    ///
    /// # Errors
    /// Why it would not count.
    pub fn if_approved(&self, person: &PersonId, now: Timestamp) -> Result<Outcome, Refusal> {
        let imagined = Decision {
            person: person.clone(),
            choice: Choice::Approve,
            reason: String::new(),
            at: now,
            via: Via::Page,
            evidence: self.request.evidence.clone(),
        };
        answer(self.request, self.decisions, self.directory, &imagined, now)
    }

    /// Where the request stands, in a sentence.
    pub fn state_words(&self, now: Timestamp) -> String {
        match &self.request.state {
            State::Open if now >= self.request.expires_at => {
                "It expired before everybody had decided.".to_owned()
            }
            State::Open => self
                .missing_words()
                .unwrap_or_else(|| "Everybody has decided.".to_owned()),
            State::Approved { at } => format!("It was approved at {}.", crate::text::utc(*at)),
            State::Rejected { by, reason } => {
                format!("{} rejected it: {}", self.name(by), line(reason))
            }
            State::Closed { reason } => format!("It is over: {}", line(reason)),
        }
    }
}

/// A person's name; the id of somebody whom the directory does not know.
pub fn name(directory: &Directory, person: &PersonId) -> String {
    directory
        .person(person)
        .map_or_else(|| person.to_string(), |known| line(&known.name))
}

/// A group's title; its name where the directory has none.
pub fn title(directory: &Directory, group: &GroupName) -> String {
    directory
        .group(group)
        .map_or_else(|| group.to_string(), |known| line(&known.title))
}

/// `Project Lead and 2 × DevOps Lead are still missing.`
pub fn missing(standing: &Standing, directory: &Directory) -> Option<String> {
    let who: Vec<String> = standing
        .missing
        .iter()
        .map(|(group, count)| counted(*count, &title(directory, group)))
        .collect();
    let one = matches!(standing.missing.as_slice(), [(_, 1)]);
    let verb = if one { "is" } else { "are" };
    (!who.is_empty()).then(|| format!("{} {verb} still missing.", listed(&who)))
}

/// `Project Lead and 2 × DevOps Lead`: a quorum by the groups' titles.
pub fn quorum(lines: &[Quorum], directory: &Directory) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|q| counted(q.count, &title(directory, &q.group)))
        .collect();
    listed(&lines)
}

fn counted(count: u32, what: &str) -> String {
    match count {
        1 => what.to_owned(),
        n => format!("{n} × {what}"),
    }
}
