"""Where the Python and Node contestants live: pinned, made once, made again when
what they are made of changed."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class Missing(Exception):
    """Something that the bench needs is not there; the message says what to do."""


def set_up(folder, say, python=True, node=True):
    """Makes what is missing in `folder`."""
    folder = folder.resolve()
    # The Node side compiles with the Python side's cmake.
    if python or node:
        _python(folder, say)
    if node:
        _node(folder, say)


def python_words(folder):
    """What the Python contestant is."""
    pins = dict(line.split("==") for line in (HERE / "requirements.txt").read_text().split() if "==" in line)
    return f"{_said(folder / 'python/bin/python')}, awslambdaric {pins['awslambdaric']}, boto3 {pins['boto3']}"


def node_words(folder):
    """What the Node contestant is, and how it is started: `(words, command)`."""
    home = folder.resolve() / "node"
    lock = json.loads((HERE / "package-lock.json").read_text())["packages"]
    client, sdk = (lock[f"node_modules/{name}"]["version"] for name in ("aws-lambda-ric", "@aws-sdk/client-dynamodb"))
    node = _program("node")
    outcome = json.loads((home / "ready").read_text())
    if outcome["client"]:
        return f"Node {_said(node)}, aws-lambda-ric {client}, AWS SDK {sdk}", (node, str(home / "node_modules/aws-lambda-ric/index.mjs"))
    words = f"Node {_said(node)}, a minimal runtime loop instead of aws-lambda-ric, AWS SDK {sdk}"
    return f"{words} (aws-lambda-ric does not compile here: {outcome['why']})", (node, str(home / "minimal-loop.mjs"))


def _said(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _python(folder, say):
    ready, of = folder / "python/ready", _stamp(sys.version, HERE / "requirements.txt")
    if ready.exists() and ready.read_text() == of:
        return
    say("setting up Python: awslambdaric, boto3")
    shutil.rmtree(folder / "python", ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder / "python")])
    _run([str(folder / "python/bin/pip"), "install", "--quiet", "--disable-pip-version-check",
          "--requirement", str(HERE / "requirements.txt")])
    ready.write_text(of)


def _node(folder, say):
    home = folder / "node"
    of = _stamp(_said(_program("node")), HERE / "package.json", HERE / "package-lock.json")
    ready = home / "ready"
    if not ready.exists() or json.loads(ready.read_text())["of"] != of:
        say("setting up Node: the AWS SDK, aws-lambda-ric (its native part takes a minute to compile)")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, home)
        npm = [_program("npm"), "--prefix", str(home), "--no-audit", "--no-fund", "--loglevel=error"]
        _run([*npm, "ci", "--ignore-scripts"])
        path = f"{folder / 'python/bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        built = subprocess.run([*npm, "rebuild", "aws-lambda-ric"], capture_output=True, text=True, env={**os.environ, "PATH": path})
        client = built.returncode == 0 and (home / "node_modules/aws-lambda-ric/rapid-client.node").exists()
        said = [line.removeprefix("npm error ") for line in built.stderr.splitlines() if "rror: " in line] or ["`npm rebuild aws-lambda-ric` says why"]
        ready.write_text(json.dumps({"of": of, "client": client, "why": "" if client else said[0].strip()}))
    # Modules find their packages from where they are.
    for module in (HERE / "handlers/node").glob("*.mjs"):
        shutil.copy(module, home)


def _stamp(version, *files):
    return hashlib.sha256(version.encode() + b"".join(file.read_bytes() for file in files)).hexdigest()


def _program(name):
    found = shutil.which(name)
    if not found:
        raise Missing(f"{name} is not on the PATH: install it, or leave its contestant out with --without-node")
    return found


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"{' '.join(map(str, command[:4]))} … failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
