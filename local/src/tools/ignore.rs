//! `.dockerignore`: which files of a context go into the image.
//!
//! Follows the *.dockerignore file* section of Docker's build documentation:
//! patterns are relative to the context, `!` takes back, the last match counts,
//! and a pattern that matches a folder matches what is in it.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// The rules of one file, in order.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<(bool, GlobMatcher)>,
}

impl Ignore {
    /// Reads the rules.
    ///
    /// # Errors
    /// The first line that is not a pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (takes_back, pattern) = match line.strip_prefix('!') {
                Some(pattern) => (true, pattern.trim()),
                None => (false, line),
            };
            let pattern = pattern.trim_start_matches("./").trim_matches('/');
            let glob = (GlobBuilder::new(pattern).literal_separator(true).build())
                .map_err(|error| format!(".dockerignore: {line}: {error}"))?;
            rules.push((takes_back, glob.compile_matcher()));
        }
        Ok(Self { rules })
    }

    /// Whether a file, by its path in the context, is left out.
    pub(super) fn leaves_out(&self, path: &Path) -> bool {
        (self.rules.iter().rev())
            .find(|(_, pattern)| path.ancestors().any(|part| pattern.is_match(part)))
            .is_some_and(|(takes_back, _)| !takes_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_matching_rule_counts() {
        let ignore = Ignore::parse("*\n!requirements.txt\n!app\n**/__pycache__\n").unwrap();
        for (path, left_out) in [
            ("README.md", true),
            ("requirements.txt", false),
            ("app/main.py", false),
            ("app/__pycache__/main.pyc", true),
            ("tests/test_x.py", true),
        ] {
            assert_eq!(ignore.leaves_out(Path::new(path)), left_out, "{path}");
        }
    }
}
