//! `gatewright init`.
