//! Which images stay: ECR expires by tags and age and knows nothing of
//! environments, so what is deployed gets a tag that its repository's lifecycle
//! rules keep (decision 0011). Which tag that is, and when it may go again, is
//! decided here.

use crate::canonical::Digest;
use crate::ids::{EnvironmentName, PipelineId, ReleaseId};
use crate::release::Deployment;
use std::collections::BTreeSet;

/// How many versions of an environment can be gone back to for certain.
pub const GENERATIONS: usize = 10;

/// What the tags of images begin with that went to a protected environment. They
/// stay for ever.
pub const RELEASED: &str = "released-";

/// What the tags of images begin with that went to any other environment. They
/// stay while the environment may go back to them.
pub const DEPLOYED: &str = "in-";

/// The tag that keeps an image because it goes to an environment. It names the
/// pipeline too: several may deploy one image, each to its own `staging`. At most
/// 117 characters; registries take 128.
pub fn tag(
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    protected: bool,
    digest: &Digest,
) -> String {
    if protected {
        format!("{RELEASED}{}", digest.short())
    } else {
        format!("{DEPLOYED}{pipeline}.{environment}-{}", digest.short())
    }
}

/// The digests that an environment runs or may go back to: those of its last
/// [`GENERATIONS`] different versions. `history` is what ran there, the newest
/// first. A version that its own release took back was not good and is no way
/// back, unless it is what runs.
pub fn kept(history: &[Deployment]) -> BTreeSet<&Digest> {
    let undone: BTreeSet<&ReleaseId> = history
        .iter()
        .filter(|deployment| deployment.restored.is_some())
        .map(|deployment| &deployment.release)
        .collect();
    let good = |d: &&Deployment| d.restored.is_some() || !undone.contains(&d.release);
    let mut versions = BTreeSet::new();
    let mut kept = BTreeSet::new();
    if let Some(runs) = history.first() {
        kept.extend(images(runs));
    }
    for deployment in history.iter().filter(good) {
        if !versions.contains(&deployment.digest()) && versions.len() == GENERATIONS {
            break;
        }
        versions.insert(deployment.digest());
        kept.extend(images(deployment));
    }
    kept
}

fn images(deployment: &Deployment) -> impl Iterator<Item = &Digest> {
    deployment.artifacts.iter().map(|artifact| &artifact.digest)
}

/// The tags of one repository that an environment no longer needs: its own, of
/// images that are not in `kept`. `tagged` is every tag of the repository with
/// its image.
///
/// A tag that is an image's last one stays, because a registry deletes an image
/// with it. Other environments' tags do not count: they may be going as well.
pub fn outdated<'t>(
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    tagged: &'t [(String, Digest)],
    kept: &BTreeSet<&Digest>,
) -> Vec<&'t str> {
    let lasting: BTreeSet<&Digest> = tagged
        .iter()
        .filter(|(tag, _)| !tag.starts_with(DEPLOYED))
        .map(|(_, digest)| digest)
        .collect();
    tagged
        .iter()
        .filter(|(_, digest)| !kept.contains(digest) && lasting.contains(digest))
        .filter(|(known, digest)| *known == tag(pipeline, environment, false, digest))
        .map(|(tag, _)| tag.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::ArtifactEvidence;
    use crate::{Timestamp, after};

    fn digest(n: usize) -> Digest {
        Digest::of_bytes(format!("image {n}").as_bytes())
    }

    fn place() -> (PipelineId, EnvironmentName) {
        ("shop".parse().unwrap(), "staging".parse().unwrap())
    }

    /// What ran there: release and image, the newest first; a release that comes
    /// twice took its own version back.
    fn history(ran: &[(usize, usize)]) -> Vec<Deployment> {
        let (pipeline, environment) = place();
        let twice = |at: usize| ran[at + 1..].iter().any(|(r, _)| *r == ran[at].0);
        let deployment = |(at, (release, image)): (usize, &(usize, usize))| Deployment {
            pipeline: pipeline.clone(),
            environment: environment.clone(),
            release: format!("r{release}").parse().unwrap(),
            title: String::new(),
            number: None,
            commit: "0".repeat(40).parse().unwrap(),
            artifacts: vec![ArtifactEvidence {
                name: "image".to_owned(),
                digest: digest(*image),
                location: String::new(),
                version: None,
            }],
            restored: twice(at).then(|| format!("r{image}").parse().unwrap()),
            at: after(Timestamp::UNIX_EPOCH, -i64::try_from(at).unwrap()),
            fencing: 1,
        };
        ran.iter().enumerate().map(deployment).collect()
    }

    #[test]
    fn tags_are_ones_that_a_registry_takes() {
        let (pipeline, environment) = ("P".repeat(60), "e".repeat(40));
        let (pipeline, environment) = (pipeline.parse().unwrap(), environment.parse().unwrap());
        let longest = tag(&pipeline, &environment, false, &digest(1));
        assert_eq!(longest.len(), 117);
        let short = digest(1).short().to_owned();
        let (pipeline, environment) = place();
        let of = |protected| tag(&pipeline, &environment, protected, &digest(1));
        assert_eq!(of(false), format!("in-shop.staging-{short}"));
        assert_eq!(of(true), format!("released-{short}"));
    }

    #[test]
    fn ten_versions_are_kept_however_often_each_was_deployed() {
        let again = [(90, 30), (89, 30), (88, 29), (87, 30), (86, 29)];
        let older: Vec<(usize, usize)> = (0..29).rev().map(|n| (n, n)).collect();
        let history = history(&[&again[..], &older].concat());
        let kept = kept(&history);
        let expected: Vec<Digest> = (21..=30).map(digest).collect();
        assert_eq!(kept, expected.iter().collect());
    }

    #[test]
    fn what_its_own_release_took_back_is_no_way_back() {
        let history = history(&[(3, 1), (3, 3), (2, 2), (1, 1)]);
        let expected = [digest(1), digest(2)];
        assert_eq!(kept(&history), expected.iter().collect());
    }

    #[test]
    fn only_own_tags_of_images_with_another_lasting_tag_may_go() {
        let (pipeline, environment) = place();
        let own = |n| (tag(&pipeline, &environment, false, &digest(n)), digest(n));
        let commit = |n| (format!("commit-{n}"), digest(n));
        let of = |other: &str, n| {
            let other = other.parse().unwrap();
            (tag(&pipeline, &other, false, &digest(n)), digest(n))
        };
        let released = |n| (tag(&pipeline, &environment, true, &digest(n)), digest(n));
        // A tag of ours that somebody put on another image is none of ours.
        let foreign = (own(7).0, digest(6));
        let tagged = [
            own(1),
            commit(1), // runs
            own(2),
            commit(2),
            of("dev", 2), // old
            own(3),
            of("dev", 3), // old, without a tag that lasts
            own(4),
            released(4), // old here, released
            foreign,
            commit(6),
        ];
        let kept = [digest(1)];
        let going = outdated(&pipeline, &environment, &tagged, &kept.iter().collect());
        assert_eq!(going, [own(2).0, own(4).0]);
    }
}
