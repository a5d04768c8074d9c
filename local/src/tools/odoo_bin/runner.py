"""Does what `odoo-bin -u ... --stop-after-init` does to modules, without Odoo.

Reads {"addons": [...], "modules": [...], "installed": {name: version}, "tests":
bool} from the file that is its first argument and writes what it did to its second.
"""

import ast
import importlib
import importlib.util
import json
import logging
import sys
import unittest
from pathlib import Path

import framework

log = logging.getLogger("odoo.modules.loading")
BUILT_IN = {"base", "web", "mail", "contacts", "portal", "website"}


class Cursor:
    """A cursor that notes what it is asked to execute; there is no database."""

    def __init__(self):
        self.statements = []

    def execute(self, statement, parameters=None):
        self.statements.append(" ".join(str(statement).split()))

    def fetchall(self):
        return []

    def fetchone(self):
        return None


def number(version):
    return tuple(int(part) for part in version.split("."))


def find(addons, name):
    for folder in addons:
        if (folder / name / "__manifest__.py").is_file():
            return folder / name
    sys.exit(f"invalid module names, ignored: {name}: not in {', '.join(map(str, addons))}")


def manifest(path):
    text = (path / "__manifest__.py").read_text(encoding="utf-8")
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError) as error:
        sys.exit(f"{path.name}/__manifest__.py: {error}")


def in_order(addons, names):
    """The modules, each after those it depends on."""
    done = {}

    def visit(name, asked_by):
        if name in done or name in BUILT_IN:
            return
        if name not in names and asked_by and not any((f / name).is_dir() for f in addons):
            sys.exit(f"module {asked_by} depends on {name}, which is in no addons folder")
        path = find(addons, name)
        found = manifest(path)
        for needed in found.get("depends", []):
            visit(needed, name)
        done[name] = (path, found)

    for name in names:
        visit(name, None)
    return done


def scripts(path, stage, before, after):
    """The migrations of a stage, oldest version first."""
    folder = path / "migrations"
    versions = [v.name for v in folder.iterdir() if v.is_dir()] if folder.is_dir() else []
    due = sorted((v for v in versions if number(before) < number(v) <= number(after)), key=number)
    return [script for v in due for script in sorted((folder / v).glob(f"{stage}-*.py"))]


def migrate(path, stage, before, after, ran):
    for script in scripts(path, stage, before, after):
        named = f"{path.name}/{script.relative_to(path)}"
        log.info("module %s: running migration %s", path.name, named)
        spec = importlib.util.spec_from_file_location("migration", script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        cursor = Cursor()
        module.migrate(cursor, before)
        ran.append({"script": named, "statements": cursor.statements})


def data_files(path, found):
    missing = [f for f in found.get("data", []) if not (path / f).is_file()]
    if missing:
        sys.exit(f"{path.name}/__manifest__.py: data: there is no {', '.join(missing)}")


def update(path, found, before):
    """Loads one module as an update or an installation; what was done."""
    name, after, ran = path.name, found["version"], []
    if before and number(after) < number(before):
        log.warning("module %s: %s is older than the installed %s; migrations are forward only", name, after, before)
    if before:
        migrate(path, "pre", before, after, ran)
    log.info("loading module %s (%s)", name, after)
    importlib.import_module(f"odoo.addons.{name}")
    data_files(path, found)
    for stage in ("post", "end") if before else ():
        migrate(path, stage, before, after, ran)
    return {"name": name, "from": before, "to": after, "migrations": ran}


def test(names):
    """Runs the modules' own tests."""
    suite = unittest.TestSuite()
    for name in names:
        if importlib.util.find_spec(f"odoo.addons.{name}.tests") is None:
            continue
        package = importlib.import_module(f"odoo.addons.{name}.tests")
        for own in vars(package).values():
            if getattr(own, "__name__", "").startswith(f"{package.__name__}.test_"):
                suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(own))
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(suite)
    wrong = len(result.failures) + len(result.errors)
    return {"run": result.testsRun, "failed": wrong}


def main():
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    sys.dont_write_bytecode = True
    addons = [Path(folder).resolve() for folder in order["addons"]]
    framework.install(addons)
    ordered = in_order(addons, order["modules"])
    done = {"modules": [], "tests": None}
    for name, (path, found) in ordered.items():
        before = order["installed"].get(name)
        if name not in order["modules"] and before:
            importlib.import_module(f"odoo.addons.{name}")  # only needed by one of them
            continue
        done["modules"].append(update(path, found, before))
    if order["tests"]:
        done["tests"] = test(order["modules"])
    Path(sys.argv[2]).write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    main()
