//! A build's log, in the look of CodeBuild's.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
};

use jiff::tz::TimeZone;

use crate::ids;

/// The log file; commands append to it directly.
#[derive(Debug, Clone)]
pub(crate) struct BuildLog {
    path: PathBuf,
}

impl BuildLog {
    /// Makes the file.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        File::create(&path)?;
        Ok(Self { path })
    }

    /// Adds a line `[Container] <time> <text>`.
    pub(crate) fn say(&self, text: &str) {
        let now = ids::now().to_zoned(TimeZone::UTC);
        let line = format!(
            "\n[Container] {} {text}\n",
            now.strftime("%Y/%m/%d %H:%M:%S")
        );
        let written = (self.append()).and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            tracing::warn!("stand-in for CodeBuild: {}: {error}", self.path.display());
        }
    }

    /// Standard output and standard error of a command.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn output(&self) -> io::Result<(Stdio, Stdio)> {
        let file = self.append()?;
        Ok((file.try_clone()?.into(), file.into()))
    }

    fn append(&self) -> io::Result<File> {
        OpenOptions::new().append(true).open(&self.path)
    }
}

/// The log from `offset` on, with every secret value starred out.
///
/// CodeBuild masks the values of secret variables in logs. The stars are as
/// many as the value has bytes, so that offsets keep their meaning.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read_masked(path: &Path, secrets: &[String], offset: usize) -> io::Result<Vec<u8>> {
    let mut bytes = std::fs::read(path)?;
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        mask(&mut bytes, secret.as_bytes());
    }
    Ok(bytes.split_off(offset.min(bytes.len())))
}

fn mask(bytes: &mut [u8], secret: &[u8]) {
    let mut start = 0;
    while let Some(found) = (bytes[start..].windows(secret.len())).position(|at| at == secret) {
        let from = start + found;
        bytes[from..from + secret.len()].fill(b'*');
        start = from + secret.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_values_are_starred_out_and_offsets_stay() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "token is hunter2, really hunter2\n").unwrap();
        let secrets = ["hunter2".to_owned(), String::new()];
        let text = read_masked(file.path(), &secrets, 9).unwrap();
        assert_eq!(text, b"*******, really *******\n");
    }
}
