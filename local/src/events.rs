//! Events on their way to EventBridge.
//!
//! The stand-ins hand every event to an [`Outbox`], which delivers them in the
//! order they were made and tries again until the [`EventSink`] accepts: as on
//! AWS, an event arrives at least once, in the end.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// The first pause after a refused event; it doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two tries of one event.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// One event as `PutEvents` takes it; the receiver adds account, region, time
/// and id.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// The service it comes from, such as `aws.codebuild`.
    pub source: String,
    /// What kind of event it is, such as `CodeBuild Build State Change`.
    pub detail_type: String,
    /// ARNs of what it is about.
    pub resources: Vec<String>,
    /// The event's own content.
    pub detail: Value,
}

/// Why a sink did not take an event; the outbox tries the event again.
#[derive(Debug, thiserror::Error)]
#[error("the event was not accepted: {0}")]
pub struct SinkError(pub String);

/// What [`EventSink::put`] returns: boxed, so that a sink can be `dyn`.
pub type SinkFuture<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// Where events go: EventBridge on the emulator, or a recording for tests.
pub trait EventSink: Send + Sync {
    /// Takes one event. An error means "not now": the caller tries again.
    fn put(&self, event: Event) -> SinkFuture<'_>;
}

/// A sink that keeps every event, and lets a caller wait for one.
#[derive(Debug)]
pub struct RecordingSink {
    events: watch::Sender<Vec<Event>>,
}

impl Default for RecordingSink {
    fn default() -> Self {
        Self {
            events: watch::Sender::new(Vec::new()),
        }
    }
}

impl RecordingSink {
    /// Everything recorded until now, in order of arrival.
    pub fn events(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }

    /// Waits until `enough` says the recording is what it waits for.
    ///
    /// # Errors
    /// A sentence with what had been recorded, when `within` has passed.
    pub async fn wait_until(
        &self,
        within: Duration,
        enough: impl Fn(&[Event]) -> bool,
    ) -> Result<Vec<Event>, String> {
        let mut receiver = self.events.subscribe();
        match tokio::time::timeout(within, receiver.wait_for(|events| enough(events))).await {
            Ok(Ok(events)) => Ok(events.clone()),
            _ => Err(format!(
                "the expected events did not come within {within:?}; recorded: {:#?}",
                self.events()
            )),
        }
    }
}

impl EventSink for RecordingSink {
    fn put(&self, event: Event) -> SinkFuture<'_> {
        self.events.send_modify(|events| events.push(event));
        Box::pin(async { Ok(()) })
    }
}

enum Item {
    Event(Box<Event>),
    Flush(tokio::sync::oneshot::Sender<()>),
}

/// Delivers events in order, each at least once.
pub(crate) struct Outbox {
    queue: mpsc::UnboundedSender<Item>,
    worker: JoinHandle<()>,
}

impl Outbox {
    /// Starts the delivering task.
    pub(crate) fn start(sink: Arc<dyn EventSink>) -> Self {
        let (queue, mut items) = mpsc::unbounded_channel();
        let worker = tokio::spawn(async move {
            while let Some(item) = items.recv().await {
                match item {
                    Item::Event(event) => deliver(&*sink, *event).await,
                    // The asker may have given up waiting; nothing to do then.
                    Item::Flush(done) => drop(done.send(())),
                }
            }
        });
        Self { queue, worker }
    }

    /// Queues an event.
    pub(crate) fn send(&self, event: Event) {
        if self.queue.send(Item::Event(Box::new(event))).is_err() {
            tracing::warn!("stand-ins: an event was made after the outbox had stopped; it is lost");
        }
    }

    /// Waits until everything queued before has been delivered, at most
    /// `within`, and stops the task.
    pub(crate) async fn close(&self, within: Duration) {
        let (done, flushed) = tokio::sync::oneshot::channel();
        if self.queue.send(Item::Flush(done)).is_ok()
            && tokio::time::timeout(within, flushed).await.is_err()
        {
            tracing::warn!("stand-ins: stopped with events the event bus had not accepted");
        }
        self.worker.abort();
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

async fn deliver(sink: &dyn EventSink, event: Event) {
    let mut pause = FIRST_PAUSE;
    while let Err(error) = sink.put(event.clone()).await {
        tracing::warn!(
            source = event.source,
            "stand-ins: {error}; next try in {pause:?}"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Reluctant {
        refusals: AtomicUsize,
        accepted: RecordingSink,
    }

    impl EventSink for Reluctant {
        fn put(&self, event: Event) -> SinkFuture<'_> {
            if self.refusals.fetch_sub(1, Ordering::SeqCst) > 1 {
                return Box::pin(async { Err(SinkError("not yet".to_owned())) });
            }
            self.refusals.store(1, Ordering::SeqCst);
            self.accepted.put(event)
        }
    }

    fn event(number: usize) -> Event {
        Event {
            source: "aws.codebuild".to_owned(),
            detail_type: number.to_string(),
            resources: vec![],
            detail: Value::Null,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_event_is_tried_again_and_keeps_its_place() {
        let sink = Arc::new(Reluctant {
            refusals: AtomicUsize::new(4),
            accepted: RecordingSink::default(),
        });
        let outbox = Outbox::start(sink.clone());
        (0..3).for_each(|number| outbox.send(event(number)));
        outbox.close(Duration::from_secs(60)).await;
        let order: Vec<String> = (sink.accepted.events().into_iter())
            .map(|event| event.detail_type)
            .collect();
        assert_eq!(order, ["0", "1", "2"]);
    }
}
