//! What the builds of a project may do, read off the stages that it works for.
//! Nothing else is granted: a step that needs more names a secret or assumes its
//! environment's role, and both show in the definition.

use super::cfn::{allow, arn, filled, literal};
use super::folder;
use super::projects::Project;
use gatewright_domain::PipelineId;
use gatewright_domain::pipeline::{Artifact, CodeDeploy, Environment, Form, Variable};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The statements of the project's role.
pub(super) fn of(project: &Project<'_>) -> Vec<Value> {
    let mut statements = logs(project);
    statements.extend(reports(project));
    statements.extend(images(project));
    statements.extend(signatures(project));
    statements.extend(objects(project));
    statements.extend(project.environments.values().flat_map(|e| way_in(e)));
    statements.extend(codedeploy(project));
    statements.extend(secrets(project));
    statements
}

/// Whether the project reads or writes the bucket.
pub(super) fn use_the_bucket(project: &Project<'_>) -> bool {
    project.has_cache() || project.definition.artifacts.values().any(is_object)
}

/// Its own streams only: the log is evidence, and one build must not write
/// another's.
fn logs(project: &Project<'_>) -> Vec<Value> {
    let stream = format!(
        "log-group:${{BuildLogs}}:log-stream:{}/*",
        literal(&project.name)
    );
    vec![
        allow(
            &["logs:CreateLogStream"],
            vec![arn("logs", "log-group:${BuildLogs}:*")],
        ),
        allow(&["logs:PutLogEvents"], vec![arn("logs", &stream)]),
    ]
}

/// CodeBuild names a report's group after the project, and the buildspec goes on
/// with the pipeline.
fn reports(project: &Project<'_>) -> Option<Value> {
    let read_by_codebuild = project
        .builds
        .iter()
        .flat_map(|build| build.reports.values())
        .any(|report| report.format.in_buildspec().is_some());
    let groups = format!(
        "report-group/{}-{}-*",
        literal(&project.name),
        project.definition.id
    );
    let actions = [
        "codebuild:CreateReportGroup",
        "codebuild:CreateReport",
        "codebuild:UpdateReport",
        "codebuild:BatchPutTestCases",
        "codebuild:BatchPutCodeCoverages",
    ];
    read_by_codebuild.then(|| allow(&actions, vec![arn("codebuild", &groups)]))
}

/// Builds push to the repositories of this pipeline's own images; whatever works
/// in an environment only pulls. Images of other pipelines are only pulled.
fn images(project: &Project<'_>) -> Vec<Value> {
    let repositories = |wanted: &dyn Fn(&Artifact) -> bool| -> Vec<Value> {
        let names: BTreeSet<&str> = project
            .definition
            .artifacts
            .values()
            .filter(|artifact| wanted(artifact))
            .filter_map(Artifact::repository)
            .collect();
        let named = |name| arn("ecr", &format!("repository/{}", literal(name)));
        names.into_iter().map(named).collect()
    };
    let all = repositories(&|_| true);
    if all.is_empty() {
        return Vec::new();
    }
    let mut statements = vec![
        // ECR's log-in names no repository.
        allow(&["ecr:GetAuthorizationToken"], vec![json!("*")]),
        allow(
            &[
                "ecr:BatchGetImage",
                "ecr:DescribeImages",
                "ecr:GetDownloadUrlForLayer",
            ],
            all,
        ),
    ];
    let own = repositories(&|artifact| artifact.from.is_none());
    if project.makes && !own.is_empty() {
        let actions = [
            "ecr:BatchCheckLayerAvailability",
            "ecr:CompleteLayerUpload",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:StartImageScan",
            "ecr:UploadLayerPart",
        ];
        statements.push(allow(&actions, own));
    }
    statements
}

/// AWS Signer's plugin asks whether what an image was signed with was revoked. By
/// which profile, and of whose account, only the signature says; the trust policy
/// says which of them count.
fn signatures(project: &Project<'_>) -> Option<Value> {
    let asks = || allow(&["signer:GetRevocationStatus"], vec![json!("*")]);
    project.verifies.then(asks)
}

fn is_object(artifact: &Artifact) -> bool {
    match artifact.form {
        Form::Image { .. } => false,
        Form::Archive { .. } | Form::Plan { .. } | Form::Files { .. } => true,
    }
}

/// Artifacts that are no images, in the bucket: builds put this pipeline's, and
/// everything may get those that it deploys. What is got is known by its SHA-256,
/// so whoever could put another would gain nothing.
fn objects(project: &Project<'_>) -> Vec<Value> {
    let stored = |folder: &str| {
        filled(&format!(
            "arn:${{AWS::Partition}}:s3:::${{ArtifactsBucket}}/{folder}/*"
        ))
    };
    let id = &project.definition.id;
    let pipelines: BTreeSet<&PipelineId> = project
        .definition
        .artifacts
        .values()
        .filter(|artifact| is_object(artifact))
        .map(|artifact| artifact.from.as_ref().map_or(id, |from| &from.pipeline))
        .collect();
    let mut statements = Vec::new();
    if !pipelines.is_empty() {
        let folders = pipelines.iter().map(|id| stored(&folder(id)));
        statements.push(allow(&["s3:GetObject"], folders.collect()));
    }
    if project.makes && pipelines.contains(id) {
        let own = stored(&folder(id));
        statements.push(allow(&["s3:PutObject"], vec![own]));
    }
    if project.has_cache() {
        let cache = stored(&literal(&project.cache()));
        statements.push(allow(&["s3:GetObject", "s3:PutObject"], vec![cache]));
    }
    statements
}

