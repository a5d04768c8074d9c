#!/usr/bin/env python3
"""Deploys Gatewright: uploads the code, shows what would change, changes it.

    deploy.py --zip target/lambda/release.zip                       # all of it, to AWS
    deploy.py --zip … pl-gps-001                                    # the core and one pipeline
    deploy.py --zip … --endpoint-url http://127.0.0.1:4566 --yes      # to the laptop

First the core stack, infra/template.yaml, which all pipelines share; then a stack
for each pipeline, infra/pipelines/<id>.template.json, which `gatewright compile`
makes. What a pipeline's template has as a parameter and the core as an output of
the same name is handed on.

What is uploaded is named by its content, so an upload never changes what runs;
what changes is one CloudFormation change set a stack, which is shown before it is
made and which CloudFormation rolls back as a whole when a part of it fails.
Running it again without a change changes nothing.

Parameters that are not given keep the value that the stack has, or their default
in a new stack.

Exit codes:
  0  deployed, or there was nothing to change
  1  the deployment failed; CloudFormation rolled it back
  2  wrong arguments, or a file that is missing or not what it should be
  3  AWS could not be reached or refused
  4  the stack is busy, or in a state that a person must resolve first
  5  not confirmed
  6  not done within --wait-seconds; CloudFormation goes on
"""

import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from stacks import (FAILED, LATE, REFUSED, UNCONFIRMED, USAGE, Deployment, Stop, Uploads, describe_changes, say)

HERE = pathlib.Path(__file__).resolve().parent

# What the core's parameters for uploaded things are called, and a pipeline's.
BUCKET_PARAMETER, CODE_PARAMETER = "CodeBucket", "CodeKey"
MACHINES_BUCKET, MACHINE_KEY, ROLLBACK_KEY = "MachineBucket", "MachineKey", "RollbackKey"

TEMPLATE, MACHINE, ROLLBACK = ".template.json", ".asl.json", ".rollback.asl.json"

# Stacks that change at the same time: CloudFormation's and IAM's rates are shared
# with everybody else in the account.
AT_ONCE = 4


# -- What is asked ------------------------------------------------------------


