//! Approvals: a request bound to an evidence digest, decisions by people, and a
//! quorum in which every person counts once.

use crate::canonical::Digest;
use crate::evidence::WatchEvidence;
use crate::ids::{PersonId, ReleaseId, StageName};
use crate::people::Directory;
use crate::pipeline::Quorum;
use crate::{Timestamp, ids::GroupName};
use serde::{Deserialize, Serialize};

/// A request for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The release.
    pub release: ReleaseId,
    /// The approval stage's position in the definition.
    pub index: usize,
    /// Its name.
    pub stage: StageName,
    /// What is approved.
    pub evidence: Digest,
    /// Who has to agree.
    pub quorum: Vec<Quorum>,
    /// What an approver confirms.
    pub checklist: Vec<String>,
    /// The watch that did not tell, when it is about one: people say whether to
    /// go on all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<WatchEvidence>,
    /// Identities that never count: who requested the release, who authored the
    /// commit.
    pub excluded: Vec<String>,
    /// When it was made.
    pub requested_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: State,
}

impl Request {
    /// How many of the definition's stages its evidence is of: those before it,
    /// and its own where it is about a watch.
    pub fn evidence_until(&self) -> usize {
        self.index + usize::from(self.about.is_some())
    }

    /// Why nobody could complete the quorum, if nobody could: who requested the
    /// release or authored its commit does not count.
    pub fn out_of_reach(&self, directory: &Directory) -> Option<String> {
        let excluded = |person: &crate::people::Person| {
            self.excluded.iter().any(|identity| person.is(identity))
        };
        let people = directory.people.iter().filter(|person| !excluded(person));
        let eligible: Vec<PersonId> = people.map(|person| person.id.clone()).collect();
        let best = standing(&self.quorum, &eligible, directory);
        let lacking: Vec<String> = best
            .missing
            .iter()
            .map(|(group, count)| format!("{count} of {group}"))
            .collect();
        (!lacking.is_empty()).then(|| format!(
            "the quorum cannot be reached: {} would be missing although everybody agreed, because who requested the release or authored its commit ({}) does not count",
            lacking.join(" and "),
            self.excluded.join(", ")
        ))
    }
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// Waiting for decisions.
    Open,
    /// The quorum was reached.
    Approved {
        /// When.
        at: Timestamp,
    },
    /// Somebody rejected.
    Rejected {
        /// Who.
        by: PersonId,
        /// Why, in their words.
        reason: String,
    },
    /// It expired, or the release ended, before a quorum.
    Closed {
        /// Why.
        reason: String,
    },
}

/// What somebody decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Let it through.
    Approve,
    /// Stop it.
    Reject,
}

/// How a decision reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The page behind a personal link.
    Page,
    /// A button in Slack.
    Slack,
    /// The command line.
    Cli,
}

/// One person's decision on one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub person: PersonId,
    /// What.
    pub choice: Choice,
    /// Why, in their words; may be empty for an approval.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// How it reached us.
    pub via: Via,
    /// On what: the evidence digest.
    pub evidence: Digest,
}

/// How far a quorum has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// For each line of the quorum, who stands for it.
    pub filled: Vec<(GroupName, Vec<PersonId>)>,
    /// For each line that is not full, how many are missing.
    pub missing: Vec<(GroupName, u32)>,
}

