# SPDX-License-Identifier: LGPL-2.1-or-later
"""junit: prints what failed in meson's testlog.junit.xml, and counts: "N passed, N failed".

Usage: junit.py FILE STATUS, where STATUS is that of meson. A skipped case counts as failed. A suite that fails without a
failed case counts as one, as does a run of meson that failed without one. Exits 1 when anything failed.
"""
import sys
import xml.etree.ElementTree as ElementTree

results, status = sys.argv[1:]
passed = failed = 0
try:
    suites = list(ElementTree.parse(results).getroot().iter("testsuite"))
except (OSError, ElementTree.ParseError) as error:
    suites = []
    print(f"there are no results: {error}")
for suite in suites:
    bad = sum(int(suite.get(key, 0)) for key in ("errors", "failures", "skipped"))
    passed += int(suite.get("tests", 0)) - bad
    failed += bad
    for case in suite.iter("testcase"):
        for kind in ("error", "failure", "skipped"):
            if case.find(kind) is not None:
                print(f"{suite.get('name').rpartition(' ')[2]}: {kind}: {case.get('name')}")
if not failed and (status != "0" or not suites):
    failed = 1
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
