//! Actions: what other people's steps become.

use super::docker::build_push;
use super::stage::{Pipeline, Stage, Step};
use super::step::{made, report, variable};
use super::text::{Into, Texts};
use super::workflow::{Job, Step as Theirs};

/// Actions that a build here does not need, and why.
const NOT_NEEDED: &[(&str, &str)] = &[
    ("docker/setup-buildx-action", "docker is there"),
    ("docker/setup-qemu-action", "docker is there"),
    (
        "docker/login-action",
        "images go to Amazon ECR with the build's own rights",
    ),
    ("docker/metadata-action", "images are named by their commit"),
    (
        "aws-actions/amazon-ecr-login",
        "images go to Amazon ECR with the build's own rights",
    ),
    ("azure/setup-kubectl", "kubectl is there"),
    (
        "step-security/harden-runner",
        "the build's rights are its role's",
    ),
];

/// Actions that set up a language: its runtime, and the input with its version.
const RUNTIMES: &[(&str, &str, &str)] = &[
    ("actions/setup-python", "python", "python-version"),
    ("actions/setup-node", "nodejs", "node-version"),
    ("actions/setup-java", "java", "java-version"),
    ("actions/setup-go", "golang", "go-version"),
    ("actions/setup-dotnet", "dotnet", "dotnet-version"),
    ("ruby/setup-ruby", "ruby", "ruby-version"),
    ("shivammathur/setup-php", "php", "php-version"),
];

/// Where package managers keep what they fetched.
const CACHES: &[(&str, &str)] = &[
    ("npm", "/root/.npm/**/*"),
    ("yarn", "/root/.cache/yarn/**/*"),
    ("pnpm", "/root/.local/share/pnpm/store/**/*"),
    ("pip", "/root/.cache/pip/**/*"),
    ("maven", "/root/.m2/**/*"),
    ("gradle", "/root/.gradle/caches/**/*"),
];

/// Carries an action over; whether that needs nobody to write it anew.
pub fn carried(
    step: &Theirs,
    job: &Job,
    texts: &mut Texts,
    stage: &mut Stage,
    pipeline: &mut Pipeline,
) -> bool {
    let uses = step.uses.clone().unwrap_or_default();
    let action = uses.split('@').next().unwrap_or_default().to_lowercase();
    if action == "actions/checkout" {
        return true;
    }
    if let Some((_, why)) = NOT_NEEDED.iter().find(|(known, _)| *known == action) {
        stage.dropped.push(format!("{action} ({why})"));
        return true;
    }
    if let Some((_, runtime, input)) = RUNTIMES.iter().find(|(known, _, _)| *known == action) {
        set_up(step, runtime, input, texts, stage);
        return true;
    }
    match action.as_str() {
        "docker/build-push-action" => build_push(step, job, texts, stage, pipeline),
        "aws-actions/configure-aws-credentials" => credentials(step, texts, stage, pipeline),
        "actions/cache" => {
            let paths = step.input("path").unwrap_or_default();
            let paths = paths.lines().map(str::trim).filter(|path| !path.is_empty());
            stage.cache.extend(
                paths.map(|path| {
                    format!("{}/**/*", path.replace('~', "/root").trim_end_matches('/'))
                }),
            );
        }
        "actions/upload-artifact" => upload(step, texts, stage),
        "codecov/codecov-action" => {
            let file = step.input("files").or_else(|| step.input("file"));
            let file = file.unwrap_or_else(|| "coverage.xml".to_owned());
            for file in file.split(',') {
                report(stage, "coverage", file.trim(), "cobertura");
            }
            stage
                .dropped
                .push(format!("{action} (the report is read here)"));
        }
        "github/codeql-action/upload-sarif" => {
            let file = step
                .input("sarif_file")
                .unwrap_or_else(|| "results.sarif".to_owned());
            report(stage, "findings", &file, "sarif");
            stage
                .dropped
                .push(format!("{action} (the report is read here)"));
        }
        "slackapi/slack-github-action" | "8398a7/action-slack" | "rtcamp/action-slack-notify" => {
            pipeline.slack = true;
            stage.dropped.push(format!("{action} (`notify` below)"));
        }
        "aquasecurity/trivy-action" => trivy(step, job, texts, stage),
        _ if action.starts_with("snyk/actions") => snyk(step, &action, job, texts, stage),
        _ if action.starts_with("sonarsource/") => sonar(step, job, texts, stage),
        _ => {
            unknown(step, &uses, texts, stage);
            return false;
        }
    }
    true
}

