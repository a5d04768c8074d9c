//! From a job's steps to commands, and what those say about reports and clusters.

use super::actions;
use super::expression::{calls, parse};
use super::stage::{Pipeline, Stage, Step, Variable};
use super::text::{Into, Texts, only_secret, secret_id};
use super::workflow::{Job, Step as Theirs};

/// A variable of the job or a step, if it is one that a definition can say;
/// otherwise the command that sets it.
pub fn variable(name: &str, value: &str, texts: &mut Texts, stage: &mut Stage) -> Option<String> {
    let set = |stage: &mut Stage, variable: Variable| {
        let known = stage.env.iter().find(|(known, _)| known == name);
        match known {
            Some((_, other)) => *other == variable,
            None => {
                stage.env.push((name.to_owned(), variable));
                true
            }
        }
    };
    if let Some(secret) = only_secret(value) {
        if secret == "GITHUB_TOKEN" {
            stage
                .decide
                .push(format!("{name}: GitHub's own token; a build here has none"));
        }
        let id = Variable::Secret(secret_id(secret));
        if set(stage, id) {
            return None;
        }
        texts.secret(secret);
        return Some(format!("export {name}=\"${secret}\""));
    }
    let filled = texts.filled(value, Into::Plain);
    if let Some(at) = password(&filled) {
        return guarded(name, &filled, at, stage);
    }
    texts.env.push((name.to_owned(), filled.clone()));
    let plain = filled.replace("${{ matrix.", "");
    if !plain.contains('$') && set(stage, Variable::Plain(filled.clone())) {
        return None;
    }
    Some(format!("export {name}=\"{}\"", filled.replace('"', "\\\"")))
}

/// Where the password of a URL stands, as in `scheme://user:password@host`.
fn password(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find("://")? + "://".len();
    let authority = text[start..].split(['/', '?', '#']).next()?;
    let (credentials, _) = authority.rsplit_once('@')?;
    let (user, password) = credentials.split_once(':')?;
    let from = start + user.len() + 1;
    let plain = !password.is_empty() && !password.contains('$');
    plain.then(|| from..from + password.len())
}

/// A definition is no place for a password, not even for that of a test's own
/// server: that one comes from the server's variable, any other from a secret.
fn guarded(
    name: &str,
    value: &str,
    at: std::ops::Range<usize>,
    stage: &mut Stage,
) -> Option<String> {
    let mut servers = stage.services.iter().flat_map(|service| &service.env);
    let own = servers.find(|(_, known)| known == &value[at.clone()]);
    let Some((variable, password)) = own.cloned() else {
        stage.decide.push(format!(
            "{name} has a password in the workflow: replace that password, and put the new value into Secrets Manager"
        ));
        let id = Variable::Secret(secret_id(name));
        stage.env.push((name.to_owned(), id));
        return None;
    };
    if !stage.env.iter().any(|(known, _)| known == &variable) {
        stage
            .env
            .push((variable.clone(), Variable::Plain(password)));
    }
    let (before, after) = (&value[..at.start], &value[at.end..]);
    Some(format!("export {name}=\"{before}${{{variable}}}{after}\""))
}

/// Carries a step over; whether that needs nobody to write it anew.
pub fn carried(
    step: &Theirs,
    job: &Job,
    texts: &mut Texts,
    stage: &mut Stage,
    pipeline: &mut Pipeline,
) -> bool {
    if step.uses.is_some() {
        return actions::carried(step, job, texts, stage, pipeline);
    }
    let Some(run) = &step.run else {
        return false;
    };
    let made = made(step, run, job, texts, stage);
    look(run, &made, stage, pipeline);
    let title = step.title().to_lowercase();
    let installs =
        title.starts_with("install") || title.starts_with("set up") || title.starts_with("setup");
    let condition = step.condition.as_deref().map(|text| (text, parse(text)));
    match condition {
        Some((_, Some(condition))) if calls(&condition, "always") => stage.finally.push(made),
        Some((text, _)) => {
            let mut made = made;
            let what = format!("the workflow runs this step only if `{text}`; here it always runs");
            made.decide.push(what);
            stage.steps.push(made);
        }
        None if installs && made.decide.is_empty() && stage.steps.is_empty() => {
            stage.install.push(made.run);
        }
        None => stage.steps.push(made),
    }
    true
}

