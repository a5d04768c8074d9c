#!/usr/bin/env python3
"""Runs the emulator (MiniStack) for the laptop stack: one process, one port.

    launch.py --port 4566 --auth --tick 1

It is MiniStack's own app, with seven things around it that its command lacks:

- an environment made from nothing (functions inherit the emulator's whole
  environment) and a folder of its own for everything that it writes;
- a door for the stand-ins: PutEvents with a source `aws.*`, which AWS and
  MiniStack refuse, is how they send CodeBuild's and ECR's events;
- a loopback that counts as TLS: policies that refuse plain HTTP are the ones that
  deploy to AWS, and the emulator speaks nothing else;
- CodeBuild's part in AssumeRole: root may assume roles that trust it for this
  account, in sessions that are named as CodeBuild's, so that the stand-in's builds
  act as their project's role;
- the time in what EventBridge Scheduler sends: `<aws.scheduler.scheduled-time>`,
  which MiniStack leaves as it is. (It also reads every schedule in UTC, whatever
  its time zone says: on the laptop nothing depends on the hour);
- a line `DENIED <action> <resource> <principal>` for each call that IAM refused,
  on stderr and in <dir>/denied.log;
- an end with everything that it started on SIGTERM, SIGINT, SIGKILL, and when
  the process that started it is gone.

stdout gets one line, `ready <url>`, once it answers. Exit codes: 0 ended as
asked, 1 failed, 2 wrong arguments, 3 the wrong MiniStack.

The patched names are private ones of MiniStack, hence the pinned version.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import importlib.metadata
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback

MINISTACK = "1.5.33"

# What functions may see of the environment that the launcher was started in.
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "TZ")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs the emulator for the laptop stack.")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--region", default="ap-south-1", help="(default: %(default)s)")
    parser.add_argument("--dir", help="for all it writes (default: a temporary one, removed at the end)")
    parser.add_argument("--auth", action="store_true", help="evaluate IAM policies and signatures")
    parser.add_argument("--root-key", default="test", help="access key of the account's root (default: %(default)s)")
    parser.add_argument("--root-secret", default="test", help="its secret (default: %(default)s)")
    parser.add_argument("--wait-scale", default="1", help="factor on Step Functions' waits and retries; 0 skips them")
    parser.add_argument("--tick", type=float, default=1.0, metavar="SECONDS",
                        help="how often schedules are looked at; MiniStack itself: 10 (default: %(default)s)")
    parser.add_argument("--log", default="WARNING", choices=["DEBUG", "INFO", "WARNING", "ERROR"],
                        help="(default: %(default)s)")
    parser.add_argument("--outlive-parent", action="store_true",
                        help="go on when the process that started this one is gone")
    return parser.parse_args()


def check_version() -> None:
    """The patches below were made for one version, so no other will do."""
    try:
        found = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        found = None
    if found != MINISTACK:
        has = f"this Python has {found}" if found else f"{sys.executable} has none"
        print(f"launch.py needs ministack {MINISTACK}; {has}.\n"
              "Install the pinned set: pip install --requirement local/requirements.txt", file=sys.stderr)
        raise SystemExit(3)


def claim_port(port: int) -> int:
    """The port, or a free one for 0; says so when somebody else answers there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            print(f"launch.py cannot use port {port}: {error.strerror}", file=sys.stderr)
            raise SystemExit(1) from None
        return probe.getsockname()[1]


def set_environment(args: argparse.Namespace, folder: str, url: str) -> None:
    """Replaces the environment. MiniStack reads it when it is imported."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env.update(
        HOME=f"{folder}/home",
        TMPDIR=f"{folder}/tmp",  # functions are unpacked under it, pid files kept
        STATE_DIR=f"{folder}/state",
        S3_DATA_DIR=f"{folder}/s3",
        PERSIST_STATE="0",
        S3_PERSIST="0",
        BIND_HOST="127.0.0.1",
        MINISTACK_HOST="localhost",
        GATEWAY_PORT=str(args.port),
        MINISTACK_REGION=args.region,
        # Without it Rust functions get no endpoint at all.
        AWS_ENDPOINT_URL=url,
        AWS_ACCESS_KEY_ID=args.root_key,
        AWS_SECRET_ACCESS_KEY=args.root_secret,
        AWS_EC2_METADATA_DISABLED="true",
        AUTH="true" if args.auth else "false",
        SFN_WAIT_SCALE=args.wait_scale,
        LOG_LEVEL=args.log,
        LAMBDA_EXECUTOR="local",
        # No container, whatever runs on this machine.
        DOCKER_HOST=f"unix://{folder}/no-docker.sock",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        COGNITO_EMAIL_ENABLED="false",
    )
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # forget the one that was computed before
    for name in ("home", "tmp"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    os.chdir(folder)


def open_the_door_for_events() -> None:
    """Lets PutEvents send `aws.*` events, which only AWS's own services can."""
    from ministack.services import eventbridge

    stock = eventbridge._put_events

    def put_events(data, allow_aws_source=True):
        return stock(data, allow_aws_source=True)

    eventbridge._put_events = put_events


