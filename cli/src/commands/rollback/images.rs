//! What a registry says of the images of a version, and what is made of that.

use super::seen::{Line, judged, warned};
use gatewright_aws::registry::Registry;
use gatewright_domain::decide::ScanSeen;
use gatewright_domain::evidence::{ArtifactEvidence, Severity};
use gatewright_domain::pipeline::{Artifact, Definition};
use gatewright_domain::release::Deployment;
use gatewright_domain::{Digest, ErrorName};
use gatewright_views::text::short_line;
use std::collections::BTreeMap;

/// What a registry says of an image now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Image {
    pub artifact: String,
    pub digest: Digest,
    /// Whether the registry has it; nothing when it cannot be asked.
    pub there: Option<bool>,
    /// What its scan found, or why nobody knows.
    pub findings: String,
    /// Whether the scan tells.
    #[serde(skip)]
    pub scanned: bool,
}

/// That the image is there, and what its scan says: only that it is gone stops a
/// rollback.
pub(super) fn about(image: &Image) -> Vec<Line> {
    let Image {
        artifact,
        digest,
        there,
        findings,
        scanned,
    } = image;
    let named = format!("{artifact} {}", digest.short());
    let exists = match there {
        Some(true) => judged("the image", Ok(format!("the registry has {named}"))),
        Some(false) => {
            let why = format!("the registry no longer has {digest} of artifact {artifact:?}");
            judged("the image", Err((ErrorName::GateDenied, why)))
        }
        None => {
            let says = format!("the registry cannot be asked whether it has {named}");
            warned("the image", says)
        }
    };
    let found = format!("{named}: {findings}");
    let found = match scanned {
        true => judged("findings", Ok(found)),
        false => warned("findings", found),
    };
    match there {
        Some(false) => vec![exists],
        Some(true) | None => vec![exists, found],
    }
}

/// That the signature is verified, where the image has to be signed: by the build
/// that brings it back, before anything is changed.
pub(super) fn verifies(definition: &Definition, image: &Image) -> Option<Line> {
    let declared = definition.artifacts.get(&image.artifact);
    let named = format!("{} {}", image.artifact, image.digest.short());
    let says = format!("{named}: the rollback's own build verifies it before its steps");
    let signed = declared.is_some_and(|artifact| artifact.signed);
    signed.then(|| judged("the signature", Ok(says)))
}

/// Each image of a deployment, as it is now.
pub(super) async fn images<R: Registry>(
    registry: &R,
    definition: &Definition,
    deployment: &Deployment,
) -> Vec<Image> {
    let mut images = Vec::new();
    for artifact in &deployment.artifacts {
        let declared = definition.artifacts.get(&artifact.name);
        if let Some(repository) = declared.and_then(Artifact::repository) {
            images.push(image(registry, repository, artifact).await);
        }
    }
    images
}

async fn image<R: Registry>(registry: &R, repository: &str, artifact: &ArtifactEvidence) -> Image {
    let there = registry.has(repository, &artifact.digest).await.ok();
    let (findings, scanned) = match there {
        Some(false) => ("unknown: it is gone".to_owned(), false),
        Some(true) | None => match registry.scan(repository, &artifact.digest).await {
            Ok(scan) => found(&scan),
            Err(error) => (
                format!("unknown: {}", short_line(&error.to_string(), 120)),
                false,
            ),
        },
    };
    Image {
        artifact: artifact.name.clone(),
        digest: artifact.digest.clone(),
        there,
        findings,
        scanned,
    }
}

/// What a scan says now, and whether it says anything.
fn found(scan: &ScanSeen) -> (String, bool) {
    let settled = matches!(scan.status.as_deref(), Some("COMPLETE" | "ACTIVE"));
    if !settled {
        let status = scan
            .status
            .as_deref()
            .unwrap_or("never scanned, or its scan has expired");
        return (format!("unknown: {status}"), false);
    }
    let mut counts: BTreeMap<Severity, u64> = scan.counts.clone().unwrap_or_default();
    if counts.is_empty() {
        for finding in &scan.findings {
            *counts.entry(finding.severity).or_default() += 1;
        }
    }
    let counts = counts.iter().rev().filter(|(_, count)| **count > 0);
    let counts: Vec<String> = counts.map(|(s, n)| format!("{n} {}", s.as_str())).collect();
    match counts.is_empty() {
        true => ("none".to_owned(), true),
        false => (counts.join(", "), true),
    }
}
