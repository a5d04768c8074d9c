//! The programs builds find on their PATH instead of the real ones.
//!
//! The program `gatewright-standin` acts as the tool whose name it is called
//! by, or whose name is its first argument. A tool plays the few commands a
//! release uses; anything else is refused with exit code 2, so that no build
//! passes because a command was quietly skipped. What a tool says about itself
//! goes to standard error: scripts read standard output.

mod argocd;
mod aws;
mod chart;
mod client;
mod codedeploy;
mod compose;
mod console;
mod containers;
mod docker;
mod dockerfile;
mod found;
mod gitleaks;
mod helm;
mod ignore;
mod image;
mod kubeconfig;
mod kubectl;
mod kubectl_objects;
mod kustomization;
mod kustomize;
mod manifest;
mod merge;
mod notation;
mod odoo;
mod odoo_bin;
mod pip_audit;
mod s3;
mod safety;
mod sarif;
mod scanners;
mod servers;
mod template;
mod terraform;
mod terraform_scan;
mod workload;
mod yaml;
mod zap;

use std::{env, ffi::OsString, path::Path};

use clap::Parser;

pub use console::{Console, ToolError};

/// The environment variable that tells a tool where the stand-ins listen.
pub const URL_VARIABLE: &str = "GATEWRIGHT_STANDINS_URL";

/// The tools there are.
pub(crate) const NAMES: &[&str] = &[
    "docker",
    "docker-compose",
    "kubectl",
    "kustomize",
    "aws",
    "pip-audit",
    "safety",
    "terraform",
    "gitleaks",
    "odoo-bin",
    "tfsec",
    "checkov",
    "helm",
    "argocd",
    "trivy",
    "snyk",
    "sonar-scanner",
    "dependency-check",
    "zap-baseline.py",
    "notation",
];

/// The programs deployed services find, which base images would bring.
pub(crate) const SERVICES: [&str; 1] = ["odoo"];

/// Runs the tool a command line asks for and returns its exit code.
pub async fn main(arguments: Vec<OsString>) -> u8 {
    let mut console = Console::standard();
    let arguments: Vec<String> = (arguments.into_iter())
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let Some((tool, arguments)) = chosen(&arguments) else {
        let known = [NAMES, &SERVICES].concat().join(", ");
        console.note(&format!(
            "gatewright-standin plays {known}; call it by one of these names"
        ));
        return 2;
    };
    match run(&tool, arguments, &mut console).await {
        Ok(()) => 0,
        Err(error) => {
            console.note(&error.to_string());
            error.code()
        }
    }
}

async fn run(tool: &str, arguments: &[String], console: &mut Console) -> Result<(), ToolError> {
    match tool {
        "docker" => docker::run(parse("docker", arguments)?, console).await,
        "kubectl" => kubectl::run(parse("kubectl", arguments)?, console).await,
        "kustomize" => kustomize::run(&parse("kustomize", arguments)?, console),
        "aws" => aws::run(parse("aws", arguments)?, console).await,
        "terraform" => terraform::run(arguments, console).await,
        "safety" => safety::run(arguments, console),
        "odoo" => odoo::run(arguments, console),
        "gitleaks" => gitleaks::run(&parse("gitleaks", arguments)?, console),
        "odoo-bin" => odoo_bin::run(parse(tool, arguments)?, console).await,
        "tfsec" => terraform_scan::tfsec(&parse("tfsec", arguments)?, console),
        "checkov" => terraform_scan::checkov(&parse("checkov", arguments)?, console),
        "docker-compose" => compose::run(parse("docker-compose", arguments)?, console).await,
        "helm" => helm::run(parse("helm", arguments)?, console).await,
        "argocd" => argocd::run(parse("argocd", arguments)?, console).await,
        "trivy" => scanners::trivy(parse("trivy", arguments)?, console).await,
        "snyk" => scanners::snyk(parse("snyk", arguments)?, console).await,
        "sonar-scanner" => scanners::sonar(parse("sonar-scanner", arguments)?, console).await,
        "dependency-check" => {
            scanners::dependency_check(parse("dependency-check", arguments)?, console).await
        }
        "zap-baseline.py" => zap::run(parse("zap-baseline.py", arguments)?, console).await,
        "notation" => notation::run(parse("notation", arguments)?, console).await,
        _ => pip_audit::run(arguments, console).await,
    }
}

/// The tool by the name the program was called by, else by its first argument.
fn chosen(arguments: &[String]) -> Option<(String, &[String])> {
    let known = |text: &String| {
        let name = Path::new(text).file_name()?.to_str()?;
        (NAMES.contains(&name) || SERVICES.contains(&name)).then(|| name.to_owned())
    };
    let (program, rest) = arguments.split_first()?;
    if let Some(tool) = known(program) {
        return Some((tool, rest));
    }
    let (first, rest) = rest.split_first()?;
    Some((known(first)?, rest))
}

/// Reads a tool's command line; what it does not know ends with exit code 2.
fn parse<T: Parser>(tool: &str, arguments: &[String]) -> Result<T, ToolError> {
    let line = std::iter::once(tool.to_owned()).chain(arguments.iter().cloned());
    T::try_parse_from(line).map_err(|error| ToolError::Unknown {
        tool: tool.to_owned(),
        line: arguments.join(" "),
        why: error.render().to_string(),
    })
}

/// Makes TLS work for a client of this crate. Which provider is a decision of
/// the workspace; that one is set already is no error.
pub(crate) fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A variable of the environment, or an error that names it.
fn variable(name: &str) -> Result<String, ToolError> {
    env::var(name).map_err(|_| {
        ToolError::Failed(format!(
            "the variable {name} is not set; this tool runs inside builds of the laptop stack"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_chosen_by_name_or_by_first_argument() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let called = words("/data/bin/kubectl get pods");
        assert_eq!(
            chosen(&called).map(|(tool, _)| tool).as_deref(),
            Some("kubectl")
        );
        let asked = words("target/gatewright-standin docker push x");
        assert_eq!(chosen(&asked).map(|(_, rest)| rest.len()), Some(2));
        assert!(chosen(&words("gatewright-standin podman")).is_none());
    }
}