def take_loopback_for_tls() -> None:
    """`aws:SecureTransport` is true: nothing leaves this machine."""
    from ministack import app

    stock = app.pin_request_origin

    def pin_request_origin(source_ip, secure_transport):
        stock(source_ip, True)

    app.pin_request_origin = pin_request_origin


def name_the_parameters_asked_for() -> None:
    """MiniStack takes ssm:GetParameters to be about `*`; it is about each parameter.

    The stand-in for CodeBuild asks for one at a time.
    """
    from ministack.core import iam_actions

    stock = iam_actions._param

    def param(body, query_params, *fields):
        found = stock(body, query_params, *fields)
        if fields == ("Name",) and not found:
            try:
                names = json.loads(body).get("Names")
            except (ValueError, TypeError, AttributeError):
                return found
            if isinstance(names, list) and len(names) == 1:
                return names[0]
        return found

    iam_actions._param = param


def let_root_play_codebuild() -> None:
    """Fills in the account for which CodeBuild assumes a role, which roles ask for.

    MiniStack lets root assume what trusts any service, and knows no source account.
    """
    from ministack.core import iam_evaluator

    stock = iam_evaluator.evaluate_trust_policy

    def evaluate_trust_policy(trust_doc, caller_arn, ctx=None):
        known = (ctx.service_context or {}) if ctx else {}
        session = known.get("sts:rolesessionname") or ""
        if caller_arn.endswith(":root") and session.startswith("AWSCodeBuild-"):
            known = {**known, "aws:sourceaccount": ctx.principal_account}
            ctx = dataclasses.replace(ctx, service_context=known)
        return stock(trust_doc, caller_arn, ctx)

    # MiniStack imports the name at each call, so this takes.
    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy


def fill_in_scheduled_times() -> None:
    """Schedules name the time for which they fire, as EventBridge Scheduler does."""
    from ministack.services import eventbridge

    stock = eventbridge._invoke_target

    def invoke_target(target, event, *args, **kwargs):
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            at = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(event["Time"]))
            target = {**target, "Input": target["Input"].replace("<aws.scheduler.scheduled-time>", at)}
        return stock(target, event, *args, **kwargs)

    eventbridge._invoke_target = invoke_target


def let_parallel_states_assign() -> None:
    """MiniStack gives a JSONata Parallel no Output and no Assign; a Map has both."""
    from ministack.services import stepfunctions

    stock = stepfunctions._run_parallel_branches

    def run_parallel_branches(state_def, raw_input, execution, ctx):
        results, next_state = stock(state_def, raw_input, execution, ctx)
        if stepfunctions._state_query_language(state_def, ctx) == "JSONata":
            stepfunctions._apply_state_assign(state_def, raw_input, ctx, result=results)
            results = stepfunctions._apply_jsonata_output(state_def, raw_input, ctx, result=results, default=results)
        return results, next_state

    stepfunctions._run_parallel_branches = run_parallel_branches


def set_tick(seconds: float, scale: float) -> None:
    """How often schedules are looked at. What comes each minute comes as much more
    often as waits are shorter, but not more than every five seconds: a laptop that
    scales an hour's watch to a minute has to look at it meanwhile."""
    from ministack.services import eventbridge, scheduler

    eventbridge._SCHEDULER_TICK_INTERVAL = seconds
    scheduler._SCHEDULE_TICK_INTERVAL = seconds
    stock = eventbridge._parse_rate_seconds

    def parse_rate_seconds(expression):
        rate = stock(expression)
        return rate if rate is None else max(rate * scale, min(rate, 5))

    eventbridge._parse_rate_seconds = parse_rate_seconds


