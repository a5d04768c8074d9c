//! Canonical JSON (RFC 8785) and SHA-256 over it: the one way in which
//! Gatewright says "the same definition", "the same evidence".

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// `value` as canonical JSON, RFC 8785: members sorted by UTF-16 code units,
/// numbers as ECMAScript prints them, no white space.
///
/// # Errors
/// When `value` does not serialise to JSON at all (a map with keys that are no
/// strings, a number that is not finite).
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(value)
}

/// A SHA-256 in the form registries use: `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Text that should have been a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a digest: it must be 'sha256:' followed by 64 lower-case hex digits")]
pub struct InvalidDigest(String);

impl Digest {
    /// The digest of these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// The digest of `value`'s canonical JSON.
    ///
    /// # Errors
    /// As [`canonical_json`].
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        canonical_json(value).map(|bytes| Self::of_bytes(&bytes))
    }

    /// The whole digest, `sha256:` included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 hex digits alone.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The first twelve hex digits, for people to compare by eye.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let valid = text.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
        });
        if valid {
            Ok(Self(text))
        } else {
            Err(InvalidDigest(text.chars().take(100).collect()))
        }
    }
}

impl std::str::FromStr for Digest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::try_from(text.to_owned())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// RFC 8785, section 3.2.2's own example.
    #[test]
    fn the_example_of_the_rfc_comes_out_as_printed_there() {
        let input: serde_json::Value = serde_json::from_str(
            r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
                "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                "literals":[null,true,false]}"#,
        )
        .unwrap();
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(
            String::from_utf8(canonical_json(&input).unwrap()).unwrap(),
            expected
        );
    }

    #[test]
    fn a_known_text_has_its_known_digest() {
        assert_eq!(
            Digest::of(&json!({})).unwrap().as_str(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    #[test]
    fn text_that_only_looks_like_a_digest_is_refused() {
        for bad in [
            "",
            "latest",
            "sha256:",
            &format!("sha256:{}", "A".repeat(64)),
            &format!("sha512:{}", "a".repeat(64)),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_members_changes_nothing(pairs in proptest::collection::btree_map("[a-z]{1,6}", any::<i32>(), 0..12)) {
            let forward: serde_json::Map<_, _> = pairs.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            let backward: serde_json::Map<_, _> = pairs.iter().rev().map(|(k, v)| (k.clone(), json!(v))).collect();
            prop_assert_eq!(Digest::of(&forward).unwrap(), Digest::of(&backward).unwrap());
        }
    }
}
