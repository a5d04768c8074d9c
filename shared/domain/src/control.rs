//! What is in force of people's orders: halts and freezes. One small item that
//! every change looks at; what is over is in the orders' ledger only.

use crate::Timestamp;
use crate::calendar::{Times, Unreadable};
use crate::canonical::Digest;
use crate::ids::{EnvironmentName, PersonId, PipelineId};
use crate::order::{Given, Order, Target, UnderWay, place};
use serde::{Deserialize, Serialize};

/// How many freezes may be in force at once: far more than anybody keeps in mind,
/// and far below what an item holds.
pub const MOST_FREEZES: usize = 200;

/// All that is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Controls {
    /// What must not go on.
    pub halts: Vec<Halt>,
    /// When nothing is deployed.
    pub freezes: Vec<Freeze>,
    /// The orders' ledger: the number of the last one ...
    pub last_seq: u64,
    /// ... and its hash.
    pub last_hash: Option<Digest>,
}

/// A halt of a pipeline or of everything; a release's own is in its head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The pipeline; everything when absent.
    pub pipeline: Option<PipelineId>,
    /// Who, when and why.
    #[serde(flatten)]
    pub said: Said,
}

/// `anna halted pl-gps-001: errors since 14:02`.
impl std::fmt::Display for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = place(self.pipeline.as_ref(), None);
        write!(f, "{} halted {what}: {}", self.said.by, self.said.reason)
    }
}

/// The halt that is in force of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Halted {
    /// What was halted: the release, its pipeline or everything.
    pub of: Target,
    /// Who, when and why.
    #[serde(flatten)]
    pub said: Said,
}

/// `anna halted the release: errors since 14:02`.
impl std::fmt::Display for Halted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Said { by, reason, .. } = &self.said;
        match &self.of {
            Target::Release(_) => write!(f, "{by} halted the release: {reason}"),
            Target::All | Target::Pipeline(_) => write!(f, "{by} halted {}: {reason}", self.of),
        }
    }
}

/// A time in which nothing is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Its number: that of its order.
    pub number: u64,
    /// The pipeline; all when absent.
    pub pipeline: Option<PipelineId>,
    /// The environments' name; all when absent.
    pub environment: Option<EnvironmentName>,
    /// When.
    pub times: Times,
    /// What becomes of a deploy that is under way.
    pub running: UnderWay,
    /// Whether it binds rollbacks.
    pub rollbacks: bool,
    /// Who, when and why.
    #[serde(flatten)]
    pub said: Said,
}

/// Who ordered something, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.by, self.reason)
    }
}

/// Glass that somebody broke: in this environment, and in no other, the release
/// passes freezes, windows, soak times and the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glass {
    /// The environment.
    pub environment: EnvironmentName,
    /// Who, when and why.
    #[serde(flatten)]
    pub said: Said,
}

/// A freeze that is in force at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen<'a> {
    /// Which.
    pub freeze: &'a Freeze,
    /// When it is over.
    pub until: Timestamp,
}

impl Controls {
    /// The halt that keeps this pipeline from going on, if there is one.
    pub fn halted(&self, pipeline: &PipelineId) -> Option<&Halt> {
        self.halts
            .iter()
            .find(|halt| halt.pipeline.as_ref().is_none_or(|p| p == pipeline))
    }

