//! Whether people can let through now what they could not before.

use gatewright_domain::PersonId;
use gatewright_domain::approval::standing;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Quorum;

/// So many people are tried in every combination: 4096 of them.
const MOST: usize = 12;

/// The fewest people who reach `after` and do not reach `before`.
///
/// With a directory of at most [`MOST`] people in the groups that are named, all
/// combinations are tried, so that `None` means that nobody gained anything.
pub fn newly_enough(
    before: &[Quorum],
    after: &[Quorum],
    directory: &Directory,
) -> Result<Option<Vec<PersonId>>, Unknown> {
    let groups = before.iter().chain(after).map(|line| &line.group);
    let mut people: Vec<PersonId> = Vec::new();
    for name in groups {
        let group = directory.group(name).ok_or(Unknown)?;
        people.extend(group.members.iter().cloned());
    }
    people.sort();
    people.dedup();
    if people.len() > MOST {
        return Err(Unknown);
    }
    let mut found: Option<Vec<PersonId>> = None;
    for chosen in 0..1_u32 << people.len() {
        let some: Vec<PersonId> = people
            .iter()
            .enumerate()
            .filter(|(index, _)| chosen >> index & 1 == 1)
            .map(|(_, person)| person.clone())
            .collect();
        let fewer = found.as_ref().is_none_or(|known| some.len() < known.len());
        let reaches = |quorum: &[Quorum]| standing(quorum, &some, directory).is_reached();
        if fewer && reaches(after) && !reaches(before) {
            found = Some(some);
        }
    }
    Ok(found)
}

/// A group that nobody knows, or too many people to try.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown;

/// Whether a quorum is weaker, judged by its lines alone: fewer people, or other
/// groups.
pub fn looks_weaker(before: &[Quorum], after: &[Quorum]) -> bool {
    before.iter().any(|old| {
        let count = after.iter().filter(|new| new.group == old.group);
        count.map(|new| new.count).sum::<u32>() < old.count
    })
}

/// How many people have to agree.
pub fn total(quorum: &[Quorum]) -> u32 {
    quorum.iter().map(|line| line.count).sum()
}
