#!/usr/bin/env python3
"""Holds the templates to what they promise; part of `make lint`.

cfn-lint knows CloudFormation's rules, this knows ours: who may do what, and that
nothing was forgotten when a function or a route was added. The core,
infra/template.yaml, is looked at as SAM leaves it, so that nothing which SAM adds
escapes; the pipelines' templates as they are. Those are made by a program, and
this shares no code with it: a second pair of eyes.

Prints what is wrong, a line each, and exits with 1; otherwise with 0.
"""

import json
import pathlib
import re
import sys

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

HERE = pathlib.Path(__file__).resolve().parent
MACHINES = HERE.parent / "statemachines"
PIPELINES = HERE / "pipelines"

# Statements that may say `Resource: "*"`: the role and its actions, and why.
ANY_RESOURCE = {
    ("AnswerTaskRole", "states:SendTaskSuccess"): "a task token names no resource",
    ("AnswerTaskRole", "states:SendTaskFailure"): "a task token names no resource",
    ("JudgeScanRole", "inspector2:ListCoverage"): "Inspector's lists know no resources",
    ("JudgeScanRole", "inspector2:ListFindings"): "Inspector's lists know no resources",
    ("SweepRole", "cloudwatch:GetMetricData"): "a metric is no resource",
    ("SweepRole", "cloudwatch:DescribeAlarms"): "composite alarms are described only to those who may describe all",
    ("SweepRole", "inspector2:ListCoverage"): "Inspector's lists know no resources",
    ("SweepRole", "inspector2:ListFindings"): "Inspector's lists know no resources",
}

# The same in a pipeline's template, where only actions are known beforehand.
ANY_RESOURCE_OF_PIPELINE = {
    "ecr:GetAuthorizationToken": "ECR's log-in names no repository",
    "signer:GetRevocationStatus": "which profile signed an image, only its signature says",
} | {
    f"logs:{action}": "Step Functions' log delivery knows no resources"
    for action in ("CreateLogDelivery", "DeleteLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies",
                   "GetLogDelivery", "ListLogDeliveries", "PutResourcePolicy", "UpdateLogDelivery")
}

# What a project's role may do at most, whatever its definition says.
BUILD_ACTIONS = {
    "logs:CreateLogStream", "logs:PutLogEvents",
    "codebuild:CreateReportGroup", "codebuild:CreateReport", "codebuild:UpdateReport",
    "codebuild:BatchPutTestCases", "codebuild:BatchPutCodeCoverages",
    "ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer",
    "s3:GetObject", "secretsmanager:GetSecretValue", "ssm:GetParameters", "signer:GetRevocationStatus",
}
PUSH_ACTIONS = {
    "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage",
    "ecr:StartImageScan", "ecr:UploadLayerPart",
}
WAY_IN_ACTIONS = {"eks:DescribeCluster", "sts:AssumeRole"} | {
    f"codedeploy:{action}" for action in ("ContinueDeployment", "CreateDeployment", "GetApplicationRevision", "GetDeployment",
                                          "GetDeploymentConfig", "GetDeploymentTarget", "ListDeploymentTargets",
                                          "ListDeployments", "RegisterApplicationRevision", "StopDeployment")
}

# Routes that anybody may call; what they do is decided by token or signature.
OPEN_ROUTES = {"GET /approve", "HEAD /approve", "POST /approve", "POST /slack/interactions",
               "GET /releases/{id}"}

# ECR's quota of images in one repository, unless it is raised.
IMAGES_A_REPOSITORY = 100_000

# The only partitions in which anything may be deleted.
DELETABLE = {"WAIT#*", "ENV#*"}

