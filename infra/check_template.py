#!/usr/bin/env python3
"""Holds infra/template.yaml to what its comments promise; part of `make lint`.

cfn-lint knows CloudFormation's rules, this knows ours: who may do what, and that
nothing was forgotten when a function, a route or a pipeline was added. It looks
at what SAM makes of the template, so that nothing which SAM adds escapes it.

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

# Statements that may say `Resource: "*"`: the role and its actions, and why.
ANY_RESOURCE = {
    ("AnswerTaskRole", "states:SendTaskSuccess"): "a task token names no resource",
    ("AnswerTaskRole", "states:SendTaskFailure"): "a task token names no resource",
    ("JudgeScanRole", "inspector2:ListCoverage"): "Inspector's lists know no resources",
    ("JudgeScanRole", "inspector2:ListFindings"): "Inspector's lists know no resources",
    ("SweepRole", "inspector2:ListCoverage"): "Inspector's lists know no resources",
    ("SweepRole", "inspector2:ListFindings"): "Inspector's lists know no resources",
    ("BuildRole", "ecr:GetAuthorizationToken"): "ECR's log-in names no repository",
    ("DeployStagingRole", "ecr:GetAuthorizationToken"): "ECR's log-in names no repository",
    ("DeployProductionRole", "ecr:GetAuthorizationToken"): "ECR's log-in names no repository",
} | {
    ("PlGps001Role", f"logs:{action}"): "Step Functions' log delivery knows no resources"
    for action in ("CreateLogDelivery", "DeleteLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies",
                   "GetLogDelivery", "ListLogDeliveries", "PutResourcePolicy", "UpdateLogDelivery")
}

# Routes that anybody may call; what they do is decided by token or signature.
OPEN_ROUTES = {"GET /approve", "HEAD /approve", "POST /approve", "POST /slack/interactions",
               "GET /releases/{id}"}

# The only partitions in which anything may be deleted.
DELETABLE = {"WAIT#*", "ENV#*"}

# A variable belongs to exactly the functions whose role has such an action.
VARIABLE_NEEDS = {
    "AWS_ENDPOINT_URL_CODEBUILD": "codebuild:",
    "AWS_ENDPOINT_URL_ECR": "ecr:",
    "GATEWRIGHT_TOPIC": "sns:Publish",
}
SECRET_VARIABLES = {"GATEWRIGHT_LINK_SECRET": "LinkSecret", "GATEWRIGHT_SLACK_SECRET": "SlackSecret"}

wrong: list[str] = []


def check(right: bool, message: str) -> None:
    if not right:
        wrong.append(message)


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
    """The template as CloudFormation gets it."""

    def __init__(self, path: pathlib.Path):
        text = path.read_text()
        self.substitutions = {
            name: set(resource["Properties"]["DefinitionSubstitutions"])
            for name, resource in yaml_parse(text)["Resources"].items()
            if resource["Type"] == "AWS::Serverless::StateMachine"}
        session = boto3.Session(region_name="ap-south-1")  # SAM asks for a region, nothing is called
        translated = Translator({}, Parser(), boto_session=session).translate(yaml_parse(text), parameter_values={})
        # Plain JSON types, whatever the parser made.
        self.resources = json.loads(json.dumps(translated))["Resources"]

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
                if action == "dynamodb:DeleteItem":
                    leading = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
                    check(bool(leading) and set(many(leading)) <= DELETABLE,
                          f"{role} may delete more than waits and queues: the record must stay")
                check(action not in ("dynamodb:UpdateItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteTable"),
                      f"{role} may {action}: the store writes whole items in conditional transactions only")
        if role != "AnswerTaskRole":
            check(not any(a.startswith("states:SendTask") for a in template.actions(role)),
                  f"{role} may answer tasks: only answer-task may, because a token is as good as an approval")
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
    check(len(template.of("AWS::Lambda::EventSourceMapping")) <= 2, "a DynamoDB stream serves two readers")


def check_machines(template: Template) -> None:
    """Each compiled machine is deployed, watched, and gets exactly what it names."""
    machines = template.of("AWS::StepFunctions::StateMachine")
    ended = {reference for rule in template.of("AWS::Events::Rule").values()
             if "aws.states" in rule.get("EventPattern", {}).get("source", [])
             for reference in references(rule["EventPattern"]["detail"]["stateMachineArn"])}
    described = [s["Resource"] for s in template.statements("SweepRole") if "states:DescribeExecution" in many(s["Action"])]
    for name, machine in machines.items():
        pipeline = machine["StateMachineName"]["Fn::Sub"].removeprefix("${MachinePrefix}")
        check(name in ended, f"{pipeline}: finish-release does not hear of executions that fail")
        check(f"execution:${{MachinePrefix}}{pipeline}:*" in json.dumps(described), f"{pipeline}: sweep may not describe executions")
        logging = machine.get("LoggingConfiguration", {})
        check(logging.get("Level") == "ERROR" and logging.get("IncludeExecutionData") is False,
              f"{pipeline}: inputs and task tokens would be logged")
        invoked = {f for s in template.statements(f"{name}Role") if many(s["Action"]) == ["lambda:InvokeFunction"]
                   for f in references(s["Resource"])}
        check(invoked == template.substitutions[name], f"{pipeline} may call {sorted(invoked)}, not what it is given")
        compiled = MACHINES / f"{pipeline}.asl.json"
        if compiled.exists():
            named = set(re.findall(r"\$\{([A-Za-z0-9]+)\}", compiled.read_text()))
            check(named == template.substitutions[name],
                  f"{compiled.name} names {sorted(named)}, the template gives {sorted(template.substitutions[name])}")
    deployed = {m["StateMachineName"]["Fn::Sub"].removeprefix("${MachinePrefix}") for m in machines.values()}
    for path in MACHINES.glob("*.asl.json"):
        check(path.name.removesuffix(".asl.json") in deployed, f"{path.name} is compiled and not deployed")


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


def main() -> int:
    template = Template(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "template.yaml")
    for part in (check_policies, check_functions, check_callers, check_machines, check_table):
        part(template)
    for message in wrong:
        print(f"template.yaml: {message}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