impl Standing {
    /// Whether nobody is missing.
    pub fn is_reached(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Who fills which line of the quorum, each person at most one place.
///
/// People in several groups are placed where they help most (a maximum
/// bipartite matching by augmenting paths), so that overlapping groups neither
/// count a person twice nor deadlock (GitLab issue 425759).
pub fn standing(quorum: &[Quorum], approvers: &[PersonId], directory: &Directory) -> Standing {
    let places: Vec<usize> = quorum
        .iter()
        .enumerate()
        .flat_map(|(line, q)| std::iter::repeat_n(line, q.count as usize))
        .collect();
    let may_fill = |person: &PersonId, place: usize| {
        quorum
            .get(places[place])
            .is_some_and(|q| directory.is_member(person, &q.group))
    };
    let mut people: Vec<&PersonId> = approvers.iter().collect();
    people.sort();
    people.dedup();

    let mut holder: Vec<Option<usize>> = vec![None; places.len()];
    for person in 0..people.len() {
        let mut visited = vec![false; places.len()];
        seat(person, &people, &mut holder, &mut visited, &may_fill);
    }

    let filled = quorum
        .iter()
        .enumerate()
        .map(|(line, q)| {
            let seated = (0..places.len())
                .filter(|place| places[*place] == line)
                .filter_map(|place| holder[place].map(|person| people[person].clone()))
                .collect::<Vec<_>>();
            (q.group.clone(), seated)
        })
        .collect::<Vec<_>>();
    let missing = quorum
        .iter()
        .zip(&filled)
        .filter_map(|(q, (group, seated))| {
            let lacking = q
                .count
                .saturating_sub(u32::try_from(seated.len()).unwrap_or(u32::MAX));
            (lacking > 0).then(|| (group.clone(), lacking))
        })
        .collect();
    Standing { filled, missing }
}

fn seat(
    person: usize,
    people: &[&PersonId],
    holder: &mut [Option<usize>],
    visited: &mut [bool],
    may_fill: &dyn Fn(&PersonId, usize) -> bool,
) -> bool {
    for place in 0..holder.len() {
        if visited[place] || !may_fill(people[person], place) {
            continue;
        }
        visited[place] = true;
        let free = match holder[place] {
            None => true,
            Some(other) => seat(other, people, holder, visited, may_fill),
        };
        if free {
            holder[place] = Some(person);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::{Group, Person};
    use proptest::prelude::*;

    fn person(id: &str) -> PersonId {
        id.parse().unwrap()
    }

    fn directory(groups: &[(&str, &[&str])]) -> Directory {
        let mut ids: Vec<&str> = groups
            .iter()
            .flat_map(|(_, members)| members.iter().copied())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        Directory {
            people: ids
                .iter()
                .map(|id| Person {
                    id: person(id),
                    name: (*id).to_owned(),
                    email: format!("{id}@example.com"),
                    slack: None,
                    aliases: vec![],
                })
                .collect(),
            groups: groups
                .iter()
                .map(|(name, members)| Group {
                    name: name.parse().unwrap(),
                    title: (*name).to_owned(),
                    members: members.iter().map(|m| person(m)).collect(),
                })
                .collect(),
        }
    }

    fn quorum(lines: &[(&str, u32)]) -> Vec<Quorum> {
        lines
            .iter()
            .map(|(g, count)| Quorum {
                group: g.parse().unwrap(),
                count: *count,
            })
            .collect()
    }

    fn missing(
        lines: &[(&str, u32)],
        groups: &[(&str, &[&str])],
        approvers: &[&str],
    ) -> Vec<(String, u32)> {
        let approvers: Vec<_> = approvers.iter().map(|a| person(a)).collect();
        standing(&quorum(lines), &approvers, &directory(groups))
            .missing
            .into_iter()
            .map(|(g, n)| (g.to_string(), n))
            .collect()
    }

    const LEADS: &[(&str, u32)] = &[("project", 1), ("devops", 1)];

    #[test]
    fn one_person_in_both_groups_counts_once() {
        let groups: &[(&str, &[&str])] = &[("project", &["ada"]), ("devops", &["ada", "bo"])];
        assert_eq!(missing(LEADS, groups, &["ada"]), [("devops".to_owned(), 1)]);
        assert_eq!(
            missing(LEADS, groups, &["ada", "ada"]),
            [("devops".to_owned(), 1)]
        );
        assert_eq!(missing(LEADS, groups, &["ada", "bo"]), []);
    }

    #[test]
    fn overlapping_groups_do_not_deadlock_whatever_the_order() {
        let groups: &[(&str, &[&str])] = &[("project", &["ada", "bo"]), ("devops", &["bo"])];
        assert_eq!(missing(LEADS, groups, &["bo", "ada"]), []);
        assert_eq!(missing(LEADS, groups, &["ada", "bo"]), []);
    }

    #[test]
    fn a_stranger_counts_for_nothing() {
        let groups: &[(&str, &[&str])] = &[("project", &["ada"]), ("devops", &["bo"])];
        assert_eq!(
            missing(LEADS, groups, &["eve", "ada"]),
            [("devops".to_owned(), 1)]
        );
    }

    proptest! {
        #[test]
        fn nobody_fills_two_places_and_every_place_is_filled_by_a_member(
            project in proptest::collection::btree_set("[a-f]", 0..5),
            devops in proptest::collection::btree_set("[a-f]", 0..5),
            approvers in proptest::collection::vec("[a-h]", 0..8),
            p in 0u32..3, d in 0u32..3,
        ) {
            let project: Vec<&str> = project.iter().map(String::as_str).collect();
            let devops: Vec<&str> = devops.iter().map(String::as_str).collect();
            let who = directory(&[("project", &project), ("devops", &devops)]);
            let approvers: Vec<_> = approvers.iter().map(|a| person(a)).collect();
            let result = standing(&quorum(&[("project", p), ("devops", d)]), &approvers, &who);
            let mut seated: Vec<_> = result.filled.iter().flat_map(|(_, people)| people.clone()).collect();
            for (group, people) in &result.filled {
                for one in people {
                    prop_assert!(who.is_member(one, group) && approvers.contains(one));
                }
            }
            let count = seated.len();
            seated.sort();
            seated.dedup();
            prop_assert_eq!(seated.len(), count);
            // No better placing exists: try every assignment of approvers to lines.
            let best = best_by_brute_force(p, d, &approvers, &who);
            prop_assert_eq!(count, best);
        }
    }

    fn best_by_brute_force(p: u32, d: u32, approvers: &[PersonId], who: &Directory) -> usize {
        let mut people = approvers.to_vec();
        people.sort();
        people.dedup();
        let groups: [GroupName; 2] = ["project".parse().unwrap(), "devops".parse().unwrap()];
        (0..3usize.pow(u32::try_from(people.len()).unwrap()))
            .filter_map(|mut code| {
                let mut used = [0u32; 2];
                for one in &people {
                    let line = code % 3;
                    code /= 3;
                    if line < 2 {
                        if !who.is_member(one, &groups[line]) {
                            return None;
                        }
                        used[line] += 1;
                    }
                }
                (used[0] <= p && used[1] <= d).then_some((used[0] + used[1]) as usize)
            })
            .max()
            .unwrap_or(0)
    }
}
