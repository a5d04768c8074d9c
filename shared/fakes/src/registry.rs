//! A registry in memory, with the rules that handlers rely on.

use crate::services::locked;
use gatewright_aws::error::{Kind, ServiceError};
use gatewright_aws::origins::Origins;
use gatewright_aws::registry::Registry;
use gatewright_domain::Digest;
use gatewright_domain::decide::{Origin, ScanSeen};
use gatewright_domain::trigger::CodePipelineOrigin;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Mutex;

/// A registry in memory.
#[derive(Debug, Default)]
pub struct FakeRegistry {
    images: Mutex<BTreeMap<(String, String), Digest>>,
    scans: Mutex<BTreeMap<Digest, ScanSeen>>,
    started: Mutex<Vec<Digest>>,
    refusal: Mutex<Option<Kind>>,
    unreadable: Mutex<Option<Kind>>,
    keeps: Mutex<bool>,
    origin: Mutex<Option<Origin>>,
}

impl FakeRegistry {
    /// What CodePipeline says of the actions that started releases from now on;
    /// until then they are in progress.
    pub fn origin_is(&self, origin: Origin) {
        *locked(&self.origin) = Some(origin);
    }

    /// New tags fail so from now on; `None`: they succeed again.
    pub fn refuse(&self, kind: Option<Kind>) {
        *locked(&self.refusal) = kind;
    }

    /// Asking for the image of a tag fails so from now on.
    pub fn refuse_to_tell(&self, kind: Option<Kind>) {
        *locked(&self.unreadable) = kind;
    }

    /// Whether taking tags away fails from now on.
    pub fn refuse_to_delete(&self, refuses: bool) {
        *locked(&self.keeps) = refuses;
    }

    /// The tags of an image, in order.
    pub fn tags_of(&self, digest: &Digest) -> Vec<String> {
        let images = locked(&self.images);
        let own = images.iter().filter(|(_, known)| *known == digest);
        own.map(|((_, tag), _)| tag.clone()).collect()
    }

    /// Pushes an image.
    pub fn push(&self, repository: &str, tag: &str, digest: &Digest) {
        locked(&self.images).insert((repository.to_owned(), tag.to_owned()), digest.clone());
    }

    /// Deletes an image.
    pub fn delete(&self, digest: &Digest) {
        locked(&self.images).retain(|_, known| known != digest);
    }

    /// What the scan of an image says from now on.
    pub fn scanned(&self, seen: ScanSeen) {
        locked(&self.scans).insert(seen.digest.clone(), seen);
    }

    /// The scans that were started.
    pub fn started(&self) -> Vec<Digest> {
        locked(&self.started).clone()
    }
}

impl Registry for FakeRegistry {
    async fn digest_of(&self, repository: &str, tag: &str) -> Result<Option<Digest>, ServiceError> {
        if let Some(kind) = *locked(&self.unreadable) {
            let why = "a failure that the test asked for";
            return Err(ServiceError::of("ecr:DescribeImages", kind, why));
        }
        Ok(locked(&self.images)
            .get(&(repository.to_owned(), tag.to_owned()))
            .cloned())
    }

    async fn has(&self, repository: &str, digest: &Digest) -> Result<bool, ServiceError> {
        Ok(locked(&self.images)
            .iter()
            .any(|((known, _), d)| known == repository && d == digest))
    }

    async fn start_scan(&self, _repository: &str, digest: &Digest) -> Result<(), ServiceError> {
        locked(&self.started).push(digest.clone());
        Ok(())
    }

    async fn scan(&self, _repository: &str, digest: &Digest) -> Result<ScanSeen, ServiceError> {
        Ok(locked(&self.scans)
            .get(digest)
            .cloned()
            .unwrap_or_else(|| ScanSeen {
                digest: digest.clone(),
                status: None,
                description: None,
                enhanced: false,
                findings: Vec::new(),
                counts: None,
            }))
    }

    async fn retain(
        &self,
        repository: &str,
        digest: &Digest,
        tag: &str,
    ) -> Result<(), ServiceError> {
        let wrong = |kind, why| Err(ServiceError::of("ecr:PutImage", kind, why));
        if let Some(kind) = *locked(&self.refusal) {
            return wrong(kind, "a failure that the test asked for");
        }
        if !self.has(repository, digest).await? {
            return wrong(Kind::Missing, "there is no such image");
        }
        let key = (repository.to_owned(), tag.to_owned());
        match locked(&self.images).entry(key) {
            Entry::Vacant(free) => {
                free.insert(digest.clone());
                Ok(())
            }
            Entry::Occupied(known) if known.get() == digest => Ok(()),
            Entry::Occupied(_) => wrong(Kind::Other, "the tag is another image's"),
        }
    }

    async fn tags(&self, repository: &str) -> Result<Vec<(String, Digest)>, ServiceError> {
        let images = locked(&self.images);
        let own = images.iter().filter(|((known, _), _)| known == repository);
        Ok(own.map(|((_, tag), d)| (tag.clone(), d.clone())).collect())
    }

    /// The image goes with its last tag, as in ECR.
    async fn release_tag(&self, repository: &str, tag: &str) -> Result<(), ServiceError> {
        if *locked(&self.keeps) {
            let why = "a failure that the test asked for";
            return Err(ServiceError::of("ecr:BatchDeleteImage", Kind::Denied, why));
        }
        locked(&self.images).remove(&(repository.to_owned(), tag.to_owned()));
        Ok(())
    }
}

impl Origins for FakeRegistry {
    async fn origin(
        &self,
        _of: &CodePipelineOrigin,
        _execution: &str,
    ) -> Result<Origin, ServiceError> {
        let known = locked(&self.origin).clone();
        Ok(known.unwrap_or(Origin::InProgress))
    }
}