def report_denials(log_path: str) -> None:
    """Says which calls IAM refused; MiniStack itself logs none."""
    from ministack.core import iam_evaluator

    stock = iam_evaluator.enforce

    def enforce(access_key, action, *args, **kwargs):
        denied = stock(access_key, action, *args, **kwargs)
        if denied:
            resource = kwargs.get("resource_arn") or (args[2] if len(args) > 2 else "") or "*"
            # An AuthError (no or wrong credentials) has a code and no principal.
            principal = getattr(denied, "principal_arn", "") or getattr(denied, "code", "") or "unknown"
            line = f"DENIED {action} {resource} {principal}"
            print(line, file=sys.stderr, flush=True)
            with open(log_path, "a", encoding="utf-8") as log:
                log.write(line + "\n")
        return denied

    # MiniStack imports the name at each call, so this takes.
    iam_evaluator.enforce = enforce


async def until_answering(port: int, url: str) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        print(f"ready {url}", flush=True)
        return


async def until_orphaned(parent: int) -> None:
    """Returns when `parent` has ended.

    Not PR_SET_PDEATHSIG: that fires when the *thread* that started us ends, and
    a pool's threads come and go.
    """
    try:
        handle = os.pidfd_open(parent)
    except (AttributeError, OSError):  # not Linux, or it is gone already
        while os.getppid() == parent:
            await asyncio.sleep(0.5)
        return
    try:
        if os.getppid() != parent:
            return
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(handle, ended.set)
        await ended.wait()
        loop.remove_reader(handle)
    finally:
        os.close(handle)


async def serve(args: argparse.Namespace, url: str, parent: int) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack import app

    config = Config()
    config.bind = [f"127.0.0.1:{args.port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.shutdown_timeout = 3
    config.loglevel = args.log
    config.accesslog = None
    logging.getLogger("hypercorn.access").disabled = True
    # It warns with every template that it never sends its statistics.
    logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(until_answering(args.port, url))]
    if not args.outlive_parent:
        orphaned = asyncio.create_task(until_orphaned(parent))
        orphaned.add_done_callback(lambda _: stop.set())
        tasks.append(orphaned)
    try:
        await hypercorn_serve(app.app, config, shutdown_trigger=stop.wait)
    finally:
        for task in tasks:
            task.cancel()


def guard_functions(folder: str, temporary: bool) -> None:
    """Ends the functions when this process is killed and cannot do it itself.

    They would otherwise wait for ever for an emulator that is gone. The guard is
    a process that waits for the end of a pipe which only we hold; then it kills
    our process group, which is why we lead one of our own.
    """
    with contextlib.suppress(PermissionError):  # a session's leader leads its group already
        os.setpgid(0, 0)
    ours, end = os.getpgrp(), os.pipe()
    if os.fork():
        os.close(end[0])
        return
    os.setsid()
    os.close(end[1])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.read(end[0], 1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(ours, signal.SIGKILL)
    if temporary:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def end_functions() -> None:
    """Ends and reaps every warm function; MiniStack's own shutdown leaves them."""
    from ministack.core import lambda_runtime

    lambda_runtime.reset()


def main() -> int:
    parent = os.getppid()
    args = arguments()
    check_version()
    args.port = claim_port(args.port)
    url = f"http://127.0.0.1:{args.port}"
    folder = os.path.abspath(args.dir or tempfile.mkdtemp(prefix="gatewright-emulator-"))
    set_environment(args, folder, url)
    guard_functions(folder, temporary=args.dir is None)
    code = 0
    try:
        open_the_door_for_events()
        let_parallel_states_assign()
        take_loopback_for_tls()
        name_the_parameters_asked_for()
        let_root_play_codebuild()
        fill_in_scheduled_times()
        set_tick(args.tick, float(args.wait_scale))
        report_denials(f"{folder}/denied.log")
        asyncio.run(serve(args, url, parent))
    except KeyboardInterrupt:
        pass
    except BaseException:  # to end the functions whatever happened
        traceback.print_exc()
        code = 1
    finally:
        try:
            end_functions()
        finally:
            if args.dir is None:
                shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    result = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # MiniStack's worker threads are not daemons and would be waited for.
    os._exit(result)
