//! A companion for `pip-audit`: the real one is run, and what it could not
//! audit is said plainly.
//!
//! A laptop may have no way to the vulnerability service. The audit then fails,
//! as it should; this adds which service was not reached and which packages
//! are therefore not audited. An audit that passes because it skipped packages
//! its service does not know keeps its exit code and gets a warning. Only `GATEWRIGHT_ALLOW_UNAUDITED=1` turns that
//! one failure into a warning.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::{Console, ToolError};

/// Set to 1, lets a build go on whose packages could not be audited.
const ALLOW: &str = "GATEWRIGHT_ALLOW_UNAUDITED";

/// What pip-audit and its HTTP client print when a service is out of reach.
const UNREACHABLE: [&str; 9] = [
    "ConnectionError",
    "Max retries exceeded",
    "Failed to establish a new connection",
    "NameResolutionError",
    "Temporary failure in name resolution",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "Could not connect to PyPI's vulnerability feed",
];

/// What pip-audit prints before a package it skipped; it passes all the same.
const SKIPPED: &str = "could not be audited: ";

/// Runs the real pip-audit.
pub(super) async fn run(arguments: &[String], console: &mut Console) -> Result<(), ToolError> {
    let real = find_real().ok_or_else(|| ToolError::Code {
        code: 127,
        message: "pip-audit: there is no real pip-audit on the PATH; put it into the build's tools"
            .to_owned(),
    })?;
    let output = Command::new(&real)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| ToolError::Failed(format!("{}: {error}", real.display())))?;
    console.pass_on(&output.stdout, &output.stderr);
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let said = said.concat();
    if output.status.success() {
        // pip-audit calls this "No known vulnerabilities found".
        let skipped = skipped(&said);
        if !skipped.is_empty() {
            console.note(&format!(
                "WARNING: pip-audit passed; NOT audited: {}",
                skipped.join(", ")
            ));
        }
        return Ok(());
    }
    let code = (output.status.code())
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    failed(code, &said, arguments, console)
}

/// A failed audit: only one that could not reach its service may be let pass.
fn failed(
    code: u8,
    said: &str,
    arguments: &[String],
    console: &mut Console,
) -> Result<(), ToolError> {
    if !UNREACHABLE.iter().any(|sign| said.contains(sign)) {
        return Err(ToolError::Code {
            code,
            message: format!("pip-audit ended with exit code {code}"),
        });
    }
    let warning = unaudited(said, arguments);
    if env::var(ALLOW).is_ok_and(|value| value == "1") {
        console.note(&format!("WARNING: {warning}; going on because {ALLOW}=1"));
        return Ok(());
    }
    Err(ToolError::Code {
        code,
        message: format!("{warning}. With {ALLOW}=1 the build would go on without an audit"),
    })
}

/// The packages pip-audit says it skipped.
fn skipped(said: &str) -> Vec<&str> {
    (said.lines())
        .filter_map(|line| line.split_once(SKIPPED))
        .map(|(_, package)| package.trim())
        .collect()
}

/// The first pip-audit on the PATH that is not this program.
fn find_real() -> Option<PathBuf> {
    let own = env::current_exe().and_then(fs::canonicalize).ok()?;
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join("pip-audit"))
        .filter(|candidate| candidate.is_file())
        .find(|candidate| fs::canonicalize(candidate).is_ok_and(|found| found != own))
}

fn unaudited(said: &str, arguments: &[String]) -> String {
    let pins = pins(arguments);
    let packages = if pins.is_empty() {
        "every package of this environment".to_owned()
    } else {
        pins.join(", ")
    };
    format!(
        "pip-audit: the vulnerability service {} was not reached; NOT audited: {packages}",
        service(said).unwrap_or_else(|| "of pip-audit".to_owned())
    )
}

/// The host in what the HTTP client printed: `host='advisories.example'` or a URL.
fn service(said: &str) -> Option<String> {
    if let Some((_, rest)) = said.split_once("host='") {
        return rest.split('\'').next().map(str::to_owned);
    }
    let (_, rest) = said.split_once("https://")?;
    let host = rest
        .split(|c: char| !(c.is_alphanumeric() || ".-:".contains(c)))
        .next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

/// The requirements of the files given with `-r`.
fn pins(arguments: &[String]) -> Vec<String> {
    let mut files = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "-r" || argument == "--requirement" {
            files.extend(arguments.next().cloned());
        } else if let Some(file) = argument.strip_prefix("--requirement=") {
            files.push(file.to_owned());
        }
    }
    files
        .iter()
        .flat_map(|file| requirements(Path::new(file)))
        .collect()
}

fn requirements(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .map(|line| line.split(['#', ';']).next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty() && !line.starts_with('-'))
        .map(|line| {
            line.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_audited_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            "# pins\nfastapi==1.0 --hash=x\nuvicorn==2.0 ; python_version > '3'\n-r x\n",
        )
        .unwrap();
        let arguments = ["-r".to_owned(), file.path().display().to_string()];
        let said = "HTTPSConnectionPool(host='advisories.example', port=443): Max retries exceeded";
        assert_eq!(
            unaudited(said, &arguments),
            "pip-audit: the vulnerability service advisories.example was not reached; NOT audited: fastapi==1.0, uvicorn==2.0"
        );
    }
}
