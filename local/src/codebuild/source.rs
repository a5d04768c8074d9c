//! A build's source: a private copy of a folder on the laptop.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

/// Folders a clone of the repository would not have.
const NOT_SOURCE: [&str; 10] = [
    ".git",
    "__pycache__",
    ".venv",
    "venv",
    "node_modules",
    "target",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
];

/// Why a source could not be had; the text ends up in the build's
/// DOWNLOAD_SOURCE phase.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The repository is not mapped to a folder.
    #[error(
        "no folder on this laptop is given for the repository {repository}; folders are given for: {known}"
    )]
    Unmapped {
        /// The repository asked for.
        repository: String,
        /// The repositories that are mapped.
        known: String,
    },
    /// The build names no repository and several are mapped, or none.
    #[error(
        "the build names no source (sourceLocationOverride) and there is not exactly one to choose; folders are given for: {0}"
    )]
    Unnamed(String),
    /// A file could not be copied.
    #[error("{path}: {error}")]
    Copy {
        /// What was being copied.
        path: PathBuf,
        /// Why it could not be.
        error: io::Error,
    },
}

/// Which folder stands for `location`; a repository's URL matches with and
/// without `.git`.
///
/// # Errors
/// [`SourceError::Unmapped`], [`SourceError::Unnamed`].
pub(crate) fn folder<'s>(
    sources: &'s BTreeMap<String, PathBuf>,
    location: Option<&str>,
) -> Result<&'s Path, SourceError> {
    let known = || sources.keys().cloned().collect::<Vec<_>>().join(", ");
    let Some(location) = location else {
        return match sources.len() {
            1 => Ok(sources
                .values()
                .next()
                .map_or(Path::new(""), PathBuf::as_path)),
            _ => Err(SourceError::Unnamed(known())),
        };
    };
    (sources.iter())
        .find_map(|(url, folder)| (bare(url) == bare(location)).then_some(folder.as_path()))
        .ok_or_else(|| SourceError::Unmapped {
            repository: location.to_owned(),
            known: known(),
        })
}

fn bare(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url)
}

/// Copies `folder` and then each overlay to `to`, and returns the version
/// copied: a digest of the folder's content in the form of a commit id.
///
/// # Errors
/// [`SourceError::Copy`] naming the file.
pub(crate) fn copy(folder: &Path, overlays: &[PathBuf], to: &Path) -> Result<String, SourceError> {
    let mut digest = Sha256::new();
    copy_tree(folder, to, &mut |name, content| {
        digest.update(name.as_os_str().as_encoded_bytes());
        digest.update(Sha256::digest(content));
    })?;
    for overlay in overlays {
        copy_tree(overlay, to, &mut |_, _| {})?;
    }
    Ok(hex::encode(digest.finalize())[..40].to_owned())
}

fn copy_tree(
    from: &Path,
    to: &Path,
    seen: &mut dyn FnMut(&Path, &[u8]),
) -> Result<(), SourceError> {
    let fail = |path: &Path, error: io::Error| SourceError::Copy {
        path: path.to_path_buf(),
        error,
    };
    let entries = WalkDir::new(from)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || is_source(entry));
    for entry in entries {
        let entry = entry.map_err(|error| fail(from, error.into()))?;
        let relative = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let content =
            copy_entry(&entry, &to.join(relative)).map_err(|error| fail(entry.path(), error))?;
        if let Some(content) = content {
            seen(relative, &content);
        }
    }
    Ok(())
}

fn is_source(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    !(entry.file_type().is_dir() && NOT_SOURCE.contains(&name.as_ref()))
}

/// Copies one folder, link or file with its permissions; a file's content is
/// returned.
fn copy_entry(entry: &DirEntry, target: &Path) -> io::Result<Option<Vec<u8>>> {
    let kind = entry.file_type();
    if kind.is_dir() {
        fs::create_dir_all(target)?;
        return Ok(None);
    }
    if target.symlink_metadata().is_ok() {
        fs::remove_file(target)?;
    }
    if kind.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        return Ok(None);
    }
    fs::copy(entry.path(), target)?;
    fs::read(target).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlays_win_over_the_source_and_caches_are_left_out() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, over, to) = ["a", "b", "c"].map(|name| scratch.path().join(name)).into();
        for (path, content) in [
            (from.join("app/main.py"), "old"),
            (from.join("app/keep.py"), "kept"),
            (from.join("app/__pycache__/main.pyc"), "cache"),
            (over.join("app/main.py"), "new"),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let version = copy(&from, std::slice::from_ref(&over), &to).unwrap();
        assert_eq!(version.len(), 40);
        assert_eq!(fs::read_to_string(to.join("app/main.py")).unwrap(), "new");
        assert_eq!(fs::read_to_string(to.join("app/keep.py")).unwrap(), "kept");
        assert!(!to.join("app/__pycache__").exists());
    }

    #[test]
    fn a_repository_is_found_with_and_without_its_git_suffix() {
        let sources = BTreeMap::from([(
            "https://github.com/acme/gps.git".to_owned(),
            PathBuf::from("/src/gps"),
        )]);
        let found = folder(&sources, Some("https://github.com/acme/gps")).unwrap();
        assert_eq!(found, Path::new("/src/gps"));
        let error = folder(&sources, Some("https://github.com/acme/other")).unwrap_err();
        assert!(error.to_string().contains("acme/gps.git"), "{error}");
    }
}
