//! The clock, so that nothing else reads it.

use gatewright_domain::Timestamp;

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
