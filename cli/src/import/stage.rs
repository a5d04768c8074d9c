//! From a job to a stage.

use super::docker::Artifact;
use super::job::{environment, machine, matrix, services};
use super::order::Place;
use super::step::{carried, variable};
use super::text::{Into, Texts, secret_id};
use super::workflow::{Job, Workflow};

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
