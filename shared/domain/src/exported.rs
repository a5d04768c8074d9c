//! The variables by which a build and those who start and judge it talk to each
//! other, beyond what its steps see: written by the buildspec that the compiler
//! makes, read when the build has ended.

use crate::canonical::Digest;
use std::collections::BTreeMap;

/// The variable in which a build says what a SARIF report found, as JSON of
/// [`crate::evidence::Findings`].
pub fn findings(report: &str) -> String {
    format!("GATEWRIGHT_FINDINGS_{}", shouted(report))
}

/// The variable in which a build says of which digest of an image it verified the
/// signature, as `sha256:<hex>`.
pub fn signed(artifact: &str) -> String {
    format!("GATEWRIGHT_SIGNED_{}", shouted(artifact))
}

/// A name as part of an environment variable: upper case, with `_` for what
/// shells do not take.
pub fn shouted(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
            _ => '_',
        })
        .collect()
}

/// An artifact that a build has put into the artifacts' bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its SHA-256, which is what it is known by.
    pub digest: Digest,
    /// Where it is in the bucket.
    pub key: String,
}

impl Stored {
    /// The variable with the SHA-256, in hex.
    pub const SHA256: &str = "GATEWRIGHT_ARTIFACT_SHA256";
    /// The variable with the key.
    pub const KEY: &str = "GATEWRIGHT_ARTIFACT_KEY";

    /// What a build has exported; `None` when it has stored nothing.
    pub fn from_exported(exported: &BTreeMap<String, String>) -> Option<Self> {
        let digest = format!("sha256:{}", exported.get(Self::SHA256)?);
        Some(Self {
            digest: digest.parse().ok()?,
            key: exported.get(Self::KEY)?.clone(),
        })
    }
}
