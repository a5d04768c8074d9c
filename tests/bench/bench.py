#!/usr/bin/env python3
"""Cold start and peak memory of our functions beside Python and Node functions
that make the same calls, one bootstrap beside a binary of its own, and the
orchestrator's own share of a release.

Everything runs on this machine: a Lambda Runtime API and AWS endpoints on the
loopback interface, without TLS. A cold start is the time from starting the
process to its first response; Lambda's own share (sandbox, download) is not in
it, and the machine's page cache is warm. The contestants take turns, so that a
busy machine is busy for all of them: read the ratios, not the milliseconds.
"""

import argparse
import json
import pathlib
import random
import statistics
import sys

import binaries
import contestants
import environments
import events
import fake_lambda
import share

METRICS = (("start_ms", "cold start", "ms", 1), ("cpu_ms", "CPU time", "ms", 1), ("memory_kib", "peak memory", "MiB", 1024))


def main():
    options = arguments()
    try:
        result = bench(options)
    except (environments.Missing, share.Unreadable) as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 2
    except contestants.Failed as failed:
        print(f"bench: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps(result, indent=2) if options.json else report(result))
    return 0


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit codes: 0 measured; 1 a contestant failed or called something else; 2 something is missing",
    )
    parser.add_argument("--bootstrap", type=pathlib.Path, metavar="FILE", help="the functions' binary, release profile (needed unless --setup-only)")
    parser.add_argument("--setup", type=pathlib.Path, metavar="DIR", help="make the Python and Node environments in DIR where they are missing, and use them")
    parser.add_argument("--setup-only", action="store_true", help="stop after --setup")
    parser.add_argument("--demo-json", type=pathlib.Path, metavar="FILE", help="what `make demo` measured: wall_seconds, builds_seconds, approval_seconds")
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="cold starts of each contestant (default: 20)")
    parser.add_argument("--build-times", action="store_true", help="also build the last crate of both binaries anew and take the time (minutes)")
    parser.add_argument("--without-node", action="store_true", help="leave the Node contestant out")
    parser.add_argument("--without-python", action="store_true", help="leave the Python contestant out")
    parser.add_argument("--json", action="store_true", help="print JSON, every sample included")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if not options.bootstrap and not options.setup_only:
        parser.error("--bootstrap is needed")
    if not options.setup and not (options.without_node and options.without_python):
        parser.error("--setup DIR is needed, unless both Python and Node are left out")
    return options


def say(text):
    print(text, file=sys.stderr, flush=True)


def bench(options):
    if options.setup:
        environments.set_up(options.setup, say, python=not options.without_python, node=not options.without_node)
    if options.setup_only:
        return {"ready": True}
    bootstrap = options.bootstrap.resolve()
    if not bootstrap.is_file():
        raise environments.Missing(f"there is no {options.bootstrap}: run `make build`")
    measured = share.read(options.demo_json)
    target = bootstrap.parent.parent if bootstrap.parent.name == "release" else binaries.ROOT / "target"
    say("building a binary of its own for two functions, to compare with")
    own = binaries.build_alone(target)
    cases = [events.AdmitRelease(*binaries.definition(target)), events.AnswerTask()]
    words = {"gatewright": "one bootstrap for all functions, Rust", "alone": "a binary of its own, Rust"}
    field = {case.name: [contestants.ours(bootstrap, case), contestants.alone(own[case.name], case)] for case in cases}
    if not options.without_python:
        words["python"] = environments.python_words(options.setup)
        for case in cases:
            field[case.name].append(contestants.python(options.setup.resolve(), case))
    if not options.without_node:
        words["node"], command = environments.node_words(options.setup)
        for case in cases:
            field[case.name].append(contestants.node(options.setup.resolve(), command, case))
    result = {
        "runs": options.runs,
        "contestants": words,
        "functions": rounds(cases, field, options.runs),
        "binaries": {
            "functions": binaries.functions(),
            **{name: dict(zip(("stripped_bytes", "zipped_bytes"), binaries.weigh(binary)))
               for name, binary in (("gatewright", bootstrap), ("alone", own["answer-task"]))},
        },
        "share": measured,
    }
    if options.build_times:
        say("building the last crate of both binaries anew")
        result["binaries"]["build"] = binaries.build_times(target)
    return result


