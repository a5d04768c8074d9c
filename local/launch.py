#!/usr/bin/env python3
"""Runs the emulator (MiniStack) for the laptop stack: one process, one port.

    launch.py --port 4566 --auth --tick 1

It is MiniStack's own app, with three things around it that its command lacks:

- an environment made from nothing (functions inherit the emulator's whole
  environment) and a folder of its own for everything that it writes;
- what `ministack_changes.py` changes about it, to be more like AWS; the calls that
  IAM refused are in <dir>/denied.log and on stderr;
- an end with everything that it started on SIGTERM, SIGINT, SIGKILL, and when
  the process that started it is gone.

stdout gets one line, `ready <url>`, once it answers. Exit codes: 0 ended as
asked, 1 failed, 2 wrong arguments, 3 the wrong MiniStack.
"""

import argparse
import asyncio
import contextlib
import importlib.metadata
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import traceback

import ministack_changes

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
    """The changes were made for private names of one version, so no other will do."""
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
        ministack_changes.change_all(args.tick, float(args.wait_scale), f"{folder}/denied.log")
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
