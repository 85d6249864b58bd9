# SPDX-License-Identifier: LGPL-2.1-or-later
"""tap: runs unittest cases and prints their results as TAP."""

import sys
import unittest


class _TapResult(unittest.TestResult):
    """One line per test, when it is over: with all that failed in it, subtests included."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.told = 0, 0

    def startTest(self, test):
        super().startTest(test)
        self.tell()

    def stopTest(self, test):
        super().stopTest(test)
        self.count += 1
        print("not ok" if self.tell() else "ok", self.count, "-", test.id().partition(".")[2], flush=True)

    def tell(self):
        """What failed since the last time, for people: also a class that could not be set up. Returns how many did."""
        new = self.failures[self.told[0]:] + self.errors[self.told[1]:]
        self.told = len(self.failures), len(self.errors)
        for test, details in new:
            for line in [f"--- {test}", *details.splitlines()]:
                print("#", line, flush=True)
        return len(new)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print(f"1..{suite.countTestCases()}", flush=True)
    result = _TapResult()
    suite.run(result)
    result.tell()
    sys.exit(0 if result.wasSuccessful() and result.count == suite.countTestCases() else 1)
