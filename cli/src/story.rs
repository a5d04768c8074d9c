//! All that is recorded of one release.

use crate::error::Failed;
use crate::style::{BAD, paint};
use gatewright_aws::Store;
use gatewright_aws::store::StoreError;
use gatewright_aws::table::Table;
use gatewright_domain::approval::{Decision, Request, State};
use gatewright_domain::control::Halted;
use gatewright_domain::decide::{Obstacle, halt_in_force};
use gatewright_domain::ledger::{Broken, Event, Fact, verify};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Head, StageRecord};
use gatewright_domain::{Digest, EnvironmentName, ReleaseId, Timestamp};
use gatewright_views::{Asked, words};

/// What a release waits for.
#[derive(Debug, Clone)]
pub struct Waits<'a> {
    /// The environment.
    pub environment: &'a EnvironmentName,
    /// What stands in the way.
    pub because: &'a [Obstacle],
    /// When it is given up.
    pub given_up: Option<Timestamp>,
    /// That this is before the way is free, where it is.
    pub too_early: Option<String>,
}

/// All that is recorded of one release, and who is who now.
#[derive(Debug, Clone)]
pub struct Story {
    /// Its head.
    pub head: Head,
    /// The definition that it runs; none when it was never applied.
    pub definition: Option<Definition>,
    /// Every attempt at every stage.
    pub records: Vec<StageRecord>,
    /// Its requests for approval, with the decisions on each.
    pub approvals: Vec<(Request, Vec<Decision>)>,
    /// Its ledger.
    pub events: Vec<Event>,
    /// Who is who now.
    pub directory: Directory,
    /// The halt in force of it.
    pub halted: Option<Halted>,
}

impl Story {
    /// Reads it.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn read<T: Table>(
        store: &Store<T>,
        release: &ReleaseId,
    ) -> Result<Option<Self>, Failed> {
        let Some((head, events)) = store.head_with_ledger(release).await? else {
            return Ok(None);
        };
        let mut approvals = Vec::new();
        for request in store.approvals(release).await? {
            let mut decisions = store.decisions(release, request.index).await?;
            // They come by person; people read them as they were made.
            decisions.sort_by_key(|decision| decision.at);
            approvals.push((request, decisions));
        }
        let directory = match store.directory().await {
            Ok(seen) => seen.value,
            // Then there are no names to show.
            Err(StoreError::Missing(_)) => Directory::default(),
            Err(error) => return Err(error.into()),
        };
        let controls = store.controls().await?.controls;
        Ok(Some(Self {
            halted: halt_in_force(&head, &controls),
            definition: store.definition(&head.pipeline, &head.version).await?,
            records: store.stages(release).await?,
            events,
            head,
            approvals,
            directory,
        }))
    }

    /// Each request as something that can be counted.
    pub fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        self.approvals.iter().map(|(request, decisions)| Asked {
            request,
            decisions,
            directory: &self.directory,
        })
    }

    /// The request that waits for decisions.
    pub fn open(&self) -> Option<Asked<'_>> {
        self.asked()
            .find(|asked| asked.request.state == State::Open)
    }

    /// That it is halted, and what ends that, in lines; nothing when it is not.
    pub fn halt_lines(&self) -> Vec<String> {
        let halted = self.halted.iter();
        let lines = halted.flat_map(|halt| [words::halted(halt), words::halt_means(halt)]);
        lines.map(|line| paint(BAD, line)).collect()
    }

    /// The environment that it waits for, if it waits for one.
    pub fn waits_for(&self) -> Option<Waits<'_>> {
        if self.head.status.has_ended() {
            return None;
        }
        let mut waiting = None;
        for event in &self.events {
            match &event.fact {
                Fact::DeployDelayed {
                    environment,
                    because,
                    until,
                    given_up,
                    ..
                } => {
                    waiting = Some(Waits {
                        environment,
                        because,
                        too_early: words::too_early(*until, *given_up),
                        given_up: *given_up,
                    });
                }
                Fact::DeployCleared { .. } => waiting = None,
                _ => {}
            }
        }
        waiting
    }

    /// What each environment was changed to by it, in order.
    pub fn deployed(&self) -> Vec<(&EnvironmentName, &Digest)> {
        let changes = self.events.iter().filter_map(|event| match &event.fact {
            Fact::EnvironmentChanged {
                environment,
                digest,
                ..
            } => Some((environment, digest)),
            _ => None,
        });
        changes.collect()
    }

    /// Whether its ledger holds together.
    ///
    /// # Errors
    /// Where it does not.
    pub fn verify(&self) -> Result<(), Broken> {
        let last = (self.head.last_seq, self.head.last_hash.as_ref());
        verify(&self.head.release, &self.events, last)
    }
}
