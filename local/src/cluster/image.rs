//! From an image's reference to something that can be started.

use std::{fs, io, path::Path};

use serde::Deserialize;

use super::{ClusterError, model::Deployment};
use crate::ecr::Store;

/// An image's reference, taken apart: `host/repository[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The registry and the repository, as written.
    pub(crate) name: String,
    /// The repository in the registry.
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

impl Reference {
    /// Takes a reference apart. The first part is a registry's host when it has
    /// a dot or a port, or is `localhost` (the distribution reference grammar).
    pub(crate) fn parse(text: &str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let after_slash = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[after_slash..].split_once(':') {
            Some((_, tag)) => (&rest[..rest.len() - tag.len() - 1], Some(tag.to_owned())),
            None => (rest, None),
        };
        let repository = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path,
            _ => name,
        };
        Self {
            name: name.to_owned(),
            repository: repository.to_owned(),
            tag,
            digest,
        }
    }
}

/// An image in the registry.
pub(crate) struct Found {
    pub(crate) digest: String,
    /// The reference by digest.
    pub(crate) pinned: String,
    manifest: String,
}

/// Finds a deployment's image in the local registry.
///
/// A cluster pulls what the registry has under that digest and nothing else; a
/// tag is resolved when the registry has it.
///
/// # Errors
/// [`ClusterError::Image`], when the registry has no such image.
pub(crate) fn find(store: &Store, deployment: &Deployment) -> Result<Found, ClusterError> {
    let reference = Reference::parse(&deployment.image);
    let missing = |why: &str| ClusterError::Image {
        image: deployment.image.clone(),
        why: why.to_owned(),
    };
    let looked_up = store.read(&reference.repository, |repository| {
        let digest = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => Some(digest.as_str()),
            (None, tag) => repository.tagged(tag.as_deref().unwrap_or("latest")),
        };
        let digest = digest.ok_or_else(|| missing("the repository has no such tag"))?;
        let image = (repository.images.get(digest))
            .ok_or_else(|| missing("the repository has no image of this digest"))?;
        Ok(Found {
            digest: digest.to_owned(),
            pinned: format!("{}@{digest}", reference.name),
            manifest: image.manifest.clone(),
        })
    });
    looked_up.unwrap_or_else(|| Err(missing("there is no such repository")))
}

/// The part of an image's configuration that says how to start it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ImageConfig {
    pub(crate) env: Vec<String>,
    pub(crate) cmd: Vec<String>,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) exposed_ports: serde_json::Map<String, serde_json::Value>,
}

/// Unpacks an image's layers into `root` and returns its configuration.
///
/// # Errors
/// When a blob is missing or a layer is no tar archive.
pub(crate) fn unpack(store: &Store, found: &Found, root: &Path) -> io::Result<ImageConfig> {
    #[derive(Deserialize)]
    struct Part {
        digest: String,
    }
    #[derive(Deserialize)]
    struct Manifest {
        config: Part,
        layers: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Configuration {
        #[serde(default)]
        config: ImageConfig,
    }
    let manifest: Manifest = serde_json::from_str(&found.manifest)?;
    fs::create_dir_all(root)?;
    for layer in &manifest.layers {
        let content = store.blob(&layer.digest)?;
        tar::Archive::new(content.as_slice()).unpack(root)?;
    }
    let configuration: Configuration =
        serde_json::from_slice(&store.blob(&manifest.config.digest)?)?;
    Ok(configuration.config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let full = Reference::parse("123.dkr.ecr.eu-central-1.amazonaws.com/team/gps:v1@sha256:ab");
        assert_eq!(full.repository, "team/gps");
        assert_eq!(full.tag.as_deref(), Some("v1"));
        assert_eq!(full.digest.as_deref(), Some("sha256:ab"));
        let port = Reference::parse("localhost:5000/gps");
        assert_eq!((port.repository.as_str(), port.tag), ("gps", None));
        assert_eq!(Reference::parse("gps").repository, "gps");
    }
}
