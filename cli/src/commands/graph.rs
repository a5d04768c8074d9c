//! `gatewright graph`.
