//! What must hold between the parts of a definition: every name refers to
//! something, artifacts exist before they are deployed, protected environments
//! are guarded.

use super::pipeline::RawPipeline;
use super::sink::{Marked, Sink};
use super::stage::{Kind, RawStage};
use crate::compile;
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::{Environment, ReportFormat};
use gatewright_domain::text::nearest;

/// Checks all of it.
pub(crate) fn check(raw: &RawPipeline, sink: &Sink) {
    names(raw, sink);
    for (index, stage) in raw.stages.iter().enumerate() {
        references(raw, stage, sink);
        produces(raw, index, stage, sink);
        gates(raw, stage, sink);
        borrowed_role(stage, sink);
        guarded(raw, index, stage, sink);
        if let Kind::Deploy {
            artifact: Some(artifact),
        } = &stage.kind
        {
            deployable(raw, index, stage, artifact, sink);
        }
    }
}

/// Stage names are state names: none twice, none that the compiler needs.
fn names(raw: &RawPipeline, sink: &Sink) {
    let named = || {
        raw.stages
            .iter()
            .filter_map(|s| Some((s, s.name.as_ref()?.as_str())))
    };
    for (index, (stage, name)) in named().enumerate() {
        if named().take(index).any(|(_, other)| other == name) {
            sink.error_help(
                &stage.at,
                format!("there is another stage {name:?} before this one"),
                "a stage's name is its state's name: each needs its own",
            );
        }
        if compile::GENERATED.contains(&name) {
            sink.error_help(
                &stage.at,
                format!("{name:?} is the name of a state that every release has"),
                format!(
                    "the names that are taken: {}",
                    compile::GENERATED.join(", ")
                ),
            );
        }
        for (other, owner) in named() {
            let scans = other.gates.iter().any(|gate| gate.value.is_scan());
            let deploys = matches!(other.kind, Kind::Deploy { .. });
            if (scans && name == compile::scan_name(owner))
                || (deploys && name == compile::clear_name(owner))
            {
                sink.error(
                    &stage.at,
                    format!("{name:?} is the name of the state that is made for {owner:?}"),
                );
            }
        }
    }
}

fn references(raw: &RawPipeline, stage: &RawStage, sink: &Sink) {
    if let Some(environment) = &stage.environment {
        let known: Vec<&str> = raw
            .environments
            .iter()
            .map(|(n, _)| n.value.as_str())
            .collect();
        unknown(environment, "environment", &known, sink);
    }
    if let Some(artifact) = &stage.produces {
        unknown(artifact, "artifact", &artifact_names(raw), sink);
    }
}

fn artifact_names(raw: &RawPipeline) -> Vec<&str> {
    raw.artifacts
        .iter()
        .map(|(n, _)| n.value.as_str())
        .collect()
}

/// Reports `said` unless it is one of `known`; whether it was known.
pub(super) fn unknown(said: &Marked<String>, what: &str, known: &[&str], sink: &Sink) -> bool {
    if known.contains(&said.value.as_str()) {
        return true;
    }
    let help = match nearest(&said.value, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => format!("there is no {what} at all; declare it first"),
        None => format!("known: {}", known.join(", ")),
    };
    sink.error_help(
        &said.at,
        format!("there is no {what} {:?}", said.value),
        help,
    );
    false
}

fn produces(raw: &RawPipeline, index: usize, stage: &RawStage, sink: &Sink) {
    let Some(artifact) = &stage.produces else {
        return;
    };
    let earlier = raw.stages[..index].iter().find(|s| {
        s.produces
            .as_ref()
            .is_some_and(|p| p.value == artifact.value)
    });
    if let Some(earlier) = earlier {
        sink.error_help(
            &artifact.at,
            format!(
                "{:?} is already produced by {}",
                artifact.value,
                title(earlier)
            ),
            "an artifact is built once; what is tested is then what is deployed",
        );
    }
}

fn title(stage: &RawStage) -> String {
    stage.name.as_ref().map_or_else(
        || "an unnamed stage".to_owned(),
        |n| format!("{:?}", n.as_str()),
    )
}

fn gates(raw: &RawPipeline, stage: &RawStage, sink: &Sink) {
    for gate in &stage.gates {
        let said = |name: &String| Marked::new(name.clone(), &gate.at);
        match &gate.value {
            Gate::Steps => {}
            Gate::Tests { report } => report_is(stage, &said(report), ReportFormat::Junit, sink),
            Gate::Coverage { report, .. } => {
                report_is(stage, &said(report), ReportFormat::Cobertura, sink);
            }
            Gate::Findings { report, .. } => {
                report_is(stage, &said(report), ReportFormat::Sarif, sink);
            }
            Gate::Scan { artifact, .. } => scanned(raw, stage, &said(artifact), sink),
        }
    }
    let scans: Vec<_> = stage
        .gates
        .iter()
        .filter(|gate| gate.value.is_scan())
        .collect();
    if let [_, second, ..] = scans.as_slice() {
        sink.error(
            &second.at,
            "a stage has at most one scan gate; list all severities in it",
        );
    }
}

fn report_is(stage: &RawStage, report: &Marked<String>, format: ReportFormat, sink: &Sink) {
    let known: Vec<&str> = stage
        .reports
        .iter()
        .map(|(n, _)| n.value.as_str())
        .collect();
    if known.is_empty() {
        sink.error_help(
            &report.at,
            format!(
                "this gate judges the report {:?}, but the stage has no \"reports\"",
                report.value
            ),
            format!(
                "declare it: `reports: {{ {}: {{ files: [FILE], format: {} }} }}`",
                report.value,
                format.as_str()
            ),
        );
        return;
    }
    if !unknown(report, "report", &known, sink) {
        return;
    }
    let declared = stage.reports.iter().find(|(n, _)| n.value == report.value);
    if let Some((_, Some(declared))) = declared
        && declared.format != format
    {
        sink.error(
            &report.at,
            format!(
                "this gate needs a {} report, but {:?} is {}",
                format.as_str(),
                report.value,
                declared.format.as_str()
            ),
        );
    }
}

