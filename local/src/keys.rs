//! The access keys of what the stand-ins play: n8n's API keys, Odoo's passwords.
//!
//! A key is made when it is first asked for and kept with the stand-ins' data,
//! so that a stack that comes up again knows the same ones. Whoever brings the
//! stack up puts them where builds look for them: into Secrets Manager.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use subtle::ConstantTimeEq;

use crate::{ids, sync::locked};

/// The keys, in a folder.
#[derive(Debug)]
pub(crate) struct Keys {
    folder: PathBuf,
    /// Two first askers must not make two keys.
    making: Mutex<()>,
}

impl Keys {
    /// The keys in `folder`, which need not be there yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            making: Mutex::default(),
        }
    }

    /// The key of a service's instance.
    ///
    /// # Errors
    /// When the folder cannot be written, or the name is no name.
    pub(crate) fn key(&self, service: &str, instance: &str) -> io::Result<String> {
        if !is_name(instance) {
            let text = format!("{instance:?} is no name: lower-case letters, digits, - and _");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let _making = locked(&self.making);
        let path = self.folder.join(format!("{service}-{instance}"));
        match fs::read_to_string(&path) {
            Ok(key) => Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&self.folder, &path),
            Err(error) => Err(error),
        }
    }

    /// Whether `given` is the key of a service's instance.
    pub(crate) fn admits(&self, service: &str, instance: &str, given: &str) -> bool {
        (self.key(service, instance)).is_ok_and(|key| key.as_bytes().ct_eq(given.as_bytes()).into())
    }
}

/// Whether an instance may be called so: the name becomes a file's.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=63).contains(&text.len()) && text.chars().all(fits)
}

fn make(folder: &Path, path: &Path) -> io::Result<String> {
    use std::os::unix::fs::PermissionsExt;

    let key = format!("{}{}", ids::token(), ids::token());
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, key.as_bytes())?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o600))?;
    file.persist(path)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_and_is_its_instances_own() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::new(folder.path().join("keys"));
        let dev = keys.key("n8n", "dev").unwrap();
        assert_eq!(
            Keys::new(folder.path().join("keys"))
                .key("n8n", "dev")
                .unwrap(),
            dev
        );
        assert!(keys.admits("n8n", "dev", &dev));
        assert!(!keys.admits("n8n", "staging", &dev));
        assert!(!keys.admits("n8n", "dev", ""));
        assert!(keys.key("n8n", "../dev").is_err());
    }
}
