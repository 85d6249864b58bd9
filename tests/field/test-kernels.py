# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-kernels: kernels end together with the test that started them, also kernels that were started in advance."""
import os
import pathlib
import select
import signal
import subprocess
import unittest

HERE = pathlib.Path(__file__).resolve().parent
from cloche_tests import tap

END_S = 30
TEST = """
import sys, truth
stock = truth.KERNELS[sys.argv[1]]
used = stock.take()
print(*(kernel.pid for kernel in (used, *stock.started)), flush=True)
sys.stdin.read()
"""


class Kernels(unittest.TestCase):
    def start(self, name, count):
        """Starts a test that has kernels; returns it, and a pidfd of each kernel."""
        test = subprocess.Popen(["/usr/bin/python3", "-B", "-c", TEST, name], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True)
        self.addCleanup(test.stdout.close)
        pids = test.stdout.readline().split()
        self.assertEqual(len(pids), count)
        kernels = [os.pidfd_open(int(pid)) for pid in pids]
        for kernel in kernels:
            self.addCleanup(os.close, kernel)
        return test, kernels

    def assert_end(self, test, kernels):
        for kernel in kernels:
            self.assertTrue(select.select([kernel], [], [], END_S)[0], "a kernel still runs")
        test.wait(END_S)

    def check(self, name, count):
        test, kernels = self.start(name, count)
        self.assertFalse(select.select(kernels, [], [], 0)[0])
        test.send_signal(signal.SIGKILL)
        self.assert_end(test, kernels)
        test.stdin.close()
        test, kernels = self.start(name, count)
        test.stdin.close()
        self.assert_end(test, kernels)
        self.assertEqual(test.returncode, 0)

    def test_python(self):
        self.check("ipykernel", 3)

    def test_r(self):
        self.check("IRkernel", 2)


tap.main()
