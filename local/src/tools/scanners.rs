//! Stand-ins for `trivy`, `snyk`, `sonar-scanner` and `dependency-check`.
//!
//! None of them scans anything here: they find what was laid down for them
//! ([`crate::scans`], and `.laptop-scans/<tool>.json` in the source), which is
//! nothing by default, and end as the real ones would.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use serde_json::json;

use super::{Console, ToolError, client::Client, sarif, variable};
use crate::{
    cluster::image::Reference,
    scans::{Finding, Severity},
};

/// `trivy`, as far as it is played.
#[derive(Debug, Parser)]
#[command(name = "trivy", disable_version_flag = true)]
pub(super) struct Trivy {
    #[command(subcommand)]
    command: TrivyCommand,
}

#[derive(Debug, Subcommand)]
enum TrivyCommand {
    /// Scan an image that the registry has.
    Image {
        #[arg(short, long, value_parser = ["sarif", "table"], default_value = "table")]
        format: String,
        #[arg(short, long)]
        output: Option<PathBuf>,
        #[arg(short, long, value_delimiter = ',', value_parser = sarif::severity)]
        severity: Vec<Severity>,
        /// What to end with when something was found.
        #[arg(long, default_value_t = 0)]
        exit_code: u8,
        #[arg(long)]
        ignore_unfixed: bool,
        #[arg(short, long)]
        quiet: bool,
        #[arg(long)]
        scanners: Option<String>,
        image: String,
    },
}

/// `snyk`, as far as it is played.
#[derive(Debug, Parser)]
#[command(name = "snyk", disable_version_flag = true)]
pub(super) struct Snyk {
    #[command(subcommand)]
    command: SnykCommand,
}

#[derive(Debug, Subcommand)]
enum SnykCommand {
    /// Commands on images.
    Container {
        #[command(subcommand)]
        command: SnykContainer,
    },
}

