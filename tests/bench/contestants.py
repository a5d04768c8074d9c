"""Who is measured, and how one cold start is measured."""

import dataclasses
import os
import pathlib
import resource
import subprocess
import tempfile
import time

import events
import fake_lambda

PATIENCE_SECONDS = 30


class Failed(Exception):
    """A contestant did not do its work."""


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A way to run a function."""

    name: str
    command: tuple
    task_root: pathlib.Path
    handler: str
    runtime: str


@dataclasses.dataclass(frozen=True)
class Sample:
    """One cold start."""

    start_ms: float
    memory_kib: int
    cpu_ms: float
    calls: list


def ours(bootstrap, case):
    return Contestant("gatewright", (str(bootstrap),), bootstrap.parent, case.name, "provided.al2023")


def alone(binary, case):
    return Contestant("alone", (str(binary),), binary.parent, case.name, "provided.al2023")


def python(folder, case):
    root = pathlib.Path(__file__).resolve().parent / "handlers/python"
    handler = f"{case.name.replace('-', '_')}.handle"
    command = (str(folder / "python/bin/python"), "-m", "awslambdaric", handler)
    return Contestant("python", command, root, handler, "python")


def node(folder, command, case):
    handler = f"{case.name}.handle"
    return Contestant("node", (*command, handler), folder / "node", handler, "nodejs")


def environment(contestant, case, servers, home):
    """A Lambda sandbox's environment, and nothing of ours."""
    return {
        "_HANDLER": contestant.handler,
        "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
        "AWS_DEFAULT_REGION": events.REGION,
        "AWS_ENDPOINT_URL": f"http://{servers.aws}",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{contestant.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": case.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{case.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/03/02/[$LATEST]0123456789abcdef",
        "AWS_LAMBDA_RUNTIME_API": servers.runtime_api,
        "AWS_REGION": events.REGION,
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_SESSION_TOKEN": "example",
        "GATEWRIGHT_ACCOUNT": events.ACCOUNT,
        "GATEWRIGHT_TABLE": events.TABLE,
        "HOME": home,
        "LAMBDA_TASK_ROOT": str(contestant.task_root),
        "LANG": "en_US.UTF-8",
        "PATH": os.defpath,
        "TZ": ":UTC",
    }


def measure(contestant, case, servers):
    """Starts the process, gives it the event, takes the time of its first response
    and its peak memory once it is idle, and ends it."""
    run = servers.run = fake_lambda.Run(case)
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as log:
        variables = environment(contestant, case, servers, home)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        process = subprocess.Popen(
            contestant.command, cwd=contestant.task_root, env=variables,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        try:
            _await(run, process)
            memory = _peak_kib(process.pid)
        finally:
            process.kill()
            process.wait()
            run.over.set()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        log.seek(0)
        said = log.read().decode(errors="replace").strip().splitlines()
    if run.problems or run.reply != case.reply or [call[0] for call in run.calls] != case.expected or memory is None:
        raise Failed(_why(contestant, case, run, said))
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return Sample((run.answered_at - began) * 1000, memory, cpu * 1000, run.calls)


def _await(run, process):
    until = time.monotonic() + PATIENCE_SECONDS
    for event in (run.answered, run.idle):
        while not event.wait(0.05) and process.poll() is None and time.monotonic() < until:
            pass


def _peak_kib(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), None)
    except OSError:
        return None


def _why(contestant, case, run, said):
    lines = [f"{contestant.name} did not do what {case.name} does:"]
    lines += [f"  {problem}" for problem in run.problems]
    lines.append(f"  replied {run.reply}, expected {case.reply}")
    lines.append(f"  called {[call[0] for call in run.calls]}, expected {case.expected}")
    lines += [f"  | {line}" for line in said[-15:]]
    return "\n".join(lines)
