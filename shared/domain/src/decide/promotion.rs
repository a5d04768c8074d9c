//! Promotion: what is to be deployed has run in the environment before, long
//! enough, under the same digests, and passed what looks at it there.

use crate::decide::Obstacle;
use crate::evidence::ArtifactEvidence;
use crate::ids::{EnvironmentName, ReleaseId, StageName};
use crate::pipeline::{Definition, Seconds, Trigger};
use crate::release::{Deployment, StageRecord, StageStatus, last_attempts};
use crate::text::spoken;
use crate::{ErrorName, Timestamp, after};
use std::collections::BTreeMap;

/// What an environment asks of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The environment before.
    pub environment: EnvironmentName,
    /// How long the artifacts must have run there.
    pub soak: Seconds,
    /// What ran there, newest first.
    pub deployments: Vec<Deployment>,
    /// Whether more ran there before those.
    pub more: bool,
    /// The releases whose stages there have not all passed, with one that has not;
    /// as far as they put there what is to be deployed.
    pub unpassed: BTreeMap<ReleaseId, String>,
}

/// The first stage that works in `environment` on the release's route and has not
/// passed, if there is one.
pub fn unpassed<'a>(
    definition: &'a Definition,
    route: Option<&Trigger>,
    records: &[StageRecord],
    environment: &EnvironmentName,
) -> Option<&'a StageName> {
    let last = last_attempts(records);
    let passed = |index: usize| {
        let mut of = last.iter().filter(|record| record.index == index);
        of.any(|record| record.status == StageStatus::Passed)
    };
    let mut there = definition
        .path(route)
        .filter(|(_, stage)| stage.works_in() == Some(environment));
    let (_, stage) = there.find(|(index, _)| !passed(*index))?;
    Some(&stage.name)
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
        let mut failed: Option<(&Deployment, &String)> = None;
        for deployment in &self.deployments {
            let unpassed = self.unpassed.get(deployment.version_of());
            let wanted = deployment.has_all(artifacts);
            failed = failed.or(unpassed.filter(|_| wanted).map(|stage| (deployment, stage)));
            if wanted && unpassed.is_none() {
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
        let place = &self.environment;
        let why = match (longest, failed) {
            (None, Some((deployment, stage))) => format!(
                "{} put it into {place}, where {stage:?} has not passed",
                deployment.version_of()
            ),
            (None, None) if self.more => format!(
                "it is not among the last {} that ran in {place}",
                self.deployments.len()
            ),
            (None, None) => format!("it never ran in {place}"),
            (Some(ran), _) => format!(
                "it ran in {place} for {} of {} and was replaced there",
                spoken(ran),
                spoken(needed)
            ),
        };
        Soaked::Never(ErrorName::NotPromoted, why)
    }
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

    fn after_staging(newest_first: Vec<Deployment>, soak: u32) -> Promotion {
        Promotion {
            environment: "staging".parse().unwrap(),
            soak: Seconds(soak),
            deployments: newest_first,
            more: false,
            unpassed: BTreeMap::from([("red".parse().unwrap(), "Smoke Test".to_owned())]),
        }
    }

    fn judged(newest_first: Vec<Deployment>, now: i64) -> Soaked {
        after_staging(newest_first, 3_600).judge(&[artifact("new")], at(now))
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
    fn what_has_to_soak_for_no_time_has_to_have_passed_there() {
        let promotion = after_staging(vec![ran("b", 10), ran("a", 0)], 0);
        assert_eq!(promotion.judge(&[artifact("b")], at(10)), Soaked::Enough);
        assert_eq!(promotion.judge(&[artifact("a")], at(10)), Soaked::Enough);
        let never = promotion.judge(&[artifact("c")], at(10));
        assert!(matches!(never, Soaked::Never(ErrorName::NotPromoted, _)));
    }

    #[test]
    fn what_failed_there_did_not_soak_there() {
        let red = Deployment {
            release: "red".parse().unwrap(),
            ..ran("new", 0)
        };
        let why = "red put it into staging, where \"Smoke Test\" has not passed";
        let never = judged(vec![red.clone()], 9_999);
        assert!(matches!(never, Soaked::Never(_, said) if said == why));
        // What passed before counts for as long as it ran.
        let before = judged(vec![red, ran("new", -3_600)], 9_999);
        assert_eq!(before, Soaked::Enough);
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
