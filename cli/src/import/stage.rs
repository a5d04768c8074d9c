//! From a job to a stage.

use super::actions;
use super::docker::Artifact;
use super::expression::{calls, parse};
use super::order::Place;
use super::text::{Into, Texts, only_secret, secret_id};
use super::workflow::{Job, Step as Theirs, Workflow, list, said};
use serde_json::Value;

/// Everything that becomes of the jobs.
#[derive(Debug, Default)]
pub struct Pipeline {
    pub places: Vec<Placed>,
    pub artifacts: Vec<Artifact>,
    pub environments: Vec<Environment>,
    /// The secrets by their names in Secrets Manager.
    pub secrets: Vec<String>,
    pub slack: bool,
    pub region: Option<String>,
    /// How many jobs became stages.
    pub jobs: usize,
    /// How many steps were carried over or are not needed.
    pub steps: usize,
}

/// One place of the line: a stage, or a group of them.
#[derive(Debug)]
pub struct Placed {
    pub group: Option<String>,
    pub stages: Vec<Stage>,
}

/// An environment.
#[derive(Debug, Default, Clone)]
pub struct Environment {
    pub name: String,
    pub url: Option<String>,
    pub cluster: Option<String>,
    pub namespace: Option<String>,
    pub role: Option<String>,
    pub protected: bool,
    pub verified: bool,
    /// What a person must decide about it.
    pub decide: Vec<String>,
}

