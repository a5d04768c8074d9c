//! Adapters: everything of Gatewright that talks to AWS, Slack, PagerDuty or
//! the clock.
//!
//! Ports are narrow and speak the domain's types; service errors are classified
//! once, in [`error`]. There are no choices here: what may happen next is
//! decided in `gatewright-domain`.

pub mod builds;
pub mod clients;
pub mod clock;
pub mod config;
pub mod error;
pub mod links;
pub mod metrics;
pub mod origins;
pub mod pagerduty;
pub mod registry;
pub mod secrets;
pub mod slack;
pub mod store;
pub mod table;
pub mod tasks;
pub mod topics;

pub use clock::{Clock, Patience, SystemClock};
pub use error::{Kind, ServiceError};
pub use store::Store;
