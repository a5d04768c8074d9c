"""Counts the findings of SARIF 2.1.0 reports: severities, the worst of them, and
the SHA-256 of the files. Written into a buildspec by Gatewright, run by the build.

A result's severity is its `security-severity` (CVSS: 9 critical, 7 high, 4 medium,
above 0 low), of the result or of its rule; without one, its level (error high,
warning medium, note low). Suppressed results do not count. What cannot be read is
an error: a report that says nothing must not look like one that found nothing.
"""

import glob
import hashlib
import json
import sys

LEVELS = {"error": "HIGH", "warning": "MEDIUM", "note": "LOW", "none": "INFORMATIONAL"}
ORDER = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"]


def of_score(score):
    for least, word in ((9.0, "CRITICAL"), (7.0, "HIGH"), (4.0, "MEDIUM")):
        if score >= least:
            return word
    return "LOW" if score > 0 else "INFORMATIONAL"


def rules_of(run):
    tool = run.get("tool", {})
    parts = [tool.get("driver", {}), *tool.get("extensions", [])]
    return {rule["id"]: rule for part in parts for rule in part.get("rules", [])}


def severity(result, rule):
    for holder in (result, rule):
        score = holder.get("properties", {}).get("security-severity")
        if score is not None:
            return of_score(float(score))
    level = result.get("level") or rule.get("defaultConfiguration", {}).get("level")
    return LEVELS.get(level or "warning", "UNKNOWN")


def findings(report):
    for run in report["runs"]:
        rules = rules_of(run)
        for result in run.get("results") or []:
            if result.get("suppressions"):
                continue
            rule_id = result.get("ruleId") or result.get("rule", {}).get("id") or "unnamed"
            rule = rules.get(rule_id, {})
            places = result.get("locations") or [{}]
            place = places[0].get("physicalLocation", {}).get("artifactLocation", {})
            yield {
                "id": rule_id,
                "severity": severity(result, rule),
                "package": place.get("uri"),
                "uri": rule.get("helpUri"),
            }


def main(most, patterns):
    files = sorted({file for pattern in patterns for file in glob.glob(pattern, recursive=True)})
    if not files:
        sys.exit("no SARIF report matches " + " ".join(patterns))
    found, digest = [], hashlib.sha256()
    for file in files:
        content = open(file, "rb").read()
        digest.update(content)
        found += findings(json.loads(content))
    counts = {}
    for finding in found:
        counts[finding["severity"]] = counts.get(finding["severity"], 0) + 1
    worst = sorted(found, key=lambda f: ((ORDER.index(f["severity"]) if f["severity"] in ORDER else -1), f["id"]))
    said = {"counts": counts, "worst": worst[:most], "digest": "sha256:" + digest.hexdigest()}
    print(json.dumps(said, separators=(",", ":")))


main(int(sys.argv[1]), sys.argv[2:])
