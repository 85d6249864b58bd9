# SPDX-License-Identifier: LGPL-2.1-or-later
"""report: prints the measurements of bench-client as a table, and writes them as JSON.

Usage: report.py FACTS SAMPLES OUTPUT. Each line of FACTS has a key and a value, and each line of SAMPLES a figure's key
and a number, separated by a tab. Budgets apply to a machine with two emulated cores.
"""
import json
import math
import sys

# key: (description, unit, {statistic: maximum}, [(maximum share, of this figure)], figures to compare with)
SERVICE = {
    "create": ("CreateSandbox, call to reply", "ms", {"median": 3, "p99": 15}, [], ["cold-boot"]),
    "create-run": ("create, then Run (true)", "ms", {"median": 25}, [(1 / 4, "runsc-true")],
                   ["bwrap-true", "nspawn-true", "runsc-true"]),
    "create-code": ('create, then RunCode ("print(1)")', "ms", {"median": 40},
                    [(1 / 30, "runsc-python")], ["bwrap-python", "runsc-python"]),
    "code-warm": ('RunCode ("1"), warm', "ms", {"median": 20}, [], ["bwrap-python"]),
    "code-python": ('RunCode ("1") in Python', "ms", {"median": 20}, [(1 / 3, "code-ipykernel")], ["code-ipykernel"]),
    "code-javascript": ("  in JavaScript", "ms", {}, [(1, "code-python")], ["code-python"]),
    "code-stream": ("StreamCode, 100 MB in lines of 1000 bytes", "MB/s", {}, [], []),
    "stream-service": ("  growth of the service's memory (peak)", "KiB", {}, [], []),
    "stream-runner": ("  growth of the interpreter's memory", "KiB", {}, [], []),
    "growth-service": ("100 executions: growth of the service", "KiB", {}, [], []),
    "growth-runner": ("  growth of the interpreter", "KiB", {}, [], []),
    "refill": ("refill: claim to the next restored", "ms", {"median": 1000}, [], ["cold-boot"]),
    "run-idle": ("Run (true)", "ms", {}, [], ["nsenter-true"]),
    "run-beside-up": ("  while data are sent to the sandbox", "ms", {}, [(5, "run-idle")], ["run-idle"]),
    "run-beside-down": ("  while data are read from the sandbox", "ms", {}, [(5, "run-idle")], ["run-idle"]),
    "start-wait": ("Start, then Wait (true)", "ms", {}, [], ["nsenter-true"]),
    "processes-100": ("100 processes at once", "ms", {}, [], ["nsenter-100"]),
    "write-file": ("WriteFile", "MB/s", {}, [], ["cp"]),
    "read-file": ("ReadFile", "MB/s", {}, [], ["cp"]),
    "process-up": ("Start, its input", "MB/s", {}, [], ["nsenter-up"]),
    "process-down": ("Start, its output", "MB/s", {}, [], ["nsenter-down"]),
    "memory": ("memory of an idle machine (PSS)", "MiB", {"median": 90}, [], []),
    "memory-private": ("  private part", "MiB", {}, [], []),
    "memory-shared": ("  proportional share of shared pages", "MiB", {}, [], []),
    "idle-cpu": ("processor time of an idle machine", "%", {"median": 0.5}, [], []),
    "idle-cpu-service": ("processor time of the idle service", "%", {}, [], []),
    "quota-idle": ("GetQuota, on fake machines", "ms", {}, [], []),
    "quota-calls": ("  another user sends 4000 calls at once", "ms", {"median": 10}, [], ["quota-idle"]),
    "quota-set-timeout": ("  4000 calls of SetTimeout", "ms", {"median": 10}, [], ["quota-idle"]),
    "quota-values": ("  messages of 100,000 values", "ms", {"median": 10}, [], ["quota-idle"]),
    "quota-unread-bytes": ("  reads no lists", "ms", {"median": 10}, [], ["quota-idle"]),
    "quota-unread-introspection": ("  reads no introspection", "ms", {"median": 10}, [], ["quota-idle"]),
    "quota-unread-descriptors": ("  reads no descriptors", "ms", {"median": 10}, [], ["quota-idle"]),
    "quota-stdin": ("  starts programs that read no input", "ms", {"median": 10}, [], ["quota-idle"]),
    "create-idle": ("CreateSandbox, no pool, fake machines", "ms", {}, [], []),
    "create-beside-16": ("  while another user creates 16", "ms", {}, [(3, "create-idle")], ["create-idle"]),
    "start-template": ("start of the service to template ready", "ms", {}, [], ["cold-boot"]),
    "start-machine": ("start of the service to first machine", "ms", {}, [], ["cold-boot"]),
}
NUMBERS = ("cores", "memory-mib", "load", "rounds", "pool")
BASELINES = {
    "cold-boot": ("cold boot of the same guest", "ms"),
    "code-ipykernel": ("ipykernel by jupyter_client, in a sandbox", "ms"),
    "bwrap-true": ("bubblewrap, true", "ms"),
    "bwrap-python": ("bubblewrap, python3 -c 'print(1)'", "ms"),
    "nspawn-true": ("systemd-nspawn, true", "ms"),
    "nsenter-true": ("nsenter into systemd-nspawn, true", "ms"),
    "nsenter-100": ("  100 processes at once", "ms"),
    "nsenter-up": ("  to its input", "MB/s"),
    "nsenter-down": ("  from its output", "MB/s"),
    "cp": ("cp into the root of the container", "MB/s"),
    "runsc-true": ("runsc do true", "ms"),
    "runsc-python": ("runsc do python3 -c 'print(1)'", "ms"),
}


