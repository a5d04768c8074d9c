//! `gatewright import`.
