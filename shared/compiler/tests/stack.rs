//! The template of a pipeline's stack: what it holds, and what must hold of every
//! one.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{read, read_directory, stack};
use gatewright_domain::pipeline::{Definition, Trigger, Work};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const YAML: &str = include_str!("../../../pipelines/pl-gps-001.yaml");
const APPROVERS: &str = include_str!("../../../pipelines/approvers.yaml");

fn definition() -> Definition {
    let directory = read_directory("approvers.yaml", APPROVERS).unwrap();
    read("pl-gps-001.yaml", YAML, Some(&directory))
        .unwrap_or_else(|d| panic!("{d}"))
        .definition
}

/// A definition with everything that shows in a template: the longest id, artifacts
/// of several forms, of this pipeline and of others, services, caches, secrets,
/// schedules.
fn everything() -> Definition {
    let mut all = definition();
    all.id = "P".repeat(60).parse().unwrap();
    let artifacts = json!({
        "image": { "form": { "kind": "image", "repository": "gps" }, "version": "semver", "keep": 20, "signed": true },
        "module": { "form": { "kind": "archive", "path": "m.zip" }, "keep": 5 },
        "base": { "form": { "kind": "image", "repository": "team/base" }, "keep": 5,
                  "from": { "pipeline": "PL-CONTAINER-IMG", "artifact": "base" } },
        "plan": { "form": { "kind": "plan", "path": "tfplan" }, "keep": 5,
                  "from": { "pipeline": "PL-IAC", "artifact": "plan" } },
    });
    all.artifacts = serde_json::from_value(artifacts).unwrap();
    let schedule = |name: &str, cron: &str| -> Trigger {
        let event = json!({
            "kind": "schedule", "cron": cron, "time_zone": "Asia/Dhaka", "branch": "main",
        });
        serde_json::from_value(json!({ "name": name, "stages": [], "event": event })).unwrap()
    };
    all.triggers = vec![
        schedule("nightly", "0 0 * * *"),
        schedule("each Monday and each first", "30 6 1 * mon"),
    ];
    let production = all.environments.last_mut().unwrap().1;
    production.role = Some("arn:aws:iam::210987654321:role/deploys".to_owned());
    let id = all.id.clone();
    for stage in &mut all.stages {
        let own = stage.environment.as_ref();
        let end = own.map(|e| format!("-{e}")).unwrap_or_default();
        let build = match &mut stage.work {
            Work::Build(build) => build,
            Work::Deploy(deploy) => &mut deploy.build,
            Work::Approval(_) | Work::Watch(_) | Work::Pause(_) => continue,
        };
        build.project = format!("gatewright-{id}{end}");
        build.cache = vec!["/root/.cache/pip/**/*".to_owned()];
        let secret = json!({ "from": "secret", "id": format!("tokens{end}:key") });
        let parameter = json!({ "from": "parameter", "name": format!("/urls{end}") });
        for (name, variable) in [("TOKEN", secret), ("URL", parameter)] {
            let variable = serde_json::from_value(variable).unwrap();
            build.env.insert(name.to_owned(), variable);
        }
    }
    all
}

/// The resources of a type, by logical id.
fn of<'t>(template: &'t Value, kind: &str) -> Vec<(&'t str, &'t Value)> {
    let resources = template["Resources"].as_object().unwrap();
    resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect()
}

/// The statements of a role as lines, `actions on resources`.
fn rights(template: &Value, role: &str) -> Vec<String> {
    let policy = &template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"];
    let words = |value: &Value| -> String {
        let all = value.as_array().unwrap().iter();
        let text = |v: &Value| {
            let text = v.as_str().or(v["Fn::Sub"].as_str());
            text.map_or_else(|| v.to_string(), str::to_owned)
        };
        let common = "${AWS::Region}:${AWS::AccountId}:";
        all.map(text)
            .collect::<Vec<_>>()
            .join(" ")
            .replace(common, "")
    };
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements
        .map(|s| format!("{} on {}", words(&s["Action"]), words(&s["Resource"])))
        .map(|line| {
            line.replace("arn:${AWS::Partition}:", "")
                .replace(&"P".repeat(60), "P60")
        })
        .collect()
}

#[test]
fn the_committed_template_is_what_the_definition_compiles_to() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../infra/pipelines/pl-gps-001.template.json"
    );
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let compiled = stack::to_json(&stack::template(&definition()));
    assert!(
        compiled == committed,
        "infra/pipelines/pl-gps-001.template.json is out of date: run gatewright compile"
    );
}

