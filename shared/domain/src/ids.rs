//! Typed identifiers. Each is validated once, where it enters, and cannot be
//! mistaken for another afterwards.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a piece of text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    let shown = text.chars().take(100).collect();
                    Err(InvalidId { kind: $kind, text: shown, rule: $rule })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn word(text: &str, most: usize, extra: &[char]) -> bool {
    (1..=most).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(&c))
}

id! {
    /// A pipeline's id; it becomes part of the state machine's name, which AWS
    /// limits to 80 characters, so 60 leave room for `.rollback` and a prefix.
    PipelineId, "pipeline id", "1 to 60 letters, digits, '-' or '_', starting with a letter or digit",
    |t| word(t, 60, &['-', '_'])
}
id! {
    /// A release's id: the name of its Step Functions execution (at most 80
    /// characters), so that a repeated start is the same release.
    ReleaseId, "release id", "1 to 80 letters, digits, '-' or '_', starting with a letter or digit",
    |t| word(t, 80, &['-', '_'])
}
id! {
    /// An environment that a pipeline deploys to, such as `staging`.
    EnvironmentName, "environment name", "1 to 40 lower-case letters, digits or '-', starting with a letter or digit",
    |t| word(t, 40, &['-']) && t == t.to_ascii_lowercase()
}
id! {
    /// A person who can decide approvals.
    PersonId, "person id", "1 to 60 lower-case letters, digits, '-', '_' or '.', starting with a letter or digit",
    |t| word(t, 60, &['-', '_', '.']) && t == t.to_ascii_lowercase()
}
id! {
    /// A group of approvers, such as `devops-lead`.
    GroupName, "group name", "1 to 60 letters, digits, '-' or '_', starting with a letter or digit",
    |t| word(t, 60, &['-', '_'])
}
id! {
    /// A stage's name, and its state's in the state machine (AWS: at most 80
    /// characters). Definitions may use 60 of them, which leaves room for the
    /// names of what is made from a stage.
    StageName, "stage name", "1 to 80 printable characters without control characters, not starting or ending with a space",
    |t| (1..=80).contains(&t.chars().count()) && t.trim() == t && !t.chars().any(char::is_control)
}
id! {
    /// A full commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits. An
    /// abbreviated one could come to mean another commit.
    CommitSha, "commit SHA", "40 or 64 lower-case hex digits; an abbreviated SHA, a branch or a tag is not enough",
    |t| matches!(t.len(), 40 | 64) && t.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

impl CommitSha {
    /// The first eight digits, for people to read; never to look things up by.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_commit_is_a_full_sha_and_nothing_else() {
        let full = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(full.parse::<CommitSha>().unwrap().short(), "01234567");
        for bad in [
            "",
            "main",
            "0123456",
            &full.to_uppercase(),
            &format!("{full}0"),
            "v1.2.3",
        ] {
            let error = bad.parse::<CommitSha>().unwrap_err().to_string();
            assert!(error.contains("is not a commit SHA"), "{error}");
        }
    }

    #[test]
    fn an_execution_name_longer_than_aws_allows_is_no_release() {
        assert!("a".repeat(80).parse::<ReleaseId>().is_ok());
        assert!("a".repeat(81).parse::<ReleaseId>().is_err());
        assert!("a b".parse::<ReleaseId>().is_err());
    }

    proptest! {
        #[test]
        fn ids_survive_json(text in "[a-z0-9][a-z0-9_-]{0,59}") {
            let id: PipelineId = text.parse().unwrap();
            let back: PipelineId = serde_json::from_value(serde_json::to_value(&id).unwrap()).unwrap();
            prop_assert_eq!(back, id);
        }

        #[test]
        fn no_text_whatever_panics(text in ".*") {
            let _ = text.parse::<StageName>();
            let _ = text.parse::<CommitSha>();
            let _ = text.parse::<ReleaseId>();
        }
    }
}