# A variable belongs to exactly the functions whose role has such an action.
VARIABLE_NEEDS = {
    "AWS_ENDPOINT_URL_CODEBUILD": "codebuild:",
    "AWS_ENDPOINT_URL_ECR": "ecr:",
    "AWS_ENDPOINT_URL_CODEPIPELINE": "codepipeline:",
    "GATEWRIGHT_TOPIC": "sns:Publish",
    "GATEWRIGHT_MACHINE_PREFIX": "states:StartExecution",
}
SECRET_VARIABLES = {"GATEWRIGHT_LINK_SECRET": "LinkSecret", "GATEWRIGHT_SLACK_SECRET": "SlackSecret",
                    "GATEWRIGHT_PAGERDUTY_SECRET": "PagerDutySecret"}

# What the core's policies and rules know machines by: never all of the account's.
OUR_MACHINES = "stateMachine:${MachinePrefix}"
TAGGED = {"StringEquals": {"ecr:ResourceTag/gatewright": "image-repository"}}

wrong: list[str] = []
about = ""


def check(right: bool, message: str) -> None:
    if not right:
        wrong.append(f"{about}: {message}")


def many(value) -> list:
    return value if isinstance(value, list) else [value]


def references(value) -> set[str]:
    """The logical ids that a value refers to, by Ref, GetAtt or Sub."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if isinstance(value, str):
        return set(re.findall(r"\$\{([A-Za-z0-9]+)", value))
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, inner in value.items():
        if key == "Ref":
            found.add(inner)
        elif key == "Fn::GetAtt":
            found.add(inner.split(".")[0] if isinstance(inner, str) else inner[0])
        else:
            found |= references(inner)
    return found


class Template:
    """A template as CloudFormation gets it."""

    def __init__(self, path: pathlib.Path):
        if path.suffix == ".json":
            self.whole = json.loads(path.read_text())
        else:
            session = boto3.Session(region_name="ap-south-1")  # SAM asks for a region, nothing is called
            source = yaml_parse(path.read_text())
            translated = Translator({}, Parser(), boto_session=session).translate(source, parameter_values={})
            # Plain JSON types, whatever the parser made.
            self.whole = json.loads(json.dumps(translated))
        self.resources = self.whole["Resources"]

    def of(self, kind: str) -> dict[str, dict]:
        """Logical id and properties of each resource of a type."""
        return {name: r.get("Properties", {}) for name, r in self.resources.items() if r["Type"] == kind}

    def statements(self, role: str) -> list[dict]:
        """All of a role's statements, those behind a condition too."""
        given = [statement for policy in self.of("AWS::IAM::Role")[role].get("Policies", [])
                 for statement in many(policy["PolicyDocument"]["Statement"])]
        branches = [branch for s in given for branch in (s["Fn::If"][1:] if "Fn::If" in s else [s])]
        return [s for s in branches if s != {"Ref": "AWS::NoValue"}]

    def actions(self, role: str) -> set[str]:
        return {action for statement in self.statements(role) for action in many(statement["Action"])}


def role_of(function: dict) -> str:
    return next(iter(references(function["Role"])))


