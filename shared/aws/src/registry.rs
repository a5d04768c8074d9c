//! The image registry: Amazon ECR.

use crate::error::{Kind, ServiceError, classify};
use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{ImageFailureCode, ImageIdentifier, ListImagesFilter, TagStatus};
use gatewright_domain::Digest;
use gatewright_domain::decide::ScanSeen;
use gatewright_domain::evidence::{Finding, Severity};

/// What functions need of ECR.
pub trait Registry: Send + Sync {
    /// The digest of what a tag names now; `None` when there is no such image.
    fn digest_of(
        &self,
        repository: &str,
        tag: &str,
    ) -> impl Future<Output = Result<Option<Digest>, ServiceError>> + Send;

    /// Whether the registry has the image of this digest.
    fn has(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// Starts a scan. One that runs already or ran today is as good.
    fn start_scan(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The scan of an image, every page of it.
    fn scan(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> impl Future<Output = Result<ScanSeen, ServiceError>> + Send;

    /// Gives an image a further tag; done when it has it already. The image stays
    /// what it is, byte for byte.
    ///
    /// # Errors
    /// Of kind `Missing` when there is no such image, of kind `Other` when the tag
    /// belongs to another one.
    fn retain(
        &self,
        repository: &str,
        digest: &Digest,
        tag: &str,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Every tag of a repository with its image, every page of them.
    fn tags(
        &self,
        repository: &str,
    ) -> impl Future<Output = Result<Vec<(String, Digest)>, ServiceError>> + Send;

    /// Takes a tag away; done when it is gone already. *An image goes with its
    /// last tag*: `retention::outdated` says which tags may go.
    fn release_tag(
        &self,
        repository: &str,
        tag: &str,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// ECR through the SDK.
#[derive(Debug, Clone)]
pub struct Ecr {
    client: Client,
}

impl Ecr {
    /// ECR with this configuration.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }

    /// The manifest of an image as it was pushed, with its media type.
    async fn manifest(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<(String, Option<String>), ServiceError> {
        const ACTION: &str = "ecr:BatchGetImage";
        let sent = self
            .client
            .batch_get_image()
            .repository_name(repository)
            .image_ids(by_digest(digest))
            .set_accepted_media_types(Some(MANIFESTS.map(str::to_owned).to_vec()))
            .send()
            .await;
        let reply = sent.map_err(|e| classify(ACTION, &e))?;
        let found = reply.images.unwrap_or_default().into_iter().find_map(|i| {
            let media_type = i.image_manifest_media_type;
            Some((i.image_manifest?, media_type))
        });
        found.ok_or_else(|| {
            let why = reply.failures.unwrap_or_default().into_iter().next();
            let why = why.and_then(|f| f.failure_reason).unwrap_or_default();
            let message = format!("{repository} has no image {digest}: {why}");
            ServiceError::of(ACTION, Kind::Missing, message)
        })
    }

    async fn describe(
        &self,
        repository: &str,
        image: ImageIdentifier,
    ) -> Result<Option<String>, ServiceError> {
        let sent = self
            .client
            .describe_images()
            .repository_name(repository)
            .image_ids(image)
            .send()
            .await;
        match sent.map_err(|e| classify("ecr:DescribeImages", &e)) {
            Ok(reply) => Ok(reply
                .image_details
                .unwrap_or_default()
                .into_iter()
                .find_map(|d| d.image_digest)),
            Err(error) if error.is("ImageNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Every kind of manifest that ECR keeps. One that is not asked for would come
/// converted, and under another digest.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

fn by_digest(digest: &Digest) -> ImageIdentifier {
    ImageIdentifier::builder()
        .image_digest(digest.as_str())
        .build()
}

impl Registry for Ecr {
    async fn digest_of(&self, repository: &str, tag: &str) -> Result<Option<Digest>, ServiceError> {
        let image = ImageIdentifier::builder().image_tag(tag).build();
        let Some(found) = self.describe(repository, image).await? else {
            return Ok(None);
        };
        match found.parse() {
            Ok(digest) => Ok(Some(digest)),
            Err(error) => Err(ServiceError::of(
                "ecr:DescribeImages",
                Kind::Other,
                format!("{error}"),
            )),
        }
    }

    async fn has(&self, repository: &str, digest: &Digest) -> Result<bool, ServiceError> {
        Ok(self
            .describe(repository, by_digest(digest))
            .await?
            .as_deref()
            == Some(digest.as_str()))
    }

    async fn start_scan(&self, repository: &str, digest: &Digest) -> Result<(), ServiceError> {
        let sent = self
            .client
            .start_image_scan()
            .repository_name(repository)
            .image_id(by_digest(digest))
            .send()
            .await;
        match sent.map_err(|e| classify("ecr:StartImageScan", &e)) {
            Ok(_) => Ok(()),
            // One scan an image a day; and under enhanced scanning none is started
            // by hand (`ValidationException`). The findings then tell.
            Err(error) if error.is("LimitExceededException") || error.is("ValidationException") => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn scan(&self, repository: &str, digest: &Digest) -> Result<ScanSeen, ServiceError> {
        let mut seen = ScanSeen {
            digest: digest.clone(),
            status: None,
            description: None,
            enhanced: false,
            findings: Vec::new(),
            counts: None,
        };
        let mut next: Option<String> = None;
        loop {
            let sent = self
                .client
                .describe_image_scan_findings()
                .repository_name(repository)
                .image_id(by_digest(digest))
                .max_results(1_000)
                .set_next_token(next.take())
                .send()
                .await;
            let page = match sent.map_err(|e| classify("ecr:DescribeImageScanFindings", &e)) {
                Ok(page) => page,
                // Not scanned. Never: clean.
                Err(error) if error.is("ScanNotFoundException") => return Ok(seen),
                Err(error) => return Err(error),
            };
            if let Some(status) = page.image_scan_status {
                seen.status = Some(
                    status
                        .status
                        .map_or_else(|| "UNKNOWN".to_owned(), |s| s.as_str().to_owned()),
                );
                seen.description = status.description.or(seen.description);
            }
            if let Some(findings) = page.image_scan_findings {
                add(&mut seen, findings);
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(seen);
            }
        }
    }

    async fn retain(
        &self,
        repository: &str,
        digest: &Digest,
        tag: &str,
    ) -> Result<(), ServiceError> {
        let (manifest, media_type) = self.manifest(repository, digest).await?;
        let sent = self
            .client
            .put_image()
            .repository_name(repository)
            .image_tag(tag)
            .image_manifest(manifest)
            .set_image_manifest_media_type(media_type)
            // ECR refuses a manifest that is not this image's.
            .image_digest(digest.as_str())
            .send()
            .await;
        match sent.map_err(|e| classify("ecr:PutImage", &e)) {
            Ok(_) => Ok(()),
            Err(error) if error.is("ImageAlreadyExistsException") => Ok(()),
            // Tags are immutable; it may be this very image's.
            Err(error) if error.is("ImageTagAlreadyExistsException") => {
                match self.digest_of(repository, tag).await? {
                    Some(known) if &known == digest => Ok(()),
                    Some(_) | None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn tags(&self, repository: &str) -> Result<Vec<(String, Digest)>, ServiceError> {
        let filter = ListImagesFilter::builder()
            .tag_status(TagStatus::Tagged)
            .build();
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let sent = self
                .client
                .list_images()
                .repository_name(repository)
                .filter(filter.clone())
                .max_results(1_000)
                .set_next_token(next.take())
                .send()
                .await;
            let page = sent.map_err(|e| classify("ecr:ListImages", &e))?;
            for id in page.image_ids.unwrap_or_default() {
                if let (Some(tag), Some(digest)) = (id.image_tag, id.image_digest) {
                    let digest = digest.parse().map_err(|error| {
                        ServiceError::of("ecr:ListImages", Kind::Other, format!("{error}"))
                    })?;
                    found.push((tag, digest));
                }
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn release_tag(&self, repository: &str, tag: &str) -> Result<(), ServiceError> {
        const ACTION: &str = "ecr:BatchDeleteImage";
        let sent = self
            .client
            .batch_delete_image()
            .repository_name(repository)
            .image_ids(ImageIdentifier::builder().image_tag(tag).build())
            .send()
            .await;
        let reply = sent.map_err(|e| classify(ACTION, &e))?;
        // What could not be deleted is told in a reply that succeeds.
        match reply.failures.unwrap_or_default().into_iter().next() {
            None => Ok(()),
            Some(failure) if failure.failure_code == Some(ImageFailureCode::ImageNotFound) => {
                Ok(())
            }
            Some(failure) => {
                let code = failure.failure_code.map(|c| c.to_string());
                let reason = failure.failure_reason.unwrap_or_default();
                let message = format!("{}: {reason}", code.unwrap_or_default());
                Err(ServiceError::of(ACTION, Kind::Other, message))
            }
        }
    }
}

/// Adds a page. Basic and enhanced findings are told apart by their shape, not by
/// the status; reading only one of the two lists would report nothing.
fn add(seen: &mut ScanSeen, page: aws_sdk_ecr::types::ImageScanFindings) {
    if let Some(counts) = page.finding_severity_counts {
        let counts = counts.into_iter().map(|(severity, n)| {
            (
                Severity::from_api(severity.as_str()),
                u64::try_from(n).unwrap_or(0),
            )
        });
        let all = seen.counts.get_or_insert_default();
        // Each page repeats the counts of the whole.
        for (severity, n) in counts {
            let known = all.entry(severity).or_default();
            *known = (*known).max(n);
        }
    }
    for finding in page.findings.unwrap_or_default() {
        let attribute = |key: &str| {
            finding
                .attributes()
                .iter()
                .find(|a| a.key() == key)
                .and_then(|a| a.value())
        };
        let package = attribute("package_name").map(|name| match attribute("package_version") {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        });
        seen.findings.push(Finding {
            id: finding.name().unwrap_or("unnamed").to_owned(),
            severity: Severity::from_api(finding.severity().map_or("missing", |s| s.as_str())),
            package,
            uri: finding.uri().map(str::to_owned),
        });
    }
    for finding in page.enhanced_findings.unwrap_or_default() {
        seen.enhanced = true;
        // Inspector keeps findings that were fixed or suppressed in the list.
        if finding.status().is_some_and(|status| status == "CLOSED") {
            continue;
        }
        let details = finding.package_vulnerability_details();
        let package = details
            .and_then(|d| d.vulnerable_packages().first())
            .map(|p| format!("{} {}", p.name().unwrap_or("?"), p.version().unwrap_or("?")));
        let id = details
            .and_then(|d| d.vulnerability_id())
            .or(finding.title())
            .unwrap_or("unnamed");
        seen.findings.push(Finding {
            id: id.to_owned(),
            severity: Severity::from_api(finding.severity().unwrap_or("missing")),
            package,
            uri: details.and_then(|d| d.source_url()).map(str::to_owned),
        });
    }
}