/// The way into an environment. What the role may do inside the cluster, an EKS
/// access entry says (`infra/README.md`).
fn way_in(environment: &Environment) -> Vec<Value> {
    let mut statements = Vec::new();
    if let Some(cluster) = &environment.cluster {
        let cluster = arn("eks", &format!("cluster/{}", literal(cluster)));
        statements.push(allow(&["eks:DescribeCluster"], vec![cluster]));
    }
    if let Some(role) = &environment.role {
        let role = if role.starts_with("arn:") {
            whole(role)
        } else {
            let role = literal(role);
            format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{role}")
        };
        let role = filled(&role);
        statements.push(allow(&["sts:AssumeRole"], vec![role]));
    }
    statements
}

/// Deployments of the groups that its steps name. CodeDeploy wants to see the
/// configuration of a deployment; the group's own is not known here.
fn codedeploy(project: &Project<'_>) -> Vec<Value> {
    let steps = (project.builds.iter()).flat_map(|build| build.steps.iter().chain(&build.finally));
    let deploys: Vec<_> = steps.filter_map(|step| step.codedeploy.as_ref()).collect();
    if deploys.is_empty() {
        return Vec::new();
    }
    let resources = |named: &dyn Fn(&CodeDeploy) -> String| -> Vec<Value> {
        let names: BTreeSet<String> = deploys.iter().map(|deploy| named(deploy)).collect();
        names.iter().map(|name| arn("codedeploy", name)).collect()
    };
    let group = |d: &CodeDeploy| {
        let (application, group) = (literal(&d.application), literal(&d.group));
        format!("deploymentgroup:{application}/{group}")
    };
    let config = |d: &CodeDeploy| match &d.config {
        Some(config) => format!("deploymentconfig:{}", literal(config)),
        None => "deploymentconfig:*".to_owned(),
    };
    let groups = [
        "codedeploy:ContinueDeployment",
        "codedeploy:CreateDeployment",
        "codedeploy:GetDeployment",
        "codedeploy:GetDeploymentTarget",
        "codedeploy:ListDeploymentTargets",
        "codedeploy:ListDeployments",
        "codedeploy:StopDeployment",
    ];
    let applications = [
        "codedeploy:GetApplicationRevision",
        "codedeploy:RegisterApplicationRevision",
    ];
    vec![
        allow(&groups, resources(&group)),
        allow(
            &applications,
            resources(&|d| format!("application:{}", literal(&d.application))),
        ),
        allow(&["codedeploy:GetDeploymentConfig"], resources(&config)),
    ]
}

/// The secrets and parameters that its stages name. One that is encrypted with a
/// key of the customer's own needs this role in the key's policy.
fn secrets(project: &Project<'_>) -> Vec<Value> {
    let variables = || project.builds.iter().flat_map(|build| build.env.values());
    let secrets: BTreeSet<String> = variables()
        .filter_map(|variable| match variable {
            Variable::Secret { id } => Some(secret(id)),
            Variable::Plain { .. } | Variable::Parameter { .. } => None,
        })
        .collect();
    let parameters: BTreeSet<&str> = variables()
        .filter_map(|variable| match variable {
            Variable::Parameter { name } => Some(name.trim_start_matches('/')),
            Variable::Plain { .. } | Variable::Secret { .. } => None,
        })
        .collect();
    let mut statements = Vec::new();
    if !secrets.is_empty() {
        let secrets = secrets.iter().map(|secret| filled(secret)).collect();
        statements.push(allow(&["secretsmanager:GetSecretValue"], secrets));
    }
    if !parameters.is_empty() {
        let parameters = parameters
            .iter()
            .map(|name| arn("ssm", &format!("parameter/{}", literal(name))))
            .collect();
        statements.push(allow(&["ssm:GetParameters"], parameters));
    }
    statements
}

/// An ARN that the definition has written out, in whichever of AWS's partitions the
/// stack is.
fn whole(arn: &str) -> String {
    let arn = literal(arn);
    match arn.strip_prefix("arn:aws:") {
        Some(rest) => format!("arn:${{AWS::Partition}}:{rest}"),
        None => arn,
    }
}

/// How many of a secret's ARN's parts come before what CodeBuild takes out of it.
const ARN_PARTS: usize = 7;

/// A secret's ARN. Secrets Manager puts a hyphen and six characters of its own
/// behind the name: as many question marks, because a `*` would also let in every
/// secret whose name begins with this one's.
fn secret(id: &str) -> String {
    if id.starts_with("arn:") {
        let parts: Vec<&str> = id.splitn(ARN_PARTS + 1, ':').take(ARN_PARTS).collect();
        return whole(&parts.join(":"));
    }
    let name = id.split(':').next().unwrap_or(id);
    format!(
        "arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:{}-??????",
        literal(name)
    )
}

#[cfg(test)]
mod tests {
    use super::secret;

    #[test]
    fn a_secret_is_exactly_the_one_that_was_named() {
        let own = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:";
        assert_eq!(secret("snyk-token"), format!("{own}snyk-token-??????"));
        assert_eq!(secret("odoo/db:password"), format!("{own}odoo/db-??????"));
        assert_eq!(secret("*"), format!("{own}${{!*}}-??????"));
        let rest = "secretsmanager:ap-south-1:123456789012:secret:db-AbCdEf";
        let arn = format!("arn:aws:{rest}:password::");
        assert_eq!(secret(&arn), format!("arn:${{AWS::Partition}}:{rest}"));
    }
}
