//! `gatewright versions`.
