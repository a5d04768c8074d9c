//! A small `gitleaks`: it looks for credentials in files.
//!
//! This is no play: the forms below are searched for in every file under
//! `--source`, as issuers document them, and the exit code is 1 when one is
//! found. It has fewer rules than the real one and no configuration; the part
//! of a secret that is shown is its first four characters. Only
//! `detect --no-git` is played: a build's source has no history.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use walkdir::WalkDir;

use super::{
    Console, ToolError,
    found::{self, Finding, Rating, Rule},
};

/// What is not looked at: no source, or none of ours.
const SKIPPED: [&str; 6] = [
    ".git",
    "node_modules",
    ".venv",
    "__pycache__",
    "target",
    ".terraform",
];
/// Longer files are data.
const LARGEST: u64 = 2 * 1024 * 1024;
/// A line with this word says itself that it is no secret, as in gitleaks.
const ALLOWED: &str = "gitleaks:allow";

/// The command line this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "gitleaks", disable_version_flag = true)]
pub(super) struct Gitleaks {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look for secrets.
    Detect {
        /// Files, not history.
        #[arg(long, required = true)]
        no_git: bool,
        #[arg(short, long, default_value = ".")]
        source: PathBuf,
        #[arg(short = 'f', long, value_parser = ["sarif"])]
        report_format: Option<String>,
        #[arg(short, long)]
        report_path: Option<PathBuf>,
        /// The exit code when there are leaks.
        #[arg(long, default_value_t = 1)]
        exit_code: u8,
        // Found secrets are never shown here, and there is no banner.
        #[arg(long)]
        redact: bool,
        #[arg(long)]
        no_banner: bool,
        #[arg(short, long)]
        verbose: bool,
    },
}

/// Runs a command.
pub(super) fn run(gitleaks: &Gitleaks, console: &mut Console) -> Result<(), ToolError> {
    let Command::Detect {
        source,
        report_path,
        exit_code,
        ..
    } = &gitleaks.command;
    console.note("gitleaks: a small detector with rules of its own, over files only");
    let findings = detect(source)?;
    if let Some(path) = report_path {
        found::write(path, "gitleaks", &findings)?;
    }
    for finding in &findings {
        let Finding {
            rule,
            file,
            line,
            message,
        } = finding;
        console.line(&format!("{file}:{line}: {}: {message}", rule.id));
    }
    match findings.len() {
        0 => {
            console.line("no leaks found");
            Ok(())
        }
        count if *exit_code == 0 => {
            console.line(&format!("leaks found: {count}"));
            Ok(())
        }
        count => Err(ToolError::Code {
            code: *exit_code,
            message: format!("leaks found: {count}"),
        }),
    }
}

fn detect(source: &Path) -> Result<Vec<Finding>, ToolError> {
    let wrong = |error: &dyn std::fmt::Display| {
        ToolError::Failed(format!("gitleaks: {}: {error}", source.display()))
    };
    let mut findings = Vec::new();
    let entries = (WalkDir::new(source).sort_by_file_name().into_iter())
        .filter_entry(|entry| !SKIPPED.iter().any(|name| entry.file_name() == *name));
    for entry in entries {
        let entry = entry.map_err(|error| wrong(&error))?;
        let small = entry.metadata().is_ok_and(|found| found.len() <= LARGEST);
        if !entry.file_type().is_file() || !small {
            continue;
        }
        let bytes = std::fs::read(entry.path()).map_err(|error| wrong(&error))?;
        // A file that is no text holds no credential somebody typed.
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let file = entry.path().strip_prefix(source).unwrap_or(entry.path());
        findings.extend(in_text(&file.display().to_string(), &text));
    }
    Ok(findings)
}

/// What begins like this and goes on like that is a credential.
struct Form {
    rule: Rule,
    prefix: &'static str,
    least: usize,
    alphabet: fn(char) -> bool,
}

const fn rule(id: &'static str, text: &'static str) -> Rule {
    Rule {
        id,
        text,
        rating: Rating::Critical,
    }
}