def arguments(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Deploys Gatewright with CloudFormation, to AWS or to the laptop's emulator.",
        epilog=__doc__[__doc__.index("Exit codes:"):],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pipelines", nargs="*", metavar="PIPELINE", help="whose stacks to deploy (default: all)")
    parser.add_argument("--core", action="store_true", help="deploy the core and no pipeline")
    parser.add_argument("--stack", default="gatewright",
                        help="the core stack's name; a pipeline's is this, a hyphen and its id (default: %(default)s)")
    parser.add_argument("--region", default="ap-south-1", help="(default: %(default)s)")
    parser.add_argument("--zip", required=True, type=pathlib.Path, help="zip with the functions' bootstrap")
    parser.add_argument("--machines", type=pathlib.Path, default=HERE.parent / "statemachines", metavar="FOLDER",
                        help="compiled state machines, <pipeline>.asl.json (default: statemachines/)")
    parser.add_argument("--template", type=pathlib.Path, default=HERE / "template.yaml",
                        help="of the core (default: infra/template.yaml)")
    parser.add_argument("--templates", type=pathlib.Path, default=HERE / "pipelines", metavar="FOLDER",
                        help="of the pipelines, <pipeline>.template.json (default: infra/pipelines/)")
    parser.add_argument("--parameter", action="append", default=[], metavar="[PIPELINE:]NAME=VALUE", type=parameter,
                        help="a parameter of the core; one that only pipelines have goes to all of them, "
                             "or to the named one; may be repeated")
    parser.add_argument("--bucket", metavar="NAME",
                        help="for code; created when missing (default: gatewright-code-<account>-<region>)")
    parser.add_argument("--endpoint-url", metavar="URL", help="the emulator, instead of AWS")
    parser.add_argument("--connection", type=pathlib.Path, metavar="FILE",
                        help="write where everything is to this file, for the gatewright command")
    parser.add_argument("--gatewright", type=pathlib.Path, metavar="PROGRAM",
                        help="apply the definitions with it before their machines are deployed; needs --connection")
    parser.add_argument("--yes", action="store_true", help="do not ask before changing anything")
    parser.add_argument("--json", action="store_true", help="print stacks, outcome and outputs as JSON")
    parser.add_argument("--quiet", action="store_true", help="tell only how it ended")
    parser.add_argument("--wait-seconds", type=int, default=1800, metavar="N",
                        help="how long to wait for CloudFormation (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.core and args.pipelines:
        parser.error("--core deploys no pipeline")
    if args.gatewright and not args.connection:
        parser.error("--gatewright needs --connection: it must know where to apply")
    return args


def parameter(text: str) -> tuple[str, str, str]:
    """`pl-gps-001:Name=value` as its three parts; without a pipeline, the first is empty."""
    name, equals, value = text.partition("=")
    pipeline, _, name = name.rpartition(":")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE or PIPELINE:NAME=VALUE")
    return pipeline, name, value


def confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise Stop(UNCONFIRMED, "nobody to ask: give --yes to go ahead")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Stop(UNCONFIRMED, "nothing was changed")


# -- What is read -------------------------------------------------------------


def read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Stop(USAGE, f"{path}: {error.strerror}") from None


def read_code(path: pathlib.Path) -> bytes:
    """The zip, once it is known to be one that Lambda could run."""
    try:
        with zipfile.ZipFile(path) as code:
            mode = code.getinfo("bootstrap").external_attr >> 16
    except FileNotFoundError:
        raise Stop(USAGE, f"{path} is missing. Build it first: make build") from None
    except (zipfile.BadZipFile, KeyError) as error:
        raise Stop(USAGE, f"{path} is no zip with a file `bootstrap` at its root: {error}") from None
    if not mode & 0o111:
        raise Stop(USAGE, f"{path}: `bootstrap` is not executable, and Lambda would not start it")
    return path.read_bytes()


def read_json(path: pathlib.Path) -> tuple[bytes, dict]:
    body = read(path)
    try:
        return body, json.loads(body)
    except ValueError as error:
        raise Stop(USAGE, f"{path} is not JSON: {error}") from None


class Pipeline:
    """What is deployed of one pipeline."""

    def __init__(self, args: argparse.Namespace, name: str):
        self.name = name
        self.stack = stack_of(args.stack, name)
        self.template, template = read_json(args.templates / f"{name}{TEMPLATE}")
        self.declared = set(template.get("Parameters", {}))
        self.machine, _ = read_json(args.machines / f"{name}{MACHINE}")
        self.rollback = None
        if ROLLBACK_KEY in self.declared:
            self.rollback, _ = read_json(args.machines / f"{name}{ROLLBACK}")


def stack_of(core: str, pipeline: str) -> str:
    """A pipeline's stack; CloudFormation's names have no underscores."""
    return f"{core}-{pipeline.lower().replace('_', '-')}"


def known_pipelines(args: argparse.Namespace) -> list[str]:
    return sorted(path.name.removesuffix(TEMPLATE) for path in args.templates.glob(f"*{TEMPLATE}"))


def read_pipelines(args: argparse.Namespace) -> list[Pipeline]:
    """The pipelines that were asked for."""
    known = known_pipelines(args)
    if not known:
        raise Stop(USAGE, f"no *{TEMPLATE} in {args.templates}. Compile the pipelines first: gatewright compile")
    for name in args.pipelines:
        if name not in known:
            raise Stop(USAGE, f"there is no pipeline {name} in {args.templates}. There are: {', '.join(known)}")
    wanted = [] if args.core else [Pipeline(args, name) for name in args.pipelines or known]
    stacks = [pipeline.stack for pipeline in wanted]
    for pipeline in wanted:
        if stacks.count(pipeline.stack) > 1:
            raise Stop(USAGE, f"{pipeline.name} and another pipeline would both have the stack {pipeline.stack}")
    return wanted


# -- All of it ----------------------------------------------------------------


class Deploy:
    """A deployment of everything that was asked for."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.code, self.core_template = read_code(args.zip), read(args.template)
        self.pipelines = read_pipelines(args)
        session = boto3.Session(region_name=args.region)
        # The emulator's host names resolve nowhere, so the bucket goes into the path.
        config = Config(retries={"mode": "standard", "max_attempts": 5},
                        s3={"addressing_style": "path" if args.endpoint_url else "virtual"})

        def client(service):
            return session.client(service, endpoint_url=args.endpoint_url, config=config)

        account = client("sts").get_caller_identity()["Account"]
        self.bucket = args.bucket or f"gatewright-code-{account}-{args.region}"
        self.where = args.endpoint_url or f"account {account}, {args.region}"
        self.uploads = Uploads(client("s3"), self.bucket, account, args.region, on_aws=not args.endpoint_url)
        self.cloudformation = client("cloudformation")

    def stack(self, name: str, template: bytes, ending: str) -> Deployment:
        url = self.uploads.url(self.uploads.put("templates", template, ending))
        return Deployment(self.cloudformation, name, url, self.args.wait_seconds,
                          pause=0.1 if self.args.endpoint_url else 3, quiet=self.args.quiet)

    def core(self) -> tuple[bool, dict[str, str]]:
        """Deploys the core; gives whether it changed, and its outputs."""
        stack = self.stack(self.args.stack, self.core_template, self.args.template.suffix)
        given = {BUCKET_PARAMETER: self.bucket, CODE_PARAMETER: self.uploads.put("code", self.code, ".zip")}
        declared = stack.declared()
        elsewhere = set().union(*(pipeline.declared for pipeline in self.pipelines))
        for pipeline, name, value in self.args.parameter:
            if not pipeline and (name in declared or name not in elsewhere):
                given[name] = value  # one that nobody has is refused with the names that there are
        changed = self.change([(stack, given)])
        return changed[self.args.stack], stack.outputs()

    def of_pipelines(self, core: dict[str, str]) -> dict[str, dict]:
        """Deploys the pipelines; gives what came of each."""
        stacks = {}
        for pipeline in self.pipelines:
            given = {name: core[name] for name in pipeline.declared & set(core)}
            given[MACHINES_BUCKET] = self.bucket
            given[MACHINE_KEY] = self.uploads.put(f"machines/{pipeline.name}", pipeline.machine, ".json")
            if pipeline.rollback:
                given[ROLLBACK_KEY] = self.uploads.put(f"machines/{pipeline.name}", pipeline.rollback, ".json")
            for of, name, value in self.args.parameter:
                if of == pipeline.name or not of and name in pipeline.declared:
                    given[name] = value
            stacks[pipeline.name] = (self.stack(pipeline.stack, pipeline.template, ".json"), given)
        changed = self.change(list(stacks.values()))
        return {name: {"stack": stack.stack, "changed": changed[stack.stack], "outputs": stack.outputs()}
                for name, (stack, _) in stacks.items()}

    def change(self, wanted: list[tuple[Deployment, dict[str, str]]]) -> dict[str, bool]:
        """Changes stacks side by side, once people have agreed to all of it; says which changed."""
        proposed = {stack.stack: None for stack, _ in wanted}
        try:
            for stack, given in wanted:
                stack.look(ask=(lambda _: None) if self.args.yes else confirm)
                changes = proposed[stack.stack] = stack.propose(stack.parameters(given))
                self.tell(stack.stack, changes)
            if any(changes is not None for changes in proposed.values()) and not self.args.yes:
                confirm("Make these changes?")
        except BaseException:
            for stack, _ in wanted:
                if proposed[stack.stack] is not None:
                    stack.withdraw()
            raise
        execute = [stack for stack, _ in wanted if proposed[stack.stack] is not None]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            done = [pool.submit(stack.execute) for stack in execute]
        stops = [stop for future in done if (stop := future.exception())]
        if stops:
            code = stops[0].code if isinstance(stops[0], Stop) else REFUSED
            raise Stop(code, "\n".join(map(str, stops)))
        return {name: changes is not None for name, changes in proposed.items()}

    def tell(self, stack: str, changes: list[dict] | None) -> None:
        if changes is None:
            say(f"{stack} in {self.where}: nothing to change")
        elif not (self.args.quiet and self.args.yes):
            say(f"{stack} in {self.where}, {len(changes)} changes:")
            for line in describe_changes(changes):
                say(line)

    def connection(self, core: dict[str, str]) -> dict:
        """Where everything is, as the gatewright command reads it; no secrets. With
        the pipelines that were deployed before, not only those of this time."""
        machines, rollbacks = {}, {}
        for name in known_pipelines(self.args):
            stack = Deployment(self.cloudformation, stack_of(self.args.stack, name), "", 0, 0, True)
            outputs = stack.outputs()
            machines |= {name: outputs["StateMachineArn"]} if "StateMachineArn" in outputs else {}
            rollbacks |= {name: outputs["RollbackStateMachineArn"]} if "RollbackStateMachineArn" in outputs else {}
        return {"region": self.args.region, "table": core["TableName"], "artifacts": core["ArtifactsBucket"], "machines": machines,
                "rollbacks": rollbacks, "public_url": core["PublicUrl"]}

    def connect(self, core: dict[str, str]) -> None:
        if self.args.connection:
            self.args.connection.write_text(json.dumps(self.connection(core), indent=2) + "\n")

    def apply(self) -> None:
        """Has the definitions recorded. Before the machines: a release of a version
        that nobody applied is refused."""
        if not self.args.gatewright:
            return
        command = [self.args.gatewright.resolve(), "--connection", self.args.connection.resolve(), "apply"]
        command += ["--yes"] if self.args.yes else []
        ended = subprocess.run(command, cwd=HERE.parent, stdout=sys.stderr, check=False).returncode
        if ended:
            raise Stop(FAILED, f"the definitions were not applied (exit code {ended}), so no pipeline was deployed")


def deploy(args: argparse.Namespace) -> dict:
    """Deploys; gives what happened to each stack, and the outputs."""
    started = time.monotonic()
    it = Deploy(args)
    it.uploads.prepare()
    changed, outputs = it.core()
    it.connect(outputs)
    it.apply()
    pipelines = it.of_pipelines(outputs)
    it.connect(outputs)
    return {
        "stack": args.stack,
        "changed": changed,
        "seconds": round(time.monotonic() - started, 1),
        "outputs": outputs,
        "pipelines": pipelines,
    }


def main(argv=None) -> int:
    args = arguments(argv)
    try:
        done = deploy(args)
    except Stop as stop:
        say(f"deploy.py: {stop}")
        return stop.code
    except (ClientError, BotoCoreError) as error:
        say(f"deploy.py: {error}")
        return REFUSED
    except KeyboardInterrupt:
        say("deploy.py: interrupted. What CloudFormation has begun, it goes on with")
        return LATE
    if args.json:
        print(json.dumps(done, indent=2))
        return 0
    stacks = {args.stack: done} | {of["stack"]: of for of in done["pipelines"].values()}
    for name, stack in stacks.items():
        print(name)
        width = max(map(len, stack["outputs"]), default=0)
        for output, value in sorted(stack["outputs"].items()):
            print(f"  {output:<{width}}  {value}")
    changed = [name for name, stack in stacks.items() if stack["changed"]]
    if changed:
        say(f"deployed in {done['seconds']} s: {', '.join(changed)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
