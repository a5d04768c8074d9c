//! What a build left behind: its reports, its artifact by digest, what it
//! exported.

use crate::Running;
use gatewright_aws::builds::{BuildSeen, Builds};
use gatewright_aws::registry::Registry;
use gatewright_domain::Digest;
use gatewright_domain::evidence::{ArtifactEvidence, BuildEvidence, ReportResult};
use gatewright_domain::exported::{self, Stored};
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::{Artifact, Form, ReportFormat, Stage, Versioning};
use gatewright_handler::Failure;
use std::collections::BTreeMap;

/// Reads everything that the stage's gates and the record need.
pub(crate) async fn observe<B: Builds, R: Registry>(
    builds: &B,
    registry: &R,
    running: &Running,
    stage: &Stage,
    seen: &BuildSeen,
) -> Result<BuildEvidence, Failure> {
    let exports = stage.build().map(|build| build.exports.as_slice());
    let exported: BTreeMap<String, String> = seen
        .exported
        .iter()
        .filter(|(name, _)| exports.unwrap_or_default().contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(BuildEvidence {
        build: seen.id.clone(),
        status: seen.status,
        message: seen.message.as_deref().map(|message| told(stage, message)),
        seconds: seen.seconds,
        log: seen.log.clone(),
        reports: reports(builds, running, stage, seen).await?,
        artifact: artifact(registry, running, stage, seen, &exported).await?,
        exported,
        signatures: signatures(stage, seen),
    })
}

/// The digests of which the build says that it verified their signatures. What
/// is no digest is as good as nothing, and its gate denies.
fn signatures(stage: &Stage, seen: &BuildSeen) -> BTreeMap<String, Digest> {
    let wanted = stage.gates.iter().filter_map(Gate::verifies);
    wanted
        .filter_map(|name| {
            let said = seen.exported.get(&exported::signed(name))?;
            Some((name.to_owned(), said.parse().ok()?))
        })
        .collect()
}

/// CodeBuild's own reports, and the findings that the build counted itself.
async fn reports<B: Builds>(
    builds: &B,
    running: &Running,
    stage: &Stage,
    seen: &BuildSeen,
) -> Result<BTreeMap<String, ReportResult>, Failure> {
    let prefix = format!("{}-", running.definition.id);
    let mut reports: BTreeMap<String, ReportResult> = builds
        .reports(&seen.reports)
        .await?
        .into_iter()
        .map(|(group, result)| {
            // `<project>-<pipeline>-<report>`: CodeBuild adds the project, which
            // may have the pipeline's id in its name as well.
            let name = group
                .rsplit_once(&prefix)
                .map_or(group.clone(), |(_, name)| name.to_owned());
            (name, result)
        })
        .collect();
    let declared = stage.build().map(|build| &build.reports);
    for (name, report) in declared.into_iter().flatten() {
        if report.format != ReportFormat::Sarif {
            continue;
        }
        if let Some(said) = seen.exported.get(&exported::findings(name)) {
            let result = serde_json::from_str(said).map_or_else(
                |error| ReportResult::Unreadable {
                    why: error.to_string(),
                },
                ReportResult::Findings,
            );
            reports.insert(name.clone(), result);
        }
    }
    Ok(reports)
}

/// The artifact that the stage produced: an image as its registry has it under
/// the commit's tag, anything else as the build stored it.
async fn artifact<R: Registry>(
    registry: &R,
    running: &Running,
    stage: &Stage,
    seen: &BuildSeen,
    exported: &BTreeMap<String, String>,
) -> Result<Option<ArtifactEvidence>, Failure> {
    let produces = stage.build().and_then(|build| build.produces.as_ref());
    let known = produces.and_then(|name| running.definition.artifacts.get_key_value(name));
    let (Some((name, artifact)), Some(trigger)) = (known, &running.head.value.trigger) else {
        return Ok(None);
    };
    let version = version(artifact, &trigger.reference, exported);
    let found = match &artifact.form {
        Form::Image { repository } => {
            let tag = trigger.commit.to_string();
            let digest = registry.digest_of(repository, &tag).await?;
            digest.map(|digest| (digest, format!("{repository}:{tag}")))
        }
        Form::Archive { .. } | Form::Plan { .. } | Form::Files { .. } => {
            Stored::from_exported(&seen.exported).map(|stored| (stored.digest, stored.key))
        }
    };
    Ok(found.map(|(digest, location)| ArtifactEvidence {
        name: name.clone(),
        digest,
        location,
        version,
    }))
}

/// What the artifact is called, when not by its commit.
fn version(
    artifact: &Artifact,
    reference: &str,
    exported: &BTreeMap<String, String>,
) -> Option<String> {
    match artifact.version {
        Versioning::Commit => None,
        Versioning::Semver => exported
            .get("VERSION")
            .cloned()
            .or_else(|| gatewright_domain::trigger::version_of_tag(reference)),
    }
}

/// What CodeBuild says of a failing command, told by the name of its step, or of
/// the gate that brought it.
fn told(stage: &Stage, message: &str) -> String {
    let reason = message.rsplit_once("Reason: ");
    let verifying = stage.gates.iter().filter_map(Gate::verifies).find(|name| {
        let command = format!("notation verify \"$IMAGE_{}\"", exported::shouted(name));
        message.contains(&command)
    });
    if let Some(name) = verifying {
        let reason = reason.map_or(message, |(_, reason)| reason);
        return format!("the signature of {name} was not verified: {reason}");
    }
    let steps = stage.build().map_or(&[][..], |build| &build.steps);
    let command = reason.map_or(message, |(command, _)| command);
    let likely = steps
        .iter()
        .map(|step| (likeness(&step.run, command), step));
    let failing = likely.rev().max_by_key(|(likeness, _)| *likeness);
    let failing = failing.filter(|(likeness, _)| *likeness > (false, 0));
    match (failing.map(|(_, step)| step), reason) {
        (Some(step), Some((_, reason))) => format!("step “{}” failed: {reason}", step.name),
        (Some(step), None) => format!("step “{}” failed: {message}", step.name),
        (None, _) => message.to_owned(),
    }
}

/// How likely a message about `command` is about this script: whether all of it is
/// there, and of how many characters that, or its longest line that is there, is. One
/// script may begin like another, and many have a line like `fi`.
fn likeness(script: &str, command: &str) -> (bool, usize) {
    let script = script.trim();
    if command.contains(script) {
        return (true, script.len());
    }
    let lines = script.lines().map(str::trim);
    let there = lines.filter(|line| command.contains(line)).map(str::len);
    (false, there.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script that the message is most likely about.
    fn blamed<'a>(scripts: &[&'a str], command: &str) -> &'a str {
        let all = scripts
            .iter()
            .map(|script| (likeness(script, command), *script));
        let (most, script) = all.max_by_key(|(likeness, _)| *likeness).unwrap();
        assert!(most > (false, 0));
        script
    }

    #[test]
    fn the_script_that_failed_is_told_from_those_that_are_like_it() {
        let (short, long) = ("test ! -e flags/shop", "test ! -e flags/shop-back");
        let said = |command: &str| format!("Error while executing command: {command}");
        assert_eq!(blamed(&[short, long], &said(long)), long);
        assert_eq!(blamed(&[long, short], &said(short)), short);
        let prepare = "if [ -e a ]; then\n  make a\nfi";
        let configure = "if [ -e b ]; then\n  exit 3\nfi";
        assert_eq!(blamed(&[prepare, configure], &said(configure)), configure);
        // CodeBuild may tell only the line that failed.
        assert_eq!(blamed(&[prepare, configure], &said("  exit 3")), configure);
    }
}
