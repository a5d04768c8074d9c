//! Where the project is, and where a stack keeps its data.

use crate::error::{Failed, file};
use std::path::{Path, PathBuf};

/// What only the project's folder has.
const MARK: &str = "infra/template.yaml";

/// The project's folder: the one that was named, or the nearest above here.
///
/// # Errors
/// When there is none.
pub fn find(named: Option<&Path>) -> Result<PathBuf, Failed> {
    let help = "go to Gatewright's folder, or name it with --root";
    let from = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_dir().map_err(|error| file(Path::new("."), &error))?,
    };
    let from = from.canonicalize().map_err(|error| file(&from, &error))?;
    let mut folders: Vec<&Path> = from.ancestors().collect();
    if named.is_some() {
        folders.truncate(1);
    }
    let found = folders
        .into_iter()
        .find(|folder| folder.join(MARK).exists());
    found.map(Path::to_owned).ok_or_else(|| {
        Failed::not_found(format!(
            "there is no {MARK} in {} or above it",
            from.display()
        ))
        .help(help)
    })
}

/// The folder for data, made when it is not there; its path in full, because
/// other processes work elsewhere.
///
/// # Errors
/// When it cannot be made.
pub fn data(path: &Path) -> Result<PathBuf, Failed> {
    std::fs::create_dir_all(path).map_err(|error| file(path, &error))?;
    path.canonicalize().map_err(|error| file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_found_from_below_and_not_from_elsewhere() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.join("..").canonicalize().unwrap();
        assert_eq!(find(Some(&root)), Ok(root.clone()));
        assert!(find(Some(here)).is_err(), "a named folder must be the one");
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(find(Some(elsewhere.path())).is_err());
    }
}