    /// What is in force at this moment: without the freezes whose time is not now.
    /// One whose times do not read stays, as nobody knows.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.freezes
            .retain(|freeze| !matches!(freeze.times.holding(now), Ok(None)));
        self
    }

    /// The freezes in force of an environment, for a release or a rollback.
    ///
    /// # Errors
    /// When the times of one do not read: nobody knows then whether it is in
    /// force.
    pub fn frozen(
        &self,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
        rollback: bool,
        now: Timestamp,
    ) -> Result<Vec<Frozen<'_>>, Unreadable> {
        let mut found = Vec::new();
        for freeze in &self.freezes {
            let about = freeze.pipeline.as_ref().is_none_or(|p| p == pipeline)
                && freeze.environment.as_ref().is_none_or(|e| e == environment)
                && (freeze.rollbacks || !rollback);
            if about && let Some(interval) = freeze.times.holding(now)? {
                let until = interval.until;
                found.push(Frozen { freeze, until });
            }
        }
        Ok(found)
    }

    /// What is in force after this order of `by`, and the order as it is recorded.
    /// Orders about one environment or release change nothing here and are only
    /// recorded.
    ///
    /// # Errors
    /// A sentence why the order cannot be given, and what would be right.
    pub fn give(
        &self,
        by: &PersonId,
        order: Order,
        now: Timestamp,
    ) -> Result<(Self, Given), String> {
        order.check(now)?;
        let last = (self.last_seq, self.last_hash.as_ref());
        let given = Given::next(last, now, by, order).map_err(|error| error.to_string())?;
        let mut next = self.clone();
        next.freezes.retain(|freeze| !freeze.times.is_over(now));
        next.apply(&given)?;
        next.last_seq = given.seq;
        next.last_hash = Some(given.hash.clone());
        Ok((next, given))
    }

    fn apply(&mut self, given: &Given) -> Result<(), String> {
        let said = Said {
            by: given.by.clone(),
            at: given.at,
            reason: given.order.reason().trim().to_owned(),
        };
        match &given.order {
            Order::Halt { of, .. } => {
                if let Some(pipeline) = wide(of) {
                    if let Some(known) = self.halts.iter().find(|h| h.pipeline == pipeline) {
                        return Err(format!("{of} is halted already by {}", known.said));
                    }
                    self.halts.push(Halt { pipeline, said });
                }
                Ok(())
            }
            Order::Resume { of, .. } => {
                let Some(pipeline) = wide(of) else {
                    return Ok(());
                };
                let before = self.halts.len();
                self.halts.retain(|halt| halt.pipeline != pipeline);
                match self.halts.len() < before {
                    true => Ok(()),
                    false => Err(format!("{of} is not halted")),
                }
            }
            Order::Freeze {
                pipeline,
                environment,
                times,
                running,
                rollbacks,
                ..
            } => {
                if self.freezes.len() >= MOST_FREEZES {
                    return Err(format!(
                        "there are {MOST_FREEZES} freezes already; thaw those that nobody needs"
                    ));
                }
                self.freezes.push(Freeze {
                    number: given.seq,
                    pipeline: pipeline.clone(),
                    environment: environment.clone(),
                    times: times.clone(),
                    running: *running,
                    rollbacks: *rollbacks,
                    said,
                });
                Ok(())
            }
            Order::Thaw { freeze, .. } => {
                let before = self.freezes.len();
                self.freezes.retain(|known| known.number != *freeze);
                match self.freezes.len() < before {
                    true => Ok(()),
                    false => Err(format!("there is no freeze {freeze} in force")),
                }
            }
            Order::Hold { .. }
            | Order::Unhold { .. }
            | Order::Lift { .. }
            | Order::Resolve { .. }
            | Order::BreakGlass { .. } => Ok(()),
        }
    }
}

