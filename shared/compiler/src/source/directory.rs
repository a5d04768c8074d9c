//! The directory of approvers: people, and the groups that quorums name.

use super::check::unknown;
use super::fields::{self, Fields};
use super::language;
use super::sink::{Marked, Sink};
use super::tree::{Node, Value};
use gatewright_domain::ids::{GroupName, PersonId};
use gatewright_domain::people::{Directory, Group, Person};

/// A person as written, with the places of all identities.
struct RawPerson {
    person: Person,
    id: Marked<String>,
    identities: Vec<Marked<String>>,
}

/// A group as written.
struct RawGroup {
    name: Marked<GroupName>,
    title: String,
    members: Vec<Marked<PersonId>>,
}

/// Reads and checks the directory.
pub(crate) fn read(root: &Node, sink: &Sink) -> Option<Directory> {
    let start = root.at.start..root.at.start;
    if root.value == Value::Null {
        let help = "a directory has \"people\" and \"groups\"";
        sink.error_help(&(0..0), "the file is empty", help);
        return None;
    }
    let top = Fields::of(root, &start, &language::DIRECTORY, sink)?;
    let items = |key| {
        top.required(key)
            .and_then(|node| fields::list(node, key, sink))
            .unwrap_or_default()
    };
    let people: Vec<RawPerson> = items("people")
        .iter()
        .filter_map(|n| person(n, sink))
        .collect();
    let groups: Vec<RawGroup> = items("groups")
        .iter()
        .filter_map(|n| group(n, sink))
        .collect();
    let all_read = people.len() == items("people").len();
    one_owner_each(&people, sink);
    // A person who could not be read is reported, and may be the one meant.
    check_groups(&groups, &people, all_read, sink);
    Some(Directory {
        people: people.into_iter().map(|p| p.person).collect(),
        groups: groups
            .into_iter()
            .map(|g| Group {
                name: g.name.value,
                title: g.title,
                members: g.members.into_iter().map(|m| m.value).collect(),
            })
            .collect(),
    })
}

fn person(node: &Node, sink: &Sink) -> Option<RawPerson> {
    let of = Fields::of(node, &node.at, &language::PERSON, sink)?;
    let say = |key| of.required(key).and_then(|n| fields::text(n, key, sink));
    let (id, name, email) = (say("id"), say("name"), say("email"));
    if let Some(email) = &email
        && (!email.value.contains('@') || email.value.contains(char::is_whitespace))
    {
        sink.error(
            &email.at,
            format!("{:?} is not an e-mail address", email.value),
        );
    }
    let slack = of.get("slack").and_then(|n| slack(n, sink));
    let aliases = of
        .get("aliases")
        .map(|n| fields::texts(n, "aliases", "an alias", sink))
        .unwrap_or_default();
    let id = id?;
    let typed = fields::parsed::<PersonId>(&id, sink)?;
    let identities = [Some(id.clone()), email.clone(), slack.clone()]
        .into_iter()
        .flatten()
        .chain(aliases.iter().cloned())
        .collect();
    Some(RawPerson {
        person: Person {
            id: typed.value,
            name: name?.value,
            email: email?.value,
            slack: slack.map(|s| s.value),
            aliases: aliases.into_iter().map(|a| a.value).collect(),
        },
        id,
        identities,
    })
}

fn slack(node: &Node, sink: &Sink) -> Option<Marked<String>> {
    let said = fields::text(node, "slack", sink)?;
    let valid = said.value.starts_with(['U', 'W'])
        && said.value.len() > 1
        && said
            .value
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if !valid {
        sink.error_help(
            &said.at,
            format!("{:?} is not a Slack member id", said.value),
            "it looks like U0123ABCD: in Slack, profile, more, copy member ID; a name can change hands",
        );
    }
    Some(said)
}

/// An identity that two people claim would make a decision count for either.
fn one_owner_each(people: &[RawPerson], sink: &Sink) {
    for (index, person) in people.iter().enumerate() {
        for identity in &person.identities {
            let owner = people[..index].iter().find(|other| {
                other
                    .identities
                    .iter()
                    .any(|i| i.value.trim().eq_ignore_ascii_case(identity.value.trim()))
            });
            let Some(owner) = owner else { continue };
            if identity.at == person.id.at && owner.id.value == person.id.value {
                sink.error(
                    &identity.at,
                    format!("there is another person {:?}", identity.value),
                );
            } else {
                sink.error_help(
                    &identity.at,
                    format!(
                        "{:?} is already an identity of {:?}",
                        identity.value, owner.id.value
                    ),
                    "an identity belongs to one person, whatever its case",
                );
            }
        }
    }
}

fn group(node: &Node, sink: &Sink) -> Option<RawGroup> {
    let of = Fields::of(node, &node.at, &language::GROUP, sink)?;
    let name = of
        .required("name")
        .and_then(|n| fields::id::<GroupName>(n, "name", sink));
    let title = of.get("title").and_then(|n| fields::text(n, "title", sink));
    let members = fields::list(of.required("members")?, "members", sink)?
        .iter()
        .filter_map(|n| fields::id::<PersonId>(n, "a member", sink))
        .collect();
    let name = name?;
    Some(RawGroup {
        title: title.map_or_else(|| name.value.to_string(), |t| t.value),
        name,
        members,
    })
}

fn check_groups(groups: &[RawGroup], people: &[RawPerson], all_read: bool, sink: &Sink) {
    let mut known: Vec<&str> = people.iter().map(|p| p.id.value.as_str()).collect();
    known.dedup();
    for (index, group) in groups.iter().enumerate() {
        let name = group.name.value.as_str();
        if groups[..index]
            .iter()
            .any(|g| g.name.value.as_str() == name)
        {
            sink.error(&group.name.at, format!("there is another group {name:?}"));
        }
        for (at, member) in group.members.iter().enumerate() {
            let said = Marked::new(member.value.to_string(), &member.at);
            if all_read {
                unknown(&said, "person", &known, sink);
            }
            if group.members[..at].iter().any(|m| m.value == member.value) {
                sink.error(&member.at, format!("{:?} is in {name} twice", said.value));
            }
        }
    }
}
