//! What a job says besides its steps.

use super::stage::{Environment, Pipeline, Service, Stage};
use super::text::{Into, Texts};
use super::workflow::{Job, list, said};
use serde_json::Value;

/// What the job runs on, and for how long.
pub fn machine(job: &Job, stage: &mut Stage) {
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

/// Its matrix.
pub fn matrix(job: &Job, stage: &mut Stage) {
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

/// Its services.
pub fn services(job: &Job, texts: &mut Texts, stage: &mut Stage) {
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

/// Its environment.
pub fn environment(job: &Job, texts: &mut Texts, stage: &mut Stage, pipeline: &mut Pipeline) {
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