#[test]
fn a_pipelines_stack_holds_what_only_it_needs() {
    let template = stack::template(&definition());
    let resources = template["Resources"].as_object().unwrap();
    let kinds: Vec<String> = resources
        .iter()
        .filter(|(name, _)| !name.starts_with("Role") && !name.starts_with("Project"))
        .map(|(name, resource)| format!("{name} {}", resource["Type"].as_str().unwrap()))
        .collect();
    insta::assert_snapshot!(kinds.join("\n"), @r#"
MachineRole AWS::IAM::Role
Machine AWS::StepFunctions::StateMachine
MachineLogs AWS::Logs::LogGroup
RollbackMachine AWS::StepFunctions::StateMachine
RollbackMachineLogs AWS::Logs::LogGroup
RepositoryGpsIngestionService AWS::ECR::Repository
"#);
    insta::assert_snapshot!(template["Resources"]["RepositoryGpsIngestionService"], @r#"
{"Type":"AWS::ECR::Repository","Condition":"CreatesImageRepositories","DeletionPolicy":"RetainExceptOnCreate","UpdateReplacePolicy":"Retain","Properties":{"RepositoryName":"gps-ingestion-service","ImageTagMutability":"IMMUTABLE","ImageScanningConfiguration":{"ScanOnPush":false},"LifecyclePolicy":{"LifecyclePolicyText":"{\"rules\":[{\"rulePriority\":1,\"description\":\"keep what was released\",\"selection\":{\"tagStatus\":\"tagged\",\"tagPatternList\":[\"v*\"],\"countType\":\"imageCountMoreThan\",\"countNumber\":100000},\"action\":{\"type\":\"expire\"}},{\"rulePriority\":2,\"description\":\"keep what went to a protected environment\",\"selection\":{\"tagStatus\":\"tagged\",\"tagPatternList\":[\"released-*\"],\"countType\":\"imageCountMoreThan\",\"countNumber\":100000},\"action\":{\"type\":\"expire\"}},{\"rulePriority\":3,\"description\":\"keep what environments go back to\",\"selection\":{\"tagStatus\":\"tagged\",\"tagPatternList\":[\"in-*\"],\"countType\":\"imageCountMoreThan\",\"countNumber\":100000},\"action\":{\"type\":\"expire\"}},{\"rulePriority\":4,\"description\":\"keep the last 20\",\"selection\":{\"tagStatus\":\"tagged\",\"tagPatternList\":[\"*\"],\"countType\":\"imageCountMoreThan\",\"countNumber\":20},\"action\":{\"type\":\"expire\"}}]}"},"Tags":[{"Key":"gatewright","Value":"image-repository"}]}}
"#);
}

#[test]
fn builds_may_do_what_their_stages_need_and_nothing_else() {
    let template = stack::template(&everything());
    let mut told = Vec::new();
    for role in ["RoleBuilds", "RoleStaging", "RoleProduction"] {
        told.push(format!("{role}:"));
        told.extend(rights(&template, role));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
RoleBuilds:
logs:CreateLogStream on logs:log-group:${BuildLogs}:*
logs:PutLogEvents on logs:log-group:${BuildLogs}:log-stream:gatewright-P60/*
codebuild:CreateReportGroup codebuild:CreateReport codebuild:UpdateReport codebuild:BatchPutTestCases codebuild:BatchPutCodeCoverages on codebuild:report-group/gatewright-P60-P60-*
ecr:GetAuthorizationToken on *
ecr:BatchGetImage ecr:DescribeImages ecr:GetDownloadUrlForLayer on ecr:repository/gps ecr:repository/team/base
ecr:BatchCheckLayerAvailability ecr:CompleteLayerUpload ecr:InitiateLayerUpload ecr:PutImage ecr:StartImageScan ecr:UploadLayerPart on ecr:repository/gps
s3:GetObject on s3:::${ArtifactsBucket}/artifacts/PL-IAC/* s3:::${ArtifactsBucket}/artifacts/P60/*
s3:PutObject on s3:::${ArtifactsBucket}/artifacts/P60/*
s3:GetObject s3:PutObject on s3:::${ArtifactsBucket}/cache/gatewright-P60/*
secretsmanager:GetSecretValue on secretsmanager:secret:tokens-??????
ssm:GetParameters on ssm:parameter/urls
RoleStaging:
logs:CreateLogStream on logs:log-group:${BuildLogs}:*
logs:PutLogEvents on logs:log-group:${BuildLogs}:log-stream:gatewright-P60-staging/*
codebuild:CreateReportGroup codebuild:CreateReport codebuild:UpdateReport codebuild:BatchPutTestCases codebuild:BatchPutCodeCoverages on codebuild:report-group/gatewright-P60-staging-P60-*
ecr:GetAuthorizationToken on *
ecr:BatchGetImage ecr:DescribeImages ecr:GetDownloadUrlForLayer on ecr:repository/gps ecr:repository/team/base
signer:GetRevocationStatus on *
s3:GetObject on s3:::${ArtifactsBucket}/artifacts/PL-IAC/* s3:::${ArtifactsBucket}/artifacts/P60/*
s3:GetObject s3:PutObject on s3:::${ArtifactsBucket}/cache/gatewright-P60-staging/*
eks:DescribeCluster on eks:cluster/staging-eks-cluster
secretsmanager:GetSecretValue on secretsmanager:secret:tokens-staging-??????
ssm:GetParameters on ssm:parameter/urls-staging
RoleProduction:
logs:CreateLogStream on logs:log-group:${BuildLogs}:*
logs:PutLogEvents on logs:log-group:${BuildLogs}:log-stream:gatewright-P60-production/*
ecr:GetAuthorizationToken on *
ecr:BatchGetImage ecr:DescribeImages ecr:GetDownloadUrlForLayer on ecr:repository/gps ecr:repository/team/base
signer:GetRevocationStatus on *
s3:GetObject on s3:::${ArtifactsBucket}/artifacts/PL-IAC/* s3:::${ArtifactsBucket}/artifacts/P60/*
s3:GetObject s3:PutObject on s3:::${ArtifactsBucket}/cache/gatewright-P60-production/*
eks:DescribeCluster on eks:cluster/production-eks-cluster
sts:AssumeRole on iam::210987654321:role/deploys
secretsmanager:GetSecretValue on secretsmanager:secret:tokens-production-??????
ssm:GetParameters on ssm:parameter/urls-production
"#);
}

#[test]
fn builds_deploy_through_codedeploy_to_the_groups_that_their_steps_name() {
    let text = include_str!("../../../tests/definitions/accepted/codedeploy.yaml");
    let read = read("codedeploy.yaml", text, None).unwrap_or_else(|d| panic!("{d}"));
    let template = stack::template(&read.definition);
    let codedeploy = |role| -> Vec<String> {
        let all = rights(&template, role).into_iter();
        all.filter(|line| line.contains("codedeploy")).collect()
    };
    assert_eq!(codedeploy("RoleBuilds"), Vec::<String>::new());
    insta::assert_snapshot!(codedeploy("RoleStaging").join("\n"), @r#"
codedeploy:ContinueDeployment codedeploy:CreateDeployment codedeploy:GetDeployment codedeploy:GetDeploymentTarget codedeploy:ListDeploymentTargets codedeploy:ListDeployments codedeploy:StopDeployment on codedeploy:deploymentgroup:shop-worker/staging+blue codedeploy:deploymentgroup:shop/staging
codedeploy:GetApplicationRevision codedeploy:RegisterApplicationRevision on codedeploy:application:shop codedeploy:application:shop-worker
codedeploy:GetDeploymentConfig on codedeploy:deploymentconfig:* codedeploy:deploymentconfig:CodeDeployDefault.ECSAllAtOnce codedeploy:deploymentconfig:CodeDeployDefault.ECSCanary10Percent5Minutes
"#);
}

#[test]
fn only_documented_actions_are_allowed_on_everything() {
    for definition in [definition(), everything()] {
        let template = stack::template(&definition);
        for (name, _) in of(&template, "AWS::IAM::Role") {
            for line in rights(&template, name) {
                let (actions, resources) = line.split_once(" on ").unwrap();
                let known = ["ecr:GetAuthorizationToken", "signer:GetRevocationStatus"]
                    .contains(&actions)
                    || actions.split(' ').all(|action| action.starts_with("logs:"));
                assert!(resources != "*" || known, "{name}: {line}");
                assert!(!actions.contains('*'), "{name}: {line}");
            }
        }
    }
}

#[test]
fn everything_fits_aws() {
    let template = stack::template(&everything());
    let longest = |kind: &str, property: &str, most: usize| {
        for (name, properties) in of(&template, kind) {
            let value = &properties[property];
            let text = value.as_str().or(value["Fn::Sub"].as_str()).unwrap();
            let length = text.replace("${MachinePrefix}", "gatewright-").len();
            assert!(length <= most, "{name}: {text} has {length} characters");
        }
    };
    longest("AWS::StepFunctions::StateMachine", "StateMachineName", 80);
    longest("AWS::CodeBuild::Project", "Name", 150);
    longest("AWS::Scheduler::Schedule", "Name", 64);
    longest("AWS::Logs::LogGroup", "LogGroupName", 512);
    let resources = template["Resources"].as_object().unwrap();
    let alphanumeric = |name: &&String| name.chars().all(|c| c.is_ascii_alphanumeric());
    assert_eq!(resources.keys().find(|name| !alphanumeric(name)), None);
    // CloudFormation's limit for templates, and IAM's for a role's inline policies.
    assert!(stack::to_json(&template).len() < 1_000_000);
    for (name, role) in of(&template, "AWS::IAM::Role") {
        assert!(role["Policies"].to_string().len() < 10_240, "{name}");
    }
}

#[test]
fn a_schedule_is_the_crontab_line_in_its_time_zone() {
    let template = stack::template(&everything());
    let told: Vec<String> = of(&template, "AWS::Scheduler::Schedule")
        .into_iter()
        .map(|(name, p)| {
            assert_eq!(p["ScheduleExpressionTimezone"], "Asia/Dhaka");
            let input: Value =
                serde_json::from_str(p["Target"]["Input"].as_str().unwrap()).unwrap();
            assert_eq!(input["at"], "<aws.scheduler.scheduled-time>");
            format!("{name} {} {}", p["ScheduleExpression"], input["schedule"])
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
ScheduleNightly "cron(0 0 * * ? *)" "nightly"
ScheduleEachMondayAndEachFirst "cron(30 6 1 * ? *)" "each Monday and each first"
ScheduleEachMondayAndEachFirstAlso "cron(30 6 ? * MON *)" "each Monday and each first"
"#);
    let caller = rights(&template, "SchedulesRole");
    assert_eq!(
        caller,
        ["lambda:InvokeFunction on {\"Ref\":\"StartRelease\"}"]
    );
}

#[test]
fn only_builds_that_make_images_or_have_servers_are_privileged() {
    let privileged = |definition: &Definition| -> Vec<String> {
        let template = stack::template(definition);
        of(&template, "AWS::CodeBuild::Project")
            .into_iter()
            .filter(|(_, p)| p["Environment"]["PrivilegedMode"] == true)
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    let mut all = everything();
    assert_eq!(privileged(&all), ["ProjectBuilds"]);
    all.artifacts.shift_remove("image");
    assert_eq!(privileged(&all), Vec::<String>::new());
    let service = serde_json::from_value(json!({ "image": "postgres:16" })).unwrap();
    if let Work::Build(build) = &mut all.stages[1].work {
        build.services.insert("postgres".to_owned(), service);
    }
    assert_eq!(privileged(&all), ["ProjectBuilds"]);
}

#[test]
fn every_reference_is_to_something_that_is_there() {
    for definition in [definition(), everything()] {
        let template = stack::template(&definition);
        let known = |section: &str| -> BTreeSet<String> {
            let all = template[section].as_object();
            all.into_iter()
                .flat_map(|all| all.keys().cloned())
                .collect()
        };
        let mut there = known("Parameters");
        there.extend(known("Resources"));
        let mut used = BTreeSet::new();
        references(&template["Resources"], &mut used);
        references(&template["Outputs"], &mut used);
        references(&template["Conditions"], &mut used);
        used.retain(|name| !name.starts_with("AWS::") && !name.starts_with('!'));
        assert_eq!(used.difference(&there).next(), None);
        let parameters = known("Parameters");
        assert_eq!(parameters.difference(&used).next(), None, "of no use");
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|value| references(value, found)),
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("Ref", Value::String(name)) => drop(found.insert(name.clone())),
                    ("Fn::GetAtt", Value::Array(path)) => {
                        found.insert(path[0].as_str().unwrap().to_owned());
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        let parts = text.split("${").skip(1);
                        found.extend(parts.filter_map(|p| Some(p.split_once('}')?.0.to_owned())));
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
