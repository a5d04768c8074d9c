#!/usr/bin/env python3
"""Deploys Gatewright: uploads the code, shows what would change, changes it.

    deploy.py --zip target/lambda/release.zip                       # to AWS
    deploy.py --zip … --endpoint-url http://127.0.0.1:4566 --yes      # to the laptop

What is uploaded is named by its content, so an upload never changes what runs;
what changes is one CloudFormation change set, which is shown before it is made
and which CloudFormation rolls back as a whole when a part of it fails. Running
it again without a change changes nothing.

Parameters of the template that are not given keep the value that the stack has,
or their default in a new stack.

Exit codes:
  0  deployed, or there was nothing to change
  1  the deployment failed; CloudFormation rolled it back
  2  wrong arguments, or a file that is missing or not what it should be
  3  AWS could not be reached or refused
  4  the stack is busy, or in a state that a person must resolve first
  5  not confirmed
  6  not done within --wait-seconds; CloudFormation goes on
"""

import argparse
import collections
import contextlib
import hashlib
import json
import pathlib
import sys
import textwrap
import time
import uuid
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

FAILED, USAGE, REFUSED, STUCK, UNCONFIRMED, LATE = 1, 2, 3, 4, 5, 6

HERE = pathlib.Path(__file__).resolve().parent
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]

# What the template's parameters for uploaded things are called.
BUCKET_PARAMETER, CODE_PARAMETER = "CodeBucket", "CodeKey"

VERBS = {"Add": "create", "Modify": "change", "Remove": "delete", "Import": "import", "Dynamic": "perhaps change"}


class Stop(Exception):
    """An end with a message and an exit code."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


def say(text: str = "") -> None:
    """For people; stdout is for the outputs."""
    print(text, file=sys.stderr, flush=True)


# -- What is asked ------------------------------------------------------------


def arguments(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Deploys Gatewright with CloudFormation, to AWS or to the laptop's emulator.",
        epilog=__doc__[__doc__.index("Exit codes:"):],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", default="gatewright", help="the stack's name (default: %(default)s)")
    parser.add_argument("--region", default="ap-south-1", help="(default: %(default)s)")
    parser.add_argument("--zip", required=True, type=pathlib.Path, help="zip with the functions' bootstrap")
    parser.add_argument("--machines", type=pathlib.Path, default=HERE.parent / "statemachines", metavar="FOLDER",
                        help="compiled state machines, <pipeline>.asl.json (default: statemachines/)")
    parser.add_argument("--template", type=pathlib.Path, default=HERE / "template.yaml",
                        help="(default: infra/template.yaml)")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", type=parameter,
                        help="a parameter of the template; may be repeated")
    parser.add_argument("--bucket", metavar="NAME",
                        help="for code; created when missing (default: gatewright-code-<account>-<region>)")
    parser.add_argument("--endpoint-url", metavar="URL", help="the emulator, instead of AWS")
    parser.add_argument("--connection", type=pathlib.Path, metavar="FILE",
                        help="write where the stack is to this file, for the gatewright command")
    parser.add_argument("--yes", action="store_true", help="do not ask before changing anything")
    parser.add_argument("--json", action="store_true", help="print stack, outcome and outputs as JSON")
    parser.add_argument("--quiet", action="store_true", help="tell only how it ended")
    parser.add_argument("--wait-seconds", type=int, default=1800, metavar="N",
                        help="how long to wait for CloudFormation (default: %(default)s)")
    return parser.parse_args(argv)


def parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def machine_parameter(pipeline: str) -> str:
    """`pl-gps-001` -> `MachinePlGps001Key`, the template's name for its S3 key."""
    words = pipeline.replace(".", "-").replace("_", "-").split("-")
    return "Machine" + "".join(word[:1].upper() + word[1:] for word in words) + "Key"


