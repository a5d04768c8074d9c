//! Images: what `docker/build-push-action` and its like become.

use super::stage::{Pipeline, Stage, Step};
use super::text::{Into, Texts};
use super::workflow::{Job, Step as Theirs};

/// An artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub name: String,
    pub repository: String,
    pub semver: bool,
    pub decide: Vec<String>,
}

/// What images need before they are pushed.
const LOGIN: &str = "aws ecr get-login-password --region \"$AWS_REGION\" | docker login --username AWS --password-stdin \"$ECR_REGISTRY\"";

/// Builds and pushes an image, named by its commit.
pub fn build_push(
    step: &Theirs,
    job: &Job,
    texts: &mut Texts,
    stage: &mut Stage,
    pipeline: &mut Pipeline,
) {
    let mut decide = Vec::new();
    let images = images(step, job, texts);
    let context = step.input("context").unwrap_or_else(|| ".".to_owned());
    let context = texts.filled(&context, Into::Shell);
    let mut command = "docker build".to_owned();
    if let Some(file) = step.input("file") {
        command.push_str(&format!(" -f {}", texts.filled(&file, Into::Shell)));
    }
    if let Some(target) = step.input("target") {
        command.push_str(&format!(" --target {}", texts.filled(&target, Into::Shell)));
    }
    for argument in step.input("build-args").iter().flat_map(|all| all.lines()) {
        let argument = texts.filled(argument.trim(), Into::Shell);
        command.push_str(&format!(" --build-arg \"{argument}\""));
    }
    for key in ["platforms", "secrets", "outputs", "ssh"] {
        if let Some(value) = step.input(key) {
            decide.push(format!("`{key}: {}` of the action", value.trim()));
        }
    }
    if step.input("push").as_deref() == Some("false") {
        let run = format!("{command} -t local {context}");
        stage.steps.push(Step {
            name: step.title(),
            run,
            decide,
        });
        return;
    }
    if step.input("push").is_some_and(|push| push.contains("${{")) {
        decide.push("the workflow pushes only sometimes; here every build is pushed under its commit, and only routes that deploy use it".to_owned());
    }
    let (repository, known) = repository(images.as_deref(), texts);
    let semver = metadata(job).any(|m| m.input("tags").is_some_and(|t| t.contains("type=semver")));
    let name = pipeline.declare(stage, &repository, semver, known);
    let image = format!("\"$ECR_REGISTRY/{repository}:$IMAGE_TAG\"");
    let run = format!(
        "{command} -t {image} {context}\n\
         # Tags are immutable: a commit that was pushed before keeps its image.\n\
         aws ecr describe-images --repository-name \"{repository}\" --image-ids imageTag=\"$IMAGE_TAG\" > /dev/null 2>&1 || docker push {image}"
    );
    if !stage.install.iter().any(|command| command == LOGIN) {
        stage.install.push(LOGIN.to_owned());
    }
    stage.produces = Some(name);
    stage.steps.push(Step {
        name: step.title(),
        run,
        decide,
    });
}

fn metadata(job: &Job) -> impl Iterator<Item = &Theirs> {
    let is = |step: &&Theirs| {
        let uses = step.uses.as_deref();
        uses.is_some_and(|uses| uses.starts_with("docker/metadata-action"))
    };
    job.steps.iter().filter(is)
}

/// What the image is called: by its tags, or by the metadata that they come from.
fn images(step: &Theirs, job: &Job, texts: &mut Texts) -> Option<String> {
    let tags = step.input("tags").unwrap_or_default();
    let named = metadata(job).find(|m| {
        let id = m.id.as_deref();
        id.is_some_and(|id| tags.contains(&format!("steps.{id}.outputs")))
    });
    let images = match named {
        Some(metadata) => metadata.input("images")?,
        None => tags,
    };
    let first = images
        .split(['\n', ','])
        .map(str::trim)
        .find(|i| !i.is_empty())?;
    Some(texts.filled(first, Into::Plain))
}

/// The repository in a registry, and whether the workflow said it.
fn repository(image: Option<&str>, texts: &mut Texts) -> (String, bool) {
    let image = image.unwrap_or_default();
    let (host, rest) = image.split_once('/').unwrap_or(("", image));
    let is_host = host.contains(['.', ':', '$']) && !host.contains("matrix.");
    let path = if is_host { rest } else { image };
    let path = match path
        .rfind(':')
        .filter(|colon| !path[*colon..].contains('/'))
    {
        Some(colon) => &path[..colon],
        None => path,
    };
    let plain = path.replace("${{ matrix.", "");
    if path.is_empty() || plain.contains('$') {
        texts.decide.clear();
        return ("app".to_owned(), false);
    }
    (path.to_lowercase(), true)
}

impl Pipeline {
    /// Declares the image that a stage pushes to `repository`, one for each leg of
    /// its matrix; how the stage names what it produces.
    fn declare(
        &mut self,
        stage: &mut Stage,
        repository: &str,
        semver: bool,
        known: bool,
    ) -> String {
        let ask = || {
            let what = "the repository in Amazon ECR".to_owned();
            if known { Vec::new() } else { vec![what] }
        };
        let leg = stage
            .matrix
            .iter()
            .find(|(key, _)| repository.contains(&format!("${{{{ matrix.{key} }}}}")));
        let Some((key, values)) = leg else {
            if !stage.matrix.is_empty() {
                let what = "every leg of the matrix pushes the same image: which one is it?";
                stage.decide.push(what.to_owned());
            }
            let last = repository.rsplit('/').next().unwrap_or("image");
            let taken = self.artifacts.iter().any(|a| a.name == "image");
            let name = if taken {
                last.to_owned()
            } else {
                "image".to_owned()
            };
            self.put(&name, repository, semver, ask());
            return name;
        };
        let mark = format!("${{{{ matrix.{key} }}}}");
        for value in values.clone() {
            let repository = repository.replace(&mark, &value.to_lowercase());
            self.put(&value, &repository, semver, ask());
        }
        mark
    }

    fn put(&mut self, name: &str, repository: &str, semver: bool, decide: Vec<String>) {
        if !self.artifacts.iter().any(|known| known.name == name) {
            self.artifacts.push(Artifact {
                name: name.to_owned(),
                repository: repository.to_owned(),
                semver,
                decide,
            });
        }
    }

    /// An image that commands push: which one they do not say in a way that we
    /// know.
    pub fn image_of_commands(&mut self, stage: &mut Stage) {
        let name = self.declare(stage, "app", false, false);
        let what = "push to \"$ECR_REGISTRY/<repository>:$IMAGE_TAG\", so that the image is found by its commit";
        stage.decide.push(what.to_owned());
        stage.produces = Some(name);
        if !stage.install.iter().any(|command| command == LOGIN) {
            stage.install.push(LOGIN.to_owned());
        }
    }
}