/// A stage.
#[derive(Debug, Default)]
pub struct Stage {
    pub job: String,
    pub needs: Vec<String>,
    pub condition: Option<String>,
    pub name: String,
    pub environment: Option<String>,
    pub matrix: Vec<(String, Vec<String>)>,
    pub fail_fast: Option<bool>,
    pub timeout: Option<u32>,
    pub compute: Option<&'static str>,
    pub image: Option<String>,
    pub runtimes: Vec<(String, String)>,
    pub services: Vec<Service>,
    pub cache: Vec<String>,
    pub env: Vec<(String, Variable)>,
    pub install: Vec<String>,
    pub steps: Vec<Step>,
    pub finally: Vec<Step>,
    /// Name, file, format.
    pub reports: Vec<(String, String, &'static str)>,
    pub produces: Option<String>,
    /// What a person must decide about it.
    pub decide: Vec<String>,
    /// What was left out because it is not needed.
    pub dropped: Vec<String>,
}

/// A command with a name.
#[derive(Debug, Default, Clone)]
pub struct Step {
    pub name: String,
    pub run: String,
    pub decide: Vec<String>,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    Plain(String),
    Secret(String),
}

/// A server beside the steps.
#[derive(Debug)]
pub struct Service {
    pub name: String,
    pub image: String,
    pub env: Vec<(String, String)>,
    pub ports: Vec<String>,
    pub health: Option<String>,
}

/// All jobs, in the order of their places.
pub fn pipeline(workflow: &Workflow, ordered: &[Place<'_>]) -> Pipeline {
    let mut pipeline = Pipeline::default();
    for place in ordered {
        let stages: Vec<Stage> = place
            .iter()
            .map(|job| stage(workflow, job, &mut pipeline))
            .collect();
        let group = (stages.len() > 1).then(|| group_name(&stages, &pipeline));
        pipeline.places.push(Placed { group, stages });
    }
    let clusters = pipeline.environments.iter().any(|e| e.cluster.is_some());
    for environment in &mut pipeline.environments {
        if clusters && environment.cluster.is_none() {
            let what = "its cluster, which the workflow never names, and the kubeconfig of it";
            environment.decide.push(what.to_owned());
        }
    }
    pipeline
}

/// `After Build`, and something else if a stage is called that.
fn group_name(stages: &[Stage], pipeline: &Pipeline) -> String {
    let needs = stages.first().map(|stage| stage.needs.clone());
    let all = pipeline.places.iter().flat_map(|place| &place.stages);
    let before: Vec<String> = all
        .filter(|stage| needs.iter().flatten().any(|need| need == &stage.job))
        .map(|stage| stage.name.clone())
        .collect();
    let name = match before.as_slice() {
        [] => "At First".to_owned(),
        some => format!("After {}", some.join(" and ")),
    };
    name.chars().take(60).collect::<String>().trim().to_owned()
}

fn stage(workflow: &Workflow, job: &Job, pipeline: &mut Pipeline) -> Stage {
    let mut texts = Texts {
        env: workflow.env.iter().chain(&job.env).cloned().collect(),
        ..Texts::default()
    };
    let name: String = texts.filled(&job.name, Into::Plain);
    let mut stage = Stage {
        job: job.id.clone(),
        needs: job.needs.clone(),
        condition: job.condition.clone(),
        name: name.chars().take(60).collect::<String>().trim().to_owned(),
        ..Stage::default()
    };
    machine(job, &mut stage);
    matrix(job, &mut stage);
    services(job, &mut texts, &mut stage);
    environment(job, &mut texts, &mut stage, pipeline);
    for (name, value) in &job.env {
        variable(name, value, &mut texts, &mut stage);
    }
    if let Some(uses) = &job.uses {
        stage.decide.push(format!(
            "the job calls the workflow {uses}; import that one too, and write its steps here"
        ));
    } else {
        pipeline.jobs += 1;
    }
    for step in &job.steps {
        pipeline.steps += usize::from(carried(step, job, &mut texts, &mut stage, pipeline));
    }
    for key in &job.others {
        stage.decide.push(format!(
            "`{key}` of the job has nothing that it would be here"
        ));
    }
    if stage.steps.is_empty() {
        let mut missing = Step {
            name: "Nothing was carried over".to_owned(),
            run: "exit 1".to_owned(),
            decide: Vec::new(),
        };
        missing.decide.push("what this stage does".to_owned());
        stage.steps.push(missing);
    }
    stage.decide.append(&mut texts.decide);
    for secret in texts.secrets {
        let known = stage.env.iter().any(|(name, _)| name == &secret);
        if !known {
            let id = Variable::Secret(secret_id(&secret));
            stage.env.push((secret.clone(), id));
        }
    }
    for (_, variable) in &stage.env {
        match variable {
            Variable::Secret(id) if !pipeline.secrets.contains(id) => {
                pipeline.secrets.push(id.clone());
            }
            Variable::Secret(_) | Variable::Plain(_) => {}
        }
    }
    let mut said = Vec::new();
    stage.decide.retain(|what| {
        let new = !said.contains(what);
        said.push(what.clone());
        new
    });
    stage
}

/// What the job runs on, and for how long.
fn machine(job: &Job, stage: &mut Stage) {
    match job.minutes.as_deref().map(str::parse::<f64>) {
        Some(Ok(minutes)) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "held between 5 and 2160"
            )]
            let whole = minutes.ceil().clamp(5.0, 2160.0) as u32;
            stage.timeout = Some(whole);
        }
        Some(Err(_)) => stage
            .decide
            .push("its time limit, which is an expression in the workflow".to_owned()),
        None => {}
    }
    let runner = job.runs_on.to_lowercase();
    let usual = [
        "ubuntu-latest",
        "ubuntu-22.04",
        "ubuntu-24.04",
        "ubuntu-20.04",
        "",
    ];
    if !usual.contains(&runner.as_str()) {
        let cores =
            |n: &str| runner.contains(&format!("{n}-core")) || runner.contains(&format!("{n}core"));
        stage.compute = match () {
            () if cores("16") || cores("32") => Some("xlarge"),
            () if cores("8") => Some("large"),
            () if cores("4") => Some("medium"),
            () => None,
        };
        let size = stage.compute.unwrap_or("small");
        stage.decide.push(format!(
            "it ran on {:?}; here it runs on Linux, {size}",
            job.runs_on
        ));
    }
    if let Some(image) = &job.container {
        stage.image = Some(image.clone());
        stage
            .decide
            .push("whether CodeBuild can pull the image of its container".to_owned());
    }
    if let Some(shell) = job
        .shell
        .as_deref()
        .filter(|shell| !matches!(*shell, "bash" | "sh"))
    {
        stage
            .decide
            .push(format!("its commands are written for {shell}"));
    }
    if job.may_fail {
        let what = "its failure does not stop the workflow (continue-on-error); here it does";
        stage.decide.push(what.to_owned());
    }
}

