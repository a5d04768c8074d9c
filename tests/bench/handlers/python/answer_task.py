"""`answer-task` as a Python function: the same checks, calls and records."""

import hashlib
import json

import boto3
from botocore.exceptions import ClientError

import table

states = boto3.client("stepfunctions")
GONE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


def handle(event, _context):
    sent = 0
    for record in table.check(event, {"Records": list})["Records"]:
        image = {name: table.plain(value) for name, value in record["dynamodb"].get("NewImage", {}).items()}
        wait = image.get("body")
        if "rev" not in image or not wait or not wait.get("answer"):
            continue
        deliver(wait, int(image["rev"]))
        sent += 1
    return {"sent": sent}


def deliver(wait, rev):
    answer = wait["answer"]
    try:
        if answer["is"] == "success":
            states.send_task_success(taskToken=wait["token"], output=json.dumps(answer["output"]))
        else:
            states.send_task_failure(taskToken=wait["token"], error=answer["error"], cause=answer["cause"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
    try:
        table.dynamodb.transact_write_items(TransactItems=[table.delete(*key(wait), rev)])
    except table.dynamodb.exceptions.TransactionCanceledException as error:
        reasons = {reason["Code"] for reason in error.response.get("CancellationReasons", [])}
        # It was touched meanwhile, and that change's own event follows.
        if not reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
            raise


def key(wait):
    awaited, release, index = wait["awaited"], wait["release"], int(wait["index"])
    match awaited["for"]:
        case "build":
            return f"WAIT#build#{release}#{index:03}#{int(awaited['attempt']):03}", "WAIT"
        case "scan":
            return f"WAIT#scan#{awaited['digest'].removeprefix('sha256:')}", release
        case "nothing":
            return f"WAIT#answer#{release}", hashlib.sha256(wait["token"].encode()).hexdigest()
        case kind:
            return f"WAIT#{kind}#{release}#{index:03}", "WAIT"
