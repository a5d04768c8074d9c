//! Signed links: PASETO v4.local tokens (encrypted and authenticated, one
//! algorithm, nothing to choose and so nothing to confuse).
//!
//! What a token may be used for is part of the key material (the implicit
//! assertion), so a token to read can never be used to decide.

use gatewright_domain::{Digest, PersonId, ReleaseId, Timestamp};
use pasetors::Local;
use pasetors::keys::SymmetricKey;
use pasetors::token::UntrustedToken;
use pasetors::version4::{LocalToken, V4};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It is not one of ours, was cut off or was altered.
    #[error("this link is not complete or was altered; open it again from the original message")]
    Forged,
    /// It is too old.
    #[error("this link has expired; ask for a new one")]
    Expired,
    /// The key is unusable.
    #[error("the link key cannot be used")]
    Key,
}

/// What a personal approval link says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalLink {
    /// The release.
    pub release: ReleaseId,
    /// The approval stage's position.
    pub index: usize,
    /// Whom it was issued to.
    pub person: PersonId,
    /// The evidence that it is about.
    pub evidence: Digest,
    /// Until when it can be used.
    pub expires: Timestamp,
}

/// What a form on the approval page carries: the page's own nonce. It is issued
/// by a GET, so whoever posts it has seen the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageNonce {
    /// The link that the page was opened with.
    pub link: ApprovalLink,
    /// Until when the page can be used.
    pub expires: Timestamp,
}

/// What a link to read a release's page says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadLink {
    /// The release.
    pub release: ReleaseId,
    /// Until when it can be used.
    pub expires: Timestamp,
}

/// Something that a token can carry.
pub trait Purpose: Serialize + DeserializeOwned {
    /// What tokens of this kind may be used for.
    const NAME: &'static str;
    /// Until when.
    fn expires(&self) -> Timestamp;
}

impl Purpose for ApprovalLink {
    const NAME: &'static str = "gatewright approval link";
    fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl Purpose for PageNonce {
    const NAME: &'static str = "gatewright approval page";
    fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl Purpose for ReadLink {
    const NAME: &'static str = "gatewright read link";
    fn expires(&self) -> Timestamp {
        self.expires
    }
}

/// Issues and checks tokens.
pub struct Links {
    key: SymmetricKey<V4>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links(…)")
    }
}

impl Links {
    /// Tokens under a key derived (SHA-256) from the secret's text, which
    /// `infra/template.yaml` has Secrets Manager generate.
    ///
    /// # Errors
    /// When the secret is too short to be one: at least 32 characters.
    pub fn new(secret: &crate::secrets::Secret) -> Result<Self, LinkError> {
        use sha2::Digest as _;
        if secret.reveal().len() < 32 {
            return Err(LinkError::Key);
        }
        let key = sha2::Sha256::digest(secret.reveal().as_bytes());
        Ok(Self {
            key: SymmetricKey::from(&key).map_err(|_| LinkError::Key)?,
        })
    }

    /// A token that carries `claims`.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn issue<P: Purpose>(&self, claims: &P) -> Result<String, LinkError> {
        let payload = serde_json::to_vec(claims).map_err(|_| LinkError::Key)?;
        LocalToken::encrypt(&self.key, &payload, None, Some(P::NAME.as_bytes()))
            .map_err(|_| LinkError::Key)
    }

    /// What a token carries, if it is genuine, meant for this and still good.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub fn open<P: Purpose>(&self, token: &str, now: Timestamp) -> Result<P, LinkError> {
        let untrusted =
            UntrustedToken::<Local, V4>::try_from(token).map_err(|_| LinkError::Forged)?;
        let trusted = LocalToken::decrypt(&self.key, &untrusted, None, Some(P::NAME.as_bytes()))
            .map_err(|_| LinkError::Forged)?;
        let claims: P = serde_json::from_str(trusted.payload()).map_err(|_| LinkError::Forged)?;
        if now >= claims.expires() {
            Err(LinkError::Expired)
        } else {
            Ok(claims)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Secret;
    use gatewright_domain::after;

    fn links(secret: &str) -> Links {
        Links::new(&Secret::new(secret.repeat(32))).unwrap()
    }

    fn link(expires: Timestamp) -> ApprovalLink {
        ApprovalLink {
            release: "cp-1".parse().unwrap(),
            index: 5,
            person: "priya".parse().unwrap(),
            evidence: Digest::of_bytes(b"evidence"),
            expires,
        }
    }

    #[test]
    fn a_link_opens_until_it_expires_and_never_after() {
        let now = Timestamp::UNIX_EPOCH;
        let claims = link(after(now, 60));
        let token = links("k").issue(&claims).unwrap();
        assert_eq!(
            links("k")
                .open::<ApprovalLink>(&token, after(now, 59))
                .unwrap(),
            claims
        );
        assert_eq!(
            links("k").open::<ApprovalLink>(&token, after(now, 60)),
            Err(LinkError::Expired)
        );
    }

    #[test]
    fn forged_truncated_altered_and_foreign_links_are_refused() {
        let now = Timestamp::UNIX_EPOCH;
        let token = links("k").issue(&link(after(now, 60))).unwrap();
        let open = |token: &str| links("k").open::<ApprovalLink>(token, now);
        for cut in 0..token.len() {
            assert_eq!(open(&token[..cut]), Err(LinkError::Forged), "cut at {cut}");
        }
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            // The last character of base64 may carry bits that are not used.
            assert!(
                open(&altered).is_err() || at == token.len() - 1,
                "altered at {at}"
            );
        }
        assert_eq!(
            links("x").open::<ApprovalLink>(&token, now),
            Err(LinkError::Forged),
            "another key"
        );
    }

    #[test]
    fn a_link_to_read_cannot_be_used_to_decide() {
        let now = Timestamp::UNIX_EPOCH;
        let read = ReadLink {
            release: "cp-1".parse().unwrap(),
            expires: after(now, 60),
        };
        let token = links("k").issue(&read).unwrap();
        assert_eq!(
            links("k").open::<ApprovalLink>(&token, now),
            Err(LinkError::Forged)
        );
        assert_eq!(
            links("k").open::<PageNonce>(&token, now),
            Err(LinkError::Forged)
        );
    }

    #[test]
    fn a_short_secret_makes_no_links() {
        assert_eq!(
            Links::new(&Secret::new("too short")).unwrap_err(),
            LinkError::Key
        );
    }
}