def read_code(path: pathlib.Path) -> bytes:
    """The zip, once it is known to be one that Lambda could run."""
    try:
        with zipfile.ZipFile(path) as code:
            mode = code.getinfo("bootstrap").external_attr >> 16
    except FileNotFoundError:
        raise Stop(USAGE, f"{path} is missing. Build it first: make build") from None
    except (zipfile.BadZipFile, KeyError) as error:
        raise Stop(USAGE, f"{path} is no zip with a file `bootstrap` at its root: {error}") from None
    if not mode & 0o111:
        raise Stop(USAGE, f"{path}: `bootstrap` is not executable, and Lambda would not start it")
    return path.read_bytes()


def read_machines(folder: pathlib.Path) -> dict[str, bytes]:
    """The compiled state machines by pipeline."""
    machines = {}
    for path in sorted(folder.glob("*.asl.json")):
        body = path.read_bytes()
        try:
            json.loads(body)
        except ValueError as error:
            raise Stop(USAGE, f"{path} is not JSON: {error}") from None
        machines[path.name.removesuffix(".asl.json")] = body
    if not machines:
        raise Stop(USAGE, f"no *.asl.json in {folder}. Compile the pipelines first: gatewright compile")
    return machines


# -- What is uploaded ---------------------------------------------------------


class Uploads:
    """A private, versioned, encrypted bucket; every key holds its content's hash."""

    def __init__(self, s3, bucket: str, account: str, region: str, on_aws: bool):
        self.s3, self.bucket, self.account, self.region, self.on_aws = s3, bucket, account, region, on_aws

    def prepare(self) -> None:
        try:
            # The owner is checked: bucket names are global, and somebody else may
            # have taken ours to hand us their code.
            self.s3.head_bucket(Bucket=self.bucket, ExpectedBucketOwner=self.account)
            return
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 403:
                raise Stop(REFUSED, f"bucket {self.bucket} is not yours to use (another account's, or no permission). "
                                    "Name another with --bucket") from None
            if status != 404:
                raise
        say(f"creating bucket {self.bucket}")
        where = {} if self.region == "us-east-1" else {
            "CreateBucketConfiguration": {"LocationConstraint": self.region}}
        self.s3.create_bucket(Bucket=self.bucket, **where)
        self.s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration={
            "BlockPublicAcls": True, "IgnorePublicAcls": True,
            "BlockPublicPolicy": True, "RestrictPublicBuckets": True})
        self.s3.put_bucket_encryption(Bucket=self.bucket, ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def put(self, folder: str, body: bytes, ending: str) -> str:
        """Uploads once; gives the key."""
        key = f"{folder}/{hashlib.sha256(body).hexdigest()}{ending}"
        try:
            self.s3.head_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=self.account)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            say(f"uploading {key} ({len(body):,} bytes)")
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ExpectedBucketOwner=self.account)
        return key

    def url(self, key: str) -> str:
        if not self.on_aws:
            return f"{self.s3.meta.endpoint_url}/{self.bucket}/{key}"
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"https://{self.bucket}.s3.{self.region}.{domain}/{key}"


# -- What is changed ----------------------------------------------------------


