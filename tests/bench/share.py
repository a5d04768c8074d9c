"""The orchestrator's own share of a release: what is left of its wall time when
the builds' and the people's are taken away."""

import json

FIELDS = ("wall_seconds", "builds_seconds", "approval_seconds")
HOW = "run `make demo`, which leaves the times of its release there, then `make bench` again"


class Unreadable(Exception):
    """The file is there and does not say what it should."""


def read(file):
    """The share and what it is made of; `missing` says why there is none."""
    if file is None:
        return {"missing": f"no --demo-json was given: {HOW}"}
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        return {"missing": f"there is no {file}: {HOW}"}
    except (OSError, ValueError) as error:
        raise Unreadable(f"{file} does not read ({error}): {HOW}") from error
    return of(content, file)


def of(content, file):
    times = []
    for field in FIELDS:
        value = content.get(field) if isinstance(content, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise Unreadable(f"{file}: {field} must be a number of seconds, not {value!r}")
        times.append(value)
    wall, builds, approval = times
    own = wall - builds - approval
    if wall == 0 or own < 0:
        raise Unreadable(f"{file}: {builds} s of builds and {approval} s of approval do not fit into {wall} s")
    return {**dict(zip(FIELDS, times)), "own_seconds": own, "share": own / wall}


def lines(measured):
    title = "the orchestrator's own share of the demo release's wall time"
    if "missing" in measured:
        return [title, f"  not known: {measured['missing']}"]
    return [title, f"  {measured['share']:.1%}: {measured['own_seconds']:.1f} s of {measured['wall_seconds']:.1f} s"
                   f" ({measured['builds_seconds']:.1f} s builds, {measured['approval_seconds']:.1f} s waiting for people)"]
