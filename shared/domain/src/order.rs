//! Orders: what people tell Gatewright to do or not to do, outside of approvals.
//! Each is given by a known person, with a reason, and recorded in a ledger of
//! its own before it takes effect.

use crate::Timestamp;
use crate::calendar::Times;
use crate::canonical::Digest;
use crate::ids::{EnvironmentName, PersonId, PipelineId, ReleaseId};
use serde::{Deserialize, Serialize};

/// The most that a reason may be long, in characters.
pub const MOST_REASON: usize = 2_000;

/// What somebody orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Stop before the next change.
    Halt {
        /// What.
        of: Target,
        /// Why.
        reason: String,
    },
    /// Go on after a halt.
    Resume {
        /// What.
        of: Target,
        /// Why.
        reason: String,
    },
    /// Nobody new gets this environment.
    Hold {
        /// The pipeline.
        pipeline: PipelineId,
        /// The environment.
        environment: EnvironmentName,
        /// Why.
        reason: String,
    },
    /// The environment is free again: of a person's hold, or, where there is none,
    /// of the doubt that releases left.
    Unhold {
        /// The pipeline.
        pipeline: PipelineId,
        /// The environment.
        environment: EnvironmentName,
        /// What it runs; whoever ends a doubt knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runs: Option<Runs>,
        /// Why.
        reason: String,
    },
    /// Nothing is deployed in these times.
    Freeze {
        /// Only of this pipeline; of all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pipeline: Option<PipelineId>,
        /// Only into environments of this name; into all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<EnvironmentName>,
        /// When.
        times: Times,
        /// What becomes of a deploy that is under way.
        #[serde(default)]
        running: UnderWay,
        /// Whether rollbacks have to wait too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rollbacks: bool,
        /// Why.
        reason: String,
    },
    /// A freeze is over.
    Thaw {
        /// Its number.
        freeze: u64,
        /// Why.
        reason: String,
    },
    /// What was taken back from an environment may run there again.
    Lift {
        /// The pipeline.
        pipeline: PipelineId,
        /// The environment.
        environment: EnvironmentName,
        /// The release whose version was taken back.
        release: ReleaseId,
        /// Why.
        reason: String,
    },
    /// What became of the reason for a rollback.
    Resolve {
        /// The release that undid, or the one that was undone.
        release: ReleaseId,
        /// What became of it.
        text: String,
    },
    /// This release passes freezes, windows, soak times and the queue of one
    /// environment.
    BreakGlass {
        /// The release.
        release: ReleaseId,
        /// The environment; when absent, the one that the release waits for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<EnvironmentName>,
        /// Why.
        reason: String,
    },
}

/// What a person has seen that an environment runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runs {
    /// Nothing.
    Nothing,
    /// The version of this release.
    Release(ReleaseId),
}

/// What a halt is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Every pipeline.
    All,
    /// One pipeline.
    Pipeline(PipelineId),
    /// One release.
    Release(ReleaseId),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Pipeline(pipeline) => write!(f, "{pipeline}"),
            Self::Release(release) => write!(f, "{release}"),
        }
    }
}

/// What becomes of a deploy that is under way when a freeze begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnderWay {
    /// It goes on to its end.
    #[default]
    Finish,
    /// It stops before its next change, and what it changed is undone where the
    /// environment undoes failures.
    Stop,
}

impl Order {
    /// Why it is given.
    pub fn reason(&self) -> &str {
        match self {
            Self::Halt { reason, .. }
            | Self::Resume { reason, .. }
            | Self::Hold { reason, .. }
            | Self::Unhold { reason, .. }
            | Self::Freeze { reason, .. }
            | Self::Thaw { reason, .. }
            | Self::Lift { reason, .. }
            | Self::BreakGlass { reason, .. } => reason,
            Self::Resolve { text, .. } => text,
        }
    }

    /// Whether it lets through what would be stopped without it. Anybody known may
    /// stop; who lets through must be somebody who approves.
    pub fn loosens(&self) -> bool {
        match self {
            Self::Halt { .. } | Self::Hold { .. } | Self::Freeze { .. } | Self::Resolve { .. } => {
                false
            }
            Self::Resume { .. }
            | Self::Lift { .. }
            | Self::Unhold { .. }
            | Self::Thaw { .. }
            | Self::BreakGlass { .. } => true,
        }
    }

    /// What is wrong with it, if something is, as far as it can be told alone.
    ///
    /// # Errors
    /// A sentence that says what, and what would be right.
    pub fn check(&self, now: Timestamp) -> Result<(), String> {
        if self.reason().trim().is_empty() {
            let what = match self {
                Self::Resolve { .. } => "say what became of it: \"text\" is empty",
                Self::Halt { .. }
                | Self::Resume { .. }
                | Self::Hold { .. }
                | Self::Unhold { .. }
                | Self::Freeze { .. }
                | Self::Thaw { .. }
                | Self::Lift { .. }
                | Self::BreakGlass { .. } => "say why: \"reason\" is empty",
            };
            return Err(what.to_owned());
        }
        if self.reason().chars().count() > MOST_REASON {
            return Err(format!(
                "the reason is longer than {MOST_REASON} characters"
            ));
        }
        let Self::Freeze { times, .. } = self else {
            return Ok(());
        };
        times.around(now).map_err(|error| error.to_string())?;
        if let Some(why) = times.without_end().map_err(|error| error.to_string())? {
            return Err(why);
        }
        match times {
            Times::Once { until, .. } if *until <= now => Err(format!(
                "the freeze would be over already: {until:.0} is past, as it is {now:.0}; let it end later"
            )),
            Times::Once { from, until } if until <= from => Err(format!(
                "a freeze must end after it begins: {until:.0} is not after {from:.0}"
            )),
            Times::Once { .. } | Times::Weekly { .. } | Times::Yearly { .. } => Ok(()),
        }
    }
}