def read_samples(path):
    samples = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, value = line.rstrip("\n").split("\t")
            samples.setdefault(key, []).append(float(value))
    return samples


def read_facts(path):
    with open(path, encoding="utf-8") as file:
        facts = dict(line.rstrip("\n").split("\t", 1) for line in file)
    return {k: json.loads(v) if k in NUMBERS else v for k, v in facts.items()}


def percentile(values, percent):
    """Returns the percentile by nearest rank, which is always a measured value."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def statistics(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else sum(ordered[middle - 1:middle + 1]) / 2
    return {"n": len(values), "median": median, "p99": percentile(values, 99), "min": ordered[0],
            "max": ordered[-1], "samples": values}


def judge(figure, limits, shares, figures):
    """Returns the budgets of one figure, and whether each was met."""
    found = [{"statistic": name, "at-most": limit} for name, limit in limits.items()]
    found += [{"statistic": "median", "at-most": figures[base]["median"] * share,
               "of": f"{f'1/{1 / share:.0f} of' if share < 1 else f'{share} ×'} {figures[base]['what']}"}
              for share, base in shares if base in figures]
    for budget in found:
        budget["met"] = figure[budget["statistic"]] <= budget["at-most"]
    return found


def evaluate(samples):
    figures = {key: {"what": what.strip(), "unit": unit, **statistics(samples[key])}
               for key, (what, unit) in BASELINES.items() if key in samples}
    for key, (what, unit, limits, shares, bases) in SERVICE.items():
        figure = {"what": what.strip(), "unit": unit, **statistics(samples[key])}
        figure["budgets"] = judge(figure, limits, shares, figures)
        figure["ratios"] = {base: figure["median"] / figures[base]["median"]
                            for base in bases if base in figures}
        figures[key] = figure
    return figures


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def row(what, figure):
    cells = "".join(f"{number(figure[k]):>9}" for k in ("median", "p99", "min", "max"))
    return f"{what:<41}{figure['unit']:<5}{figure['n']:>4}{cells}"


def say_budget(budget):
    limit = budget.get("of") or f"{number(budget['at-most'])} ({budget['statistic']})"
    return f"{limit}: {'met' if budget['met'] else 'NOT MET'}"


def print_table(facts, figures):
    print(f"{facts['cpu']}, {facts['cores']:.0f} cores, {facts['memory-mib']:.0f} MiB, "
          f"{facts['accelerator']}, kernel {facts['kernel']}, load {facts['load']} at the start\n")
    print(f"{'':<45}{'n':>5}{'median':>9}{'p99':>9}{'min':>9}{'max':>9}   at most")
    for key, (what, *_) in SERVICE.items():
        figure = figures[key]
        print(f"{row(what, figure)}   {', '.join(map(say_budget, figure['budgets']))}".rstrip())
        if figure["ratios"]:
            print("    " + ", ".join(f"{ratio:.3g} × {base}" for base, ratio in figure["ratios"].items()))
    print("\nbeside it:")
    for key, (what, _) in BASELINES.items():
        print(row(what, figures[key]) if key in figures else f"{what:<41}not measured")


def main():
    facts_path, samples_path, output = sys.argv[1:]
    facts, figures = read_facts(facts_path), evaluate(read_samples(samples_path))
    print_table(facts, figures)
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"machine": facts, "figures": figures}, file, indent=1)
        file.write("\n")


main()
