"""What the laptop changes about MiniStack, which is what `launch.py` runs.

Each function replaces one behaviour and says what AWS does instead. The replaced
names are private ones of the one version that `launch.py` asks for; all of them
are looked up at each call, so replacing them takes.
"""

import copy
import dataclasses
import json
import sys
import threading
import time


def change_all(tick: float, wait_scale: float, denied: str) -> None:
    """Changes the emulator, before it serves.

    `tick`: seconds between two looks at schedules. `wait_scale`: factor on waits.
    `denied`: path of the log of the calls that IAM refused.
    """
    open_the_door_for_events()
    let_parallel_states_assign()
    keep_branches_apart()
    fail_tasks_with_their_functions()
    take_loopback_for_tls()
    name_the_parameters_asked_for()
    let_root_play_codebuild()
    fill_in_scheduled_times()
    set_tick(tick, wait_scale)
    report_denials(denied)


def open_the_door_for_events() -> None:
    """Lets PutEvents send `aws.*` events, which only AWS's own services can: it is
    how the stand-ins send CodeBuild's and ECR's."""
    from ministack.services import eventbridge

    stock = eventbridge._put_events

    def put_events(data, allow_aws_source=True):
        return stock(data, allow_aws_source=True)

    eventbridge._put_events = put_events


def take_loopback_for_tls() -> None:
    """`aws:SecureTransport` is true: policies that refuse plain HTTP are the ones that
    deploy to AWS, the emulator speaks nothing else, and nothing leaves this machine."""
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
    """Fills in the account for which CodeBuild assumes a role, which roles ask for, so
    that the stand-in's builds act as their project's role.

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
    """Schedules name the time for which they fire, as EventBridge Scheduler does.

    MiniStack also reads every schedule in UTC, whatever its time zone says: on the
    laptop nothing depends on the hour.
    """
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


def keep_branches_apart() -> None:
    """Each branch of a Parallel has its own state, task and variables, as on AWS.

    MiniStack gives all of them one context: a branch could send another's token,
    and its own answer never came.
    """
    from ministack.services import stepfunctions

    stock = stepfunctions._run_sub_machine

    def run_sub_machine(states, start_at, input_data, execution, ctx):
        return stock(states, start_at, input_data, execution, copy.deepcopy(ctx))

    stepfunctions._run_sub_machine = run_sub_machine


def fail_tasks_with_their_functions() -> None:
    """A task that waits for an answer fails when its function does, and is retried.

    MiniStack lets it wait for an answer that nobody will send.
    """
    from ministack.services import stepfunctions

    stock_invoke = stepfunctions._invoke_with_callback
    stock_call = stepfunctions._call_lambda
    task = threading.local()  # each waits in a thread of its own

    def invoke_with_callback(resource, input_data, token, state_def):
        task.token = token
        try:
            return stock_invoke(resource, input_data, token, state_def)
        finally:
            task.token = None

    def call_lambda(func_ref, event):
        try:
            return stock_call(func_ref, event)
        except stepfunctions._ExecutionError as error:
            token = getattr(task, "token", None)
            if token:
                failed = {"taskToken": token, "error": error.error, "cause": error.cause}
                stepfunctions._send_task_failure(failed)
            raise

    stepfunctions._invoke_with_callback = invoke_with_callback
    stepfunctions._call_lambda = call_lambda


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
    """A line `DENIED <action> <resource> <principal>` for each call that IAM refused;
    MiniStack itself logs none."""
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
