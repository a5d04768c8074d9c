//! The registry's content: repositories, images, blobs.
//!
//! It lives in the data directory (`ecr/state.json`, `ecr/blobs/`), so that what was
//! pushed is still there after a restart, as on AWS.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ids, sync::locked};

/// Whether a tag may move to another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum TagMutability {
    Mutable,
    Immutable,
}

/// A repository and its images by digest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) tag_mutability: TagMutability,
    pub(crate) created_at: f64,
    pub(crate) images: BTreeMap<String, Image>,
}

/// One pushed image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) manifest: String,
    pub(crate) media_type: String,
    pub(crate) size: u64,
    pub(crate) pushed_at: f64,
    pub(crate) tags: BTreeSet<String>,
}

/// Why an image was not put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutRefusal {
    /// The same image with the same tag is there.
    SameImage,
    /// The tag belongs to another image and cannot move.
    ImmutableTag,
}

/// An image to be put.
#[derive(Debug)]
pub(crate) struct NewImage<'i> {
    pub(crate) digest: &'i str,
    pub(crate) tag: Option<&'i str>,
    pub(crate) manifest: &'i str,
    pub(crate) media_type: &'i str,
}

type Repositories = BTreeMap<String, Repository>;

/// The registry on disk, with its index in memory.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    repositories: Mutex<Repositories>,
}

impl Store {
    /// Opens the registry in `folder`, which is made when absent.
    ///
    /// # Errors
    /// When the folder cannot be written or its index cannot be read.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join("blobs"))?;
        let repositories = match fs::read(folder.join("state.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Repositories::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            folder: folder.to_path_buf(),
            repositories: Mutex::new(repositories),
        })
    }

    /// Reads one repository; `None` when there is none of that name.
    pub(crate) fn read<T>(&self, name: &str, read: impl FnOnce(&Repository) -> T) -> Option<T> {
        locked(&self.repositories).get(name).map(read)
    }

    /// The names of all repositories.
    pub(crate) fn names(&self) -> Vec<String> {
        locked(&self.repositories).keys().cloned().collect()
    }

    /// Adds a repository; `false` when there is one of that name.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub(crate) fn create(&self, name: &str, tag_mutability: TagMutability) -> io::Result<bool> {
        let mut repositories = locked(&self.repositories);
        if repositories.contains_key(name) {
            return Ok(false);
        }
        let repository = Repository {
            tag_mutability,
            created_at: ids::now_epoch(),
            images: BTreeMap::new(),
        };
        repositories.insert(name.to_owned(), repository);
        self.save(&repositories)?;
        Ok(true)
    }

    /// Puts an image; `Ok(None)` when there is no such repository.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub(crate) fn put(
        &self,
        repository: &str,
        new: &NewImage<'_>,
    ) -> io::Result<Option<Result<(), PutRefusal>>> {
        self.change(repository, |found| found.put(new))
    }

    /// Changes a repository; `Ok(None)` when there is none of that name. A change
    /// that fails must leave it as it was.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub(crate) fn change<V, E>(
        &self,
        repository: &str,
        change: impl FnOnce(&mut Repository) -> Result<V, E>,
    ) -> io::Result<Option<Result<V, E>>> {
        let mut repositories = locked(&self.repositories);
        let Some(found) = repositories.get_mut(repository) else {
            return Ok(None);
        };
        let changed = change(found);
        if changed.is_ok() {
            self.save(&repositories)?;
        }
        Ok(Some(changed))
    }

    /// Keeps a blob and returns its digest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn put_blob(&self, content: &[u8]) -> io::Result<String> {
        let digest = digest_of(content);
        write_whole(&self.blob_path(&digest), content)?;
        Ok(digest)
    }

    /// A blob by its digest.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn blob(&self, digest: &str) -> io::Result<Vec<u8>> {
        fs::read(self.blob_path(digest))
    }

    fn blob_path(&self, digest: &str) -> PathBuf {
        // Only the hexadecimal digits become part of the path.
        let name: String = (digest.trim_start_matches("sha256:").chars())
            .filter(char::is_ascii_hexdigit)
            .collect();
        self.folder.join("blobs").join(name)
    }

    fn save(&self, repositories: &Repositories) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(repositories)?;
        write_whole(&self.folder.join("state.json"), &bytes)
    }
}

impl Repository {
    fn put(&mut self, new: &NewImage<'_>) -> Result<(), PutRefusal> {
        if let Some(tag) = new.tag {
            match self.tagged(tag) {
                Some(digest) if digest == new.digest => return Err(PutRefusal::SameImage),
                Some(_) if self.tag_mutability == TagMutability::Immutable => {
                    return Err(PutRefusal::ImmutableTag);
                }
                _ => {}
            }
            for image in self.images.values_mut() {
                image.tags.remove(tag);
            }
        } else if self.images.contains_key(new.digest) {
            return Err(PutRefusal::SameImage);
        }
        let image = self
            .images
            .entry(new.digest.to_owned())
            .or_insert_with(|| Image {
                manifest: new.manifest.to_owned(),
                media_type: new.media_type.to_owned(),
                size: image_size(new.manifest),
                pushed_at: ids::now_epoch(),
                tags: BTreeSet::new(),
            });
        image.tags.extend(new.tag.map(str::to_owned));
        Ok(())
    }

    /// The digest a tag points to.
    pub(crate) fn tagged(&self, tag: &str) -> Option<&str> {
        (self.images.iter())
            .find_map(|(digest, image)| image.tags.contains(tag).then_some(digest.as_str()))
    }
}

/// What a manifest says its configuration and layers weigh, in bytes.
fn image_size(manifest: &str) -> u64 {
    let parsed: serde_json::Value = serde_json::from_str(manifest).unwrap_or_default();
    let layers = parsed["layers"].as_array().map_or(&[][..], Vec::as_slice);
    (layers.iter().chain([&parsed["config"]]))
        .filter_map(|part| part["size"].as_u64())
        .sum()
}

/// `sha256:<hex>` of some bytes.
pub(crate) fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// Writes a file so that nobody ever reads half of it.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, content)?;
    file.persist(path)?;
    Ok(())
}
