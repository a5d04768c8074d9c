"""CloudFormation stacks, changed one change set at a time; for deploy.py.

What is uploaded is named by its content. A change set is shown before it is made,
and CloudFormation rolls it back as a whole when a part of it fails.
"""

import collections
import contextlib
import hashlib
import sys
import textwrap
import time
import uuid

from botocore.exceptions import ClientError

FAILED, USAGE, REFUSED, STUCK, UNCONFIRMED, LATE = 1, 2, 3, 4, 5, 6

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]

VERBS = {"Add": "create", "Modify": "change", "Remove": "delete", "Import": "import", "Dynamic": "perhaps change"}


class Stop(Exception):
    """An end with a message and an exit code."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


def say(text: str = "") -> None:
    """For people; stdout is for the outputs."""
    print(text, file=sys.stderr, flush=True)


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

    def outputs(self) -> dict[str, str]:
        """The stack's outputs; none when there is no stack."""
        stack = self.describe(self.stack) or {}
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}

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

    def declared(self) -> set[str]:
        """The names of the template's parameters."""
        summary = self.cfn.get_template_summary(TemplateURL=self.template_url)
        return {p["ParameterKey"] for p in summary.get("Parameters", [])}

    def parameters(self, given: dict[str, str]) -> list[dict]:
        """All parameters of the template, given or kept."""
        declared = self.declared()
        for name in sorted(set(given) - declared):
            raise Stop(USAGE, f"the template of {self.stack} has no parameter {name}. It has: {', '.join(sorted(declared))}")
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
