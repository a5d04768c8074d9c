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
        next.follow(&given)?;
        Ok((next, given))
    }

    /// What these orders, from the first one on, put in force.
    ///
    /// # Errors
    /// A sentence about the first order that could not have been given.
    pub fn ordered(orders: &[Given]) -> Result<Self, String> {
        let mut controls = Self::default();
        for given in orders {
            let follows = controls.follow(given);
            follows.map_err(|why| format!("order {} could not be given: {why}", given.seq))?;
        }
        Ok(controls)
    }

    /// Whether what is in force is what the orders, from the first one on, put in
    /// force. Later orders than the last that is in force are not looked at.
    ///
    /// # Errors
    /// A sentence about what differs.
    pub fn verify(&self, orders: &[Given]) -> Result<(), String> {
        let known = orders.partition_point(|given| given.seq <= self.last_seq);
        let ordered = Self::ordered(&orders[..known])?;
        if ordered.last_hash != self.last_hash {
            return Err("the last orders are missing".to_owned());
        }
        let halt = |halt: &Halt| format!("the halt of {}", place(halt.pipeline.as_ref(), None));
        let freeze = |freeze: &Freeze| format!("freeze {}", freeze.number);
        let extra = beyond(&self.halts, &ordered.halts).map(halt);
        let extra = extra.or_else(|| beyond(&self.freezes, &ordered.freezes).map(freeze));
        let missing = beyond(&ordered.halts, &self.halts).map(halt);
        let missing = missing.or_else(|| beyond(&ordered.freezes, &self.freezes).map(freeze));
        match (extra, missing) {
            (None, None) => Ok(()),
            (Some(extra), _) => Err(format!("{extra} is in force, and not as it was ordered")),
            (None, Some(missing)) => Err(format!("{missing} was ordered and is not in force")),
        }
    }

    /// Takes over what an order that was given changes.
    fn follow(&mut self, given: &Given) -> Result<(), String> {
        self.freezes
            .retain(|freeze| !freeze.times.is_over(given.at));
        self.apply(given)?;
        self.last_seq = given.seq;
        self.last_hash = Some(given.hash.clone());
        Ok(())
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

/// The first of these that is not among the others.
fn beyond<'a, V: PartialEq>(these: &'a [V], others: &[V]) -> Option<&'a V> {
    these.iter().find(|one| !others.contains(one))
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
mod tests;
