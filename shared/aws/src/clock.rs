//! The clock, so that nothing else reads it, and patience, which ends.

use gatewright_domain::Timestamp;
use std::time::Duration;

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads it"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// How long something is waited for.
pub trait Patience {
    /// What the work comes to; `None` when it takes longer than so many seconds and
    /// is given up where it stands, as by a crash.
    fn within<F: Future>(&self, seconds: u32, work: F) -> impl Future<Output = Option<F::Output>>;
}

impl Patience for SystemClock {
    async fn within<F: Future>(&self, seconds: u32, work: F) -> Option<F::Output> {
        let limit = Duration::from_secs(u64::from(seconds));
        tokio::time::timeout(limit, work).await.ok()
    }
}
