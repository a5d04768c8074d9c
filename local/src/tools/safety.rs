//! A stand-in for `safety check`, Safety's scan of Python requirements.
//!
//! The real one cannot work on a laptop without a network: it asks its vendor's
//! server even when it is given a database (2.3.5), and its free database holds
//! no severities. This one knows a handful of real advisories by heart and
//! compares pinned versions with them. It is no audit, and says so.

use std::{fs, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Console, ToolError, parse};

/// The version this stand-in plays.
const VERSION: &str = "2.3.5";

/// Safety's exit code when something was found.
const FOUND: u8 = 64;

const ADVISORIES: &str = include_str!("safety_advisories.json");

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "safety", disable_version_flag = true)]
struct Safety {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look for known vulnerabilities.
    Check {
        /// Requirements; the packages have to be pinned.
        #[arg(short = 'r', long = "file", required = true)]
        files: Vec<PathBuf>,
        #[arg(short, long, default_value = "screen")]
        output: Output,
        #[arg(long)]
        json: bool,
        /// End with 0 although something was found.
        #[arg(long)]
        continue_on_error: bool,
        /// Accepted: nobody is asked.
        #[arg(long, env = "SAFETY_API_KEY", hide_env_values = true)]
        key: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Screen,
    Json,
}

/// An advisory, as the vendor's database has it.
#[derive(Debug, Clone, Deserialize)]
struct Advisory {
    id: String,
    package: String,
    /// Such as `>=2.3.0,<2.31.0`.
    spec: String,
    cve: String,
    advisory: String,
    /// The CVSS 3 base score, from the National Vulnerability Database.
    score: f64,
    fixed: String,
}

/// Runs a command.
pub(super) fn run(arguments: &[String], console: &mut Console) -> Result<(), ToolError> {
    let Safety {
        command:
            Command::Check {
                files,
                output,
                json,
                continue_on_error,
                ..
            },
    } = parse("safety", arguments)?;
    let advisories: Vec<Advisory> = serde_json::from_str(ADVISORIES)
        .map_err(|error| ToolError::Failed(format!("the stand-in's advisories: {error}")))?;
    console.note(&format!(
        "safety: {} advisories are known here, and nobody was asked for more; this is no audit",
        advisories.len()
    ));
    let mut packages = Vec::new();
    for file in &files {
        packages.extend(pins(file)?);
    }
    let found = findings(&packages, &advisories);
    if json || output == Output::Json {
        console.line(&format!("{:#}", report(&packages, &found)));
    } else {
        show(&packages, &found, console);
    }
    match found.is_empty() || continue_on_error {
        true => Ok(()),
        false => Err(ToolError::Code {
            code: FOUND,
            message: format!("safety: {} known vulnerabilities", found.len()),
        }),
    }
}

/// A pinned package: its name in small letters, and its version.
type Pin = (String, String);

fn pins(file: &PathBuf) -> Result<Vec<Pin>, ToolError> {
    let text = fs::read_to_string(file)
        .map_err(|error| ToolError::Failed(format!("{}: {error}", file.display())))?;
    let lines = text.lines().map(|line| {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        line.split_whitespace().next().unwrap_or_default()
    });
    let mut found = Vec::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('-')) {
        let Some((name, version)) = line.split_once("==") else {
            return Err(ToolError::unknown(
                "safety",
                format!("check of {line} in {}", file.display()),
                "it knows pinned packages, such as PyYAML==6.0.3",
            ));
        };
        let name = name.split('[').next().unwrap_or_default();
        found.push((name.to_lowercase().replace('_', "-"), version.to_owned()));
    }
    Ok(found)
}

fn findings<'a>(packages: &'a [Pin], advisories: &'a [Advisory]) -> Vec<(&'a Pin, &'a Advisory)> {
    (packages.iter())
        .flat_map(|pin| advisories.iter().map(move |advisory| (pin, advisory)))
        .filter(|((name, version), advisory)| {
            *name == advisory.package && advisory.spec.split(',').all(|one| holds(version, one))
        })
        .collect()
}

/// Whether a version is `<5.4`, `>=2.3.0` and so on; numbers only.
fn holds(version: &str, spec: &str) -> bool {
    let parts = |text: &str| -> Vec<u64> {
        let mut parts: Vec<u64> = text
            .split('.')
            .map_while(|part| part.parse().ok())
            .collect();
        parts.resize(4, 0);
        parts
    };
    if let Some(bound) = spec.strip_prefix(">=") {
        return parts(version) >= parts(bound);
    }
    (spec.strip_prefix('<')).is_some_and(|bound| parts(version) < parts(bound))
}

fn report(packages: &[Pin], found: &[(&Pin, &Advisory)]) -> Value {
    let vulnerabilities: Vec<Value> = (found.iter())
        .map(|((name, version), advisory)| {
            json!({
                "vulnerability_id": advisory.id,
                "package_name": name,
                "ignored": false,
                "vulnerable_spec": advisory.spec,
                "analyzed_version": version,
                "advisory": advisory.advisory,
                "fixed_versions": [advisory.fixed],
                "CVE": advisory.cve,
                "severity": {
                    "source": advisory.cve,
                    "cvssv2": null,
                    "cvssv3": {"base_score": advisory.score},
                },
                "more_info_url": format!("https://nvd.nist.gov/vuln/detail/{}", advisory.cve),
            })
        })
        .collect();
    json!({
        "report_meta": {
            "scan_target": "files",
            "api_key": false,
            "packages_found": packages.len(),
            "vulnerabilities_found": found.len(),
            "safety_version": format!("{VERSION} (laptop stand-in)"),
        },
        "vulnerabilities": vulnerabilities,
        "ignored_vulnerabilities": [],
    })
}

fn show(packages: &[Pin], found: &[(&Pin, &Advisory)], console: &mut Console) {
    for ((name, version), advisory) in found {
        let Advisory {
            cve,
            score,
            advisory,
            ..
        } = advisory;
        console.line(&format!(
            "-> {name} {version}: {cve}, CVSS {score:.1}: {advisory}"
        ));
    }
    console.line(&format!(
        "{} packages were scanned, {} vulnerabilities were found.",
        packages.len(),
        found.len()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_versions_are_compared_as_numbers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text =
            "# pins\nPyYAML==5.3.1 # old\n-r other.txt\nrequests[socks]==2.31.0\nurllib3==2.10.0\n";
        fs::write(file.path(), text).unwrap();
        let packages = pins(&file.path().to_path_buf()).unwrap();
        let advisories: Vec<Advisory> = serde_json::from_str(ADVISORIES).unwrap();
        let found: Vec<&str> = (findings(&packages, &advisories).iter())
            .map(|(_, advisory)| advisory.cve.as_str())
            .collect();
        assert_eq!(found, ["CVE-2020-14343", "CVE-2024-35195"]);
        fs::write(file.path(), "requests>=2\n").unwrap();
        assert_eq!(pins(&file.path().to_path_buf()).unwrap_err().code(), 2);
    }
}