#[derive(Debug, Subcommand)]
enum SnykContainer {
    /// Scan an image that the registry has.
    Test {
        image: String,
        #[arg(long, value_parser = sarif::severity)]
        severity_threshold: Option<Severity>,
        #[arg(long)]
        sarif_file_output: Option<PathBuf>,
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

/// `sonar-scanner`, as far as it is played.
#[derive(Debug, Parser)]
#[command(name = "sonar-scanner", disable_version_flag = true)]
pub(super) struct Sonar {
    /// `-Dsonar.…=…`.
    #[arg(short = 'D', long = "define")]
    define: Vec<String>,
}

/// `dependency-check`, as far as it is played.
#[derive(Debug, Parser)]
#[command(name = "dependency-check", disable_version_flag = true)]
pub(super) struct DependencyCheck {
    #[arg(long)]
    project: String,
    #[arg(short, long, required = true)]
    scan: Vec<PathBuf>,
    #[arg(short, long, value_parser = ["SARIF"])]
    format: String,
    #[arg(short, long)]
    out: PathBuf,
    /// Fails from this score on.
    #[arg(long = "failOnCVSS", default_value_t = 11.0)]
    fail_on_cvss: f64,
    #[arg(long)]
    exclude: Vec<String>,
    #[arg(long)]
    suppression: Option<PathBuf>,
}

/// What was laid down for a tool and this subject.
pub(super) async fn found(
    client: &Client,
    tool: &str,
    subject: &str,
) -> Result<Vec<Finding>, ToolError> {
    let mut all: Vec<Finding> = client.get(&format!("scans/{tool}"), &[]).await?;
    let source = env::var_os("CODEBUILD_SRC_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let path = source.join(".laptop-scans").join(format!("{tool}.json"));
    if let Ok(bytes) = fs::read(&path) {
        let more: Vec<Finding> = serde_json::from_slice(&bytes)
            .map_err(|error| ToolError::Failed(format!("{}: {error}", path.display())))?;
        all.extend(more);
    }
    all.retain(|finding| (finding.subject.as_ref()).is_none_or(|part| subject.contains(part)));
    Ok(all)
}

fn say(tool: &str, subject: &str, findings: &[Finding], console: &mut Console) {
    console.note(&format!(
        "{tool}: nothing was scanned; shown is what was laid down for it (none by default)"
    ));
    console.line(&format!("{tool}: {subject}: {} findings", findings.len()));
    for one in findings {
        console.line(&format!(
            "  {:8} {} {} {}",
            sarif::name(one.severity),
            one.rule,
            one.location,
            one.message
        ));
    }
}

/// That the registry has an image, as a scanner must pull it.
async fn pulled(client: &Client, image: &str) -> Result<(), ToolError> {
    let reference = Reference::parse(image);
    let id = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => json!({"imageDigest": digest}),
        (None, tag) => json!({"imageTag": tag.as_deref().unwrap_or("latest")}),
    };
    let request = json!({"repositoryName": reference.repository, "imageIds": [id]});
    (client.ecr("DescribeImages", &request).await.map(|_| ())).map_err(|error| {
        ToolError::Failed(format!(
            "unable to find the specified image {image:?}: {error}"
        ))
    })
}

/// Runs `trivy`.
pub(super) async fn trivy(trivy: Trivy, console: &mut Console) -> Result<(), ToolError> {
    let TrivyCommand::Image {
        output,
        severity,
        exit_code,
        image,
        format,
        ..
    } = trivy.command;
    let client = Client::from_environment()?;
    pulled(&client, &image).await?;
    let mut findings = found(&client, "trivy", &image).await?;
    findings.retain(|one| severity.is_empty() || severity.contains(&one.severity));
    say("trivy", &image, &findings, console);
    match (format.as_str(), output) {
        ("sarif", Some(path)) => sarif::write("Trivy", &findings, &path)?,
        ("sarif", None) => {
            return Err(ToolError::unknown(
                "trivy",
                "image --format sarif",
                "it needs --output",
            ));
        }
        _ => {}
    }
    ended(exit_code, !findings.is_empty(), "trivy", "found something")
}

/// Runs `snyk`.
pub(super) async fn snyk(snyk: Snyk, console: &mut Console) -> Result<(), ToolError> {
    let SnykCommand::Container {
        command:
            SnykContainer::Test {
                image,
                severity_threshold,
                sarif_file_output,
                ..
            },
    } = snyk.command;
    // The real one does nothing without it; its value goes nowhere here.
    variable("SNYK_TOKEN").map_err(|error| ToolError::Code {
        code: 2,
        message: format!("snyk: authentication error: {error}"),
    })?;
    let client = Client::from_environment()?;
    pulled(&client, &image).await?;
    let mut findings = found(&client, "snyk", &image).await?;
    findings.retain(|one| severity_threshold.is_none_or(|least| one.severity >= least));
    say("snyk", &image, &findings, console);
    if let Some(path) = sarif_file_output {
        sarif::write("Snyk Container", &findings, &path)?;
    }
    ended(1, !findings.is_empty(), "snyk", "found something")
}

/// Runs `sonar-scanner`.
pub(super) async fn sonar(sonar: Sonar, console: &mut Console) -> Result<(), ToolError> {
    variable("SONAR_TOKEN")?;
    let properties = fs::read_to_string("sonar-project.properties").unwrap_or_default();
    let defined = |name: &str| {
        let lines = sonar
            .define
            .iter()
            .map(String::as_str)
            .chain(properties.lines());
        lines
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    let key = defined("sonar.projectKey").ok_or_else(|| {
        ToolError::Failed(
            "You must define the following mandatory properties: sonar.projectKey".to_owned(),
        )
    })?;
    let client = Client::from_environment()?;
    let findings = found(&client, "sonar-scanner", &key).await?;
    say("sonar-scanner", &key, &findings, console);
    let failed = findings.iter().any(|one| one.severity >= Severity::High);
    console.line(&format!(
        "QUALITY GATE STATUS: {}",
        if failed { "FAILED" } else { "PASSED" }
    ));
    let waits = defined("sonar.qualitygate.wait").as_deref() == Some("true");
    ended(
        1,
        failed && waits,
        "sonar-scanner",
        "the quality gate failed",
    )
}

/// Runs `dependency-check`.
pub(super) async fn dependency_check(
    check: DependencyCheck,
    console: &mut Console,
) -> Result<(), ToolError> {
    if let Some(missing) = check.scan.iter().find(|path| !path.exists()) {
        let text = format!(
            "dependency-check: {}: there is no such file",
            missing.display()
        );
        return Err(ToolError::Failed(text));
    }
    let client = Client::from_environment()?;
    let findings = found(&client, "dependency-check", &check.project).await?;
    say("dependency-check", &check.project, &findings, console);
    let file = if check.out.extension().is_some() {
        check.out.clone()
    } else {
        check.out.join("dependency-check-report.sarif")
    };
    sarif::write("dependency-check", &findings, Path::new(&file))?;
    let failed = (findings.iter()).any(|one| sarif::score(one.severity) >= check.fail_on_cvss);
    ended(
        15,
        failed,
        "dependency-check",
        "a dependency's score is too high",
    )
}

fn ended(code: u8, failed: bool, tool: &str, why: &str) -> Result<(), ToolError> {
    if failed && code != 0 {
        return Err(ToolError::Code {
            code,
            message: format!("{tool}: {why}"),
        });
    }
    Ok(())
}
