//! The operations on images.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Ecr,
    api::{ImageId, Page, image_id_json, invalid, with_token},
    store::{Image, NewImage, PutRefusal, Repository, digest_of},
};
use crate::aws_json::{AwsError, parse};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PutImage {
    repository_name: String,
    image_manifest: String,
    image_manifest_media_type: Option<String>,
    image_tag: Option<String>,
    image_digest: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ImagesRequest {
    repository_name: String,
    image_ids: Vec<ImageId>,
    filter: Filter,
    #[serde(flatten)]
    page: Page,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Filter {
    tag_status: Option<String>,
}

impl Filter {
    fn admits(&self, tagged: bool) -> bool {
        match self.tag_status.as_deref() {
            Some("TAGGED") => tagged,
            Some("UNTAGGED") => !tagged,
            _ => true,
        }
    }
}

impl Ecr {
    pub(super) async fn put_image(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: PutImage = parse(body)?;
        let name = &request.repository_name;
        self.adopt(name).await?;
        let media_type = media_type(&request)?;
        let digest = digest_of(request.image_manifest.as_bytes());
        if request
            .image_digest
            .as_ref()
            .is_some_and(|stated| *stated != digest)
        {
            return Err(AwsError::new(
                "ImageDigestDoesNotMatchException",
                format!("the manifest's digest is {digest}"),
            ));
        }
        let new = NewImage {
            digest: &digest,
            tag: request.image_tag.as_deref(),
            manifest: &request.image_manifest,
            media_type: &media_type,
        };
        let put =
            (self.store.put(name, &new)).map_err(|error| AwsError::internal(error.to_string()))?;
        match put {
            Some(Ok(())) => {}
            Some(Err(refusal)) => return Err(self.put_error(refusal, name, &new)),
            None => return Err(AwsError::internal("the repository went away")),
        }
        Ok(json!({"image": {
            "registryId": self.settings.account,
            "repositoryName": name,
            "imageId": image_id_json(&digest, new.tag),
            "imageManifest": request.image_manifest,
            "imageManifestMediaType": media_type,
        }}))
    }

    fn put_error(&self, refusal: PutRefusal, name: &str, new: &NewImage<'_>) -> AwsError {
        let tag = new.tag.unwrap_or("null");
        match refusal {
            PutRefusal::ImmutableTag => AwsError::new(
                "ImageTagAlreadyExistsException",
                format!(
                    "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the tag is immutable."
                ),
            ),
            PutRefusal::SameImage => AwsError::new(
                "ImageAlreadyExistsException",
                format!(
                    "Image with digest '{}' and tag '{tag}' already exists in the repository with name '{name}' in registry with id '{}'",
                    new.digest, self.settings.account
                ),
            ),
        }
    }

    pub(super) async fn batch_get_image(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: ImagesRequest = parse(body)?;
        let name = &request.repository_name;
        self.adopt(name).await?;
        if request.image_ids.is_empty() || request.image_ids.len() > 100 {
            return Err(invalid(
                "Invalid parameter at 'imageIds': it holds from 1 to 100 ids",
            ));
        }
        let (mut images, mut failures) = (vec![], vec![]);
        for id in &request.image_ids {
            match self.store.read(name, |found| lookup(found, id)).flatten() {
                Some((digest, image)) => images.push(json!({
                    "registryId": self.settings.account,
                    "repositoryName": name,
                    "imageId": image_id_json(&digest, id.image_tag.as_deref()),
                    "imageManifest": image.manifest,
                    "imageManifestMediaType": image.media_type,
                })),
                None => failures.push(json!({
                    "imageId": {"imageDigest": id.image_digest, "imageTag": id.image_tag},
                    "failureCode": "ImageNotFound",
                    "failureReason": "Requested image not found",
                })),
            }
        }
        Ok(json!({"images": images, "failures": failures}))
    }

    pub(super) async fn describe_images(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: ImagesRequest = parse(body)?;
        let name = &request.repository_name;
        self.adopt(name).await?;
        let paged = request.page.max_results.is_some() || request.page.next_token.is_some();
        if !request.image_ids.is_empty() && paged {
            return Err(invalid(
                "'maxResults' and 'nextToken' cannot be used with 'imageIds'",
            ));
        }
        if !request.image_ids.is_empty() {
            let mut details = vec![];
            for id in &request.image_ids {
                let found = self.store.read(name, |found| lookup(found, id)).flatten();
                let (digest, image) = found.ok_or_else(|| self.no_image(name, id))?;
                details.push(self.detail(name, &digest, &image));
            }
            return Ok(json!({"imageDetails": details}));
        }
        let images = self
            .store
            .read(name, |found| found.images.clone())
            .unwrap_or_default();
        let all: Vec<_> = (images.iter())
            .filter(|(_, image)| request.filter.admits(!image.tags.is_empty()))
            .collect();
        let (page, next) = request.page.cut(&all)?;
        let details: Vec<Value> = (page.iter())
            .map(|(digest, image)| self.detail(name, digest, image))
            .collect();
        Ok(with_token(json!({"imageDetails": details}), next))
    }

    fn detail(&self, name: &str, digest: &str, image: &Image) -> Value {
        let mut detail = json!({
            "registryId": self.settings.account,
            "repositoryName": name,
            "imageDigest": digest,
            "imageSizeInBytes": image.size,
            "imagePushedAt": image.pushed_at,
            "imageManifestMediaType": image.media_type,
        });
        if !image.tags.is_empty() {
            detail["imageTags"] = json!(image.tags);
        }
        if let Some(moment) = self.scan_moment(&(name.to_owned(), digest.to_owned()), false) {
            detail["imageScanStatus"] = json!({"status": moment.step.status()});
            if let Some(completed) = moment.completed_at {
                detail["imageScanFindingsSummary"] = json!({
                    "imageScanCompletedAt": completed,
                    "findingSeverityCounts": moment.step.severity_counts(),
                });
            }
        }
        detail
    }

    pub(super) async fn list_images(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: ImagesRequest = parse(body)?;
        let name = &request.repository_name;
        self.adopt(name).await?;
        let images = self
            .store
            .read(name, |found| found.images.clone())
            .unwrap_or_default();
        let mut all: Vec<Value> = vec![];
        for (digest, image) in &images {
            if image.tags.is_empty() && request.filter.admits(false) {
                all.push(image_id_json(digest, None));
            }
            if request.filter.admits(true) {
                all.extend(
                    image
                        .tags
                        .iter()
                        .map(|tag| image_id_json(digest, Some(tag))),
                );
            }
        }
        let (page, next) = request.page.cut(&all)?;
        Ok(with_token(json!({"imageIds": page}), next))
    }

    /// The digest of the image an id names.
    pub(super) async fn find_digest(&self, name: &str, id: &ImageId) -> Result<String, AwsError> {
        self.adopt(name).await?;
        if id.image_digest.is_none() && id.image_tag.is_none() {
            return Err(invalid(
                "Invalid parameter at 'imageId': give imageDigest or imageTag",
            ));
        }
        (self.store.read(name, |found| lookup(found, id)).flatten())
            .map(|(digest, _)| digest)
            .ok_or_else(|| self.no_image(name, id))
    }

    fn no_image(&self, name: &str, id: &ImageId) -> AwsError {
        let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
        AwsError::new(
            "ImageNotFoundException",
            format!(
                "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with name '{name}' in the registry with id '{}'",
                or_null(&id.image_digest),
                or_null(&id.image_tag),
                self.settings.account
            ),
        )
    }
}

/// The media type of a manifest: as stated, or as it says itself.
fn media_type(request: &PutImage) -> Result<String, AwsError> {
    let manifest: Value = serde_json::from_str(&request.image_manifest).map_err(|error| {
        invalid(format!(
            "Invalid parameter at 'imageManifest': it is not JSON: {error}"
        ))
    })?;
    (request.image_manifest_media_type.as_deref())
        .or_else(|| manifest["mediaType"].as_str())
        .map(str::to_owned)
        .ok_or_else(|| {
            invalid("Invalid parameter at 'imageManifestMediaType': the manifest does not say it either")
        })
}

/// An image by digest, by tag, or by both when they agree.
fn lookup(repository: &Repository, id: &ImageId) -> Option<(String, Image)> {
    let digest = match (&id.image_digest, &id.image_tag) {
        (Some(digest), None) => digest.as_str(),
        (digest, Some(tag)) => (repository.tagged(tag))
            .filter(|tagged| digest.as_deref().is_none_or(|digest| digest == *tagged))?,
        (None, None) => return None,
    };
    let image = repository.images.get(digest)?;
    Some((digest.to_owned(), image.clone()))
}
