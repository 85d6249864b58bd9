# SPDX-License-Identifier: LGPL-2.1-or-later
"""tap: runs unittest cases and tells of them as TAP."""

import sys
import unittest


class _TapResult(unittest.TestResult):
    """One line per test, when it is over: with all that failed in it, subtests included."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def startTest(self, test):
        super().startTest(test)
        self._before = len(self.failures) + len(self.errors)

    def stopTest(self, test):
        super().stopTest(test)
        self.count += 1
        wrong = len(self.failures) + len(self.errors) - self._before
        print("not ok" if wrong else "ok", self.count, "-", test.id().partition(".")[2], flush=True)

    def tell(self):
        """What failed where, for people; also for a class that could not be set up."""
        for test, details in self.failures + self.errors:
            for line in [f"--- {test}", *details.splitlines()]:
                print("#", line, flush=True)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print(f"1..{suite.countTestCases()}", flush=True)
    result = _TapResult()
    suite.run(result)
    result.tell()
    sys.exit(0 if result.wasSuccessful() and result.count == suite.countTestCases() else 1)