const fn form(rule: Rule, prefix: &'static str, least: usize, alphabet: fn(char) -> bool) -> Form {
    Form {
        rule,
        prefix,
        least,
        alphabet,
    }
}

fn upper(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

const AWS: Rule = rule("aws-access-token", "An AWS access key id");
const SLACK: Rule = rule("slack-token", "A Slack token");
const GITHUB: Rule = rule("github-pat", "A GitHub token");
const GITLAB: Rule = rule("gitlab-pat", "A GitLab token");
const KEY: Rule = rule("private-key", "A private key");
const GENERIC: Rule = Rule {
    id: "generic-api-key",
    text: "Something named like a secret, with a value that looks random",
    rating: Rating::High,
};

const STRIPE: Rule = rule("stripe-access-token", "A Stripe key");
const GOOGLE: Rule = rule("gcp-api-key", "A Google API key");
const NPM: Rule = rule("npm-access-token", "An npm token");

const FORMS: [Form; 14] = [
    form(AWS, "AKIA", 16, upper),
    form(AWS, "ASIA", 16, upper),
    form(SLACK, "xoxb-", 10, word),
    form(SLACK, "xoxp-", 10, word),
    form(SLACK, "xapp-", 10, word),
    form(GITHUB, "ghp_", 30, word),
    form(GITHUB, "gho_", 30, word),
    form(GITHUB, "ghs_", 30, word),
    form(GITHUB, "github_pat_", 30, word),
    form(GITLAB, "glpat-", 20, word),
    form(STRIPE, "sk_live_", 24, word),
    form(STRIPE, "rk_live_", 24, word),
    form(GOOGLE, "AIza", 35, word),
    form(NPM, "npm_", 36, word),
];

fn in_text(file: &str, text: &str) -> Vec<Finding> {
    let found = |rule: Rule, line: usize, secret: &str| Finding {
        rule,
        file: file.to_owned(),
        line,
        message: format!(
            "{} begins with {}...",
            rule.text,
            secret.chars().take(4).collect::<String>()
        ),
    };
    (text.lines().enumerate())
        .filter(|(_, line)| !line.contains(ALLOWED))
        .flat_map(|(index, line)| {
            let mut own: Vec<Finding> = (FORMS.iter())
                .filter_map(|form| Some(found(form.rule, index + 1, formed(form, line)?)))
                .collect();
            if is_private_key(line) {
                own.push(found(KEY, index + 1, "-----BEGIN"));
            }
            // One secret is one finding: the general rule only where no other fits.
            if own.is_empty() {
                own.extend(generic(line).map(|secret| found(GENERIC, index + 1, secret)));
            }
            own
        })
        .collect()
}

/// The credential of a form in a line, beginning where a word begins. What ends
/// in EXAMPLE is from somebody's documentation.
fn formed<'l>(form: &Form, line: &'l str) -> Option<&'l str> {
    line.match_indices(form.prefix).find_map(|(at, _)| {
        let begins = !line[..at]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_ascii_alphanumeric());
        let rest = &line[at + form.prefix.len()..];
        let end = rest.find(|c| !(form.alphabet)(c)).unwrap_or(rest.len());
        (begins && end >= form.least && !rest[..end].ends_with("EXAMPLE"))
            .then(|| &line[at..at + form.prefix.len() + end])
    })
}

fn is_private_key(line: &str) -> bool {
    (line.split_once("-----BEGIN ")).is_some_and(|(_, rest)| {
        rest.split("-----")
            .next()
            .is_some_and(|name| name.ends_with("PRIVATE KEY"))
    })
}

/// Names that secrets are given.
const NAMES: [&str; 8] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "private_key",
];
/// Parts shorter than this are no secrets, or bad ones.
const LEAST: usize = 12;
/// Bits per character from which on a text looks random (gitleaks' own rule).
const RANDOM: f64 = 3.5;