def rounds(cases, field, runs):
    """Everybody once unmeasured, to check the calls and to warm the page cache;
    then in rounds, each in another order: who comes after a heavy neighbour pays
    for cold caches."""
    servers = fake_lambda.Servers()
    turns = [(case, one) for case in cases for one in field[case.name]]
    samples = {(case.name, one.name): [] for case, one in turns}
    same = {}
    for case, one in turns:
        same[case.name, one.name] = contestants.measure(one, case, servers).calls
        if same[case.name, one.name] != same[case.name, "gatewright"]:
            raise contestants.Failed(
                f"{one.name} asks something else than ours for {case.name}:\n  {json.dumps(same[case.name, one.name])}\n"
                f"  instead of\n  {json.dumps(same[case.name, 'gatewright'])}")
    for number in range(runs):
        say(f"round {number + 1} of {runs}")
        for case, one in random.Random(number).sample(turns, len(turns)):
            samples[case.name, one.name].append(contestants.measure(one, case, servers))
    return {
        case.name: {
            "calls": {one.name: [call[0] for call in same[case.name, one.name]] for one in field[case.name]},
            "contestants": {
                one.name: {metric: summary([getattr(sample, metric) for sample in samples[case.name, one.name]],
                                           [getattr(sample, metric) for sample in samples[case.name, "gatewright"]])
                           for metric, *_ in METRICS}
                for one in field[case.name]
            },
        }
        for case in cases
    }


def summary(values, ours):
    """Median and quartiles; the ratio to ours is taken round by round."""
    ratios = [value / own if own else 0.0 for value, own in zip(values, ours)]
    return {"median": statistics.median(values), "quartiles": quartiles(values),
            "ratio": statistics.median(ratios), "ratio_quartiles": quartiles(ratios), "samples": values}


def quartiles(values):
    if len(values) < 2:
        return [values[0], values[0]]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [low, high]


def report(result):
    if "functions" not in result:
        return "The environments are ready."
    lines = [f"{result['runs']} cold starts each, taking turns; median (quartiles), and times ours round by round", ""]
    lines += [f"  {name:<11} {words}" for name, words in result["contestants"].items()]
    for name, function in result["functions"].items():
        calls = function["calls"]["gatewright"]
        counted = ", ".join(f"{calls.count(call)} {call}" for call in dict.fromkeys(calls))
        lines += ["", f"{name}: each made the same {len(calls)} calls ({counted})"]
        lines.append("  " + f"{'':<11}" + "".join(f" {title:>25} {'x ours':>20}" for _, title, *_ in METRICS))
        for one, metrics in function["contestants"].items():
            row = f"  {one:<11}"
            for metric, _, unit, divisor in METRICS:
                of = metrics[metric]
                low, high = (value / divisor for value in of["quartiles"])
                spread = f"{of['median'] / divisor:.1f} {unit} ({low:.1f}-{high:.1f})"
                ratio = "1" if one == "gatewright" else f"{of['ratio']:.2f} ({of['ratio_quartiles'][0]:.2f}-{of['ratio_quartiles'][1]:.2f})"
                row += f" {spread:>25} {ratio:>20}"
            lines.append(row)
    lines += ["", *binary_lines(result["binaries"]), "", *share.lines(result["share"])]
    return "\n".join(lines)


def binary_lines(weights):
    ours, own, count = weights["gatewright"], weights["alone"], weights["functions"]
    lines = [f"one bootstrap for {count} functions, and a binary of its own for answer-task"]
    rows = [("stripped", "stripped_bytes"), ("zipped", "zipped_bytes")]
    for title, key in rows:
        ratio = own[key] / ours[key]
        lines.append(f"  {title:<11} {ours[key] / 2**20:6.2f} MiB   alone {own[key] / 2**20:6.2f} MiB (x {ratio:.2f});"
                     f" {count} of them x {ratio * count:.1f}")
    if "build" in weights:
        build = weights["build"]
        for title, key in (("build", "wall_s"), ("build, CPU", "cpu_s")):
            ratio = build["alone"][key] / build["gatewright"][key]
            lines.append(f"  {title:<11} {build['gatewright'][key]:6.1f} s     alone {build['alone'][key]:6.1f} s (x {ratio:.2f});"
                         f" {count} of them x {ratio * count:.1f}")
        lines.append("  (build: the last crate anew, its dependencies ready: compile, thin LTO over all of them, link)")
    else:
        lines.append("  (build times: --build-times)")
    return lines


if __name__ == "__main__":
    sys.exit(main())
