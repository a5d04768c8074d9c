"""The two events that every contestant is given, and what the table holds then."""

import hashlib
import json

REGION = "ap-south-1"
ACCOUNT = "111122223333"
TABLE = "gatewright"
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
PIPELINE = "pl-gps-001"
RELEASE = "cp-6f3c2a1e-5b7d-4c7e-9a53-0d2f8b1c4e90"
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:gatewright-{PIPELINE}:{RELEASE}"
NUMBER = 142
# Step Functions' tokens are several hundred characters long.
TOKEN = "AQCEAAAAKgAAAAMAAAAAAAAAAR" + "Zk8mQ3" * 100 + "=="


class Wrong(Exception):
    """A request that AWS would refuse, or that does not belong to the function."""


def attribute(value):
    """A JSON value as DynamoDB writes it."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case list():
            return {"L": [attribute(part) for part in value]}
        case dict():
            return {"M": {name: attribute(part) for name, part in value.items()}}
    raise TypeError(value)


def plain(value):
    """The JSON value of what DynamoDB writes."""
    [(kind, inner)] = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(inner)
        case "L":
            return [plain(part) for part in inner]
        case "M":
            return {name: plain(part) for name, part in inner.items()}
    return inner


def item(pk, sk, rev, body):
    return {"pk": {"S": pk}, "sk": {"S": sk}, "rev": {"N": str(rev)}, "body": attribute(body)}


def digest(value):
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class AdmitRelease:
    """The first function of every release."""

    name = "admit-release"
    reply = {"release": RELEASE, "number": NUMBER}
    expected = ["GetItem", "GetItem", "GetItem", "TransactWriteItems"]

    def __init__(self, version, definition):
        self.event = {
            "release": RELEASE,
            "execution": EXECUTION,
            "started_at": "2026-03-02T09:30:00Z",
            "pipeline": PIPELINE,
            "version": version,
            "input": {
                "pipeline": PIPELINE,
                "ref": "refs/heads/main",
                "commit": "8c0f6a1b9d3e5f7a2b4c6d8e0f1a3b5c7d9e1f20",
                "author": "priya.sharma@example.com",
                "message": "Reject positions without a fix",
            },
        }
        stored = [
            item(f"PIPELINE#{PIPELINE}", f"VERSION#{version.removeprefix('sha256:')}", 1, {"definition": definition}),
            item(f"PIPELINE#{PIPELINE}", "COUNTER", NUMBER - 1, NUMBER - 1),
        ]
        self.items = {(one["pk"]["S"], one["sk"]["S"]): one for one in stored}

    def aws(self, operation, request):
        if operation == "GetItem":
            key = (request["Key"]["pk"]["S"], request["Key"]["sk"]["S"])
            return {"Item": self.items[key]} if key in self.items else {}
        if operation == "TransactWriteItems":
            for write in request["TransactItems"]:
                put = write.get("Put", {}).get("Item", {})
                if put.get("sk", {}).get("S", "").startswith("EVENT#"):
                    event = plain(put["body"])
                    if event.pop("hash") != digest(event):
                        raise Wrong("the ledger event's hash is not that of its content")
            return {}
        raise Wrong("admit-release does not call this")


class AnswerTask:
    """The function that resumes what waits."""

    name = "answer-task"
    reply = {"sent": 1}
    expected = ["SendTaskSuccess", "TransactWriteItems"]

    def __init__(self):
        wait = {
            "release": RELEASE,
            "index": 2,
            "stage": "Unit tests",
            "awaited": {"for": "build", "attempt": 1, "build": f"gatewright-{PIPELINE}:7c1d8a52-0e9b-4f6a-8d3c-5b2e1f4a6c70"},
            "token": TOKEN,
            "since": "2026-03-02T09:31:00Z",
            "deadline": "2026-03-02T09:51:00Z",
            "due": "2026-03-02T09:36:00Z",
            "answer": {"is": "success", "output": {"verdict": "passed"}},
        }
        image = item(f"WAIT#build#{RELEASE}#002#001", "WAIT", 3, wait)
        image |= {"due_group": {"S": "due"}, "due": {"S": "2026-03-02T09:36:00Z"}}
        self.event = {"Records": [{
            "eventID": "c4ca4238a0b923820dcc509a6f75849b",
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": {
                "ApproximateCreationDateTime": 1772443900,
                "Keys": {"pk": image["pk"], "sk": image["sk"]},
                "NewImage": image,
                "SequenceNumber": "4421584500000000017450439091",
                "SizeBytes": 1412,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}/stream/2026-03-01T00:00:00.000",
        }]}

    def aws(self, operation, request):
        if operation == "SendTaskSuccess" and request["taskToken"] != TOKEN:
            raise Wrong("another task's token")
        if operation not in self.expected:
            raise Wrong("answer-task does not call this")
        return {}


def shape(operation, request):
    """A call without what may differ (times, hashes): what must be the same for
    every contestant."""
    if operation == "SendTaskSuccess":
        return [operation, json.loads(request["output"])]
    if operation == "GetItem":
        return [operation, request["TableName"], request["Key"], request.get("ConsistentRead", False)]
    return [operation, sorted((_write(write) for write in request.get("TransactItems", [])), key=json.dumps)]


def _write(write):
    [(kind, one)] = write.items()
    key = one.get("Key") or {name: one["Item"][name] for name in ("pk", "sk")}
    body = plain(one["Item"]["body"]) if "Item" in one else None
    members = sorted(body) if isinstance(body, dict) else body
    rev = one.get("Item", {}).get("rev")
    return [kind, one["TableName"], key["pk"], key["sk"], rev, members,
            one.get("ConditionExpression"), one.get("ExpressionAttributeValues")]