fn scanned(raw: &RawPipeline, stage: &RawStage, artifact: &Marked<String>, sink: &Sink) {
    if !unknown(artifact, "artifact", &artifact_names(raw), sink) {
        return;
    }
    let own = |s: &RawStage| produces_it(s, &artifact.value);
    if own(stage) || is_unclear(raw) {
        return;
    }
    let help = if raw.stages.iter().any(own) {
        format!(
            "move the gate to the stage with `produces: {}`",
            artifact.value
        )
    } else {
        format!("say which stage builds it: `produces: {}`", artifact.value)
    };
    sink.error_help(
        &artifact.at,
        format!(
            "this stage does not produce {:?}, so it has no scan of it to judge",
            artifact.value
        ),
        help,
    );
}

fn produces_it(stage: &RawStage, artifact: &str) -> bool {
    stage.produces.as_ref().is_some_and(|p| p.value == artifact)
}

/// Whether some stage has a mistake, reported already, that may be the reason why
/// an artifact seems to have no producer.
fn is_unclear(raw: &RawPipeline) -> bool {
    let known = artifact_names(raw);
    raw.stages.iter().any(|stage| {
        let misnamed = stage
            .produces
            .as_ref()
            .is_some_and(|p| !known.contains(&p.value.as_str()));
        misnamed || matches!(stage.kind, Kind::Unclear)
    })
}

/// Deploy projects carry the right to change their environment. A stage that
/// borrows one by name would have that right without lock and approval.
fn borrowed_role(stage: &RawStage, sink: &Sink) {
    let Some(project) = &stage.settings.project else {
        return;
    };
    let Some(owner) = project.value.strip_prefix("gatewright-deploy-") else {
        return;
    };
    if stage.environment.as_ref().is_none_or(|e| e.value != owner) {
        sink.error_help(
            &project.at,
            format!(
                "{:?} may change {owner}, but this stage does not work in {owner}",
                project.value
            ),
            format!("say `environment: {owner}`, or use another project"),
        );
    }
}

/// A protected environment is touched only after an approval for it.
fn guarded(raw: &RawPipeline, index: usize, stage: &RawStage, sink: &Sink) {
    if !matches!(stage.kind, Kind::Build | Kind::Deploy { .. }) {
        return;
    }
    let Some((name, environment)) = environment_of(raw, stage) else {
        return;
    };
    if !environment.protected || guard(raw, index, name).is_some() {
        return;
    }
    let verb = match stage.kind {
        Kind::Deploy { .. } => "deploys to",
        _ => "works in",
    };
    sink.error_help(
        &stage.environment.as_ref().map_or(&stage.at, |e| &e.at).clone(),
        format!("this stage {verb} {name}, which is protected, and no approval comes before it"),
        format!(
            "put a stage with `environment: {name}` and \"approval\" before it, or say `protected: false` in {name}"
        ),
    );
}

fn environment_of<'a>(
    raw: &'a RawPipeline,
    stage: &RawStage,
) -> Option<(&'a str, &'a Environment)> {
    let said = &stage.environment.as_ref()?.value;
    let (name, read) = raw.environments.iter().find(|(n, _)| &n.value == said)?;
    Some((&name.value, &read.as_ref()?.1))
}

/// The position of the nearest approval for `environment` before `index`.
fn guard(raw: &RawPipeline, index: usize, environment: &str) -> Option<usize> {
    raw.stages[..index].iter().rposition(|s| {
        // An approval with a mistake in it is reported as such, once.
        matches!(s.kind, Kind::Approval(_) | Kind::Unclear)
            && s.environment
                .as_ref()
                .is_none_or(|e| e.value == environment)
    })
}

/// What is deployed was built before, and approved only after it was built.
fn deployable(
    raw: &RawPipeline,
    index: usize,
    stage: &RawStage,
    artifact: &Marked<String>,
    sink: &Sink,
) {
    if !unknown(artifact, "artifact", &artifact_names(raw), sink) {
        return;
    }
    let by = |s: &RawStage| produces_it(s, &artifact.value);
    let Some(producer) = raw.stages[..index].iter().position(by) else {
        let said_before = raw.stages[..index].iter().any(
            |s| matches!(&s.kind, Kind::Deploy { artifact: Some(a) } if a.value == artifact.value),
        );
        if said_before || is_unclear(raw) {
            return;
        }
        let (message, help) = match raw.stages.iter().find(|s| by(s)) {
            Some(late) => (
                format!(
                    "{:?} is deployed before {} produces it",
                    artifact.value,
                    title(late)
                ),
                "move this stage behind it".to_owned(),
            ),
            None => (
                format!("no stage produces {:?}", artifact.value),
                format!(
                    "add `produces: {}` to the stage that builds it",
                    artifact.value
                ),
            ),
        };
        sink.error_help(&artifact.at, message, help);
        return;
    };
    let environment = stage.environment.as_ref().map_or("", |e| e.value.as_str());
    if let Some(guard) = guard(raw, index, environment)
        && guard < producer
    {
        sink.error_help(
            &raw.stages[guard].at,
            format!(
                "this approval comes before {} builds what it approves",
                title(&raw.stages[producer])
            ),
            format!(
                "move it between {} and {}",
                title(&raw.stages[producer]),
                title(stage)
            ),
        );
    }
}
