# SPDX-License-Identifier: LGPL-2.1-or-later
"""tap: runs unittest cases and prints their results as TAP."""

import sys
import time
import unittest

SLOW_S = 5


class _TapResult(unittest.TestResult):
    """Prints one line for each test when it ends, after all failures in it, including those of subtests."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.reported = 0, 0

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()
        self.report_failures()

    def stopTest(self, test):
        super().stopTest(test)
        self.count += 1
        seconds = time.monotonic() - self.begin
        if seconds > SLOW_S:
            print(f"# {seconds:.0f} s:", flush=True)
        print("not ok" if self.report_failures() else "ok", self.count, "-", test.id().partition(".")[2], flush=True)

    def report_failures(self):
        """Prints new failures as comments, including those of setUpClass(). Returns their number."""
        new = self.failures[self.reported[0]:] + self.errors[self.reported[1]:]
        self.reported = len(self.failures), len(self.errors)
        for test, details in new:
            for line in [f"--- {test}", *details.splitlines()]:
                print("#", line, flush=True)
        return len(new)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print(f"1..{suite.countTestCases()}", flush=True)
    result = _TapResult()
    suite.run(result)
    result.report_failures()
    sys.exit(0 if result.wasSuccessful() and result.count == suite.countTestCases() else 1)
