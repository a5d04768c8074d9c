//! Promotion: what is to be deployed has run in the environment before, long
//! enough, under the same digests.

use crate::decide::Obstacle;
use crate::evidence::ArtifactEvidence;
use crate::ids::EnvironmentName;
use crate::pipeline::Seconds;
use crate::release::Deployment;
use crate::text::spoken;
use crate::{ErrorName, Timestamp, after};

/// What an environment asks of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The environment before.
    pub environment: EnvironmentName,
    /// How long the artifacts must have run there.
    pub soak: Seconds,
    /// What ran there, newest first.
    pub deployments: Vec<Deployment>,
}

/// What the promotion says of these artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Soaked {
    /// They may go on.
    Enough,
    /// Not yet.
    Later(Obstacle),
    /// They do not run there (any more): waiting does not help.
    Never(ErrorName, String),
}

impl Promotion {
    pub(super) fn judge(&self, artifacts: &[ArtifactEvidence], now: Timestamp) -> Soaked {
        let needed = self.soak.get();
        let mut longest: Option<i64> = None;
        // The moment from which on something else ran.
        let mut replaced: Option<Timestamp> = None;
        for deployment in &self.deployments {
            if has_all(deployment, artifacts) {
                let ran = replaced.unwrap_or(now).as_second() - deployment.at.as_second();
                if ran >= needed {
                    return Soaked::Enough;
                }
                if replaced.is_none() {
                    return Soaked::Later(Obstacle::Soak {
                        environment: self.environment.clone(),
                        until: after(deployment.at, needed),
                    });
                }
                longest = longest.max(Some(ran));
            }
            replaced = Some(deployment.at);
        }
        let why = match longest {
            None => format!("it never ran in {}", self.environment),
            Some(ran) => format!(
                "it ran in {} for {} of {} and was replaced there",
                self.environment,
                spoken(ran),
                spoken(needed)
            ),
        };
        Soaked::Never(ErrorName::NotPromoted, why)
    }
}

fn has_all(deployment: &Deployment, artifacts: &[ArtifactEvidence]) -> bool {
    !artifacts.is_empty()
        && artifacts.iter().all(|wanted| {
            let known = deployment.artifacts.iter();
            known.clone().any(|a| a.digest == wanted.digest)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn artifact(name: &str) -> ArtifactEvidence {
        ArtifactEvidence {
            name: "image".to_owned(),
            digest: Digest::of_bytes(name.as_bytes()),
            location: String::new(),
            version: None,
        }
    }

    fn ran(name: &str, since: i64) -> Deployment {
        Deployment {
            pipeline: "p".parse().unwrap(),
            environment: "staging".parse().unwrap(),
            release: name.parse().unwrap(),
            title: name.to_owned(),
            number: None,
            commit: "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5".parse().unwrap(),
            artifacts: vec![artifact(name)],
            restored: None,
            at: at(since),
            fencing: 1,
        }
    }

    fn judged(newest_first: Vec<Deployment>, now: i64) -> Soaked {
        let promotion = Promotion {
            environment: "staging".parse().unwrap(),
            soak: Seconds(3_600),
            deployments: newest_first,
        };
        promotion.judge(&[artifact("new")], at(now))
    }

    #[test]
    fn it_soaks_while_it_runs_and_not_a_second_less() {
        let until = Soaked::Later(Obstacle::Soak {
            environment: "staging".parse().unwrap(),
            until: at(3_600),
        });
        assert_eq!(judged(vec![ran("new", 0), ran("old", -9)], 3_599), until);
        assert_eq!(judged(vec![ran("new", 0)], 3_600), Soaked::Enough);
    }

    #[test]
    fn what_was_replaced_too_early_or_never_ran_does_not_go_on() {
        let early = judged(vec![ran("newer", 60), ran("new", 0)], 9_999);
        let Soaked::Never(ErrorName::NotPromoted, why) = early else {
            panic!("{early:?}")
        };
        assert!(why.contains("was replaced there"), "{why}");
        let never = judged(vec![ran("old", 0)], 9_999);
        assert!(matches!(never, Soaked::Never(_, why) if why == "it never ran in staging"));
        assert!(matches!(judged(Vec::new(), 9_999), Soaked::Never(_, _)));
        let long_before = judged(vec![ran("newer", 4_000), ran("new", 0)], 4_001);
        assert_eq!(long_before, Soaked::Enough);
    }
}
