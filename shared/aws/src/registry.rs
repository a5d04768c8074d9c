//! The image registry: Amazon ECR.

use crate::error::{Kind, ServiceError, classify};
use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::ImageIdentifier;
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
