//! Releases: head, ledger, and the one way to change them.

use super::{CONFLICT_TRIES, Seen, Store, StoreError, body, keys, read};
use crate::table::{Range, Table, When, Write};
use gatewright_domain::ledger::{Event, Fact};
use gatewright_domain::release::{Head, StageRecord};
use gatewright_domain::trigger::UpstreamOrigin;
use gatewright_domain::{CommitSha, PipelineId, ReleaseId, Timestamp, after};
use serde::{Deserialize, Serialize};

/// How long nothing may happen to a running release before the sweep asks whether
/// its execution still lives: the event that tells of its death can be lost, and
/// a release that waits for people is silent for hours.
const SILENT_SECONDS: i64 = 3_600;

/// A change of a release: what its head says afterwards, what is recorded, and
/// what else is written with it.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The head as it was read; none for a release that begins.
    pub rev: Option<u64>,
    /// The head as it should be; its ledger position is filled in.
    pub head: Head,
    /// What happened, in order.
    pub facts: Vec<Fact>,
    /// What else changes.
    pub writes: Vec<Write>,
}

impl Commit {
    /// A change of the release whose head was read.
    pub fn of(seen: &Seen<Head>) -> Self {
        Self {
            rev: Some(seen.rev),
            head: seen.value.clone(),
            facts: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// With this fact recorded.
    #[must_use]
    pub fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    /// With this also written.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// With these also written.
    #[must_use]
    pub fn writes(mut self, writes: impl IntoIterator<Item = Write>) -> Self {
        self.writes.extend(writes);
        self
    }
}

/// A pipeline that is to be started because another one's release succeeded:
/// written with that release's end, read from the table's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The pipeline to start.
    pub pipeline: PipelineId,
    /// Because of which release.
    pub upstream: UpstreamOrigin,
}

/// Asks for a pipeline to be started, once for each release that asks.
///
/// # Errors
/// Never for records of this crate; the signature is serde's.
pub fn start_write(start: &Start) -> Result<Write, StoreError> {
    Ok(Write::Put {
        key: keys::start(&start.pipeline, &start.upstream.release),
        due: None,
        body: body(start)?,
        when: When::Absent,
    })
}

impl<T: Table> Store<T> {
    /// A release's head.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn head(&self, release: &ReleaseId) -> Result<Option<Seen<Head>>, StoreError> {
        self.table
            .get(&keys::head(release))
            .await?
            .map(read)
            .transpose()
    }

    /// A release's head, which must be there.
    ///
    /// # Errors
    /// When it is not there or the table cannot be read.
    pub async fn known_head(&self, release: &ReleaseId) -> Result<Seen<Head>, StoreError> {
        let head = self.head(release).await?;
        head.ok_or_else(|| {
            StoreError::Missing(format!(
                "there is no release {release:?}",
                release = release.as_str()
            ))
        })
    }

    /// Writes a change and its ledger events in one transaction. While the release
    /// runs, the sweep looks at it when nothing has happened for an hour.
    ///
    /// # Errors
    /// A conflict when the release changed since it was read; nothing is written
    /// then.
    pub async fn commit(&self, mut commit: Commit, now: Timestamp) -> Result<Head, StoreError> {
        let mut writes = commit.writes;
        for fact in commit.facts {
            let head = &mut commit.head;
            let last = (head.last_seq, head.last_hash.as_ref());
            let event =
                Event::next(&head.release, last, now, fact).map_err(|e| StoreError::Damaged {
                    at: "a new event".to_owned(),
                    why: e.to_string(),
                })?;
            head.last_seq = event.seq;
            head.last_hash = Some(event.hash.clone());
            let key = keys::event(&event.release, event.seq);
            writes.push(Write::Put {
                key,
                due: None,
                body: body(&event)?,
                when: When::Absent,
            });
        }
        let ended = commit.head.status.has_ended();
        writes.push(Write::Put {
            key: keys::head(&commit.head.release),
            due: (!ended).then(|| after(now, SILENT_SECONDS)),
            body: body(&commit.head)?,
            when: When::still(commit.rev),
        });
        self.table.write(writes).await?;
        Ok(commit.head)
    }