fn set_up(step: &Theirs, runtime: &str, input: &str, texts: &mut Texts, stage: &mut Stage) {
    match step.input(input) {
        Some(version) if version.contains("${{") && !version.contains("matrix.") => {
            let version = texts.filled(&version, Into::Plain);
            stage
                .decide
                .push(format!("the version of {runtime}: {version}"));
            stage
                .runtimes
                .push((runtime.to_owned(), "latest".to_owned()));
        }
        Some(version) => {
            let version = texts.filled(&version, Into::Plain);
            let version = version.trim_end_matches(".x").to_owned();
            stage.runtimes.push((runtime.to_owned(), version));
        }
        None => {
            stage.decide.push(format!("the version of {runtime}"));
            stage
                .runtimes
                .push((runtime.to_owned(), "latest".to_owned()));
        }
    }
    if let Some(manager) = step.input("cache") {
        let known = CACHES.iter().find(|(name, _)| *name == manager);
        stage
            .cache
            .extend(known.map(|(_, files)| (*files).to_owned()));
    }
}

fn credentials(step: &Theirs, texts: &mut Texts, stage: &mut Stage, pipeline: &mut Pipeline) {
    if let Some(region) = step.input("aws-region") {
        let region = texts.filled(&region, Into::Plain);
        if !region.contains('$') {
            pipeline.region.get_or_insert(region);
        }
    }
    let why = "a build has its project's role and no keys";
    stage
        .dropped
        .push(format!("aws-actions/configure-aws-credentials ({why})"));
    let role = step.input("role-to-assume");
    let mut known = pipeline.environments.iter_mut();
    let here = known.find(|e| Some(&e.name) == stage.environment.as_ref());
    if let (Some(role), Some(environment)) = (role, here) {
        if role.contains("${{") {
            environment.decide.push(format!(
                "the role that deploys assume, {role} in the workflow"
            ));
        } else {
            environment.role = Some(role);
        }
    }
}

fn upload(step: &Theirs, texts: &mut Texts, stage: &mut Stage) {
    let paths = step.input("path").unwrap_or_default();
    let paths = texts.filled(&paths, Into::Plain);
    let mut others = Vec::new();
    for path in paths.lines().map(str::trim).filter(|path| !path.is_empty()) {
        let lower = path.to_lowercase();
        let is = |word: &str| lower.contains(word);
        if lower.ends_with(".sarif") {
            report(stage, "findings", path, "sarif");
        } else if lower.ends_with(".xml") && (is("cov") || is("cobertura")) {
            report(stage, "coverage", path, "cobertura");
        } else if lower.ends_with(".xml") && (is("junit") || is("test") || is("report")) {
            report(stage, "tests", path, "junit");
        } else {
            others.push(path.to_owned());
        }
    }
    if !others.is_empty() {
        stage.decide.push(format!(
            "the workflow keeps {} for people to download; here only reports in junit, cobertura or sarif are kept",
            others.join(", ")
        ));
    }
}

