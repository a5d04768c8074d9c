//! The views as their readers get them: well-formed, escaped, within limits.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures: what does not parse should fail the test at once"
)]

mod facts;
mod mail;
mod pages;
mod paging;
mod slack;
mod support;
mod words;