fn matrix(job: &Job, stage: &mut Stage) {
    for (key, values) in &job.matrix {
        match key.as_str() {
            "include" | "exclude" => stage.decide.push(format!(
                "the matrix's `{key}`, which a matrix here does not have: {values}"
            )),
            _ if values.is_array() => stage.matrix.push((key.clone(), list(Some(values)))),
            _ => {
                stage.matrix.push((key.clone(), vec!["one".to_owned()]));
                stage.decide.push(format!(
                    "the values of {key}, which the workflow computes: {values}"
                ));
            }
        }
    }
    stage.fail_fast = job.fail_fast;
}

fn services(job: &Job, texts: &mut Texts, stage: &mut Stage) {
    for (name, service) in &job.services {
        let image = service.get("image").and_then(said).unwrap_or_default();
        let mut env = Vec::new();
        for (name, value) in service
            .get("env")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let value = said(value).unwrap_or_default();
            if value.contains("${{") {
                stage.decide.push(format!(
                    "{name} of the service, which is {value}; a service gets no secrets, it lives as long as the build"
                ));
                env.push((name.clone(), "placeholder".to_owned()));
            } else {
                env.push((name.clone(), value));
            }
        }
        let ports = list(service.get("ports"));
        let inner = |port: &String| {
            let port = port.split('/').next().unwrap_or_default();
            port.rsplit(':').next().unwrap_or(port).to_owned()
        };
        for port in &ports {
            if port
                .split_once(':')
                .is_some_and(|(a, b)| a != b.split('/').next().unwrap_or(b))
            {
                stage.decide.push(format!(
                    "{name} is at {port} in the workflow; here a port has the same number outside"
                ));
            }
        }
        let options = service.get("options").and_then(said).unwrap_or_default();
        stage.services.push(Service {
            name: name.clone(),
            image: texts.filled(&image, Into::Plain),
            env,
            ports: ports.iter().map(inner).collect(),
            health: health(&options),
        });
    }
}

/// The command of `--health-cmd`.
fn health(options: &str) -> Option<String> {
    let after = options.split_once("--health-cmd")?.1;
    let after = after.trim_start_matches(['=', ' ']);
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
    let command = match quote {
        Some(quote) => after[1..].split(quote).next()?,
        None => after.split(" --").next()?,
    };
    Some(command.trim().to_owned()).filter(|command| !command.is_empty())
}

fn environment(job: &Job, texts: &mut Texts, stage: &mut Stage, pipeline: &mut Pipeline) {
    let Some((name, url)) = &job.environment else {
        return;
    };
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let plain: String = name.chars().map(kept).take(40).collect();
    let plain = plain.trim_matches('-').to_owned();
    if name.contains("${{") {
        let what = format!("the environment, which the workflow computes: {name}");
        stage.decide.push(what);
    }
    let plain = if plain.is_empty() {
        "environment".to_owned()
    } else {
        plain
    };
    stage.environment = Some(plain.clone());
    if pipeline
        .environments
        .iter()
        .any(|known| known.name == plain)
    {
        return;
    }
    let url = url.as_ref().map(|url| texts.filled(url, Into::Plain));
    pipeline.environments.push(Environment {
        protected: plain.contains("prod") || plain == "live",
        name: plain,
        url: url.filter(|url| !url.contains('$')),
        ..Environment::default()
    });
}

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
    texts.env.push((name.to_owned(), filled.clone()));
    let plain = filled.replace("${{ matrix.", "");
    if !plain.contains('$') && set(stage, Variable::Plain(filled.clone())) {
        return None;
    }
    Some(format!("export {name}=\"{}\"", filled.replace('"', "\\\"")))
}

/// Carries a step over; whether that needs nobody to write it anew.
fn carried(
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
