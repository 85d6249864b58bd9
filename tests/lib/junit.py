# SPDX-License-Identifier: LGPL-2.1-or-later
"""junit: what meson's testlog.junit.xml says, as lines "NAME PASSED FAILED".

A case that was skipped has failed. A suite that fails with no failed case has one of its own.
"""
import sys
import xml.etree.ElementTree as ElementTree

for suite in ElementTree.parse(sys.argv[1]).getroot().iter("testsuite"):
    bad = sum(int(suite.get(key, 0)) for key in ("errors", "failures", "skipped"))
    good = int(suite.get("tests", 0)) - bad
    print(suite.get("name").rpartition(" ")[2], good, bad)
