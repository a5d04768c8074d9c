//! A small detector of secrets, called as `gitleaks` is.
//!
//! It really reads the files and knows keys by their published formats: a
//! prefix and what follows. It reads no history: builds have none.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use walkdir::WalkDir;

use super::{Console, ToolError, sarif};
use crate::scans::{Finding, Severity};

/// Larger files are data.
const LARGEST: u64 = 1_000_000;

/// Folders that are not the project's own.
const SKIPPED: [&str; 5] = [".git", "node_modules", ".venv", "target", "__pycache__"];

/// A line with this is left alone, as by the real one.
const ALLOWED: &str = "gitleaks:allow";

/// A kind of key: what it begins with, and how many of which letters follow.
struct Rule {
    id: &'static str,
    prefixes: &'static [&'static str],
    follow: fn(char) -> bool,
    least: usize,
}

const RULES: [Rule; 8] = [
    Rule {
        id: "aws-access-token",
        prefixes: &["AKIA", "ASIA"],
        follow: upper_or_digit,
        least: 16,
    },
    Rule {
        id: "github-token",
        prefixes: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        follow: alphanumeric,
        least: 36,
    },
    Rule {
        id: "github-fine-grained-pat",
        prefixes: &["github_pat_"],
        follow: word,
        least: 40,
    },
    Rule {
        id: "gitlab-pat",
        prefixes: &["glpat-"],
        follow: word,
        least: 20,
    },
    Rule {
        id: "slack-token",
        prefixes: &["xoxb-", "xoxp-", "xapp-"],
        follow: word,
        least: 20,
    },
    Rule {
        id: "stripe-access-token",
        prefixes: &["sk_live_", "rk_live_"],
        follow: alphanumeric,
        least: 24,
    },
    Rule {
        id: "gcp-api-key",
        prefixes: &["AIza"],
        follow: word,
        least: 35,
    },
    Rule {
        id: "npm-access-token",
        prefixes: &["npm_"],
        follow: alphanumeric,
        least: 36,
    },
];

fn upper_or_digit(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "gitleaks", disable_version_flag = true)]
pub(super) struct Gitleaks {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look for secrets in files.
    Detect {
        #[arg(short, long, default_value = ".")]
        source: PathBuf,
        #[arg(short = 'f', long, value_parser = ["sarif"])]
        report_format: Option<String>,
        #[arg(short, long)]
        report_path: Option<PathBuf>,
        /// What to end with when there are any.
        #[arg(long, default_value_t = 1)]
        exit_code: u8,
        #[arg(long)]
        no_git: bool,
        #[arg(long)]
        no_banner: bool,
        #[arg(long)]
        redact: bool,
        #[arg(short, long)]
        verbose: bool,
    },
}

/// Runs a command.
pub(super) fn run(gitleaks: Gitleaks, console: &mut Console) -> Result<(), ToolError> {
    let Command::Detect {
        source,
        report_path,
        exit_code,
        ..
    } = gitleaks.command;
    console.note(
        "gitleaks: a small detector of common keys; the files are read, their history is not",
    );
    let mut found = Vec::new();
    let entries = WalkDir::new(&source).sort_by_file_name().into_iter();
    let own = |entry: &walkdir::DirEntry| {
        !(entry.file_type().is_dir()
            && SKIPPED.contains(&entry.file_name().to_string_lossy().as_ref()))
    };
    for entry in entries.filter_entry(own) {
        let entry = entry.map_err(|error| ToolError::Failed(format!("gitleaks: {error}")))?;
        let small = entry
            .metadata()
            .is_ok_and(|data| data.is_file() && data.len() <= LARGEST);
        if let (true, Ok(text)) = (small, fs::read_to_string(entry.path())) {
            let path = entry.path().strip_prefix(&source).unwrap_or(entry.path());
            found.extend(secrets(path, &text));
        }
    }
    if let Some(path) = report_path {
        sarif::write("gitleaks", &found, &path)?;
    }
    for one in &found {
        // Never the secret itself: this is a build's log.
        console.line(&format!("{}: {}:{}", one.rule, one.location, one.line));
    }
    match found.len() {
        0 => {
            console.line("no leaks found");
            Ok(())
        }
        count => Err(ToolError::Code {
            code: exit_code,
            message: format!("gitleaks: leaks found: {count}"),
        }),
    }
}

fn secrets(path: &Path, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.contains(ALLOWED) {
            continue;
        }
        let known = RULES
            .iter()
            .filter(|rule| rule.finds(line))
            .map(|rule| rule.id);
        let key = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----");
        found.extend(
            known
                .chain(key.then_some("private-key"))
                .map(|rule| Finding {
                    rule: rule.to_owned(),
                    severity: Severity::Critical,
                    message: format!("{rule} has been detected"),
                    location: path.display().to_string(),
                    line: index + 1,
                    subject: None,
                }),
        );
    }
    found
}

impl Rule {
    fn finds(&self, line: &str) -> bool {
        self.prefixes.iter().any(|prefix| {
            line.match_indices(prefix).any(|(at, _)| {
                // In the middle of a word it is something else.
                let starts = !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
                let rest = &line[at + prefix.len()..];
                let value: String = rest.chars().take_while(|c| (self.follow)(*c)).collect();
                starts && value.len() >= self.least && !value.ends_with("EXAMPLE")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&str]) {
        let found = secrets(Path::new("x"), line);
        let rules: Vec<&str> = found.iter().map(|one| one.rule.as_str()).collect();
        assert_eq!(rules, expected, "{line}");
    }

    // Put together here, so that no scanner takes this file for a leak.
    #[test]
    fn keys_are_known_by_their_formats_and_examples_are_left_alone() {
        check(
            &format!("key = \"{}{}\"", "AKIA", "Q3EGRZ4XYPWLS7TN"),
            &["aws-access-token"],
        );
        check(&format!("{}IOSFODNN7{}", "AKIA", "EXAMPLE"), &[]);
        check(
            &format!("token: {}{}", "ghp_", "a1B2".repeat(9)),
            &["github-token"],
        );
        check(
            &format!("token: {}{} # gitleaks:allow", "ghp_", "a1B2".repeat(9)),
            &[],
        );
        check(
            &format!("-----BEGIN RSA {}-----", "PRIVATE KEY"),
            &["private-key"],
        );
        check("sk_live_short and AKIA alone", &[]);
    }
}
