//! The views as their readers get them: well-formed, escaped, within limits.

mod mail;
mod pages;
mod slack;
mod support;
mod words;
