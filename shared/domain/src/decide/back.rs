//! What an environment is brought back to.

use crate::ids::ReleaseId;
use crate::release::Deployment;

/// The deployment that a way back leads to. `history` is newest first.
///
/// - `to` names the release whose deployment it is to be.
/// - `doubted` is a release whose change of the environment is not known to be
///   whole: then it is what ran before that release.
/// - Without either it is the last of something else than what runs now.
///
/// What a release put there and took back was not good, and is never chosen
/// unless it is named.
pub fn back_to<'a>(
    history: &'a [Deployment],
    current: Option<&Deployment>,
    doubted: Option<&ReleaseId>,
    to: Option<&ReleaseId>,
) -> Option<&'a Deployment> {
    let undone: Vec<&ReleaseId> = history
        .iter()
        .filter(|d| d.restored.is_some())
        .map(|d| &d.release)
        .collect();
    let good = |d: &Deployment| d.restored.is_some() || !undone.contains(&&d.release);
    history.iter().find(|d| match (to, doubted) {
        (Some(to), _) => &d.release == to && d.restored.is_none(),
        (None, Some(doubted)) => good(d) && &d.release != doubted,
        (None, None) => good(d) && current.is_some_and(|now| d.digest() != now.digest()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Digest;
    use crate::evidence::ArtifactEvidence;

    fn ran(release: &str, image: &str, restored: Option<&str>) -> Deployment {
        Deployment {
            pipeline: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
            release: release.parse().unwrap(),
            title: release.to_owned(),
            number: None,
            commit: "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5".parse().unwrap(),
            artifacts: vec![ArtifactEvidence {
                name: "image".to_owned(),
                digest: Digest::of_bytes(image.as_bytes()),
                location: String::new(),
                version: None,
            }],
            restored: restored.map(|r| r.parse().unwrap()),
            at: crate::Timestamp::UNIX_EPOCH,
            fencing: 1,
        }
    }

    fn chosen(history: &[Deployment], doubted: Option<&str>, to: Option<&str>) -> Option<String> {
        let id = |text: Option<&str>| text.map(|t| t.parse().unwrap());
        let (doubted, to) = (id(doubted), id(to));
        let found = back_to(history, history.first(), doubted.as_ref(), to.as_ref());
        found.map(|d| d.release.to_string())
    }

    #[test]
    fn it_is_what_ran_before_the_release_that_is_in_doubt() {
        let history = [ran("r2", "two", None), ran("r1", "one", None)];
        let says = |doubted, to| chosen(&history, doubted, to);
        assert_eq!(says(Some("r3"), None).as_deref(), Some("r2"));
        assert_eq!(says(Some("r2"), None).as_deref(), Some("r1"));
        assert_eq!(says(None, None).as_deref(), Some("r1"));
        assert_eq!(says(Some("r3"), Some("r1")).as_deref(), Some("r1"));
        assert_eq!(says(None, Some("r9")), None);
        assert_eq!(chosen(&[], Some("r1"), None), None);
    }

    #[test]
    fn what_was_taken_back_is_not_chosen() {
        let history = [
            ran("r2", "one", Some("r1")),
            ran("r2", "two", None),
            ran("r1", "one", None),
        ];
        assert_eq!(chosen(&history, Some("r3"), None).as_deref(), Some("r2"));
        let target = back_to(&history, None, Some(&"r3".parse().unwrap()), None).unwrap();
        assert_eq!(target.restored.as_ref().unwrap().as_str(), "r1");
        assert_eq!(chosen(&history, None, None), None, "nothing else was good");
    }
}