/// The step with its folder, its variables and its leniency.
pub fn made(step: &Theirs, run: &str, job: &Job, texts: &mut Texts, stage: &mut Stage) -> Step {
    let before = texts.decide.len();
    let exports: Vec<String> = step
        .env
        .iter()
        .filter_map(|(name, value)| variable(name, value, texts, stage))
        .collect();
    let mut text = texts.filled(run.trim_end(), Into::Shell);
    for (theirs, ours) in [
        ("$GITHUB_SHA", "$COMMIT_SHA"),
        ("$GITHUB_REF_NAME", "$BRANCH_OR_TAG"),
        ("$GITHUB_REF", "$REF"),
        ("$GITHUB_WORKSPACE", "$CODEBUILD_SRC_DIR"),
    ] {
        text = text.replace(theirs, ours);
    }
    let mut decide = texts.decide.split_off(before);
    if text.contains("GITHUB_") {
        decide.push("GitHub's own files and variables (GITHUB_…) are not there".to_owned());
    }
    let folder = step.folder.as_ref().or(job.folder.as_ref());
    if let Some(folder) = folder.filter(|folder| !matches!(folder.as_str(), "." | "./")) {
        let folder = texts.filled(folder, Into::Shell);
        text = format!("(\ncd \"{folder}\"\n{text}\n)");
    }
    if step.may_fail {
        text = format!("(\n{text}\n) || echo \"failed, and goes on\"");
        decide.push("its failure stops nothing (continue-on-error)".to_owned());
    } else if run.contains("|| true") {
        decide.push("a failure is ignored here (`|| true`): it gates nothing".to_owned());
    }
    if step.minutes.is_some() {
        decide.push("the step has a time limit of its own; here the stage has one".to_owned());
    }
    if !exports.is_empty() {
        text = format!("{}\n{text}", exports.join("\n"));
    }
    Step {
        name: texts
            .filled(&step.title(), Into::Plain)
            .replace("${{ ", "")
            .replace(" }}", ""),
        run: text,
        decide,
    }
}

fn is_pytest(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("pytest") || line.contains("-m pytest")
}

/// What commands say about reports, clusters and images.
fn look(run: &str, made: &Step, stage: &mut Stage, pipeline: &mut Pipeline) {
    let words: Vec<&str> = run.split_whitespace().collect();
    let after = |flag: &str| -> Option<String> {
        let at = words
            .iter()
            .position(|word| *word == flag || word.starts_with(&format!("{flag}=")))?;
        let value = words[at].split_once('=').map(|(_, value)| value);
        let value = value.or_else(|| words.get(at + 1).copied())?;
        let value = value.trim_matches(['"', '\'']);
        Some(value.to_owned()).filter(|value| !value.contains('$') && !value.is_empty())
    };
    if let Some(file) = after("--junitxml").or_else(|| after("--junit-xml")) {
        report(stage, "tests", &file, "junit");
    } else if run.lines().any(is_pytest) {
        let what = "write test results with `--junitxml=reports/tests.xml`, say them under `reports`, and gate on them";
        stage.decide.push(what.to_owned());
    }
    let coverage = words
        .iter()
        .find_map(|word| word.strip_prefix("--cov-report=xml"));
    if let Some(file) = coverage {
        let file = file.trim_start_matches(':');
        let file = if file.is_empty() {
            "coverage.xml"
        } else {
            file
        };
        report(stage, "coverage", file, "cobertura");
    }
    if run.contains("docker push") {
        pipeline.image_of_commands(stage);
    }
    let Some(name) = &stage.environment else {
        return;
    };
    let mut known = pipeline.environments.iter_mut();
    if let Some(environment) = known.find(|environment| &environment.name == name) {
        if run.contains("eks update-kubeconfig") {
            environment.cluster = environment.cluster.take().or_else(|| after("--name"));
        }
        let namespace = after("--namespace").or_else(|| after("-n"));
        environment.namespace = environment.namespace.take().or(namespace);
        let looks = ["rollout status", "--wait", "curl ", "smoke", "healthz"];
        let all = format!("{} {}", made.name.to_lowercase(), made.run);
        environment.verified |= looks.iter().any(|word| all.contains(word));
    }
}

/// Says a report, once.
pub fn report(stage: &mut Stage, name: &str, file: &str, format: &'static str) {
    let file = file.trim_start_matches("./").to_owned();
    if stage.reports.iter().any(|(_, known, _)| known == &file) {
        return;
    }
    let taken = stage
        .reports
        .iter()
        .filter(|(known, _, _)| known.starts_with(name))
        .count();
    let name = match taken {
        0 => name.to_owned(),
        more => format!("{name}-{}", more + 1),
    };
    stage.reports.push((name, file, format));
}
