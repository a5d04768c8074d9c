//! Making an image out of a build context.
//!
//! The image is deterministic: the same context and Dockerfile give the same
//! digest, on any machine, since names are sorted and times and owners left
//! out. Its one layer is the context (see the parent module for what is left
//! out); `COPY` is not followed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use walkdir::WalkDir;

use super::{dockerfile::Dockerfile, ignore::Ignore};
use crate::ecr::digest_of;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image and its two blobs.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) manifest: String,
    pub(super) config: Vec<u8>,
    pub(super) layer: Vec<u8>,
}

impl Image {
    /// Makes the image of a context; `labels` are added to the Dockerfile's.
    ///
    /// # Errors
    /// A sentence naming the file and what is wrong with it.
    pub(super) fn make(
        context: &Path,
        dockerfile: &Path,
        labels: &[(String, String)],
    ) -> Result<Self, String> {
        let text = fs::read_to_string(dockerfile)
            .map_err(|error| format!("{}: {error}", dockerfile.display()))?;
        let mut parsed = Dockerfile::parse(&text)?;
        for (key, value) in labels {
            let all = parsed.config.entry("Labels").or_insert_with(|| json!({}));
            all[key] = value.as_str().into();
        }
        let layer = layer(context)?;
        let config = serde_json::to_vec(&configuration(&parsed, &digest_of(&layer)))
            .map_err(|error| error.to_string())?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": part(CONFIG, &config),
            "layers": [part(LAYER, &layer)],
        });
        Ok(Self {
            manifest: manifest.to_string(),
            config,
            layer,
        })
    }
}

fn part(media_type: &str, content: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": digest_of(content),
        "size": content.len(),
    })
}

fn configuration(dockerfile: &Dockerfile, layer: &str) -> Value {
    let history: Vec<Value> = (dockerfile.instructions.iter())
        .map(|instruction| json!({"created_by": instruction, "empty_layer": true}))
        .chain([json!({"created_by": "gatewright laptop stand-in for docker: the build context"})])
        .collect();
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": dockerfile.config,
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": history,
    })
}

/// The context as a tar archive.
fn layer(context: &Path) -> Result<Vec<u8>, String> {
    let rules = match fs::read_to_string(context.join(".dockerignore")) {
        Ok(text) => Ignore::parse(&text)?,
        Err(_) => Ignore::default(),
    };
    let mut archive = tar::Builder::new(Vec::new());
    for path in files(context, &rules)? {
        add(&mut archive, context, &path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    archive.into_inner().map_err(|error| error.to_string())
}

fn files(context: &Path, rules: &Ignore) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let entries = WalkDir::new(context)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".git");
    for entry in entries {
        let entry = entry.map_err(|error| error.to_string())?;
        let relative = entry.path().strip_prefix(context).unwrap_or(entry.path());
        if !entry.file_type().is_dir() && !rules.leaves_out(relative) {
            found.push(relative.to_path_buf());
        }
    }
    Ok(found)
}

fn add(archive: &mut tar::Builder<Vec<u8>>, context: &Path, relative: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let path = context.join(relative);
    let metadata = path.symlink_metadata()?;
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    if metadata.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        return archive.append_link(&mut header, relative, fs::read_link(&path)?);
    }
    // Only whether it can be run is kept: the rest is the user's umask.
    let executable = metadata.permissions().mode() & 0o100 != 0;
    header.set_mode(if executable { 0o755 } else { 0o644 });
    header.set_size(metadata.len());
    archive.append_data(&mut header, relative, fs::File::open(&path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_context_gives_the_same_image_and_a_changed_one_another() {
        let make = |content: &str| {
            let context = tempfile::tempdir().unwrap();
            let dockerfile = context.path().join("Dockerfile");
            fs::write(&dockerfile, "FROM scratch\nCMD [\"./run\"]\n").unwrap();
            fs::write(context.path().join("run"), content).unwrap();
            let image = Image::make(context.path(), &dockerfile, &[]).unwrap();
            digest_of(image.manifest.as_bytes())
        };
        assert_eq!(make("one"), make("one"));
        assert_ne!(make("one"), make("two"));
    }
}
