//! `gatewright diff`.
