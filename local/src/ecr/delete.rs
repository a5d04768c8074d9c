//! Taking tags and images away.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Ecr,
    api::{ImageId, image_id_json, invalid},
    store::Repository,
};
use crate::aws_json::{AwsError, parse};

/// The most ids in one call (API reference).
const MOST: usize = 100;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BatchDeleteImage {
    repository_name: String,
    image_ids: Vec<ImageId>,
}

/// Why an id deleted nothing: code and reason.
type Failed = (&'static str, &'static str);

impl Ecr {
    /// `BatchDeleteImage`: by tag, the tag goes, and with the last one the image;
    /// by digest, the image goes with all its tags. What cannot be deleted is told
    /// in an answer that succeeds.
    pub(super) async fn batch_delete_image(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: BatchDeleteImage = parse(body)?;
        let name = &request.repository_name;
        self.adopt(name).await?;
        if request.image_ids.is_empty() || request.image_ids.len() > MOST {
            let why = format!("Invalid parameter at 'imageIds': it holds from 1 to {MOST} ids");
            return Err(invalid(why));
        }
        let (mut deleted, mut failures) = (vec![], vec![]);
        for id in &request.image_ids {
            let went = (self.store.change(name, |repository| delete(repository, id)))
                .map_err(|error| AwsError::internal(error.to_string()))?;
            match went {
                Some(Ok(ids)) => deleted.extend(ids),
                Some(Err((code, reason))) => failures.push(json!({
                    "imageId": {"imageDigest": id.image_digest, "imageTag": id.image_tag},
                    "failureCode": code,
                    "failureReason": reason,
                })),
                None => return Err(AwsError::internal("the repository went away")),
            }
        }
        Ok(json!({"imageIds": deleted, "failures": failures}))
    }
}

/// Deletes what the id names; what went, as ids.
fn delete(repository: &mut Repository, id: &ImageId) -> Result<Vec<Value>, Failed> {
    const NOT_FOUND: Failed = ("ImageNotFound", "Requested image not found");
    match (&id.image_digest, &id.image_tag) {
        (None, None) => Err(("MissingDigestAndTag", "Give imageDigest or imageTag")),
        (Some(digest), None) => {
            let image = repository.images.remove(digest).ok_or(NOT_FOUND)?;
            if image.tags.is_empty() {
                return Ok(vec![image_id_json(digest, None)]);
            }
            let id = |tag: &String| image_id_json(digest, Some(tag));
            Ok(image.tags.iter().map(id).collect())
        }
        (stated, Some(tag)) => {
            let digest = repository.tagged(tag).ok_or(NOT_FOUND)?.to_owned();
            if stated.as_ref().is_some_and(|stated| *stated != digest) {
                let why = "The digest and the tag belong to different images";
                return Err(("ImageTagDoesNotMatchDigest", why));
            }
            let image = repository.images.get_mut(&digest).ok_or(NOT_FOUND)?;
            image.tags.remove(tag);
            if image.tags.is_empty() {
                repository.images.remove(&digest);
            }
            Ok(vec![image_id_json(&digest, Some(tag))])
        }
    }
}