/// The value of something named like a secret, where it looks random.
fn generic(line: &str) -> Option<&str> {
    let lower = line.to_ascii_lowercase();
    NAMES.iter().find_map(|name| {
        lower.match_indices(name).find_map(|(at, _)| {
            let value = assigned(&line[at + name.len()..])?;
            looks_random(value).then_some(value)
        })
    })
}

/// A name made of words, as `influencegen-dev-n8n-api-key`, is no secret: one
/// part of the value must be random by itself.
fn looks_random(value: &str) -> bool {
    value.split(['-', '_', '.']).any(|part| {
        let digits = part.chars().any(|c| c.is_ascii_digit());
        part.len() >= LEAST && digits && entropy(part) >= RANDOM
    })
}

/// What is assigned after a name: `= "x"`, `": "x"`, `=x`. A reference to a
/// variable, as in `$X`, `${x}`, `{{ x }}` or `f(x)`, is no value.
fn assigned(rest: &str) -> Option<&str> {
    let rest = rest.trim_start_matches(|c: char| word(c) || c == '"' || c == '\'');
    let rest = rest.trim_start();
    let rest = rest
        .strip_prefix(":=")
        .or_else(|| rest.strip_prefix(['=', ':']))?;
    let rest = rest.trim_start();
    let quoted = rest.strip_prefix(['"', '\'']);
    let rest = quoted.unwrap_or(rest);
    let ends = |c: char| c.is_whitespace() || "\"',;`<>".contains(c);
    let value = &rest[..rest.find(ends).unwrap_or(rest.len())];
    (!value.contains(['$', '{', '(', '[', '/']) && !value.contains("...")).then_some(value)
}

/// Shannon entropy, in bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for byte in text.bytes() {
        *counts.entry(byte).or_insert(0.0_f64) += 1.0;
    }
    let total: f64 = counts.values().sum();
    -(counts
        .values()
        .map(|count| count / total * (count / total).log2())
        .sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(line: &str) -> Vec<&'static str> {
        in_text("f", line)
            .iter()
            .map(|found| found.rule.id)
            .collect()
    }

    /// Nothing in this file may look like a credential itself.
    fn aws() -> String {
        ["AK", "IA", "Q3EGRJTY7WVL2ZKD"].concat()
    }

    #[test]
    fn documented_forms_are_found_and_their_secrets_not_shown() {
        let found = in_text("f.json", &format!("one\n  \"key\": \"{}\"\n", aws()));
        assert_eq!((found[0].rule.id, found[0].line), ("aws-access-token", 2));
        assert!(!found[0].message.contains(&aws()));
        let key = ["-----BEGIN RSA PRI", "VATE KEY-----"].concat();
        assert_eq!(rules(&key), ["private-key"]);
        let slack = ["xox", "b-123456789012-abcdefghij"].concat();
        assert_eq!(rules(&slack), ["slack-token"]);
        assert!(rules("-----BEGIN PUBLIC KEY-----").is_empty());
        assert!(rules(&["AK", "IAIOSFODNN7EXAMPLE"].concat()).is_empty());
        assert!(
            rules(&format!("x{}", aws())).is_empty(),
            "a word that goes on"
        );
    }

    #[test]
    fn a_random_value_with_a_secrets_name_is_found() {
        let random = ["f9Qz", "7Lk2Xv", "B4mNw8"].concat();
        assert_eq!(
            rules(&format!("db_password = \"{random}\"")),
            ["generic-api-key"]
        );
        assert_eq!(
            rules(&format!("\"apiKey\": \"{random}\",")),
            ["generic-api-key"]
        );
        for harmless in [
            "password = os.environ[\"PASSWORD\"]",
            "password: ${{ secrets.DB_PASSWORD_2 }}",
            "token = \"aaaaaaaaaaaaaaaa1\"",
            "secret: influencegen-dev-n8n-api-key",
            "the password is changed every 90 days",
        ] {
            assert!(rules(harmless).is_empty(), "{harmless}");
        }
        assert!(rules(&format!("password = \"{random}\" # gitleaks:allow")).is_empty());
    }
}
