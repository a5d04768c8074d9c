"""The one bootstrap and a function's own binary: built, and what they weigh."""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

from environments import Missing

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ALONE = HERE / "alone"


def functions():
    """How many functions the one bootstrap holds."""
    return len(list((ROOT / "functions").glob("*/Cargo.toml"))) - 1


def build_alone(target):
    """Builds the binaries of their own; gives them by function."""
    profiles = [tomllib.loads((folder / "Cargo.toml").read_text())["profile"]["release"] for folder in (ROOT, ALONE)]
    if profiles[0] != profiles[1]:
        raise Missing("tests/bench/alone/Cargo.toml has another [profile.release] than Cargo.toml: make them equal")
    # The same versions of everything: cargo drops what this package does not need.
    shutil.copy(ROOT / "Cargo.lock", ALONE / "Cargo.lock")
    _cargo("build", "--quiet", "--release", "--bins", "--target-dir", target)
    return {name: target / f"release/alone-{name}" for name in ("admit-release", "answer-task")}


def definition(target):
    """The committed definition as the table holds it: `(version, text)`."""
    printed = _cargo("run", "--quiet", "--release", "--example", "definition", "--target-dir", target)
    item = json.loads(printed)
    return item["version"], item["definition"]


def weigh(binary):
    """`(bytes of the stripped binary, bytes of the zip that is deployed)`."""
    with tempfile.TemporaryDirectory() as folder:
        archive = pathlib.Path(folder) / "function.zip"
        subprocess.run([sys.executable, str(ROOT / "infra/package.py"), str(binary), str(archive)], check=True)
        return binary.stat().st_size, archive.stat().st_size


def build_times(target):
    """Cold builds of the last crate alone, dependencies ready: compile, link-time
    optimisation over everything, link. `{name: {"wall_s", "cpu_s"}}`."""
    return {
        "gatewright": _rebuild(ROOT, "gatewright-bootstrap", [], target),
        "alone": _rebuild(ALONE, "gatewright-alone", ["--bin", "alone-answer-task"], target),
    }


def _rebuild(folder, package, which, target):
    # First with whatever is out of date, so that only the last crate is left to time.
    _cargo("build", "--quiet", "--release", "--package", package, *which, "--target-dir", target, folder=folder)
    _cargo("clean", "--quiet", "--release", "--package", package, "--target-dir", target, folder=folder)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _cargo("build", "--quiet", "--release", "--package", package, *which, "--target-dir", target, folder=folder)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall_s": wall, "cpu_s": (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)}


def _cargo(*arguments, folder=ALONE):
    cargo = os.environ.get("CARGO") or shutil.which("cargo")
    if not cargo:
        raise Missing("cargo is not on the PATH: the bench builds a binary to compare with")
    done = subprocess.run([cargo, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"cargo {arguments[0]} in {folder.relative_to(ROOT) if folder != ROOT else '.'} failed:\n{done.stderr.strip()[-3000:]}")
    return done.stdout