def words(logical_id: str) -> str:
    """`StartBuild` -> `start-build`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", logical_id).lower()


def check_policies(template: Template) -> None:
    for role, properties in template.of("AWS::IAM::Role").items():
        check(not properties.get("ManagedPolicyArns"), f"{role} has a managed policy, which is wider than what it needs")
        for statement in template.statements(role):
            check(not {"NotAction", "NotResource"} & set(statement), f"{role}: say what is allowed, not what is not")
            for action in many(statement["Action"]):
                check("*" not in action, f"{role} may {action}: name the actions")
                if "*" in many(statement["Resource"]):
                    check((role, action) in ANY_RESOURCE, f"{role} may {action} on everything: name the resources")
                if action.startswith("ecr:"):
                    check(statement.get("Condition") == TAGGED, f"{role} may {action} on repositories that are not ours")
                if action.startswith("states:") and "SendTask" not in action:
                    check("${MachinePrefix}" in json.dumps(statement["Resource"]),
                          f"{role} may {action} on machines that are not ours")
                if action == "dynamodb:DeleteItem":
                    leading = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
                    check(bool(leading) and set(many(leading)) <= DELETABLE,
                          f"{role} may delete more than waits and queues: the record must stay")
                    check("ENV#*" not in many(leading or []) or {"ecr:BatchGetImage", "ecr:PutImage"} <= template.actions(role),
                          f"{role} hands environments on and may not tag what is deployed there: it could expire")
                check(action not in ("dynamodb:UpdateItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteTable"),
                      f"{role} may {action}: the store writes whole items in conditional transactions only")
        if role != "AnswerTaskRole":
            check(not any(a.startswith("states:SendTask") for a in template.actions(role)),
                  f"{role} may answer tasks: only answer-task may, because a token is as good as an approval")
        if role != "ClearDeployRole":
            check("ecr:BatchDeleteImage" not in template.actions(role),
                  f"{role} may delete images: only clear-deploy may, which takes tags away that are no longer needed")
    check({"states:SendTaskSuccess", "states:SendTaskFailure"} <= template.actions("AnswerTaskRole"),
          "answer-task may not answer tasks")


def check_functions(template: Template) -> None:
    groups, roles = template.of("AWS::Logs::LogGroup"), []
    for name, group in groups.items():
        check(group.get("RetentionInDays") == 365, f"{name} does not keep its logs for a year")
    for name, function in template.of("AWS::Lambda::Function").items():
        handler, role = words(name), role_of(function)
        roles.append(role)
        check(function["Handler"] == handler, f"{name}: the handler must be {handler}, the binary dispatches on it")
        check(function["FunctionName"] == {"Fn::Sub": "${AWS::StackName}-" + handler}, f"{name} is not named after its handler")
        group = next(iter(references(function.get("LoggingConfig", {}))), None)
        check(group in groups and groups[group]["LogGroupName"] == {"Fn::Sub": "/aws/lambda/${AWS::StackName}-" + handler},
              f"{name} has no log group of its own")
        may_log = [s["Resource"] for s in template.statements(role) if "logs:PutLogEvents" in many(s["Action"])]
        check([references(r) for r in may_log] == [{group}], f"{name} must be allowed to write to its own log group only")
        variables = set(function["Environment"]["Variables"])
        check({"GATEWRIGHT_TABLE", "GATEWRIGHT_ACCOUNT", "GATEWRIGHT_LOG"} <= variables, f"{name} lacks the common variables")
        for variable, prefix in VARIABLE_NEEDS.items():
            needed = any(action.startswith(prefix) for action in template.actions(role))
            check((variable in variables) == needed,
                  f"{name}: {variable} is {'missing, its role may' if needed else 'of no use, its role may not'} {prefix}")
        readable = {r for s in template.statements(role) if "secretsmanager:GetSecretValue" in many(s["Action"])
                    for r in references(s["Resource"])}
        given = {secret for variable, secret in SECRET_VARIABLES.items() if variable in variables}
        check(readable == given, f"{name} may read {sorted(readable)} and is told of {sorted(given)}")
    check(len(roles) == len(set(roles)), "two functions share a role")


def check_callers(template: Template) -> None:
    """Whatever calls a function may, and nobody else."""
    functions = template.of("AWS::Lambda::Function")
    allowed = set()
    for name, permission in template.of("AWS::Lambda::Permission").items():
        check(bool(permission.get("SourceArn")), f"{name} lets anybody's {permission['Principal']} in")
        allowed |= {(permission["Principal"], function, source) for function in references(permission["FunctionName"])
                    for source in references(permission.get("SourceArn", ""))}
    for name, rule in template.of("AWS::Events::Rule").items():
        check(bool(rule.get("Targets")), f"{name} has no target")
        for target in rule.get("Targets", []):
            for function in references(target["Arn"]):
                check(function in functions and ("events.amazonaws.com", function, name) in allowed,
                      f"{name} may not call {function}")
    integrations = {name: next(iter(references(i["IntegrationUri"]))) for name, i in template.of("AWS::ApiGatewayV2::Integration").items()}
    for name, function in integrations.items():
        check(("apigateway.amazonaws.com", function, "Api") in allowed, f"{name}: the API may not call {function}")
    for name, route in template.of("AWS::ApiGatewayV2::Route").items():
        key, signed = route["RouteKey"], route.get("AuthorizationType") == "AWS_IAM"
        check(bool(references(route["Target"]) & set(integrations)), f"{name} leads nowhere")
        check(signed != (key in OPEN_ROUTES), f"{key} must {'be open' if signed else 'take IAM'} (OPEN_ROUTES)")
    for name, source in template.of("AWS::Lambda::EventSourceMapping").items():
        for pattern in source["FilterCriteria"]["Filters"]:
            json.loads(pattern["Pattern"])
        check("ReportBatchItemFailures" in source.get("FunctionResponseTypes", []), f"{name} repeats a whole batch")
        check(0 <= source.get("MaximumRetryAttempts", -1) and bool(references(source.get("DestinationConfig", {}))),
              f"{name}: one bad record would hold up the stream for a day")
    check(len(template.of("AWS::Lambda::EventSourceMapping")) <= 3,
          "a DynamoDB stream serves two readers, and a third that has time")


def check_executions(template: Template) -> None:
    """What the core does with machines, it does with every pipeline's and with no other."""
    heard = [rule["EventPattern"]["detail"]["stateMachineArn"] for rule in template.of("AWS::Events::Rule").values()
             if "aws.states" in rule.get("EventPattern", {}).get("source", [])]
    check(len(heard) == 1 and OUR_MACHINES + '"' in json.dumps(heard), "finish-release does not hear of all executions that fail")
    described = [s["Resource"] for s in template.statements("SweepRole") if "states:DescribeExecution" in many(s["Action"])]
    check("execution:${MachinePrefix}*" in json.dumps(described), "sweep may not describe all executions")
    started = {s["Effect"]: json.dumps(s["Resource"]) for s in template.statements("StartReleaseRole")
               if "states:StartExecution" in many(s["Action"])}
    check(OUR_MACHINES + '*"' in started.get("Allow", ""), "start-release may not start every pipeline")
    check(OUR_MACHINES + '*.rollback"' in started.get("Deny", ""), "start-release may start rollbacks")