class Deployment:
    """One change of one stack."""

    def __init__(self, cloudformation, stack: str, template_url: str, wait: int, pause: float, quiet: bool):
        self.cfn, self.stack, self.template_url, self.quiet = cloudformation, stack, template_url, quiet
        self.deadline, self.pause = time.monotonic() + wait, pause
        self.existing: dict | None = None
        self.id = self.change_set = self.newest_event = ""

    def wait(self) -> None:
        if time.monotonic() > self.deadline:
            raise Stop(LATE, f"{self.stack} is not done yet; CloudFormation goes on without this script")
        time.sleep(self.pause)

    def describe(self, name: str) -> dict | None:
        try:
            return self.cfn.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise

    def look(self, ask) -> None:
        """Finds out what is there, and whether it can be changed."""
        self.existing = self.describe(self.stack)
        status = self.existing["StackStatus"] if self.existing else None
        if status == "ROLLBACK_COMPLETE":
            say(f"{self.stack} is left over from a first deployment that failed, and holds nothing.")
            ask(f"Delete what is left of {self.stack}?")
            self.cfn.delete_stack(StackName=self.existing["StackId"])
            while (left := self.describe(self.existing["StackId"])) and left["StackStatus"] != "DELETE_COMPLETE":
                if left["StackStatus"] == "DELETE_FAILED":
                    raise Stop(STUCK, f"the remains of {self.stack} cannot be deleted: {left.get('StackStatusReason')}")
                self.wait()
            self.existing = None
        elif status == "REVIEW_IN_PROGRESS":  # an earlier change set that nobody executed
            self.existing = None
        elif status and status.endswith("_IN_PROGRESS"):
            raise Stop(STUCK, f"{self.stack} is busy ({status}). Try again when it is done")
        elif status and status.endswith("_FAILED"):
            raise Stop(STUCK, f"{self.stack} is {status}: {self.existing.get('StackStatusReason', 'no reason given')}. "
                              "A person must resolve that first (infra/README.md, when it is stuck)")

    def parameters(self, given: dict[str, str]) -> list[dict]:
        """All parameters of the template, given or kept."""
        declared = {p["ParameterKey"] for p in
                    self.cfn.get_template_summary(TemplateURL=self.template_url).get("Parameters", [])}
        for name in sorted(set(given) - declared):
            if name.startswith("Machine") and name.endswith("Key"):
                raise Stop(USAGE, f"the template has no parameter {name} for a compiled state machine. "
                                  "Add its machine to infra/template.yaml (see `State machines` there)")
            raise Stop(USAGE, f"the template has no parameter {name}. It has: {', '.join(sorted(declared))}")
        kept = {p["ParameterKey"] for p in (self.existing or {}).get("Parameters", [])} & declared - set(given)
        return ([{"ParameterKey": k, "ParameterValue": v} for k, v in sorted(given.items())]
                + [{"ParameterKey": k, "UsePreviousValue": True} for k in sorted(kept)])

    def propose(self, parameters: list[dict]) -> list[dict] | None:
        """Makes the change set; gives its changes, or None when there are none."""
        kind = {"ChangeSetType": "UPDATE"} if self.existing else {
            # A first deployment that fails leaves nothing.
            "ChangeSetType": "CREATE", "OnStackFailure": "DELETE"}
        try:
            made = self.cfn.create_change_set(
                StackName=self.stack, ChangeSetName=f"deploy-{uuid.uuid4().hex[:12]}", TemplateURL=self.template_url,
                Parameters=parameters, Capabilities=CAPABILITIES, **kind)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise Stop(USAGE, error.response["Error"]["Message"]) from None
        self.id, self.change_set = made["StackId"], made["Id"]
        while True:
            seen = self.cfn.describe_change_set(ChangeSetName=self.change_set)
            if seen["Status"] == "CREATE_COMPLETE":
                break
            if seen["Status"] == "FAILED":
                self.withdraw()
                reason = seen.get("StatusReason", "")
                if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                    return None
                raise Stop(USAGE, f"CloudFormation does not accept the template or its parameters: {reason}")
            self.wait()
        changes = list(seen["Changes"])
        while token := seen.get("NextToken"):
            seen = self.cfn.describe_change_set(ChangeSetName=self.change_set, NextToken=token)
            changes += seen["Changes"]
        return [c["ResourceChange"] for c in changes if c.get("ResourceChange")]

    def withdraw(self) -> None:
        """Leaves everything as it was."""
        with contextlib.suppress(ClientError):
            self.cfn.delete_change_set(ChangeSetName=self.change_set)
            if not self.existing:  # the empty stack that a first change set brings
                self.cfn.delete_stack(StackName=self.id)

    def execute(self) -> None:
        """Makes the change, tells of it as it goes, and says why when it failed."""
        self.new_events()  # what is there already is another deployment's
        self.cfn.execute_change_set(ChangeSetName=self.change_set)
        failures: list[str] = []
        kept: list[str] = []
        grace = 10
        while True:
            # Status first: an event before it cannot be missed by the look after it.
            stack = self.describe(self.id)
            status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
            for event in self.new_events():
                line, outcome = tell(event), event["ResourceStatus"]
                if outcome.endswith("_FAILED"):
                    # What was merely cut short by another's failure explains nothing.
                    failures += [line] if "ancelled" not in event.get("ResourceStatusReason", "") else []
                elif outcome == "DELETE_SKIPPED":
                    kept.append(f"{event['LogicalResourceId']}: {event.get('PhysicalResourceId')}")
                if not (self.quiet or outcome.endswith("_IN_PROGRESS")):
                    say(line)
            if status in ("CREATE_FAILED", "ROLLBACK_COMPLETE") and not self.existing and grace:
                grace -= 1  # OnStackFailure=DELETE is about to take it away
            elif not status.endswith("_IN_PROGRESS"):
                break
            self.wait()
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        say()
        state = "is as it was before" if self.existing else "nothing of it is left"
        message = [f"{self.stack} was not deployed and {state} ({status}). What failed:"]
        if status.endswith("_FAILED"):
            message = [f"{self.stack} was not deployed, and rolling back failed too ({status}). What failed:"]
        message += failures or [f"  {stack.get('StackStatusReason', 'no reason given') if stack else 'no reason given'}"]
        if kept:
            message += ["Kept, because the template says so:", *(f"  {name}" for name in kept)]
        raise Stop(FAILED if not status.endswith("_FAILED") else STUCK, "\n".join(message))

    def new_events(self) -> list[dict]:
        """The events since the last call, oldest first."""
        new, newest = [], self.newest_event
        for page in self.cfn.get_paginator("describe_stack_events").paginate(StackName=self.id):
            for event in page["StackEvents"]:
                if event["EventId"] == newest:
                    return new[::-1]
                if not new:
                    self.newest_event = event["EventId"]
                new.append(event)
        return new[::-1]