/// An order in the orders' ledger, chained to the one before like a release's
/// events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its position, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: PersonId,
    /// What.
    #[serde(flatten)]
    pub order: Order,
    /// The hash of the order before; none for the first.
    pub previous: Option<Digest>,
    /// SHA-256 of the canonical JSON of all the above.
    pub hash: Digest,
}

#[derive(Serialize)]
struct Hashed<'a> {
    seq: u64,
    at: Timestamp,
    by: &'a PersonId,
    order: &'a Order,
    previous: Option<&'a Digest>,
}

impl Given {
    /// The next order after `(last_seq, last_hash)`; its reason is trimmed.
    ///
    /// # Errors
    /// Never for orders of this crate; the signature is serde's.
    pub fn next(
        last: (u64, Option<&Digest>),
        at: Timestamp,
        by: &PersonId,
        order: Order,
    ) -> Result<Self, serde_json::Error> {
        let mut given = Self {
            seq: last.0 + 1,
            at,
            by: by.clone(),
            order,
            previous: last.1.cloned(),
            hash: Digest::of_bytes(b""),
        };
        given.hash = given.computed()?;
        Ok(given)
    }

    fn computed(&self) -> Result<Digest, serde_json::Error> {
        Digest::of(&Hashed {
            seq: self.seq,
            at: self.at,
            by: &self.by,
            order: &self.order,
            previous: self.previous.as_ref(),
        })
    }
}

/// Whether orders, from the first one on, are complete and as they were written.
///
/// # Errors
/// A sentence about the first place that does not hold.
pub fn verify(orders: &[Given]) -> Result<(), String> {
    let mut last: Option<&Given> = None;
    for given in orders {
        let expected = last.map_or(1, |l| l.seq + 1);
        if given.seq != expected {
            let found = given.seq;
            return Err(format!(
                "order {found} stands where order {expected} belongs"
            ));
        }
        if given.previous.as_ref() != last.map(|l| &l.hash) {
            return Err(format!(
                "order {expected} does not follow from the one before"
            ));
        }
        if given.computed().ok().as_ref() != Some(&given.hash) {
            return Err(format!("order {expected} was altered after it was written"));
        }
        last = Some(given);
    }
    Ok(())
}

/// An order in words, for people: `froze pl-gps-001/production, each fri …`.
impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Halt { of, .. } => write!(f, "halted {of}"),
            Self::Resume { of, .. } => write!(f, "let {of} go on"),
            Self::Hold {
                pipeline,
                environment,
                ..
            } => write!(f, "held {pipeline}/{environment}"),
            Self::Unhold {
                pipeline,
                environment,
                ..
            } => write!(f, "gave {pipeline}/{environment} back"),
            Self::Freeze {
                pipeline,
                environment,
                times,
                running,
                rollbacks,
                ..
            } => {
                let place = place(pipeline.as_ref(), environment.as_ref());
                write!(f, "froze {place}, {times}{}", binds(*running, *rollbacks))
            }
            Self::Thaw { freeze, .. } => write!(f, "thawed freeze {freeze}"),
            Self::Lift {
                pipeline,
                environment,
                release,
                ..
            } => write!(f, "allowed {release} in {pipeline}/{environment} again"),
            Self::Resolve { release, .. } => {
                write!(f, "wrote down what became of the rollback of {release}")
            }
            Self::BreakGlass {
                release,
                environment,
                ..
            } => match environment {
                Some(environment) => write!(f, "broke the glass of {environment} for {release}"),
                None => write!(f, "broke the glass for {release}"),
            },
        }
    }
}

/// What a freeze binds beyond new deploys, for people: the end of a clause.
pub fn binds(running: UnderWay, rollbacks: bool) -> &'static str {
    match (running, rollbacks) {
        (UnderWay::Finish, false) => "",
        (UnderWay::Finish, true) => ", rollbacks too",
        (UnderWay::Stop, false) => ", stopping deploys that are under way",
        (UnderWay::Stop, true) => ", rollbacks too, stopping deploys that are under way",
    }
}

/// What a freeze is about, for people.
pub fn place(pipeline: Option<&PipelineId>, environment: Option<&EnvironmentName>) -> String {
    match (pipeline, environment) {
        (None, None) => "everything".to_owned(),
        (Some(pipeline), None) => pipeline.to_string(),
        (None, Some(environment)) => format!("every {environment}"),
        (Some(pipeline), Some(environment)) => format!("{pipeline}/{environment}"),
    }
}