/// The pipeline, or everything, that a halt is about; nothing for a release.
#[expect(clippy::option_option, reason = "no pipeline means every pipeline")]
fn wide(of: &Target) -> Option<Option<PipelineId>> {
    match of {
        Target::All => Some(None),
        Target::Pipeline(pipeline) => Some(Some(pipeline.clone())),
        Target::Release(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::verify;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn now() -> Timestamp {
        at("2026-11-21T10:00:00Z")
    }

    fn by() -> PersonId {
        "anna".parse().unwrap()
    }

    fn halt(of: Target) -> Order {
        Order::Halt {
            of,
            reason: "errors".to_owned(),
        }
    }

    fn freeze(until: &str) -> Order {
        Order::Freeze {
            pipeline: None,
            environment: Some("production".parse().unwrap()),
            times: Times::Once {
                from: at("2026-11-21T00:00:00Z"),
                until: at(until),
            },
            running: UnderWay::Finish,
            rollbacks: false,
            reason: "sale".to_owned(),
        }
    }

    fn pipeline() -> PipelineId {
        "pl-gps-001".parse().unwrap()
    }

    #[test]
    fn a_halt_of_everything_halts_every_pipeline_until_it_is_lifted() {
        let (halted, first) = Controls::default()
            .give(&by(), halt(Target::All), now())
            .unwrap();
        assert!(halted.halted(&pipeline()).is_some());
        assert!(halted.give(&by(), halt(Target::All), now()).is_err());
        let resume = Order::Resume {
            of: Target::All,
            reason: "over".to_owned(),
        };
        let (free, second) = halted.give(&by(), resume.clone(), now()).unwrap();
        assert!(free.halted(&pipeline()).is_none());
        assert_eq!(
            free.give(&by(), resume, now()).unwrap_err(),
            "everything is not halted"
        );
        assert_eq!(verify(&[first.clone(), second.clone()]), Ok(()));
        assert!(verify(std::slice::from_ref(&second)).is_err());
        let mut altered = first;
        altered.by = "somebody".parse().unwrap();
        assert!(verify(&[altered, second]).is_err());
    }

    #[test]
    fn a_halt_of_one_pipeline_leaves_the_others_alone() {
        let other = Target::Pipeline("other".parse().unwrap());
        let (halted, _) = Controls::default().give(&by(), halt(other), now()).unwrap();
        assert!(halted.halted(&pipeline()).is_none());
        assert!(halted.halted(&"other".parse().unwrap()).is_some());
    }

    #[test]
    fn a_freeze_binds_its_environment_and_lets_rollbacks_through() {
        let order = freeze("2026-11-22T00:00:00Z");
        let (frozen, _) = Controls::default().give(&by(), order, now()).unwrap();
        let seen = |environment: &str, rollback| {
            let environment = environment.parse().unwrap();
            let found = frozen.frozen(&pipeline(), &environment, rollback, now());
            found.unwrap().len()
        };
        assert_eq!(seen("production", false), 1);
        assert_eq!(seen("production", true), 0);
        assert_eq!(seen("staging", false), 0);
        let thaw = |freeze| Order::Thaw {
            freeze,
            reason: "over".to_owned(),
        };
        assert!(frozen.give(&by(), thaw(7), now()).is_err());
        let (thawed, _) = frozen.give(&by(), thaw(1), now()).unwrap();
        assert!(thawed.freezes.is_empty());
    }

    #[test]
    fn a_freeze_whose_time_is_to_come_is_not_in_force_yet() {
        let (frozen, _) = Controls::default()
            .give(&by(), freeze("2026-11-22T00:00:00Z"), now())
            .unwrap();
        let (all, _) = frozen.give(&by(), halt(Target::All), now()).unwrap();
        assert_eq!(all.clone().at(now()), all);
        let before = all.at(at("2026-11-20T00:00:00Z"));
        assert_eq!((before.halts.len(), before.freezes.len()), (1, 0));
    }

    #[test]
    fn freezes_that_are_over_leave_with_the_next_order() {
        let (frozen, _) = Controls::default()
            .give(&by(), freeze("2026-11-22T00:00:00Z"), now())
            .unwrap();
        let later = at("2026-11-23T00:00:00Z");
        let (next, given) = frozen.give(&by(), halt(Target::All), later).unwrap();
        assert!(next.freezes.is_empty());
        assert_eq!(given.seq, 2);
    }

    #[test]
    fn an_order_without_a_reason_or_in_the_past_is_none() {
        let refused = |order: Order| Controls::default().give(&by(), order, now()).unwrap_err();
        let blank = Order::Halt {
            of: Target::All,
            reason: "  ".to_owned(),
        };
        assert_eq!(refused(blank), "say why: \"reason\" is empty");
        let past = refused(freeze("2026-11-21T09:00:00Z"));
        assert_eq!(
            past,
            "the freeze would be over already: 2026-11-21T09:00:00Z is past, as it is 2026-11-21T10:00:00Z; let it end later"
        );
        let past = refused(freeze("2026-11-20T09:00:00Z"));
        assert!(past.starts_with("the freeze would be over already: 2026-11-20"));
        let again = |times: Times| {
            let mut order = freeze("2026-11-22T00:00:00Z");
            if let Order::Freeze { times: known, .. } = &mut order {
                *known = times;
            }
            order
        };
        let turned = Times::Once {
            from: at("2026-11-23T00:00:00Z"),
            until: at("2026-11-22T00:00:00Z"),
        };
        assert_eq!(
            refused(again(turned)),
            "a freeze must end after it begins: 2026-11-22T00:00:00Z is not after 2026-11-23T00:00:00Z"
        );
        let always = Times::Yearly {
            from: "11-01".to_owned(),
            to: "10-31".to_owned(),
            time_zone: "UTC".to_owned(),
        };
        assert!(
            refused(again(always))
                .starts_with("\"each year 11-01 to 10-31 (UTC)\" begins again when it ends")
        );
    }
}
