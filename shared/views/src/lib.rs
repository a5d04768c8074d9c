//! What people read: HTML pages, Slack messages, mails and what wakes people up,
//! made from domain values. Nothing here performs I/O or reads a clock; `now` is
//! a parameter.
//!
//! Commit messages, authors, reasons, log lines and the names in definitions
//! come from outside. They reach a page only through the templates' escaper
//! ([`text::Page`]), a Slack message only through [`text::slack`] and a mail or a
//! sentence only through [`text::line()`].

pub mod asked;
pub mod mail;
pub mod pages;
pub mod paging;
pub mod slack;
pub mod text;
pub mod words;

pub use asked::Asked;