def check_bucket(template: Template) -> None:
    bucket = template.resources["Artifacts"]
    properties = bucket["Properties"]
    check(bucket.get("UpdateReplacePolicy") == "Retain" and bucket.get("DeletionPolicy", "").startswith("Retain"),
          "the artifacts would go with the stack")
    check(all(properties["PublicAccessBlockConfiguration"].values()) and len(properties["PublicAccessBlockConfiguration"]) == 4,
          "the bucket could be made public")
    check(properties["VersioningConfiguration"]["Status"] == "Enabled", "an artifact can be overwritten for good")
    check("BucketEncryption" in properties, "the bucket is not encrypted")
    expired = [rule for rule in properties["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in rule]
    check(all(rule.get("Prefix") == "cache/" for rule in expired), "artifacts expire")
    policy = json.dumps(template.of("AWS::S3::BucketPolicy"))
    check('"aws:SecureTransport": "false"' in policy and '"Effect": "Deny"' in policy, "the bucket answers without TLS")


def check_table(template: Template) -> None:
    table = template.resources["Table"]
    properties = table["Properties"]
    check(table.get("DeletionPolicy") == table.get("UpdateReplacePolicy") == "Retain", "the record would go with the stack")
    check(properties.get("DeletionProtectionEnabled") is True, "the record is not protected against deletion")
    check(properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True, "the record cannot be restored")
    check(properties["SSESpecification"]["SSEEnabled"] is True, "the record is not encrypted with a key in CloudTrail's sight")
    check("TimeToLiveSpecification" not in properties, "nothing of the record expires")
    log_format = template.of("AWS::ApiGatewayV2::Stage")["ApiStage"]["AccessLogSettings"]["Format"]
    check(not re.search(r"\$context\.(path|customDomain|.*[qQ]uery)", log_format), "the access log would hold personal tokens")


# -- Pipelines ----------------------------------------------------------------


def check_machines(template: Template, pipeline: str, core: Template) -> None:
    """Each compiled machine is deployed, gets what it names, and is called what the core expects."""
    names = {}
    for name, machine in template.of("AWS::StepFunctions::StateMachine").items():
        title = machine["StateMachineName"]["Fn::Sub"]
        check(title.startswith("${MachinePrefix}"), f"{name}: the core would not hear of {title}")
        compiled = MACHINES / f"{title.removeprefix('${MachinePrefix}')}.asl.json"
        names[compiled.name] = name
        logging = machine["LoggingConfiguration"]
        check(logging["Level"] == "ERROR" and logging["IncludeExecutionData"] is False,
              f"{name}: inputs and task tokens would be logged")
        given = set(machine["DefinitionSubstitutions"])
        role = next(iter(references(machine["RoleArn"])))
        invoked = {f for s in template.statements(role) if many(s["Action"]) == ["lambda:InvokeFunction"]
                   for f in references(s["Resource"])}
        check(invoked == given, f"{name} may call {sorted(invoked)}, not what it is given")
        named = set(re.findall(r"\$\{([A-Za-z0-9]+)\}", compiled.read_text())) if compiled.exists() else set()
        check(compiled.exists() and named <= given, f"{compiled.name} names {sorted(named)}, the template gives {sorted(given)}")
    expected = {path.name for path in MACHINES.glob("*.asl.json") if path.name.split(".")[0] == pipeline}
    check(expected == set(names), f"{sorted(expected)} are compiled, {sorted(names)} are deployed")
    handed = {"MachineBucket", "MachineKey", "RollbackKey"} | set(core.whole["Outputs"])
    for name, parameter in template.whole["Parameters"].items():
        check(name in handed or "Default" in parameter, f"nobody gives {name}: the core has no such output")


def check_projects(template: Template, pipeline: str) -> None:
    roles = []
    for name, project in template.of("AWS::CodeBuild::Project").items():
        role = next(iter(references(project["ServiceRole"])))
        roles.append(role)
        check(project["Name"].startswith("gatewright-"), f"{name}: start-build may start gatewright-* only")
        check("exit 1" in project["Source"]["BuildSpec"], f"{name} does something when a person starts it")
        actions = template.actions(role)
        pushes, enters = actions & (PUSH_ACTIONS | {"s3:PutObject"}), actions & WAY_IN_ACTIONS
        check(not actions - BUILD_ACTIONS - pushes - enters, f"{role} may {sorted(actions - BUILD_ACTIONS - pushes - enters)}")
        pushed = [s for s in template.statements(role) if "ecr:PutImage" in many(s["Action"])
                  or "s3:PutObject" in many(s["Action"]) and "/artifacts/" in json.dumps(s["Resource"])]
        check(not (enters and pushed), f"{role} can both make an artifact and bring it into an environment")
        for statement in template.statements(role):
            for resource in many(statement["Resource"]):
                text = resource["Fn::Sub"] if isinstance(resource, dict) and "Fn::Sub" in resource else json.dumps(resource)
                own = f"/{pipeline}/" in text or "/cache/" + project["Name"] in text
                check("PutObject" not in json.dumps(statement["Action"]) or own, f"{role} may put into {text}")
    check(len(roles) == len(set(roles)), "two projects share a role")


def check_repositories(template: Template) -> None:
    for name, resource in template.resources.items():
        if resource["Type"] != "AWS::ECR::Repository":
            continue
        properties = resource["Properties"]
        check(resource.get("UpdateReplacePolicy") == "Retain" and resource.get("DeletionPolicy", "").startswith("Retain"),
              f"{name}: what runs would go with the stack")
        check(properties["ImageTagMutability"] == "IMMUTABLE", f"{name}: a tag could come to mean another image")
        check(properties["ImageScanningConfiguration"]["ScanOnPush"] is False, f"{name}: a scan on push uses up the day's scan")
        check({"Key": "gatewright", "Value": "image-repository"} in properties.get("Tags", []), f"{name}: the core may not look at it")
        rules = json.loads(properties["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        patterns = [rule["selection"].get("tagPatternList") for rule in rules]
        check(patterns[:3] == [["v*"], ["released-*"], ["in-*"]], f"{name}: what was released or is deployed is not kept first")
        check(patterns[-1] == ["*"], f"{name}: builds do not expire, or something without a tag does, such as a signature")
        check(all(rule["selection"]["countNumber"] >= IMAGES_A_REPOSITORY for rule in rules[:-1]),
              f"{name}: what is to be kept for ever expires when there is enough of it")


def check_pipeline_policies(template: Template) -> None:
    for role, properties in template.of("AWS::IAM::Role").items():
        check(not properties.get("ManagedPolicyArns"), f"{role} has a managed policy, which is wider than what it needs")
        trust = json.dumps(properties["AssumeRolePolicyDocument"])
        check('"aws:SourceAccount"' in trust, f"{role}: a service could act as it for somebody else's resource")
        for statement in template.statements(role):
            check(not {"NotAction", "NotResource"} & set(statement), f"{role}: say what is allowed, not what is not")
            for action in many(statement["Action"]):
                check("*" not in action, f"{role} may {action}: name the actions")
                if "*" in many(statement["Resource"]):
                    check(action in ANY_RESOURCE_OF_PIPELINE, f"{role} may {action} on everything: name the resources")
                check(not action.startswith(("dynamodb:", "states:", "iam:", "codebuild:Start")),
                      f"{role} may {action}: only the core's functions may")
    for name, schedule in template.of("AWS::Scheduler::Schedule").items():
        role = next(iter(references(schedule["Target"]["RoleArn"])))
        check(references(schedule["Target"]["Arn"]) == {"StartRelease"}, f"{name} calls something else than start-release")
        check(template.actions(role) == {"lambda:InvokeFunction"}, f"{role} may do more than call start-release")


def check_shared_names(templates: dict[str, Template]) -> None:
    """No two pipelines have a thing of one name: the second stack could not be made."""
    owners: dict[tuple[str, str], str] = {}
    for pipeline, template in templates.items():
        for resource in template.resources.values():
            for key in ("RepositoryName", "Name", "StateMachineName", "LogGroupName"):
                name = json.dumps(resource["Properties"].get(key))
                owner = owners.setdefault((resource["Type"] + key, name), pipeline) if name != "null" else pipeline
                check(owner == pipeline, f"{pipeline} and {owner} both have {name} ({resource['Type']})")


def main() -> int:
    global about
    core = Template(HERE / "template.yaml")
    about = "template.yaml"
    for part in (check_policies, check_functions, check_callers, check_executions, check_table, check_bucket):
        part(core)
    templates = {path.name.removesuffix(".template.json"): Template(path)
                 for path in sorted(PIPELINES.glob("*.template.json"))}
    for pipeline, template in templates.items():
        about = f"pipelines/{pipeline}.template.json"
        check_machines(template, pipeline, core)
        check_projects(template, pipeline)
        check_repositories(template)
        check_pipeline_policies(template)
    about = "pipelines"
    check_shared_names(templates)
    about = "statemachines"
    for path in MACHINES.glob("*.asl.json"):
        check(path.name.split(".")[0] in templates, f"{path.name} is compiled and not deployed")
    for message in wrong:
        print(message, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
