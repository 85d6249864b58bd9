# SPDX-License-Identifier: LGPL-2.1-or-later
"""results: prints the failed cases of a run of meson with what was said before each, and counts all: "N passed, N failed".

Usage: results.py LOG STATUS, where meson has written LOG.json and LOG.junit.xml, and exited with STATUS. A skipped case counts
as failed. A suite that failed without a failed case (it crashed, or timed out) counts as one more, as does a run that failed
without any. Exits with 1 if anything failed.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

BAD = ("error", "failure", "skipped")
# The last lines before a failed case are printed. The first failures often cause the others.
LINES_OF_CASE, LINES_OF_ALL, WIDTH = 16, 48, 300


def read_cases(log):
    """Returns the names of all cases, by suite: (passed, failed)."""
    found = {}
    for suite in ElementTree.parse(f"{log}.junit.xml").getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            name = case.get("name") if suite.get("name") == "cloche" else suite.get("name")
            passed, failed = found.setdefault(name.split()[-1].rpartition(".")[2], ([], []))
            (failed if any(case.find(kind) is not None for kind in BAD) else passed).append(case.get("name"))
    return found


def read_comments(output):
    """Returns the comments before each failed case of a suite's output, by the case's number."""
    comments, found = [], {}
    for line in output.splitlines():
        if line.startswith("not ok "):
            found[line.split()[2]] = comments
        if line.startswith(("ok ", "not ok ")):
            comments = []
        elif line.startswith("#"):
            comments.append(line[:WIDTH])
    return found


def main(log, status):
    passed = failed = 0
    room = LINES_OF_ALL
    try:
        cases = read_cases(log)
        suites = [json.loads(line) for line in pathlib.Path(f"{log}.json").read_text().splitlines()]
    except (OSError, ElementTree.ParseError, json.JSONDecodeError) as error:
        cases, suites = {}, []
        print(f"there are no results: {error}")
    for suite in suites:
        name = suite["name"].split()[-1]
        good, bad = cases.get(name, ([], []))
        if suite["result"] != "OK" and not bad:
            bad = [f"the suite ended with {suite['result']}, status {suite['returncode']}"]
        comments = read_comments(suite.get("stdout", ""))
        for case in bad:
            said = comments.get(case.split()[0], [])[-min(room, LINES_OF_CASE):] if room else []
            room -= len(said)
            print(f"{name}: {case}", *said, sep="\n    ")
        passed, failed = passed + len(good), failed + len(bad)
    if not failed and (status != "0" or not suites):
        failed = 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main(*sys.argv[1:])
