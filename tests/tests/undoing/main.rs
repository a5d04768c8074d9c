//! Going back, by hand and by itself: to what, past what, and what stays known.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod by_hand;
mod doubts;
mod itself;
mod place;