    /// Begins a release: takes the pipeline's next number and writes head, first
    /// event, `more` of them and look-ups in one transaction. A push or a person's request makes
    /// its commit the last one of its branch.
    ///
    /// # Errors
    /// A conflict when another release took the number, or the release exists.
    pub async fn begin(
        &self,
        mut head: Head,
        admitted: impl FnOnce(u64) -> Fact,
        more: Vec<Fact>,
        now: Timestamp,
    ) -> Result<Head, StoreError> {
        let counter = self.counter(&head.pipeline).await?;
        let number = counter.as_ref().map_or(0, |seen| seen.value) + 1;
        head.number = Some(number);
        let put = |key, body, when| Write::Put {
            key,
            due: None,
            body,
            when,
        };
        let mut writes = vec![
            put(
                keys::counter(&head.pipeline),
                body(&number)?,
                When::still(counter.map(|seen| seen.rev)),
            ),
            put(
                keys::numbered(&head.pipeline, number),
                body(&head.release)?,
                When::Absent,
            ),
        ];
        if let Some(trigger) = head.trigger.as_ref().filter(|t| t.moves_its_branch()) {
            let key = keys::last_on(&head.pipeline, &trigger.reference);
            writes.push(put(key, body(&trigger.commit)?, When::Any));
        }
        let commit = Commit {
            rev: None,
            head,
            facts: std::iter::once(admitted(number)).chain(more).collect(),
            writes,
        };
        self.commit(commit, now).await
    }

    /// The commit of a branch that was last admitted to a release; schedules and
    /// other pipelines start releases of it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn last_commit(
        &self,
        pipeline: &PipelineId,
        branch: &str,
    ) -> Result<Option<CommitSha>, StoreError> {
        let key = keys::last_on(pipeline, &format!("refs/heads/{branch}"));
        let item = self.table.get(&key).await?;
        Ok(item.map(read).transpose()?.map(|seen| seen.value))
    }

    /// A release's whole ledger, in order.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn ledger(&self, release: &ReleaseId) -> Result<Vec<Event>, StoreError> {
        self.part(release, "EVENT#").await
    }

    /// A release's head with its ledger, as of one moment: a release that moves on
    /// between the two reads is read again, so that its ledger never seems to hold
    /// more than its head knows. A ledger that really does keeps doing so.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn head_with_ledger(
        &self,
        release: &ReleaseId,
    ) -> Result<Option<(Head, Vec<Event>)>, StoreError> {
        let mut tries = 0;
        loop {
            let Some(head) = self.head(release).await? else {
                return Ok(None);
            };
            let events = self.ledger(release).await?;
            tries += 1;
            let moved = events.last().is_some_and(|e| e.seq > head.value.last_seq);
            if !moved || tries == CONFLICT_TRIES {
                return Ok(Some((head.value, events)));
            }
        }
    }

    /// Every attempt at every stage of a release, in order.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn stages(&self, release: &ReleaseId) -> Result<Vec<StageRecord>, StoreError> {
        self.part(release, "STAGE#").await
    }

    pub(super) async fn part<V: serde::de::DeserializeOwned>(
        &self,
        release: &ReleaseId,
        prefix: &str,
    ) -> Result<Vec<V>, StoreError> {
        let range = Range {
            prefix: prefix.to_owned(),
            ..Range::default()
        };
        let items = self.table.query(&keys::release(release), range).await?;
        items
            .into_iter()
            .map(|item| Ok(read(item)?.value))
            .collect()
    }

    /// Where the release's Slack thread is, if it has one: `(channel, ts)`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn thread(
        &self,
        release: &ReleaseId,
    ) -> Result<Option<(String, String)>, StoreError> {
        let item = self.table.get(&keys::thread(release)).await?;
        Ok(item.map(read).transpose()?.map(|seen| seen.value))
    }

    /// Remembers where the release's Slack thread is.
    ///
    /// # Errors
    /// A conflict when it has one already.
    pub async fn open_thread(
        &self,
        release: &ReleaseId,
        at: &(String, String),
    ) -> Result<(), StoreError> {
        let put = Write::Put {
            key: keys::thread(release),
            due: None,
            body: body(at)?,
            when: When::Absent,
        };
        Ok(self.table.write(vec![put]).await?)
    }
}
