"""What both functions share: the table, canonical JSON, input that is checked."""

import hashlib
import json
import os
import re

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

dynamodb = boto3.client("dynamodb")
NAME = os.environ["GATEWRIGHT_TABLE"]
TAKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class BadInput(Exception):
    """The input is not what the function takes."""


def check(raw, required, optional=()):
    """Exactly these members, each matching its pattern (or of its type)."""
    if not isinstance(raw, dict):
        raise BadInput("the input is not an object")
    unknown = raw.keys() - required.keys() - set(optional)
    if unknown:
        raise BadInput(f"unknown field {sorted(unknown)[0]!r}")
    for name, rule in required.items():
        value = raw.get(name)
        right = isinstance(value, rule) if isinstance(rule, type) else isinstance(value, str) and rule.fullmatch(value)
        if not right:
            raise BadInput(f"{name} is missing or wrong")
    return raw


def digest(value):
    """SHA-256 of canonical JSON; our documents hold no floats and only BMP keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def plain(attribute):
    return TypeDeserializer().deserialize(attribute)


def get(pk, sk):
    """`(revision, body)` or nothing."""
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    item = dynamodb.get_item(TableName=NAME, Key=key, ConsistentRead=True).get("Item")
    return item and (int(item["rev"]["N"]), plain(item["body"]))


def put(pk, sk, body, seen=None):
    """A put under the condition that nothing changed since revision `seen`."""
    item = {"pk": {"S": pk}, "sk": {"S": sk}, "rev": {"N": str((seen or 0) + 1)}, "body": TypeSerializer().serialize(body)}
    return {"Put": {"TableName": NAME, "Item": item, **condition(seen)}}


def delete(pk, sk, seen):
    return {"Delete": {"TableName": NAME, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}, **condition(seen)}}


def condition(seen):
    if seen is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {"ConditionExpression": "rev = :rev", "ExpressionAttributeValues": {":rev": {"N": str(seen)}}}
