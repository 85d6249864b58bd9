# SPDX-License-Identifier: LGPL-2.1-or-later
"""case: functions that the tests of the JavaScript runner share.

The host's end of the protocol is cloche_tests.runner_client.
"""

import os
import struct
import sys
import tempfile
import unittest

from cloche_tests.runner_client import EXECUTE, Execution, Runner, text, texts

RUN = os.path.abspath(sys.argv[1])
SLEEP = "await new Promise((resolve) => setTimeout(resolve, 2))"


def start(folder, *arguments, **environment):
    home = os.path.join(folder, "home")
    os.makedirs(home, exist_ok=True)
    own = {"HOME": home, "TMPDIR": folder, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    if "LD_LIBRARY_PATH" in os.environ:
        own["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return Runner(RUN, home, {**own, **environment}, arguments)


class Case(unittest.TestCase):
    """All tests of a class share one runner, so they also show that it remains usable."""

    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        cls.home = os.path.join(cls.folder.name, "home")
        cls.runner = start(cls.folder.name, **cls.environment)

    @classmethod
    def tearDownClass(cls):
        cls.runner.close()
        cls.folder.cleanup()

    def tearDown(self):
        after = self.run_ok("console.log('out'); console.error('err'); 6 * 7")
        self.assertEqual((after.out, after.err, after.plain), (b"out\n", b"err\n", "42"))

    def run_ok(self, code, flags=0, environment=(), dialect=""):
        execution = self.execute(code, flags, environment, dialect)
        self.assertIsNone(execution.error, execution.error and execution.error[2])
        self.assertEqual(execution.status, 0)
        return execution

    def execute(self, code, flags=0, environment=(), dialect=""):
        payload = struct.pack("<I", flags) + text(dialect) + text(code) + texts(environment)
        self.runner.socket.sendall(self.runner.frame(EXECUTE, payload))
        return self.runner.finish()

    def run_failing(self, code, name, status=1, **options):
        execution = self.execute(code, **options)
        self.assertIsNotNone(execution.error, execution.results)
        self.assertEqual((execution.error[0], execution.status), (name, status))
        return execution

    def value(self, code, **options):
        return self.run_ok(code, **options).plain

    def write(self, name, content):
        file = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "w") as stream:
            stream.write(content)

    def run_interrupted(self, code):
        """Runs code, interrupts it when it has printed "now", and returns the execution."""
        execution = Execution()
        self.runner.begin(code)
        self.runner.wait_for_output(execution, b"now\n")
        self.runner.stop(execution)
        self.assertEqual(execution.status, 2, execution.error)
        self.assertEqual(execution.error[0], "InterruptError")
        return execution
