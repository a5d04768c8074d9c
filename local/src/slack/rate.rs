//! Slack's rate limit for posting: about one message a second and channel,
//! with short bursts allowed (*Rate limits*, "Posting messages").

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::sync::locked;

/// How many messages a channel takes at once before the limit bites.
const BURST: u32 = 5;

/// One more message is allowed each time this has passed.
const EVERY: Duration = Duration::from_secs(1);

/// Remembers when each channel's allowance will be whole again.
#[derive(Debug, Default)]
pub(crate) struct RateLimit(Mutex<BTreeMap<String, Instant>>);

impl RateLimit {
    /// Takes one message's place in `channel` at `now`.
    ///
    /// # Errors
    /// How many whole seconds to wait, for `Retry-After`.
    pub(crate) fn take(&self, channel: &str, now: Instant) -> Result<(), u64> {
        let mut whole_at = locked(&self.0);
        let busy_until = whole_at.get(channel).copied().unwrap_or(now).max(now);
        let owed = busy_until + EVERY - now;
        let allowed = EVERY * BURST;
        if owed > allowed {
            return Err((owed - allowed).as_secs_f64().ceil().max(1.0) as u64);
        }
        whole_at.insert(channel.to_owned(), busy_until + EVERY);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_message_waits_a_second() {
        let (limit, now) = (RateLimit::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(limit.take("C1", now), Ok(()));
        }
        assert_eq!(limit.take("C1", now), Err(1));
        assert_eq!(
            limit.take("C2", now),
            Ok(()),
            "another channel is not concerned"
        );
        assert_eq!(limit.take("C1", now + EVERY), Ok(()));
        assert_eq!(limit.take("C1", now + EVERY), Err(1));
    }
}
