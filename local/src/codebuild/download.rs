//! DOWNLOAD_SOURCE: the source, the buildspec and the variables.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{
    environment::{self, Place},
    model::{EnvironmentVariable, PhaseContext, VariableType},
    run::{Outcome, Run},
    shell::ShellState,
    source,
    spec::BuildSpec,
};
use crate::{sigv4::Credentials, sync::locked};

/// What the phases with commands start from.
pub(crate) struct Download {
    pub(crate) spec: BuildSpec,
    pub(crate) state: ShellState,
}

/// Fetches everything, or says how the phase failed.
pub(crate) async fn download(run: &Run) -> Result<Download, Outcome> {
    fetch_source(run).await?;
    let text = buildspec_text(run)?;
    let spec =
        BuildSpec::parse(&text).map_err(|error| failed("YAML_FILE_ERROR", &error.to_string()))?;
    let acts_as = acts_as(run).await?;
    let variables = variables(run, &spec, &acts_as).await?;
    let state = ShellState {
        variables,
        directory: run.entry.folders.source(),
    };
    Ok(Download { spec, state })
}

fn failed(code: &str, message: &str) -> Outcome {
    Outcome::Failed(PhaseContext::new(code, message))
}

/// A session of the project's role. On AWS as well, a build whose role cannot be
/// assumed fails before its first command.
async fn acts_as(run: &Run) -> Result<Credentials, Outcome> {
    let build = run.entry.snapshot();
    let uuid = &build.logs.stream_name;
    let session = run.shared.roles.session(&build.project_name, uuid).await;
    let session = session.map_err(|error| failed("CLIENT_ERROR", &error.to_string()))?;
    if let Some(token) = &session.token {
        // Like secrets: in nobody's log.
        let mut hidden = locked(&run.entry.secrets);
        hidden.extend([session.secret.clone(), token.clone()]);
    }
    Ok(session)
}

async fn fetch_source(run: &Run) -> Result<(), Outcome> {
    if run.plan.no_source {
        return Ok(());
    }
    let settings = &run.shared.settings;
    let folder = source::folder(&settings.sources, run.plan.location.as_deref())
        .map_err(|error| failed("CLIENT_ERROR", &error.to_string()))?
        .to_path_buf();
    let version = run.entry.snapshot().source_version;
    let of_commit = version.and_then(|version| settings.commits.get(&version).cloned());
    let overlays = [settings.overlays.clone(), of_commit.unwrap_or_default()].concat();
    let to = run.entry.folders.source();
    run.log.say(&format!(
        "Laptop stand-in: the source is a copy of {} with {} overlays",
        folder.display(),
        overlays.len()
    ));
    let copied = tokio::task::spawn_blocking(move || source::copy(&folder, &overlays, &to))
        .await
        .map_err(|error| Outcome::Fault(format!("copying the source: {error}")))?;
    let digest = copied.map_err(|error| failed("CLIENT_ERROR", &error.to_string()))?;
    run.update(|build| {
        // A branch or a tag resolves to a commit; there is no repository here
        // to ask, so the content's digest stands for it.
        let commit = build
            .source_version
            .clone()
            .filter(|version| is_commit(version));
        build.resolved_source_version = Some(commit.unwrap_or(digest));
    });
    Ok(())
}

fn is_commit(version: &str) -> bool {
    version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `buildspecOverride` is a buildspec or the path of one; `buildspec.yml` in
/// the source is what counts without it.
fn buildspec_text(run: &Run) -> Result<String, Outcome> {
    let path = match run.plan.buildspec.as_deref() {
        Some(text) if text.contains('\n') || text.trim_start().starts_with('{') => {
            return Ok(text.to_owned());
        }
        Some(path) => path,
        None => "buildspec.yml",
    };
    let full: PathBuf = run.entry.folders.source().join(path);
    fs::read_to_string(&full)
        .map_err(|error| failed("YAML_FILE_ERROR", &format!("the buildspec {path}: {error}")))
}

/// The variables commands start with. The request's override the buildspec's
/// (build specification reference, `env/variables`).
async fn variables(
    run: &Run,
    spec: &BuildSpec,
    acts_as: &Credentials,
) -> Result<BTreeMap<String, String>, Outcome> {
    let settings = &run.shared.settings;
    let place = Place {
        folders: &run.entry.folders,
        bin: &settings.bin,
        tools: &settings.tools_path,
        stand_ins: settings.url.as_str(),
        emulator: settings.emulator.as_str(),
        region: &settings.region,
        acts_as,
    };
    let mut variables = environment::base(&run.entry.snapshot(), &place);
    variables.extend(spec.variables.clone());
    let secrets = (spec.secrets_manager.iter()).map(|pair| (pair, VariableType::SecretsManager));
    let parameters = (spec.parameter_store.iter()).map(|pair| (pair, VariableType::ParameterStore));
    for ((name, value), kind) in secrets.chain(parameters) {
        let value = resolve(run, acts_as, (name, value), kind).await?;
        variables.insert(name.clone(), value);
    }
    for EnvironmentVariable { name, value, kind } in &run.plan.variables {
        let value = resolve(run, acts_as, (name, value), *kind).await?;
        variables.insert(name.clone(), value);
    }
    Ok(variables)
}

async fn resolve(
    run: &Run,
    acts_as: &Credentials,
    (name, value): (&str, &str),
    kind: VariableType,
) -> Result<String, Outcome> {
    let resolver = &run.shared.secrets;
    let (resolved, code) = match kind {
        VariableType::Plaintext => return Ok(value.to_owned()),
        VariableType::SecretsManager => (
            resolver.secret(acts_as, value).await,
            "SECRETS_MANAGER_ERROR",
        ),
        VariableType::ParameterStore => (
            resolver.parameter(acts_as, value).await,
            "PARAMETER_STORE_ERROR",
        ),
    };
    let resolved = resolved.map_err(|error| failed(code, &format!("variable {name}: {error}")))?;
    locked(&run.entry.secrets).push(resolved.clone());
    Ok(resolved)
}