def tell(event: dict) -> str:
    reason = event.get("ResourceStatusReason", "")
    return (f"  {event['ResourceStatus']:<28} {event['LogicalResourceId']} ({event['ResourceType']})"
            + (f": {reason}" if reason else ""))


def describe_changes(changes: list[dict]) -> list[str]:
    """A change set in words, what destroys first."""
    if all(change["Action"] == "Add" for change in changes):  # a new stack: the kinds say enough
        kinds = collections.Counter(change["ResourceType"] for change in changes)
        return [f"  create {count:>3} {kind}" for kind, count in sorted(kinds.items())]
    lines, followers = [], []
    for change in changes:
        if follows(change):
            followers.append(change["LogicalResourceId"])
        else:
            lines.append(describe_change(change))
    text = [line for _, line in sorted(lines)]
    if followers:
        text += textwrap.wrap(f"{len(followers)} refer to these and change only if what they refer to is replaced: "
                              + ", ".join(sorted(followers)), 100, initial_indent="  ", subsequent_indent="    ")
    permissions = sum(c["ResourceType"].startswith("AWS::IAM::") or "Polic" in c["ResourceType"]
                      for c in changes if not follows(c))
    if permissions:
        text.append(f"  {permissions} of these change who may do what")
    return text


def follows(change: dict) -> bool:
    """Whether it is listed only because it refers to an attribute of one that changes."""
    details = change.get("Details", [])
    return change["Action"] == "Modify" and bool(details) and all(d.get("Evaluation") == "Dynamic" for d in details)


def describe_change(change: dict) -> tuple[int, str]:
    """How much a change destroys (less is more), and the change in words."""
    what, weight = VERBS.get(change["Action"], change["Action"]), 3
    if change["Action"] == "Remove":
        kept = change.get("PolicyAction") == "Retain"
        what, weight = ("keep unmanaged", 2) if kept else ("DELETE", 0)
    elif change.get("Replacement") == "True":
        what, weight = "REPLACE", 0
    elif change.get("Replacement") == "Conditional":
        what, weight = "perhaps REPLACE", 1
    targets = {d["Target"].get("Name") or d["Target"].get("Attribute") for d in change.get("Details", []) if d.get("Target")}
    properties = ", ".join(sorted(filter(None, targets))) if change["Action"] == "Modify" else ""
    line = f"  {what:<16} {change['LogicalResourceId']} ({change['ResourceType']})"
    return weight, line + (f": {properties}" if properties else "")


def confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise Stop(UNCONFIRMED, "nobody to ask: give --yes to go ahead")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Stop(UNCONFIRMED, "nothing was changed")


# -- All of it ----------------------------------------------------------------


def deploy(args: argparse.Namespace) -> dict:
    """Deploys; gives the stack's name, what happened, and the outputs."""
    started = time.monotonic()
    code, machines = read_code(args.zip), read_machines(args.machines)
    try:
        template = args.template.read_bytes()
    except OSError as error:
        raise Stop(USAGE, f"{args.template}: {error.strerror}") from None

    session = boto3.Session(region_name=args.region)
    # The emulator's host names resolve nowhere, so the bucket goes into the path.
    config = Config(retries={"mode": "standard", "max_attempts": 5},
                    s3={"addressing_style": "path" if args.endpoint_url else "virtual"})

    def client(service):
        return session.client(service, endpoint_url=args.endpoint_url, config=config)

    account = client("sts").get_caller_identity()["Account"]
    bucket = args.bucket or f"gatewright-code-{account}-{args.region}"
    where = args.endpoint_url or f"account {account}, {args.region}"
    uploads = Uploads(client("s3"), bucket, account, args.region, on_aws=not args.endpoint_url)
    uploads.prepare()
    given = {BUCKET_PARAMETER: bucket, CODE_PARAMETER: uploads.put("code", code, ".zip")}
    for pipeline, body in machines.items():
        given[machine_parameter(pipeline)] = uploads.put(f"machines/{pipeline}", body, ".json")
    given |= dict(args.parameter)
    template_url = uploads.url(uploads.put("templates", template, args.template.suffix))

    deployment = Deployment(client("cloudformation"), args.stack, template_url, args.wait_seconds,
                            pause=0.1 if args.endpoint_url else 3, quiet=args.quiet)
    deployment.look(ask=(lambda _: None) if args.yes else confirm)
    changes = deployment.propose(deployment.parameters(given))
    if changes is None:
        say(f"{args.stack} in {where}: nothing to change")
    else:
        if not (args.quiet and args.yes):
            say(f"{args.stack} in {where}, {len(changes)} changes:")
            for line in describe_changes(changes):
                say(line)
        try:
            if not args.yes:
                confirm("Make these changes?")
        except BaseException:
            deployment.withdraw()
            raise
        deployment.execute()
    stack = deployment.describe(args.stack) or {}
    return {
        "stack": args.stack,
        "changed": changes is not None,
        "seconds": round(time.monotonic() - started, 1),
        "outputs": {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])},
    }


def connection(args: argparse.Namespace, outputs: dict) -> dict:
    """Where the stack is, as the gatewright command reads it; no secrets."""
    return {
        "region": args.region,
        "table": outputs["TableName"],
        "machines": {arn.rsplit(":", 1)[1]: arn for name, arn in outputs.items() if name.startswith("StateMachine")},
        "public_url": outputs["PublicUrl"],
    }


def main(argv=None) -> int:
    args = arguments(argv)
    try:
        done = deploy(args)
        if args.connection:
            args.connection.write_text(json.dumps(connection(args, done["outputs"]), indent=2) + "\n")
    except Stop as stop:
        say(f"deploy.py: {stop}")
        return stop.code
    except (ClientError, BotoCoreError) as error:
        say(f"deploy.py: {error}")
        return REFUSED
    except KeyboardInterrupt:
        say("deploy.py: interrupted. What CloudFormation has begun, it goes on with")
        return LATE
    if args.json:
        print(json.dumps(done, indent=2))
    else:
        width = max(map(len, done["outputs"]), default=0)
        for name, value in sorted(done["outputs"].items()):
            print(f"{name:<{width}}  {value}")
    if done["changed"]:
        say(f"{args.stack}: deployed in {done['seconds']} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
