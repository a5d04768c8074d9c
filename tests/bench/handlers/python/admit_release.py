"""`admit-release` as a Python function: the same checks, calls and records."""

import datetime
import fnmatch
import json

import table

INPUT = {
    "release": table.TAKEN, "execution": str, "started_at": str,
    "pipeline": table.TAKEN, "version": table.DIGEST, "input": dict,
}
TRIGGER = {"pipeline": table.TAKEN, "ref": str, "commit": table.COMMIT}
OPTIONAL = ("cause", "author", "requester", "message", "codepipeline")


class UnknownPipeline(Exception):
    """There is no such definition."""


class NotTriggered(Exception):
    """No trigger of the definition matches."""


class AlreadyStarted(Exception):
    """The release was started before, differently."""


def handle(event, _context):
    start = table.check(event, INPUT)
    trigger = table.check(start["input"], TRIGGER, OPTIONAL)
    admit(definition(start), trigger)
    return begin(start, trigger)


def definition(start):
    pipeline, version = start["pipeline"], start["version"]
    seen = table.get(f"PIPELINE#{pipeline}", f"VERSION#{version.removeprefix('sha256:')}")
    if seen is None:
        raise UnknownPipeline(f"pipeline {pipeline} has no version {version}")
    found = json.loads(seen[1]["definition"])
    if table.digest(found) != version:
        raise RuntimeError(f"the record of {pipeline} {version} is damaged")
    return found


def admit(found, trigger):
    if trigger["pipeline"] != found["id"]:
        raise table.BadInput("the trigger is meant for another pipeline")
    kinds = {"refs/heads/": ("push", "branches"), "refs/tags/": ("tag", "patterns")}
    prefix = next((p for p in kinds if trigger["ref"].startswith(p)), None)
    if prefix is None:
        raise table.BadInput("ref is neither a branch nor a tag")
    natural, patterns = kinds[prefix]
    cause = trigger.get("cause", natural)
    if cause == "manual" and not (trigger.get("requester") or "").strip():
        raise table.BadInput("a manual release must say who asks for it")
    if cause not in ("manual", natural):
        raise table.BadInput("the cause and the ref differ")
    name = trigger["ref"].removeprefix(prefix)
    for rule in found["triggers"]:
        if rule["kind"] != cause:
            continue
        if cause == "manual" or any(fnmatch.fnmatchcase(name, pattern) for pattern in rule[patterns]):
            return
    raise NotTriggered(f"no trigger of {found['id']} matches a {cause} of {trigger['ref']}")


def begin(start, trigger):
    release, pipeline = start["release"], start["pipeline"]
    known = table.get(f"RELEASE#{release}", "HEAD")
    digest = table.digest(start["input"])
    if known:
        head = known[1]
        if head["status"] != "running" or (head["input"], head["execution"]) != (digest, start["execution"]):
            raise AlreadyStarted(f"{release} was started before")
        return {"release": release, "number": int(head["number"])}
    counter = table.get(f"PIPELINE#{pipeline}", "COUNTER")
    rev, number = (counter[0], int(counter[1]) + 1) if counter else (None, 1)
    event = {
        "release": release,
        "seq": 1,
        "at": datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z"),
        "fact": {
            "type": "release-admitted", "number": number, "version": start["version"],
            "commit": trigger["commit"], "reference": trigger["ref"],
            "requester": trigger.get("requester"), "author": trigger.get("author"),
        },
        "previous": None,
    }
    event["hash"] = table.digest(event)
    head = {
        "release": release, "pipeline": pipeline, "version": start["version"], "number": number,
        "trigger": trigger, "input": digest, "execution": start["execution"], "started_at": start["started_at"],
        "status": "running", "stage": None, "failure": None, "ended_at": None,
        "last_seq": 1, "last_hash": event["hash"],
    }
    table.dynamodb.transact_write_items(TransactItems=[
        table.put(f"PIPELINE#{pipeline}", "COUNTER", number, rev),
        table.put(f"PIPELINE#{pipeline}", f"RELEASE#{number:010}", release),
        table.put(f"RELEASE#{release}", "EVENT#000001", event),
        table.put(f"RELEASE#{release}", "HEAD", head),
    ])
    return {"release": release, "number": number}