/// Where the images of this pipeline are, for commands that look at one.
fn image(text: &str, texts: &mut Texts) -> String {
    let image = texts.filled(text, Into::Shell);
    let known = |name: &str| texts.known(name);
    let mut resolved = image;
    // The registry is Amazon's here, whatever the workflow's was.
    for (name, value) in texts.env.clone() {
        if value.contains('.') && !value.contains('/') {
            resolved = resolved.replace(&format!("${name}/"), "$ECR_REGISTRY/");
        } else if let Some(value) = known(&name).filter(|value| !value.contains('$')) {
            resolved = resolved.replace(&format!("${name}/"), &format!("{value}/"));
        }
    }
    resolved.replace(":$COMMIT_SHA", ":$IMAGE_TAG")
}

fn trivy(step: &Theirs, job: &Job, texts: &mut Texts, stage: &mut Stage) {
    let kind = step
        .input("scan-type")
        .unwrap_or_else(|| "image".to_owned());
    let target = match step.input("image-ref") {
        Some(image_ref) => image(&image_ref, texts),
        None => step.input("scan-ref").unwrap_or_else(|| ".".to_owned()),
    };
    let mut run = format!("trivy {kind}");
    for (input, flag) in [
        ("format", "--format"),
        ("output", "--output"),
        ("severity", "--severity"),
        ("exit-code", "--exit-code"),
    ] {
        if let Some(value) = step.input(input) {
            run.push_str(&format!(" {flag} {value}"));
        }
    }
    if step.input("ignore-unfixed").as_deref() == Some("true") {
        run.push_str(" --ignore-unfixed");
    }
    run.push_str(&format!(" \"{target}\""));
    let mut step_made = made(step, &run, job, texts, stage);
    step_made
        .decide
        .push("how trivy gets into the build: install a version that you choose".to_owned());
    stage.steps.push(step_made);
    if let (Some("sarif"), Some(file)) = (step.input("format").as_deref(), step.input("output")) {
        report(stage, "findings", &file, "sarif");
    }
}

fn snyk(step: &Theirs, action: &str, job: &Job, texts: &mut Texts, stage: &mut Stage) {
    let arguments = step.input("args").unwrap_or_default();
    let command = step.input("command");
    let run = match step.input("image") {
        Some(name) if action.ends_with("docker") => {
            let image = image(&name, texts);
            format!("snyk container test \"{image}\" {arguments}")
        }
        _ => format!("snyk {} {arguments}", command.as_deref().unwrap_or("test")),
    };
    let mut step_made = made(step, run.trim_end(), job, texts, stage);
    step_made
        .decide
        .push("how snyk gets into the build: install a version that you choose".to_owned());
    stage.steps.push(step_made);
}

fn sonar(step: &Theirs, job: &Job, texts: &mut Texts, stage: &mut Stage) {
    let arguments = step.input("args").unwrap_or_default();
    let arguments = arguments.split_whitespace().collect::<Vec<_>>().join(" ");
    let run = format!("sonar-scanner -Dsonar.qualitygate.wait=true {arguments}");
    // GitHub's token is for comments on pull requests.
    let step = Theirs {
        env: step
            .env
            .iter()
            .filter(|(name, _)| name != "GITHUB_TOKEN")
            .cloned()
            .collect(),
        ..step.clone()
    };
    let mut step_made = made(&step, run.trim_end(), job, texts, stage);
    step_made.decide.push(
        "how sonar-scanner gets into the build, and whether its quality gate is to stop a release"
            .to_owned(),
    );
    stage.steps.push(step_made);
}

/// An action that we do not know: its place is kept, and it fails.
fn unknown(step: &Theirs, uses: &str, texts: &mut Texts, stage: &mut Stage) {
    for (name, value) in &step.env {
        variable(name, value, texts, stage);
    }
    let with: Vec<String> = step
        .with
        .keys()
        .map(|key| format!("{key}: {}", step.input(key).unwrap_or_default().trim()))
        .collect();
    let with = if with.is_empty() {
        String::new()
    } else {
        format!(", with {}", with.join("; ").replace('\n', " "))
    };
    stage.steps.push(Step {
        name: step.title(),
        run: "exit 1".to_owned(),
        decide: vec![format!("the commands that do what {uses} did{with}")],
    });
}
