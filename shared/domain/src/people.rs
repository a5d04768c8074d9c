//! People who may decide, and the groups that a quorum names.

use crate::ids::{GroupName, PersonId};
use serde::{Deserialize, Serialize};

/// Somebody who can be asked for an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The id, in records and commands.
    pub id: PersonId,
    /// The name, in messages and pages.
    pub name: String,
    /// The address; commits by it are commits by this person.
    pub email: String,
    /// The Slack member id, `U…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<String>,
    /// Everything else this person is known by: further commit addresses, a
    /// GitHub login, an IAM user's or role session's ARN.
    #[serde(default)]
    pub aliases: Vec<String>,
}

impl Person {
    /// Whether `identity` (an address, a login, an ARN, an id) is this person.
    ///
    /// Compared whole and without regard to case. Never by pattern: an
    /// unanchored actor pattern let strangers' accounts through elsewhere
    /// (CodeBreach, January 2026).
    pub fn is(&self, identity: &str) -> bool {
        let same = |own: &str| own.eq_ignore_ascii_case(identity.trim());
        same(self.id.as_str())
            || same(&self.email)
            || self.slack.as_deref().is_some_and(same)
            || self.aliases.iter().any(|alias| same(alias))
    }
}

/// People who can stand for one another in a quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group's name in definitions.
    pub name: GroupName,
    /// Its title for people, such as `Project Lead`.
    pub title: String,
    /// Its members now.
    pub members: Vec<PersonId>,
}

/// Everyone who can decide, as of now. A decision counts by the membership at
/// the time of deciding *and* of deploying: a removed member's approval does not
/// deploy (GitLab issue 323794).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The people.
    pub people: Vec<Person>,
    /// The groups.
    pub groups: Vec<Group>,
}

impl Directory {
    /// The person of that id.
    pub fn person(&self, id: &PersonId) -> Option<&Person> {
        self.people.iter().find(|person| &person.id == id)
    }

    /// The one person known by `identity`; nobody when two people claim it.
    pub fn identified(&self, identity: &str) -> Option<&Person> {
        let mut matching = self.people.iter().filter(|person| person.is(identity));
        matching.next().filter(|_| matching.next().is_none())
    }

    /// The group of that name.
    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.iter().find(|group| &group.name == name)
    }

    /// Whether the person is a member of the group now.
    pub fn is_member(&self, person: &PersonId, group: &GroupName) -> bool {
        self.person(person).is_some()
            && self
                .group(group)
                .is_some_and(|g| g.members.contains(person))
    }
}
