//! A stand-in for OWASP ZAP's `zap-baseline.py`.
//!
//! It really asks the application and looks at the answer's headers, as the
//! first of ZAP's passive rules do; it crawls nothing. What is laid down for
//! `zap` (see [`crate::scans`]) is found as well.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use serde_json::json;

use super::{Console, ToolError, client::Client, sarif, scanners};
use crate::{
    ecr::write_whole,
    scans::{Finding, Severity},
};

/// Headers a response should have: ZAP's rule, header, severity.
const HEADERS: [(&str, &str, Severity); 3] = [
    ("10021", "x-content-type-options", Severity::Low),
    ("10020", "x-frame-options", Severity::Medium),
    ("10038", "content-security-policy", Severity::Medium),
];

/// `zap-baseline.py`, as far as it is played.
#[derive(Debug, Parser)]
#[command(name = "zap-baseline.py", disable_version_flag = true)]
pub(super) struct Zap {
    /// The application.
    #[arg(short)]
    t: String,
    /// Where the JSON report goes.
    #[arg(short = 'J')]
    json: Option<PathBuf>,
    /// Minutes to crawl; nothing is crawled here.
    #[arg(short)]
    m: Option<u32>,
    /// Warnings do not fail.
    #[arg(short = 'I')]
    ignore_warnings: bool,
}

/// Runs a scan: 1 for failures, 2 for warnings, 3 for anything else.
pub(super) async fn run(zap: Zap, console: &mut Console) -> Result<(), ToolError> {
    let client = Client::from_environment()?;
    console.note("zap-baseline.py: one request and its headers; nothing is crawled or attacked");
    let answer = (client.http().get(&zap.t))
        .timeout(Duration::from_secs(10))
        .send()
        .await
        .map_err(|error| ToolError::Code {
            code: 3,
            message: format!("zap-baseline.py: {} did not answer: {error}", zap.t),
        })?;
    let mut found: Vec<Finding> = (HEADERS.iter())
        .filter(|(_, header, _)| !answer.headers().contains_key(*header))
        .map(|(rule, header, severity)| Finding {
            rule: (*rule).to_owned(),
            severity: *severity,
            message: format!("the header {header} is missing"),
            location: zap.t.clone(),
            line: 0,
            subject: None,
        })
        .collect();
    found.extend(scanners::found(&client, "zap", &zap.t).await?);
    let fails = |one: &&Finding| one.severity >= Severity::High;
    for one in &found {
        let word = if fails(&one) { "FAIL-NEW" } else { "WARN-NEW" };
        console.line(&format!(
            "{word}: {} [{}] {}",
            one.message,
            one.rule,
            sarif::name(one.severity)
        ));
    }
    let failed = found.iter().filter(fails).count();
    let warned = found.len() - failed;
    console.line(&format!("FAIL-NEW: {failed}\tWARN-NEW: {warned}"));
    if let Some(path) = &zap.json {
        let report = json!({"site": zap.t, "standIn": "laptop", "alerts": found});
        let bytes = serde_json::to_vec_pretty(&report).map_err(std::io::Error::from)?;
        write_whole(path, &bytes)?;
    }
    let code = match (failed, warned) {
        (0, 0) => return Ok(()),
        (0, _) if zap.ignore_warnings => return Ok(()),
        (0, _) => 2,
        _ => 1,
    };
    Err(ToolError::Code {
        code,
        message: format!("zap-baseline.py: {failed} failures and {warned} warnings"),
    })
}
