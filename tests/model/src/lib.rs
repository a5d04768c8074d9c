//! An exhaustive check of the rules of deploying and undoing: two releases, one
//! rollback by hand and people's orders, with crashes, and events that come late,
//! twice or never.
//!
//! The decisions are the product's own ([`real`]); what is drawn here is what lies
//! around them: which items a transaction names and writes ([`calls`]), and what
//! Step Functions, CodeBuild and people do in between ([`step`]). What is left out
//! is in `docs/decisions/0012-a-model-of-the-rules.md`.

pub mod calls;
pub mod properties;
pub mod rank;
pub mod real;
pub mod rules;
pub mod state;
pub mod step;
pub mod table;
pub mod undo;

pub use rules::{Bounds, Rules};
pub use state::State;
pub use step::{Action, World};
