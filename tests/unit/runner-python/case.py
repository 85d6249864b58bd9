# SPDX-License-Identifier: LGPL-2.1-or-later
"""case: functions that the tests of the Python runner share."""

import os
import sys
import tempfile
import unittest

from cloche_tests.runner_client import Execution, Runner

RUN = os.path.abspath(sys.argv[1])
MIB = 1 << 20


def start(folder, *arguments, **environment):
    home = os.path.join(folder, "home")
    os.makedirs(home, exist_ok=True)
    environment = {
        "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", "TMPDIR": folder, **environment
    }  # fmt: skip
    environment = {"HOME": home, "PATH": os.environ["PATH"], **environment}
    return Runner(RUN, home, environment, arguments)


class Case(unittest.TestCase):
    """All tests of a class share one runner, so they also show that it remains usable."""

    environment = {}
    arguments = []

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        cls.runner = start(cls.folder.name, *cls.arguments, **cls.environment)

    @classmethod
    def tearDownClass(cls):
        cls.runner.close()
        cls.folder.cleanup()

    def tearDown(self):
        after = self.run_ok("print('out'); import sys; print('err', file=sys.stderr); 6 * 7")
        self.assertEqual((after.out, after.err, after.plain), (b"out\n", b"err\n", "42"))

    def run_ok(self, code, flags=0, environment=()):
        execution = self.runner.execute(code, flags, environment)
        self.assertIsNone(execution.error, execution.error and execution.error[2])
        self.assertEqual(execution.status, 0)
        return execution

    def run_failing(self, code, name, status=1):
        execution = self.runner.execute(code)
        self.assertIsNotNone(execution.error, execution.out)
        self.assertEqual((execution.error[0], execution.status), (name, status))
        return execution

    def value(self, code):
        return self.run_ok(code).plain

    def run_interrupted(self, code):
        """Runs code, interrupts it when it has printed "now", and returns the execution."""
        execution = Execution()
        self.runner.begin(code)
        self.runner.wait_for_output(execution, b"now\n")
        self.runner.interrupt()
        return self.runner.finish(execution)
